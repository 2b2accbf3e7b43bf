"""The limits that `gate` and `bless` take as flags, and which of them are in force beside a baseline's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from calibaudit.cli.help.panels import in_statistics
from calibaudit.cli.settings.given import sources

if TYPE_CHECKING:
    from calibaudit.gating.limits import Given, Rules


LimitBins = Annotated[
    int,
    in_statistics(
        "--bins",
        metavar="N",
        min=1,
        max=1000,
        help="Confidence bins of ECE.",
        show_default="the baseline's, else 15",
    ),
]


@dataclass(frozen=True)
class LimitFlags:
    """What a candidate is held to. None: the baseline's where it holds limits, else the default."""

    margin: Annotated[
        float | None,
        in_statistics(
            "--margin",
            metavar="X",
            help="Worsening of ECE or |gap| that raises no alarm.",
            show_default="the baseline's, else .02",
        ),
    ] = None
    alpha: Annotated[
        float | None,
        in_statistics(
            "--alpha",
            metavar="X",
            help="Rate of false alarms, over all tasks together.",
            show_default="the baseline's, else .05",
        ),
    ] = None
    max_ece: Annotated[
        float | None,
        in_statistics(
            "--max-ece",
            metavar="X",
            help="Highest ECE that the candidate may have.",
            show_default="the baseline's, else none",
        ),
    ] = None
    max_gap: Annotated[
        float | None,
        in_statistics(
            "--max-gap",
            metavar="X",
            help="Highest |confidence - accuracy| that it may have.",
            show_default="the baseline's, else none",
        ),
    ] = None
    max_brier: Annotated[
        float | None,
        in_statistics(
            "--max-brier",
            metavar="X",
            help="Highest Brier score that it may have.",
            show_default="the baseline's, else none",
        ),
    ] = None
    min_items: Annotated[
        int | None,
        in_statistics(
            "--min-items",
            metavar="N",
            help="Items that a task needs to be judged on its own.",
            show_default="the baseline's, else 100",
        ),
    ] = None
    strict: Annotated[bool, in_statistics("--strict", help="Exit 3 when the verdict is inconclusive.")] = False


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
