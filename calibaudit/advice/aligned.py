"""A temperature without labels: the one at which the tuned model is as sure as base where both answer alike.

Base's probabilities stand in for the labels: T minimises the cross-entropy of base's distribution over the choices
under the tuned model's, softmax(scores / T), over the items where both have the same first choice. Where they disagree
base says little about whether the tuned model is right, so those items are left out: DACA, "Your Pre-trained LLM is
Secretly an Unsupervised Confidence Calibrator", Luo, Wang, Li, Wei 2025 (NeurIPS, arXiv 2505.16690; the KL
divergence's part in T is this cross-entropy).

It takes for granted that base is calibrated, and as sure of the tuned model's answers as of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibaudit.analysis.samples import rows_of
from calibaudit.analysis.settings import Settings
from calibaudit.errors import ScoresError
from calibaudit.metrics.choices import log_softmax
from calibaudit.metrics.sample import joined
from calibaudit.metrics.validation import FloatArray
from calibaudit.scores.align import paired
from calibaudit.scores.scores import Scores

TEMPERATURES = (0.25, 8.0)
"""The temperatures among which one is looked for."""


@dataclass(frozen=True)
class Aligned:
    """temperature: within TEMPERATURES. n_agreeing: items of n_items that both models answer alike; only they count.

    one_sided: whether one side alone stood in a chat template, which makes both models' confidence of different things.
    """

    temperature: float
    n_agreeing: int
    n_items: int
    one_sided: bool = False

    @property
    def agreement(self) -> float:
        """The share of the items that both answer alike, in (0, 1]."""
        return self.n_agreeing / self.n_items

    @property
    def at_bound(self) -> bool:
        """Whether the temperature is an end of the range that was looked at, and not an optimum within it."""
        return not TEMPERATURES[0] < self.temperature < TEMPERATURES[1]


@dataclass(frozen=True, eq=False)
class Agreement:
    """What base says of the items that both models answer alike.

    base: (items, choices) its probabilities, 0 in the padding, in the order of the tuned model's pooled items.
    agree: (items,).
    """

    base: FloatArray
    agree: FloatArray

    def cross_entropy(self, scores: FloatArray) -> float:
        """Of base's probabilities under softmax(scores), nats, the mean of the items that agree.

        scores: (items, choices) of the tuned model at some temperature; -inf pads.
        """
        logprobs = log_softmax(scores)
        given = np.where(self.base > 0, self.base * np.where(np.isfinite(logprobs), logprobs, 0.0), 0.0).sum(axis=1)
        return float(-(given * self.agree).sum() / self.agree.sum())


def agreement_of(base: Sequence[Scores], instruct: Sequence[Scores], settings: Settings | None = None) -> Agreement:
    """Which items of all tasks, pooled, both models answer alike, and how sure base is of each choice there.

    The items stand in the order of `base`. Raises ScoresError where the sides do not hold the same items, or agree on
    none.
    """
    sides = _pooled(base, instruct, settings or Settings())
    return _agreement(*sides)


def aligned_temperature(
    base: Sequence[Scores], instruct: Sequence[Scores], settings: Settings | None = None
) -> Aligned:
    """The temperature of instruct's scores, all items pooled, without a look at any answer.

    Of choices of one token it is that of the checkpoint too. Raises ScoresError where the sides do not hold the same
    items, or agree on none.
    """
    settings = settings or Settings()
    old, new = _pooled(base, instruct, settings)
    agreement = _agreement(old, new)
    chosen = agreement.agree > 0
    temperature = matching_temperature(new[chosen], agreement.base[chosen])
    one_sided = any(a.chat_template != b.chat_template for a, b in paired(base, instruct))
    return Aligned(temperature, int(chosen.sum()), len(chosen), one_sided)


def matching_temperature(scores: FloatArray, probs: FloatArray) -> float:
    """The T in TEMPERATURES at which softmax(scores / T) is nearest to probs: least cross-entropy, summed over rows.

    scores: (N, K), -inf pads. probs: (N, K), rows sum to 1, 0 in the padding. The cross-entropy is convex in 1/T: the
    root of its slope, or the end of the range on whose side the root lies.
    """
    from scipy.optimize import brentq

    real = np.isfinite(scores)
    below = np.where(real, scores - scores.max(axis=1, keepdims=True), 0.0)
    wanted = float((probs * below).sum())

    def slope(inverse: float) -> float:
        odds = np.exp(inverse * below) * real
        return float(((odds / odds.sum(axis=1, keepdims=True)) * below).sum()) - wanted

    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    if slope(low) >= 0:
        return TEMPERATURES[1]
    if slope(high) <= 0:
        return TEMPERATURES[0]
    return float(1 / brentq(slope, low, high, xtol=1e-12))


def aligned_caution(found: Aligned) -> str:
    """What has to be said wherever this temperature is offered."""
    text = (
        f"T {found.temperature:.2f} was chosen without labels, from the {found.n_agreeing:,} of {found.n_items:,} "
        f"items ({found.agreement:.0%}) that base and the tuned model answer alike; it is right only as far as base "
        "is calibrated on them"
    )
    if found.one_sided:
        text += (
            "; only one side was inside a chat template, where such a temperature came out too high (2.94 where labels "
            "gave 2.29, on Llama-3.1-8B): give both the same prompts"
        )
    if found.at_bound:
        text += f"; it is an end of the search range, {TEMPERATURES[0]:g} to {TEMPERATURES[1]:g}"
    return text


def _pooled(base: Sequence[Scores], instruct: Sequence[Scores], settings: Settings) -> tuple[FloatArray, FloatArray]:
    """(items, choices) scores of both, item by item."""
    pairs = paired(base, instruct)
    old, new = (
        joined([row.sample for row in rows_of([pair[side] for pair in pairs], settings)]).scores for side in (0, 1)
    )
    return old, new


def _agreement(old: FloatArray, new: FloatArray) -> Agreement:
    agree = old.argmax(axis=1) == new.argmax(axis=1)
    if not agree.any():
        raise ScoresError(
            f"base and the tuned model answer none of the {len(agree):,} items alike: no temperature can be told "
            "from where they agree"
        )
    return Agreement(np.exp(log_softmax(old)), agree.astype(np.float64))
