"""Nuclides, elements, compounds, sky, constants and old measures: what stands in tables, and exact work with it.

Levels: 6 what a student of the subject knows; 7 what a specialist knows; 8 the same of rare things, or orders of four;
9 and 10 values and orders that are looked up, with wrong answers that lie closer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from build.drafting import selected
from build.hard.matter import atoms, constants, formulas, measures, nuclides, sky
from build.making import HARD_LEVELS, N_CHOICES, Question
from build.wording import listed

PER_LEVEL = 126

N_POOL, LONG = 8, 16
"""Wrong answers kept; one less where they are long texts, whose likeness takes long to measure."""

TOPICS = {
    "half-lives": ("half-life", "half-lives in order", "longest-lived"),
    "decays": ("daughter", "decay series"),
    "isotopes": ("isotopes by share", "natural share", "stable isotope"),
    "masses and sizes of atoms": ("atomic mass", "covalent radius"),
    "melting and boiling": ("boiling points", "boiling points in order", "melting points", "melting points in order"),
    "energies of atoms": (
        "electron affinity",
        "electronegativity in order",
        "ionization energy",
        "ionization in order",
    ),
    "ground states": ("ground term", "unpaired electrons"),
    "compounds": ("electrons of an ion", "molar mass", "neutrons of a compound", "share of the mass"),
    "stars": (
        "brightest star",
        "furthest north",
        "star's constellation",
        "stars by declination",
        "stars by right ascension",
        "stars' separation",
    ),
    "constellations": ("bordering", "not bordering", "point of the sky"),
    "constants": ("constant of physics",),
    "old measures": ("measures in all units", "measures in the smallest unit", "measures multiplied"),
}
"""The kinds of question, which are dealt evenly, as they are counted in the files."""

NAMING = ("boiling points", "melting points", "longest-lived", "brightest star", "furthest north", "not bordering")
"""Kinds that name the four options; their answers are named in turn first, second, third and last."""

TOPIC = {kind: topic for topic, kinds in TOPICS.items() for kind in kinds}


def telling(options: Sequence[str]) -> bool:
    """Whatever stands in a pool may stand beside whatever else."""
    return False


def _mentioned(draft: Question, place: int) -> Question:
    """A question that names its four options, with the answer named at a place of the four."""
    names = [draft.answer, *draft.distractors]
    if len(names) != N_CHOICES or any(f" {name}" not in draft.question for name in names):
        return draft
    order = list(draft.distractors)
    order.insert(place, draft.answer)
    before = listed(sorted(names, key=lambda name: draft.question.index(f" {name}")))
    question, statement = (text.replace(before, listed(order)) for text in (draft.question, draft.statement))
    return replace(draft, question=question, statement=statement)


def questions(rng: random.Random) -> Iterator[Question]:
    makers = (*nuclides.MAKERS, *atoms.MAKERS, *formulas.MAKERS, *sky.MAKERS, *constants.MAKERS, *measures.MAKERS)
    places = [place % N_CHOICES for place in range(len(HARD_LEVELS) * PER_LEVEL)]
    for draft in selected([draft for maker in makers for draft in maker(rng)], rng, PER_LEVEL, HARD_LEVELS):
        if draft.topic in NAMING:
            draft = _mentioned(draft, places.pop())
        n_pool = N_POOL if len(draft.answer) < LONG else N_POOL - 1
        yield replace(draft, topic=TOPIC[draft.topic], distractors=draft.distractors[:n_pool])
