"""Words and phrases that nobody has met, to be coded: no code of theirs stands in any list."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from build.drafting import words

HEADS = words("b br c cl d dr f fl g gr h j k l m n p pr qu r s st t tr v w z")
TAILS = words("l m n r s t x nd rk lt mp sh ck")
VOWELS = words("a e i o u ai ea io oo ou")

N_OPTIONS = 9
"""Wrong options of a pool."""


def word(rng: random.Random, low: int, high: int) -> str:
    """Of so many letters, made of syllables."""
    while True:
        made = ""
        while len(made) < low:
            made += rng.choice(HEADS) + rng.choice(VOWELS) + (rng.choice(TAILS) if rng.random() < 0.4 else "")
        if len(made) <= high:
            return made


def phrase(rng: random.Random, low: int, high: int) -> str:
    """Of so many letters and spaces."""
    while True:
        made = word(rng, 4, 9)
        while len(made) < low:
            made += " " + word(rng, 3, 9)
        if len(made) <= high:
            return made


def misspelt(rng: random.Random, text: str) -> str:
    """With one letter changed or two exchanged."""
    letters = list(text)
    places = [i for i, letter in enumerate(letters) if letter.isalpha()]
    if rng.random() < 0.5 and len(places) > 2:
        i, j = rng.sample(places, 2)
        letters[i], letters[j] = letters[j], letters[i]
    else:
        letters[rng.choice(places)] = rng.choice("abcdefghijklmnopqrstuvwxyz")
    return "".join(letters)


def pool(answer: str, drawn: Callable[[], str], same_length: bool = True) -> tuple[str, ...]:
    """Different wrong answers, drawn one after the other, as long as the right one unless that does not matter."""

    def fitting() -> Iterator[str]:
        for _ in range(600):
            option = drawn()
            if option != answer and (len(option) == len(answer) or not same_length):
                yield option

    found: dict[str, None] = {}
    for option in fitting():
        found.setdefault(option)
        if len(found) == N_OPTIONS:
            break
    return tuple(found)
