"""Codes, numbers and names that registries give, and codes that published rules compute.

Characters, languages, scripts, countries, currencies, publishers up to level 8; checksums, digests, packed texts above.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from build.drafting import selected
from build.hard.registries.characters import characters, classes, controls
from build.hard.registries.codes import countries, currencies, former, publishers
from build.hard.registries.computed import computed
from build.hard.registries.familiar import alphabets, signs, states, tongues
from build.hard.registries.languages import bibliographic, families, languages, scripts
from build.hard.registries.regions import regions
from build.hard.registries.rules.checks import adlers, check_digits, crc16s, crc32s, table_hashes
from build.hard.registries.rules.digests import accepting, blobs, derived, identifiers, keyed, passwords, plain
from build.hard.registries.rules.packed import bases, huffman, lempel_ziv, punycodes, reed_solomon
from build.hard.registries.rules.streams import blocks, ciphers, nonlinear, registers, small_tables, twisters
from build.hard.registries.tables.codepages import codepages
from build.hard.registries.tables.ideographs import ideographs
from build.hard.registries.tables.multibyte import johab, multibyte
from build.hard.registries.tables.prefixes import cards, hyphens, towns
from build.hard.registries.web import colours, entities
from build.making import HARD_LEVELS, Question

PER_LEVEL = 123

SETTLED = {8: 7, 9: 8, 10: 8}
"""No list is obscure enough to be above level 8: the makers' finer steps come together."""

MAKERS = (
    *(characters, classes, controls, computed, codepages),
    *(languages, bibliographic, families, scripts),
    *(countries, former, regions, currencies, publishers),
    *(colours, entities, alphabets, signs, states, tongues),
    *(multibyte, johab, ideographs, cards, hyphens, towns),
)
"""Of what registries list."""

COMPUTED = (
    *(crc16s, crc32s, adlers, check_digits, table_hashes),
    *(punycodes, bases, lempel_ziv, huffman, reed_solomon),
    *(registers, nonlinear, small_tables, ciphers, twisters, blocks),
    *(plain, identifiers, keyed, derived, passwords, accepting, blobs),
)
"""Of what follows rules that registries and standards publish: levels 9 and 10."""


def questions(rng: random.Random) -> Iterator[Question]:
    """Each fact is asked one way only, and at one level."""
    made: dict[str, Question] = {}
    for maker in MAKERS:
        for draft in maker(rng):
            level = SETTLED.get(draft.level, draft.level) if draft.topic != "Johab" else 8
            made.setdefault(draft.fact, replace(draft, level=level))
    for maker in COMPUTED:
        for draft in maker(rng):
            made.setdefault(draft.fact, draft)
    for draft in selected(made.values(), rng, PER_LEVEL, HARD_LEVELS):
        yield replace(draft, distractors=draft.distractors[:8])
