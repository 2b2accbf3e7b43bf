"""Samples that the metric tests share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from calibaudit.metrics import Sample


@st.composite
def confidence_and_correct(draw, max_items: int = 40):
    """(confidence, correct): any confidences, with 0, 1, multiples of 1/15 and ties among them."""
    n = draw(st.integers(1, max_items))
    value = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 0.5, 1 / 15, 7 / 15, 1e-300]))
    confidence = draw(st.lists(value, min_size=n, max_size=n))
    correct = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return np.array(confidence), np.array(correct)


def ragged_sample(n_items: int = 60, seed: int = 3, n_bins: int = 15, hit_rate: float = 0.3) -> Sample:
    """Items of 2 to 5 choices, a sixth of them exact ties in confidence, with option mass."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n_items, 5)) * 1.5
    n_choices = rng.integers(2, 6, size=n_items)
    tied = n_items // 6
    n_choices[:tied] = n_choices[tied : 2 * tied]
    scores[:tied] = scores[tied : 2 * tied]
    scores[np.arange(5) >= n_choices[:, None]] = -np.inf
    answer = np.where(rng.random(n_items) < hit_rate, scores.argmax(axis=1), rng.integers(n_choices))
    return Sample(scores, answer, rng.random(n_items), n_bins)


def calibrated(n_items: int, rng: np.random.Generator, sharpness: float = 1.0):
    """(confidence, correct) of a 4-choice model whose logits are the truth's times sharpness; 1 is calibrated."""
    logits = rng.normal(size=(n_items, 4)) * 1.5
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    said = np.exp(sharpness * logits)
    said /= said.sum(axis=1, keepdims=True)
    best = said.argmax(axis=1)
    return said.max(axis=1), rng.random(n_items) < truth[np.arange(n_items), best]
