"""Repairs that were tried: what each is, what it gave on the half that chooses, and on the half that proves. And the
repair as a whole: what `fix` did."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from calibaudit.advice.options.ranking import ABOVE_BASE
from calibaudit.advice.recommendation import Prior, Recommendation
from calibaudit.analysis.compare import Comparison, Overall
from calibaudit.analysis.in_short import change_facts
from calibaudit.files.shown.card import Card, Shown, count, said
from calibaudit.files.shown.numbers import NOTHING, bounds, number, signed
from calibaudit.repair.proof import Proof
from calibaudit.repair.settings import FixSettings, Method, Start
from calibaudit.repair.verdict import Fault, RepairVerdict, Retention
from calibaudit.scores.scores import ModelInfo
from calibaudit.training.results.data import SftSummary
from calibaudit.training.results.run import TrainingRun

if TYPE_CHECKING:  # models come with it; a saved repair is read without
    from calibaudit.repair.sides import Side


@dataclass(frozen=True)
class Setting:
    """A repair's method with its number.

    value: the temperature; the weight of base, or the smoothing factor, in [0, 1]. prior, start: of `smooth`.
    temperature: that divides the logits of merged weights; None where none does.
    """

    method: Method
    value: float
    prior: Prior | None = None
    start: Start | None = None
    temperature: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @property
    def in_short(self) -> str:
        """`temperature 1.70`, `smooth .50 towards base from base`."""
        towards = "" if self.prior is None else f" towards {self.prior}"
        begun = "" if self.start is None else f" from {self.start}"
        cooled = "" if self.temperature is None else f", temperature {number(self.temperature, 2)}"
        return f"{self.method} {number(self.value, 2)}{towards}{begun}{cooled}"


Rejection = Fault | Literal["not_least"]
"""Why a setting was not taken. not_least: nothing against it, but another has less NLL with a temperature."""


@dataclass(frozen=True)
class Trial:
    """A setting that was looked at on the half that chooses. kept: of what tuning added; None where not measured.

    rejected: why it was not taken; empty for the one that was. accuracy, gap, ece, nll: as it is; None where its fit to
    the tuning rows ruled it out, so that it was not scored. nll_cooled: with its scores divided by the temperature that
    fits them; of merged weights.
    """

    value: float
    kept: float | None
    accuracy: float | None = None
    gap: float | None = None
    ece: float | None = None
    nll: float | None = None
    rejected: tuple[Rejection, ...] = ()
    nll_cooled: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "rejected": list(self.rejected)}


def trial_of(value: float, retention: Retention, repair: Comparison, rejected: tuple[Rejection, ...]) -> Trial:
    """repair: the tuned model against the one with this setting, on the half that chooses."""
    found = repair.pooled.after.metrics
    accuracy, gap, ece, nll = (found[name].value for name in ("accuracy", "gap", "ece", "nll"))
    return Trial(value, retention.kept, accuracy, gap, ece, nll, rejected)


@dataclass(frozen=True, eq=False, repr=False)
class Judged(Shown):
    """On the half that proves. repair: the tuned model against this one. left: base against it. inside: as `Proof`."""

    repair: Comparison
    left: Comparison
    inside: Comparison | None

    def _card(self) -> Card:
        return dataclasses.replace(self.repair._card(), kind="Judged")


@dataclass(frozen=True, eq=False, repr=False)
class Attempt(Shown):
    """A repaired checkpoint, scored. folder: where it lies. seconds: what it took to find and make.

    retention: what it leaves of the tuning. trials: by which its value was chosen. notes: a sentence each. advice: of
    a pilot. judged: by what it gives on the half that proves; None until that is looked at.
    """

    setting: Setting
    folder: Path
    side: Side
    retention: Retention
    seconds: float
    trials: tuple[Trial, ...] = ()
    training: TrainingRun | None = None
    notes: tuple[str, ...] = ()
    advice: Recommendation | None = None
    judged: Judged | None = None

    def _card(self) -> Card:
        return Card("Attempt", self.setting.in_short, (str(self.folder), f"{self.seconds:.0f} s"))


@dataclass(frozen=True, eq=False, repr=False)
class Candidate(Shown):
    """A repair that was tried, as pages and files show it; all figures are of the half that proves.

    verdict: on it. enough: whether it passed, and left no ECE that is surely more than LEFT above base's. proven: the
    tuned model against it. seconds: what it took to find and
    make it; the scoring that judges it is left out. impossible:
    why there is no such repair of these models; then setting, verdict and proven are None.
    """

    method: Method
    setting: Setting | None
    verdict: RepairVerdict | None
    enough: bool
    proven: Overall | None
    retention: Retention
    seconds: float
    trials: tuple[Trial, ...] = ()
    impossible: str = ""
    chosen: bool = False

    def _card(self) -> Card:
        proven = self.proven
        figures = () if proven is None else change_facts(proven.before.metrics, proven.after.metrics, proven.change)
        outcome = None if self.verdict is None else self.verdict.outcome.replace("_", " ")
        facts = said(("chosen" if self.chosen else None, outcome, self.impossible, *figures, _kept(self.retention)))
        return Card("Candidate", self.method if self.setting is None else self.setting.in_short, facts)

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "setting": None if self.setting is None else self.setting.to_dict(),
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
            "enough": self.enough,
            "proven": None if self.proven is None else self.proven.to_dict(),
            "retention": self.retention.to_dict(),
            "seconds": self.seconds,
            "trials": [trial.to_dict() for trial in self.trials],
            "impossible": self.impossible,
            "chosen": self.chosen,
        }


@dataclass(frozen=True, eq=False, repr=False)
class Repair(Shown):
    """What `fix` did. advice: from other items than the proof; None where the factor was given, and nothing chosen.

    data: None without tuning rows. candidates: the repairs that were tried, in order, at most one of them chosen; empty
    where nothing was needed. training, retention, proof: of the chosen one; None where there is none, or it was not
    trained. notes: what to know of the chosen one, a sentence each.
    """

    base: ModelInfo
    instruct: ModelInfo
    settings: FixSettings
    data: SftSummary | None
    advice: Recommendation | None
    n_advice_items: int
    candidates: tuple[Candidate, ...]
    training: TrainingRun | None
    retention: Retention | None
    proof: Proof | None
    verdict: RepairVerdict
    notes: tuple[str, ...] = ()

    def _card(self) -> Card:
        chosen, proof = self.chosen, self.proof
        setting = None if chosen is None or chosen.setting is None else chosen.setting.in_short
        overall = None if proof is None else proof.repair.pooled
        figures: tuple[str, ...] = ()
        if overall is not None:
            items = f"{count(overall.n_items, 'item')} held out"
            figures = (items, *change_facts(overall.before.metrics, overall.after.metrics, overall.change))
        outcome = self.verdict.outcome.replace("_", " ")
        kept = None if self.retention is None else _kept(self.retention)
        faults = f"faults: {' + '.join(self.verdict.faults)}" if self.verdict.faults else None
        facts = said((outcome, setting, *figures, faults, kept))
        heads = ("repair", "outcome", "ECE before", "ECE after", "change", "interval", "kept")
        notes = (", ".join(facts), *self.notes)
        return Card("Repair", self.instruct.name, facts, heads, tuple(map(_row, self.candidates)), 0, notes)

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that was taken; None where nothing was repaired."""
        return next((candidate for candidate in self.candidates if candidate.chosen), None)


