"""Compatibility ideographs: which ideograph Unicode decomposes each of them to."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator

from build.drafting import Draft, shuffled
from build.hard.registries.characters import shown
from build.hard.registries.tables.multibyte import CLOSE, WIDE, window

BLOCKS = ((9, 0xF900, 0xFA0D, WIDE), (9, 0xFA70, 0xFAD9, WIDE), (10, 0x2F800, 0x2FA1D, CLOSE))
"""Level, first and last code point, and how far off the wrong options stand."""

PER_BLOCK = {0xF900: 14, 0xFA70: 6, 0x2F800: 20}


def decomposed(point: int) -> str:
    return unicodedata.normalize("NFD", chr(point))


def ideographs(rng: random.Random) -> Iterator[Draft]:
    every = [point for _, first, last, _ in BLOCKS for point in range(first, last + 1)]
    targets = [decomposed(point) for point in every]
    for level, first, last, steps in BLOCKS:
        run = [point for point in range(first, last + 1) if decomposed(point) != chr(point)]
        stretch = (len(run) - 40) // PER_BLOCK[first]
        for index in range(PER_BLOCK[first]):
            place = 20 + index * stretch + rng.randrange(max(1, stretch - 6))
            point, right = run[place], decomposed(run[place])
            near = window(rng, place, (*steps, *(steps[-1] + step for step in (1, 2, 3))), len(run))
            if index % 2 and targets.count(right) == 1:
                named = f"CJK compatibility ideograph with the canonical decomposition {right} ({shown(ord(right))})"
                question = f"What is the code point of the {named}?"
                statement = f"The code point of the {named} is {{}}."
                answer, wrong = shown(point), [shown(run[other]) for other in near]
            else:
                question = f"What is the canonical decomposition of the CJK compatibility ideograph {shown(point)}?"
                statement = f"The canonical decomposition of the CJK compatibility ideograph {shown(point)} is {{}}."
                answer, wrong = right, [decomposed(run[other]) for other in near]
            yield Draft(
                f"character {point:X}", "decomposition", level, question, statement, answer, shuffled(rng, wrong)
            )
