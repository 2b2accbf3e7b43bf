"""One model's scores on N items, and every metric of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.metrics.binning import BinTotals, bin_index, bin_totals
from calibaudit.metrics.calibration_error import (
    adaptive_ece_of,
    classwise_ece,
    debiased_ece_of,
    ece_of,
    mce_of,
    rms_ce_of,
)
from calibaudit.metrics.choices import log_softmax
from calibaudit.metrics.inference.influence import (
    Influence,
    aurc_influence,
    auroc_influence,
    mean_influence,
    temperature_influence,
)
from calibaudit.metrics.proper_scores import BrierDecomposition, brier_decomposition, brier_rows
from calibaudit.metrics.ranking import TieBlocks, risk_at_coverage
from calibaudit.metrics.smooth import smooth_ece_of
from calibaudit.metrics.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    Locked,
    checked_n_bins,
    checked_scores,
    locked,
)

LINEAR = ("accuracy", "confidence", "gap", "brier", "nll", "auroc", "aurc", "temperature", "option_mass")
"""The metrics of which `Sample.influence` tells each item's part."""

_BINNED: dict[str, Callable[[BinTotals], float]] = {
    "ece_plugin": ece_of,
    "rms_ce": rms_ce_of,
    "mce": mce_of,
    "ece_debiased": debiased_ece_of,
}
PLUG_INS = ("ece_plugin", "ece_debiased", "ece_adaptive", "smooth_ece_plugin", "rms_ce", "mce")
"""Calibration errors as papers print them: noise lifts them, so they have no interval."""
EXPERT = ("classwise_ece", "brier_reliability", "brier_resolution", "brier_uncertainty", "risk_80")
"""What an expert asks for: values only. risk_80: the error rate of the surest 80 % of the items."""


@dataclass(frozen=True, eq=False)
class Sample(Locked):
    """One model's scores on N items, ready to be measured.

    scores: (N, K) what softmax is taken of, -inf pads. answer: (N,) choice index. option_mass: (N,) in [0, 1] or None.
    Raises ScoresError on empty or NaN scores, unequal lengths, or an answer outside its choices. Arrays are locked.
    """

    scores: FloatArray
    answer: IntArray
    option_mass: FloatArray | None = None
    n_bins: int = 15
    confidence: FloatArray = field(init=False)
    correct: BoolArray = field(init=False)
    brier_items: FloatArray = field(init=False)
    nll_items: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        scores, answer = checked_scores(self.scores, self.answer)
        logprobs = log_softmax(scores)
        probs = np.exp(logprobs)
        derived = {
            "scores": scores if not scores.flags.writeable else scores.copy(),
            "answer": answer,
            "confidence": probs.max(axis=1),
            "correct": scores.argmax(axis=1) == answer,
            "brier_items": brier_rows(probs, answer),
            "nll_items": -logprobs[np.arange(len(answer)), answer] + 0.0,
        }
        if self.option_mass is not None:
            derived["option_mass"] = _checked_mass(self.option_mass, len(answer))
        for name, array in derived.items():
            object.__setattr__(self, name, locked(array))
        object.__setattr__(self, "n_bins", checked_n_bins(self.n_bins))

    @property
    def n_items(self) -> int:
        """N."""
        return len(self.answer)

    @property
    def probs(self) -> FloatArray:
        """(N, K) softmax of the scores, 0 in the padding."""
        return np.exp(log_softmax(self.scores))

    @property
    def hits(self) -> FloatArray:
        """(N,) 1.0 where the model was right."""
        return self.correct.astype(np.float64)

    def plug_in(self, name: str) -> float:
        """One of PLUG_INS or EXPERT."""
        if name in _BINNED:
            return _BINNED[name](self._totals)
        if name == "ece_adaptive":
            return adaptive_ece_of(self._ties, self.hits - self.confidence, self.n_bins)
        if name == "smooth_ece_plugin":
            return smooth_ece_of(self.confidence, self.hits - self.confidence)
        if name == "classwise_ece":
            return classwise_ece(self.probs, self.answer, n_bins=self.n_bins)
        if name == "risk_80":
            return risk_at_coverage(self.confidence, self.correct, 0.8)
        return float(getattr(self._brier_parts, name.removeprefix("brier_")))

    def influence(self, name: str) -> Influence:
        """The value of one of LINEAR, and (N,) each item's part in its error.

        NaN and zeros: auroc with one class, option_mass where no item has one, temperature as `fit_temperature`.
        """
        if name == "auroc":
            return auroc_influence(self._ties, self.hits)
        if name == "aurc":
            return aurc_influence(self._ties, self.hits)
        if name == "temperature":
            return temperature_influence(self.scores, self.answer)
        if name == "option_mass":
            return _mass_influence(self.option_mass, self.n_items)
        if name == "gap":
            return mean_influence(self.confidence - self.hits)
        values = {
            "accuracy": self.correct,
            "confidence": self.confidence,
            "brier": self.brier_items,
            "nll": self.nll_items,
        }
        return mean_influence(values[name].astype(np.float64, copy=False))

    def point(self, names: Iterable[str] | None = None) -> dict[str, float]:
        """The values of these metrics (of LINEAR, PLUG_INS and EXPERT); all of them when left out."""
        known = (*LINEAR, *PLUG_INS, *EXPERT)
        wanted = known if names is None else tuple(names)
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise ScoresError(f"unknown metric {unknown[0]!r}; the metrics are {', '.join(known)}")
        return {name: self.influence(name)[0] if name in LINEAR else self.plug_in(name) for name in wanted}

    @cached_property
    def _ties(self) -> TieBlocks:
        return TieBlocks.of(self.confidence)

    @cached_property
    def _brier_parts(self) -> BrierDecomposition:
        return brier_decomposition(self.probs, self.answer, n_bins=self.n_bins)

    @cached_property
    def _totals(self) -> BinTotals:
        return bin_totals(bin_index(self.confidence, self.n_bins), self.confidence, self.hits, self.n_bins)


