"""Constants of physics: four significant digits, which all editions of CODATA's values since 2014 share."""

from __future__ import annotations

import random
from collections.abc import Iterator

from scipy.constants import physical_constants

from build.drafting import Draft
from build.hard.matter.pools import digits, split

KNOWN = split(
    "Bohr radius|Bohr magneton|nuclear magneton|Compton wavelength|classical electron radius|Thomson cross section|"
    "Stefan-Boltzmann constant|Wien wavelength displacement law constant|Faraday constant|Rydberg constant|"
    "mag. flux quantum|conductance quantum|von Klitzing constant|Josephson constant|characteristic impedance of vacuum|"
    "Planck length|Planck time|Planck mass|Planck temperature|Hartree energy|proton-electron mass ratio|"
    "electron volt-hertz relationship|kelvin-electron volt relationship|atomic mass constant energy equivalent",
    "|",
)
OBSCURE = split(
    "proton Compton wavelength|neutron Compton wavelength|muon Compton wavelength|first radiation constant|"
    "first radiation constant for spectral radiance|second radiation constant|quantum of circulation|"
    "Wien frequency displacement law constant|Loschmidt constant (273.15 K, 101.325 kPa)|"
    "Loschmidt constant (273.15 K, 100 kPa)|molar volume of ideal gas (273.15 K, 100 kPa)|atomic unit of velocity|"
    "atomic unit of time|atomic unit of force|atomic unit of electric field|atomic unit of current|"
    "atomic unit of electric dipole mom.|atomic unit of mag. flux density|atomic unit of electric polarizability|"
    "atomic unit of momentum|atomic unit of permittivity|atomic unit of electric field gradient|"
    "atomic unit of electric quadrupole mom.|atomic unit of magnetizability|atomic unit of mag. dipole mom.|"
    "atomic unit of charge density|atomic unit of electric potential|atomic unit of 1st hyperpolarizability|"
    "atomic unit of 2nd hyperpolarizability|electron charge to mass quotient|proton charge to mass quotient|"
    "electron mass energy equivalent|muon mass energy equivalent|proton mass energy equivalent|"
    "neutron-electron mass ratio|muon-electron mass ratio|deuteron-electron mass ratio|"
    "alpha particle-electron mass ratio|neutron-muon mass ratio|proton-muon mass ratio|"
    "electron to alpha particle mass ratio|electron-muon mass ratio|"
    "hartree-kelvin relationship|hartree-hertz relationship|hartree-inverse meter relationship|"
    "kelvin-hertz relationship|kelvin-inverse meter relationship|hertz-kelvin relationship|"
    "inverse meter-kelvin relationship|"
    "electron volt-kelvin relationship|electron volt-inverse meter relationship|electron volt-hartree relationship|"
    "hartree-electron volt relationship|inverse meter-electron volt relationship|"
    "electron volt-atomic mass unit relationship|atomic mass unit-hertz relationship|"
    "atomic mass unit-kelvin relationship|"
    "molar Planck constant|Bohr magneton in Hz/T|Bohr magneton in K/T|Bohr magneton in inverse meter per tesla|"
    "nuclear magneton in MHz/T|nuclear magneton in K/T|Rydberg constant times hc in J|Rydberg constant times c in Hz|"
    "inverse of conductance quantum|Sackur-Tetrode constant (1 K, 100 kPa)|electron molar mass|proton molar mass",
    "|",
)
RARER = ("atomic unit", "hyper", "Loschmidt", "relationship", "in K/T", "in inverse", "alpha particle", "muon")


def said(name: str) -> str:
    """The constant in plain words."""
    name = name.replace("electron volt", "electronvolt").replace("meter", "metre")
    if name.endswith(" relationship"):
        one, other = name.removesuffix(" relationship").split("-")
        article = "an" if one[0] in "aeio" else "one" if one.startswith("h") else "a"
        return f"{'the energy equivalent of ' + article + ' ' + one}, expressed in {_plural(other)}"
    text = name.replace("mag.", "magnetic").replace("mom.", "moment")
    text = text.replace("of ideal", "of an ideal").replace("of conductance", "of the conductance")
    return f"the {text}"


def _plural(unit: str) -> str:
    if unit.startswith("inverse"):
        return "inverse metres"
    return {"hertz": "hertz", "kelvin": "kelvins", "electronvolt": "electronvolts", "hartree": "hartrees"}.get(
        unit, "atomic mass units"
    )


def written(mantissa: float, exponent: int, unit: str) -> str:
    """Plain decimals for small powers of ten."""
    plain = -2 < exponent < 4
    number = digits(mantissa * 10.0**exponent, 4) if plain else f"{digits(mantissa, 4)} × 10^{exponent}"
    return f"{number} {unit}".rstrip()


def constants(rng: random.Random) -> Iterator[Draft]:
    for name in (*KNOWN, *OBSCURE):
        value, unit, _ = physical_constants[name]
        text = f"{abs(value):.9e}"
        mantissa, exponent = float(text.split("e")[0]), int(text.split("e")[1])
        if abs(mantissa * 1000 % 1 - 0.5) < 0.02:
            continue
        level = 7 if name in KNOWN else 9 if not any(part in name for part in RARER) else 10
        first, rest = int(mantissa), mantissa % 1
        leads = [rest, (rest + rng.uniform(0.03, 0.09)) % 1, (rest - rng.uniform(0.03, 0.09)) % 1]
        leads += [(rest + rng.uniform(0.14, 0.4)) % 1, (rest - rng.uniform(0.14, 0.4)) % 1]
        ones = [first, first + 1 if first < 9 else 8, first - 1 if first > 1 else 2]
        made = [one + lead for one in ones for lead in leads if abs(one + lead - mantissa) > 0.004]
        rng.shuffle(made)
        made.sort(key=lambda number: int(number) != first)
        sign = "the magnitude of " if value < 0 else ""
        shown = "" if "relationship" in name else unit
        pool = tuple(dict.fromkeys(written(number, exponent, shown) for number in made))
        question = f"What is {sign}{said(name)}, to four significant digits?"
        statement = f"To four significant digits, {sign}{said(name)} is {{}}."
        answer = written(mantissa, exponent, shown)
        yield Draft(f"constant {name}", "constant of physics", level, question, statement, answer, pool)


MAKERS = (constants,)
