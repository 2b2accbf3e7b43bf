"""Chemical elements: symbols, numbers, places in the periodic table, isotopes, ions. Facts: the package periodictable.

Groups, periods, blocks and families follow from the atomic number alone: each period ends with a noble gas.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise

from build.drafting import Draft, near, selected, shuffled, which, words
from build.elements.table import BY_SYMBOL, FAMILIES, TABLE, Element, below
from build.making import Question
from build.wording import article

GASES = words("H He N O F Ne Cl Ar Kr Xe Rn")
SOLIDS = words("Li C Na Mg Al Si P S K Ca Ti Cr Mn Fe Co Ni Cu Zn Ag Sn I Pt Au Pb U W Ba")
SCARCE = {"Tc", "Pm", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Pa"}
"""Up to uranium, elements without a standard atomic weight, or with hardly any of it in nature."""

IONS = words(
    "Li+ Na+ K+ Rb+ Cs+ Ag+ Cu+ Be2+ Mg2+ Ca2+ Sr2+ Ba2+ Zn2+ Cd2+ Fe2+ Fe3+ Cu2+ Ni2+ Co2+ Mn2+ Pb2+ Hg2+ Al3+ "
    "Sc3+ Cr3+ Ga3+ Sn2+ Sn4+ F- Cl- Br- I- O2- S2- Se2- N3- P3- Ti4+ La3+ Au3+ Tl+ Bi3+ Ce4+ Ra2+"
)
ISOTOPES = words(
    "H-2 H-3 He-3 Li-6 Be-10 C-13 C-14 N-13 N-15 O-15 O-17 O-18 F-18 Na-22 Na-24 Al-26 Si-32 P-32 P-33 S-35 Cl-36 "
    "Cl-37 Ar-39 K-40 Ca-45 Cr-51 Fe-59 Co-57 Co-60 Ni-63 Cu-64 Zn-65 Ga-67 As-76 Kr-85 Rb-82 Sr-89 Sr-90 Y-90 "
    "Mo-99 Tc-99 In-111 I-123 I-125 I-131 Xe-133 Cs-137 Ir-192 Au-198 Tl-201 Pb-210 Po-210 Rn-222 Ra-226 Th-232 "
    "U-233 U-235 U-238 Np-237 Pu-239 Am-241 Cf-252"
)
METALS = words("Li Na Mg Al K Ca Ti Cr Mn Fe Co Ni Cu Zn Ag Sn Pt Au Hg Pb U Ba Ra Pu")
NONMETALS = words("H He C N O F Ne P S Cl Ar Br I Kr Xe Rn")
BLOCK_PERIODS = {"s": range(2, 8), "p": range(3, 7), "d": range(4, 6), "f": range(6, 8)}
"""Periods asked about for a block, so that no block is the answer much more often than the others."""

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")


def around(element: Element, reach: int = 4) -> list[str]:
    """Names of the neighbours by number, and above and below."""
    near_by = [e for e in TABLE if 0 < abs(e.number - element.number) <= reach]
    column = [e for e in TABLE if element.group and e.group == element.group and abs(e.period - element.period) == 1]
    return [e.name for e in near_by + column]


def alike(element: Element) -> list[str]:
    """Names of elements whose name or symbol begins alike, and of the neighbours."""
    first = [e.name for e in TABLE if e is not element and element.symbol[0] in (e.symbol[0], e.name[0].upper())]
    return first if len(first) > 3 else [*first, *around(element)]


def wrong_symbols(element: Element) -> list[str]:
    """What the symbol might be: the name's first letter with another of its letters, and symbols that begin alike."""
    letters = element.name.capitalize()
    made = [letters[0] + letter for letter in dict.fromkeys(letters[1:6])]
    real = [e.symbol for e in TABLE if e.symbol[0] in (element.symbol[0], letters[0])]
    single = [letters[0]] if len(element.symbol) == 1 or element.symbol[0] != letters[0] else []
    options = [symbol for symbol in [*single, *made, *real] if symbol != element.symbol]
    return options if len(set(options)) > 4 else [*options, *(e.symbol for e in TABLE if e.name in around(element))]


def names(rng: random.Random) -> Iterator[Draft]:
    for e in TABLE:
        question = f"What is the chemical symbol of {e.name}?"
        statement = f"The chemical symbol of {e.name} is {{}}."
        pool = shuffled(rng, wrong_symbols(e)[:7], wrong_symbols(e)[7:])
        yield Draft(f"symbol {e.symbol}", "symbol", (1, 1, 2, 3, 4)[e.fame - 1], question, statement, e.symbol, pool)
        question = f"Which element has the chemical symbol {e.symbol}?"
        statement = f"The element with the chemical symbol {e.symbol} is {{}}."
        pool = shuffled(rng, alike(e), around(e))
        yield Draft(f"symbol {e.symbol}", "name", (1, 1, 2, 2, 3)[e.fame - 1], question, statement, e.name, pool)


