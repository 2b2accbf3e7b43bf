"""Guesses from the options alone, and how often each is right: `python tests/bundled/guesses.py [TASK ...]`.

A guess that several options fit counts as the share of the answer among them, so chance is 1/4 everywhere.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any

TASKS = Path(__file__).resolve().parents[2] / "tasks"
Guess = Callable[[Sequence[str]], list[float]]
"""One value an option, the largest of which is taken; none where the rule says nothing about these options."""


def _likest(likeness: Callable[[str, str], float]) -> Guess:
    """likeness: of two, in whichever order."""

    def guess(choices: Sequence[str]) -> list[float]:
        n = range(len(choices))
        known = {(i, j): likeness(choices[i], choices[j]) for i in n for j in n if i < j}
        return [sum(known[min(i, j), max(i, j)] for j in n if j != i) for i in n]

    return guess


def _matching(a: str, b: str) -> float:
    first, second = sorted((a, b))
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def _distance(a: str, b: str) -> float:
    """Minus the edit distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return -row[-1]


def _overlap(parts: Callable[[str], list[str]]) -> Callable[[str, str], float]:
    def likeness(a: str, b: str) -> float:
        one, other = Counter(parts(a)), Counter(parts(b))
        return (one & other).total() / max(1, (one | other).total())

    return likeness


def fields(text: str) -> list[str]:
    """The words and numbers of an option."""
    return re.findall(r"-?\w+(?:[.:/-]\w+)*", text)


def _characters(text: str) -> list[str]:
    return list(text)


def _pairs(text: str) -> list[str]:
    framed = f"^{text}$"
    return [framed[i : i + 2] for i in range(len(framed) - 1)]


def _voted(choices: Sequence[str]) -> list[float]:
    """How many other options have the same field at the same place, over the places of options with several fields."""
    split = [fields(choice) for choice in choices]
    if max(map(len, split)) < 2:
        return []
    return [
        float(
            sum(other[k : k + 1] == [field] for j, other in enumerate(split) if j != i for k, field in enumerate(own))
        )
        for i, own in enumerate(split)
    ]


def _led(choices: Sequence[str]) -> list[float]:
    """How many fields of an option are the only most frequent one of their place."""
    split = [fields(choice) for choice in choices]
    if max(map(len, split)) < 2:
        return []
    score = [0.0] * len(choices)
    for k in range(max(map(len, split))):
        column = [own[k] if k < len(own) else "" for own in split]
        (most, count), *rest = Counter(column).most_common()
        if count > 1 and all(other < count for _, other in rest):
            score = [points + (field == most) for points, field in zip(score, column, strict=True)]
    return score


def _number(text: str) -> float | None:
    match = re.fullmatch(r"(?:UTC)?([+-]?)(\d+)(?::(\d\d)|([.]\d+)|/(\d+))?%?(?: .*)?", text)
    if not match:
        return None
    size = int(match[2]) * (60 if match[3] else 1) + int(match[3] or 0) + float(match[4] or 0)
    return float(f"{match[1]}1") * size / int(match[5] or 1)


def _middle(choices: Sequence[str]) -> list[float]:
    """1 for the two numbers between the others."""
    numbers = [number for number in map(_number, choices) if number is not None]
    if len(numbers) < len(choices) or len(set(numbers)) < len(numbers):
        return []
    return [float(sorted(numbers).index(number) in (1, 2)) for number in numbers]


def _central(choices: Sequence[str]) -> list[float]:
    """Minus the distance from the mean of the numbers."""
    numbers = [number for number in map(_number, choices) if number is not None]
    if len(numbers) < len(choices):
        return []
    return [-abs(number - sum(numbers) / len(numbers)) for number in numbers]


GUESSES: dict[str, Guess] = {
    "longest": lambda choices: [len(choice) for choice in choices],
    "shortest": lambda choices: [-len(choice) for choice in choices],
    "most like: matching blocks": _likest(_matching),
    "most like: edit distance": _likest(_distance),
    "most like: characters": _likest(_overlap(_characters)),
    "most like: pairs of characters": _likest(_overlap(_pairs)),
    "most like: words": _likest(_overlap(fields)),
    "majority of fields": _voted,
    "most leading fields": _led,
    "one of the middle numbers": _middle,
    "nearest the mean": _central,
}


def folder(name: str) -> Path:
    """Where a task's files are: the hard ones have a folder of their own."""
    return TASKS if (TASKS / f"{name}.jsonl").is_file() else TASKS / "hard"


def rows(name: str, *parts: str) -> list[dict[str, Any]]:
    texts = [(folder(name) / f"{name}{part}.jsonl").read_text(encoding="utf-8") for part in parts or ("", ".train")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def names() -> list[str]:
    """Every bundled task that has a builder."""
    files = (*TASKS.glob("*.jsonl"), *TASKS.glob("hard/*.jsonl"))
    return sorted(path.stem for path in files if path.suffixes == [".jsonl"])


def _remembered(guess: Guess) -> Guess:
    known = cache(guess)
    return lambda choices: known(tuple(choices))


GUESSES = {label: _remembered(guess) for label, guess in GUESSES.items()}


def rate(guess: Guess, data: Sequence[dict[str, Any]]) -> tuple[float, int]:
    """How often a guess is right, and of how many items."""
    right, n_items = 0.0, 0
    for row in data:
        values = guess(row["choices"])
        if values:
            best = [index for index, value in enumerate(values) if value >= max(values) - 1e-9]
            right += (row["answer"] in best) / len(best)
            n_items += 1
    return (right / n_items if n_items else 0.0), n_items


def main() -> None:
    """Prints a line for each task and guess: the rate on the audited items and on all of them."""
    for name in sys.argv[1:] or names():
        for label, guess in GUESSES.items():
            (audited, n_audited), (all_of_them, n_all) = rate(guess, rows(name, "")), rate(guess, rows(name))
            print(f"{name:11} {label:31} {audited:6.3f} of {n_audited:3d} {all_of_them:9.3f} of {n_all:3d}")


if __name__ == "__main__":
    main()
