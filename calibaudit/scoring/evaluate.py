"""A model (or a file of saved scores) and tasks -> Scores of every task: what `compare` and `score` run."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from calibaudit.errors import ScoresError
from calibaudit.models.distributed import own_device
from calibaudit.scores.lm_eval import is_log_folder, read_lm_eval
from calibaudit.scores.scores import Scores, read_scores
from calibaudit.tasks.items import Task

if TYPE_CHECKING:
    from calibaudit.models.model import Model

ChatTemplate = Literal["auto", "off", "both"]

Progress = Callable[[str, int, int], None]
Notice = Callable[[str], None]


@dataclass(frozen=True)
class RunOptions:
    """How a checkpoint is loaded and run; the names are those of the command line's flags.

    batch_size: rows a forward pass, None for auto. cache_dir: where finished items are kept, None to keep none.
    """

    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    batch_size: int | None = None
    chat_template: ChatTemplate = "auto"
    cache_dir: Path | None = None
    offline: bool = False


def is_saved_scores(name: str) -> bool:
    """Whether a command's MODEL is saved scores (a file, or another harness's logs) instead of a checkpoint."""
    path = Path(name)
    return (path.suffix in (".json", ".jsonl") and path.is_file()) or is_log_folder(path)


def evaluate(name: str, tasks: Sequence[Task], options: RunOptions, progress: Progress, notice: Notice) -> list[Scores]:
    """The scores of checkpoint `name` on every task, in order; see `evaluate_model`."""
    model = load(name, options, notice)
    results = evaluate_model(model, tasks, options, progress, notice)
    del model
    free_memory()
    return results


def load(name: str, options: RunOptions, notice: Notice) -> Model:
    """The checkpoint, loaded as `options` say. notice: called with each sentence the user should read."""
    from calibaudit.models.model import load_model

    model = load_model(
        name,
        revision=options.revision,
        dtype=options.dtype,
        device=own_device(options.device),
        offline=options.offline,
    )
    for warning in model.warnings:
        notice(warning)
    return model


def evaluate_model(
    model: Model, tasks: Sequence[Task], options: RunOptions, progress: Progress, notice: Notice
) -> list[Scores]:
    """The model's scores on every task, in order.

    With chat_template `both`, two entries a task: plain, then inside the chat template (plain again for a model that
    has none). progress: called with (label, finished, all). notice: called with each sentence the user should read.
    """
    from calibaudit.scoring.score import has_chat_template, score

    templated = has_chat_template(model)
    if options.chat_template == "both" and not templated:
        notice(f"{model.info.name}: its tokenizer has no chat template; both rows of a task show the plain prompt")
    passes = {"auto": [templated], "off": [False], "both": [False, templated]}[options.chat_template]
    results: list[Scores] = []
    for task in tasks:
        for use_template in dict.fromkeys(passes):
            label = f"{task.name} (chat)" if use_template else task.name

            def report(done: int, total: int, label: str = label) -> None:
                progress(label, done, total)

            scores = score(
                task,
                model,
                chat_template=use_template,
                batch_size=options.batch_size,
                cache_dir=options.cache_dir,
                progress=report,
            )
            results += [scores] * (len(passes) if len(set(passes)) == 1 else 1)
    return results


def saved(name: str, task_names: Sequence[str] | None) -> list[Scores]:
    """The scores in `name`, those of `task_names` only, in that order, or all for None."""
    path = Path(name)
    scores = list(read_scores(path) if path.suffix == ".json" and path.is_file() else read_lm_eval([path]))
    if task_names is None:
        return scores
    known = {entry.task for entry in scores}
    for task in task_names:
        if task not in known:
            raise ScoresError(f"{name}: no scores of task {task!r}; it has {', '.join(sorted(known))}")
    return [entry for task in task_names for entry in scores if entry.task == task]


def paired(before: Sequence[Scores], after: Sequence[Scores]) -> tuple[list[Scores], list[Scores]]:
    """Without the rows that `both` doubled for nothing: where neither side had a chat template."""
    if len(before) != len(after):
        return list(before), list(after)  # compare says what is missing
    kept = [
        i
        for i, (b, a) in enumerate(zip(before, after, strict=True))
        if not any(before[j] is b and after[j] is a for j in range(i))
    ]
    return [before[i] for i in kept], [after[i] for i in kept]


def free_memory() -> None:
    """Give back what a model that nobody holds any more has taken."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
