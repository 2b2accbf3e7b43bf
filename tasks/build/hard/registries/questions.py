"""Codes, numbers and names that registries give: characters, languages, scripts, countries, currencies, publishers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from build.drafting import selected
from build.hard.registries.characters import characters, classes, controls
from build.hard.registries.codepages import codepages
from build.hard.registries.codes import countries, currencies, former, publishers
from build.hard.registries.computed import computed
from build.hard.registries.languages import bibliographic, families, languages, scripts
from build.hard.registries.regions import regions
from build.hard.registries.web import colours, entities
from build.making import HARD_LEVELS, Question

PER_LEVEL = 125

MAKERS = (
    *(characters, classes, controls, computed, codepages),
    *(languages, bibliographic, families, scripts),
    *(countries, former, regions, currencies, publishers),
    *(colours, entities),
)


def questions(rng: random.Random) -> Iterator[Question]:
    made = [draft for maker in MAKERS for draft in maker(rng)]
    for draft in selected(made, rng, PER_LEVEL, HARD_LEVELS):
        yield replace(draft, distractors=draft.distractors[:9])


def telling(options: Sequence[str]) -> bool:
    """Nothing here depends on which options stand together: each pool is of one kind."""
    return False
