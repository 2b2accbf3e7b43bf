"""Technical standards: the web, characters, units, operating systems, dates. Facts: the standard library, tables."""

from __future__ import annotations

import random

from build.drafting import selected
from build.making import Question
from build.standards.codes import ascii_codes, code_points, morse, names, spelling
from build.standards.system import dates, directives, errors, modes, paper, resistors, signals
from build.standards.units import base_units, prefixes, units
from build.standards.web import entities, media_types, ports, status_codes

MAKERS = (
    *(status_codes, media_types, entities, ports),
    *(names, code_points, ascii_codes, morse, spelling),
    *(prefixes, units, base_units),
    *(signals, errors, modes, directives, dates, paper, resistors),
)


def questions(rng: random.Random) -> list[Question]:
    return selected([draft for maker in MAKERS for draft in maker(rng)], rng)
