"""Finished results, kept one by one in an append-only file, so that a run can be cut off and resumed.

One file a model and setting: a header line, then one JSON line a result, keyed by the text the model saw. Whole lines
are written after every batch; a line torn by a crash is passed over when the file is next read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from calibaudit.errors import OutputError
from calibaudit.files.read import decode_json

logger = logging.getLogger(__name__)


class Keyed(Protocol):
    """A frozen dataclass of JSON values; `key` names what it is the result of."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> str: ...


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
        name = hashlib.sha256(self._header).hexdigest()[:32]
        self.path = None if folder is None else folder / self.kind / f"{name}.jsonl"
        self._results: dict[str, R] = {}
        self._file: IO[bytes] | None = None
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
            self._file = self.path.open("a+b")
            self._load(self._file)
        except OSError as error:
            raise OutputError(
                f"{self.path.parent}: the cache cannot be used: {error.strerror or error}; "
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
            self._file = None

    def get(self, key: str) -> R | None:
        return self._results.get(key)

    def remember(self, results: Iterable[R]) -> None:
        """Keeps results that another process has on disk, in memory only."""
        self._results.update((result.key, result) for result in results)

    def add(self, results: Iterable[R]) -> None:
        """Keeps the results, in memory at once and on disk as whole lines."""
        new = [result for result in results if result.key not in self._results]
        self.remember(new)
        if self._file is None or not new:
            return
        try:
            lines = b"".join(json.dumps(self._fields(result)).encode() + b"\n" for result in new)
            self._file.write(lines)
            self._file.flush()
            self._size += len(lines)
        except OSError as error:
            logger.warning("%s: cannot keep results (%s); going on without", self.path, error.strerror or error)
            with contextlib.suppress(OSError):  # closing tries to write once more
                self._file.close()
            self._file = None

    def _load(self, file: IO[bytes]) -> None:
        assert self.path is not None
        known = _read_files.get(self.path)
        if known is not None and known.stamp == _stamp(file):
            self._results, self._size = known.results, known.stamp.size
            return
        file.seek(0)
        content = file.read()
        lines = content.splitlines()
        if not lines:
            file.write(self._header)
        elif not content.endswith(b"\n"):
            file.write(b"\n")  # ends a line torn by a crash; not truncated, for another run may be writing it
        file.flush()
        self._size = _stamp(file).size
        for line in lines[1:]:
            try:
                result = self._read(decode_json(line))
            except (ValueError, KeyError, TypeError):
                continue  # torn: that result is computed again
            self._results[result.key] = result


def _stamp(file: IO[bytes]) -> _Stamp:
    file.flush()
    found = os.fstat(file.fileno())
    return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class ItemCache(LineCache[PromptResult]):
    """Log-probabilities, prompt by prompt."""

    kind = "scores"
    format = 2

    def _fields(self, result: PromptResult) -> dict[str, Any]:
        fields = super()._fields(result)
        return fields if result.bounded else {name: fields[name] for name in fields if name != "bounded"}

    def _read(self, fields: Mapping[str, Any]) -> PromptResult:
        return PromptResult(
            fields["key"],
            tuple(fields["logprobs"]),
            tuple(fields["n_tokens"]),
            fields["truncated"],
            tuple(fields["shared"]),
            tuple(fields.get("bounded", ())),
        )