def joined(samples: Sequence[Sample]) -> Sample:
    """The samples' items one after another; ragged K padded; option_mass NaN where a sample has none.

    Raises ScoresError when they have different n_bins.
    """
    if len(samples) == 1:
        return samples[0]
    n_bins = {sample.n_bins for sample in samples}
    if len(n_bins) > 1:
        raise ScoresError(f"samples with n_bins {sorted(n_bins)} cannot be joined; use one n_bins")
    k = max(sample.scores.shape[1] for sample in samples)
    scores = np.full((sum(sample.n_items for sample in samples), k), -np.inf)
    start = 0
    for sample in samples:
        scores[start : start + sample.n_items, : sample.scores.shape[1]] = sample.scores
        start += sample.n_items
    mass = None
    if any(sample.option_mass is not None for sample in samples):
        mass = np.concatenate(
            [np.full(s.n_items, math.nan) if s.option_mass is None else s.option_mass for s in samples]
        )
    return Sample(locked(scores), np.concatenate([sample.answer for sample in samples]), mass, n_bins.pop())


def _mass_influence(mass: FloatArray | None, n_items: int) -> Influence:
    """Of the mean over the items that have one."""
    if mass is None:
        return math.nan, np.zeros(n_items)
    known = ~np.isnan(mass)
    found = np.zeros(n_items)
    mean, found[known] = mean_influence(mass[known])
    return mean, found


def _checked_mass(option_mass: FloatArray, n_items: int) -> FloatArray:
    mass = np.array(option_mass, dtype=np.float64)
    if mass.shape != (n_items,):
        raise ScoresError(f"option_mass has shape {mass.shape}; {n_items} items need shape ({n_items},)")
    known = mass[~np.isnan(mass)]
    if not len(known) or not ((known >= -1e-6) & (known <= 1 + 1e-4)).all():
        raise ScoresError("option_mass must be probabilities in [0, 1], NaN for an item that has none")
    return np.clip(mass, 0.0, 1.0)
