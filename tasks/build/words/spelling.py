"""Questions about spelling that are worked out: number words, numerals, and the order of the alphabet."""

from __future__ import annotations

import random
from collections.abc import Iterator

from build.making import LEVELS, Question
from build.wording import listed

_ONES = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
ONES = _ONES.split()
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L")),
    *((40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)

FAMILIES = (
    "apple bread chair dream eagle fence grass house island juice knife lemon money ocean river table",
    "basket beetle bishop blanket border bottle branch bucket butter button",
    "camera candle castle cellar cheese circle clever coffee copper cradle",
    "garden gather ginger glance golden gospel gravel ground guitar gutter",
    "machine magnet manage marble meadow memory mirror monkey mother muscle",
    "pencil pepper picnic pillow planet pocket powder prince pumpkin puzzle",
    "station stamp stable staff stage stair stale standard star state",
    "contact contain content contest context contour contract contrast control convict",
    "interact intercept interest interim interior intern internal interval interview intestine",
    "prefer prefix prelude premier premise prepare present preserve press pretend",
    "transact transcend transfer transform transit translate transmit transplant transport trapeze",
    "parade paradox parallel parcel pardon parent parish parlour parsley partner",
    "character charcoal charge charity charm chart charter chase chatter cheap",
    "desert deserve design desire despair despite dessert destiny destroy detail",
    "reform refrain refresh refuge refund refuse regain regard regime region",
)
"""Words to be put in order; those of a line begin more and more alike."""


def spelled(number: int) -> str:
    """A number below a million in words, with 'and' after the hundreds."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f"-{ONES[number % 10]}" if number % 10 else "")
    if number < 1000:
        rest = f" and {spelled(number % 100)}" if number % 100 else ""
        return f"{ONES[number // 100]} hundred{rest}"
    below = number % 1000
    joined = f" and {spelled(below)}" if 0 < below < 100 else f" {spelled(below)}" if below else ""
    return f"{spelled(number // 1000)} thousand{joined}"


def ordinal(number: int) -> str:
    """An ordinal below 100 in words."""
    head, dash, last = spelled(number).rpartition("-")
    last = ORDINALS.get(last, f"{last[:-1]}ieth" if last[-1] == "y" else f"{last}th")
    return head + dash + last


def roman(number: int) -> str:
    written = ""
    for value, letters in ROMAN:
        written += letters * (number // value)
        number %= value
    return written


def numbers(rng: random.Random) -> Iterator[Question]:
    """Numbers in words (levels 1 to 3), ordinals in words (2), Roman numerals (3 to 5)."""
    for level, low, high in ((1, 101, 999), (2, 1001, 9999), (3, 10_001, 99_999)):
        for _ in range(14):
            number = rng.randrange(low, high)
            digits = str(number)
            if 0 < number % 100 < 10 or level > 1 or rng.random() < 0.4:
                misread = _misread(digits)
                # Some are misreadings of a misreading, or the right number would be the one in the middle of all.
                decoy = _misread(misread[rng.randrange(5)])
                wrong = dict.fromkeys([*misread[:5], *rng.sample(decoy, 2)])
                wrong.pop(digits, None)
                words = spelled(number)
                question = f"Which number is '{words}'?"
                statement = f"The number '{words}' is written {{}}."
                yield Question(f"numbers: {number}", "numbers", level, question, statement, digits, tuple(wrong))
    for number in (2, 3, 5, 8, 9, 12, 15, 20, 22, 30, 31, 40, 43, 59, 80, 90):
        right = ordinal(number)
        plain = spelled(number)
        stem = right.removesuffix("th")
        wrong = dict.fromkeys((f"{plain}th", f"{plain}eth", f"{stem}eth", f"{plain}st", f"{plain}rd", f"{plain}nd"))
        wrong.pop(right, None)
        question = f"How is the ordinal of {number} spelled?"
        yield Question(
            f"ordinals: {number}",
            "ordinals",
            2,
            question,
            f"The ordinal of {number} is spelled '{{}}'.",
            right,
            tuple(wrong),
        )
    for level, low, high in ((3, 11, 50), (4, 51, 500), (5, 501, 2000)):
        for number in rng.sample(range(low, high), 16):
            if any(digit in str(number) for digit in "49"):
                near = (
                    number + 1,
                    number - 1,
                    number + 2,
                    number + 10,
                    number - 10,
                    number + 100,
                    number - 5,
                    number + 5,
                )
                wrong = dict.fromkeys(roman(other) for other in near if other > 0)
                question = f"Which Roman numeral stands for {number}?"
                statement = f"The Roman numeral for {number} is {{}}."
                yield Question(f"roman: {number}", "roman", level, question, statement, roman(number), tuple(wrong))


def _misread(digits: str) -> list[str]:
    """Numbers that are easily taken for another: two digits exchanged, one left out, doubled or off by one."""
    found = []
    for i in range(len(digits) - 1):
        found.append(digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :])
    for i, digit in enumerate(digits):
        found.append(digits[:i] + str((int(digit) + 1) % 10) + digits[i + 1 :])
        found.append(digits[:i] + str((int(digit) + 9) % 10) + digits[i + 1 :])
    return [other for other in found if other != digits and other[0] != "0" and len(other) == len(digits)]


def alphabet(rng: random.Random) -> Iterator[Question]:
    """Which of four words comes first, second, third or last.

    Level 1: words that differ in the first letter. 2: in a later one. 3: the same, and a middle place is asked
    for. 4: words with three letters or more in common at the start. 5: the same, and a middle place is asked for.
    """
    families = [line.split() for line in FAMILIES]
    ranges = {1: families[:1], 2: families[1:6], 3: families[1:6], 4: families[6:], 5: families[6:]}
    for level in LEVELS:
        seen: set[tuple[str, ...]] = set()
        while len(seen) < 14:
            four = rng.sample(rng.choice(ranges[level]), 4)
            if tuple(sorted(four)) in seen:
                continue
            seen.add(tuple(sorted(four)))
            place = rng.choice((1, 2)) if level in (3, 5) else rng.choice((0, 3))
            word = ("first", "second", "third", "last")[place]
            names = listed(four)
            answer = sorted(four)[place]
            yield Question(
                fact=f"alphabet: {sorted(four)}",
                topic="alphabet",
                level=level,
                question=f"In alphabetical order, which comes {word} among {names}?",
                statement=f"In the alphabetical order of {names}, the word that comes {word} is {{}}.",
                answer=answer,
                distractors=tuple(option for option in four if option != answer),
            )
