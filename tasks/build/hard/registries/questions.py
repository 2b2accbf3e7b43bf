"""Codes, numbers and names that registries give: characters, languages, scripts, countries, currencies, publishers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from build.drafting import selected
from build.hard.registries.characters import characters, classes, controls
from build.hard.registries.codepages import codepages
from build.hard.registries.codes import countries, currencies, former, publishers
from build.hard.registries.computed import computed
from build.hard.registries.familiar import alphabets, signs, states, tongues
from build.hard.registries.ideographs import ideographs
from build.hard.registries.languages import bibliographic, families, languages, scripts
from build.hard.registries.multibyte import johab, multibyte
from build.hard.registries.prefixes import cards, hyphens, towns
from build.hard.registries.regions import regions
from build.hard.registries.web import colours, entities
from build.making import HARD_LEVELS, Question

PER_LEVEL = 123

MAKERS = (
    *(characters, classes, controls, computed, codepages),
    *(languages, bibliographic, families, scripts),
    *(countries, former, regions, currencies, publishers),
    *(colours, entities, alphabets, signs, states, tongues),
    *(multibyte, johab, ideographs, cards, hyphens, towns),
)


def questions(rng: random.Random) -> Iterator[Question]:
    """Each fact is asked one way only, and at one level."""
    made: dict[str, Question] = {}
    for maker in MAKERS:
        for draft in maker(rng):
            made.setdefault(draft.fact, draft)
    for draft in selected(made.values(), rng, PER_LEVEL, HARD_LEVELS):
        yield replace(draft, distractors=draft.distractors[:8])
