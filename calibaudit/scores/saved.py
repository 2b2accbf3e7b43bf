"""Saved scores read back: a file of ours, a committed baseline, or another harness's logs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.files.paths import is_there, user_path
from calibaudit.files.read import plain_reason, read_json
from calibaudit.scores.baseline import plain
from calibaudit.scores.from_dict import compacted, scores_from_dict
from calibaudit.scores.logs.formats import is_log, read_logs
from calibaudit.scores.scores import READABLE_VERSIONS, ModelInfo, Scores


def read_scores(path: str | os.PathLike[str]) -> tuple[Scores, ...]:
    """The scores that `save` or `calibaudit score -o` saved, or those of a baseline that `calibaudit bless` wrote.

    path: one file. Raises ScoresError when it is neither; `read_logs` reads other tools' files.
    """
    path = user_path(path, ScoresError)
    data = read_json(path, ScoresError, compact=compacted)
    if isinstance(data, dict) and "baseline_version" in data:
        data = plain(data, str(path))
    if not isinstance(data, dict) or not isinstance(data.get("scores"), list):
        raise ScoresError(
            f"{path}: holds no saved scores; make such a file with `calibaudit score MODEL -o {path.name}`"
        )
    if data.get("schema_version") not in READABLE_VERSIONS:
        raise ScoresError(
            f"{path}: schema_version {data.get('schema_version')!r}; this version of calibaudit reads 1 and 2"
        )
    try:
        model = ModelInfo(**data["model"])
    except (KeyError, TypeError, ScoresError) as error:
        raise ScoresError(f"{path}: its entry 'model' is missing or malformed: {plain_reason(error)}") from error
    if data["scores"] == []:
        raise ScoresError(f"{path}: its list of scores is empty")
    return tuple(scores_from_dict(entry, model, str(path)) for entry in data["scores"])


def read_limits(name: str) -> Any:
    """What a blessed baseline says under `limits`, as it stands there; None where `name` is none, or it says nothing.

    Raises ScoresError when a file cannot be read.
    """
    found = None
    for path in map(Path, parts_of(name)):
        if not _is_file(path):
            continue
        data = read_json(path, ScoresError, unique_keys=False, finite=True, compact=_without_items)
        if isinstance(data, dict) and "baseline_version" in data and data.get("limits") is not None:
            if found is not None:
                raise ScoresError(f"{name}: two of these baselines hold limits; give one baseline")
            found = data["limits"]
    return found


def _without_items(entry: dict[str, Any]) -> dict[str, Any]:
    """A task's scores are not wanted."""
    return {} if "items" in entry or "item_ids" in entry else entry


def parts_of(name: str) -> list[str]:
    """The paths that a command's MODEL names: apart at commas, unless it is one path with a comma in it, or a URL."""
    if "," not in name or "://" in name or is_there(name):
        return [name]
    return [part.strip() for part in name.split(",") if part.strip()]


def is_saved_scores(name: str) -> bool:
    """Whether a command's MODEL is saved scores (files, or other harnesses' logs) instead of a checkpoint.

    Raises ScoresError where of several paths only some are.
    """
    parts = parts_of(name)
    saved = [is_there(part) and (_is_file(Path(part)) or is_log(Path(part))) for part in parts]
    if len(parts) > 1 and not all(saved):
        other = parts[saved.index(False)]
        rule = "one side is several files of scores or logs of one model, or one checkpoint"
        raise ScoresError(f"{other}: {'no scores or logs' if is_there(other) else 'no such path'}; {rule}")
    return all(saved)


_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".eval")


def check_there(names: Sequence[str]) -> None:
    """Raise ScoresError for a file of scores that is not there, before it is taken for the name of a model."""
    for name in (part for whole in names for part in parts_of(whole)):
        if name.endswith(_SUFFIXES) and not is_there(name):
            user_path(name, ScoresError)  # says what it is, where it is there
            way = "; write it with `calibaudit bless` or `calibaudit score -o`" if name.endswith(_SUFFIXES[:2]) else ""
            raise ScoresError(f"{name}: no such file{way}")


def _is_file(path: Path) -> bool:
    return path.suffix == ".json" and path.is_file() and not is_log(path)


def read_saved(
    name: str, task_names: Sequence[str] | None, notice: Callable[[str], None] | None = None
) -> list[Scores]:
    """The scores in `name`, those of `task_names` only, in that order, or all for None.

    notice: called with one line for each file that is passed over. Raises ScoresError where a file is unusable, lacks a
    task, or where several files are of two models or hold a task twice.
    """
    scores = _all_in(name, notice)
    if task_names is None:
        return scores
    known = {entry.task for entry in scores}
    for task in task_names:
        if task not in known:
            raise ScoresError(f"{name}: no scores of task {task!r}; it has {', '.join(sorted(known))}")
    return [entry for task in task_names for entry in scores if entry.task == task]


def _all_in(name: str, notice: Callable[[str], None] | None) -> list[Scores]:
    parts = [Path(part) for part in parts_of(name)]
    logs = [path for path in parts if not _is_file(path)]
    found = [(str(path), entry) for path in parts if _is_file(path) for entry in read_scores(path)]
    if logs:
        found += [(", ".join(map(str, logs)), entry) for entry in read_logs(logs, notice)]
    if len(parts) == 1:
        return [entry for _, entry in found]
    model = found[0][1].model
    seen: dict[tuple[str, bool], str] = {}
    for source, entry in found:
        if _who(entry.model) != _who(model):
            shown = [f"{one.name} (revision {one.revision}, {one.dtype})" for one in (model, entry.model)]
            raise ScoresError(f"{name}: holds scores of two models, {' and '.join(shown)}; a side is one model")
        key = entry.task, entry.chat_template
        if seen.setdefault(key, source) != source:
            raise ScoresError(f"task {entry.label!r} is in {seen[key]} and in {source}; name it once")
    return [replace(entry, model=model) for _, entry in found]


def _who(model: ModelInfo) -> tuple[object, ...]:
    """What two runs of one model have in common: not the device, and not the program."""
    return model.name, model.revision, model.dtype, model.n_parameters, model.adapter


def saved_items(models: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    """Tasks and their items' ids of the one saved file among the models, which the others are to be asked; else None.

    A task that stands there twice, under two prompts, has the same items in both.
    """
    files = [model for model in models if is_saved_scores(model)]
    return {entry.task: entry.item_ids for entry in read_saved(files[0], None)} if len(files) == 1 else None
