"""Comparison -> Recommendation: how much smoothing would have kept the tuned model calibrated, towards what, how sure.

The `stack` estimate needs no training: mix the two models' option probabilities, (1 - w) instruct + w base, and take
the smallest w at which the mixture is no more overconfident than a margin allows. Label smoothing towards the base
model's own distribution with factor epsilon asks tuning for such a mixture, so w estimates epsilon.

Smoothing over a vocabulary is not smoothing over the options (at 128,256 tokens, uniform smoothing of 0.1 is optimal at
a logit margin of 13.96 nats, over four options at 3.61), so the factor fitted over the options is reported as a
diagnosis, `option_epsilon`, and never as the factor for uniform smoothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from calibaudit.comparing import Comparison
from calibaudit.estimating import Interval
from calibaudit.pairing import overall_order, paired
from calibaudit.sampling import Row, joined, task_row
from calibaudit.scores import Scores

FloatArray = npt.NDArray[np.float64]

Method = Literal["stack", "literature"]
Prior = Literal["base", "uniform"]

MARGIN = 0.03
"""The gap that smoothing need not remove. In a simulated world with known posteriors, the weight found at this margin
(.51, .34) lay near the factors that training found best (.5 to .7; docs/recommendation.md)."""

LITERATURE = 0.1
"""Uniform smoothing in Huang, Lu, Zeng 2025 (arXiv 2508.00264): named when nothing better can be estimated."""

FEW_ITEMS = 500
LOW_OPTION_MASS = 0.5
_WEIGHTS = np.arange(101) / 100


@dataclass(frozen=True)
class Demand:
    """The diagnosis. gap, temperature: the tuned model's, over all items pooled.

    option_epsilon: the share of uniform probability over the options that would close the gap, in [0, 1]; None where
    the model is not overconfident. No factor for training: see the module's first lines.
    """

    gap: Interval
    temperature: Interval
    option_epsilon: float | None


@dataclass(frozen=True)
class Recommendation:
    """epsilon: the smoothing factor in [0, 1] with its bootstrap interval (none for `literature`); 0: none is needed.

    prior: what to smooth towards. method: how it was got. reason: one sentence. nll_weight: the weight of base at
    which the mixture's NLL is smallest, beside it; usually more. margin: the gap that was allowed. warnings: when not
    to trust it, a sentence each.
    """

    epsilon: Interval
    prior: Prior
    method: Method
    reason: str
    nll_weight: float
    margin: float
    demand: Demand
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "warnings": list(self.warnings)}


def recommend(
    before: Sequence[Scores], after: Sequence[Scores], comparison: Comparison, *, margin: float = MARGIN
) -> Recommendation:
    """The smoothing factor for the pair that `comparison` compares, from all items pooled.

    before, after: the scores that went into `comparison`. margin: in [0, 1].
    """
    mixture = _mixture(before, after, comparison)
    gaps, nlls = mixture.means(None)
    weight = _first_within(gaps, margin)[0]
    nll_weight = float(_WEIGHTS[nlls[0].argmin()])
    overall = comparison.pooled
    warnings = _warnings(comparison, margin)
    if np.isnan(weight):
        epsilon, prior, method = Interval(LITERATURE, None, None), "uniform", "literature"
        reason = (
            f"no mixture with base is sure within {margin:g} of right; uniform smoothing of {LITERATURE:g} is what the "
            "literature uses"
        )
    else:
        low, high = mixture.interval(margin, comparison.settings.level)
        epsilon, prior, method = Interval(float(weight), low, high), "base", "stack"
        reason = (
            f"with this much of base mixed in, confidence exceeds accuracy by at most {margin:g}"
            if weight
            else f"confidence already exceeds accuracy by at most {margin:g}"
        )
        warnings += _against_temperature(mixture, overall.after.metrics["temperature"], nlls[0], weight)
    return Recommendation(
        epsilon=epsilon,
        prior=prior,  # type: ignore[arg-type]  # one of two literals
        method=method,  # type: ignore[arg-type]
        reason=reason,
        nll_weight=nll_weight,
        margin=margin,
        demand=Demand(
            gap=overall.after.metrics["gap"],
            temperature=overall.after.metrics["temperature"],
            option_epsilon=mixture.option_epsilon(),
        ),
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, eq=False)
class _Mixture:
    """Every item under every weight of base. gap, nll: (items, weights). row: both sides' bootstrap weights."""

    row: Row
    gap: FloatArray
    nll: FloatArray
    n_choices: FloatArray

    def means(self, weights: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """The mean gap and NLL under each row of bootstrap weights (B, items); None: every item once. (B, weights)."""
        counts = np.ones((1, len(self.gap))) if weights is None else weights
        total = counts.sum(axis=1, keepdims=True)
        return counts @ self.gap / total, counts @ self.nll / total

    def interval(self, margin: float, level: float) -> tuple[float | None, float | None]:
        """Percentile bootstrap; a resample in which no weight is enough counts as 1."""
        draws = self.row.draws.weights
        if not len(draws) or self.row.draws.n_units < 10:
            return None, None
        found = _first_within(self.means(draws.astype(np.float64))[0], margin)
        low, high = np.quantile(np.where(np.isnan(found), 1.0, found), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def option_epsilon(self) -> float | None:
        """Solves (1 - e) confidence + e / K = accuracy for e, over all items."""
        confidence, accuracy = self.row.sample.confidence.mean(), self.row.sample.correct.mean()
        uniform = (1 / self.n_choices).mean()
        if confidence <= accuracy or confidence <= uniform:
            return None
        return float(min(1.0, (confidence - accuracy) / (confidence - uniform)))


def _mixture(before: Sequence[Scores], after: Sequence[Scores], comparison: Comparison) -> _Mixture:
    pairs = paired(before, after)
    order = overall_order([(old.fingerprint, old.chat_template, new.chat_template) for old, new in pairs])
    base, tuned = (joined([task_row(pairs[i][side], comparison.settings) for i in order]) for side in (0, 1))
    answer = tuned.sample.answer
    gap, nll = (np.empty((len(answer), len(_WEIGHTS))) for _ in range(2))
    for column, weight in enumerate(_WEIGHTS):
        probs = (1 - weight) * tuned.sample.probs + weight * base.sample.probs
        gap[:, column] = probs.max(axis=1) - (probs.argmax(axis=1) == answer)
        nll[:, column] = -np.log(np.maximum(probs[np.arange(len(answer)), answer], np.finfo(float).tiny))
    return _Mixture(tuned, gap, nll, np.isfinite(tuned.sample.scores).sum(axis=1).astype(np.float64))


def _first_within(gaps: FloatArray, margin: float) -> FloatArray:
    """(B, weights) mean gaps -> (B,) the smallest weight whose gap is at most the margin; NaN where none is."""
    within = gaps <= margin + 1e-12
    return np.where(within.any(axis=1), _WEIGHTS[within.argmax(axis=1)], np.nan)


def _against_temperature(mixture: _Mixture, temperature: Interval, nlls: FloatArray, weight: float) -> list[str]:
    if temperature.value is None or not weight:
        return []
    sample = mixture.row.sample
    scores = sample.scores / temperature.value
    scores = scores - scores.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(scores).sum(axis=1))
    scaled = float((log_total - scores[np.arange(len(scores)), sample.answer]).mean())
    mixed = float(nlls[round(weight * 100)])
    if scaled >= mixed:
        return []
    return [
        f"dividing the tuned model's scores by a temperature of {temperature.value:.2f} fits these items better than "
        f"the mixture does (NLL {scaled:.3f} against {mixed:.3f}): where only the options' probabilities are needed, "
        "that is the cheaper repair"
    ]


def _warnings(comparison: Comparison, margin: float) -> list[str]:
    overall, found = comparison.pooled, []
    gap, before = overall.after.metrics["gap"], overall.before.metrics
    if gap.low is None or gap.high is None:
        found.append("too few independent items for an interval of the gap: there may be nothing to repair")
    elif gap.low <= 0 <= gap.high:
        found.append("the gap's interval covers 0: there may be nothing to repair")
    assert before["gap"].value is not None
    assert gap.value is not None
    if gap.value > margin and before["gap"].value >= gap.value:
        found.append("base is no less overconfident than the tuned model: smoothing towards it cannot repair that")
    leans = {
        sign: [task.label for task in comparison.tasks if _lean(task.after.metrics["gap"]) == sign] for sign in (1, -1)
    }
    if leans[1] and leans[-1]:
        found.append(
            f"tasks disagree: overconfident on {', '.join(leans[1][:3])}, underconfident on "
            f"{', '.join(leans[-1][:3])}: one factor cannot serve both"
        )
    mass = overall.after.metrics["option_mass"].value
    if mass is not None and mass < LOW_OPTION_MASS:
        found.append(
            f"only {mass * 100:.0f} % of the probability is on the options of letter tasks: "
            "their confidences say little"
        )
    if overall.n_items < FEW_ITEMS:
        found.append(f"only {overall.n_items:,} items: take {FEW_ITEMS} or more before spending a training run on it")
    return found


def _lean(gap: Interval) -> int:
    if gap.low is None or gap.high is None:
        return 0
    return (gap.low > 0) - (gap.high < 0)
