"""Readers of the task `deduction`: people in orders, liars, guests, codes and houses, settled from the text.

Each takes the sentences before the question, and the question, and returns the one answer.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations, permutations
from typing import Any

import numpy as np

Told = list[str]
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
_NUMBERS = "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
NUMBERS = _NUMBERS.split()


def names_of(text: str) -> list[str]:
    return re.findall(r"\b[A-Z][a-z]+\b", text)


def groups(pattern: str, text: str) -> tuple[str, ...]:
    match = re.fullmatch(pattern, text)
    assert match, (pattern, text)
    return match.groups()


@cache
def all_orders(n: int) -> Any:
    """A column a person, a row a way."""
    return np.array(list(permutations(range(n))), dtype=np.int8)


class Placed:
    """What sentences about a queue or a round table say of all ways at once."""

    def __init__(self, names: list[str], table: bool) -> None:
        self.n, self.table = len(names), table
        self.at = dict(zip(names, all_orders(len(names)).T, strict=True))

    def apart(self, x: str, y: str) -> Any:
        """How many steps from one to the other, the shorter way round the table."""
        gap = abs(self.at[x] - self.at[y])
        return np.minimum(gap, self.n - gap) if self.table else gap

    def true(self, text: str) -> Any:
        if text.startswith("If "):
            p, q = text[3:].split(", then ")
            return ~self.true(p) | self.true(q)
        if text.startswith("Either "):
            p, q = text[7:].removesuffix(", but not both").split(" or ")
            return self.true(p) ^ self.true(q)
        if text.endswith(", or both"):
            p, q = text.removesuffix(", or both").split(", or ")
            return self.true(p) | self.true(q)
        if " if and only if " in text:
            p, q = text.split(" if and only if ")
            return self.true(p) == self.true(q)
        x, y = (*names_of(text[0].lower() + text[1:] if text.split()[0] not in self.at else text), "")[:2]
        simple = text.replace(x, "X", 1).replace(y, "Y", 1) if y else text.replace(x, "X", 1)
        simple = simple[0].lower() + simple[1:] if simple[0] in "TEA" else simple
        word = simple.split()[-1]
        if simple == "X is not " + word and word in ORDINALS:
            return self.at[x] != ORDINALS.index(word)
        if match := re.fullmatch(r"at least (\w+) people stand between X and Y", simple):
            return self.apart(x, y) - 1 >= NUMBERS.index(match[1])
        if match := re.fullmatch(r"X does not sit in chair (\d)", simple):
            return self.at[x] + 1 != int(match[1])
        if match := re.fullmatch(r"the number of X's chair is (odd|even)", simple):
            return (self.at[x] + 1) % 2 == (match[1] == "odd")
        if simple == "X and Y have exactly one common neighbour at the table":
            own, other = self.at[x], self.at[y]
            sides = [(own + d) % self.n == (other + e) % self.n for d in (-1, 1) for e in (-1, 1)]
            return np.sum(sides, axis=0) == 1
        forms = {
            "X is before Y": lambda: self.at[x] < self.at[y],
            "X is next to Y": lambda: self.apart(x, y) == 1,
            "X is not next to Y": lambda: self.apart(x, y) != 1,
            "exactly one person stands between X and Y": lambda: self.apart(x, y) == 2,
            "X sits next to Y": lambda: self.apart(x, y) == 1,
            "X does not sit next to Y": lambda: self.apart(x, y) != 1,
            "X sits opposite Y": lambda: self.apart(x, y) == self.n // 2,
            "X does not sit opposite Y": lambda: self.apart(x, y) != self.n // 2,
            "the number of X's chair is higher than that of Y's": lambda: self.at[x] > self.at[y],
        }
        return forms[simple]()


def placed(told: Told, ask: str) -> str:
    table = "round table" in told[0]
    names = names_of(told[0])
    world = Placed(names, table)
    left = np.all([world.true(text) for text in told[2:]], axis=0)
    assert left.any()
    if ask.startswith("In how many different ways"):
        return str(left.sum())
    if ask.startswith("In how many of the possible ways"):
        return str((left & world.true(ask.partition("is it true that ")[2].rstrip("?"))).sum())
    if ask == "Which two of them cannot be next to each other?":
        never = [pair for pair in combinations(names, 2) if not (left & (world.apart(*pair) == 1)).any()]
        (pair,) = never
        return " and ".join(pair)
    if table:
        place = int(groups(r"Who sits in chair (\d)\?", ask)[0]) - 1
    else:
        place = ORDINALS.index(groups(r"Who is (\w+) in the queue\?", ask)[0])
    (name,) = [name for name in names if (world.at[name][left] == place).any()]
    return name


class Facts:
    """All ways in which each of the names may be so or not."""

    def __init__(self, names: list[str]) -> None:
        cases = np.arange(2 ** len(names))
        self.so = {name: (cases >> i & 1).astype(bool) for i, name in enumerate(names)}

    def number(self, names: list[str]) -> Any:
        return np.sum([self.so[name] for name in names], axis=0)

    def lies(self, text: str) -> Any:
        """What somebody says of liars; `so` is to tell the truth."""
        if text.startswith("if "):
            x, y = groups(r"if (\w+) is a liar, then (\w+) is a truth-teller", text)
            return self.so[x] | self.so[y]
        if match := re.fullmatch(r"(\w+) is a liar if and only if (.+)", text):
            return ~self.so[match[1]] == self.lies(match[2])
        if match := re.fullmatch(r"(\w+) and (\w+) are of the same kind", text):
            return self.so[match[1]] == self.so[match[2]]
        if match := re.fullmatch(r"(\w+) or (\w+) is a liar, or both are", text):
            return ~self.so[match[1]] | ~self.so[match[2]]
        if match := re.fullmatch(r"(\w+) would say that (\w+) is a liar", text):
            return self.so[match[1]] == ~self.so[match[2]]
        if match := re.fullmatch(r"exactly one of (\w+), (\w+) and (\w+) is a liar", text):
            return 3 - self.number(list(match.groups())) == 1
        if match := re.fullmatch(r"(exactly|at least) (\w+) of the (\w+) (?:is a liar|are liars)", text):
            assert NUMBERS.index(match[3]) == len(self.so)
            n_liars = len(self.so) - self.number(list(self.so))
            k = NUMBERS.index(match[2])
            return n_liars == k if match[1] == "exactly" else n_liars >= k
        (x,) = groups(r"(\w+) is a liar", text)
        return ~self.so[x]

    def comes(self, text: str) -> Any:
        """What is known of guests; `so` is to come."""
        if match := re.fullmatch(r"(Exactly|At least|At most) (\w+) of (.+) comes?", text):
            number, k = self.number(names_of(match[3])), NUMBERS.index(match[2])
            return {"Exactly": number == k, "At least": number >= k, "At most": number <= k}[match[1]]
        if match := re.fullmatch(r"(\w+) comes if and only if exactly one of (\w+) and (\w+) comes", text):
            return self.so[match[1]] == (self.so[match[2]] != self.so[match[3]])
        if text.startswith("If "):
            p, q = text[3:].split(", ")
            return ~self.comes(p) | self.comes(q.removeprefix("then "))
        text = text.removesuffix(", or both")
        if match := re.fullmatch(r"neither (\w+) nor (\w+) comes", text):
            return ~self.so[match[1]] & ~self.so[match[2]]
        if match := re.fullmatch(r"(\w+) and (\w+) (do not )?both come", text):
            both = self.so[match[1]] & self.so[match[2]]
            return ~both if match[3] else both
        if match := re.fullmatch(r"(\w+) comes or (\w+) comes", text):
            return self.so[match[1]] | self.so[match[2]]
        if match := re.fullmatch(r"(\w+) does not come", text):
            return ~self.so[match[1]]
        (x,) = groups(r"(\w+) comes", text)
        return self.so[x]


def liars(told: Told, ask: str) -> str:
    names = names_of(told[0].partition(" is either")[0].removeprefix("Each of "))
    facts = Facts(names)
    left = np.array([True] * 2 ** len(names))
    for text in told[1:]:
        speaker, said = text.split(" says that ", 1)
        left &= facts.so[speaker] == facts.lies(said)
    if ask.startswith("How many divisions"):
        return str(left.sum())
    assert left.sum() == 1
    lying = [name for name in names if not facts.so[name][left].any()]
    if ask.startswith("How many of"):
        return str(len(lying))
    return f"{', '.join(lying[:-1])} and {lying[-1]}" if len(lying) > 1 else lying[0]


def guests(told: Told, ask: str) -> str:
    facts = Facts(names_of(told[0]))
    rules = [text for text in told[1:] if not text.startswith("That nobody comes")]
    left = np.all([facts.comes(text) for text in rules], axis=0)
    sizes = facts.number(list(facts.so))[left]
    if ask.startswith("What is the "):
        return str(max(sizes) if "largest" in ask else min(sizes))
    if ask.startswith("How many different groups"):
        return str(left.sum())
    (name,) = groups(r"In how many of the possible groups of guests does (\w+) come\?", ask)
    return str((left & facts.so[name]).sum())


def codes(told: Told, ask: str) -> str:
    (top,) = groups(r"A secret code consists of four different digits from 1 to (\d)", told[0])
    pattern = r"The guess (\d+) got the report: (\d) placed, (\d) misplaced"
    reports = [groups(pattern, text) for text in told if text.startswith("The guess ")]
    found = []
    for code in permutations("12345678"[: int(top)], 4):
        n_true = 0
        for guess, placed_, misplaced in reports:
            where = [guess.index(digit) == i if digit in guess else None for i, digit in enumerate(code)]
            n_true += (where.count(True), where.count(False)) == (int(placed_), int(misplaced))
        if n_true == len(reports) - any("Exactly one of these four reports is false" in text for text in told):
            found.append("".join(code))
    if ask == "How many codes are possible?":
        return str(len(found))
    assert ask == "What is the code?"
    (only,) = found
    return only


def houses(told: Told, ask: str) -> str:
    """Backtracking over people, pets, ..., each pair of placed ones checked as soon as both are."""
    lead, *kinds = told[0].split("; ")
    n = NUMBERS.index(groups(r".* live alone in (\w+) houses in a row, .*", lead)[0])
    forms = {"pets": "the {} owner", "drinks": "the {} drinker", "instruments": "the {} player", "jobs": "the {}"}
    rows = [names_of(lead.partition(" live ")[0])]
    for kind in kinds[:-1]:
        word, values = groups(r"their (\w+) are (.+)", kind)
        rows.append([forms[word].format(value) for value in re.split(", | and ", values)])
    assert all(len(row) == n for row in rows)
    row_of = {thing: k for k, row in enumerate(rows) for thing in row}
    allowed = {thing: set(range(n)) for thing in row_of}
    pairs: dict[str, list[tuple[str, set[tuple[int, int]]]]] = {thing: [] for thing in row_of}
    tests = {
        "is": lambda i, j: i == j,
        "is not": lambda i, j: i != j,
        "lives next to": lambda i, j: abs(i - j) == 1,
        "does not live next to": lambda i, j: abs(i - j) != 1,
        "lives directly left of": lambda i, j: j == i + 1,
        "lives somewhere left of": lambda i, j: i < j,
    }
    known = "|".join(sorted(row_of, key=len, reverse=True))
    for text in told[1:]:
        text = text if text.split()[0] in rows[0] else text[0].lower() + text[1:]
        if match := re.fullmatch(rf"({known}) lives in house (\d)", text):
            allowed[match[1]] &= {int(match[2]) - 1}
            continue
        a, relation, b = groups(rf"({known}) ({'|'.join(sorted(tests, key=len, reverse=True))}) ({known})", text)
        fits = {(i, j) for i in range(n) for j in range(n) if tests[relation](i, j)}
        pairs[a].append((b, fits))
        pairs[b].append((a, {(j, i) for i, j in fits}))
    found: list[dict[str, int]] = []

    def place(where: dict[str, int], open_: dict[str, set[int]]) -> None:
        if not open_:
            found.append(where)
            return
        thing = min(open_, key=lambda one: (len(open_[one]), -len(pairs[one])))
        for i in sorted(open_[thing]):
            rest = {
                other: places - {i} if row_of[other] == row_of[thing] else places
                for other, places in open_.items()
                if other != thing
            }
            for other, fits in pairs[thing]:
                if other in rest:
                    rest[other] = {j for j in rest[other] if (i, j) in fits}
            if all(rest.values()) and all((i, where[to]) in fits for to, fits in pairs[thing] if to in where):
                place({**where, thing: i}, rest)

    place({}, allowed)
    (where,) = found
    if match := re.fullmatch(r"Who is (.+)\?", ask):
        kind, given = 0, match[1]
    else:
        word, given = next(
            (word, match[1])
            for word, pattern in {
                "pets": r"Which pet does (.+) have\?",
                "drinks": r"What does (.+) drink\?",
                "instruments": r"Which instrument does (.+) play\?",
                "jobs": r"What is the job of (.+)\?",
            }.items()
            if (match := re.fullmatch(pattern, ask))
        )
        kind = next(k for k, text in enumerate(kinds, 1) if text.startswith(f"their {word} "))
    (thing,) = [thing for thing in rows[kind] if where[thing] == where[given]]
    return thing if kind == 0 else thing.removeprefix("the ").split()[0]
