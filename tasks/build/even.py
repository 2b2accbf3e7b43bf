"""Chooses among drafts of a question so that the form of the options says nothing about which of them is right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from build.making import N_CHOICES, Question

WEIGHTS = {"value": 3, "alphabet": 2, "length": 2}
"""How much an ordering counts, where it is not 1."""


class Even:
    """Counts which place the right answer took in each ordering of the options, and prefers the places taken least.

    Orderings: the alphabet, length, likeness to the others, words shared with the text, value where all are numbers,
    first mention where the text names all.
    """

    def __init__(self) -> None:
        self._taken: dict[str, list[int]] = {}

    def pick(self, drafts: Sequence[Question]) -> Question:
        """The draft whose answer stands where answers stood least; the earliest of equals. It counts from now on."""
        best = min(drafts, key=lambda draft: self._crowding(draft)[0])
        for ordering, place in self._crowding(best)[1]:
            self._taken[ordering][place] += 1
        return best

    def _crowding(self, draft: Question) -> tuple[int, list[tuple[str, int]]]:
        crowding, places = 0, []
        options = (draft.answer, *draft.distractors[: N_CHOICES - 1])
        for ordering, keys in _orderings(options, f"{draft.passage}\n{draft.question}"):
            taken = self._taken.setdefault(ordering, [0] * N_CHOICES)
            below = sum(key < keys[0] for key in keys)
            # Equal keys leave the place open: it counts as the one that is taken least.
            place = min(range(below, below + keys.count(keys[0])), key=taken.__getitem__)
            crowding += WEIGHTS.get(ordering, 1) * (taken[place] - min(taken)) ** 2
            places.append((ordering, place))
        return crowding, places


def _orderings(options: tuple[str, ...], text: str) -> list[tuple[str, list[Any]]]:
    words = set(re.findall(r"\w+", text.casefold()))
    found: list[tuple[str, list[Any]]] = [
        ("alphabet", [option.casefold() for option in options]),
        ("length", [len(option) for option in options]),
        ("likeness", [sum(_alike(option, other) for other in options) for option in options]),
        ("sharing", [len(words.intersection(re.findall(r"\w+", option.casefold()))) for option in options]),
    ]
    if all(re.fullmatch(r"\d+", option) for option in options):
        found.append(("value", [int(option) for option in options]))
    mentions = [re.search(rf"\b{re.escape(option)}\b", text) for option in options]
    if all(mentions):
        found.append(("mention", [mention.start() for mention in mentions if mention]))
    return found


def _alike(one: str, other: str) -> int:
    """How many characters two options have in common, counted from either end."""
    ahead = sum(a == b for a, b in zip(one, other, strict=False))
    behind = sum(a == b for a, b in zip(reversed(one), reversed(other), strict=False))
    return ahead + behind - abs(len(one) - len(other))
