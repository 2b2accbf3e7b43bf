"""What to run next, as a shell takes it: with the names of the models that the page is about."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from calibaudit.advice.options.option import RepairMethod
from calibaudit.advice.recommendation import Recommendation
from calibaudit.files.text import one_line
from calibaudit.gating.verdict import Verdict
from calibaudit.scores.scores import ModelInfo

OUT = "fixed"
BASELINE = "baseline.json"
_MOST_NAME = 200
_TRAINED: tuple[RepairMethod, ...] = ("merge", "smooth")
_DEMO = ("demo:base", "demo:instruct")
_NO_CHECKPOINT = "logged by "
_BASE_IS = "BASE: the checkpoint that it was tuned from"
_TASKS_ARE = "TASKS: names or files of tasks, with commas"
_ASKED = "Add this run's own flags for tasks and prompts, if it had any"


@dataclass(frozen=True)
class Command:
    """A call to copy. lead: what it is for, with its colon. notes: what its capitals stand for, what to add to it."""

    lead: str
    line: str
    notes: tuple[str, ...] = ()


def repair_command(recommendation: Recommendation, base: ModelInfo, instruct: ModelInfo) -> Command | None:
    """Of a pair: what makes the advised repair; None where none is advised."""
    line = advised_command(recommendation, base, instruct)
    if line is None:
        return None
    notes = ("DATA: the rows that it was tuned on",) if "--data DATA" in line else ()
    return Command("To make the repair and prove it:", line, notes)


def gate_command(verdict: Verdict) -> Command:
    """Of a gate's outcome: the next baseline, a repair, or more items.

    CANDIDATE stands where its name cannot be loaded. Its base is not in the verdict, save for the bundled pair.
    """
    candidate = _argument(verdict.after, "CANDIDATE")
    if verdict.outcome == "passed":
        return Command("To make it the next baseline:", f"calibaudit bless {candidate} -o {BASELINE}", (_ASKED,))
    if verdict.outcome == "inconclusive":
        line = f"calibaudit bless {_argument(verdict.before, 'BASELINE')} -t TASKS -o {BASELINE}"
        return Command("To begin again with more items:", line, (f"{_TASKS_ARE}; or this run's, without --limit",))
    base, notes = _base_of(verdict.after)
    parts = (verdict.overall, *verdict.tasks)
    broken = {check.measure for part in parts for check in part.checks if check.finding == "broken"}
    if broken == {"max_brier"}:  # of which calibration is a part only
        line = f"calibaudit recommend {base} {candidate}"
        return Command("To see what a repair would give:", line, (*notes, _ASKED))
    line = f"calibaudit fix {candidate} --base {base} --out {OUT}"
    return Command("To look for a repair and prove it:", line, (*notes, "With --data, it tries repairs that train too"))


def audit_command(model: ModelInfo, *, off: bool, ceiling: bool) -> Command:
    """Of one model: its base beside it where it is off, else the baseline for those that follow it.

    ceiling: whether the items were too easy to tell. CHECKPOINT stands where its name cannot be loaded.
    """
    name = _argument(model, "CHECKPOINT")
    if ceiling:
        return Command("To ask harder ones:", f"calibaudit score {name} -t TASKS -o harder.html", (_TASKS_ARE,))
    if off:
        base, notes = _base_of(model)
        line = f"calibaudit compare {base} {name} -o compared.html"
        return Command("To see what tuning changed, and what would repair it:", line, (*notes, _ASKED))
    line = f"calibaudit bless {name} -o {BASELINE}"
    return Command("To hold later checkpoints to it with gate:", line, (_ASKED,))


def _base_of(model: ModelInfo) -> tuple[str, tuple[str, ...]]:
    """What stands for its base in a command, and what to say of that."""
    return (_DEMO[0], ()) if model.name == _DEMO[1] else ("BASE", (_BASE_IS,))


def advised_command(recommendation: Recommendation, base: ModelInfo, instruct: ModelInfo) -> str | None:
    """The command on one line; None where no repair is advised."""
    return " ".join(advised_parts(recommendation, base, instruct)) or None


def advised_parts(recommendation: Recommendation, base: ModelInfo, instruct: ModelInfo) -> tuple[str, ...]:
    """`calibaudit fix INSTRUCT --base BASE --method METHOD --out fixed`, each option with its
    value; empty where no repair is advised.

    BASE and INSTRUCT stand where a name is none that `fix` could load: of a server's or a logged model, of an
    adapter's base, or with a character that is not to be seen. DATA stands for the tuning rows.
    """
    option = recommendation.advised
    method = recommendation.action if option is None else option.method
    return () if recommendation.command is None else _parts(method, base, instruct)


def method_command(method: str, base: ModelInfo, instruct: ModelInfo) -> str:
    """The same for one of the repairs."""
    return " ".join(_parts(method, base, instruct))


def _parts(method: str, base: ModelInfo, instruct: ModelInfo) -> tuple[str, ...]:
    data = "demo:sft" if (base.name, instruct.name) == _DEMO else "DATA"
    return (
        "calibaudit",
        "fix",
        _argument(instruct, "INSTRUCT"),
        f"--base {_argument(base, 'BASE')}",
        f"--method {method}",
        *([f"--data {data}"] if method in _TRAINED else []),
        f"--out {OUT}",
    )


def _argument(model: ModelInfo, otherwise: str) -> str:
    name = model.name
    typed = name and not name.startswith("-") and one_line(name, _MOST_NAME) == name
    if not typed or model.engine or model.adapter or model.head.startswith(_NO_CHECKPOINT):
        return otherwise
    return shlex.quote(name)
