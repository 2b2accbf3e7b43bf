"""Base, before and after a repair on the same held-out items."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from calibaudit.analysis.compare import Comparison
from calibaudit.files.shown.card import Card, Shown


@dataclass(frozen=True, eq=False, repr=False)
class Proof(Shown):
    """Models on the same items, which neither the tuning rows nor the choice of the repair have seen.

    tuning: base against the tuned model as it was. repair: that model against the repaired one; the verdict is of this.
    left: base against the repaired model: what is left of the damage. matched: base within the tuned model's chat
    template against the tuned model; None where base's audit is no other than in `tuning`. inside: as `repair`, within
    the template, where the audit stands outside it; else None.
    """

    tuning: Comparison
    repair: Comparison
    left: Comparison
    matched: Comparison | None = None
    inside: Comparison | None = None

    def _card(self) -> Card:
        return dataclasses.replace(self.repair._card(), kind="Proof")

    def parts(self) -> dict[str, Comparison]:
        """The comparisons that there are, by name."""
        found = {name: getattr(self, name) for name in ("tuning", "repair", "left", "matched", "inside")}
        return {name: part for name, part in found.items() if part is not None}

    def of(self, name: str) -> Proof:
        """With the repaired model's name."""
        named = {
            key: dataclasses.replace(part, after=dataclasses.replace(part.after, name=name))
            for key, part in self.parts().items()
            if key in ("repair", "left", "inside")
        }
        return dataclasses.replace(self, **named)

    def to_dict(self) -> dict[str, Any]:
        return {name: part.to_dict() for name, part in self.parts().items()}
