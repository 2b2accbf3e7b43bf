"""Inputs run in a child of this process: what came of each, in what time and memory; a crash costs one child."""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import gc
import json
import mmap
import os
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from calibaudit.errors import CalibauditError
from tests.fuzz.mutate import Sample, mutated
from tests.fuzz.readers import Case, Lie, Reader, written

SECONDS = 5.0
"""Of computing that an input may take."""
WAITING = 4.0
"""Times that by the clock, which a machine that has other work needs too."""

MEGABYTES = 500
"""That an input may take on top of what was in use."""

RAW, HANG, MEMORY, NAN, HALF, LIE = KINDS = ("raw", "hang", "memory", "nan", "half-written", "lie")


@dataclass(frozen=True)
class Failure:
    """An input that was neither accepted nor refused in one line. where: file:function of ours, the deepest."""

    reader: str
    seed: int
    kind: str
    what: str
    where: str

    @property
    def signature(self) -> tuple[str, str, str]:
        return self.kind, self.what.partition(":")[0], self.where


@dataclass
class Tally:
    """What came of a reader's inputs. seconds: of computing."""

    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        return self.accepted + self.refused + len(self.failures)

    def count(self, kind: str) -> int:
        return sum(failure.kind == kind for failure in self.failures)

    def add(self, other: Tally) -> None:
        self.accepted += other.accepted
        self.refused += other.refused
        self.seconds += other.seconds
        self.failures += other.failures


class _TooLong(BaseException):
    """No reader catches it."""


_samples = lru_cache(maxsize=None)(lambda reader: tuple(reader.samples()))


def content_of(reader: Reader, seed: int) -> tuple[Sample, bytes]:
    """The input of a seed: a sample, and what has become of its content."""
    return mutated(_samples(reader), Random(f"{reader.name}:{seed}"))


def run(reader: Reader, seeds: range, until: float = float("inf")) -> Tally:
    """Every seed's input, in a child of this process; one that ends its child is a failure, and another child goes on.

    until: by the clock of time.monotonic, when no further input is begun.
    """
    _samples(reader)  # once, before there are children
    tally, start = Tally(), seeds.start
    while start < seeds.stop and time.monotonic() < until:
        start = _one_child(reader, range(start, seeds.stop), tally, until)
    return tally


def outcome(reader: Reader, seed: int, sample: Sample, content: bytes) -> Tally:
    """A given content in a child, as if the seed had made it; for making a failure's input smaller."""
    tally = Tally()
    _one_child(reader, range(seed, seed + 1), tally, float("inf"), (sample, content))
    return tally


_SLOT = struct.Struct("qqqd")  # seed, accepted, refused, when this seed began


def _one_child(
    reader: Reader, seeds: range, tally: Tally, until: float, given: tuple[Sample, bytes] | None = None
) -> int:
    """Runs the seeds until the end or until the child is lost. Returns the seed to go on from."""
    slot = mmap.mmap(-1, _SLOT.size)
    slot[:] = _SLOT.pack(seeds.start, 0, 0, time.monotonic())
    source, target = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(source)
        _child(reader, seeds, slot, target, until, given)
    os.close(target)
    lines, lost = b"", ""
    while not lost:
        if select.select([source], [], [], 0.5)[0]:
            if not (block := os.read(source, 65536)):
                break
            lines += block
        _, _, _, since = _SLOT.unpack(slot[:])
        if time.monotonic() - since > 2 * WAITING * SECONDS:
            os.kill(child, signal.SIGKILL)
            lost = f"killed after {2 * WAITING * SECONDS:g} s: not to be interrupted"
    os.close(source)
    _, status, used = os.wait4(child, 0)
    seed, accepted, refused, _ = _SLOT.unpack(slot[:])
    tally.accepted += accepted
    tally.refused += refused
    tally.failures += [Failure(**json.loads(line)) for line in lines.splitlines()]
    tally.seconds += used.ru_utime + used.ru_stime
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 1:
        raise AssertionError(f"{reader.name}, seed {seed}: the harness itself failed: {tally.failures.pop().what}")
    if lost or not os.WIFEXITED(status) or os.WEXITSTATUS(status) not in (0, _FULL):
        signaled = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        what = lost or (f"signal {signaled}" if signaled else f"exit status {os.WEXITSTATUS(status)}")
        tally.failures.append(Failure(reader.name, seed, HANG if lost else RAW, what, "?"))
        return seed + 1
    return seed + 1


_FULL = 77  # exit status of a child that has had an input of much memory


def _child(
    reader: Reader, seeds: range, slot: mmap.mmap, target: int, until: float, given: tuple[Sample, bytes] | None
) -> None:
    """Never returns."""
    code = 1
    try:
        gc.freeze()
        faulthandler.disable()  # what ends this process is told by its parent
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        warnings.simplefilter("ignore")
        _limit_memory()
        for name in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(name, _stop)
        code = _loop(reader, seeds, slot, target, until, given)
    except BaseException:
        with contextlib.suppress(OSError):
            os.write(
                target,
                json.dumps(_failure(reader, _SLOT.unpack(slot[:])[0], RAW, traceback.format_exc()[-280:])).encode(),
            )
    finally:
        os._exit(code)


