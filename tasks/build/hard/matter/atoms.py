"""Elements as atoms and as solids: melting and boiling points, energies, radii, ground states."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import pairwise

from build.drafting import Draft, which, words
from build.hard.matter.pools import digits, ordered, scattered, sets
from build.hard.matter.sources import Atom, atoms
from build.hard.matter.terms import level_text, plain, unpaired, wrong_levels

KNOWN = words("Li Na Mg Al K Ca Ti Cr Mn Fe Co Ni Cu Zn Ag Sn W Pt Au Hg Pb U Cd Be Mo Bi Sb In Ga")
ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
BOILING_DISPUTED = words("Y Pr Gd Tb Er Ho W Re Pu U Th")
"""Metals for whose boiling points other tables have values that lie far apart."""

P_BLOCK = {n for noble in (10, 18, 36, 54, 86) for n in range(noble - 5, noble + 1)}
SEVERAL_RADII = words("C Mn Fe Co")
"""Elements for which the source of the radii has several, by hybridization or spin."""


def _metals() -> list[Atom]:
    left = words("H He B C N O F Ne Si P S Cl Ar As Se Br Kr Te I Xe At Rn Ge Fr Ra Ac Pa Np Am Cm Bk Cf Es Pm Po Tc")
    return [a for a in atoms().values() if a.symbol not in left]


def heat(rng: random.Random) -> Iterator[Draft]:
    for key, gap in (("melts", 60), ("boils", 150)):
        verb, topic = key, f"{key[:-1]}ing points"
        left = BOILING_DISPUTED if key == "boils" else ()
        values = {a.name: getattr(a, key) for a in _metals() if getattr(a, key) and a.symbol not in left}
        common = {a.name: values[a.name] for a in _metals() if a.symbol in KNOWN and a.name in values}
        rare = {name: value for name, value in values.items() if name not in common}
        for level, among in ((6, common), (7, rare)):
            for four in sets(rng, among, 1500, lambda v, gap=gap: v[1] > v[0] + gap and gap < v[3] - v[2] < 500):
                fact = f"{key} {' '.join(sorted(four))}"
                if rng.random() < 0.5:
                    names, text = (four[3], *four[:3]), f"{verb} at the highest temperature"
                else:
                    names, text = four, f"{verb} at the lowest temperature"
                yield which(rng, fact, topic, level, names, text, f"the metal that {text}")
        for level, among in ((7, common), (8, rare)):
            close = sets(rng, among, 6000, lambda v, gap=gap: all(gap < b - a < 8 * gap for a, b in pairwise(v)))
            for four in close:
                fact = f"{key} order {' '.join(sorted(four))}"
                ask, say = (
                    f"by {verb[:-1]}ing point, the lowest first",
                    f"by {verb[:-1]}ing point, from the lowest to the highest,",
                )
                yield ordered(rng, fact, f"{topic} in order", level, four, ask, say)


def ionization(rng: random.Random) -> Iterator[Draft]:
    table = [a for a in atoms().values() if 3 < a.number < 93]
    first = {a.name: a.energies[1] for a in table if 1 in a.energies}
    heavy = {a.name: a.energies[1] for a in table if 1 in a.energies and a.number > 36}
    for level, among, gap in ((7, first, 1.05), (8, heavy, 1.05)):
        close = sets(rng, among, 4000, lambda v, gap=gap: all(gap < b / a < 1.35 for a, b in pairwise(v)))
        for four in close:
            fact = f"ionization {' '.join(sorted(four))}"
            ask, say = (
                "by first ionization energy, the lowest first",
                "by first ionization energy, from the lowest to the highest,",
            )
            yield ordered(rng, fact, "ionization in order", level, four, ask, say)
    for a in table:
        for n, energy in a.energies.items():
            if n == 1 or n > 5:
                continue
            level = 8 if a.number < 31 else 9 if n == 2 else 10
            steps = {8: (0.05, 0.1, 0.17, 0.25), 9: (0.04, 0.08, 0.13, 0.2), 10: (0.025, 0.055, 0.09, 0.13)}[level]
            pool = scattered(rng, energy, steps, lambda v: f"{digits(v)} eV", factors=True)
            question = f"What is the {ORDINALS[n]} ionization energy of {a.name}?"
            statement = f"The {ORDINALS[n]} ionization energy of {a.name} is {{}}."
            yield Draft(
                f"energy {a.symbol}", "ionization energy", level, question, statement, f"{digits(energy)} eV", pool
            )


def sizes(rng: random.Random) -> Iterator[Draft]:
    for a in atoms().values():
        if not a.radius or a.symbol in SEVERAL_RADII or a.number < 5:
            continue
        level = 9 if a.number < 56 else 10
        steps = (4, 9, 14, 20) if level == 9 else (3, 6, 10, 15)
        pool = scattered(rng, a.radius, steps, lambda v: f"{v:.0f} pm")
        question = f"What is the single-bond covalent radius of {a.name} according to Cordero and others (2008)?"
        statement = f"According to Cordero and others (2008), the single-bond covalent radius of {a.name} is {{}}."
        pool = tuple(text for text in pool if abs(int(text.split()[0]) - a.radius) > 1)
        yield Draft(f"radius {a.symbol}", "covalent radius", level, question, statement, f"{a.radius} pm", pool)


def attraction(rng: random.Random) -> Iterator[Draft]:
    values = {a.name: a.negativity for a in atoms().values() if a.negativity and 2 < a.number < 84}
    for four in sets(rng, values, 1500, lambda v: all(0.06 < b - a < 0.5 for a, b in pairwise(v))):
        fact = f"negativity {' '.join(sorted(four))}"
        ask, say = (
            "by electronegativity on Pauling's scale, the lowest first",
            "by electronegativity on Pauling's scale, from the lowest to the highest,",
        )
        level = 8 if len([a for a in atoms().values() if a.name in four and a.number > 36]) > 1 else 7
        yield ordered(rng, fact, "electronegativity in order", level, four, ask, say)


def ground_states(rng: random.Random) -> Iterator[Draft]:
    for a in atoms().values():
        if a.number < 5 or a.number > 98:
            continue
        count = unpaired(a.configuration)
        if count is not None and a.configuration:
            level = 6 if a.number < 57 else 7
            question = f"How many unpaired electrons has a neutral atom of {a.name} in its ground state?"
            statement = f"The number of unpaired electrons of a neutral atom of {a.name} in its ground state is {{}}."
            pool = [n for n in (count - 1, count + 1, count + 2, count - 2, count + 3, count - 3) if n >= 0]
            yield Draft(
                f"unpaired {a.symbol}",
                "unpaired electrons",
                level,
                question,
                statement,
                str(count),
                tuple(map(str, pool)),
            )
        for charge, (configuration, term) in sorted(a.terms.items()):
            text = level_text(configuration, term)
            simple = plain(configuration) and (charge > 1 or a.number in P_BLOCK)
            if text is None or charge > 3 or (charge and not simple):
                continue
            level = 6 if charge == 0 and a.number < 31 else 7 if a.number < 57 else 8
            ion = f"{a.symbol}{'' if charge == 1 else charge}+"
            subject = f"the neutral {a.name} atom" if charge == 0 else f"the free ion {ion}"
            question = f"What is the term symbol, with J, of the ground state of {subject}?"
            statement = f"The term symbol, with J, of the ground state of {subject} is {{}}."
            pool = wrong_levels(rng, text)
            if len(pool) >= 7 and not re.search(r"1S0|2S\(1/2\)", text):
                yield Draft(f"term {a.symbol}", "ground term", level, question, statement, text, pool)


MAKERS = (heat, ionization, sizes, attraction, ground_states)
