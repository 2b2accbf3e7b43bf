"""The documents a task is made of: JSON and JSONL files, local copies of data sets, the hub."""

from __future__ import annotations

import os
import pkgutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.errors import TaskError
from calibaudit.files.hub import out_of_reach
from calibaudit.files.paths import user_path
from calibaudit.files.read import NotJson, decode_json, json_lines, parse_json, read_text
from calibaudit.files.text import json_kind
from calibaudit.tasks.library import closed_network, quiet_datasets
from calibaudit.tasks.schema import Definition

Document = Mapping[str, Any]

BUILDERS = ("json", "csv", "parquet", "arrow", "text")
"""`dataset_path` values that stand for a file format; `dataset_kwargs.data_files` names the files."""

OWN_SUFFIXES = (".jsonl", ".json")


@dataclass(frozen=True)
class Split:
    """Documents in order. columns: the names that a `doc_to_...` may stand for.

    source: the file or data set, for messages. lines: the line of each document in a JSONL file.
    own: read by us from one file, not by `datasets`.
    """

    rows: Sequence[Document]
    columns: tuple[str, ...]
    source: str
    own: bool = False
    lines: tuple[int, ...] = ()

    def place(self, index: int) -> str:
        """Where a document stands: `file:line`, or `data set, row N` (from 0)."""
        return f"{self.source}:{self.lines[index]}" if self.lines else f"{self.source}, row {index}"


@dataclass(frozen=True)
class Documents:
    """A task's data: splits by name, each read when it is asked for."""

    splits: Mapping[str, Callable[[], Split]]
    where: str

    def split(self, name: str, key: str) -> Split:
        """One split; `key` is the task file's key that asks for it. Raises TaskError when there is none."""
        if name not in self.splits:
            raise TaskError(f"{self.where}: {key}: there is no split {name!r} (there is: {', '.join(self.splits)})")
        return self.splits[name]()


def load_documents(definition: Definition, *, mirror: Path | None = None, offline: bool = False) -> Documents:
    """The documents of a task.

    `dataset_path` is looked for beside the task file, in the current folder, below `mirror`, and then on the hub
    (or, with offline, in the local cache of `datasets`). Local files and URLs are read anew every time: that cache
    serves only what is on the hub, whose files it knows by their commit. No code of a data set is ever run.
    Raises TaskError: nothing found, unreadable, configuration missing, hub out of reach, a URL with offline.
    """
    spec = definition.spec
    path = spec.dataset_path
    if offline:
        _check_no_url(definition)
    if path in BUILDERS:
        found = _found_files(definition)
        remote = [_is_remote(name) for value in found.values() for name in _names(value)]
        extra = {**_written(definition), **found}
        of_hub = all(name.startswith("hf://") for value in found.values() for name in _names(value))
        return _load_dataset(definition, path, extra, offline=offline or not any(remote), local=not of_hub)
    local = _local_path(definition, mirror)
    if local is None:
        if is_file_format(path):
            raise TaskError(
                f"{definition.where}: dataset_path {path!r} is not a supported file format: "
                f"use one of {', '.join(BUILDERS)}"
            )
        return _load_dataset(definition, path, _written(definition), offline=offline, local=False)
    if local.is_dir():
        return _load_dataset(definition, str(local), _written(definition), offline=True, local=True)
    if local.suffix not in OWN_SUFFIXES:
        raise TaskError(
            f"{definition.where}: {local} is neither .jsonl nor .json: for another format set dataset_path to one of "
            f"{', '.join(BUILDERS)} and name the file in dataset_kwargs.data_files"
        )
    written = {key: value for key, value in _written(definition).items() if value is not None}
    field = written.pop("field", None) if local.suffix == ".json" else None
    if written:
        raise TaskError(f"{definition.where}: dataset_path names a file, so remove dataset_kwargs.{min(written)}")
    split = read_json_documents(local, field)
    return Documents({spec.evaluated_split: lambda: split}, definition.where)