def _kept(retention: Retention) -> str | None:
    return None if retention.kept is None else f"keeps {retention.kept * 100:.0f} % of what tuning added"


def _row(candidate: Candidate) -> tuple[str, ...]:
    name = candidate.method if candidate.setting is None else candidate.setting.in_short
    outcome = "not possible" if candidate.verdict is None else candidate.verdict.outcome.replace("_", " ")
    figures: tuple[str, ...] = (NOTHING,) * 4
    if candidate.proven is not None:
        ece = candidate.proven.change["ece"]
        sides = (candidate.proven.before, candidate.proven.after)
        values = (number(side.metrics["ece"].value) for side in sides)
        figures = (*values, signed(ece.value), bounds(ece.low, ece.high) or NOTHING)
    kept = candidate.retention.kept
    share = NOTHING if kept is None else f"{kept * 100:.0f} %"
    return (f"{name} (chosen)" if candidate.chosen else name, outcome, *figures, share)


LEFT = ABOVE_BASE
"""An ECE above base's by more than this, surely, calls for a dearer repair."""


def enough(verdict: RepairVerdict, left: Comparison) -> bool:
    """Whether nothing dearer need be tried. left: base against the repaired model."""
    low = left.pooled.change["ece"].low
    return verdict.passed and (low is None or low <= LEFT)
