"""Calendars and clocks beyond the head: other calendars, far dates, day numbers, feasts, historic offsets, long walks.

Levels: 6 a date some years off, a third of them easier still; 7 far dates, other calendars; 8 whole conversions,
counts over decades, small zones; 9 about ten times that work; 10 thousands of steps that no rule shortens.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

from build.drafting import selected
from build.hard.dates import conversions, counting, easy, maya, roman, weekdays, zones
from build.hard.dates.long import chains, feasts, moons, tallies, walks
from build.hard.dates.pools import Maker
from build.making import N_CHOICES, Question

PER_LEVEL = 125
N_EASY = 42
"""Of level 6, the easiest."""

PER_KIND = 17
"""Drafts of one kind and grade, of which the best spread are taken."""

N_TRIES = 400

LEVEL_OF = {6: 6, 7: 7, 8: 7, 9: 8, 10: 8}
"""The level of a question by its grade in the makers of `KINDS`, which are all within reach of a patient reader."""

KINDS: tuple[tuple[Maker, tuple[int, ...]], ...] = (
    (weekdays.weekday, (6, 7, 8)),
    (weekdays.next_year, (6, 7, 8)),
    (weekdays.nth_weekday, (6, 7)),
    (weekdays.iso_week, (6, 7, 8)),
    (weekdays.working_days, (6, 7, 8, 9)),
    (weekdays.count, (8, 9, 10)),
    (counting.days, (6, 7, 8, 9, 10)),
    (counting.day_number, (8, 9, 10)),
    (counting.unix, (7, 8, 9)),
    (counting.cycles, (6, 7, 8, 9, 10)),
    (feasts.easter, (7, 8, 9, 10)),
    (feasts.holiday, (8,)),
    (conversions.julian, (7, 8, 9)),
    (conversions.hebrew, (9, 10)),
    (conversions.islamic, (9, 10)),
    (conversions.egyptian, (8, 9, 10)),
    (conversions.republican, (8, 9, 10)),
    (conversions.saka, (7,)),
    (maya.maya, (6, 7, 8, 9, 10)),
    (roman.roman, (6, 7, 8)),
    (zones.historic, (7, 8, 9, 10)),
    (zones.parcel, (6, 7, 8, 9)),
)

LONG: tuple[tuple[Maker, tuple[int, ...]], ...] = (
    (tallies.easter_tally, (8, 9, 10)),
    (tallies.nth_easter, (9, 10)),
    (tallies.sums, (8, 9, 10)),
    (tallies.hebrew_tally, (8, 9, 10)),
    (tallies.offices, (9,)),
    (tallies.coincidences, (9, 10)),
    (tallies.invented, (8, 9, 10)),
    (walks.date_walk, (8, 9, 10)),
    (walks.walk_tally, (10,)),
    (walks.calendar_walk, (8, 9, 10)),
    (walks.year_walk, (8, 9, 10)),
    (chains.chain, (8, 9)),
    (moons.moon, (9,)),
)
"""Levels 8, 9 and 10, the grade being the level."""


def _made(rng: random.Random, kinds: Iterable[tuple[Maker, tuple[int, ...]]]) -> Iterator[Question]:
    facts: set[str] = set()
    for maker, grades in kinds:
        for grade in grades:
            found = 0
            for _ in range(N_TRIES):
                draft = maker(rng, grade)
                if draft is None or draft.fact in facts or len(set(draft.distractors) - {draft.answer}) < N_CHOICES:
                    continue
                facts.add(draft.fact)
                found += 1
                yield draft
                if found == PER_KIND:
                    break


def _easy(rng: random.Random) -> Iterator[Question]:
    """As many of each kind."""
    kinds = tuple((lambda dice, _, maker=maker: maker(dice), (easy.LEVEL,)) for maker in easy.MAKERS)
    yield from selected(_made(rng, kinds), rng, N_EASY, (easy.LEVEL,))


def questions(rng: random.Random) -> Iterator[Question]:
    """The questions, their distractors still pools."""
    yield from _easy(rng)
    graded = [replace(draft, level=LEVEL_OF[draft.level]) for draft in _made(rng, KINDS)]
    graded += _made(rng, LONG)
    yield from selected([draft for draft in graded if draft.level == 6], rng, PER_LEVEL - N_EASY, (6,))
    yield from selected([draft for draft in graded if draft.level > 6], rng, PER_LEVEL, (7, 8, 9, 10))
