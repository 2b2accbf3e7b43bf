"""Every item of the bundled task `matter`, answered again from its text by other packages and other ways of working."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import molmass
import numpy as np
import periodictable
import pint
import pytest
from bundled.hard.answers import matter_models as models
from bundled.hard.answers import matter_worked as worked

PARTS = ("matter.jsonl", "matter.train.jsonl")
SPELLINGS = {"aluminum": "aluminium", "cesium": "caesium"}
NUMBER = {SPELLINGS.get(e.name, e.name): e.number for e in periodictable.elements if e.number}
SECONDS = {"years": 31556926.0, "days": 86400.0, "hours": 3600.0, "minutes": 60.0}


def rows(root: Path, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "tasks" / "hard" / part).read_text(encoding="utf-8").splitlines()]


def folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def number(text: str) -> float:
    match = re.match(r"[\d,]+(?:\.\d+)?", text)
    assert match, text
    power = re.search(r"10\^(-?\d+)", text)
    return float(match[0].replace(",", "")) * 10.0 ** (int(power[1]) if power else 0)


def nearest(choices: list[str], value: float, share: float, rival: float = 2.0) -> str:
    """The choice that a value rounds to: within a share of it, every other `rival` times as far off or more."""
    ranked = sorted((abs(number(c) - value), c) for c in choices)
    assert ranked[0][0] <= share * abs(value), (choices, value)
    assert ranked[1][0] > rival * ranked[0][0], (choices, value)
    return ranked[0][1]


# Nuclides: actigamma's decay library, molmass's shares, periodictable's masses.


@lru_cache(maxsize=1)
def decays() -> dict[tuple[int, int], tuple[float, frozenset[str]]]:
    text = (folder("actigamma") / "data" / "lines_decay_2012.min.json").read_text(encoding="utf-8")
    found = {}
    for entry in json.loads(text).values():
        nucleus, state = divmod(entry["zai"], 10)
        if not state:
            found[divmod(nucleus, 1000)] = entry["halflife"], frozenset(entry)
    return found


def nucleus(name: str) -> tuple[int, int]:
    element, count = name.rsplit("-", 1)
    return NUMBER[element], int(count)


def life(name: str) -> float:
    return decays()[nucleus(name)][0]


def named(charge: int, count: int) -> str:
    return f"{next(name for name, n in NUMBER.items() if n == charge)}-{count}"


def daughter(item: dict[str, Any], name: str) -> str:
    charge, count = nucleus(name)
    steps = {"beta": (1, 0), "ec": (-1, 0), "alpha": (-2, -4)}
    ways = [step for kind, step in steps.items() if kind in decays()[charge, count][1]]
    assert len(ways) == 1, name
    return named(charge + ways[0][0], count + ways[0][1])


def remaining(item: dict[str, Any], name: str, said: str) -> str:
    charge, count = nucleus(name)
    kinds = (("alpha particle", 2, 4), ("electron", -1, 0), ("positron", 1, 0), ("single neutron", 0, 1))
    emitted = [
        (int(n), kind) for n, kind in re.findall(r"(\d+) ((?:\w| )*?)s?(?: in beta-minus decays)?(?:,|$| and)", said)
    ]
    assert len(emitted) == 2 + said.count(",") + (" and " in said) - 1
    for times, kind in emitted:
        _, protons, nucleons = next(one for one in kinds if one[0] == kind)
        charge, count = charge - times * protons, count - times * nucleons
    return named(charge, count)


def shares(name: str) -> dict[str, float]:
    return {f"{name}-{a}": 100 * i.abundance for a, i in molmass.ELEMENTS[NUMBER[name]].isotopes.items() if i.abundance}


def by_share(item: dict[str, Any], rank: str, name: str) -> str:
    ranked = sorted(shares(name).items(), key=lambda pair: -pair[1])
    place = {"most": 0, "second most": 1, "third most": 2, "least": -1}[rank]
    right, share = ranked[place]
    assert all(abs(other - share) > 0.05 * share for isotope, other in ranked if isotope != right)
    return right


def share(item: dict[str, Any], name: str, isotope: str) -> str:
    value = shares(name)[isotope]
    assert all(abs(number(c) - value) > 0.3 for c in item["choices"] if c != f"{value:.1f}%")
    return f"{value:.1f}%"


def stable(item: dict[str, Any], listing: str) -> str:
    steady = [name for name in item["choices"] if nucleus(name) not in decays()]
    assert len(steady) == 1
    assert steady[0] in shares(steady[0].split("-")[0])
    return steady[0]


def half_life(item: dict[str, Any], name: str) -> str:
    unit = item["choices"][0].split()[1]
    assert all(choice.endswith(f" {unit}") for choice in item["choices"])
    return nearest(item["choices"], life(name) / SECONDS[unit], 0.05, 2.5)


def mass(item: dict[str, Any], name: str) -> str:
    charge, count = nucleus(name)
    return nearest(item["choices"], periodictable.elements[charge][count].mass, 1e-6, 5)


# What masses tell, from periodictable's; MeV.

MEV, NEUTRON, HYDROGEN, HELIUM = 931.494102, 1.0086649159, 1.0078250319, 4.0026032541


def weight(charge: int, count: int) -> float:
    return float(periodictable.elements[charge][count].mass)


def removal(name: str) -> float:
    charge, count = nucleus(name)
    return (weight(charge, count - 1) + NEUTRON - weight(charge, count)) * MEV


def nuclear_energy(item: dict[str, Any], text: str, name: str) -> str:
    charge, count = nucleus(name)
    own = weight(charge, count)
    if "neutron" in text:
        value = removal(name)
    elif "proton" in text:
        value = (weight(charge - 1, count - 1) + HYDROGEN - own) * MEV
    else:
        value = (own - weight(charge - 2, count - 4) - HELIUM) * MEV
    return nearest(item["choices"], value, 0.004, 5)


def bound(name: str) -> float:
    """Binding energy per nucleon."""
    charge, count = nucleus(name)
    return (charge * HYDROGEN + (count - charge) * NEUTRON - weight(charge, count)) * MEV / count


def factor(item: dict[str, Any], which: str, name: str, energy: str) -> str:
    table = periodictable.elements[NUMBER[name]].xray.sftable
    place = int(np.argmin(np.abs(table[0] * 1000 - float(energy))))
    assert abs(table[0][place] * 1000 - float(energy)) < 0.1
    return nearest(item["choices"], float(table[int(which)][place]), 0.001, 5)


def heights(item: dict[str, Any], listing: str, degrees: str, side: str, hours: str, minutes: str) -> str:
    """By vectors: how far each star is from the zenith."""
    north = math.radians(float(degrees) * (1 if side == "north" else -1))

    def vector(turn: float, up: float) -> tuple[float, float, float]:
        return math.cos(up) * math.cos(turn), math.cos(up) * math.sin(turn), math.sin(up)

    zenith = vector(math.radians(15 * (int(hours) + int(minutes) / 60)), north)
    far = {}
    for name in listed(listing):
        star = vector(math.radians(15 * stars()[name][1]), math.radians(stars()[name][2]))
        far[name] = math.degrees(2 * math.asin(math.dist(star, zenith) / 2))
    names = sorted(far, key=lambda name: -far[name])
    assert far[names[0]] < 84
    assert all(far[low] > far[high] + 1.5 for low, high in pairwise(names)), far
    return ", ".join(names)


def moon_home(item: dict[str, Any], date: str) -> str:
    return atlas()[3][int(at(*map(np.array, precessed(*worked.moon_place(date)))))]


def halved(item: dict[str, Any], grams: str, life: str, days: str) -> str:
    return f"{float(grams) * 0.5 ** (float(days) / float(life)):.0f} g"


def ion(item: dict[str, Any], symbol: str, charge: str) -> str:
    return str(molmass.ELEMENTS[symbol].number - signed(charge))


def signed(charge: str) -> int:
    return int(charge[:-1] or 1) * (1 if charge[-1] == "+" else -1)


SIMPLE = {
    ("pounds", "ounces"): ("pound", "ounce"),
    ("stone", "pounds"): ("stone", "pound"),
    ("fathoms", "feet"): ("fathom", "survey_foot"),
    ("imperial gallons", "pints"): ("imperial_gallon", "imperial_pint"),
    ("furlongs", "yards"): ("furlong", "yard"),
    ("miles", "furlongs"): ("survey_mile", "furlong"),
    ("troy pounds", "troy ounces"): ("troy_pound", "troy_ounce"),
    ("chains", "yards"): ("chain", "yard"),
    ("pennyweights", "grains"): ("pennyweight", "grain"),
    ("nautical miles", "metres"): ("nautical_mile", "metre"),
    ("hundredweight of 112 pounds each", "stone"): ("UK_hundredweight", "stone"),
}


def simple(item: dict[str, Any], small: str, count: str, large: str) -> str:
    if large == "gross":
        return str(int(count) * 144 // 12)
    one, other = SIMPLE[large, small]
    value = float(REGISTRY.Quantity(Fraction(count), one).to(other).magnitude)
    assert abs(value - round(value)) < 0.05
    return str(round(value))


# What is compared: one value a thing, from another source than the builder's, and how far apart values must be.


@lru_cache(maxsize=1)
def stars() -> dict[str, tuple[str, float, float, float]]:
    """Constellation, right ascension (hours), declination (degrees) and magnitude, as typed in stars.txt."""
    text = (Path(__file__).parent / "stars.txt").read_text(encoding="utf-8")
    lines = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: (home, float(hours), float(degrees), float(light)) for name, home, hours, degrees, light in lines}


def element(name: str) -> Any:
    return molmass.ELEMENTS[NUMBER[name]]


COMPARED: dict[str, tuple[Callable[[str], float], Callable[[float, float], bool]]] = {
    "binding energy": (bound, lambda low, high: high > low + 0.0035),
    "remove one neutron": (removal, lambda low, high: high > low + 0.2),
    "half-life": (life, lambda low, high: high > 2.5 * low),
    "melt": (lambda name: element(name).tmelt, lambda low, high: high > low + 40),
    "boil": (lambda name: element(name).tboil, lambda low, high: high > low + 100),
    "ionization": (lambda name: element(name).ionenergy[0], lambda low, high: high > 1.04 * low),
    "Pauling": (lambda name: element(name).eleneg, lambda low, high: high > low + 0.05),
    "declination": (lambda name: stars()[name][2], lambda low, high: high > low + 2.5),
    "furthest": (lambda name: stars()[name][2], lambda low, high: high > low + 3.5),
    "right ascension": (lambda name: stars()[name][1], lambda low, high: high > low + 0.3),
    "brightest": (lambda name: stars()[name][3], lambda low, high: high > low + 0.3),
}


def listed(text: str) -> list[str]:
    return re.split(r", | and ", text)


def key(text: str) -> tuple[Callable[[str], float], Callable[[float, float], bool]]:
    return next(pair for word, pair in COMPARED.items() if word in text)


def in_order(item: dict[str, Any], listing: str, by: str) -> str:
    value, apart = key(by)
    names = sorted(listed(listing), key=value)
    assert all(apart(value(low), value(high)) for low, high in pairwise(names)), names
    assert all(sorted(choice.split(", ")) == sorted(names) for choice in item["choices"])
    return ", ".join(names)


def extreme(item: dict[str, Any], listing: str, text: str) -> str:
    assert sorted(listed(listing)) == sorted(item["choices"])
    if "border" in text:
        home = text.split(" with ")[1].removesuffix(" on the sky")
        apart_from_it = [name for name in item["choices"] if name not in touching(home)]
        assert len(apart_from_it) == 1
        return apart_from_it[0]
    value, apart = key(text)
    names = sorted(listed(listing), key=value)
    low = any(word in text for word in ("shortest", "lowest", "south", "brightest", "least"))
    assert apart(value(names[0]), value(names[1])) if low else apart(value(names[2]), value(names[3])), names
    return names[0] if low else names[3]


# Atoms: molmass's energies and configurations, terms counted out from microstates.


def outer(configuration: dict[tuple[int, str], int]) -> list[tuple[int, int]]:
    """Quantum number l and electrons of each open subshell."""
    shells = [("spdf".index(kind), count) for (_, kind), count in sorted(configuration.items())]
    return [(shell, count) for shell, count in shells if count < 4 * shell + 2]


def lowest(shells: list[tuple[int, int]]) -> str:
    """The term of largest M_S, then largest M_L, over all microstates of the open subshells; J by Hund's third rule."""
    spin, momentum, more = Fraction(0), 0, False
    for shell, count in shells:
        places = [(m, s) for m in range(-shell, shell + 1) for s in (Fraction(1, 2), Fraction(-1, 2))]
        states = [(sum(s for _, s in state), sum(m for m, _ in state)) for state in combinations(places, count)]
        top = max(states)
        spin, momentum, more = spin + top[0], momentum + top[1], more or (shell > 0 and count > 2 * shell)
    j = momentum + spin if more else abs(momentum - spin)
    return f"{2 * spin + 1}{'SPDFGHIKLM'[momentum]}{f'({j})' if j.denominator > 1 else j}"


