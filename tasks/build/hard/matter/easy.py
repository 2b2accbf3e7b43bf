"""The easiest questions of the task: counting in a nucleus or a formula, halvings, two units, metals far apart."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from build.drafting import Draft, which, words
from build.hard.matter.formulas import counted
from build.hard.matter.nuclear.nuclides import FAMOUS
from build.hard.matter.pools import sets
from build.hard.matter.sources import atoms, nuclides

FORMULAS = words(
    "Ca(OH)2 Al2(SO4)3 Mg3(PO4)2 (NH4)2SO4 Fe(NO3)3 Ca(HCO3)2 C6H12O6 C12H22O11 K2Cr2O7 Na2CO3 Ba(NO3)2 (NH4)3PO4 "
    "Pb(CH3COO)2 C8H10N4O2 Cu(OH)2 Al(OH)3 C2H5OH H2SO4 Fe2(SO4)3 CH3COOH Zn(ClO3)2 Mg(HSO4)2 C9H8O4 Na2S2O3 Ca3(PO4)2"
)
MEASURES = (
    ("pound of avoirdupois weight", "pounds", "ounces", 16),
    ("stone", "stone", "pounds", 14),
    ("fathom", "fathoms", "feet", 6),
    ("gross", "gross", "dozens", 12),
    ("imperial gallon", "imperial gallons", "pints", 8),
    ("furlong", "furlongs", "yards", 220),
    ("mile", "miles", "furlongs", 8),
    ("troy pound", "troy pounds", "troy ounces", 12),
    ("chain", "chains", "yards", 22),
    ("pennyweight", "pennyweights", "grains", 24),
    ("hundredweight of 112 pounds", "hundredweight of 112 pounds each", "stone", 8),
    ("nautical mile", "nautical miles", "metres", 1852),
)
SIMPLE_IONS = words(
    "Na:+1 Mg:+2 Al:+3 K:+1 Ca:+2 Cl:-1 S:-2 O:-2 F:-1 N:-3 Br:-1 Fe:+3 Zn:+2 Ag:+1 Cu:+2 I:-1 Ba:+2 Sc:+3 Ti:+4 P:-3"
)
METALS = words(
    "lithium sodium magnesium aluminium potassium calcium titanium iron copper zinc silver tin tungsten platinum "
    "gold mercury lead nickel chromium gallium"
)


def _beside(rng: random.Random, right: int, steps: tuple[int, ...]) -> tuple[str, ...]:
    pool = [right + sign * step for step in steps for sign in (1, -1) if right + sign * step > 0]
    rng.shuffle(pool)
    return tuple(dict.fromkeys(map(str, pool)))


def simple(rng: random.Random) -> Iterator[Draft]:
    table = {f"{n.symbol}-{n.count}": n for n in nuclides().values()}
    for key in rng.sample([key for key in FAMOUS if table[key].count > 12], 30):
        n = table[key]
        right = n.count - n.number
        question = f"How many neutrons has a nucleus of {n.name}?"
        statement = f"The number of neutrons of a nucleus of {n.name} is {{}}."
        yield Draft(
            f"neutrons {n.name}",
            "neutrons of a nucleus",
            6,
            question,
            statement,
            str(right),
            _beside(rng, right, (1, 2, 3, 4)),
        )
    for formula in FORMULAS:
        right = sum(counted(formula).values())
        question, statement = f"How many atoms has {formula}?", f"The number of atoms of {formula} is {{}}."
        yield Draft(
            f"atoms {formula}",
            "atoms of a formula",
            6,
            question,
            statement,
            str(right),
            _beside(rng, right, (1, 2, 3, 4)),
        )
    for halvings in range(2, 7):
        for life in (3, 8, 12, 14, 25, 30):
            start = 2**halvings * rng.choice((3, 5, 10, 15, 25))
            right = start >> halvings
            given = f"A sample has {start} g of a nuclide with a half-life of {life} days."
            what = f"How many grams of the nuclide are left after {life * halvings} days?"
            pool = [right * 2, right * 4, right + 1, right + 2, right + 5, right - 1, right - 2, right * 3]
            pool += [right // 2] if right % 2 == 0 else []
            texts = tuple(dict.fromkeys(f"{n} g" for n in pool if n > 0 and n != right))
            statement = f"{given} After {life * halvings} days, what is left of the nuclide is {{}}."
            yield Draft(
                f"halving {start} {life} {halvings}", "halvings", 6, f"{given} {what}", statement, f"{right} g", texts
            )
    for one, many, small, times in MEASURES:
        count = rng.randint(3, 12)
        right = count * times
        reach = (times, 2 * times, 10, 20) if times < 30 else (times, 100, 200, 2 * times)
        question = f"How many {small} are {count} {many}?"
        statement = f"The number of {small} in {count} {many} is {{}}."
        yield Draft(f"simple {one}", "simple measures", 6, question, statement, str(right), _beside(rng, right, reach))
    for symbol, charge in (part.split(":") for part in SIMPLE_IONS):
        number = next(a.number for a in atoms().values() if a.symbol == symbol)
        right = number - int(charge)
        ion = f"{symbol}{charge[1:].replace('1', '')}{charge[0]}"
        question = f"How many electrons has the ion {ion}?"
        statement = f"The number of electrons of the ion {ion} is {{}}."
        pool = list(
            dict.fromkeys([number, number + int(charge), right + 1, right - 1, right + 2, right - 2, right + 8])
        )
        pool = [n for n in pool if n != right and n > 0]
        rng.shuffle(pool)
        yield Draft(f"ion {ion}", "simple ion", 6, question, statement, str(right), tuple(map(str, pool)))
    values = {a.name: a.melts for a in atoms().values() if a.name in METALS and a.melts}
    for four in sets(rng, values, 600, lambda v: v[3] - v[2] > 500 and all(a < b for a, b in pairwise(v))):
        text = "melts at the highest temperature"
        names = (four[3], *four[:3])
        yield which(rng, f"melts {' '.join(sorted(four))}", "plain melting", 6, names, text, f"the metal that {text}")


MAKERS = (simple,)
