"""What atoms do to X-rays, and the energies of their inner electrons: table values."""

from __future__ import annotations

import random
from collections.abc import Iterator

from build.drafting import Draft, words
from build.hard.matter.pools import digits, scattered
from build.hard.matter.sources import atoms, element_name, scattering_factors

HENKE = "in the tables of Henke, Gullikson and Davis"


def factors(rng: random.Random) -> Iterator[Draft]:
    for number in range(11, 93):
        table = [row for row in scattering_factors(number) if 300 < row[0] < 25000]
        which = 1 + number % 2
        for _ in range(8):
            row = rng.choice(table)
            value, near = row[which], [r[which] for r in table if 0.96 < r[0] / row[0] < 1.04]
            # An f1 near the number of electrons would be guessed.
            open_to_doubt = value > 2 and (which == 2 or abs(value - number) > 0.06 * number)
            # Not on an edge, where a table's next line is another value altogether.
            if open_to_doubt and max(near) - min(near) < 0.25 * value:
                break
        else:
            continue
        steps = (0.012, 0.026, 0.042, 0.06) if which == 1 else (0.025, 0.055, 0.09, 0.13)
        pool = scattered(rng, value, steps, lambda v: digits(v, 4), factors=True)
        what = (
            f"the part f{which} of the atomic scattering factor of {element_name(number)} for X-rays of {row[0]:g} eV"
        )
        question = f"What is {what}, {HENKE}?"
        statement = f"{HENKE[0].upper()}{HENKE[1:]}, {what} is {{}}."
        topic = f"scattering factor f{which}"
        yield Draft(f"factor {number}", topic, 8, question, statement, digits(value, 4), pool)


ORDINALS = words("sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth")


def inner(rng: random.Random) -> Iterator[Draft]:
    for a in atoms().values():
        high = {n: energy for n, energy in a.energies.items() if 6 <= n <= 15 and n < a.number - 1}
        for n in rng.sample(sorted(high), min(2, len(high))):
            energy = high[n]
            pool = scattered(rng, energy, (0.011, 0.024, 0.039, 0.056), lambda v: f"{digits(v, 4)} eV", factors=True)
            what = f"the {ORDINALS[n - 6]} ionization energy of {a.name}"
            answer = f"{digits(energy, 4)} eV"
            fact = f"energy {a.symbol} {n}"
            yield Draft(
                fact, "high ionization", 8, f"What is {what}?", f"{what[0].upper()}{what[1:]} is {{}}.", answer, pool
            )


MAKERS = (factors, inner)
