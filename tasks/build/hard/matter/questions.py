"""Nuclides, elements, compounds, sky, constants and old measures: what stands in tables, and exact work with it.

Levels: 6 what a student of the subject knows; 7 the same of rarer things, and orders of four; 8 values and orders that
are looked up, or worked out at length from laws or from given data; 9 small models in whole numbers, run for 60 to 250
dependent updates; 10 the same models, larger and run for thousands of updates without a shorter way.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from build.drafting import selected
from build.hard.matter import atoms, constants, easy, formulas, heavens, measures, sky
from build.hard.matter.nuclear import chains, exotic, nuclides, radiation
from build.hard.matter.simulated import flows, lattices, models
from build.making import HARD_LEVELS, N_CHOICES, Question
from build.wording import listed

PER_LEVEL = 126

N_POOL, LONG = 8, 16
"""Wrong answers kept; one less where they are long texts, whose likeness takes long to measure."""


def _models(*kinds: str) -> tuple[str, ...]:
    """Kinds that are asked at the two highest levels."""
    return tuple(f"{kind} {level}" for kind in kinds for level in (9, 10))


TOPICS = {
    "half-lives": ("half-life", "half-lives in order", "longest-lived"),
    "decays": ("daughter", "decay series", "halvings", "series of few", "series of many"),
    "isotopes": (
        "clusters",
        "small clusters",
        "isotopes by share",
        "natural share",
        "neutrons of a nucleus",
        "stable isotope",
    ),
    "masses of nuclei": ("atomic mass", "binding energy", "exotic mass", "neutrons in order", "nuclear energy"),
    "melting and boiling": (
        "boiling points",
        "boiling points in order",
        "melting points",
        "melting points in order",
        "plain melting",
    ),
    "energies and sizes of atoms": (
        "covalent radius",
        "electronegativity in order",
        "high ionization",
        "ionization energy",
        "ionization in order",
    ),
    "ground states": ("ground term", "unpaired electrons"),
    "radiation": ("scattering factor f1", "scattering factor f2"),
    "compounds": (
        "atoms of a formula",
        "electrons of an ion",
        "molar mass",
        "neutrons of a compound",
        "simple ion",
        "share of the mass",
    ),
    "grains and growth": _models("sandpile", "deposit", "crystal", "percolation"),
    "motion and flow": _models("orbit", "convection", "tanks", "reaction"),
    "particles": _models("particle", "gas", "channel", "polymer"),
    "spins and mirrors": _models("spins", "mirrors"),
    "stars": (
        "brightest star",
        "furthest north",
        "height of stars",
        "star's constellation",
        "stars by declination",
        "stars by right ascension",
        "stars' separation",
    ),
    "moons": ("moon's constellation", "moon's distance", "moons of Jupiter"),
    "constellations": ("bordering", "not bordering", "point of the sky"),
    "constants": ("constant of physics",),
    "old measures": (
        "measures in all units",
        "measures in the smallest unit",
        "measures multiplied",
        "simple measures",
    ),
}
"""The kinds of question, which are dealt evenly, as they are counted in the files."""

NAMING = (
    *("boiling points", "melting points", "plain melting", "longest-lived", "brightest star", "furthest north"),
    *("not bordering", "binding energy", "moon's distance"),
)
"""Kinds that name the four options; their answers are named in turn first, second, third and last."""

TOPIC = {kind: topic for topic, kinds in TOPICS.items() for kind in kinds}


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


OLD = (nuclides, atoms, formulas, sky, constants, measures)
NEW = (easy, chains, exotic, radiation, heavens, models, lattices, flows)
SHIFTED = {6: 6, 7: 7, 8: 7, 9: 8, 10: 8}
"""From the five steps of the first makers, the higher of which people who know the subject still take."""

EASIER = (
    *("stable isotope", "isotopes by share", "melting points", "boiling points", "longest-lived"),
    *("measures in all units", "neutrons of a compound"),
)
"""Kinds whose second step still is of the first level."""


def _drafts(rng: random.Random) -> Iterator[Question]:
    for module in OLD:
        for maker in module.MAKERS:
            for draft in maker(rng):
                level = 6 if draft.level == 7 and draft.topic in EASIER else SHIFTED[draft.level]
                yield replace(draft, level=level)
    for module in NEW:
        for maker in module.MAKERS:
            yield from maker(rng)


def questions(rng: random.Random) -> Iterator[Question]:
    places = [place % N_CHOICES for place in range(len(HARD_LEVELS) * PER_LEVEL)]
    for draft in selected(list(_drafts(rng)), rng, PER_LEVEL, HARD_LEVELS):
        if draft.topic in NAMING:
            draft = _mentioned(draft, places.pop())
        n_pool = N_POOL if len(draft.answer) < LONG else N_POOL - 1
        yield replace(draft, topic=TOPIC[draft.topic], distractors=draft.distractors[:n_pool])
