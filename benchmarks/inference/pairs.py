"""Samples of two models on the same items: how alike they are, and which items are not independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from benchmarks.inference.populations import Population
from calibaudit.metrics.inference.estimate import Design
from calibaudit.metrics.validation import FloatArray, IntArray

Sides = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class Pairing:
    """Each model has two normal latents an item, one behind its posterior, one behind its luck.

    rho: correlation of the two models' latents. group: items of a unit, which share `icc` of what the two models have
    in common; with own, `icc` of each model's own part too. split: each of a unit's items is in another part of the
    sample, and the parts are strata: one document scored in several ways.
    """

    rho: float = 0.6
    group: int = 1
    icc: float = 0.7
    own: bool = False
    split: bool = False

    def unit(self, n_items: int) -> IntArray | None:
        if self.group == 1:
            return None
        items = np.arange(n_items)
        return items % -(-n_items // self.group) if self.split else items // self.group

    def design(self, n_items: int) -> Design:
        size = -(-n_items // self.group)
        return Design.of(n_items, self.unit(n_items), np.arange(n_items) // size if self.split else None)


@dataclass(frozen=True, eq=False)
class Pair:
    """Confidences and hits (0 or 1) of two models on the same items."""

    confidence: Sides
    correct: Sides

    @property
    def excess(self) -> Sides:
        return self.confidence[0] - self.correct[0], self.confidence[1] - self.correct[1]


def drawn(
    before: Population, after: Population, n_items: int, rng: np.random.Generator, pairing: Pairing | None = None
) -> Pair:
    pairing = pairing or Pairing()
    unit = pairing.unit(n_items)

    def latent(shared: bool) -> FloatArray:
        own = rng.standard_normal(n_items)
        if unit is None or not shared:
            return own
        common = rng.standard_normal(int(unit.max()) + 1)[unit]
        return np.asarray(pairing.icc**0.5 * common + (1 - pairing.icc) ** 0.5 * own)

    found: list[tuple[FloatArray, FloatArray]] = []
    knowing, luck = latent(True), latent(True)
    for model in (before, after):
        z, h = (pairing.rho**0.5 * part + (1 - pairing.rho) ** 0.5 * latent(pairing.own) for part in (knowing, luck))
        q = model.posterior_of_normal(z)
        found.append((model.confidence(q), (ndtr(h) < q).astype(np.float64)))
    return Pair((found[0][0], found[1][0]), (found[0][1], found[1][1]))
