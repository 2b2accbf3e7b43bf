"""Models whose every true value is known: what they know of an item, and what they report of it.

Posterior q = 1/K + (1 - 1/K) Beta(a, b): the chance that the top choice is right. Its confidence is a function of q,
and the rest of the probability is spread evenly over the other choices. So each true value is an integral over q; here
over N_TRUTH quantiles, for the calibration error on the bins that the product uses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, expit, logit, ndtr

from calibaudit.metrics import bin_index
from calibaudit.metrics.validation import FloatArray, IntArray

N_BINS, N_TRUTH = 15, 200_000
_NORMAL_GRID = np.linspace(-6, 6, 24_001)

Kind = Literal["over", "under", "sharp", "waves", "top", "certain"]
_MOST: dict[Kind, float] = {"over": 0.5, "under": 0.5, "sharp": 20.0, "waves": 0.3, "top": 1.0, "certain": 1.0}
"""The largest amount that is tried; at amount 0 every kind is calibrated."""
Rounding = Literal["none", "1 decimal", "2 decimals", "bfloat16"]


@dataclass(frozen=True)
class Population:
    """beta: (a, b) of the posterior. kind, amount: how what is reported differs from it. above: where `top` begins."""

    beta: tuple[float, float]
    kind: Kind = "over"
    amount: float = 0.0
    above: float = 0.7
    rounding: Rounding = "none"
    n_choices: int = 4

    def posterior(self, beta: FloatArray) -> FloatArray:
        return 1 / self.n_choices + (1 - 1 / self.n_choices) * beta

    def posterior_of_normal(self, z: FloatArray) -> FloatArray:
        """(N,) standard normal -> posteriors."""
        return self.posterior(np.interp(z, _NORMAL_GRID, _beta_of_normal(self.beta)))

    def confidence(self, q: FloatArray) -> FloatArray:
        """(N,) posteriors -> what the model says."""
        said = np.clip(_said(self.kind, self.amount, self.above, q), 1 / self.n_choices, 1.0)
        return _rounded(said, self.rounding)

    def scores(self, confidence: FloatArray, correct: FloatArray, rng: np.random.Generator) -> FloatArray:
        """(N, K) log-probabilities; the answer is choice 0."""
        n, k = len(confidence), self.n_choices
        found = np.repeat(np.log((1 - confidence) / (k - 1))[:, None], k, axis=1)
        top = np.where(correct > 0, 0, rng.integers(1, k, size=n))
        found[np.arange(n), top] = np.log(confidence) + 1e-12  # the top one where all are alike
        return found


@dataclass(frozen=True)
class Truth:
    """signed: (bins,) E[confidence - correct in the bin]; ECE is the sum of its lengths."""

    signed: tuple[float, ...]
    accuracy: float
    gap: float

    @property
    def ece(self) -> float:
        return float(np.abs(self.signed).sum())


@cache
def truth(population: Population, n: int = N_TRUTH) -> Truth:
    q, confidence = integrand(population, n)
    signed = np.bincount(bin_index(confidence, N_BINS), confidence - q, N_BINS) / n
    return Truth(tuple(map(float, signed)), float(q.mean()), float((confidence - q).mean()))


def pooled_ece(populations: tuple[Population, ...]) -> float:
    """True ECE of all items as one sample, as many of each population."""
    return float(np.abs(np.mean([truth(one).signed for one in populations], axis=0)).sum())


@cache
def linear_truth(population: Population) -> dict[str, float]:
    """The true values of the metrics that the product knows by their influence functions; confidence below 1."""
    q, c = integrand(population, N_TRUTH)
    k = population.n_choices
    rest = (1 - c) / (k - 1)
    order = np.argsort(-c)
    cost = (1 - q)[order]
    return {
        "accuracy": float(q.mean()),
        "confidence": float(c.mean()),
        "gap": float((c - q).mean()),
        "brier": float(
            (q * ((1 - c) ** 2 + (k - 1) * rest**2) + (1 - q) * (c**2 + (1 - rest) ** 2 + (k - 2) * rest**2)).mean()
        ),
        "nll": float(-(q * np.log(c) + (1 - q) * np.log(rest)).mean()),
        "auroc": _auroc(q, c),
        "aurc": float((np.cumsum(cost) / np.arange(1, len(cost) + 1)).mean()),
        "temperature": _temperature(q, np.log(c / rest), k),
    }


def solved(beta: tuple[float, float], kind: Kind, ece: float, *, n_choices: int = 4, above: float = 0.7) -> Population:
    """The population of this kind whose true ECE is `ece`."""
    honest = Population(beta, kind, 0.0, above, n_choices=n_choices)

    def miss(amount: float) -> float:
        return truth(replace(honest, amount=amount), 40_000).ece - ece

    def exact_miss(amount: float) -> float:
        return truth(replace(honest, amount=amount)).ece - ece

    near = float(brentq(miss, 0.0, _MOST[kind], xtol=1e-6))
    low, high = max(0.0, 0.98 * near - 1e-4), min(_MOST[kind], 1.02 * near + 1e-4)
    return replace(honest, amount=float(brentq(exact_miss, low, high, xtol=1e-7)))


def _said(kind: Kind, amount: float, above: float, q: FloatArray) -> FloatArray:
    if amount == 0:
        return q
    if kind == "over":
        return q + amount
    if kind == "under":
        return q - amount
    if kind == "sharp":
        return np.asarray(expit((1 + amount) * logit(np.clip(q, 1e-12, 1 - 1e-12))))
    if kind == "waves":
        return q + amount * np.sin(10 * np.pi * q)
    nearer = 1 - (1 - q) * (1 - amount)
    return nearer if kind == "certain" else np.where(q > above, nearer, q)


def _rounded(values: FloatArray, rounding: Rounding) -> FloatArray:
    if rounding == "none":
        return values
    if rounding == "bfloat16":  # 8 bits
        mantissa, exponent = np.frexp(values)
        return np.asarray(np.ldexp(np.rint(mantissa * 256) / 256, exponent))
    return np.asarray(np.round(values, int(rounding[0])))


def integrand(population: Population, n: int) -> tuple[FloatArray, FloatArray]:
    """(n,) posteriors of equal weight, and the confidences."""
    q = population.posterior(_beta_quantiles(population.beta, n))
    return q, population.confidence(q)


@cache
def _beta_quantiles(beta: tuple[float, float], n: int) -> FloatArray:
    return np.asarray(betaincinv(*beta, (np.arange(n) + 0.5) / n))


@cache
def _beta_of_normal(beta: tuple[float, float]) -> FloatArray:
    return np.asarray(betaincinv(*beta, ndtr(_NORMAL_GRID)))


def _auroc(q: FloatArray, c: FloatArray) -> float:
    block: IntArray
    _, block = np.unique(c, return_inverse=True)
    right, wrong = np.bincount(block, q), np.bincount(block, 1 - q)
    return float(right @ (np.cumsum(wrong) - 0.5 * wrong) / (right.sum() * wrong.sum()))


def _temperature(q: FloatArray, distance: FloatArray, n_choices: int) -> float:
    """distance: of the top score above the others."""

    def slope(inverse: float) -> float:
        said = 1 / (1 + (n_choices - 1) * np.exp(-inverse * distance))
        return float((distance * (said - q)).mean())

    return 1 / float(brentq(slope, 1e-3, 20.0, xtol=1e-10))
