"""All metrics of one model's scores under many weightings at once: the core of bootstrap and permutation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.metrics.binning import BinTotals, bin_columns, bin_index, bin_totals
from calibaudit.metrics.calibration_error import adaptive_ece_rows, debiased_ece_rows, ece_rows, mce_rows, rms_ce_rows
from calibaudit.metrics.proper_scores import brier_rows
from calibaudit.metrics.ranking import TieBlocks, aurc_rows, auroc_rows
from calibaudit.metrics.smooth import smooth_ece_rows
from calibaudit.metrics.temperature import TemperatureTable, log_softmax
from calibaudit.metrics.validation import BoolArray, FloatArray, IntArray, checked_n_bins, checked_scores, locked, ones

METRIC_NAMES: tuple[str, ...] = (
    "accuracy",
    "confidence",
    "gap",
    "ece",
    "ece_debiased",
    "ece_adaptive",
    "smooth_ece",
    "rms_ce",
    "mce",
    "brier",
    "nll",
    "auroc",
    "aurc",
    "temperature",
    "option_mass",
)
"""What `replicate` gives. `ece_floor` is not here: it is a property of the confidences, not of a weighting."""

_BINNED = {"ece": ece_rows, "rms_ce": rms_ce_rows, "mce": mce_rows, "ece_debiased": debiased_ece_rows}
_BLOCK = 2_000_000
"""Weights worked on at once (16 MB of float64; a metric holds some ten arrays of that size)."""
_RANKED_BLOCK = 60_000
"""The same for metrics of ranks: their many passes over the weights are faster while these stay in the cache."""


@dataclass(frozen=True, eq=False)
class WeightedSample:
    """One model's scores on N items, ready to be measured under any weights of the items.

    scores: (N, K) what softmax is taken of, -inf pads. answer: (N,) choice index. option_mass: (N,) in [0, 1] or None.
    Raises ScoresError on empty or NaN scores, unequal lengths, or an answer outside its choices. Arrays are locked.
    """

    scores: FloatArray
    answer: IntArray
    option_mass: FloatArray | None = None
    n_bins: int = 15
    probs: FloatArray = field(init=False)
    confidence: FloatArray = field(init=False)
    correct: BoolArray = field(init=False)
    bin_index: IntArray = field(init=False)
    brier_items: FloatArray = field(init=False)
    nll_items: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        scores, answer = checked_scores(self.scores, self.answer)
        n_bins = checked_n_bins(self.n_bins)
        logprobs = log_softmax(scores)
        probs = np.exp(logprobs)
        confidence = probs.max(axis=1)
        derived = {
            "scores": scores.copy(),
            "answer": answer,
            "probs": probs,
            "confidence": confidence,
            "correct": scores.argmax(axis=1) == answer,
            "bin_index": bin_index(confidence, n_bins),
            "brier_items": brier_rows(probs, answer),
            "nll_items": -logprobs[np.arange(len(answer)), answer] + 0.0,
        }
        if self.option_mass is not None:
            derived["option_mass"] = _checked_mass(self.option_mass, len(answer))
        for name, array in derived.items():
            object.__setattr__(self, name, locked(array))
        object.__setattr__(self, "n_bins", n_bins)

    @property
    def n_items(self) -> int:
        return len(self.answer)

    def point(self, names: Iterable[str] | None = None) -> dict[str, float]:
        """The metrics themselves: every item once. Keys and NaN as in `replicate`."""
        return {name: float(values[0]) for name, values in self.replicate(ones(self.n_items), names).items()}

    def replicate(self, weights: FloatArray, names: Iterable[str] | None = None) -> dict[str, FloatArray]:
        """Each metric under each row of weights, {name: (B,) float64}, in the order of METRIC_NAMES.

        weights: (B, N) counts, not negative, each row with a positive sum; 0 leaves an item out, 2 is the item twice.
        names: the metrics wanted (default all). NaN: auroc with one class, option_mass of None, and temperature
        where `fit_temperature` gives it. Raises ScoresError on an unknown name or unusable weights.
        """
        wanted = _checked_names(names)
        checked = _checked_weights(weights, self.n_items)
        results = {name: np.full(len(checked), np.nan) for name in wanted}
        step = max(1, _BLOCK // self.n_items)
        for start in range(0, len(checked), step):
            block = checked[start : start + step]
            for name, values in self._block(block, set(wanted)).items():
                results[name][start : start + step] = values
        step = max(16, _RANKED_BLOCK // self.n_items)
        for start in range(0, len(checked), step):
            block = checked[start : start + step]
            for name, values in self._ranked(block, set(wanted)).items():
                results[name][start : start + step] = values
        return results

    def concatenate(self, other: WeightedSample) -> WeightedSample:
        """This sample's items followed by the other's; ragged K padded; option_mass kept only when both have it.

        Raises ScoresError when the two have different n_bins.
        """
        if self.n_bins != other.n_bins:
            raise ScoresError(f"samples with n_bins {self.n_bins} and {other.n_bins} cannot be joined; use one n_bins")
        n_choices = max(self.scores.shape[1], other.scores.shape[1])
        mass = None
        if self.option_mass is not None and other.option_mass is not None:
            mass = np.concatenate([self.option_mass, other.option_mass])
        return WeightedSample(
            np.vstack([_padded(self.scores, n_choices), _padded(other.scores, n_choices)]),
            np.concatenate([self.answer, other.answer]),
            mass,
            self.n_bins,
        )

    def _block(self, weights: FloatArray, wanted: set[str]) -> dict[str, FloatArray]:
        total = weights.sum(axis=1)
        results: dict[str, FloatArray] = {}
        for name in wanted & self._item_values.keys():
            results[name] = weights @ self._item_values[name] / total
        if wanted & _BINNED.keys():
            totals: BinTotals = bin_totals(weights, self._columns)
            results |= {name: rows(totals) for name, rows in _BINNED.items() if name in wanted}
        if "smooth_ece" in wanted:
            results["smooth_ece"] = smooth_ece_rows(weights, self.confidence, self._excess)
        if "temperature" in wanted:
            results["temperature"] = self._temperatures.rows(weights)
        return results

    def _ranked(self, weights: FloatArray, wanted: set[str]) -> dict[str, FloatArray]:
        results: dict[str, FloatArray] = {}
        if "ece_adaptive" in wanted:
            results["ece_adaptive"] = adaptive_ece_rows(weights, self._ties, self._excess, self.n_bins)
        if "auroc" in wanted:
            results["auroc"] = auroc_rows(weights, self._ties, self._hit)
        if "aurc" in wanted:
            results["aurc"] = aurc_rows(weights, self._ties, self._hit)
        return results

    @cached_property
    def _hit(self) -> FloatArray:
        return self.correct.astype(np.float64)

    @cached_property
    def _excess(self) -> FloatArray:
        return self._hit - self.confidence

    @cached_property
    def _item_values(self) -> dict[str, FloatArray]:
        """The metrics that are means over items."""
        values = {
            "accuracy": self._hit,
            "confidence": self.confidence,
            "gap": -self._excess,
            "brier": self.brier_items,
            "nll": self.nll_items,
        }
        if self.option_mass is not None:
            values["option_mass"] = self.option_mass
        return values

    @cached_property
    def _columns(self) -> FloatArray:
        return bin_columns(self.bin_index, self.confidence, self._hit, self.n_bins)

    @cached_property
    def _ties(self) -> TieBlocks:
        return TieBlocks.of(self.confidence)

    @cached_property
    def _temperatures(self) -> TemperatureTable:
        return TemperatureTable(self.scores, self.answer)


def _checked_names(names: Iterable[str] | None) -> tuple[str, ...]:
    if names is None:
        return METRIC_NAMES
    wanted = set(names)
    unknown = wanted - set(METRIC_NAMES)
    if unknown:
        raise ScoresError(f"unknown metric {sorted(unknown)[0]!r}; the metrics are {', '.join(METRIC_NAMES)}")
    return tuple(name for name in METRIC_NAMES if name in wanted)


def _checked_weights(weights: FloatArray, n_items: int) -> FloatArray:
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != n_items:
        raise ScoresError(f"weights have shape {array.shape}; {n_items} items need shape (replicates, {n_items})")
    if array.size and not (np.isfinite(array).all() and array.min() >= 0):
        raise ScoresError("weights must be finite and not negative")
    if not (array.sum(axis=1) > 0).all():
        raise ScoresError("a row of weights is all zero; at least one item must count")
    return array


def _checked_mass(option_mass: FloatArray, n_items: int) -> FloatArray:
    mass = np.array(option_mass, dtype=np.float64)
    if mass.shape != (n_items,):
        raise ScoresError(f"option_mass has shape {mass.shape}; {n_items} items need shape ({n_items},)")
    if not ((mass >= -1e-6) & (mass <= 1 + 1e-4)).all():
        raise ScoresError("option_mass must be probabilities in [0, 1], one per item, none NaN")
    return np.clip(mass, 0.0, 1.0)


def _padded(scores: FloatArray, n_choices: int) -> FloatArray:
    return np.pad(scores, ((0, 0), (0, n_choices - scores.shape[1])), constant_values=-np.inf)
