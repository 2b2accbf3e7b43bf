"""Reading: short passages about invented people and places, with four questions each.

One sentence answers a question of level 1, and one about something beside the story a question of level 2. Level 3
needs two sentences together or a comparison, level 4 a change or a calculation, level 5 several of them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from build.balancing import EVEN, Balancer
from build.making import LEVELS, Question
from build.reading.cast import Accident, Ask, Cast, Genre, casts
from build.reading.moves import hiding, loans, race, stage
from build.reading.places import garden, theft, will
from build.reading.sums import market, recipe, shelter
from build.reading.times import classes, label, watches
from build.reading.trips import camp, ferry, ship, walk

GENRES: tuple[Genre, ...] = (
    *(hiding, race, stage, loans, garden, theft, will, market, recipe),
    *(shelter, classes, label, watches, camp, ferry, ship, walk),
)

N_PASSAGES = 153
"""A few more than the 144 that the two files hold: nine of each genre."""

WORDS = (50, 90)
"""The least and the most words of a passage."""


def questions(rng: random.Random) -> Iterator[Question]:
    """The questions of all passages; each passage leaves out one level, in turn."""
    balancer = Balancer(EVEN)
    for index, cast in zip(range(N_PASSAGES), casts(rng), strict=False):
        genre = GENRES[index % len(GENRES)]
        left_out = LEVELS[(index + index // len(GENRES)) % len(LEVELS)]
        passage, asks = _told(rng, genre, cast, left_out)
        for ask in asks:
            drafts = [_question(cast, genre, passage, ask, three) for three in combinations(ask.wrong[:6], 3)]
            yield balancer.pick(f"{genre.__name__} {ask.level}", drafts)


def _told(rng: random.Random, genre: Genre, cast: Cast, left_out: int) -> tuple[str, list[Ask]]:
    """A passage of the wanted length; its questions but that of one level, shuffled. None answers another."""
    for _ in range(1000):
        try:
            passage, asks = genre(rng, cast)
        except Accident:
            continue
        asks = [ask for ask in asks if ask.level != left_out]
        if WORDS[0] <= len(passage.split()) <= WORDS[1] and len(asks) == len(LEVELS) - 1 and not _answered(asks):
            rng.shuffle(asks)
            return passage, asks
    raise ValueError(f"{genre.__name__}: no sound passage of {WORDS[0]} to {WORDS[1]} words")


def _answered(asks: Sequence[Ask]) -> bool:
    """Whether the text of one question names the answer to another."""
    return any(
        re.search(rf"\b{re.escape(ask.answer)}\b", other.question) for ask in asks for other in asks if other is not ask
    )


def _question(cast: Cast, genre: Genre, passage: str, ask: Ask, wrong: tuple[str, ...]) -> Question:
    return Question(
        fact=cast.hero,
        topic=genre.__name__,
        level=ask.level,
        question=ask.question,
        statement=ask.statement,
        answer=ask.answer,
        distractors=wrong,
        passage=passage,
    )