def read_json_documents(path: Path, field: str | None = None) -> Split:
    """A .jsonl file (one object a line; blank lines are passed over) or a .json file (a list of objects).

    field: the key below which a .json file holds that list.
    Raises TaskError naming file and line.
    """
    text = read_text(path, TaskError)
    rows: list[Document] = []
    lines: list[int] = []
    if path.suffix == ".jsonl":
        for number, line in json_lines(text):
            rows.append(_parse_object(line, f"{path}:{number}"))
            lines.append(number)
    else:
        parsed = parse_json(text, str(path), TaskError, unique_keys=True)
        if field is not None:
            if not isinstance(parsed, dict) or field not in parsed:
                raise TaskError(f"{path}: dataset_kwargs.field: there is no {field!r} at the top of this file")
            parsed = parsed[field]
        if not isinstance(parsed, list):
            what = "a .json file" if field is None else f"the key {field!r} of a .json file"
            raise TaskError(
                f"{path}: {what} must hold a list of objects (one object a line: name it .jsonl; "
                "a list below a key: name the key in dataset_kwargs.field)"
            )
        for index, row in enumerate(parsed):
            if not isinstance(row, dict):
                raise TaskError(f"{path}, row {index}: expected an object, found {json_kind(row)}")
            rows.append(row)
    if not rows:
        raise TaskError(f"{path}: there are no documents in this file")
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    return Split(rows, columns, str(path), own=True, lines=tuple(lines))


def _parse_object(text: str, where: str) -> dict[str, Any]:
    """where: file and line."""
    try:
        row = decode_json(text, unique_keys=True)
    except NotJson as error:
        raise TaskError(f"{where}: {error.reason}") from None
    if not isinstance(row, dict):
        raise TaskError(f"{where}: expected an object, found {json_kind(row)}")
    return row


def _local_path(definition: Definition, mirror: Path | None) -> Path | None:
    """The file or folder `dataset_path` stands for; None: a hub id. Raises TaskError for a path to nothing."""
    name = _usable(definition, "dataset_path", definition.spec.dataset_path)
    beside = definition.folder("dataset_path") / name
    tried = [beside, name] if mirror is None else [beside, name, mirror / name]
    for candidate in tried:
        if candidate.exists():
            return Path(os.path.normpath(candidate))
    looks_local = definition.spec.dataset_path.startswith(("/", "./", "../", "~")) or len(name.parts) > 2
    if looks_local or name.suffix in (*OWN_SUFFIXES, ".csv", ".parquet", ".arrow", ".txt"):
        raise TaskError(
            f"{definition.where}: dataset_path: there is no {' and no '.join(map(str, dict.fromkeys(tried)))}"
        )
    return None


def _usable(definition: Definition, key: str, name: str) -> Path:
    try:
        return user_path(name, TaskError)
    except TaskError as error:
        raise TaskError(f"{definition.where}: {key}: {error}") from None


def _found_files(definition: Definition) -> dict[str, Any]:
    """`data_files` and `data_dir` of a file format, names resolved beside the task file, else in the current folder."""
    kwargs = definition.spec.dataset_kwargs
    if kwargs is None or (kwargs.data_files is None and kwargs.data_dir is None):
        raise TaskError(
            f"{definition.where}: dataset_path {definition.spec.dataset_path!r} is a file format: "
            "name the files in dataset_kwargs.data_files, or their folder in dataset_kwargs.data_dir"
        )
    if kwargs.data_dir is not None:
        # `datasets` itself looks for data_files below data_dir.
        return {"data_dir": _resolve(definition, "data_dir", kwargs.data_dir)}

    def resolve(name: str) -> str:
        return _resolve(definition, "data_files", name)

    def resolve_all(names: str | list[str]) -> str | list[str]:
        return resolve(names) if isinstance(names, str) else [resolve(name) for name in names]

    if isinstance(kwargs.data_files, dict):
        return {"data_files": {split: resolve_all(names) for split, names in kwargs.data_files.items()}}
    assert kwargs.data_files is not None
    return {"data_files": resolve_all(kwargs.data_files)}


def _resolve(definition: Definition, key: str, name: str) -> str:
    """A file of `data_files`, or the folder `data_dir`. Raises TaskError when there is none."""
    folder = definition.folder("dataset_kwargs", key)
    if "://" in name:
        return name
    if any(character in name for character in "*?["):
        return str(folder / name)
    for candidate in (folder / name, _usable(definition, f"dataset_kwargs.{key}", name)):
        if candidate.is_dir() if key == "data_dir" else candidate.is_file():
            return str(candidate)
    what = "folder" if key == "data_dir" else "file"
    raise TaskError(f"{definition.where}: dataset_kwargs.{key}: there is no {what} {folder / name}")


