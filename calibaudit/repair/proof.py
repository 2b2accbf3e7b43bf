"""Base, before and after a repair on the same held-out items -> whether it helped."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calibaudit.analysis.compare import Comparison, compare
from calibaudit.analysis.settings import Settings
from calibaudit.errors import CalibauditError
from calibaudit.scores.scores import Scores

Outcome = Literal["helped", "not_improved", "accuracy_lost", "not_needed", "no_factor"]

ACCURACY_MARGIN = 0.02


@dataclass(frozen=True, eq=False)
class Proof:
    """Three models on the same items, which neither the tuning rows nor the choice of the factor have seen.

    tuning: base against the tuned model as it was. repair: that model against the repaired one; the verdict is of this.
    left: base against the repaired model: what is left of the damage.
    """

    tuning: Comparison
    repair: Comparison
    left: Comparison

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name).to_dict() for name in ("tuning", "repair", "left")}


@dataclass(frozen=True)
class RepairVerdict:
    """outcome: `helped`: the ECE fell by more than chance and accuracy stayed; `not_improved`: it did not fall so;
    `accuracy_lost`: accuracy fell by more than accuracy_margin. Where nothing was trained: `not_needed`: no sign of
    miscalibration; `no_factor`: there is, and no smoothing that was looked at repairs it.
    """

    outcome: Outcome
    accuracy_margin: float

    @property
    def exit_code(self) -> int:
        return 0 if self.outcome in ("helped", "not_needed") else 1

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def prove(
    base: Sequence[Scores], before: Sequence[Scores], after: Sequence[Scores], settings: Settings | None = None
) -> Proof:
    """The three comparisons. Raises ScoresError where the sides do not hold the same items."""
    return Proof(compare(base, before, settings), compare(before, after, settings), compare(base, after, settings))


def judge(repair: Comparison, accuracy_margin: float = ACCURACY_MARGIN) -> RepairVerdict:
    """The verdict on `Proof.repair`, from all items pooled.

    The repair has to show that it helped: the ECE must have fallen with p < 1 - level (`analysis.inference`), and
    accuracy must not have fallen by more than accuracy_margin, in [0, 1], chance or not.
    """
    check_accuracy_margin(accuracy_margin)
    ece, accuracy = repair.pooled.change["ece"], repair.pooled.change["accuracy"]
    assert ece.value is not None
    assert accuracy.value is not None
    if accuracy.value < -accuracy_margin:
        return RepairVerdict("accuracy_lost", accuracy_margin)
    improved = ece.value < 0 and ece.p_value is not None and ece.p_value < repair.settings.alpha
    return RepairVerdict("helped" if improved else "not_improved", accuracy_margin)


def check_accuracy_margin(value: float) -> None:
    """Raises CalibauditError outside [0, 1]."""
    if not 0 <= value <= 1:
        raise CalibauditError(f"--accuracy-margin {value:g}: give a share of the items between 0 and 1, such as 0.02")
