"""How much of a baseline a gate judged: a task that is left out cannot be seen to have regressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.scores.saved import parts_of
from calibaudit.scores.scores import Scores


@dataclass(frozen=True)
class Share:
    """A task of the baseline: how many of its items were judged, and how many it holds."""

    name: str
    n_judged: int
    n_held: int

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "n_judged": self.n_judged, "n_held": self.n_held}


@dataclass(frozen=True)
class Coverage:
    """Of each task that the baseline holds what was judged, in its order."""

    tasks: tuple[Share, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The tasks of which nothing was judged."""
        return tuple(task.name for task in self.tasks if not task.n_judged)

    @property
    def n_tasks(self) -> tuple[int, int]:
        """Judged, held."""
        return len(self.tasks) - len(self.missing), len(self.tasks)

    @property
    def n_items(self) -> tuple[int, int]:
        """Judged, held."""
        return sum(task.n_judged for task in self.tasks), sum(task.n_held for task in self.tasks)

    @property
    def is_complete(self) -> bool:
        return all(task.n_judged == task.n_held for task in self.tasks)

    def to_dict(self) -> dict[str, Any]:
        return {"tasks": [task.to_dict() for task in self.tasks]}


def coverage_of(held: Sequence[Scores], judged: Sequence[Scores]) -> Coverage:
    """held: all that the baseline holds. judged: what is there to hold against it, by the tasks' names."""
    counts: dict[str, int] = {}
    for part in judged:
        counts[part.task] = max(counts.get(part.task, 0), part.n_items)
    return Coverage(
        tuple(Share(part.label, min(counts.get(part.task, 0), part.n_items), part.n_items) for part in held)
    )


def check_complete(coverage: Coverage, baseline: str) -> None:
    """Raises ScoresError naming what is missing, unless all of the baseline is judged."""
    if coverage.is_complete:
        return
    short = [task for task in coverage.tasks if task.n_judged < task.n_held]
    named = [
        f"{task.name!r:.80}" + (f" ({task.n_judged:,} of {task.n_held:,} items)" if task.n_judged else "")
        for task in short[:3]
    ]
    more = f" and {len(short) - 3} more" if len(short) > 3 else ""
    (tasks, all_tasks), (items, all_items) = coverage.n_tasks, coverage.n_items
    raise ScoresError(
        f"{baseline} holds {all_tasks} task{'s' * (all_tasks != 1)} and {all_items:,} items, of which {tasks} and "
        f"{items:,} would be judged: missing {', '.join(named)}{more}; score the candidate on all of them, or give "
        "--allow-missing on the command line"
    )


def check_source(candidate: str, before: Sequence[Scores], after: Sequence[Scores]) -> None:
    """Raises ScoresError where a folder of logs stands for a candidate, and the baseline's checkpoint was scored here.

    Whoever made the folder could have put logs where the weights were. before, after: a task of each, or more.
    """
    logged, scored = after[0].model.logged_by, not before[0].model.logged_by and not before[0].model.gave_no_prompts
    if logged and scored and any(Path(part).expanduser().is_dir() for part in parts_of(candidate)):
        raise ScoresError(
            f"{candidate}: a folder of {logged}'s logs, but the baseline is a checkpoint that calibaudit scored; "
            "name the checkpoint, or the log file itself, or bless logs too"
        )


def in_common(before: Sequence[Scores], after: Sequence[Scores]) -> tuple[list[Scores], list[Scores]]:
    """The tasks that both sides have, for a gate that is told to go without the others.

    A task's items are not cut: with other items it is another task. Raises ScoresError where no task is common.
    """
    names = [{part.task for part in side} for side in (before, after)]
    if not names[0] & names[1]:
        raise ScoresError("the two sides have no task in common, so there is nothing to judge")
    return [part for part in before if part.task in names[1]], [part for part in after if part.task in names[0]]
