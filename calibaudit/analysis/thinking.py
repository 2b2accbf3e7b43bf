"""What thinking before its answers did to a model: the same items answered directly and after a thought."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibaudit.metrics import ece
from calibaudit.metrics.temperature import top_choices
from calibaudit.scores.schema import built
from calibaudit.scores.scores import Scores

FIGURES = ("accuracy", "confidence", "gap", "ece_plugin")


@dataclass(frozen=True)
class ThinkingEffect:
    """All items of the tasks that a model thought about, as one sample.

    n_tokens, samples: what a thought may have, and how many there were of each prompt. truncated, unclosed: shares of
    the thoughts that were cut off at the limit, or that the end of the turn ended. direct, thoughtful: accuracy,
    confidence, gap and plug-in ECE of the answers behind an empty thought, and behind the thoughts.
    """

    n_items: int
    n_tokens: int
    samples: int
    truncated: float
    unclosed: float
    mean_tokens: float
    direct: Mapping[str, float]
    thoughtful: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "direct": dict(self.direct), "thoughtful": dict(self.thoughtful)}


def thinking_effect(scores: Sequence[Scores], n_bins: int) -> ThinkingEffect | None:
    """None where the model did not think."""
    found = [(part, part.thinking) for part in scores if part.thinking is not None]
    if not found:
        return None
    n_thoughts = sum(thoughts.n_thoughts for _, thoughts in found)
    asked = found[0][1].asked
    direct = [dataclasses.replace(part, logprobs=thoughts.direct, thinking=None) for part, thoughts in found]
    return ThinkingEffect(
        n_items=sum(part.n_items for part, _ in found),
        n_tokens=asked.n_tokens,
        samples=asked.samples,
        truncated=sum(thoughts.n_truncated for _, thoughts in found) / n_thoughts,
        unclosed=sum(thoughts.n_unclosed for _, thoughts in found) / n_thoughts,
        mean_tokens=sum(thoughts.mean_tokens * thoughts.n_thoughts for _, thoughts in found) / n_thoughts,
        direct=_figures(direct, n_bins),
        thoughtful=_figures([part for part, _ in found], n_bins),
    )


def _figures(scores: Sequence[Scores], n_bins: int) -> dict[str, float]:
    parts = [top_choices(part.choice_scores(), part.answer) for part in scores]
    confidence, correct = (np.concatenate(side) for side in zip(*parts, strict=True))
    accuracy, sure = float(correct.mean()), float(confidence.mean())
    found = float(ece(confidence, correct, n_bins=n_bins))
    return {"accuracy": accuracy, "confidence": sure, "gap": sure - accuracy, "ece_plugin": found}


def thinking_effect_from_dict(data: Any) -> ThinkingEffect | None:
    """The inverse of `to_dict`. Raises TypeError or KeyError for what is none."""
    if data is None:
        return None
    for side in ("direct", "thoughtful"):
        figures = data[side] if isinstance(data, dict) else None
        if not isinstance(figures, dict) or set(map(type, map(figures.get, FIGURES))) - {int, float}:
            raise TypeError(f"thinking: {side} is {figures!r:.60}")
    return built(ThinkingEffect, data)
