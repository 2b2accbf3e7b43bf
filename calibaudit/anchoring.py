"""A loaded causal LM's training loss smoothed towards a frozen prior model's own distribution, without logits."""

from __future__ import annotations

from typing import Any

from calibaudit.fusing import FusedLoss


def use_anchored_loss(
    model: Any, label_smoothing: float, anchor: Any = None, *, scratch_bytes: int | None = None
) -> FusedLoss:
    """As `use_fused_loss`, with anchor's distribution in the uniform one's place."""
    raise NotImplementedError
