"""Resampling of items or groups, and p-values."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.metrics.validation import BoolArray, FloatArray, IntArray

_BLOCK = 2_000_000
"""Weights made at once (16 MB of float64)."""


def n_units(n_items: int, groups: Sequence[Hashable] | None = None) -> int:
    """How many independent units there are: distinct groups, or items without groups."""
    return n_items if groups is None else int(_group_index(n_items, groups).max()) + 1


def bootstrap_weights(
    n_items: int, n_resamples: int, rng: np.random.Generator, groups: Sequence[Hashable] | None = None
) -> Iterator[FloatArray]:
    """Blocks (b, N) of how often each item is drawn; whole groups are drawn when given. b sums to n_resamples.

    Nonparametric bootstrap, Efron 1979 (Annals of Statistics 7); over groups: the cluster bootstrap.
    """
    index = None if groups is None else _group_index(n_items, groups)
    units = n_items if index is None else int(index.max()) + 1
    for rows in _block_rows(n_items, n_resamples):
        drawn = rng.integers(units, size=(rows, units)) + units * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64)
        yield counts if index is None else counts[:, index]


def swap_masks(
    n_items: int, n_resamples: int, rng: np.random.Generator, groups: Sequence[Hashable] | None = None
) -> Iterator[BoolArray]:
    """Blocks (b, N) of fair coin flips: True exchanges an item's two sides; a group is exchanged whole."""
    index = None if groups is None else _group_index(n_items, groups)
    units = n_items if index is None else int(index.max()) + 1
    for rows in _block_rows(n_items, n_resamples):
        flips = rng.random((rows, units)) < 0.5
        yield flips if index is None else flips[:, index]


def permutation_p_value(observed: float, replicates: npt.ArrayLike) -> float:
    """Two-sided p = (1 + #{|r| >= |observed|}) / (1 + R), in (0, 1]; never 0. NaN when the observed value is.

    Phipson & Smyth 2010 (SAGMB 9). Replicates equal to the observed value within rounding count as reaching it.
    """
    values = np.asarray(replicates, dtype=np.float64)
    if math.isnan(observed) or np.isnan(values).any() or not values.size:
        return math.nan
    reached = np.abs(values) >= abs(observed) * (1 - 1e-9) - 1e-12
    return float((1 + reached.sum()) / (1 + values.size))


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Holm's adjusted p-values (M,): reject those at most alpha, and no false rejection has a chance above alpha.

    NaN entries stay NaN and do not count. Holm 1979 (Scandinavian Journal of Statistics 6).
    """
    values = np.array(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    scaled = values[order] * np.arange(len(order), 0, -1)
    values[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return values


def _block_rows(n_items: int, n_resamples: int) -> Iterator[int]:
    if n_items < 1 or n_resamples < 1:
        raise ScoresError(f"cannot resample {n_items} items {n_resamples} times; both must be at least 1")
    step = max(1, _BLOCK // n_items)
    for start in range(0, n_resamples, step):
        yield min(step, n_resamples - start)


def _group_index(n_items: int, groups: Sequence[Hashable]) -> IntArray:
    """(N,) 0-based group of each item, in order of first appearance."""
    if len(groups) != n_items or not n_items:
        raise ScoresError(f"groups has {len(groups)} names for {n_items} items; every item needs one")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)
