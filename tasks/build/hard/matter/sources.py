"""Tables of other packages, as typed rows: nuclides and elements from mendeleev's database, held against others.

A fact that two packages give differently is left out: None, or no entry.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import molmass
import periodictable

SECONDS = {
    "sec": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "year": 31556926.0,
    "kyear": 31556926e3,
    "Myear": 31556926e6,
    "Gyear": 31556926e9,
}
"""Units of half-lives; others are too short or too long to be asked for."""

SPELLINGS = {"aluminum": "aluminium", "cesium": "caesium"}


@dataclass(frozen=True)
class Nuclide:
    """A ground state. mass: in u. share: of natural atoms, in per cent, 0 if none. stable: by both evaluations.

    life: half-life in seconds, None where it is stable, or two evaluations differ by more than 4 %, or one lacks it.
    mode: "B-", "B+" (positrons, captures, or both) or "A", where both evaluations know one mode alone.
    measured: whether the mass is known to 0.00001 u, and two packages have the same.
    """

    number: int
    symbol: str
    element: str
    count: int
    mass: float
    share: float
    stable: bool
    life: float | None
    mode: str
    measured: bool = False

    @property
    def name(self) -> str:
        return f"{self.element}-{self.count}"


@dataclass(frozen=True)
class Atom:
    """melts, boils: kelvin. radius: pm, by Cordero et al. energies: of the first to fifteenth ionization, in eV.

    Values are None, and tuples short, where mendeleev and molmass (for radii periodictable) do not agree.
    configuration, term: of the neutral atom's ground state. terms: of its ions, by charge, with their configurations.
    """

    number: int
    symbol: str
    name: str
    melts: float | None
    boils: float | None
    density: float | None
    radius: int | None
    negativity: float | None
    affinity: float | None
    configuration: str
    energies: dict[int, float] = field(default_factory=dict)
    terms: dict[int, tuple[str, str]] = field(default_factory=dict)


def agreed(one: float | None, other: float | None, share: float) -> float | None:
    """The first, if both are there and differ by no more than a share of it."""
    return one if one and other and abs(one - other) <= share * abs(one) else None


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package}: install the `dev` extra")
    return Path(spec.origin).parent


def _query(text: str) -> list[tuple[object, ...]]:
    """Rows of mendeleev's database; its own classes would need a database toolkit for no more than this."""
    connection = sqlite3.connect(f"file:{_folder('mendeleev') / 'elements.db'}?mode=ro", uri=True)
    try:
        return connection.execute(text).fetchall()
    finally:
        connection.close()


def element_name(number: int) -> str:
    name = periodictable.elements[number].name
    return SPELLINGS.get(name, name)


@lru_cache(maxsize=1)
def nuclides() -> dict[tuple[int, int], Nuclide]:
    """By numbers of protons and of nucleons, for elements up to 100."""
    text = (_folder("actigamma") / "data" / "lines_decay_2012.min.json").read_text(encoding="utf-8")
    others = {entry["zai"]: entry for entry in json.loads(text).values()}
    modes: dict[object, dict[str, float]] = {}
    for owner, mode, share in _query("SELECT isotope_id, mode, intensity FROM isotopedecaymodes ORDER BY id"):
        modes.setdefault(owner, {})[str(mode)] = float(share or 0)  # type: ignore[arg-type]
    made = {}
    columns = (
        "id, atomic_number, mass_number, mass, mass_uncertainty, abundance, is_radioactive, half_life, half_life_unit"
    )
    query = f"SELECT {columns} FROM isotopes WHERE atomic_number <= 100 ORDER BY atomic_number, mass_number"
    for owner, number, count, mass, doubt, share, radioactive, life, unit in _query(query):
        assert isinstance(number, int)
        assert isinstance(count, int)
        assert isinstance(mass, float)
        other = others.get(10000 * number + 10 * count, {})
        seconds = float(life) * SECONDS[str(unit)] if life and unit in SECONDS else None  # type: ignore[arg-type]
        made[number, count] = Nuclide(
            number,
            periodictable.elements[number].symbol,
            element_name(number),
            count,
            mass,
            float(share or 0),  # type: ignore[arg-type]
            not radioactive and not other,
            agreed(seconds, other.get("halflife"), 0.04),
            _mode(modes.get(owner, {}), set(other)),
            bool(doubt) and float(doubt) < 1e-5 and _same_mass(number, count, mass),  # type: ignore[arg-type]
        )
    return made


