"""Finished results, kept one by one in an append-only file, so that a run can be cut off and resumed.

One file a model and setting: a header line, then one JSON line a result, keyed by the text the model saw. Whole lines
are written after every batch, each with a checksum over itself and the header. A line that is torn, changed or another
file's counts as not there: that result is computed again, and one notice says so. Several processes may use a file at
once: each reads what the others finish, and claims what it computes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from calibaudit.errors import OutputError
from calibaudit.files.checked_lines import count_of, flag_in, number_of, sealed, text_in, unsealed
from calibaudit.files.claims import Claims

logger = logging.getLogger(__name__)


class Keyed(Protocol):
    """A frozen dataclass of JSON values; `key` names what it is the result of."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> str: ...


ENDING = ".checked.jsonl"
"""Of the files whose lines have checksums; earlier versions wrote them without, as .jsonl: they are not read."""

PATIENCE = 60.0
"""Seconds without news after which what another process claims is computed here too: it may have been stopped."""

R = TypeVar("R", bound=Keyed)
Cache = TypeVar("Cache", bound="LineCache[Any]")


@dataclass(frozen=True)
class PromptResult:
    """logprobs: one a choice, nats. n_tokens: scored tokens, one a choice.

    shared: where a choice was healed (see `encode`), the log-probabilities of all from one common place; else empty.
    bounded: the choices whose log-probability is at most the number here (see `engines`).
    """

    key: str
    logprobs: tuple[float, ...]
    n_tokens: tuple[int, ...]
    truncated: bool
    shared: tuple[float, ...] = ()
    bounded: tuple[int, ...] = ()

    @property
    def healed(self) -> bool:
        return bool(self.shared)


