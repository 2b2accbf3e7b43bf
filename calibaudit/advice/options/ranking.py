"""The repairs that could serve a pair, what each would give, their order, and which the numbers speak for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calibaudit.advice.aligned import Aligned, aligned_caution
from calibaudit.advice.cautions import CLEARLY
from calibaudit.advice.options.measuring import Sides, cross_fitted, mixed, tempered
from calibaudit.advice.options.option import Changes, RepairMethod, RepairOption, surely
from calibaudit.advice.words import repairs
from calibaudit.analysis.estimates import Change, Interval
from calibaudit.analysis.samples import Items

ABOVE_BASE = 0.02
"""A repair is enough only where its ECE is not surely more than this above base's; as in `fix --method auto`."""

FROM_INSTRUCT: tuple[RepairMethod, ...] = ("temperature", "aligned", "merge")
"""Repairs that begin with INSTRUCT's weights, and so with all that was ever tuned into them."""


@dataclass(frozen=True, eq=False)
class Measured:
    """An option with the scores it was measured by. scores: None where it is not known before it is tried."""

    option: RepairOption
    scores: Items | None


def temperature_option(sides: Sides, temperature: Interval, *, one_token: bool) -> Measured | None:
    """By the temperature that answers choose; None where that does not help (see `helps`)."""
    scores = cross_fitted(sides.tuned)
    if scores is None:
        return None
    figures, change, above = sides.figures(scores)
    basis = repairs.CROSS_FITTED + ("" if one_token else repairs.LONG_CHOICES)
    kept = repairs.KEEPS_ALL if one_token else repairs.KEEPS_LONG
    option = RepairOption("temperature", temperature, figures, change, above, kept, repairs.NO_TRAINING, basis)
    return Measured(option, scores) if helps(change) else None


def aligned_option(sides: Sides, aligned: Aligned, *, one_token: bool) -> Measured | None:
    """By the temperature that base's probabilities choose, no answers; None where that does not help."""
    scores = tempered(sides.tuned, aligned.temperature)
    figures, change, above = sides.figures(scores)
    option = RepairOption(
        "aligned",
        Interval(aligned.temperature, None, None),
        figures,
        change,
        above,
        repairs.KEEPS_ALL if one_token else repairs.KEEPS_LONG,
        repairs.NO_TRAINING,
        aligned_caution(aligned) + ("" if one_token else repairs.LONG_CHOICES),
        aligned.agreement,
    )
    return Measured(option, scores) if helps(change) else None


def smooth_option(sides: Sides, factor: Interval) -> Measured:
    """By tuning towards base again, of which the mixture of the outputs is the stand-in."""
    assert sides.base is not None
    assert factor.value is not None
    scores = mixed(sides.base, sides.tuned, factor.value)
    found = sides.figures(scores)
    return Measured(
        RepairOption("smooth", factor, *found, repairs.UNMEASURED, repairs.TUNING, repairs.STAND_IN), scores
    )


def merge_option() -> Measured:
    """Where the outputs' mixture helps, that of the weights may; nothing but a trial tells."""
    return Measured(
        RepairOption("merge", None, None, None, None, repairs.UNMEASURED, repairs.SCORINGS, repairs.UNTRIED), None
    )


def pilot_option(sides: Sides, factor: Interval, run: Items, learned: float | None) -> Measured:
    """By tuning with the factor of a pilot's run. learned: the share that it kept of what hard labels learned."""
    figures, change, _ = sides.figures(run)
    kept = repairs.UNMEASURED if learned is None else repairs.learned(learned)
    return Measured(RepairOption("smooth", factor, figures, change, None, kept, repairs.TUNING, repairs.ONE_RUN), run)


def ranked(found: Sequence[Measured], *, from_instruct_first: bool) -> tuple[RepairOption, ...]:
    """The least NLL first; what is not known before it is tried last, each within those that begin alike.

    from_instruct_first: repairs of FROM_INSTRUCT before all others.
    """

    def place(option: RepairOption) -> tuple[bool, bool, float]:
        nll = None if option.figures is None else option.figures.nll.value
        return from_instruct_first and option.method not in FROM_INSTRUCT, nll is None, nll or 0.0

    return tuple(sorted((one.option for one in found), key=place))


def helps(change: Changes) -> bool:
    """Is NLL or ECE lower by more than CLEARLY, and neither higher by more."""
    gains = [-(one.value or 0.0) for one in (change.nll, change.ece)]
    return max(gains) > CLEARLY and min(gains) > -CLEARLY


def enough(option: RepairOption) -> bool:
    """Is NLL clearly lower, ECE no higher, and surely not more than ABOVE_BASE above base's."""
    assert option.change is not None
    nll, ece, above = option.change.nll.value, option.change.ece.value, option.above_base
    assert nll is not None
    assert ece is not None
    near_base = above is None or above.low is None or above.low <= ABOVE_BASE
    return -nll > CLEARLY and ece <= CLEARLY and near_base


def better(change: Changes) -> tuple[str, ...]:
    """In what the later is surely better: of `ECE`, `accuracy`, `NLL`."""
    return tuple(name for name, one, sign in _by_name(change) if surely(one) == sign)


def worse_in(change: Changes) -> tuple[str, ...]:
    """In what it is surely worse."""
    return tuple(name for name, one, sign in _by_name(change) if surely(one) == -sign)


def _by_name(change: Changes) -> tuple[tuple[str, Change, int], ...]:
    """Each with the sign that is better."""
    return ("ECE", change.ece, -1), ("accuracy", change.accuracy, 1), ("NLL", change.nll, -1)
