"""How well a model fits the tuning data, and how much of what tuning added is still there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fit:
    """nll: mean over the target tokens, nats. top1: share of them that are the model's first choice, in [0, 1].

    Both are taken on rows that tuning used, so they say what was learned and not what generalises.
    """

    nll: float
    top1: float
    n_tokens: int

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def kept_share(base: Fit, before: Fit, after: Fit) -> float | None:
    """How much of what tuning added to top1 is still there after the repair; None where it added less than .05."""
    taught = before.top1 - base.top1
    return None if taught < 0.05 else (after.top1 - base.top1) / taught