def ion_shells(symbol: str, charge: int) -> list[tuple[int, int]]:
    """Open subshell of a free ion: transition metals lose their s electrons first, lanthanides and actinides keep f."""
    z = periodictable.elements.symbol(symbol).number
    if (symbol, charge) == ("La", 2):  # the one lanthanide whose last electron stays in d
        return [(2, 1)]
    for noble in (10, 18, 36, 54, 86):
        if noble < z <= noble + 2 and charge > z - noble:
            return [(1, 6 + z - noble - charge)]
    for noble, kind in ((4, 1), (12, 1), (30, 1), (48, 1), (80, 1)):
        if noble < z <= noble + 6 and z - noble > charge:
            return [(kind, z - noble - charge)]
    for core, last in ((18, 30), (36, 48), (68, 80)):
        if core < z <= last and (core < 68 or z > 71):
            return [(2, z - core - charge)]
    core = 54 if z < 72 else 86
    return [(3, z - core - charge)]


def term(item: dict[str, Any], subject: str) -> str:
    if match := re.fullmatch(r"the neutral (\w+) atom", subject):
        return lowest(outer(element(match[1]).eleconfig_dict))
    match = re.fullmatch(r"the free ion ([A-Z][a-z]?)(\d?)\+", subject)
    assert match
    return lowest(ion_shells(match[1], int(match[2] or 1)))


