"""Energies that follow from the masses of radioactive nuclides: to remove a nucleon, of alpha decay, of binding."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise

from build.drafting import Draft, which
from build.hard.matter.nuclear.nuclides import famous
from build.hard.matter.pools import ordered, scattered, sets
from build.hard.matter.sources import Nuclide, nuclides

NEUTRON, HYDROGEN, HELIUM = 1.00866491590, 1.00782503190, 4.00260325413
"""Masses of a neutron and of two atoms, in u."""

MEV = 931.494102
"""One u."""

STEPS = (0.13, 0.27, 0.42, 0.6)
"""MeV between options: less than a formula for all nuclides is wrong by."""


def _askable(low: int, high: int) -> list[Nuclide]:
    return [n for n in nuclides().values() if low <= n.number <= high and n.measured and not n.stable and not famous(n)]


def _taken(n: Nuclide, protons: int, nucleons: int, mass: float) -> float | None:
    """MeV to take a part out of an atom; None where the rest's mass is not known well enough."""
    rest = nuclides().get((n.number - protons, n.count - nucleons))
    return (rest.mass + mass - n.mass) * MEV if rest and rest.measured else None


def neutron_energy(n: Nuclide) -> float | None:
    return _taken(n, 0, 1, NEUTRON)


def binding(n: Nuclide) -> float:
    """MeV for each nucleon."""
    return (n.number * HYDROGEN + (n.count - n.number) * NEUTRON - n.mass) * MEV / n.count


def masses(rng: random.Random) -> Iterator[Draft]:
    chosen = [n for n in _askable(22, 88) if abs(n.mass * 1e5 % 1 - 0.5) < 0.4]
    for n in rng.sample(chosen, 60):
        question = f"What is the atomic mass of {n.name}, in unified atomic mass units?"
        statement = f"In unified atomic mass units, the atomic mass of {n.name} is {{}}."
        pool = scattered(rng, n.mass, (0.00024, 0.0005, 0.0008, 0.00115), lambda v: f"{v:.5f}")
        yield Draft(f"mass {n.name}", "exotic mass", 8, question, statement, f"{n.mass:.5f}", pool)


KINDS: tuple[tuple[str, str, int, int, Callable[[Nuclide], float | None]], ...] = (
    ("is needed to remove one neutron from", "needed to remove one neutron from", 24, 88, neutron_energy),
    (
        "is needed to remove one proton (with an electron) from",
        "needed to remove one proton (with an electron) from",
        24,
        82,
        lambda n: _taken(n, 1, 1, HYDROGEN),
    ),
    (
        "would be set free by alpha decay of",
        "that would be set free by alpha decay of",
        60,
        80,
        lambda n: -(_taken(n, 2, 4, HELIUM) or 0.0),
    ),
)


def separations(rng: random.Random) -> Iterator[Draft]:
    used: set[str] = set()
    for text, said, low, high, energy in KINDS:
        chosen = _askable(low, high)
        rng.shuffle(chosen)
        made = 0
        for n in chosen:
            value = energy(n)
            if n.name in used or value is None or value < 1.5 or made == 24:
                continue
            made += 1
            used.add(n.name)
            question = f"How much energy {text} an atom of {n.name} in its ground state?"
            statement = f"The energy {said} an atom of {n.name} in its ground state is {{}}."
            pool = scattered(rng, value, STEPS, lambda v: f"{v:.2f} MeV")
            yield Draft(f"energy of {n.name}", "nuclear energy", 8, question, statement, f"{value:.2f} MeV", pool)


def compared(rng: random.Random) -> Iterator[Draft]:
    """Among nuclides of the same parity of protons and neutrons, so that pairing does not tell."""
    found = [(n, neutron_energy(n)) for n in _askable(26, 86)]
    for odd in (0, 1):
        values = {n.name: value for n, value in found if value and (n.count - n.number) % 2 == odd and n.number % 2}
        for four in sets(rng, values, 4000, lambda v: all(0.25 < b - a < 0.9 for a, b in pairwise(v))):
            ask = "by the energy needed to remove one neutron, the lowest first"
            say = "by the energy needed to remove one neutron, from the lowest to the highest,"
            yield ordered(rng, f"neutrons of {' '.join(sorted(four))}", "neutrons in order", 8, four, ask, say)
    bound = {n.name: binding(n) for n in _askable(28, 84)}
    for four in sets(
        rng, bound, 40000, lambda v: 0.004 < v[3] - v[2] < 0.03 and v[1] - v[0] > 0.004 and v[3] - v[0] < 0.07
    ):
        names, most = ((four[3], *four[:3]), "most") if rng.random() < 0.5 else (four, "least")
        text = f"has the {most} binding energy per nucleon"
        said = f"the nuclide with the {most} binding energy per nucleon"
        yield which(rng, f"bound {' '.join(sorted(four))}", "binding energy", 8, names, text, said)


MAKERS = (masses, separations, compared)