def order(rng: random.Random) -> Iterator[Draft]:
    for e in TABLE:
        level = 1 if e.number < 9 and e.fame == 1 else max(2, e.row_level - (e.fame == 1))
        slips = [e.number + step for step in (8, 10, 18, -8, -10, -18)]
        rng.shuffle(slips)
        question, statement = f"What is the atomic number of {e.name}?", f"The atomic number of {e.name} is {{}}."
        pool = near(rng, e.number, 1, 118, slips[:2], 5)
        yield Draft(f"number {e.symbol}", "number", level, question, statement, str(e.number), pool)
        question = f"Which element has the atomic number {e.number}?"
        statement = f"The element with the atomic number {e.number} is {{}}."
        yield Draft(f"number {e.symbol}", "numbered", level, question, statement, e.name, shuffled(rng, around(e)))
    for e, after in pairwise(TABLE):
        level = min(5, e.row_level + 1)
        question = f"Which element comes directly after {e.name} when elements are ordered by atomic number?"
        statement = f"Ordered by atomic number, the element directly after {e.name} is {{}}."
        pool = shuffled(rng, [name for name in around(after) if name != e.name])
        yield Draft(f"order {e.symbol}", "after", level, question, statement, after.name, pool)


def places(rng: random.Random) -> Iterator[Draft]:
    for e in TABLE:
        level = min(5, e.row_level + (e.fame > 2))
        if e.group and e.group != 3:
            question = f"In which group (1 to 18) of the periodic table is {e.name}?"
            statement = f"The group of {e.name} in the periodic table is {{}}."
            pool = near(rng, e.group, 1, 18, (), 4)
            yield Draft(f"group {e.symbol}", "group", max(2, level), question, statement, str(e.group), pool)
        if e.period in BLOCK_PERIODS[e.block] and e.number not in (1, 57, 89):
            question = f"In which block of the periodic table is {e.name}?"
            statement = f"In the periodic table, {e.name} is in the {{}}."
            pool = tuple(f"{block} block" for block in "spdf" if block != e.block)
            yield Draft(
                f"block {e.symbol}", "block", max(2, min(4, level)), question, statement, f"{e.block} block", pool
            )
        if e.number > 2:
            question = f"In which period (row) of the periodic table is {e.name}?"
            statement = f"The period of {e.name} in the periodic table is the {{}}."
            pool = tuple(ordinal for n, ordinal in enumerate(ORDINALS, 1) if n != e.period)
            answer = ORDINALS[e.period - 1]
            yield Draft(f"period {e.symbol}", "period", max(2, level - 1), question, statement, answer, pool)
        lower = below(e)
        if lower:
            fact, level = f"column {e.symbol}", max(2, min(5, lower.row_level + (lower.fame > 3)))
            question = f"Which element is directly below {e.name} in the periodic table?"
            statement = f"Directly below {e.name} in the periodic table is {{}}."
            pool = shuffled(rng, [name for name in around(lower) if name != e.name])
            yield Draft(fact, "below", level, question, statement, lower.name, pool)
            question = f"Which element is directly above {lower.name} in the periodic table?"
            statement = f"Directly above {lower.name} in the periodic table is {{}}."
            pool = shuffled(rng, [name for name in around(e) if name != lower.name])
            yield Draft(fact, "above", level, question, statement, e.name, pool)


def families(rng: random.Random) -> Iterator[Draft]:
    for e in TABLE:
        if e.family:
            question = f"Which family of elements does {e.name} belong to?"
            statement = f"The family of elements that {e.name} belongs to is the {{}}."
            plural = {family: family + ("es" if family.endswith("gas") else "s") for family in FAMILIES}
            pool = shuffled(rng, [plural[family] for family in FAMILIES if family != e.family])
            level = (1, 1, 2, 3, 3)[e.fame - 1] + (e.family == "transition metal" and e.fame > 1)
            yield Draft(f"family {e.symbol}", "family", level, question, statement, plural[e.family], pool)


