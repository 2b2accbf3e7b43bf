"""What advice says: a repair, what it rests on, the other repairs that could serve, the pilot runs. Types only."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from calibaudit.advice import cautions
from calibaudit.advice.cautions import Action
from calibaudit.advice.evidence import evidence_for
from calibaudit.advice.head_bound import HeadBound
from calibaudit.advice.options.option import COMMAND, Ensemble, RepairOption, command_of, shown
from calibaudit.advice.words import repairs
from calibaudit.analysis.estimates import Interval
from calibaudit.files.shown.card import Card, Shown, count, figure, said
from calibaudit.files.shown.numbers import NOTHING
from calibaudit.scores.scores import Scores

Method = Literal["stack", "pilot", "literature"]
"""`literature`: only in older files, where uniform smoothing of .1 was named when nothing could be estimated."""
Prior = Literal["base", "uniform"]

ACTIONS = get_args(Action)
TOO_SURE = "still too sure"
NOT_SURE = "not sure enough"
UNLEARNED = "less learned"
REJECTIONS = (TOO_SURE, NOT_SURE, UNLEARNED, "worse accuracy", "worse auroc", "worse nll")
"""Why a pilot run is not taken."""


@dataclass(frozen=True)
class Demand:
    """The diagnosis. gap, temperature: the tuned model's, over all items pooled (`pilot`: the hard-label run's).

    option_epsilon: the share of uniform probability over the options that would close the gap, in [0, 1]; None where
    the model is not overconfident. No factor for training: see the module's first lines.
    """

    gap: Interval
    temperature: Interval
    option_epsilon: float | None


def usable(temperature: Interval) -> bool:
    """Not where its inverse may be 0: then the scores may hold nothing, and it would only flatten them."""
    value, high = temperature.value, temperature.high
    return value is not None and (high is None or high <= math.e * value)


@dataclass(frozen=True)
class GridPoint:
    """A run of the pilot. label: for people."""

    epsilon: float
    prior: Prior

    @property
    def label(self) -> str:
        return "hard labels" if self.epsilon == 0 else f"{self.prior} {self.epsilon:g}"


@dataclass(frozen=True, eq=False, repr=False)
class PilotRun(Shown):
    """One short tuning run, scored on the audited items. epsilon: in [0, 1]; 0 is the run with hard labels.

    loss: the training's own at its end. seconds: of training. learned: share of the tuning data's own tokens that are
    its first choice, in [0, 1].
    """

    epsilon: float
    prior: Prior
    scores: tuple[Scores, ...]
    loss: float | None = None
    n_steps: int | None = None
    seconds: float | None = None
    learned: float | None = None

    def _card(self) -> Card:
        factor = f"smoothing {self.epsilon:g} towards {self.prior}" if self.epsilon else "hard labels"
        steps = None if self.n_steps is None else count(self.n_steps, "step")
        facts = (steps, count(len(self.scores), "task"), figure("loss", self.loss, None, None))
        return Card("PilotRun", factor, said(facts))


@dataclass(frozen=True)
class PilotPoint:
    """What a pilot run showed, over all items pooled. rejected: of REJECTIONS, with commas; may be empty."""

    epsilon: float
    prior: Prior
    accuracy: float
    gap: Interval
    ece: float
    nll: float
    auroc: float | None
    option_mass: float | None
    learned: float | None
    rejected: str


@dataclass(frozen=True, repr=False)
class Recommendation(Shown):
    """action: what to do. epsilon: the smoothing factor in [0, 1] with its interval; 0 unless the action is `smooth`.

    prior: what to smooth towards. method: how it was got. reason: one sentence. nll_weight: the weight of base at
    which the mixture's NLL is smallest, beside it; usually more; None for `pilot`. margin: the |gap| that was aimed
    at; 0 where the mixtures' gap crosses 0. warnings: when not to trust it, a sentence each. head: how sure the head
    can be; None where it was not read. pilot: the runs behind it, by factor.

    epsilon has no interval where `stack` advises the most that it does, because the mixtures ask for more.
    options: the repairs that could serve, in their order; none where none is needed or nothing can be told. trades: how
    the advised one stands to the others, a sentence each. ensemble: what both models' outputs in equal parts give;
    None for `pilot` and where nothing can be told.
    """

    action: Action
    epsilon: Interval
    prior: Prior
    method: Method
    reason: str
    nll_weight: float | None
    margin: float
    demand: Demand
    warnings: tuple[str, ...]
    head: HeadBound | None = None
    pilot: tuple[PilotPoint, ...] = ()
    options: tuple[RepairOption, ...] = ()
    trades: tuple[str, ...] = ()
    ensemble: Ensemble | None = None

    def _card(self) -> Card:
        heads = ("repair", "setting", "ECE", "accuracy", "NLL")
        rows = []
        for option in self.options:
            given = option.figures
            figures = (None,) * 3 if given is None else (given.ece, given.accuracy, given.nll)
            name = f"{option.method} (advised)" if option is self.advised else option.method
            setting = NOTHING if option.setting is None else shown("", option.setting, 2)
            rows.append((name, setting, *(NOTHING if one is None else shown("", one) for one in figures)))
        factor = None
        if self.action == "smooth":
            factor = f"{shown('factor', self.epsilon, 2)} towards {self.prior} ({self.method})"
        elif self.action == "temperature":
            factor = shown("temperature", self.demand.temperature, 2)
        warned = count(len(self.warnings), "warning") if self.warnings else None
        notes = said((factor, self.reason, self.command and f"Run: {self.command}", *self.warnings))
        return Card("Recommendation", self.action, said((factor, self.reason, warned)), heads, tuple(rows), 0, notes)

    @property
    def advised(self) -> RepairOption | None:
        """Of the options the one that the action is; None where it is none of them, as in older files."""
        return next((option for option in self.options if option.method == self.action), None)

    @property
    def command(self) -> str | None:
        """What makes and proves the advised repair; None where none is advised. It tries a temperature first."""
        return {"smooth": command_of("smooth"), "temperature": COMMAND}.get(self.action)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know wherever smoothing is advised, and wherever tuning again from base is ranked."""
        found = [cautions.NOTE] if self.action == "smooth" else []
        if self.action == "smooth" or any(option.method == "smooth" for option in self.options):
            found.append(repairs.FROM_BASE)
        return tuple(found)

    @property
    def of_ensemble(self) -> str | None:
        """Where mixing the outputs beats both models, a sentence that says so."""
        return None if self.ensemble is None else repairs.ensemble(self.ensemble)

    @property
    def evidence(self) -> str | None:
        """How factors found by this method did where it could be checked; None where no smoothing is advised."""
        known = {"smooth": self.method, "temperature": "temperature"}.get(self.action)
        return None if known is None else evidence_for(known)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def older_action(method: str, epsilon: float, gap: float, margin: float) -> Action:
    """Of advice that was saved before actions were, by the one-sided rule of then; underconfidence had no remedy."""
    if method == "literature":
        return "nothing_known"
    if epsilon > 0:
        return "smooth"
    return "none_needed" if abs(gap) <= margin else "nothing_known"
