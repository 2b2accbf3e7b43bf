"""Which wrong answers stand beside a right one, so that the form of the options says nothing about which is right.

Taken as they come, wrong answers would often put the right one in the middle, or make it the one that resembles all
others. A `Balancer` counts at which rank the answers stood in several orderings of their options, and takes those
options by which the answer stands where answers stood least.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any

from build.making import N_CHOICES, Question

POOL = 10
"""Candidates looked at: 120 ways to take three."""

DOUBT = 4
"""What it costs to take a candidate one place further from the most plausible."""

SHARE = 12
"""What an answer adds to its ranks; ties may share it, and 12 is divisible by 1, 2, 3 and 4."""

Ordering = Callable[[Sequence[str], str], list[Any]]
"""From the options and the text of the question: one key an option, to rank them by; no keys where it says nothing."""


def length(options: Sequence[str], _: str) -> list[int]:
    return [len(option) for option in options]


def alphabet(options: Sequence[str], _: str) -> list[str]:
    return list(options)


@lru_cache(maxsize=4096)
def alike(one: str, other: str) -> int:
    """How many characters two options have in common, counted from either end, less what one is longer."""
    ahead = sum(a == b for a, b in zip(one, other, strict=False))
    behind = sum(a == b for a, b in zip(reversed(one), reversed(other), strict=False))
    return ahead + behind - abs(len(one) - len(other))


def summed(measure: Callable[[str, str], Any], options: Sequence[str]) -> list[Any]:
    """Of each option, how like the others it is together, by a symmetric measure; added from the left."""
    if len(options) == N_CHOICES:  # the usual number, for which a loop takes twice as long
        a, b, c, d = options
        ab, ac, ad, bc, bd, cd = (
            measure(a, b), measure(a, c), measure(a, d), measure(b, c), measure(b, d), measure(c, d),
        )  # fmt: skip
        return [ab + ac + ad, ab + bc + bd, ac + bc + cd, ad + bd + cd]
    sums = [0] * len(options)
    for (i, one), (j, other) in combinations(enumerate(options), 2):
        like = measure(one, other)
        sums[i] += like
        sums[j] += like
    return sums


def likeness(options: Sequence[str], _: str) -> list[int]:
    """How much each option is like the others. The odd one out is low."""
    return summed(alike, options)


def weighty_likeness(options: Sequence[str], text: str) -> list[int]:
    """Likeness in which an option is also like itself, in all its characters: long ones rank higher."""
    return [alike(option, option) + like for option, like in zip(options, likeness(options, text), strict=True)]


def sharing(options: Sequence[str], text: str) -> list[int]:
    """How many words each option shares with the text."""
    words = _words(text)
    return [len(words & _words(option)) for option in options]


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))


def mention(options: Sequence[str], text: str) -> list[int]:
    """Where the text first names each option, if it names all."""
    found = [_first_mention(option, text) for option in options]
    return [] if -1 in found else found


@lru_cache(maxsize=4096)
def _first_mention(option: str, text: str) -> int:
    """-1 where there is none."""
    if option not in text:
        return -1
    mention = re.search(rf"\b{re.escape(option)}\b", text)
    return mention.start() if mention else -1


def digits(options: Sequence[str], _: str) -> list[int]:
    """The values of options that all are whole numbers."""
    return [int(option) for option in options] if all(re.fullmatch(r"\d+", option) for option in options) else []


@dataclass(frozen=True)
class Rule:
    """How much it costs that an answer stands where answers stood before.

    orderings: with their weights. whole, group: the weights of what was counted over the task and over the group.
    power: of the excess over the rank taken least; 2 bears many small ones rather than one that is large.
    ties_share: an answer that ties with others counts in part at each of their ranks; if not, at the one taken least.
    """

    orderings: tuple[tuple[int, Ordering], ...]
    whole: int
    group: int
    power: int
    ties_share: bool


EVEN = Rule(
    ((2, length), (1, weighty_likeness), (2, alphabet), (1, sharing), (3, digits), (1, mention)),
    whole=0,
    group=1,
    power=2,
    ties_share=False,
)
"""The rule for drafts that are as good as each other: only evenness counts, in each group for itself."""


Costs = dict[tuple[int, int, int], int]
"""An ordering's place in the rule, how many options are below the answer, how many tie with it -> what that costs."""


