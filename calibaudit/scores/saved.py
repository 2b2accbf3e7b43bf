"""Saved scores read back: a file of ours, a committed baseline, or another harness's logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calibaudit.errors import ScoresError
from calibaudit.files.read import read_json
from calibaudit.scores.baseline import plain
from calibaudit.scores.from_dict import compacted, scores_from_dict
from calibaudit.scores.logs.formats import is_log, read_logs
from calibaudit.scores.scores import READABLE_VERSIONS, ModelInfo, Scores


def read_scores(path: Path) -> tuple[Scores, ...]:
    """The scores that `calibaudit score -o` saved, or those of a baseline that `calibaudit bless` wrote.

    Raises ScoresError when the file is neither.
    """
    data = read_json(path, ScoresError, compact=compacted)
    if isinstance(data, dict) and "baseline_version" in data:
        data = plain(data, str(path))
    if not isinstance(data, dict) or not isinstance(data.get("scores"), list):
        raise ScoresError(
            f"{path}: no saved scores in it; make such a file with `calibaudit score MODEL -o {path.name}`"
        )
    if data.get("schema_version") not in READABLE_VERSIONS:
        raise ScoresError(
            f"{path}: schema_version {data.get('schema_version')!r}; this version of calibaudit reads 1 and 2"
        )
    try:
        model = ModelInfo(**data["model"])
    except (KeyError, TypeError) as error:
        raise ScoresError(f"{path}: its entry 'model' is missing or malformed: {error}") from error
    return tuple(scores_from_dict(entry, model, str(path)) for entry in data["scores"])


def is_saved_scores(name: str) -> bool:
    """Whether a command's MODEL is saved scores (a file, or another harness's logs) instead of a checkpoint."""
    path = Path(name)
    return (path.suffix == ".json" and path.is_file()) or is_log(path)


def _is_own(path: Path) -> bool:
    """Whether to read it as a file of calibaudit's: any JSON that is no log."""
    return path.suffix == ".json" and path.is_file() and not is_log(path)


def read_saved(name: str, task_names: Sequence[str] | None) -> list[Scores]:
    """The scores in `name`, those of `task_names` only, in that order, or all for None."""
    path = Path(name)
    scores = list(read_scores(path) if _is_own(path) else read_logs([path]))
    if task_names is None:
        return scores
    known = {entry.task for entry in scores}
    for task in task_names:
        if task not in known:
            raise ScoresError(f"{name}: no scores of task {task!r}; it has {', '.join(sorted(known))}")
    return [entry for task in task_names for entry in scores if entry.task == task]


def saved_items(models: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    """Tasks and their items' ids of the one saved file among the models, which the others are to be asked; else None.

    A task that stands there twice, under two prompts, has the same items in both.
    """
    files = [model for model in models if is_saved_scores(model)]
    return {entry.task: entry.item_ids for entry in read_saved(files[0], None)} if len(files) == 1 else None