def default_cache_dir() -> Path:
    """$CALIBAUDIT_CACHE, else calibaudit/ under $XDG_CACHE_HOME or ~/.cache."""
    if chosen := os.environ.get("CALIBAUDIT_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "calibaudit"


class _Stamp(NamedTuple):
    """Changes with each change of a file, and where another file has taken its place. size: bytes."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True)
class _Read:
    """A file's results as this process last saw it. stamp: of the state that the file was in."""

    stamp: _Stamp
    results: dict[str, Any]


_read_files: dict[Path, _Read] = {}
"""So that a file is read once for all tasks of a command, not once for each."""


class LineCache(ABC, Generic[R]):
    """The results of one model under one setting. Use as a context manager; `get`, then `add` after each batch.

    folder: where the file lies, below `kind`; None keeps results in memory only. A file that cannot be opened raises
    OutputError; one that fills its disk later is reported once and the run goes on.
    format: to be raised when what is computed changes: results of another format are not read.
    """

    kind: ClassVar[str]
    format: ClassVar[int]

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        self._header = json.dumps({"format": self.format, **settings}, sort_keys=True).encode() + b"\n"
        self._place = hashlib.sha256(self._header).digest()
        self.path = None if folder is None else folder / self.kind / f"{self._place.hex()[:32]}{ENDING}"
        self._results: dict[str, R] = {}
        self._file: IO[bytes] | None = None
        self._claims: Claims | None = None
        self._lock = threading.RLock()  # an engine's threads claim what they ask for
        self._size = 0  # bytes of the file that are read or written

    @abstractmethod
    def _read(self, fields: Mapping[str, Any]) -> R:
        """A result from its line. Raises KeyError, TypeError or ValueError where the line holds none."""

    def _fields(self, result: R) -> dict[str, Any]:
        """A result as its line holds it."""
        return asdict(result)

    def __enter__(self: Cache) -> Cache:
        if self.path is None:
            return self
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a+b", opener=_not_through_a_link)
            self._claims = Claims(self._file)
            self._load(self._file, self._claims)
        except OSError as error:
            reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror or error
            raise OutputError(
                f"{self.path}: the cache cannot be used: {reason}; "
                "name another folder with --cache-dir, or go without with --no-cache"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            assert self.path is not None
            stamp = _stamp(self._file)
            if stamp.size == self._size:  # nothing of another process's that was not read
                _read_files[self.path] = _Read(stamp, self._results)
            self._file.close()
            self._file = self._claims = None

    def get(self, key: str) -> R | None:
        return self._results.get(key)

    def remember(self, results: Iterable[R]) -> None:
        """Keeps results that another process has on disk, in memory only."""
        self._results.update((result.key, result) for result in results)

    def add(self, results: Iterable[R]) -> None:
        """Keeps the results, in memory at once and on disk as whole lines. They are claimed no longer."""
        with self._lock:
            self._add([result for result in results if result.key not in self._results])

    def _add(self, new: Sequence[R]) -> None:
        self.remember(new)
        if self._file is None or self._claims is None or not new:
            return
        try:
            self._write(self._file, self._claims, b"".join(sealed(self._fields(r), self._place) for r in new))
        except OSError as error:
            logger.warning("%s: cannot keep results (%s); going on without", self.path, error.strerror or error)
            with contextlib.suppress(OSError):  # closing tries to write once more
                self._file.close()
            self._file = self._claims = None
            return
        self.release(result.key for result in new)

    def claim(self, key: str) -> bool:
        """Whether this process may compute what is kept under the key: no other is at it. What others have finished is
        read first, so `get` may have it now. Held until it is added, or the file is closed."""
        with self._lock:
            if self._file is None or self._claims is None:
                return True
            if not self._claims.take(key):
                return False
            self._refresh(self._file)
            return True

    def release(self, keys: Iterable[str]) -> None:
        """Claims that are kept under other keys."""
        with self._lock:
            if (claims := self._claims) is not None:
                for key in keys:
                    claims.release(key)

    def wait(self, keys: Sequence[str]) -> None:
        """Until one of the keys is kept, or no other process is at it; after PATIENCE without news, no longer."""
        size, since, pause = self._size, time.monotonic(), 0.005
        while self._file is not None and self._claims is not None:
            self._refresh(self._file)
            if any(key in self._results or self._claims.take(key) for key in keys):
                return
            if self._size != size:
                size, since = self._size, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                self._claims.ignore()
                return
            time.sleep(pause)
            pause = min(0.2, pause * 1.5)

    def _write(self, file: IO[bytes], claims: Claims, lines: bytes) -> None:
        with claims.writing():
            file.write(lines)
            file.flush()
            size = os.fstat(file.fileno()).st_size
        if size == self._size + len(lines):  # else others have written before, and all of it is read at the next claim
            self._size = size

    def _load(self, file: IO[bytes], claims: Claims) -> None:
        assert self.path is not None
        known = _read_files.get(self.path)
        if known is not None and known.stamp == _stamp(file):
            self._results, self._size = known.results, known.stamp.size
            return
        with claims.writing():  # so that no line is half there because another process is writing it
            file.seek(0)
            content = file.read()
            if not content:
                self._tell_of_earlier(self.path)
                file.write(self._header)
            elif not content.endswith(b"\n"):
                file.write(b"\n")  # ends a line torn by a crash
            file.flush()
        if not content:
            content = self._header
        self._take(file, claims, content if content.endswith(b"\n") else content + b"\n")

    def _refresh(self, file: IO[bytes]) -> None:
        """Reads what other processes have written since."""
        n_new = os.fstat(file.fileno()).st_size - self._size
        if n_new > 0 and self._claims is not None:
            file.seek(self._size)
            new = file.read(n_new)
            self._take(file, self._claims, new[: new.rfind(b"\n") + 1])

    def _take(self, file: IO[bytes], claims: Claims, content: bytes) -> None:
        """The results of whole lines that stand where those that were read end. Says which are damaged, once for all
        runs: a line in the file holds up to where that was said."""
        at, said = self._size, 0
        damaged: list[int] = []
        for line in _lines(content):
            start, at = at, at + len(line)
            if not line.strip() or line == self._header:
                continue
            try:
                fields = unsealed(line[:-1], self._place)
                if "said" in fields and "key" not in fields:
                    said = max(said, int(fields["said"]))
                    continue
                result = self._read(fields)
            except (ValueError, KeyError, TypeError):
                damaged.append(start)
                continue
            self._results[result.key] = result
        self._size = at
        new = [start for start in damaged if start >= said]
        if new:
            logger.warning(
                "%s: %d damaged line%s, the first at byte %d: what %s held is computed again",
                self.path, len(new), *(("", new[0], "it") if len(new) == 1 else ("s", new[0], "they")),
            )  # fmt: skip
            with contextlib.suppress(OSError):
                self._write(file, claims, sealed({"said": self._size}, self._place))

    def _tell_of_earlier(self, path: Path) -> None:
        """Once: before the first file of this version is there."""
        files = [file.name for file in path.parent.glob("*.jsonl") if file != path]
        if files and not any(name.endswith(ENDING) for name in files):
            logger.warning(
                "%s: %d file%s of an earlier version, whose lines have no checksums: not read, so what they hold is "
                "computed again; they can be deleted", path.parent, len(files), "" if len(files) == 1 else "s",
            )  # fmt: skip


def _not_through_a_link(name: str, flags: int) -> int:
    """An opener: who could write into the cache's folder alone must not have other files written."""
    return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _lines(content: bytes) -> list[bytes]:
    """With their ends, which are line feeds and nothing else."""
    return [line + b"\n" for line in content[:-1].split(b"\n")] if content else []


def _stamp(file: IO[bytes]) -> _Stamp:
    file.flush()
    found = os.fstat(file.fileno())
    return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class ItemCache(LineCache[PromptResult]):
    """Log-probabilities, prompt by prompt."""

    kind = "scores"
    format = 3

    def _fields(self, result: PromptResult) -> dict[str, Any]:
        fields = super()._fields(result)
        return fields if result.bounded else {name: fields[name] for name in fields if name != "bounded"}

    def _read(self, fields: Mapping[str, Any]) -> PromptResult:
        result = PromptResult(
            text_in(fields, "key"),
            tuple(number_of(value) for value in fields["logprobs"]),
            tuple(count_of(value) for value in fields["n_tokens"]),
            flag_in(fields, "truncated"),
            tuple(number_of(value) for value in fields["shared"]),
            tuple(count_of(value) for value in fields.get("bounded", ())),
        )
        n = len(result.logprobs)
        if (
            not n
            or len(result.n_tokens) != n
            or len(result.shared) not in (0, n)
            or max(result.bounded, default=0) >= n
        ):
            raise ValueError("lengths that do not go together")
        return result