def unpaired(item: dict[str, Any], name: str) -> str:
    return str(sum(min(count, 4 * shell + 2 - count) for shell, count in outer(element(name).eleconfig_dict)))


RANKS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth"),
)


def energy(item: dict[str, Any], rank: str, name: str) -> str:
    return nearest(item["choices"], element(name).ionenergy[RANKS.index(rank)], 0.006, 1.5)


# Compounds: molmass reads the formulas.


def atoms(formula: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in formula.split("·"):
        times, unit = re.fullmatch(r"(\d*)(.+)", part).groups()  # type: ignore[union-attr]
        for symbol, entry in molmass.Formula(unit).composition().items():
            total[symbol] += entry.count * int(times or 1)
    return total


def electrons(item: dict[str, Any], formula: str, charge: str) -> str:
    total = sum(molmass.ELEMENTS[symbol].number * count for symbol, count in atoms(formula.strip("[]")).items())
    size = int(charge[:-1] or 1)
    return str(total - size if charge[-1] == "+" else total + size)


def neutrons(item: dict[str, Any], formula: str) -> str:
    total = 0
    for symbol, count in atoms(formula).items():
        (isotope,) = molmass.ELEMENTS[symbol].isotopes
        total += (isotope - molmass.ELEMENTS[symbol].number) * count
    return str(total)


def weights(given: str) -> dict[str, Fraction]:
    return {symbol: Fraction(weight) for symbol, weight in re.findall(r"(\w+) ([\d.]+)", given)}


def molar(item: dict[str, Any], given: str, formula: str) -> str:
    total = sum(weights(given)[symbol] * count for symbol, count in atoms(formula).items())
    return f"{float(total):.3f} g/mol"


def portion(item: dict[str, Any], given: str, formula: str, symbol: str) -> str:
    parts = {one: weights(given)[one] * count for one, count in atoms(formula).items()}
    return f"{float(100 * parts[symbol] / sum(parts.values())):.2f}%"


# The sky: another copy of the borders, precession worked out here, and stars by hand.


@lru_cache(maxsize=1)
def atlas() -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    table = np.load(folder("skyfield") / "data" / "constellations.npz")
    text = gzip.decompress((folder("skyfield") / "data" / "constellations.gz").read_bytes()).decode("ascii")
    names = dict(line.split(" ", 1) for line in text.splitlines())
    full = [names[short].replace("Bootes", "Boötes") for short in table["indexed_abbreviations"]]
    return table["sorted_ra"], table["sorted_dec"], table["radec_to_index"], full


def at(hours: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Constellations, by index, at places of 1875: the equinox in which the borders are drawn."""
    ras, decs, table, _ = atlas()
    return table[np.searchsorted(ras, hours), np.searchsorted(decs, degrees, side="right")]


def precessed(hours: float, degrees: float) -> tuple[float, float]:
    """From J2000 to B1875, by the IAU's angles of 1976."""
    t = -1.24999
    zeta = math.radians((2306.2181 * t + 0.30188 * t * t) / 3600)
    z = math.radians((2306.2181 * t + 1.09468 * t * t) / 3600)
    theta = math.radians((2004.3109 * t - 0.42665 * t * t) / 3600)
    a, d = math.radians(15 * hours), math.radians(degrees)
    x = math.cos(theta) * math.cos(d) * math.cos(a + zeta) - math.sin(theta) * math.sin(d)
    y = math.cos(d) * math.sin(a + zeta)
    south = math.sin(theta) * math.cos(d) * math.cos(a + zeta) + math.cos(theta) * math.sin(d)
    return math.degrees(math.atan2(y, x) + z) / 15 % 24, math.degrees(math.asin(south))


def point(item: dict[str, Any], hours: str, minutes: str, degrees: str) -> str:
    index = at(*map(np.array, precessed(int(hours) + int(minutes) / 60, float(degrees))))
    return atlas()[3][int(index)]


@lru_cache(maxsize=1)
def contacts() -> dict[str, set[str]]:
    """Who touches whom, on a grid finer than the builder's."""
    step = 0.25
    degrees = np.arange(-89.9, 89.9, step)
    hours = np.arange(0.003, 24, step / 15)
    cells = at(hours[None, :], degrees[:, None])
    pairs = {tuple(pair) for pair in np.stack([cells, np.roll(cells, 1, axis=1)], -1).reshape(-1, 2).tolist()}
    pairs |= {tuple(pair) for pair in np.stack([cells[1:], cells[:-1]], -1).reshape(-1, 2).tolist()}
    found: dict[str, set[str]] = {}
    for one, other in pairs:
        if one != other:
            found.setdefault(atlas()[3][one], set()).add(atlas()[3][other])
            found.setdefault(atlas()[3][other], set()).add(atlas()[3][one])
    return found


def touching(name: str) -> set[str]:
    return contacts()[name]


def bordering(item: dict[str, Any], name: str) -> str:
    right = [choice for choice in item["choices"] if choice in touching(name)]
    assert len(right) == 1, (name, right)
    return right[0]


def separation(item: dict[str, Any], one: str, other: str) -> str:
    """By the chord between the two, not by the cosine rule."""
    ends = []
    for name in (one, other):
        a, d = math.radians(15 * stars()[name][1]), math.radians(stars()[name][2])
        ends.append((math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)))
    value = math.degrees(2 * math.asin(math.dist(*ends) / 2))
    assert all(abs(number(c) - value) < 0.8 or abs(number(c) - value) > 2 for c in item["choices"])
    return nearest(item["choices"], value, 0.05)


# Constants from their definitions, over a few measured ones.

C, H, E, K, N = 299792458.0, 6.62607015e-34, 1.602176634e-19, 1.380649e-23, 6.02214076e23
ALPHA, ME, MP, MN, MMU = 7.29735257e-3, 9.1093837e-31, 1.67262192e-27, 1.67492750e-27, 1.88353163e-28
MD, MA, U, G = 3.34358377e-27, 6.64465734e-27, 1.66053907e-27, 6.6743e-11
HBAR = H / (2 * math.pi)
EPS, MU0 = E * E / (2 * ALPHA * H * C), 2 * ALPHA * H / (E * E * C)
A0, EH = HBAR / (ME * C * ALPHA), ALPHA**2 * ME * C**2
PLANCK = math.sqrt(HBAR * C / G)
DEFINED = {
    "Bohr radius": A0,
    "Bohr magneton": E * HBAR / (2 * ME),
    "nuclear magneton": E * HBAR / (2 * MP),
    "Compton wavelength": H / (ME * C),
    "proton Compton wavelength": H / (MP * C),
    "neutron Compton wavelength": H / (MN * C),
    "muon Compton wavelength": H / (MMU * C),
    "classical electron radius": ALPHA**2 * A0,
    "Thomson cross section": 8 * math.pi / 3 * (ALPHA**2 * A0) ** 2,
    "Stefan-Boltzmann constant": 2 * math.pi**5 * K**4 / (15 * H**3 * C**2),
    "Wien wavelength displacement law constant": H * C / (K * 4.965114231744),
    "Wien frequency displacement law constant": 2.821439372122 * K / H,
    "Faraday constant": N * E,
    "Rydberg constant": ALPHA**2 * ME * C / (2 * H),
    "Rydberg constant times hc in J": EH / 2,
    "Rydberg constant times c in Hz": EH / (2 * H),
    "magnetic flux quantum": H / (2 * E),
    "conductance quantum": 2 * E * E / H,
    "inverse of the conductance quantum": H / (2 * E * E),
    "von Klitzing constant": H / (E * E),
    "Josephson constant": 2 * E / H,
    "characteristic impedance of vacuum": MU0 * C,
    "Planck length": HBAR / (PLANCK * C),
    "Planck time": HBAR / (PLANCK * C * C),
    "Planck mass": PLANCK,
    "Planck temperature": PLANCK * C * C / K,
    "Hartree energy": EH,
    "proton-electron mass ratio": MP / ME,
    "neutron-electron mass ratio": MN / ME,
    "muon-electron mass ratio": MMU / ME,
    "deuteron-electron mass ratio": MD / ME,
    "alpha particle-electron mass ratio": MA / ME,
    "neutron-muon mass ratio": MN / MMU,
    "proton-muon mass ratio": MP / MMU,
    "electron to alpha particle mass ratio": ME / MA,
    "electron-muon mass ratio": ME / MMU,
    "first radiation constant": 2 * math.pi * H * C * C,
    "first radiation constant for spectral radiance": 2 * H * C * C,
    "second radiation constant": H * C / K,
    "quantum of circulation": H / (2 * ME),
    "Loschmidt constant (273.15 K, 101.325 kPa)": 101325 / (K * 273.15),
    "Loschmidt constant (273.15 K, 100 kPa)": 1e5 / (K * 273.15),
    "molar volume of an ideal gas (273.15 K, 100 kPa)": N * K * 273.15 / 1e5,
    "atomic unit of velocity": ALPHA * C,
    "atomic unit of time": HBAR / EH,
    "atomic unit of force": EH / A0,
    "atomic unit of electric field": EH / (E * A0),
    "atomic unit of electric field gradient": EH / (E * A0**2),
    "atomic unit of electric potential": EH / E,
    "atomic unit of current": E * EH / HBAR,
    "atomic unit of charge density": E / A0**3,
    "atomic unit of electric dipole moment": E * A0,
    "atomic unit of electric quadrupole moment": E * A0**2,
    "atomic unit of electric polarizability": E**2 * A0**2 / EH,
    "atomic unit of 1st hyperpolarizability": E**3 * A0**3 / EH**2,
    "atomic unit of 2nd hyperpolarizability": E**4 * A0**4 / EH**3,
    "atomic unit of magnetic flux density": HBAR / (E * A0**2),
    "atomic unit of magnetic dipole moment": HBAR * E / ME,
    "atomic unit of magnetizability": E**2 * A0**2 / ME,
    "atomic unit of momentum": HBAR / A0,
    "atomic unit of permittivity": E**2 / (A0 * EH),
    "electron charge to mass quotient": E / ME,
    "proton charge to mass quotient": E / MP,
    "electron mass energy equivalent": ME * C * C,
    "muon mass energy equivalent": MMU * C * C,
    "proton mass energy equivalent": MP * C * C,
    "atomic mass constant energy equivalent": U * C * C,
    "molar Planck constant": N * H,
    "Bohr magneton in Hz/T": E / (4 * math.pi * ME),
    "Bohr magneton in K/T": E * HBAR / (2 * ME * K),
    "Bohr magneton in inverse metre per tesla": E / (4 * math.pi * ME * C),
    "nuclear magneton in MHz/T": E / (4 * math.pi * MP) / 1e6,
    "nuclear magneton in K/T": E * HBAR / (2 * MP * K),
    "Sackur-Tetrode constant (1 K, 100 kPa)": 2.5 + math.log((2 * math.pi * U * K / H**2) ** 1.5 * K / 1e5),
    "electron molar mass": N * ME,
    "proton molar mass": N * MP,
}
JOULES = {
    "kelvin": K,
    "hertz": H,
    "electronvolt": E,
    "hartree": EH,
    "inverse metre": H * C,
    "atomic mass unit": U * C * C,
    "kilogram": C * C,
}


def constant(item: dict[str, Any], text: str) -> str:
    if match := re.fullmatch(r"energy equivalent of (?:an?|one) (.+), expressed in (.+)", text):
        unit = match[2] if match[2] == "hertz" else match[2].removesuffix("s")
        value = JOULES[match[1]] / JOULES["inverse metre" if unit == "inverse metre" else unit]
    else:
        value = abs(DEFINED[text])
    return nearest(item["choices"], value, 0.0004, 5)


# Old measures by pint, in exact fractions.

UNITS = {
    "pennyweight": "pennyweight",
    "drachm": "apothecary_dram",
    "hundredweight": "UK_hundredweight",
    "long ton": "long_ton",
    "mile": "survey_mile",
    "fluid ounce": "imperial_fluid_ounce",
    "fluid drachm": "imperial_fluid_drachm",
}
REGISTRY = pint.UnitRegistry(non_int_type=Fraction)


def unit(system: str, word: str) -> str:
    single = word if word in ("stone", "hundredweight") else word.removesuffix("s")
    if single in UNITS:
        return UNITS[single]
    if single in ("pound", "ounce") and "avoirdupois" not in system:
        return "troy_pound" if single == "pound" else "troy_ounce"
    return f"imperial_{single}" if "imperial" in system else single


@cache
def size(system: str, word: str, base: str) -> Fraction:
    return Fraction(REGISTRY.Quantity(Fraction(1), unit(system, word)).to(unit(system, base)).magnitude)


def summed(system: str, text: str, base: str) -> Fraction:
    parts = [re.fullmatch(r"([\d,]+) (.+)", part) for part in listed(text)]
    assert all(parts)
    return sum((int(p[1].replace(",", "")) * size(system, p[2], base) for p in parts if p), Fraction())


def measure(item: dict[str, Any], system: str, words: str, given: str, times: str = "1") -> str:
    """Which choice is as much; each in proper form, no part as large as one of the next unit."""
    units = listed(words)
    total = int(times) * summed(system, given, units[-1])
    right = [choice for choice in item["choices"] if summed(system, choice, units[-1]) == total]
    assert len(right) == 1
    for choice in item["choices"] if len(units) > 1 else ():
        for part in listed(choice):
            count, word = part.split(" ", 1)
            place = [unit(system, u) for u in units].index(unit(system, word))
            assert place == 0 or int(count) * size(system, word, units[place]) < size(
                system, units[place - 1], units[place]
            )
    return right[0]


WORKED: tuple[tuple[str, Callable[..., str]], ...] = (
    *models.WORKED,
    (r"What is the half-life of (\S+)\?", half_life),
    (r"Which nuclide is formed directly by the radioactive decay of (\S+)\?", daughter),
    (r"A nucleus of (\S+) and those .+ emit, in all, (.+)\. Which nuclide remains at the end\?", remaining),
    (r"Which isotope is the (.+) abundant in the standard composition of natural (\w+)\?", by_share),
    (r"What percentage of the atoms of natural (\w+) are (\S+), to one decimal place\?", share),
    (r"Which of the isotopes (.+) is stable\?", stable),
    (r"What is the atomic mass of (\S+), in unified atomic mass units\?", mass),
    (
        r"What is the order of (.+?) by height .+, the lowest first, at latitude (\d+)° (\w+), .+ (\d+) h (\d+) min\?",
        heights,
    ),
    (r"What is the order of (.+?) from east to west, as seen from the Earth at 0 h UT on (.+)\?", worked.moons),
    (r"What is the order of (.+?) (by .+)\?", in_order),
    (rf"What is the ({'|'.join(RANKS)}) ionization energy of (\w+)\?", energy),
    (r"How much energy (.+) an atom of (\S+) in its ground state\?", nuclear_energy),
    (r"What is the part f([12]) of the atomic .+ of (\w+) for X-rays of ([\d.]+) eV, in .+\?", factor),
    (
        r"In a series .+ half-lives of .+? are (.+) hours\. .+ what percentage .+ are (\w) after (\d+) hours\?",
        worked.series,
    ),
    (r"Take .+ as: (.+)\. What percentage of all clusters of (.+), drawn .+ have (\d+) nucleons\?", worked.cluster),
    (
        r"On an empty table of (\d+) rows of (\d+) cells, ([\d,]+) grains .+ row (\d+), column (\d+)\. .+\?",
        worked.pile,
    ),
    (
        r"A number r starts at (\d+) and a particle at place (\d+) of the places 0 to (\d+)\. ([\d,]+) times, "
        r"r becomes (\d+)r \+ (\d+) modulo (\d+), .+ put back from the (\w+) \(.+\)\?",
        worked.particle,
    ),
    (
        r"A number r starts at (\d+); ([\d,]+) grains fall on a ring of (\d+) .+ r becomes (\d+)r \+ (\d+) modulo "
        r"(\d+), .+ How high is column (\d+) at the end\?",
        worked.deposit,
    ),
    (
        r"Whole numbers x, y, u, v start at (.+?)\. In .+/([\d,]+)\]\)/8 from v.+ What is (\w) after (.+) steps\?",
        worked.orbit,
    ),
    (r"At 0 h UT on which of the days (.+) was the Moon (nearest|furthest) .+\?", worked.nearest_moon),
    (r"In which constellation was the Moon at 0 h UT on (.+), seen from .+\?", moon_home),
    (
        r"How many neutrons has a nucleus of (\S+)\?",
        lambda item, name: str(nucleus(name)[1] - nucleus(name)[0]),
    ),
    (r"How many atoms has (\S+)\?", lambda item, formula: str(molmass.Formula(formula).atoms)),
    (r"A sample has (\d+) g .+ half-life of (\d+) days\. How many .+ after (\d+) days\?", halved),
    (r"How many electrons has the ion ([A-Z][a-z]?)(\d?[+-])\?", ion),
    (r"How many (.+) are (\d+) (.+)\?", simple),
    (
        r"What is the single-bond covalent radius of (\w+) according to Cordero and others \(2008\)\?",
        lambda item, name: f"{round(100 * periodictable.elements[NUMBER[name]].covalent_radius)} pm",
    ),
    (r"What is the term symbol, with J, of the ground state of (.+)\?", term),
    (r"How many unpaired electrons has a neutral atom of (\w+) in its ground state\?", unpaired),
    (r"How many electrons, in all shells, has one ion (\S+?\]|\S+)(?: with the charge )?(\d?[+-])\?", electrons),
    (r"All elements of (\S+) have a single natural isotope\. How many neutrons .+\?", neutrons),
    (r"With the atomic weights (.+), what is the molar mass of (\S+)\?", molar),
    (r"With the atomic weights (.+), what percentage of the mass of (\S+) is due to (\w+)\?", portion),
    (r"In which constellation is the star (.+)\?", lambda item, name: stars()[name][0]),
    (r"How far apart in the sky are the stars (.+) and (.+), to the nearest degree\?", separation),
    (r"With which constellation does (.+) share a border on the sky\?", bordering),
    (r"In .+ at right ascension (\d+) h (\d\d) min, declination ([+-]\d+)° \(J2000\)\?", point),
    (r"What is (?:the magnitude of )?the (.+), to four significant digits\?", constant),
    (r"In (.+?), how many (.+) are (.+)\?", measure),
    (
        r"In (.+?), what are (\d+) times (.+), in (.+)\?",
        lambda item, system, times, given, words: measure(item, system, words, given, times),
    ),
    (r"Which of (.+?) ((?:is|has|melts|boils|lies|looks) .+)\?", extreme),
)


def answer(item: dict[str, Any]) -> str:
    for form, work in WORKED:
        if match := re.fullmatch(form, item["question"]):
            return work(item, *match.groups())
    raise AssertionError(f"no way to answer {item['question']!r}")


@pytest.mark.parametrize("part", PARTS)
def test_every_answer(root: Path, part: str) -> None:
    items = rows(root, part)
    wrong = [(i["id"], i["question"], answer(i)) for i in items if i["choices"][i["answer"]] != answer(i)]
    assert not wrong
    assert len(items) == (256 if part == PARTS[0] else 320)


def test_stars_lie_in_the_constellations_that_the_list_has() -> None:
    for name, (home, hours, degrees, _) in stars().items():
        assert atlas()[3][int(at(*map(np.array, precessed(hours, degrees))))] == home, name


@pytest.mark.parametrize("part", PARTS)
def test_statements_say_what_questions_ask(root: Path, part: str) -> None:
    """Each statement names whatever the question names with a capital letter or a digit."""
    for item in rows(root, part):
        assert item["statement"].count("{}") == 1
        assert item["statement"].startswith(tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        assert item["question"].endswith("?")
        assert max(map(len, (item["question"], item["statement"]))) < 800
        named = set(re.findall(r"[\w·+-]*\d[\w·+-]*", item["question"]))
        assert named <= set(re.findall(r"[\w·+-]*\d[\w·+-]*", item["statement"])), item["id"]


def test_levels_and_topics_are_spread(root: Path) -> None:
    items = [item for part in PARTS for item in rows(root, part)]
    levels = Counter(item["level"] for item in items)
    assert set(levels) == {6, 7, 8, 9, 10}
    assert min(levels.values()) > 114
    topics = Counter(item["topic"] for item in items)
    assert len(topics) == 18
    assert max(topics.values()) < 100
