"""Scores -> Row: a task's sample of one model, and the randomness that is the task's own.

One task's draws come from the seed and the task's fingerprint alone: the same numbers whatever other tasks are there,
and the same draws on both sides of a comparison. Rows that share a fingerprint (with and without a chat template)
share their draws too, so that one item counts as one piece of evidence overall.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibaudit.analysis.settings import Settings
from calibaudit.metrics.replicates import WeightedSample
from calibaudit.metrics.resampling import bootstrap_weights, n_units, swap_masks
from calibaudit.scores.scores import Scores

CountArray = npt.NDArray[np.uint16]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Draws:
    """The randomness of one task, or of several side by side.

    weights: (resamples, items) how often each item is drawn. swaps: (permutations, items), True where the two sides
    of an item change places. n_units: independent units, groups where there are some. floor: seed of the null draws.
    """

    weights: CountArray
    swaps: BoolArray
    n_units: int
    grouped: bool
    floor: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Row:
    """One task's sample of one side, with the task's draws."""

    sample: WeightedSample
    draws: Draws


def task_row(scores: Scores, settings: Settings) -> Row:
    """The sample and the draws of one model's scores. Raises ScoresError when the sample is unusable."""
    sample = WeightedSample(scores.choice_scores(), scores.answer, scores.option_mass, settings.n_bins)
    n, groups = scores.n_items, scores.groups
    words = _words(scores.fingerprint)
    resampling, swapping = (np.random.default_rng([settings.seed, purpose, *words]) for purpose in (0, 1))
    weights, swaps = [np.zeros((0, n), np.uint16)], [np.zeros((0, n), bool)]
    if settings.n_resamples:
        blocks = bootstrap_weights(n, settings.n_resamples, resampling, groups)
        weights += [block.astype(np.uint16) for block in blocks]
    if settings.n_permutations:
        swaps += swap_masks(n, settings.n_permutations, swapping, groups)
    draws = Draws(
        weights=np.concatenate(weights),
        swaps=np.concatenate(swaps),
        n_units=n_units(n, groups),
        grouped=groups is not None,
        floor=(settings.seed, 2, *words),
    )
    return Row(sample, draws)


def joined(rows: Sequence[Row]) -> Row:
    """The rows side by side as one: resampled and swapped each within itself."""
    if len(rows) == 1:
        return rows[0]
    sample = rows[0].sample
    for row in rows[1:]:
        sample = sample.concatenate(row.sample)
    parts = [row.draws for row in rows]
    # Rows of one task (with and without a chat template) have the same floor seed: their units are the same ones.
    distinct = {part.floor: part for part in parts}
    draws = Draws(
        weights=np.concatenate([part.weights for part in parts], axis=1),
        swaps=np.concatenate([part.swaps for part in parts], axis=1),
        n_units=sum(part.n_units for part in distinct.values()),
        grouped=any(part.grouped for part in parts) or len(distinct) < len(parts),
        floor=sum((part.floor for part in parts), ()),
    )
    return Row(sample, draws)


def _words(fingerprint: str) -> tuple[int, ...]:
    digest = hashlib.sha256(fingerprint.encode()).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
