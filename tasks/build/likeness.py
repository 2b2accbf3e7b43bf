"""Several measures of how like one option is to the others; a guess by any of them should find no more than chance.

Each is an ordering for a `Balancer`: one key an option, the likest high.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

from build.balancing import summed


def blocks(one: str, other: str) -> float:
    """The share of characters in common blocks, the longest taken first."""
    low, high = sorted((one, other))
    return SequenceMatcher(None, low, high, autojunk=False).ratio()


def steps(one: str, other: str) -> int:
    """Minus the characters to insert, remove or exchange to make one into the other."""
    costs = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, cost = costs, i
        costs = [i]
        for j, right in enumerate(other):
            if left == right:
                cost = before[j]
            else:
                above, beside = before[j + 1], before[j]
                cost = 1 + (cost if cost < above and cost < beside else above if above < beside else beside)
            costs.append(cost)
    return -costs[-1]


def _common(one: Iterable[str], other: Iterable[str]) -> float:
    first, second = Counter(one), Counter(other)
    both = sum(min(n, second[part]) for part, n in first.items() if part in second)
    return both / max(1, first.total() + second.total() - both)


def letters(one: str, other: str) -> float:
    return _common(one, other)


def neighbours(one: str, other: str) -> float:
    """The share of pairs of neighbouring characters, the ends counted as characters."""
    first, second = f" {one} ", f" {other} "
    return _common(map("".join, pairwise(first)), map("".join, pairwise(second)))


@lru_cache(maxsize=4096)
def parts(text: str) -> list[str]:
    """Words and numbers. The list is shared: not to be changed."""
    return re.findall(r"-?\w+(?:[.:/-]\w+)*", text)


def phrases(one: str, other: str) -> float:
    return _common(parts(one), parts(other))


def places(one: str, other: str) -> int:
    """At how many places both have the same word or number, where one has several."""
    first, second = parts(one), parts(other)
    return sum(a == b for a, b in zip(first, second, strict=False)) if max(len(first), len(second)) > 1 else 0


def _among(measure: Callable[[str, str], float]) -> Callable[[Sequence[str], str], list[float]]:
    known = lru_cache(maxsize=4096)(measure)

    def ordering(options: Sequence[str], _: str) -> list[float]:
        return [round(total, 9) for total in summed(known, options)]

    return ordering


ORDERINGS = tuple(_among(measure) for measure in (blocks, steps, letters, neighbours, phrases, places))