def _names(files: str | list[str] | Mapping[str, str | list[str]]) -> list[str]:
    """All file names of a `data_files`."""
    if isinstance(files, str):
        return [files]
    return files if isinstance(files, list) else [name for value in files.values() for name in _names(value)]


def _check_no_url(definition: Definition) -> None:
    """Raises TaskError where `data_files` or `data_dir` name something on another machine."""
    kwargs = definition.spec.dataset_kwargs
    for key in () if kwargs is None else ("data_files", "data_dir"):
        for name in _names(getattr(kwargs, key) or []):
            if _is_remote(name):
                raise TaskError(
                    f"{definition.where}: dataset_kwargs.{key}: {name} is on another machine, and nothing is fetched "
                    "offline: run without --offline, or name a local copy"
                )


def _is_remote(name: str) -> bool:
    """Whether a file lies on another machine; `zip://a.csv::b.zip` lies where b.zip does."""
    protocol, found, _ = name.rpartition("::")[2].partition("://")
    return bool(found) and protocol not in ("file", "local")


def is_file_format(name: str) -> bool:
    """Whether `datasets` takes a name for one of its own readers, which never asks the hub.

    When it is told no files, such a reader takes those of the current folder.
    """
    from datasets import packaged_modules

    return name in {module.name for module in pkgutil.iter_modules(packaged_modules.__path__)}


def _written(definition: Definition) -> dict[str, Any]:
    """dataset_kwargs as the file has them; a data set's `data_files` and `data_dir` are relative to the data set."""
    kwargs = definition.spec.dataset_kwargs
    return {} if kwargs is None else kwargs.written


def _load_dataset(
    definition: Definition, path: str, extra: Mapping[str, Any], *, offline: bool, local: bool
) -> Documents:
    spec = definition.spec
    asks_hub = not offline and not local and path not in BUILDERS
    cut_off = out_of_reach() if asks_hub else None
    with quiet_datasets(offline=offline or cut_off is not None) as datasets, closed_network(offline) as refused:
        try:
            if local:
                # The cache of `datasets` keeps a folder's rows by its name, a file's by its path and time, a URL's by
                # the URL: two mirrors share them, and what changed in place comes back as it was, whatever a server
                # says of its time and ETag. So: a cache for this once.
                with tempfile.TemporaryDirectory(prefix="calibaudit-", ignore_cleanup_errors=True) as cache:
                    loaded = datasets.load_dataset(
                        path, spec.dataset_name, cache_dir=cache, keep_in_memory=True, **extra
                    )
            else:
                loaded = datasets.load_dataset(path, spec.dataset_name, **extra)
        except Exception as error:
            # `datasets` raises what its readers, the hub's client and pyarrow raise; the user needs one line.
            if refused:
                told = f"data set {spec.dataset_path} asks for {refused[0]}, and nothing is fetched offline"
                raise TaskError(f"{definition.where}: {told}: run without --offline, or take a local copy") from error
            raise TaskError(_reason(definition, path, error, cut_off, offline=offline)) from error

    def reader(name: str) -> Callable[[], Split]:
        # As Python rows at once: reading a data set row by row costs half a millisecond each.
        return lambda: Split(
            loaded[name].to_list(), tuple(loaded[name].column_names), f"{spec.dataset_path}, split {name}"
        )

    return Documents({str(name): reader(name) for name in loaded}, definition.where)


def _reason(definition: Definition, path: str, error: Exception, cut_off: str | None, *, offline: bool) -> str:
    """cut_off: why the hub was not asked."""
    name = definition.spec.dataset_path + (f", {definition.spec.dataset_name}" if definition.spec.dataset_name else "")
    told = f"{definition.where}: data set {name}: "
    message = " ".join(str(error).split())
    on_hub = path == definition.spec.dataset_path and path not in BUILDERS
    if on_hub and isinstance(error, ConnectionError):
        if offline:
            return (
                told + "not in the local cache, and nothing is fetched offline: run once without --offline, "
                "or give a local copy with --mirror FOLDER"
            )
        return told + (
            f"not in the local cache, and the hub cannot be reached ({cut_off or message}): give a local copy with "
            "--mirror FOLDER"
        )
    if "Dataset scripts are no longer supported" in message:
        return told + "it needs its own loading code, which is never run: take a copy in Parquet or JSONL"
    return told + f"{message or type(error).__name__}"
