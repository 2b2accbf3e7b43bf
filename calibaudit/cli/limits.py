"""The limits that `gate` and `bless` take as flags, and which of them are in force beside a baseline's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibaudit.cli.options import sources

if TYPE_CHECKING:
    from calibaudit.gating.limits import Given, Rules


@dataclass(frozen=True)
class LimitFlags:
    """What a candidate is held to. None: the baseline's where it holds limits, else the default."""

    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            metavar="X",
            help="Worsening of ECE or |gap| that is no alarm [default: the baseline's, else .02].",
            show_default=False,
        ),
    ] = None
    alpha: Annotated[
        float | None,
        typer.Option(
            "--alpha",
            metavar="X",
            help="Rate of false alarms, all tasks together [default: the baseline's, else .05].",
            show_default=False,
        ),
    ] = None
    max_ece: Annotated[
        float | None, typer.Option("--max-ece", metavar="X", help="Limit on the candidate's ECE.", show_default=False)
    ] = None
    max_gap: Annotated[
        float | None,
        typer.Option("--max-gap", metavar="X", help="Limit on its |confidence - accuracy|.", show_default=False),
    ] = None
    max_brier: Annotated[
        float | None, typer.Option("--max-brier", metavar="X", help="Limit on its Brier score.", show_default=False)
    ] = None
    min_items: Annotated[
        int | None,
        typer.Option(
            "--min-items",
            metavar="N",
            help="Items a task needs to be judged on its own [default: the baseline's, else 100].",
            show_default=False,
        ),
    ] = None
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 when inconclusive.")] = False


def given_limits(limits: LimitFlags, bins: int) -> dict[str, Given]:
    """Those that a flag or a settings file names, each with its source."""
    from calibaudit.gating.limits import Given

    values = {**vars(limits), "bins": bins}
    return {name: Given(values[name], source) for name, source in sources().items() if name in values}


def rules_of(baseline: str, limits: LimitFlags, bins: int, *, allow_looser: bool) -> Rules:
    """What a candidate is held to. Raises CalibauditError where that is looser than what the baseline holds."""
    from calibaudit.gating.limits import held_limits, in_force
    from calibaudit.scores.saved import is_saved_scores, read_limits

    held = held_limits(read_limits(baseline), baseline) if is_saved_scores(baseline) else None
    return in_force(given_limits(limits, bins), held, baseline=baseline, allow_looser=allow_looser)


def rules_to_bless(candidate: str, output: Path, limits: LimitFlags, bins: int) -> Rules:
    """What a new baseline is to hold: flags and files first, then what the file at its place held, or the candidate.

    What stands at its place and cannot be read holds nothing.
    """
    from calibaudit.errors import CalibauditError
    from calibaudit.gating.limits import held_limits, in_force
    from calibaudit.scores.saved import is_saved_scores, read_limits

    held = None
    for name in (str(output), candidate):
        if held is None and is_saved_scores(name):
            try:
                held = held_limits(read_limits(name), name)
            except CalibauditError:
                if name == candidate:
                    raise
    return in_force(given_limits(limits, bins), held, baseline=str(output), allow_looser=True)