def atoms(rng: random.Random) -> Iterator[Draft]:
    for e in TABLE:
        if e.block in "sp" and 2 < e.number <= 86 and e.group:
            outer = e.group if e.group < 3 else e.group - 10
            question = f"How many electrons are in the outermost shell of a neutral {e.name} atom?"
            statement = f"The number of electrons in the outermost shell of a neutral {e.name} atom is {{}}."
            level = 2 if e.number < 11 else 3 if e.number < 21 else 4
            pool = near(rng, outer, 1, 8, (), 4)
            yield Draft(f"outer {e.symbol}", "outer electrons", level, question, statement, str(outer), pool)
        if e.number <= 92 and e.symbol not in SCARCE and not 0.35 < e.mass % 1 < 0.65:
            mass = round(e.mass)
            question = f"What is the standard atomic weight of {e.name}, rounded to a whole number?"
            statement = f"Rounded to a whole number, the standard atomic weight of {e.name} is {{}}."
            level = max(2, e.row_level + (e.number > 2)) if e.number < 87 else 4
            pool = near(rng, mass, 1, 260, (), 6)
            yield Draft(f"weight {e.symbol}", "weight", min(5, level), question, statement, str(mass), pool)
    for text in IONS:
        sign = 1 if text[-1] == "+" else -1
        symbol = text[:-1].rstrip("234")
        charge, e = sign * int(text[len(symbol) : -1] or 1), BY_SYMBOL[symbol]
        question, statement = (
            f"How many electrons does the ion {text} have?",
            f"The number of electrons of the ion {text} is {{}}.",
        )
        slips = [e.number, e.number + charge]
        level = 3 if e.number < 11 else 4 if e.number < 31 else 5
        pool = near(rng, e.number - charge, 0, 118, slips, 4)
        yield Draft(f"ion {text}", "ion", level, question, statement, str(e.number - charge), pool)
    for text in ISOTOPES:
        e, mass = BY_SYMBOL[text.split("-")[0]], int(text.split("-")[1])
        isotope = f"{e.name}-{mass}"
        question = f"How many neutrons are in the nucleus of {isotope}?"
        statement = f"The number of neutrons in the nucleus of {isotope} is {{}}."
        level = 2 if e.number < 9 else 3 if e.number < 21 else 4 if e.number < 40 else 5
        pool = near(rng, mass - e.number, 0, 160, [e.number, mass], 4)
        yield Draft(f"isotope {text}", "neutrons", level, question, statement, str(mass - e.number), pool)


def picks(rng: random.Random) -> Iterator[Draft]:
    """Questions that name four elements, one of which has a property."""
    kinds: list[tuple[str, str, int, list[Element], list[Element]]] = []
    known = [e for e in TABLE if e.fame < 4]
    gases, solids = [BY_SYMBOL[s] for s in GASES], [BY_SYMBOL[s] for s in SOLIDS]
    kinds.append(("is a gas at room temperature and normal pressure", "gas", 1, gases, solids))
    liquids = [BY_SYMBOL["Hg"], BY_SYMBOL["Br"]]
    kinds.append(("is a liquid at room temperature and normal pressure", "liquid", 1, liquids, gases + solids))
    for family in ("noble gas", "halogen", "alkali metal", "alkaline earth metal"):
        members = [e for e in known if e.family == family]
        others = [
            e for e in known if e.family not in (family, "") or e.symbol in ("C", "N", "O", "S", "P", "Al", "Sn", "Pb")
        ]
        kinds.append((f"is {article(family)}", family, 1 if family != "alkaline earth metal" else 2, members, others))
    metals, nonmetals = [BY_SYMBOL[s] for s in METALS], [BY_SYMBOL[s] for s in NONMETALS]
    kinds.append(("is a metal", "metal", 1, metals, nonmetals))
    for text, fact, level, members, others in kinds:
        for e in members:
            four = [e, *rng.sample(others, 3)]
            yield which(rng, f"{fact} {e.symbol}", "pick", level, [o.name for o in four], text, f"the one that {text}")
    yield from _compared(rng, "density", lambda e: e.density, 1.25, "is the densest", _weighable())
    yield from _compared(
        rng, "heavier", lambda e: e.mass, 1.0, "has the heaviest atoms", [e for e in TABLE if e.number < 93]
    )


def _weighable() -> list[Element]:
    """Solids whose density is known well."""
    return [e for e in TABLE if e.symbol in SOLIDS and e.symbol not in ("C", "P", "S", "I")] + [
        BY_SYMBOL[s] for s in words("Be Sc V Zr Nb Mo Pd Cd In Sb Bi Ta Re Os Ir Rh Th Hf Y Sr Rb Ga Ge")
    ]


def _compared(
    rng: random.Random,
    topic: str,
    key: Callable[[Element], float | None],
    ratio: float,
    text: str,
    among: list[Element],
) -> Iterator[Draft]:
    seen = set()
    for _ in range(400):
        four = sorted(rng.sample(among, 4), key=lambda e: key(e) or 0)
        values = [key(e) or 0 for e in four]
        fact = f"{topic} {' '.join(sorted(e.symbol for e in four))}"
        if (
            fact in seen
            or values[3] < ratio * values[2]
            or (topic == "heavier" and four[3].number - four[2].number < 2)
        ):
            continue
        seen.add(fact)
        close = values[3] < (1.7 if topic == "density" else 1.3) * values[2]
        level = min(5, max(max(e.fame for e in four) - 1, 1) + close + (topic == "density"))
        named = [e.name for e in (four[3], *four[:3])]
        yield which(rng, fact, topic, level, named, text, f"the element that {text}")


def questions(rng: random.Random) -> list[Question]:
    makers = (names, order, places, families, atoms, picks)
    return selected([draft for maker in makers for draft in maker(rng)], rng)
