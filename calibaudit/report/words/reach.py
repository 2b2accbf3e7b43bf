"""What the questions could show of these models, in sentences: where they know all of them, and where none."""

from __future__ import annotations

from collections.abc import Sequence

from calibaudit.analysis.audit import Audit, ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.reach import CEILING, at_ceiling, at_chance
from calibaudit.analysis.side_warnings import listed
from calibaudit.report.words.text import number, short_names

HARD = frozenset({"cities", "computation", "dates", "deduction", "matter", "registries", "traces"})
"""The tasks of the group `bundled_hard`."""


def all_at_ceiling(result: Comparison | ModelAudit) -> bool:
    """Whether every task is at ceiling, for every model."""
    return len(_at_ceiling(result)) == len(result.tasks)


def ceiling_sentence(result: Comparison | ModelAudit) -> str:
    """What is to be said where every task is at ceiling, and nothing else."""
    whose = "of both models" if isinstance(result, Comparison) else "of the model"
    where = " on every task" if len(result.tasks) > 1 else ""
    return (
        f"At ceiling: accuracy and mean confidence {whose} are above {number(CEILING, 2)}{where}, so no repair "
        f"could show here; {_way_out(result)}."
    )


def reach_notes(result: Comparison | ModelAudit) -> list[str]:
    """For pages whose first sentence is another: that all tasks are at ceiling, or `reach_sentences`."""
    return [ceiling_sentence(result)] if all_at_ceiling(result) else reach_sentences(result)


def reach_sentences(result: Comparison | ModelAudit) -> list[str]:
    """Which tasks are at ceiling, where not all are, and which a model does not know; none where neither holds."""
    found = []
    high = _at_ceiling(result)
    if high and len(high) < len(result.tasks):
        sides = " on both sides" if isinstance(result, Comparison) else ""
        found.append(
            f"At ceiling on {listed(high)} (accuracy and mean confidence above {number(CEILING, 2)}{sides}): no repair "
            f"could show there; {_way_out(result)}."
        )
    for name, tasks in _at_chance(result):
        what = "these questions" if len(tasks) == len(result.tasks) else listed(tasks)
        found.append(f"{name} does not know {what}: its accuracy is at chance; its confidence is still judged.")
    return found


def level_title(result: Comparison | ModelAudit) -> str:
    """What stands above the table by level; it says how many items have none."""
    title = "By level of difficulty, as the task files give it: higher is harder"
    without = result.pooled.n_items - sum(row.n_items for row in result.by_level)
    return f"{title}; {without:,} of {result.pooled.n_items:,} items have none" if without > 0 else title


def _way_out(result: Comparison | ModelAudit) -> str:
    tried = {task.name.removesuffix("_letter") for task in result.tasks}
    return "harder questions are needed" if tried & HARD else "try -t bundled_hard"


def _rows(result: Comparison | ModelAudit) -> list[tuple[str, float | None, Sequence[Audit]]]:
    if isinstance(result, Comparison):
        return [(task.label, task.chance, (task.before, task.after)) for task in result.tasks]
    return [(task.label, task.chance, (task.audit,)) for task in result.tasks]


def _at_ceiling(result: Comparison | ModelAudit) -> list[str]:
    return [label for label, _, sides in _rows(result) if at_ceiling(sides)]


def _at_chance(result: Comparison | ModelAudit) -> list[tuple[str, list[str]]]:
    """Each model that does not know some tasks, and which."""
    if isinstance(result, Comparison):
        names = list(short_names(result.before.name, result.after.name))
    else:
        names = [short_names(result.model.name, "")[0]]
    unknown = [
        [label for label, chance, sides in _rows(result) if at_chance(sides[i], chance)] for i in range(len(names))
    ]
    return [(name, tasks) for name, tasks in zip(names, unknown, strict=True) if tasks]
