"""Conversions of length, mass, volume, area, time, speed, data, temperature and angle; every factor exact, by pint.

Levels: 1 units of daily life; 2 fractions and the way back; 3 two steps, or a factor that is no power of ten; 4 between
systems of units, with rounding; 5 rare units, squares and cubes across systems, SI prefixes against binary ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import chain, islice
from math import floor

import pint

from build.making import LEVELS, Question, distinct
from build.units.table import FACTORS, MIXED, NAMES, RIVALS, ROWS
from build.wording import plain

PER_LEVEL = 128
"""Questions of each level, spread evenly over the level's rows."""

MARGIN = Fraction(1, 50)
"""A value nearer than this to the middle between two rounded values is not asked for (in units of the last place)."""

ROUNDED = {None: "", 0: " to the nearest whole number", 1: " to one decimal place"}

Made = tuple[str, str, str, str, list[str]]
"""Fact, question, statement, answer, distractors with the most plausible first."""

REGISTRY = pint.UnitRegistry(non_int_type=Fraction)


def convert(value: Fraction, source: str, target: str) -> Fraction:
    """Exact."""
    return Fraction(REGISTRY.Quantity(value, source).to(target).magnitude)


def name(value: Fraction, unit: str) -> str:
    return f"{plain(value)} {NAMES[unit][value != 1]}"


def written(value: Fraction, places: int | None) -> str:
    """As it stands among the choices: exact, or rounded to a number of decimals."""
    if places is None:
        return plain(value)
    units = floor(value * 10**places + Fraction(1, 2))
    return f"{Decimal(units).scaleb(-places):.{places}f}"


def doubtful(value: Fraction, places: int | None) -> bool:
    """Whether rounding is a matter of taste or the rounded value looks like an exact one."""
    if places is None:
        return False
    rest = value * 10**places % 1
    return abs(rest - Fraction(1, 2)) < MARGIN or rest == 0


def texts(values: Iterator[Fraction], answer: Fraction, places: int | None) -> list[str]:
    """Distractors as they are written, without those that cannot be written or round to the answer; first those that
    are not much longer or shorter than it, which tell nothing by their length."""
    made: list[str] = []
    for value in values:
        try:
            text = written(value, places)
        except ValueError:
            continue
        if text != written(answer, places) and len(text) <= len(written(answer, places)) + 4:
            made.append(text)
    length = len(written(answer, places))
    return sorted(made, key=lambda text: abs(len(text) - length) > 1)


def slips(topic: str, value: Fraction, source: str, target: str) -> Iterator[Fraction]:
    """The wrong unit on either side, also the wrong way round; the wrong direction, a row of the times table off, a
    factor too many."""
    answer = convert(value, source, target)
    rivals = [convert(value, rival, target) for rival in RIVALS.get(source, ())]
    rivals += [convert(value, source, rival) for rival in RIVALS.get(target, ())]
    for wrong in rivals:
        yield from (wrong, answer * answer / wrong)
    factor = answer / value
    if Fraction(1, 50) < factor < 50:
        yield value / factor
    decimal = any(factor == Fraction(10) ** power for power in range(-6, 7))
    step = Fraction(1) if value.denominator == 1 and value < 50 else value / 10
    if not decimal:
        yield from ((value + step) * factor, (value - step) * factor)
    for wrong in (10, 100, 1000) if decimal else FACTORS[topic]:
        yield from (answer * wrong, answer / wrong)
    yield from ((value + step) * factor, (value - step) * factor, (value + 2 * step) * factor)


def near(answer: Fraction, places: int | None, rng: random.Random) -> Iterator[Fraction]:
    """For rounded answers: some percent off, as a poor factor gives."""
    for percent in (4, 9, 15, 21):
        share = Fraction(percent * 10 + rng.randrange(-9, 20), 1000)
        yield from (answer * (1 + share), answer / (1 + share))


def temperature_slips(value: Fraction, source: str, target: str) -> Iterator[Fraction]:
    """32 forgotten, added on the wrong side or with the wrong sign; 9/5 and 5/9 exchanged; 273.15 the wrong way."""
    up, down, zero = Fraction(9, 5), Fraction(5, 9), Fraction(27315, 100)
    answer = convert(value, source, target)
    if (source, target) == ("degC", "degF"):
        yield from (value * up, (value + 32) * up, value * up - 32, value * down + 32, value * 2 + 32)
    elif (source, target) == ("degF", "degC"):
        yield from (value * down, value * down - 32, (value + 32) * down, (value - 32) * up, value - 32)
    elif source == "degC":
        yield from (zero - value, value + zero - 50, value + zero + 50, value + 100 + Fraction(15, 100))
    elif source == "degF":
        yield from ((value - 32) * down + 256, value + 273, (value + 32) * down + zero, value * down + zero)
    else:
        yield from ((value - zero) * up, (value - zero) * down + 32, (value - zero + 32) * up, value - zero)
    for step in (10, -10, 9, -9, 5, -5, 18, -18):
        yield answer + step


