"""What the templates of programs share: the register, and names and numbers to fill them with."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

Both = tuple[str, list[str]]
"""A program, and others that a reader with a known misconception would have run."""

Made = str | Both


@dataclass(frozen=True)
class Template:
    topic: str
    level: int
    make: Callable[[random.Random], Made]


TEMPLATES: list[Template] = []

WORDS = (
    *("apple", "basket", "bridge", "butter", "candle", "carpet", "cloud", "copper", "desert", "dragon", "engine"),
    *("falcon", "forest", "garden", "guitar", "hammer", "island", "jacket", "kettle", "lemon", "maple", "market"),
    *("mirror", "monkey", "needle", "ocean", "orange", "parrot", "pencil", "piano", "planet", "pocket", "puzzle"),
    *("rabbit", "river", "rocket", "saddle", "silver", "spider", "stone", "summer", "table", "tiger", "tunnel"),
    *("turtle", "valley", "violin", "wagon", "walnut", "window", "winter", "yellow"),
)


def template(topic: str, level: int) -> Callable[[Callable[[random.Random], Made]], Callable[[random.Random], Made]]:
    """Registers a function that makes one program."""

    def register(make: Callable[[random.Random], Made]) -> Callable[[random.Random], Made]:
        TEMPLATES.append(Template(topic, level, make))
        return make

    return register


def numbers(rng: random.Random, count: int, low: int, high: int) -> list[int]:
    """Different numbers from low to high, both included."""
    return rng.sample(range(low, high + 1), count)


def letters(rng: random.Random, count: int) -> str:
    """Different letters, none of them easily taken for another or for a digit."""
    return "".join(rng.sample("abcdefghkmnprstuvwxyz", count))


def word(rng: random.Random) -> str:
    return rng.choice(WORDS)


def words(rng: random.Random, count: int) -> list[str]:
    """Different words."""
    return rng.sample(WORDS, count)


def quoted(texts: list[str]) -> str:
    """A list of texts as it stands in a program, in double quotes."""
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"