def _same_mass(number: int, count: int, mass: float) -> bool:
    try:
        other = periodictable.elements[number][count].mass
    except KeyError:
        return False
    return abs(other - mass) < 2e-6


def _mode(shares: dict[str, float], radiations: set[str]) -> str:
    """The only mode, where the second evaluation lists its radiation and no other particle's."""
    particles = {"beta": "B-", "ec": "B+", "alpha": "A"}
    listed = {mode for radiation, mode in particles.items() if radiation in radiations}
    main = {"B+" if mode in ("EC", "B+", "e+") else mode for mode, share in shares.items() if share >= 97}
    rest = sum(share for mode, share in shares.items() if share < 97 and mode != "e+")
    return next(iter(main)) if len(main) == 1 and main == listed and rest < 3 else ""


@lru_cache(maxsize=1)
def atoms() -> dict[int, Atom]:
    """Elements up to 99, by number."""
    columns = "atomic_number, density, covalent_radius_cordero, en_pauling, electron_affinity, electronic_configuration"
    energies, terms = _ions()
    points: dict[int, tuple[float, float]] = {}
    for number, melts, boils, allotrope in _query(
        "SELECT atomic_number, melting_point, boiling_point, allotrope FROM phasetransitions ORDER BY id"
    ):
        if allotrope is None:
            points[number] = melts, boils  # type: ignore[index,assignment]
    made = {}
    for row in _query(f"SELECT {columns} FROM elements WHERE atomic_number <= 99 ORDER BY atomic_number"):
        number, density, radius, negativity, affinity, configuration = row
        assert isinstance(number, int)
        other, third = molmass.ELEMENTS[number], periodictable.elements[number]
        melts, boils = points.get(number, (None, None))
        size = round(float(radius)) if isinstance(radius, float) else None
        apart = third.covalent_radius is None or size is None or abs(100 * third.covalent_radius - size) > 0.5
        same = str(configuration) == other.eleconfig
        made[number] = Atom(
            number,
            third.symbol,
            element_name(number),
            agreed(melts, other.tmelt, 0.01),
            agreed(boils, other.tboil, 0.01),
            agreed(density, other.density, 0.02),  # type: ignore[arg-type]
            None if apart else size,
            agreed(negativity, other.eleneg, 0.0),  # type: ignore[arg-type]
            agreed(affinity, other.eleaffin, 0.01),  # type: ignore[arg-type]
            str(configuration) if same else "",
            {
                n: value
                for n, value in energies.get(number, {}).items()
                if n <= len(other.ionenergy) and agreed(value, other.ionenergy[n - 1], 0.004)
            },
            terms.get(number, {}),
        )
    return made


def _ions() -> tuple[dict[int, dict[int, float]], dict[int, dict[int, tuple[str, str]]]]:
    energies: dict[int, dict[int, float]] = {}
    terms: dict[int, dict[int, tuple[str, str]]] = {}
    query = (
        "SELECT atomic_number, ion_charge, ionization_energy, ground_configuration, ground_level "
        "FROM ionizationenergies WHERE ion_charge <= 14 ORDER BY id"
    )
    for number, charge, energy, configuration, level in _query(query):
        if energy:
            energies.setdefault(number, {})[charge + 1] = float(energy)  # type: ignore[arg-type,operator,call-overload]
        if level:
            terms.setdefault(number, {})[charge] = (str(configuration), str(level))  # type: ignore[arg-type,call-overload]
    return energies, terms


@lru_cache(maxsize=128)
def scattering_factors(number: int) -> list[tuple[float, float, float]]:
    """Energy in eV, f1 and f2 of an element, line by line of the table."""
    query = f"SELECT energy, f1, f2 FROM scattering_factors WHERE atomic_number = {number} ORDER BY energy"
    return [row for row in _query(query) if None not in row]  # type: ignore[misc]