def astray(topic: str, value: Fraction, source: str, target: str, answer: Fraction, places: int | None) -> bool:
    """Whether a wrong way happens to lead to the answer: a unit taken for another, the other direction, a poor rule."""
    ends = [value]
    if topic == "temperature":
        ends = list(islice(temperature_slips(value, source, target), 5))
        if (source, target) == ("degC", "degF"):
            ends += [value * 2 + 30, value + 32]
        elif (source, target) == ("degF", "degC"):
            ends += [(value - 30) / 2]
    else:
        ends += [convert(value, rival, target) for rival in RIVALS.get(source, ())]
        ends += [convert(value, source, rival) for rival in RIVALS.get(target, ())]
        ends.append(value * value / answer)
    right = written(answer, places)
    return any(_written(end, places) == right for end in ends)


def _written(value: Fraction, places: int | None) -> str | None:
    try:
        return written(value, places)
    except ValueError:
        return None


def single(
    rng: random.Random, topic: str, source: str, target: str, value: Fraction, places: int | None
) -> Made | None:
    """One value in other units; None where it cannot be asked for."""
    answer = convert(value, source, target)
    if doubtful(answer, places) or written(answer, places) == plain(value):
        return None
    wrong = temperature_slips(value, source, target) if topic == "temperature" else slips(topic, value, source, target)
    if places is not None and topic != "temperature":
        wrong = chain(islice(wrong, 2), near(answer, places, rng), wrong)
    if astray(topic, value, source, target, answer, places):
        return None
    pool = [text for text in texts(wrong, answer, places) if text != plain(value)]
    if topic != "temperature":
        pool = [text for text in pool if not text.startswith("-") and Fraction(text) > 0]
    if topic in ("temperature", "speed"):
        question = f"What is {name(value, source)} in {NAMES[target][1]}{ROUNDED[places]}?"
    else:
        are = "is" if value == 1 else "are"
        phrase = rng.choice(("How many {0} {1} {2}{3}?", "How many {0} {1} there in {2}{3}?")) if places is None else ""
        phrase = phrase or "How many {0} {1} {2}{3}?"
        question = phrase.format(NAMES[target][1], are, name(value, source), ROUNDED[places])
    statement = f"{name(value, source)} is {{}} {NAMES[target][1]}{ROUNDED[places]}."
    sides = sorted((f"{plain(value)} {source}", f"{written(answer, places)} {target}"))
    return " = ".join(sides), question, statement, written(answer, places), pool


def mixed(
    rng: random.Random, sources: tuple[str, ...], target: str, most: tuple[int, ...], places: int | None
) -> Made | None:
    """A quantity in two or three units at once, such as 5 feet and 7 inches."""
    counts = [Fraction(rng.randrange(1 + (i == 0), last + 1)) for i, last in enumerate(most)]
    parts = [convert(count, source, target) for count, source in zip(counts, sources, strict=True)]
    answer = sum(parts, Fraction(0))
    if doubtful(answer, places):
        return None
    named = [name(count, source) for count, source in zip(counts, sources, strict=True)]
    text = " and ".join((", ".join(named[:-1]), named[-1]))
    # Read as a decimal fraction (3 h 47 min as 3.47 h), a unit left out, a larger unit counted once too often.
    as_decimal = parts[0] + convert(counts[1] / 100, sources[0], target)
    one, small = convert(Fraction(1), sources[0], target), convert(Fraction(1), sources[-1], target)
    wrong = [as_decimal, answer + 10 * small, answer - 10 * small, answer - parts[-1], answer + one, answer - one]
    wrong += [parts[0] * 10 / 12 + parts[-1], 100 * counts[0] + parts[-1], answer + small, answer - small]
    wrong += [answer + one + 10 * small, answer - one + 10 * small, answer - one - 10 * small]
    pool = [text for text in texts(iter(wrong), answer, places) if Fraction(text) > 0]
    question = f"How many {NAMES[target][1]} are {text}{ROUNDED[places]}?"
    return text, question, f"{text} is {{}} {NAMES[target][1]}{ROUNDED[places]}.", written(answer, places), pool


def questions(rng: random.Random) -> Iterator[Question]:
    """640 conversions, 128 of each level."""
    seen: set[str] = set()
    for level in LEVELS:
        rows = [row for row in ROWS if row[1] == level]
        sums = [row for row in MIXED if row[0] == level]
        made = 0
        for turn in range(50 * PER_LEVEL):  # row by row; one that has no more to ask is passed over
            if made == PER_LEVEL:
                break
            index = turn % (len(rows) + len(sums))
            if index < len(rows):
                topic, _, source, target, step, first, last, places = rows[index]
                drawn = single(rng, topic, source, target, Fraction(step) * rng.randrange(first, last + 1), places)
            else:
                topic = "mixed units"
                drawn = mixed(rng, *sums[index - len(rows)][1:])
            if drawn is None or drawn[0] in seen:
                continue
            fact, question, statement, answer, pool = drawn
            seen.add(fact)
            made += 1
            draft = Question(fact, topic, level, question, statement, answer, distinct(answer, pool))
            yield draft
