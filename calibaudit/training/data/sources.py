"""Where tuning data are read from: files, folders of them, data sets saved to disk, data sets of the hub."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from calibaudit.errors import SftError
from calibaudit.files.hub import out_of_reach
from calibaudit.files.paths import files_below, user_path
from calibaudit.tasks.documents import is_file_format
from calibaudit.tasks.library import closed_network, quiet_datasets
from calibaudit.training.data.formats import SUFFIXES, Placed, read_file, suffix_of, table_row

DEMO = "demo:sft"

_SPLITS = {"dev": "validation", "valid": "validation", "val": "validation", "eval": "test"}
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(:[\w.-]+)?")
_SAVED = ("state.json", "dataset_dict.json")
"""What `save_to_disk` leaves in a folder: the first for one data set, the second for a dict of splits."""


def check_source(source: str) -> Path:
    """The path that `source` is, where it is none of the hub's. Raises SftError where it can be neither."""
    path = _demo_file(source) if source.startswith("demo:") else user_path(source, SftError)
    try:
        if path.is_dir():
            return path
        if path.exists():
            if suffix_of(path) is None:
                raise SftError(f"{source}: cannot be read: give one of {', '.join(SUFFIXES)}, or a folder of them")
        elif suffix_of(path) or not _HUB_ID.fullmatch(source) or is_file_format(source.partition(":")[0]):
            raise SftError(f"{source}: there is no such file or folder, and it is not a hub id like org/name")
    except OSError as error:
        raise SftError(f"{source}: cannot be read: {error.strerror or error}") from error
    return path


def read_documents(source: str, split: str, *, offline: bool) -> Iterator[Placed]:
    """The rows of a file, a folder, `demo:sft` or a hub id, as `rows.read_rows` says. Raises SftError."""
    path = check_source(source)
    try:
        if path.is_dir():
            if any((path / name).is_file() for name in _SAVED):
                yield from _saved_rows(path, source, split)
            else:
                for file in _files(path, split):
                    yield from read_file(file, str(file))
        elif path.exists():
            yield from read_file(path, source)
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
    for path in sorted(files_below(folder, SftError)):
        inside = path.relative_to(folder)
        if suffix_of(path) and not any(part.startswith(".") for part in inside.parts):
            found.setdefault(_split_of(inside), []).append(path)
    if not found:
        raise SftError(f"{folder}: it holds no file that ends in one of {', '.join(SUFFIXES)}")
    wanted = _SPLITS.get(split, split)
    if wanted not in found:
        raise SftError(f"{folder}: there is no file of split {split!r} in it; {_there_is(found)}")
    return found[wanted]


def _split_of(path: Path) -> str:
    """train, validation or test, by a word of the path; the file's own name counts before its folder's."""
    for part in (path.stem, *reversed(path.parts[:-1])):
        for word in re.split(r"[^a-z]+", part.lower()):
            split = _SPLITS.get(word, word)
            if split in ("train", "validation", "test"):
                return split
    return "train"


def _there_is(splits: Iterable[str]) -> str:
    return f"there is: {', '.join(sorted(splits))}"


def _saved_rows(folder: Path, name: str, split: str) -> Iterator[Placed]:
    """What `datasets.Dataset.save_to_disk` wrote, or a DatasetDict's; one data set alone has no splits."""
    with quiet_datasets(offline=True) as datasets, closed_network():
        try:
            loaded = datasets.load_from_disk(str(folder.absolute()))
        except Exception as error:
            # As below: what `datasets`, its readers and pyarrow raise.
            raise SftError(f"{name}: not a readable data set of `save_to_disk`: {_line(error)}") from error
    if isinstance(loaded, dict):
        wanted = _SPLITS.get(split, split)
        found = split if split in loaded else next((key for key in loaded if _SPLITS.get(key, key) == wanted), None)
        if found is None:
            raise SftError(f"{name}: there is no split {split!r} in it; {_there_is(loaded)}")
        loaded = loaded[found]
    yield from _table_rows(loaded, name)


def _hub_rows(source: str, split: str, *, offline: bool) -> Iterator[Placed]:
    name, _, config = source.partition(":")
    cut_off = None if offline else out_of_reach()
    with quiet_datasets(offline=offline or cut_off is not None) as datasets, closed_network(offline):
        try:
            loaded = datasets.load_dataset(name, config or None, split=split)
        except Exception as error:
            # `datasets` raises what its readers, the hub's client and pyarrow raise; the user needs one line.
            raise SftError(_hub_failure(source, error, cut_off, offline=offline)) from error
    yield from _table_rows(loaded, source)


def _table_rows(loaded: Any, name: str) -> Iterator[Placed]:
    """As Arrow holds them: no image or sound is decoded. Row by row would cost half a millisecond each."""
    index = itertools.count()
    for table in loaded.with_format("arrow").iter(batch_size=1024):
        for row in table.to_pylist():
            yield f"{name}, row {next(index)}", table_row(row)


def _hub_failure(source: str, error: Exception, cut_off: str | None, *, offline: bool) -> str:
    """cut_off: why the hub was not asked."""
    message = _line(error)
    told = f"{source}: no such file or folder, and as a data set of the hub: "
    if offline and isinstance(error, ConnectionError):
        return told + "not in the local cache, and nothing is fetched offline: run once without --offline"
    if cut_off is not None and isinstance(error, ConnectionError):
        return told + f"not in the local cache, and the hub cannot be reached ({cut_off})"
    if "Config name is missing" in message:
        message += f" (name it behind a colon: {source}:CONFIG)"
    return told + message


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
