"""Wrong numbers beside a right one, so near it that no estimate tells them apart."""

from __future__ import annotations

import random
from collections.abc import Iterable

Result = tuple[str, str, str, tuple[str, ...]]
"""Question, statement, answer and pool."""


def ladder(rng: random.Random, value: int, step: int = 1, rungs: int = 5) -> tuple[str, ...]:
    """Numbers on both sides at multiples of the step, none of them negative."""
    pool = [value + step * k for k in range(-rungs, rungs + 1) if k and value + step * k >= 0]
    rng.shuffle(pool)
    return tuple(map(str, pool[:8]))


def others(rng: random.Random, answer: object, values: Iterable[object]) -> tuple[str, ...]:
    """What else came out of work of the same kind, each once."""
    pool = [text for text in dict.fromkeys(map(str, values)) if text != str(answer)]
    rng.shuffle(pool)
    return tuple(pool[:8])
