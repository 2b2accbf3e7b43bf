"""Reads liars, boxes, counts, siblings and families of the task `logic` out of their text and settles them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]

Row = dict[str, Any]


def sentences(row: Row) -> tuple[list[str], str]:
    """The premises without full stops, and what is asked."""
    *told, ask = re.split(r"(?<=[.?]) ", row["question"])
    return [sentence.removesuffix(".") for sentence in told], ask


def sure(worlds: Iterable[Any], claims: list[Callable[[Any], bool]]) -> list[int]:
    """Which claims are true in all worlds."""
    left = list(range(len(claims)))
    seen = 0
    for world in worlds:
        seen += 1
        left = [i for i in left if claims[i](world)]
    assert seen, "no world fits"
    return left


def liars(row: Row) -> list[int]:
    (opening, *told), ask = sentences(row)
    people = re.findall(r"[A-Z][a-z]+", opening.removeprefix("Each of "))

    def true(said: str, honest: dict[str, bool]) -> bool:
        n_liars = list(honest.values()).count(False)
        named = [honest[name] for name in re.findall(r"[A-Z][a-z]+", said)]
        if said.startswith("at least one of"):
            return not all(named or honest.values())
        if "of the same kind" in said or "of different kinds" in said:
            return (named[0] == named[1]) == ("same" in said)
        if match := re.match(r"exactly (\w+) of (?:them|the four) (never )?lies?", said):
            return (len(people) - n_liars if match[2] else n_liars) == NUMBERS.index(match[1])
        if said == "both of them lie":
            return n_liars == 2
        return named[0] == said.endswith("never lies")

    worlds = []
    for values in product((False, True), repeat=len(people)):
        honest = dict(zip(people, values, strict=True))
        for sentence in told:
            speaker, says, said = sentence.partition(" says that ")
            if says and honest[speaker] != true(said, honest):
                break
            if not says and not true(sentence[0].lower() + sentence[1:], honest):
                break
        else:
            worlds.append(honest)

    def claim(choice: str) -> Callable[[dict[str, bool]], bool]:
        if choice.isdigit():
            return lambda honest: list(honest.values()).count(False) == int(choice)
        liars = {"both": people, "neither": []}.get(choice, [choice.removeprefix("only ")])
        if ask == "Who never lies?":
            return lambda honest: [name for name in people if honest[name]] == liars
        return lambda honest: [name for name in people if not honest[name]] == liars

    return sure(worlds, [claim(choice) for choice in row["choices"]])


def boxes(row: Row) -> list[int]:
    (opening, *told), _ = sentences(row)
    colours = re.findall(r"\w+", re.search(r"is in the (.+) box", opening)[1].replace(" or ", " "))  # type: ignore[index]
    assert sorted(colours) == sorted(row["choices"])

    def true(said: str, colour: str) -> bool:
        named = set(re.findall(r"\w+", said)) & set(colours)
        return (colour in named) != (" not " in said or " neither " in said)

    labels = [re.search(r'says "(.+)"', sentence)[1] for sentence in told if "says" in sentence]  # type: ignore[index]
    n_true = None
    if labels:
        words = {"All four labels are false": 0, "All four labels are true": 4, "Exactly one label is true": 1}
        words |= {"Exactly two labels are true": 2, "Exactly three labels are true": 3}
        n_true = words[told[-1]]
    worlds = []
    for colour in colours:
        if labels and sum(true(label, colour) for label in labels) == n_true:
            worlds.append(colour)
        if not labels and all(true(sentence.lower(), colour) for sentence in told):
            worlds.append(colour)
    return sure(worlds, [lambda world, colour=choice: world == colour for choice in row["choices"]])  # type: ignore[misc]


def counts(row: Row) -> list[int]:
    told, ask = sentences(row)
    text = ". ".join(told)
    if match := re.match(r"Each of (\d+) \w+ either .* None does both. (\d+) ", text):
        total, n_first = (int(number) for number in match.groups())
        return [i for i, choice in enumerate(row["choices"]) if int(choice) == total - n_first]
    total, n_first, n_second = (int(n) for n in re.findall(r"\d+", told[0]))
    first = re.search(r", \d+ (.+?) and \d+", told[0])[1]  # type: ignore[index]
    values = []
    for both in range(total + 1):
        only, other = n_first - both, n_second - both
        neither = total - only - other - both
        if min(only, other, neither) < 0:
            continue
        fits = True
        for sentence in told[1:]:
            number = int(re.match(r"\d+", sentence)[0]) if sentence[0].isdigit() else 0  # type: ignore[index]
            fits &= (neither if "neither" in sentence else both) == number
        if fits:
            if "exactly one" in ask:
                values.append(only + other)
            elif f"{first} but do not" in ask:
                values.append(only)
            else:
                values.append(neither if "neither" in ask else both)
    if "smallest" in ask or "largest" in ask:
        values = [min(values) if "smallest" in ask else max(values)]
    assert len(set(values)) == 1
    return [i for i, choice in enumerate(row["choices"]) if int(choice) == values[0]]


def siblings(row: Row) -> list[int]:
    told, ask = sentences(row)
    values = set()
    for girls, boys in product(range(1, 40), range(40)):
        fits = True
        for sentence in told:
            if match := re.search(r"has (\w+) sisters? and (\w+) brothers?$", sentence):
                fits &= (NUMBERS.index(match[1]), NUMBERS.index(match[2])) == (girls - 1, boys)
            elif match := re.search(r"has (\w+) more sisters? than brothers$", sentence):
                fits &= girls - 1 == boys + NUMBERS.index(match[1])
            elif match := re.fullmatch(r"Her brother \w+ has (\w+) sisters?", sentence):
                fits &= girls == NUMBERS.index(match[1]) and boys > 0
            elif match := re.fullmatch(r"Her brother \w+ has (.+) as many sisters as brothers", sentence):
                fits &= boys > 0 and girls == {"twice": 2, "three times": 3}[match[1]] * (boys - 1)
            elif sentence.endswith("has as many sisters as brothers"):
                fits &= girls - 1 == boys
            else:
                assert re.fullmatch(r"\w+ is a girl and \w+ is her brother", sentence), sentence
        if fits and "How many sisters" in ask:
            values.add(girls)
        elif fits and "How many brothers" in ask:
            values.add(boys - 1)
        elif fits:
            values.add({"girls": girls, "boys": boys}.get(ask.split()[2], girls + boys))
    assert len(values) == 1
    return [i for i, choice in enumerate(row["choices"]) if int(choice) in values]


KIN = {
    "PP": ("grandmother", "grandfather"),
    "CC": ("granddaughter", "grandson"),
    "SP": ("aunt", "uncle"),
    "CS": ("niece", "nephew"),
    "PPP": ("great-grandmother", "great-grandfather"),
    "CCC": ("great-granddaughter", "great-grandson"),
    "CSP": ("cousin", "cousin"),
}
STEP = {"mother": "P", "father": "P", "daughter": "C", "son": "C", "sister": "S", "brother": "S"}
FEMALE = {"mother", "daughter", "sister"}


def family(row: Row) -> list[int]:
    """By composing steps along the one path between two people, not by trying families."""
    told, ask = sentences(row)
    steps: dict[tuple[str, str], str] = {}
    sex: dict[str, int] = {}
    for sentence in told:
        a, b, word = re.fullmatch(r"(\w+) is (\w+)'s (\w+)", sentence).groups()  # type: ignore[union-attr]
        steps[a, b] = STEP[word]
        steps[b, a] = {"P": "C", "C": "P", "S": "S"}[STEP[word]]
        sex[a] = int(word not in FEMALE)
    start, end = re.fullmatch(r"What is (\w+) to (\w+)\?", ask).groups()  # type: ignore[union-attr]
    paths = [([start], "")]
    found = ""
    while paths:
        path, word = paths.pop()
        if path[-1] == end:
            found = word
            continue
        paths += [([*path, b], word + step) for (a, b), step in steps.items() if a == path[-1] and b not in path]
    kin = KIN[found]
    return [row["choices"].index(kin[sex.get(start, 0)])] if kin[0] == kin[1] or start in sex else []
