"""Calibration metrics on plain NumPy arrays. Nothing here needs torch; SciPy is loaded only where it is used."""

from calibaudit.metrics.binning import ReliabilityBins, bin_edges, bin_index, reliability
from calibaudit.metrics.calibration_error import (
    adaptive_ece,
    debiased_ece,
    debiased_squared_ce,
    ece,
    ece_floor,
    ece_floor_interval,
    gap,
    mce,
    overconfidence,
    rms_ce,
    underconfidence,
)
from calibaudit.metrics.intervals import change_interval, interval
from calibaudit.metrics.proper_scores import BrierDecomposition, brier, brier_decomposition, brier_items, nll, nll_items
from calibaudit.metrics.ranking import aurc, auroc
from calibaudit.metrics.replicates import METRIC_NAMES, WeightedSample
from calibaudit.metrics.resampling import bootstrap_weights, holm, n_units, permutation_p_value, swap_masks
from calibaudit.metrics.smooth import smooth_ece
from calibaudit.metrics.temperature import confidence_correct, fit_temperature

__all__ = [
    "METRIC_NAMES",
    "BrierDecomposition",
    "ReliabilityBins",
    "WeightedSample",
    "adaptive_ece",
    "aurc",
    "auroc",
    "bin_edges",
    "bin_index",
    "bootstrap_weights",
    "brier",
    "brier_decomposition",
    "brier_items",
    "change_interval",
    "confidence_correct",
    "debiased_ece",
    "debiased_squared_ce",
    "ece",
    "ece_floor",
    "ece_floor_interval",
    "fit_temperature",
    "gap",
    "holm",
    "interval",
    "mce",
    "n_units",
    "nll",
    "nll_items",
    "overconfidence",
    "permutation_p_value",
    "reliability",
    "rms_ce",
    "smooth_ece",
    "swap_masks",
    "underconfidence",
]
