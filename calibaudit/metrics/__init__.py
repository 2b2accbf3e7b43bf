"""Calibration metrics on plain NumPy arrays. Nothing here needs torch; SciPy is loaded only where it is used."""

from calibaudit.metrics.binning import ReliabilityBins, bin_edges, bin_index, reliability
from calibaudit.metrics.calibration_error import (
    adaptive_ece,
    classwise_ece,
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
from calibaudit.metrics.inference.calibration_test import calibration_p_value
from calibaudit.metrics.inference.estimate import Estimate
from calibaudit.metrics.inference.multiple_tests import holm, weighted_holm
from calibaudit.metrics.inference.proportion import wilson
from calibaudit.metrics.inference.split_ece import split_ece, split_ece_change
from calibaudit.metrics.inference.split_smooth import smooth_ece_change
from calibaudit.metrics.proper_scores import BrierDecomposition, brier, brier_decomposition, brier_items, nll, nll_items
from calibaudit.metrics.ranking import aurc, auroc, risk_at_coverage
from calibaudit.metrics.sample import Sample
from calibaudit.metrics.smooth import smooth_ece
from calibaudit.metrics.temperature import confidence_correct, fit_temperature

__all__ = [
    "BrierDecomposition",
    "Estimate",
    "ReliabilityBins",
    "Sample",
    "adaptive_ece",
    "aurc",
    "auroc",
    "bin_edges",
    "bin_index",
    "brier",
    "brier_decomposition",
    "brier_items",
    "calibration_p_value",
    "classwise_ece",
    "confidence_correct",
    "debiased_ece",
    "debiased_squared_ce",
    "ece",
    "ece_floor",
    "ece_floor_interval",
    "fit_temperature",
    "gap",
    "holm",
    "mce",
    "nll",
    "nll_items",
    "overconfidence",
    "reliability",
    "risk_at_coverage",
    "rms_ce",
    "smooth_ece",
    "smooth_ece_change",
    "split_ece",
    "split_ece_change",
    "underconfidence",
    "weighted_holm",
    "wilson",
]
