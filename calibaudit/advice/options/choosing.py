"""Which of the repairs that could serve is advised, and how it stands to the others.

Cheapest first, as `fix --method auto` goes: a temperature, where it is enough and no accuracy is missed that base would
bring back; else smoothing towards base, where its mixture is surely better than the temperature in something and surely
worse in nothing; where these items do not tell that, the temperature again, which is the cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calibaudit.advice.cautions import Action
from calibaudit.advice.mixture import State
from calibaudit.advice.options.measuring import Sides
from calibaudit.advice.options.option import Changes, RepairMethod, RepairOption, surely
from calibaudit.advice.options.ranking import Measured, better, enough, worse_in
from calibaudit.advice.words import reasons, repairs
from calibaudit.analysis.estimates import Change


@dataclass(frozen=True)
class Choice:
    """reason: one sentence. trades: how the advised repair stands to the others, a sentence each."""

    action: Action
    reason: str
    trades: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Case:
    """What the choice hangs on, beside the options. tuned: INSTRUCT, or the pilot's run with hard labels.

    why_not: why smoothing towards base could not serve, empty where it could. why: why it would, where it could.
    accuracy: what tuning did to it; None where nothing is compared with base. more_than_sft: whether something tells
    that INSTRUCT holds more than supervised tuning.
    """

    sides: Sides
    tuned: State
    why_not: str
    why: str = ""
    accuracy: Change | None = None
    more_than_sft: bool = False


def choose(found: Sequence[Measured], case: Case) -> Choice:
    by_temperature, smoothed = (_one(found, method) for method in ("temperature", "smooth"))
    if by_temperature is None:
        if smoothed is None:
            return Choice("nothing_known", f"{case.why_not}; {reasons.NO_TEMPERATURE}")
        return Choice("smooth", case.why, _merge(found))
    fits = _fits(by_temperature.option, case)
    if smoothed is None:
        return Choice("temperature", fits)
    changes = _between(by_temperature, smoothed, case)
    names, worse = better(changes), worse_in(changes)
    lost = "accuracy" in names and case.accuracy is not None and surely(case.accuracy) < 0
    if case.more_than_sft or not names or worse or (enough(by_temperature.option) and not lost):
        beside = repairs.smooth_beside(smoothed.option, names, worse, _figures(case.tuned))
        return Choice("temperature", fits, (beside, *(_merge(found) if names else ())))
    before = None
    if lost:
        assert case.accuracy is not None
        before = case.tuned.accuracy - (case.accuracy.value or 0.0)
    beside = repairs.temperature_beside(by_temperature.option, _figures(case.tuned), before)
    return Choice("smooth", case.why, (beside, *_merge(found)))


def _fits(option: RepairOption, case: Case) -> str:
    """Why a temperature is advised."""
    assert option.setting is not None
    assert option.setting.value is not None
    assert option.figures is not None
    nll, ece = option.figures.nll.value, option.figures.ece.value
    assert nll is not None
    assert ece is not None
    start = case.why_not or reasons.confidence(case.tuned)
    fits = f"{start}; {reasons.by_temperature(case.tuned, nll, ece, option.setting.value)}"
    against = repairs.against_base(option)
    if not against:
        return fits
    return f"{fits}, and ECE is then {against}" if enough(option) else f"{fits}; {reasons.leaves(against)}"


def _between(by_temperature: Measured, smoothed: Measured, case: Case) -> Changes:
    assert by_temperature.scores is not None
    assert smoothed.scores is not None
    return case.sides.changes(by_temperature.scores, smoothed.scores)


def _merge(found: Sequence[Measured]) -> tuple[str, ...]:
    one = _one(found, "merge")
    return () if one is None else (repairs.merge_beside(one.option),)


def _one(found: Sequence[Measured], method: RepairMethod) -> Measured | None:
    return next((one for one in found if one.option.method == method), None)


def _figures(state: State) -> tuple[float, float, float]:
    return state.ece, state.accuracy, state.nll