class Balancer:
    """Remembers the ranks at which answers stood, over the whole task and in each group of its questions."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._counts: dict[tuple[str | None, Ordering], list[int]] = {}

    def pick(self, group: str, drafts: Sequence[Question]) -> Question:
        """The draft that costs least, the earliest of equals. It counts from now on."""
        costs: Costs = {}
        best = min(drafts, key=lambda draft: self._cost(group, *_shown(draft), costs))
        self._count(group, *_shown(best))
        return best

    def choose(self, rng: random.Random, draft: Question, telling: Callable[[Sequence[str]], bool]) -> Question:
        """The draft with three of its distractors: those that cost least, the less plausible ones costing more.

        Those that repeat the answer or each other are left out; of the rest the first `POOL` are looked at. Its topic
        is its group. telling: which options must not stand together. Raises ValueError when there are no three.
        """
        candidates = [option for option in dict.fromkeys(draft.distractors) if option != draft.answer][:POOL]
        if len(candidates) < N_CHOICES - 1:
            raise ValueError(f"{len(candidates)} distractors for {draft.answer!r}: {candidates}")
        text = _shown(draft)[1]
        costs: Costs = {}
        ranked = []
        for places in combinations(range(len(candidates)), N_CHOICES - 1):
            options = (draft.answer, *(candidates[place] for place in places))
            if telling(options):
                continue
            cost = self._cost(draft.topic, options, text, costs) + DOUBT * sum(places)
            ranked.append((cost, rng.random(), options))
        if not ranked:
            raise ValueError(f"no three distractors for {draft.answer!r} that can stand together: {candidates}")
        *_, options = min(ranked)
        self._count(draft.topic, options, text)
        return replace(draft, distractors=options[1:])

    def _cost(self, group: str, options: Sequence[str], text: str, costs: Costs) -> int:
        """costs: of the ranks that an answer had in earlier calls, while nothing was counted."""
        cost = 0
        for standing in self._standing(options, text):
            if standing not in costs:
                costs[standing] = self._cost_of(group, *standing)
            cost += costs[standing]
        return cost

    def _cost_of(self, group: str, place: int, below: int, n_tied: int) -> int:
        cost = 0
        for weight, counts, parts in self._parts(group, place, below, n_tied):
            least = min(counts)
            excess = sum(part * (count - least) for part, count in zip(parts, counts, strict=True))
            cost += weight * excess**self._rule.power // SHARE
        return cost

    def _count(self, group: str, options: Sequence[str], text: str) -> None:
        for standing in self._standing(options, text):
            for _, counts, parts in self._parts(group, *standing):
                for rank, part in enumerate(parts):
                    counts[rank] += part

    def _standing(self, options: Sequence[str], text: str) -> list[tuple[int, int, int]]:
        """For each ordering: its place in the rule, how many options are below the answer, how many tie with it."""
        found = []
        for place, (_, ordering) in enumerate(self._rule.orderings):
            keys = ordering(options, text)
            if keys:
                own = keys[0]
                found.append((place, [key < own for key in keys].count(True), keys.count(own)))
        return found

    def _parts(self, group: str, place: int, below: int, n_tied: int) -> Iterator[tuple[int, list[int], Sequence[int]]]:
        """In the task and in the group: the ordering's weight, the ranks' counts, what the answer adds to each."""
        weight, ordering = self._rule.orderings[place]
        tied = range(below, below + n_tied)
        for scope, scale in ((None, self._rule.whole), (group, self._rule.group)):
            counts = self._counts.setdefault((scope, ordering), [0] * N_CHOICES)
            ranks = tied if self._rule.ties_share else [min(tied, key=counts.__getitem__)]
            yield weight * scale, counts, [SHARE // len(ranks) * (rank in ranks) for rank in range(N_CHOICES)]


def _shown(draft: Question) -> tuple[tuple[str, ...], str]:
    """The options that a draft shows, the answer first, and the text that asks for it."""
    return (draft.answer, *draft.distractors[: N_CHOICES - 1]), f"{draft.passage}\n{draft.question}"
