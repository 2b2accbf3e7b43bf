"""A command killed at a random moment and run to its end: alone, beside another, on a full disk, under torchrun."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.kills.checks import after_a_kill, at_the_end, cache_lines, computed_twice
from tests.kills.jobs import JOBS, Job, contents, prepared
from tests.kills.runs import Ended, Running, started, started_under_torchrun

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Reference:
    """An undisturbed run. size: bytes of all that it wrote, in whole pages; given: of what it was given."""

    ended: Ended
    files: dict[str, Any]
    lines: list[tuple[str, str]]
    size: int
    given: int


@dataclass(frozen=True)
class Trial:
    """One kill. ended: how the killed run ended. kept: results on disk then, of n; twice: those computed again."""

    job: str
    way: str
    signal: str
    after: float
    ended: str
    kept: int
    n: int
    twice: int
    seconds: float
    faults: tuple[str, ...] = field(default=())


@contextlib.contextmanager
def world(baseline: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as name:
        top = Path(name).resolve() / "world"
        prepared(top, baseline)
        yield top


@cache
def baseline() -> bytes:
    """What `gate` holds its candidate against."""
    job = next(job for job in JOBS if job.name == "bless")
    with world(b"") as top:
        ended = started(job.arguments(top), top).waited()
        assert ended.code == 0, ended.errors
        return (top / "out" / "baseline.json").read_bytes()


@cache
def reference(job: Job, *, ranks: int = 1) -> Reference:
    with world(baseline()) as top:
        given = _pages(top)
        ended = _start(job, top, ranks).waited()
        assert ended.code in (0, 1), f"{job.name}: {ended.errors}"
        return Reference(ended, contents(top / "out"), cache_lines(top / "cache"), _pages(top) - given, given)


def _pages(top: Path) -> int:
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in top.rglob("*") if path.is_file())


def _start(job: Job, top: Path, ranks: int = 1, *, resumed: bool = False) -> Running:
    arguments = job.arguments(top, resumed=resumed)
    return started(arguments, top) if ranks == 1 else started_under_torchrun(arguments, top, ranks)


def killed(job: Job, rng: Random, *, ranks: int = 1) -> Trial:
    """The command killed once at a moment of its undisturbed run, and then run until it is done."""
    whole = reference(job, ranks=ranks)
    began = time.monotonic()
    with world(baseline()) as top:
        number = rng.choice(SIGNALS)
        after = rng.uniform(0.02, 1.0) * whole.ended.seconds
        running = _start(job, top, ranks)
        first = _killed_after(running, after, number)
        kept, faults = cache_lines(top / "cache"), list(after_a_kill(top, whole.files))
        if ranks == 1:  # torchrun has codes and tracebacks of its own for a signal that it gets itself
            faults += _codes(first, whole, number)
        faults += _finished(job, top, whole, ranks)
        lines = cache_lines(top / "cache")
        way = "alone" if ranks == 1 else f"torchrun, {ranks}"
        return _trial(job.name, way, number, after, first, kept, whole, lines, began, faults)


def _killed_after(running: Running, after: float, number: int) -> Ended:
    while time.monotonic() - running.began < after:
        if (ended := running.ended()) is not None:
            return ended
        time.sleep(0.002)
    running.signaled(number)
    return running.waited()


def _codes(first: Ended, whole: Reference, number: int) -> Iterator[str]:
    """An interrupt is 130 and never a result; a killed process has no code of its own."""
    allowed = {whole.ended.code, -number} | ({130} if number == signal.SIGINT else set())
    if first.code not in allowed and not (number == signal.SIGTERM and first.code in (130, 143)):
        yield f"exit code {first.code} after signal {number}: {first.errors.strip()[-200:]}"
    if "Traceback" in first.errors and number != signal.SIGTERM:
        yield f"a traceback after signal {number}: {first.errors.strip()[-200:]}"


def _finished(job: Job, top: Path, whole: Reference, ranks: int = 1) -> list[str]:
    """Runs the command to its end: with what an interrupted training asks for, where there is one."""
    partial = any((top / "out").glob("*.partial"))
    last = _start(job, top, ranks, resumed=partial).waited()
    if last.code == 2 and "already" in last.errors:  # it was done when the signal came
        return list(at_the_end(top, whole.files))
    faults = (
        []
        if last.code == whole.ended.code
        else [f"exit code {last.code} of the run after: {last.errors.strip()[-300:]}"]
    )
    return faults + list(at_the_end(top, whole.files))


def _trial(
    job: str,
    way: str,
    number: int,
    after: float,
    first: Ended,
    kept: list[tuple[str, str]],
    whole: Reference,
    lines: list[tuple[str, str]],
    began: float,
    faults: list[str],
) -> Trial:
    twice = computed_twice(kept, lines)
    if twice:
        faults = [*faults, f"{twice} of {len(kept)} finished items were computed again"]
    if set(lines) != set(whole.lines):
        faults = [*faults, f"{len(set(lines))} results are kept, {len(set(whole.lines))} of an undisturbed run"]
    name = signal.Signals(number).name if number else "-"
    return Trial(
        job,
        way,
        name,
        after,
        str(first.code),
        len(kept),
        len(whole.lines),
        twice,
        time.monotonic() - began,
        tuple(faults),
    )


_AT_WORK = 2
"""Items that two processes may be at, one each, at the moment of a kill: batches of one."""


def killed_beside(one: Job, other: Job, rng: Random) -> Trial:
    """Two commands with one cache at once, the first killed; then both run to their ends."""
    whole, also = reference(one), reference(other)
    began = time.monotonic()
    with world(baseline()) as top, world(baseline()) as second:
        shutil.rmtree(second / "cache")
        (second / "cache").symlink_to(top / "cache")
        number, after = rng.choice(SIGNALS), rng.uniform(0.02, 1.0) * whole.ended.seconds
        beside = started(other.arguments(second), second)
        first = _killed_after(started(one.arguments(top), top), after, number)
        kept = cache_lines(top / "cache")
        faults = list(after_a_kill(top, whole.files))
        undisturbed = beside.waited()
        if undisturbed.code != also.ended.code:
            faults.append(f"{other.name} beside it ended with {undisturbed.code}: {undisturbed.errors[-200:]}")
        faults += _finished(one, top, whole) + [f"{other.name}: {fault}" for fault in at_the_end(second, also.files)]
        lines = cache_lines(top / "cache")
        n = len({*whole.lines, *also.lines})
        extra = len(lines) - len(set(lines))
        faults += [f"{extra} of {len(lines)} results were computed by both"] * (extra > _AT_WORK)
        twice = 0 if extra else computed_twice(kept, lines)
        name = signal.Signals(number).name
        return Trial(
            f"{one.name} beside {other.name}", "one cache", name, after, str(first.code), len(kept), n,
            max(twice, extra), time.monotonic() - began, tuple(faults),
        )  # fmt: skip


def out_of_space(job: Job, rng: Random) -> Trial:
    """On a disk that is full at a random byte, and run again when there is space: a tmpfs where one may be mounted."""
    whole = reference(job)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as name:
        disk = Path(name) / "disk"
        disk.mkdir()
        space = whole.given + int(rng.uniform(0.05, 0.95) * whole.size)
        mounted = _mount(disk, space)
        try:
            top = disk.resolve() / "world"
            prepared(top, baseline())
            limit = None if mounted else max(256, (space - whole.given) // 4)
            first = started(job.arguments(top), top, told=disk.parent, most_bytes=limit).waited()
            kept, faults = cache_lines(top / "cache"), list(after_a_kill(top, whole.files))
            if first.code not in (2, whole.ended.code) or "Traceback" in first.errors:
                faults.append(f"exit code {first.code} on a full disk: {first.errors.strip()[-300:]}")
            if first.code == 2 and len(first.errors.strip().splitlines()[-1:]) != 1:
                faults.append("no line says that the disk is full")
            if mounted:
                subprocess.run(["mount", "-o", "remount,size=2G", str(disk)], check=True)
            faults += _finished(job, top, whole)
            lines = cache_lines(top / "cache")
            way = "full disk" if mounted else "largest file"
            return _trial(job.name, way, 0, float(space), first, kept, whole, lines, began, faults)
        finally:
            if mounted:
                subprocess.run(["umount", "-l", str(disk)], check=False)


def _mount(disk: Path, space: int) -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={space}", "tmpfs", str(disk)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
