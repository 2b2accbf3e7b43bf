"""Two models' Scores -> every mixture of their option probabilities, from all items pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibaudit.analysis.samples import Row, joined, task_row
from calibaudit.analysis.settings import Settings
from calibaudit.scores.align import overall_order, paired
from calibaudit.scores.scores import Scores

FloatArray = npt.NDArray[np.float64]

WEIGHTS = np.arange(101) / 100
"""Of the model before, in the mixture."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Every item under every weight of base. gap, nll: (items, weights). row: both sides' bootstrap weights."""

    row: Row
    gap: FloatArray
    nll: FloatArray
    n_choices: FloatArray

    @property
    def has_draws(self) -> bool:
        """Whether there is evidence enough for an interval."""
        return len(self.row.draws.weights) > 0 and self.row.draws.n_units >= 10

    def means(self, weights: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """The mean gap and NLL under each row of bootstrap weights (B, items); None: every item once. (B, weights)."""
        counts = np.ones((1, len(self.gap))) if weights is None else weights
        total = counts.sum(axis=1, keepdims=True)
        return counts @ self.gap / total, counts @ self.nll / total

    def interval(self, margin: float, level: float) -> tuple[float | None, float | None]:
        """Percentile bootstrap; a resample in which no weight is enough counts as 1."""
        if not self.has_draws:
            return None, None
        return percentiles(first_within(self.means(self.row.draws.weights.astype(np.float64))[0], margin), level)

    def nll_at(self, temperature: float) -> float:
        """The mean NLL of the model after, its scores divided by a temperature."""
        sample = self.row.sample
        scores = sample.scores / temperature
        scores = scores - scores.max(axis=1, keepdims=True)
        log_total = np.log(np.exp(scores).sum(axis=1))
        return float((log_total - scores[np.arange(len(scores)), sample.answer]).mean())

    def option_epsilon(self) -> float | None:
        """Solves (1 - e) confidence + e / K = accuracy for e, over all items."""
        confidence, accuracy = self.row.sample.confidence.mean(), self.row.sample.correct.mean()
        uniform = (1 / self.n_choices).mean()
        if confidence <= accuracy or confidence <= uniform:
            return None
        return float(min(1.0, (confidence - accuracy) / (confidence - uniform)))


def mixture_of(before: Sequence[Scores], after: Sequence[Scores], settings: Settings) -> Mixture:
    """(1 - w) after + w before for every w of WEIGHTS. Raises ScoresError when the two do not hold the same items."""
    pairs = paired(before, after)
    order = overall_order([(old.fingerprint, old.chat_template, new.chat_template) for old, new in pairs])
    base, tuned = (joined([task_row(pairs[i][side], settings) for i in order]) for side in (0, 1))
    answer = tuned.sample.answer
    gap, nll = (np.empty((len(answer), len(WEIGHTS))) for _ in range(2))
    for column, weight in enumerate(WEIGHTS):
        probs = (1 - weight) * tuned.sample.probs + weight * base.sample.probs
        gap[:, column] = probs.max(axis=1) - (probs.argmax(axis=1) == answer)
        nll[:, column] = -np.log(np.maximum(probs[np.arange(len(answer)), answer], np.finfo(float).tiny))
    return Mixture(tuned, gap, nll, np.isfinite(tuned.sample.scores).sum(axis=1).astype(np.float64))


def first_within(gaps: FloatArray, margin: float, grid: FloatArray = WEIGHTS) -> FloatArray:
    """(B, grid) mean gaps -> (B,) the first of the grid whose gap is at most the margin; NaN where none is."""
    within = gaps <= margin + 1e-12
    return np.where(within.any(axis=1), grid[within.argmax(axis=1)], np.nan)


def percentiles(found: FloatArray, level: float) -> tuple[float, float]:
    """Of the factors that resamples found; NaN, where none was enough, counts as 1."""
    low, high = np.quantile(np.where(np.isnan(found), 1.0, found), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
