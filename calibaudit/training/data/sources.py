"""Where tuning data are read from: JSON, JSONL and Parquet files, folders of them, data sets of the hub."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calibaudit.errors import SftError
from calibaudit.files.read import NotJson, decode_json, read_text
from calibaudit.tasks.documents import is_file_format, quiet_datasets

DEMO = "demo:sft"
SUFFIXES = (".jsonl", ".json", ".parquet")

Placed = tuple[str, Mapping[str, Any] | str]
"""(place, row): `file:line` or `data set, row N` (from 0), and the row, or else what keeps it from being read."""

_SPLITS = {"dev": "validation", "valid": "validation", "val": "validation", "eval": "test"}
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(:[\w.-]+)?")


def read_documents(source: str, split: str, *, offline: bool) -> Iterator[Placed]:
    """The rows of a file, a folder, `demo:sft` or a hub id, as `rows.read_rows` says. Raises SftError."""
    path = _demo_file(source) if source.startswith("demo:") else Path(source).expanduser()
    try:
        if path.is_dir():
            for file in _files(path, split):
                yield from _READ_FILE[file.suffix](file, str(file))
        elif path.exists():
            if path.suffix not in SUFFIXES:
                raise SftError(f"{source}: cannot be read: give one of {', '.join(SUFFIXES)}, or a folder of them")
            yield from _READ_FILE[path.suffix](path, source)
        elif path.suffix in SUFFIXES or not _HUB_ID.fullmatch(source) or is_file_format(source.partition(":")[0]):
            raise SftError(f"{source}: there is no such file or folder, and it is not a hub id like org/name")
        else:
            yield from _hub_rows(source, split, offline=offline)
    except OSError as error:
        raise SftError(f"{source}: cannot be read: {error.strerror or error}") from error


def _demo_file(source: str) -> Path:
    if source != DEMO:
        raise SftError(f"{source}: the bundled tuning data are {DEMO}")
    file = Path(__file__).parents[2] / "demo" / "sft.jsonl"
    if not file.is_file():
        raise SftError(f"{source}: its file is missing from this installation ({file}); install again")
    return file


def _files(folder: Path, split: str) -> list[Path]:
    """The folder's files of one split, subfolders included, hidden ones not."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix in SUFFIXES and path.is_file() and not any(part.startswith(".") for part in inside.parts):
            found.setdefault(_split_of(inside), []).append(path)
    if not found:
        raise SftError(f"{folder}: there is no file in it that ends in one of {', '.join(SUFFIXES)}")
    wanted = _SPLITS.get(split, split)
    if wanted not in found:
        raise SftError(f"{folder}: there is no file of split {split!r} in it; there is: {', '.join(sorted(found))}")
    return found[wanted]


def _split_of(path: Path) -> str:
    """train, validation or test, by a word of the path; the file's own name counts before its folder's."""
    for part in (path.stem, *reversed(path.parts[:-1])):
        for word in re.split(r"[^a-z]+", part.lower()):
            split = _SPLITS.get(word, word)
            if split in ("train", "validation", "test"):
                return split
    return "train"


def _json_lines(path: Path, name: str) -> Iterator[Placed]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip() and (row := line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip():
                yield f"{name}:{number}", _parse(row)


def _parse(text: bytes) -> Mapping[str, Any] | str:
    try:
        row = decode_json(text)
    except NotJson as error:
        return error.reason
    return row if isinstance(row, dict) else f"an object is wanted, not {type(row).__name__}"


def _json_list(path: Path, name: str) -> Iterator[Placed]:
    try:
        rows = decode_json(read_text(path, SftError, name=name))
    except NotJson as error:
        place = name if error.line is None else f"{name}:{error.line}"
        raise SftError(f"{place}: {error.reason} (one object a line: name it .jsonl)") from None
    if not isinstance(rows, list):
        raise SftError(f"{name}: a .json file must hold a list of objects (one object a line: name it .jsonl)")
    for index, row in enumerate(rows):
        yield (
            f"{name}, row {index}",
            row if isinstance(row, dict) else f"an object is wanted, not {type(row).__name__}",
        )


def _parquet_rows(path: Path, name: str) -> Iterator[Placed]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            index = itertools.count()
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    yield f"{name}, row {next(index)}", row
    except pyarrow.ArrowException as error:
        raise SftError(f"{name}: not a readable Parquet file: {' '.join(str(error).split())}") from error


def _hub_rows(source: str, split: str, *, offline: bool) -> Iterator[Placed]:
    name, _, config = source.partition(":")
    with quiet_datasets(offline=offline) as datasets:
        try:
            loaded = datasets.load_dataset(name, config or None, split=split)
        except Exception as error:
            # `datasets` raises what its readers, the hub's client and pyarrow raise; the user needs one line.
            raise SftError(_hub_failure(source, error, offline=offline)) from error
    index = itertools.count()
    for batch in loaded.iter(batch_size=1024):  # row by row costs half a millisecond each
        for values in zip(*batch.values(), strict=True):
            yield f"{source}, row {next(index)}", dict(zip(batch, values, strict=True))


def _hub_failure(source: str, error: Exception, *, offline: bool) -> str:
    message = " ".join(str(error).split()) or type(error).__name__
    told = f"{source}: no such file or folder, and as a data set of the hub: "
    if offline and isinstance(error, ConnectionError):
        return told + "not in the local cache, and nothing is fetched offline: run once without --offline"
    if "Config name is missing" in message:
        message += f" (name it behind a colon: {source}:CONFIG)"
    return told + message


_READ_FILE = {".jsonl": _json_lines, ".json": _json_list, ".parquet": _parquet_rows}