def _loop(
    reader: Reader, seeds: range, slot: mmap.mmap, target: int, until: float, given: tuple[Sample, bytes] | None
) -> int:
    accepted = refused = 0
    parent = os.getppid()
    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=base) as name:
        os.environ["HOME"] = name
        for seed in seeds:
            if time.monotonic() > until or os.getppid() != parent:
                break
            slot[:] = _SLOT.pack(seed, accepted, refused, time.monotonic())
            sample, content = given or content_of(reader, seed)
            failure, was_read = _one(reader, seed, sample, content, Path(name))
            if failure is not None:
                os.write(target, json.dumps(failure).encode() + b"\n")
            else:
                accepted += was_read
                refused += not was_read
            slot[:] = _SLOT.pack(seed, accepted, refused, time.monotonic())
            if failure is not None and failure["kind"] in (MEMORY, HANG):
                return _FULL
    return 0


def _one(reader: Reader, seed: int, sample: Sample, content: bytes, top: Path) -> tuple[dict[str, Any] | None, bool]:
    """(failure or None, whether the input was accepted)."""
    file, out = _laid_out(sample, content, top)
    before = _peak()
    was_read, failure = False, None
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITING * SECONDS)
    try:
        try:
            value = reader.read(Case(file, out, Random(seed)))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        was_read = True
    except CalibauditError as error:
        if not str(error).strip():
            failure = _failure(reader, seed, RAW, f"{type(error).__name__}: without a word", error)
    except _TooLong as error:
        failure = _failure(reader, seed, HANG, f"TooLong: not finished after {SECONDS:g} s", error)
    except Lie as error:
        failure = _failure(reader, seed, LIE, f"Lie: {error}", error)
    except BaseException as error:
        if hasattr(error, "format_message"):
            pass  # the parser's, which the command line prints in one line
        elif type(error).__name__ not in ("Exit",):
            failure = _failure(reader, seed, RAW, f"{type(error).__name__}: {error}", error)
    if failure is None and (used := _peak() - before) > MEGABYTES:
        failure = _failure(reader, seed, MEMORY, f"memory: {used:,.0f} MB more")
    if failure is None and was_read and (odd := next(_not_numbers(value), None)):
        failure = _failure(reader, seed, NAN, f"nan: {odd}")
    if failure is None and (
        odd := next(written(out), None) or (None if was_read else next(map(str, out.iterdir()), None))
    ):
        failure = _failure(reader, seed, HALF, f"half: {odd}")
    return failure, was_read


def _laid_out(sample: Sample, content: bytes, top: Path) -> tuple[Path, Path]:
    """The input's file, in a folder with those that it needs, and an empty folder; what is there already stays."""
    folder, out, cache = top / f"in-{id(sample)}", top / "out", top / "cache"
    names = {sample.file, *(name for name, _ in sample.beside)}
    if not folder.is_dir() or {entry.name for entry in os.scandir(folder)} - {sample.file} != names - {sample.file}:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, beside in sample.beside:
            (folder / name).write_bytes(beside)
    if cache.is_dir():
        shutil.rmtree(cache)
    if not out.is_dir() or any(os.scandir(out)):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
    file = folder / sample.file
    file.write_bytes(content)
    return file, out


def _failure(reader: Reader, seed: int, kind: str, what: str, error: BaseException | None = None) -> dict[str, Any]:
    return dataclasses.asdict(Failure(reader.name, seed, kind, " ".join(what.split())[:300], _place(error)))


def _place(error: BaseException | None) -> str:
    """The deepest line of ours in a traceback, as file:function."""
    frames = [] if error is None else traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/calibaudit/" in frame.filename]
    if not ours:
        return "?"
    return f"{ours[-1].filename.rpartition('/calibaudit/')[2]}:{ours[-1].name}"


def _stop(*_: Any) -> None:
    raise _TooLong


def _peak() -> float:
    """Megabytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _limit_memory() -> None:
    """So that an input that asks for all memory takes this process and not the machine."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 3 * 2**30, size + 3 * 2**30))


def _not_numbers(value: Any, depth: int = 0) -> Iterator[str]:
    """NaN, and what is above or below all numbers; where minus infinity pads a row of scores it is none."""
    if depth > 12:
        return
    if isinstance(value, float):
        if not np.isfinite(value):
            yield f"{value} in what was accepted"
    elif isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and (np.isnan(value).any() or np.isposinf(value).any()):
            yield "an array with NaN or infinity"
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _not_numbers(inner, depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _not_numbers(inner, depth + 1)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for entry in dataclasses.fields(value):
            yield from _not_numbers(getattr(value, entry.name), depth + 1)


def kinds(failures: list[Failure]) -> Counter[tuple[str, str, str]]:
    return Counter(failure.signature for failure in failures)
