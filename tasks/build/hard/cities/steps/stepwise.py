"""Levels 9 and 10: geography done step by step in whole numbers, by rules that the question states."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from build.hard.cities.steps import journeys, maps, years
from build.hard.cities.steps.ladders import Result
from build.making import Question

N_DRAFTS = 11
"""Of a topic and level."""

KINDS: dict[str, Callable[[random.Random, int], Result]] = {
    "surveyor": maps.walk,
    "watershed": maps.watershed,
    "lakes": maps.lakes,
    "road": maps.route,
    "islands": maps.islands,
    "voyage": journeys.voyage,
    "deliveries": journeys.deliveries,
    "traveller": journeys.traveller,
    "trains": journeys.trains,
    "migration": years.migration,
    "erosion": years.erosion,
    "lines of sight": years.sight,
}


def stepwise(rng: random.Random) -> Iterator[Question]:
    for topic, make in KINDS.items():
        for level in (9, 10):
            for i in range(N_DRAFTS):
                ask, said, answer, pool = make(rng, level)
                while len(pool) < 6:
                    ask, said, answer, pool = make(rng, level)
                yield Question(f"{topic} {level} {i}", topic, level, ask, said, answer, pool)
