"""Whether a repair helped: a pure rule over one comparison and what is kept of the tuning.

A repair that merely undoes the tuning lowers the calibration error too, and so does one that says .60 of everything.
So nothing helped that is worse in another way, or that forgets what tuning had added.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from calibaudit.advice.cautions import WORSE
from calibaudit.advice.pilot_points import KEPT, is_worse
from calibaudit.analysis.compare import Comparison
from calibaudit.errors import CalibauditError
from calibaudit.training.results.fit import Fit, kept_share

Outcome = Literal["helped", "not_improved", "spoiled", "not_needed", "nothing_known"]

Fault = Literal[
    "accuracy", "auroc", "nll", "brier", "option_mass", "inside_accuracy", "inside_mass", "kept", "unmeasured"
]
"""What a repair spoils. inside_*: within the chat template, where the audit stands outside it. kept: too little of what
tuning added. unmeasured: how much of it is kept is not known."""

SAME = 0.99
"""Of the first choices of a repair that changes none by its nature, so many must be found unchanged: rounding may turn
a near tie."""

_SIGNS: tuple[tuple[Fault, int], ...] = (("accuracy", -1), ("auroc", -1), ("nll", 1), ("brier", 1))


@dataclass(frozen=True)
class FirstChoices:
    """Of n tokens that were looked at, n_same have the same first choice before and after."""

    n: int
    n_same: int

    @property
    def share(self) -> float:
        return self.n_same / self.n


@dataclass(frozen=True)
class Retention:
    """What is left of the tuning. fits: of base, before and after to the tuning rows; None without rows.

    first_choices: of a repair that is to change none (a temperature); None of any other.
    """

    base: Fit | None = None
    before: Fit | None = None
    after: Fit | None = None
    first_choices: FirstChoices | None = None

    @property
    def kept(self) -> float | None:
        """(after - base) / (before - base) in first choices right; None without rows, or where tuning added < .05."""
        if self.base is None or self.before is None or self.after is None:
            return None
        return kept_share(self.base, self.before, self.after)

    def fault(self) -> Fault | None:
        if self.kept is not None:
            return "kept" if self.kept < KEPT else None
        if self.first_choices is not None and self.first_choices.share >= SAME:
            return None
        return "unmeasured"

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "kept": self.kept}


@dataclass(frozen=True)
class RepairVerdict:
    """outcome: `helped`: calibration error fell by more than chance and nothing else got worse; `not_improved`: it did
    not fall so; `spoiled`: it fell, at the price of `faults`. Where nothing was repaired: `not_needed`: no sign of
    miscalibration; `nothing_known`: there is, and no repair is known for it.

    accuracy_margin: in [0, 1], the loss of accuracy that is no fault unless it is sure.
    """

    outcome: Outcome
    accuracy_margin: float = WORSE
    faults: tuple[Fault, ...] = ()

    @property
    def exit_code(self) -> int:
        return 0 if self.outcome in ("helped", "not_needed") else 1

    @property
    def passed(self) -> bool:
        return self.outcome == "helped"

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "faults": list(self.faults)}


def judge(
    repair: Comparison,
    retention: Retention,
    accuracy_margin: float = WORSE,
    inside: Comparison | None = None,
    n_tried: int = 1,
) -> RepairVerdict:
    """The verdict on a repair, from all items pooled.

    repair: the tuned model against the repaired one. retention: what is left of the tuning. inside: the same two within
    the chat template, where `repair` compares them outside it. n_tried: how many repairs are judged on these items.

    Calibration error fell: the ECE's change is negative with p < (1 - level) / n_tried (`analysis.inference`;
    Bonferroni). Worse: the change's interval of accuracy, AUROC, NLL or Brier lies wholly on the bad side, or the
    change is worse than WORSE (accuracy: accuracy_margin). Option mass (letter tasks), and accuracy and option mass
    within the template: lower by more than WORSE. Of what tuning added to the first choices right on its own rows, KEPT
    must still be there.
    """
    check_accuracy_margin(accuracy_margin)
    allowed = {"accuracy": accuracy_margin}
    faults = [name for name, sign in _SIGNS if is_worse(repair.pooled.change[name], sign, allowed.get(name, WORSE))]
    if _lower(repair, "option_mass"):
        faults.append("option_mass")
    if inside is not None:
        faults += ["inside_accuracy"] if _lower(inside, "accuracy") else []
        faults += ["inside_mass"] if _lower(inside, "option_mass") else []
    if (lost := retention.fault()) is not None:
        faults.append(lost)
    ece = repair.pooled.change["ece"]
    fell = ece.value is not None and ece.value < 0 and ece.p_value is not None
    if not fell or (ece.p_value or 0.0) >= repair.settings.alpha / n_tried:
        return RepairVerdict("not_improved", accuracy_margin, tuple(faults))
    return RepairVerdict("spoiled" if faults else "helped", accuracy_margin, tuple(faults))


def _lower(repair: Comparison, name: str) -> bool:
    value = repair.pooled.change[name].value
    return value is not None and value < -WORSE


def check_accuracy_margin(value: float) -> None:
    """Raises CalibauditError outside [0, 1]."""
    if not 0 <= value <= 1:
        raise CalibauditError(f"--accuracy-margin {value:g}: give a share of the items between 0 and 1, such as 0.02")
