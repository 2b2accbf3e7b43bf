"""Wrong numbers so close to the answer that no estimate and no partial work tells them from it."""

from __future__ import annotations

import random
from collections.abc import Sequence

N_SIDE = 4
"""Numbers wanted on each side of the answer."""

STEPS = ((200_000, 1980), (9_000, 180), (2_500, 36), (900, 12), (250, 6), (60, 2))
"""From what size on the options are a multiple of what apart: they leave the same remainders by 2, 3, 5, 9 or 11."""


def close(rng: random.Random, answer: int, low: int = 0, high: int = 10**12, step: int = 0) -> tuple[str, ...]:
    """A pool on both sides of the answer, in random order, as far as low..high has room."""
    step = step or next((step for size, step in STEPS if answer >= size), 1)
    reach = 7 if answer > 40 else 5
    pool = [
        value
        for sign in (-1, 1)
        for value in [answer + sign * step * k for k in rng.sample(range(1, reach + 1), N_SIDE)]
        if low <= value <= high
    ]
    rng.shuffle(pool)
    return tuple(map(str, pool))


def uniform(rng: random.Random, values: Sequence[int]) -> int:
    """An index: each different value is equally likely, so that the mean is no better a guess than another value."""
    value = rng.choice(sorted(set(values)))
    return rng.choice([i for i, other in enumerate(values) if other == value])
