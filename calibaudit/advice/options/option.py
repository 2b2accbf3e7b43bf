"""A repair that could serve, with what it would give; what mixing the two models' outputs gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from calibaudit.analysis.estimates import Change, Interval
from calibaudit.files.shown.card import Card, Shown, figure, said

RepairMethod = Literal["temperature", "aligned", "merge", "smooth"]
"""As `fix --method` has them, cheapest first: INSTRUCT's scores divided by a temperature, fitted to answers or, without
any, to base; the two models' weights merged; tuned again with smoothed labels."""

REPAIR_METHODS: tuple[RepairMethod, ...] = get_args(RepairMethod)


@dataclass(frozen=True)
class Figures:
    """Of one model or mixture, over all items pooled. ece: without the noise's share. nll: nats."""

    accuracy: Interval
    ece: Interval
    nll: Interval


def shown(name: str, found: Interval, digits: int = 3) -> str:
    """`ECE .117 [.096, .156]`."""
    return figure(name, found.value, found.low, found.high, digits)


def figure_facts(figures: Figures) -> tuple[str, ...]:
    """Its three figures, each with its interval."""
    return tuple(shown(*pair) for pair in (("accuracy", figures.accuracy), ("ECE", figures.ece), ("NLL", figures.nll)))


@dataclass(frozen=True)
class Changes:
    """What `Figures` are more than another model's on the same items, paired."""

    accuracy: Change
    ece: Change
    nll: Change


@dataclass(frozen=True, repr=False)
class RepairOption(Shown):
    """setting: the temperature above 0, or the smoothing factor in [0, 1]; None where only a trial tells.

    figures, change: what it would give, and how far that is from INSTRUCT (with `pilot`: from the run with hard
    labels); None for what is not known before it is tried. above_base: its ECE less base's; None also where there is
    no base. kept: what of the tuning stays. cost: what it takes. basis: on what the figures rest. agreement: of an
    `aligned` temperature, the share of items, in [0, 1], on which both models choose alike. In words, without a stop.
    """

    method: RepairMethod
    setting: Interval | None
    figures: Figures | None
    change: Changes | None
    above_base: Change | None
    kept: str
    cost: str
    basis: str
    agreement: float | None = None

    def _card(self) -> Card:
        setting = None if self.setting is None else shown("setting", self.setting, 2)
        figures = () if self.figures is None else figure_facts(self.figures)
        facts = said((setting, *figures, f"kept: {self.kept}", f"cost: {self.cost}", self.basis))
        return Card("RepairOption", self.method, facts)

    @property
    def command(self) -> str:
        """The command that makes and proves it."""
        return command_of(self.method)


@dataclass(frozen=True, repr=False)
class Ensemble(Shown):
    """Base's and INSTRUCT's option probabilities in equal parts: what both are alone, what the mixture is.

    from_base, from_instruct: the mixture's figures less theirs. A diagnosis: nothing serves such a mixture.
    """

    base: Figures
    instruct: Figures
    mixture: Figures
    from_base: Changes
    from_instruct: Changes

    def _card(self) -> Card:
        return Card("Ensemble", "of base and the tuned model in equal parts", figure_facts(self.mixture))


COMMAND = "calibaudit fix INSTRUCT --base BASE --data DATA --out DIR"
"""Tries the repairs from cheap to dear."""


def command_of(method: RepairMethod) -> str:
    data = " --data DATA" if method in ("merge", "smooth") else ""
    return f"calibaudit fix INSTRUCT --base BASE --method {method}{data} --out DIR"


def surely(change: Change) -> int:
    """1 or -1 where the interval lies wholly on that side of 0, else 0."""
    if change.low is None or change.high is None:
        return 0
    return (change.low > 0) - (change.high < 0)
