"""The hour of a new or full moon, by `ephem`: the mean moon alone misses it by up to half a day."""

from __future__ import annotations

import random

import ephem

from build.hard.dates.pools import both, sided
from build.making import Question
from build.wording import MONTHS

NEXT = {
    "new moon": ephem.next_new_moon,
    "first quarter": ephem.next_first_quarter_moon,
    "full moon": ephem.next_full_moon,
    "last quarter": ephem.next_last_quarter_moon,
}
CLEAR = 0.3
"""How far from the half of an hour, in hours: no way of computing differs by as much."""


def hour(day: float) -> str:
    """The nearest whole hour of a time in days, as `ephem` counts them."""
    at = ephem.Date(round(day * 24) / 24 + ephem.second).datetime()
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}, {at.hour:02d}:00"


def moon(rng: random.Random, level: int) -> Question | None:
    name = rng.choice(sorted(NEXT))
    year, month = rng.randrange(1850, 2101), rng.randrange(1, 13)
    found = float(NEXT[name](ephem.Date((year, month, 1))))
    month_of = hour(found).split()[1]
    alone = hour(float(NEXT[name](ephem.Date(found + 1)))).split()[1] != month_of
    if not alone or abs(found * 24 - round(found * 24)) > 0.5 - CLEAR or month_of != MONTHS[month - 1]:
        return None
    text = f"the {name} of {MONTHS[month - 1]} {year}"
    steps = both(1, 2, 3, 4)
    pool = tuple(hour(found + step / 24) for step in sided(rng, steps))
    question = f"When is {text}, to the nearest hour (Universal Time)?"
    statement = f"To the nearest hour (Universal Time), {text} is at {{}}."
    return Question(text, "moon", level, question, statement, hour(found), pool)
