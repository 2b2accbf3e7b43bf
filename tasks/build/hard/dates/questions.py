"""Calendars and clocks beyond the head: other calendars, far dates, day numbers, feasts, historic offsets, cycles.

Levels: 6 a date some years off; 7 a far one, or a rule with an exception; 8 other calendars and centuries; 9 whole
conversions and counts over decades; 10 conversions between two rare calendars, counts over centuries, small zones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from build.drafting import selected
from build.hard.dates import conversions, counting, feasts, maya, roman, weekdays, zones
from build.hard.dates.pools import Maker
from build.making import HARD_LEVELS, N_CHOICES, Question

PER_LEVEL = 126
PER_KIND = 17
"""Drafts of one kind and level, of which the best spread are taken."""

N_TRIES = 400

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


def _made(rng: random.Random) -> Iterator[Question]:
    facts: set[str] = set()
    for maker, levels in KINDS:
        for level in levels:
            found = 0
            for _ in range(N_TRIES):
                draft = maker(rng, level)
                if draft is None or draft.fact in facts or len(set(draft.distractors) - {draft.answer}) < N_CHOICES:
                    continue
                facts.add(draft.fact)
                found += 1
                yield draft
                if found == PER_KIND:
                    break


def questions(rng: random.Random) -> Iterator[Question]:
    """The questions, their distractors still pools."""
    yield from selected(_made(rng), rng, per_level=PER_LEVEL, levels=HARD_LEVELS)


def telling(options: Sequence[str]) -> bool:
    """Any options may stand together: those of a question are all of one form, and near each other."""
    return False
