"""Puzzles about how many, and about families."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import product

from build.logic.follows import MEN, WOMEN, Claim, given, told
from build.making import Question

CLUBS = (
    ("pupils", "play chess", "play tennis"),
    ("guests", "eat soup", "eat fish"),
    ("workers", "drink tea", "drink coffee"),
    ("villagers", "keep hens", "keep goats"),
    ("students", "read French", "read Latin"),
    ("tourists", "visit the tower", "visit the cave"),
    ("neighbours", "own a bike", "own a car"),
    ("singers", "sing alto", "play drums"),
)
Number = Callable[[tuple[int, ...]], int]
"""What is asked for in a world of `siblings`: (girls, boys)."""

Parts = tuple[int, int, int, int]
"""A world of `counts`: how many do only the first thing, only the second, both, neither."""


def counts(rng: random.Random, level: int) -> Question | None:
    """How many of a group do one thing, both or neither.

    Level 1: nobody does both or neither, one number is missing. 2: nobody does both; neither is asked for. 3: some do
    both. 4: exactly one of two, from the overlap. 5: the least or the greatest possible number.
    """
    who, first, second = rng.choice(CLUBS)
    a, b, both, neither = (rng.randrange(2, 12) for _ in range(4))
    if level <= 2:
        both = 0
    if level == 1:
        neither = 0
    total = a + b + both + neither
    n_first, n_second = a + both, b + both
    asked: tuple[int, ...]
    clauses = [f"of {total} {who}, {n_first} {first} and {n_second} {second}"]
    tests: list[Claim] = [
        lambda w: sum(w) == total,
        lambda w: w[0] + w[2] == n_first,
        lambda w: w[1] + w[2] == n_second,
    ]
    if level == 1:
        clauses = [f"each of {total} {who} either {_s(first)} or {_s(second)}", "none does both", f"{n_first} {first}"]
        tests = [lambda w: w[2] == w[3] == 0, *tests[:2]]
        ask, end = f"How many {second}?", f"the number who {second} is {{}}"
        asked = (1, 2)
        wrong = [total + n_first, n_first, total, n_second + 1, n_second - 1, n_second + 2, abs(n_first - n_second)]
    elif level == 2:
        clauses.append("none does both")
        tests.append(lambda w: w[2] == 0)
        ask, end = "How many do neither?", "the number who do neither is {}"
        asked = (3,)
        wrong = [
            n_first + n_second,
            total - n_first,
            total - n_second,
            neither + 1,
            neither - 1,
            neither + 2,
            neither + 3,
        ]
    elif level == 3 and rng.random() < 0.5:
        clauses.append(f"{both} do both")
        tests.append(lambda w: w[2] == both)
        ask, end = "How many do neither?", "the number who do neither is {}"
        asked = (3,)
        wrong = [total - n_first - n_second, neither + both, neither + 1, neither - 1, total - both, neither + 2]
    elif level == 3:
        clauses.append(f"{neither} do neither")
        tests.append(lambda w: w[3] == neither)
        ask, end = "How many do both?", "the number who do both is {}"
        asked = (2,)
        wrong = [total - n_first, total - n_second, both + neither, both + 1, both - 1, both + 2, abs(a - b)]
    elif level == 4:
        clauses.append(f"{neither} do neither")
        tests.append(lambda w: w[3] == neither)
        thing = rng.choice(("exactly one of the two", "only the first"))
        if thing == "exactly one of the two":
            ask = "How many do exactly one of the two?"
            asked = (0, 1)
            end = "the number who do exactly one of the two is {}"
        else:
            ask = f"How many {first} but do not {second}?"
            asked = (0,)
            end = f"the number who {first} but do not {second} is {{}}"
        right = sum((a, b, both, neither)[part] for part in asked)
        wrong = [total - neither, right + both, both, n_first, n_second, right - 1, right + 1, total - both, right + 2]
    else:
        if n_first + n_second == total or total - max(n_first, n_second) < 2:
            return None
        extreme = rng.choice(("least", "most"))
        part = rng.choice((2, 3))
        worlds = [w for w in _parts(total) if all(test(w) for test in tests)]
        values = [w[part] for w in worlds]
        bound = min(values) if extreme == "least" else max(values)
        done = "do both" if part == 2 else "do neither"
        ask = f"What is the {'smallest' if extreme == 'least' else 'largest'} possible number who {done}?"
        end = f"the {'smallest' if extreme == 'least' else 'largest'} possible number who {done} is {{}}"
        near = [min(values), max(values), total - n_first, total - n_second, abs(n_first - n_second), n_first, n_second]
        wrong = [*near, bound + 1, bound + 2, bound - 1]
        # Most who do both are rightly as many as the fewer of the two; else a number of the text is a slip.
        slips = () if (part, extreme) == (2, "most") else (n_first, n_second)
        slipped = min(values) == max(values) or bound in (*slips, total, abs(n_first - n_second))
        return _numbered(rng, "counts", level, clauses, ask, end, bound, wrong, slipped)
    right = sum((a, b, both, neither)[part] for part in asked)
    worlds = [w for w in _parts(total) if all(test(w) for test in tests)]
    if {sum(w[part] for part in asked) for w in worlds} != {right}:
        return None
    said = {int(number) for clause in clauses for number in re.findall(r"\d+", clause)}
    slipped = right in wrong or right in said or right == abs(n_first - n_second)
    return _numbered(rng, "counts", level, clauses, ask, end, right, wrong, slipped)


def _s(deed: str) -> str:
    verb, _, rest = deed.partition(" ")
    return f"{verb}s {rest}"


def _parts(total: int) -> list[Parts]:
    """Every way to deal `total` over the four parts."""
    return [
        (a, b, c, total - a - b - c)
        for a in range(total + 1)
        for b in range(total + 1 - a)
        for c in range(total + 1 - a - b)
    ]


def _numbered(
    rng: random.Random,
    topic: str,
    level: int,
    clauses: list[str],
    ask: str,
    end: str,
    right: int,
    wrong: list[int],
    slipped: bool,
) -> Question | None:
    """wrong: what slips lead to, and near values. slipped: whether a slip leads to the right number.

    Such a draft, which must not be asked, names its answer among its distractors.
    """
    pool = [number for number in dict.fromkeys(wrong) if number >= 0 and number != right]
    if len(pool) < 3:
        return None
    # Any three of the likeliest errors; which three is settled by the caller's choice among drafts.
    shown = rng.sample(pool, 3)
    return Question(
        fact=" ".join(clauses) + ask,
        topic=topic,
        level=level,
        question=f"{told(clauses)} {ask}",
        statement=f"{given(clauses)}, then {end}.".replace("If of", "If, of"),
        answer=str(right),
        distractors=tuple(map(str, [*shown, right] if slipped else shown)),
    )


def siblings(rng: random.Random, level: int) -> Question | None:
    """How many brothers, sisters or children a family has, from what its children say.

    Level 2: from a girl's own count. 3: what a brother of hers counts. 4: how many children there are when sisters and
    brothers are equally many. 5: from a ratio and a difference.
    """
    girls, boys = rng.randrange(1, 7), rng.randrange(1, 7)
    girl, boy = rng.choice(WOMEN), rng.choice(MEN)
    worlds = [world for world in product(range(14), repeat=2) if sum(world)]
    if level == 2:
        clauses = [_own(girl, girls - 1, boys)]
        ask = f"How many children do the parents of {girl}, a girl, have?"
        end, right = f"the parents of {girl}, a girl, have {{}} children", girls + boys
        tests: list[Claim] = [lambda w: w[0] == girls, lambda w: w[1] == boys]
        value: Number = sum
    elif level == 3:
        clauses = [_own(girl, girls - 1, boys), f"{girl} is a girl and {boy} is her brother"]
        asks_sisters = rng.random() < 0.6
        word = "sisters" if asks_sisters else "brothers"
        ask, end = f"How many {word} does {boy} have?", f"the number of {word} that {boy} has is {{}}"
        right = girls if asks_sisters else boys - 1
        tests = [lambda w: w[0] == girls, lambda w: w[1] == boys]
        value = (lambda w: w[0]) if asks_sisters else (lambda w: w[1] - 1)
    elif level == 4:
        clauses = [f"{girl} has as many sisters as brothers", f"her brother {boy} has {_n(girls, 'sister')}"]
        ask, end = "How many children are in the family?", "the number of children in the family is {}"
        tests = [lambda w: w[0] - 1 == w[1], lambda w: w[0] == girls, lambda w: w[1] >= 1]
        right, value = 2 * girls - 1, sum
    else:
        k = rng.choice((2, 3))
        word = {2: "twice", 3: "three times"}[k]
        clauses = [
            f"{girl} has as many sisters as brothers",
            f"her brother {boy} has {word} as many sisters as brothers",
        ]
        d = rng.randrange(1, 5)
        if rng.random() < 0.7:
            clauses[0] = f"{girl} has {_n(d, 'more sister')} than brothers"
        else:
            d = 0
        tests = [lambda w: w[0] - 1 - w[1] == d, lambda w: w[0] == k * (w[1] - 1), lambda w: w[0] >= 1 and w[1] >= 1]
        asked = rng.choice((0, 1, 2))
        noun = ("girls", "boys", "children")[asked]
        ask, end = f"How many {noun} are in the family?", f"the number of {noun} in the family is {{}}"
        values: tuple[Number, ...] = (lambda w: w[0], lambda w: w[1], sum)
        value = values[asked]
        found = [w for w in worlds if all(test(w) for test in tests)]
        if len(found) != 1:
            return None
        right = value(found[0])
        girls, boys = found[0]
    if {value(world) for world in worlds if all(test(world) for test in tests)} != {right} or boys < 1 or right == 0:
        return None
    counted = [girls + boys, girls + boys - 1, girls + boys + 1, girls, boys]
    wrong = [right + 1, right - 1, right + 2, *counted, right - 2, 2 * girls]
    # Who counts the girls for the boys, or repeats a number of the text, must not be right.
    slipped = level != 4 and girls == boys
    return _numbered(rng, "siblings", level, clauses, ask, end, right, [w for w in wrong if w > 0], slipped)


def _own(name: str, sisters: int, brothers: int) -> str:
    return f"{name} has {_n(sisters, 'sister')} and {_n(brothers, 'brother')}"


def _n(number: int, noun: str) -> str:
    words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    return f"{words[number]} {noun}{'' if number == 1 else 's'}"
