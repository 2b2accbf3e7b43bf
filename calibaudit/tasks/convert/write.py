"""`calibaudit tasks convert`: the harness's tasks as plain task files, each proved before it is put in place."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.errors import OutputError, TaskError
from calibaudit.files.paths import user_folder
from calibaudit.files.text import file_name, json_text, one_line, yaml_text
from calibaudit.files.write import write_whole
from calibaudit.tasks.convert.harness import build, harness_version, quietly
from calibaudit.tasks.convert.proof import compare_file, shots_to_try
from calibaudit.tasks.convert.rows import Plain, Refused, make_plain

N_COMPARED = 200
"""How many documents of a task are held against the harness."""


@dataclass(frozen=True)
class Converted:
    """What was written. n_compared: documents by number of examples, all equal to the harness's."""

    name: str
    path: Path
    n_documents: int
    n_compared: Mapping[int, int]


@dataclass(frozen=True)
class Conversion:
    """tasks: written. groups: their files. notices: what was left out or could not be kept, one line each."""

    tasks: tuple[Converted, ...]
    groups: tuple[Path, ...]
    notices: tuple[str, ...]


def convert(
    names: Sequence[str],
    folder: Path,
    *,
    include_path: Path | None = None,
    limit: int | None = None,
    mirror: Path | None = None,
    offline: bool = False,
) -> Conversion:
    """Write tasks of lm-evaluation-harness as plain task files into `folder`. **Runs the harness's code.**

    names: tasks, groups, tags, YAML files. include_path: a folder of further task files, as the harness takes it.
    limit: only the first documents. mirror: a folder laid out like the hub, looked into first.
    Members of a group that cannot be asked are left out with a notice. Raises TaskError, and leaves nothing behind,
    where the harness is missing or fails, where nothing is left, and where a written task differs from the harness's.
    """
    version = harness_version()
    mirror = None if mirror is None else user_folder(mirror, TaskError, "--mirror")
    include_path = None if include_path is None else user_folder(include_path, TaskError, "--include-path")
    files: dict[str, str] = {}
    written: dict[str, Converted] = {}
    groups: dict[str, str] = {}
    notices: list[str] = []
    for name in names:
        built = build(name, include_path=include_path, mirror=mirror, offline=offline)
        made: list[str] = []
        refused: list[Refused] = []
        for own, task in built.tasks.items():
            try:
                with quietly(offline=offline):
                    plain = make_plain(task, version, limit=limit)
                    made_files, compared = proved(task, plain, folder)
            except Refused as error:
                refused.append(error)
                continue
            if twin := next((one for one in written if one != own and file_name(one) == file_name(own)), None):
                raise TaskError(f"tasks {twin!r} and {own!r} would both be {file_name(own)}.yaml; convert them apart")
            files |= made_files
            made.append(own)
            notices.extend(plain.notices)
            written[own] = Converted(own, folder / f"{file_name(own)}.yaml", len(plain.rows), compared)
        if not made:
            raise refused[0] if refused else TaskError(f"{name}: there is no task in it")
        notices.extend(f"left out: {error}" for error in refused)
        groups |= _group_files(built.groups, set(made))
    _put(folder, {**files, **groups})
    return Conversion(tuple(written.values()), tuple(folder / path for path in groups), tuple(dict.fromkeys(notices)))


def proved(task: Any, plain: Plain, folder: Path, n: int = N_COMPARED) -> tuple[dict[str, str], dict[int, int]]:
    """The files of a task, by name, after calibaudit's own loader has read them and asked what the harness asks.

    folder: what messages call the place. Raises TaskError naming the first difference.
    """
    files = files_of(plain)
    with tempfile.TemporaryDirectory(prefix="calibaudit-", ignore_cleanup_errors=True) as stage:
        for name, text in files.items():
            Path(stage, name).write_text(text, encoding="utf-8")
        path = Path(stage, f"{file_name(plain.name)}.yaml")
        try:
            ids = [str(row.get("id", index)) for index, row in enumerate(plain.rows[:n])]
            compared = {shots: compare_file(task, plain.asked[:n], path, shots, ids) for shots in shots_to_try(task)}
        except TaskError as error:
            message = str(error).replace(stage, str(folder))
            raise TaskError(
                f"{plain.name}: not written, since it would not ask what the harness asks: {message}"
            ) from None
    return files, compared


def files_of(plain: Plain) -> dict[str, str]:
    """A task's YAML and its documents, as texts by file name."""
    stem = file_name(plain.name)
    keys: dict[str, Any] = {"task": stem}
    if plain.pool is None:
        data = {f"{stem}.jsonl": plain.rows}
        keys["dataset_path"] = f"{stem}.jsonl"
    else:
        data = {f"{stem}.{split}.jsonl": rows for split, rows in _by_split(plain).items()}
        keys["dataset_path"] = "json"
        keys["dataset_kwargs"] = {"data_files": {split: f"{stem}.{split}.jsonl" for split in _by_split(plain)}}
    head = (
        f"# Written by `calibaudit tasks convert` from the task {one_line(plain.name, 400)} of lm-evaluation-harness "
        f"{plain.keys['metadata']['converted_from']['lm_eval']}.\n"
        "# The columns harness_* hold what its templates and functions made of each document.\n"
    )
    text = yaml_text({**keys, **plain.keys}, width=110)
    lines = {name: "".join(json_text(row, finite=False) + "\n" for row in rows) for name, rows in data.items()}
    return {**lines, f"{stem}.yaml": head + text}


def _by_split(plain: Plain) -> dict[str, Sequence[Mapping[str, Any]]]:
    assert plain.pool is not None
    return {plain.split: plain.rows, plain.pool_split: plain.pool}


def _group_files(groups: Mapping[str, Sequence[str]], made: set[str]) -> dict[str, str]:
    """A group file for every group that has a member left."""
    left = set(made)
    while more := {name for name, members in groups.items() if name not in left and left & set(members)}:
        left |= more
    found = {}
    for name, members in groups.items():
        kept = [file_name(member) for member in members if member in left]
        if kept:
            found[f"{file_name(name)}.yaml"] = yaml_text({"group": file_name(name), "task": kept})
    return found


def _put(folder: Path, files: Mapping[str, str]) -> None:
    """Documents first, then the files that name them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made: {error.strerror or error}; name another folder with -o"
        ) from error
    new: list[Path] = []
    try:
        for name in sorted(files, key=lambda name: name.endswith(".yaml")):
            path = folder / name
            if not path.exists():
                new.append(path)
            write_whole(files[name], path)
    except OutputError:
        for path in new:
            path.unlink(missing_ok=True)
        raise
