"""The periodic table: names, symbols, masses and densities from periodictable; places follow from the numbers alone."""

from __future__ import annotations

from dataclasses import dataclass

import periodictable

NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)
FAME = (
    "H He C N O Na Cl Ca Fe Cu Ag Au",
    "F Ne Mg Al Si P S K Ti Ni Zn Sn I Pt Hg Pb U",
    "Li Be B Ar Cr Mn Co As Br Kr W Xe Rn Ra Pu Ba Cd Sb Sr Bi",
    "Sc V Ga Ge Se Rb Y Zr Nb Mo Pd In Te Cs Ce Nd Os Ir Tl Po At Th Am Cm Es",
)
"""How well known an element is: everyday names first; the others come last."""

SPELLINGS = {"aluminum": "aluminium", "cesium": "caesium"}
"""IUPAC's spellings where the package has others."""


@dataclass(frozen=True)
class Element:
    """number: 1..118. fame: 1 (everyday) to 5. group: 1..18, None for the f block. block: s, p, d or f.

    family: "" where textbooks differ, or it has no name in use.
    """

    number: int
    symbol: str
    name: str
    mass: float
    density: float | None
    fame: int
    period: int
    group: int | None
    block: str
    family: str

    @property
    def row_level(self) -> int:
        """How hard it is to place in the table: later rows are known by fewer people."""
        return 1 + sum(self.number > last for last in (10, 20, 36, 86))


def _element(number: int) -> Element:
    raw = periodictable.elements[number]
    period = next(p for p in range(1, 8) if number <= NOBLE[p])
    after, before = number - NOBLE[period - 1], NOBLE[period] - number
    long = NOBLE[period] - NOBLE[period - 1] == 32
    group: int | None
    if after <= 2 and number != 2:
        group, block = after, "s"
    elif before <= 5:
        group, block = 18 - before, "s" if number == 2 else "p"
    elif long and after <= 16:
        group, block = None, "f"
    else:
        group, block = 18 - before, "d"
    return Element(
        number=number,
        symbol=raw.symbol,
        name=SPELLINGS.get(raw.name, raw.name),
        mass=raw.mass,
        density=raw.density,
        fame=next((rank for rank, symbols in enumerate(FAME, 1) if raw.symbol in symbols.split()), 5),
        period=period,
        group=group,
        block=block,
        family=_family(number, period, group, block),
    )


def _family(number: int, period: int, group: int | None, block: str) -> str:
    """Its family where textbooks agree; left out: lanthanum, lutetium, actinium, lawrencium, group 12, the heaviest."""
    if group is None:
        return "" if number in (57, 89) else "lanthanide" if period == 6 else "actinide"
    if group == 1 and number > 1:
        return "alkali metal"
    if number > 108 or number in (71, 103):
        return ""
    fixed = {2: "alkaline earth metal", 17: "halogen", 18: "noble gas"}
    return fixed.get(group, "transition metal" if block == "d" and 4 <= group <= 11 else "")


TABLE = [_element(number) for number in range(1, 119)]
BY_SYMBOL = {element.symbol: element for element in TABLE}
FAMILIES = (
    "alkali metal",
    "alkaline earth metal",
    "transition metal",
    "lanthanide",
    "actinide",
    "halogen",
    "noble gas",
)


def below(element: Element) -> Element | None:
    """The next element of its group; None where the table's drawings differ (group 3) or it ends."""
    if element.group in (None, 3):
        return None
    return next((e for e in TABLE if e.group == element.group and e.period == element.period + 1), None)
