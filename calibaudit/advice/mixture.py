"""Two models' Scores -> what mixing base's option probabilities into the tuned model's gives, weight by weight.

All items pooled. Weights are gone through one at a time, so memory is that of the two models' probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibaudit.advice.weights import WEIGHTS
from calibaudit.analysis.samples import Items, items_of, rows_of
from calibaudit.analysis.settings import Settings
from calibaudit.metrics.inference.estimate import Design, Estimate
from calibaudit.metrics.inference.split_ece import split_ece_of
from calibaudit.metrics.sample import Sample
from calibaudit.metrics.validation import BoolArray, FloatArray, IntArray
from calibaudit.scores.align import overall_order, paired
from calibaudit.scores.scores import Scores

_PART = 1 << 13
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class State:
    """One model, or one mixture, over all items. gap: confidence - accuracy. ece: without the noise's share."""

    accuracy: float
    gap: float
    ece: float
    nll: float


@dataclass(frozen=True, eq=False)
class Mixture:
    """(1 - w) tuned + w base for every w of WEIGHTS. gap: at each, with its standard error over units. nll: (weights,).

    sides: base's and the tuned model's probabilities, (choices, items) each. tuned: the tuned model's items.
    """

    gap: tuple[Estimate, ...]
    nll: FloatArray
    design: Design
    tuned: Sample
    sides: tuple[FloatArray, FloatArray]

    @property
    def gaps(self) -> FloatArray:
        """(weights,) the estimates alone."""
        return np.array([one.value for one in self.gap])

    def excess(self, weight: float) -> FloatArray:
        """(items,) confidence - correct at this weight of base."""
        confidence, correct, _ = _mixed(self.sides, self.tuned.answer, weight)
        return confidence - correct

    def at(self, weight: float) -> State:
        confidence, correct, chance = _mixed(self.sides, self.tuned.answer, weight)
        return self._state(confidence, correct, -np.log(chance))

    def option_epsilon(self) -> float | None:
        """Solves (1 - e) confidence + e / K = accuracy for e, over all items."""
        confidence, accuracy = self.tuned.confidence.mean(), self.tuned.correct.mean()
        uniform = (1 / np.isfinite(self.tuned.scores).sum(axis=1)).mean()
        if confidence <= accuracy or confidence <= uniform:
            return None
        return float(min(1.0, (confidence - accuracy) / (confidence - uniform)))

    def _state(self, confidence: FloatArray, correct: BoolArray, nll: FloatArray) -> State:
        hits = correct.astype(np.float64)
        ece = split_ece_of(confidence, hits, self.design, n_bins=self.tuned.n_bins).value
        return State(float(hits.mean()), float((confidence - hits).mean()), ece, float(nll.mean()))


def mixture_of(before: Sequence[Scores], after: Sequence[Scores], settings: Settings) -> Mixture:
    """before is the base model. Raises ScoresError when the two do not hold the same items."""
    return mixture_between(*sides_of(before, after, settings))


def sides_of(before: Sequence[Scores], after: Sequence[Scores], settings: Settings) -> tuple[Items, Items]:
    """Both models' items, in one order. Raises ScoresError when the two do not hold the same."""
    pairs = paired(before, after)
    order = overall_order([(old.fingerprint, old.chat_template, new.chat_template) for old, new in pairs])
    base, tuned = (
        items_of([rows[i] for i in order])
        for rows in (rows_of([pair[side] for pair in pairs], settings) for side in (0, 1))
    )
    return base, tuned


def mixture_between(base: Items, tuned: Items) -> Mixture:
    """Of items that `sides_of` gave."""
    sample, n = tuned.whole, tuned.n_items
    sides = (np.ascontiguousarray(base.whole.probs.T), np.ascontiguousarray(sample.probs.T))
    gaps, nll = [], np.empty(len(WEIGHTS))
    for i, weight in enumerate(WEIGHTS):
        confidence, correct, chance = _mixed(sides, sample.answer, weight)
        excess = confidence - correct
        gap = float(excess.mean())
        gaps.append(tuned.design.linear(gap, (excess - gap) / n))
        nll[i] = -np.log(chance).mean()
    return Mixture(tuple(gaps), nll, tuned.design, sample, sides)


def _mixed(
    sides: tuple[FloatArray, FloatArray], answer: IntArray, weight: float
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """(items,) confidence, whether it is the answer's (of equal choices the first counts), the answer's probability."""
    n = len(answer)
    confidence, correct, chance = np.full(n, -1.0), np.zeros(n, dtype=bool), np.full(n, _TINY)
    for start in range(0, n, _PART):  # so many items stay in the processor's cache
        part = slice(start, start + _PART)
        highest, hit, given, asked_for = confidence[part], correct[part], chance[part], answer[part]
        for k, (old, new) in enumerate(zip(*sides, strict=True)):
            probs = weight * old[part] + (1 - weight) * new[part]
            asked = asked_for == k
            higher = probs > highest
            hit &= ~higher
            hit |= higher & asked
            np.maximum(highest, probs, out=highest)
            given += probs * asked
    return confidence, correct, chance
