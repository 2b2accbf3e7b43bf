"""How a puzzle is told: premises, a question, the same as a statement; and people to tell it about."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from build.making import Question

_NAMES = "Ada Ben Cleo Dan Eva Finn Gina Hal Ines Jon Kira Leo Mona Ned Olga Paul Rosa Sam Tess Udo Vera Will Yara Zack"
NAMES = _NAMES.split()
"""One a letter, so that no two of a puzzle look alike."""

_COUNTS = (
    "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
COUNTS = _COUNTS.split()
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def people(rng: random.Random, n: int) -> list[str]:
    """Names in alphabetical order."""
    return sorted(rng.sample(NAMES, n))


def unmentioned(names: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Those of whom the premises say nothing: two of them in the same role would make every count even."""
    said = " ".join(texts)
    return [name for name in names if name not in said]


def upper(text: str) -> str:
    return text[0].upper() + text[1:]


def lower(sentence: str) -> str:
    """A sentence as a part of another: its first letter is small unless it begins with a name or a symbol."""
    first = re.match(r"\w+", sentence)
    named = first is not None and (first[0] in NAMES or (first[0].isupper() and len(first[0]) > 1))
    return sentence if named else sentence[0].lower() + sentence[1:]


def asked(
    topic: str,
    level: int,
    premises: Sequence[str],
    ask: str,
    said: str,
    answer: str | int,
    pool: Sequence[str],
    sep: str = " ",
) -> Question:
    """The question. premises: sentences without their full stops. said: what is so, with {} for the answer."""
    text = sep.join(f"{premise}." for premise in premises) + sep + ask
    statement = f"Suppose this: {'; '.join(map(lower, premises))}. Then {said}."
    return Question(text, topic, level, text, statement, str(answer), tuple(pool))
