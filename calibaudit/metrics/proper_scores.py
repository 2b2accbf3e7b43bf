"""Proper scores of the whole distribution over the choices: Brier and NLL, and what the Brier score is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibaudit.metrics.binning import bin_index
from calibaudit.metrics.choices import checked_logprobs, checked_probs
from calibaudit.metrics.validation import FloatArray, IntArray, checked_n_bins


def brier(probs: npt.ArrayLike, answer: npt.ArrayLike) -> float:
    """Mean Brier score, mean_i sum_k (p_ik - y_ik)^2, in [0, 2]; lower is better.

    probs: (N, K) probabilities, rows sum to 1, ragged rows padded with 0; or log-probabilities, padded with -inf, which
    are normalised over the choices. answer: (N,) choice index.
    Multiclass form (Brier 1950, Monthly Weather Review 78): twice the usual binary value. Raises ScoresError on
    empty or NaN rows, and on what is neither (logits).
    """
    return float(brier_items(probs, answer).mean())


def brier_items(probs: npt.ArrayLike, answer: npt.ArrayLike) -> FloatArray:
    """(N,) Brier score of each item, in [0, 2]; arguments as for `brier`."""
    return brier_rows(*checked_probs(probs, answer))


def nll(probs: npt.ArrayLike, answer: npt.ArrayLike) -> float:
    """Mean negative log-likelihood of the right answer, in nats, in [0, inf]; lower is better.

    probs, answer, errors: as for `brier`; log-probabilities keep answers that a probability would round to 0. inf when
    a right answer has probability 0: nothing is clipped. The logarithmic score; Good 1952 (JRSS B 14).
    """
    return float(nll_items(probs, answer).mean())


def nll_items(probs: npt.ArrayLike, answer: npt.ArrayLike) -> FloatArray:
    """(N,) -log p of each item's right answer, in nats; arguments as for `nll`."""
    logprobs, y = checked_logprobs(probs, answer)
    return np.asarray(-logprobs[np.arange(len(y)), y] + 0.0)


@dataclass(frozen=True)
class BrierDecomposition:
    """brier = reliability - resolution + uncertainty + within_bin, exactly. All are on the scale of `brier`.

    reliability: miscalibration, lower is better; its bias-corrected estimate may be slightly negative.
    resolution: how far the bins' rates are from the base rate, higher is better. uncertainty: of the task alone.
    within_bin: what binning the probabilities loses; 0 when every bin holds one distinct probability.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_bin: float


def brier_decomposition(
    probs: npt.ArrayLike, answer: npt.ArrayLike, *, n_bins: int = 15, bias_corrected: bool = True
) -> BrierDecomposition:
    """Split the Brier score into reliability, resolution and uncertainty, choice position by position, and sum.

    For position k with bins over p_k (n_b items, mean probability p_b, rate y_b, base rate y):
    reliability sum (n_b/N)(p_b - y_b)^2, resolution sum (n_b/N)(y_b - y)^2, uncertainty y (1 - y) (Murphy 1973).
    Bias-corrected: with v = sum (n_b/N) y_b (1 - y_b)/(n_b - 1) and u = y (1 - y)/(N - 1), reliability loses v,
    resolution loses v - u, uncertainty gains u, so their sum stays (Broecker 2012, Climate Dynamics 39;
    Ferro & Fricker 2012, QJRMS 138). A bin of one item adds 0 to v. within_bin = brier - (rel - res + unc), the
    within-bin variance and covariance of Stephenson, Coelho, Jolliffe 2008 (Weather and Forecasting 23).
    probs, answer, errors: as for `brier`. n_bins: equal-width bins over each choice's probability. bias_corrected:
    False gives the plain parts.
    """
    p, y = checked_probs(probs, answer)
    n = checked_n_bins(n_bins)
    parts = np.zeros(3)
    for choice in range(p.shape[1]):
        parts += _one_choice(p[:, choice], (y == choice).astype(np.float64), n, bias_corrected)
    reliability, resolution, uncertainty = (float(part) for part in parts)
    total = float(brier_rows(p, y).mean())
    return BrierDecomposition(reliability, resolution, uncertainty, total - (reliability - resolution + uncertainty))


def _one_choice(p: FloatArray, y: FloatArray, n_bins: int, bias_corrected: bool) -> FloatArray:
    index = bin_index(p, n_bins)
    count = np.bincount(index, minlength=n_bins)
    filled = count > 0
    count_b = count[filled].astype(np.float64)
    share = count_b / len(p)
    mean = np.bincount(index, p, n_bins)[filled] / count_b
    rate = np.bincount(index, y, n_bins)[filled] / count_b
    base = y.mean()
    parts = np.array([share @ (mean - rate) ** 2, share @ (rate - base) ** 2, base * (1 - base)])
    if bias_corrected:
        v = share @ (rate * (1 - rate) / np.maximum(count_b - 1, 1))
        u = base * (1 - base) / max(len(p) - 1, 1)
        parts += np.array([-v, u - v, u])
    return parts


def brier_rows(probs: FloatArray, answer: IntArray) -> FloatArray:
    """(N,) Brier score of each row of checked arrays."""
    hit = np.arange(probs.shape[1]) == answer[:, None]
    items: FloatArray = ((probs - hit) ** 2).sum(axis=1)
    return items
