"""Radioactive series and mixtures of isotopes worked out exactly, from data that the question gives."""

from __future__ import annotations

import random
from collections.abc import Iterator

import molmass
from mpmath import mp, mpf

from build.drafting import Draft, words
from build.hard.matter.pools import scattered
from build.hard.matter.sources import element_name
from build.wording import listed

NAMES = "ABCDEFGH"


def member(lives: list[str], hours: int, place: int) -> float:
    """The share of the nuclei that started as the first member and are the one at a place, by Bateman's sum."""
    with mp.workdps(40):
        rates = [mp.log(2) / mpf(life) for life in lives[: place + 1]]
        total = mpf(0)
        for i, rate in enumerate(rates):
            below = mpf(1)
            for j, other in enumerate(rates):
                if i != j:
                    below *= other - rate
            total += mp.exp(-rate * hours) / below
        for rate in rates[:-1]:
            total *= rate
        return float(total)


def series(rng: random.Random) -> Iterator[Draft]:
    """Four members of unlike half-lives, or seven whose half-lives lie so near that the sum cancels to a few digits."""
    for index in range(64):
        few = index % 2 == 0
        if few:
            lives = [f"{rng.uniform(2, 20):.1f}" for _ in range(4)]
            place = rng.choice((2, 3))
        else:
            centre = rng.uniform(4, 14)
            lives = [f"{centre * rng.uniform(0.75, 1.3):.2f}" for _ in range(7)]
            place = rng.choice((4, 5, 6))
        if len(set(lives)) < len(lives):
            continue
        hours = round(sum(map(float, lives[: place + 1])) * rng.uniform(0.8, 1.8))
        share = 100 * member(lives, hours, place)
        if not 3 < share < 60 or abs(share * 1000 % 1 - 0.5) < 0.05:
            continue
        steps = (0.03, 0.065, 0.1, 0.15) if few else (0.008, 0.017, 0.027, 0.038)
        pool = scattered(rng, share, steps, lambda v: f"{v:.3f}%", factors=True)
        last = NAMES[len(lives)]
        row = " to ".join(NAMES[: len(lives)])
        given = f"In a series of decays from {row} and to the stable {last}, the half-lives of "
        given += f"{listed(NAMES[: len(lives)])} are {listed(lives)} hours."
        what = f"what percentage of the nuclei are {NAMES[place]} after {hours} hours"
        question = f"{given} If all nuclei are A at first, {what}?"
        statement = (
            f"{given} If all nuclei are A at first, the percentage that are {NAMES[place]} after {hours} hours is {{}}."
        )
        topic = "series of few" if few else "series of many"
        yield Draft(f"series {lives} {hours}", topic, 8, question, statement, f"{share:.3f}%", pool)


MIXED = words("Mg Si S Ti Cr Fe Ni Zn Ge Se Sr Zr Mo Ru Pd Cd Sn Te Xe Ba Ce Nd Sm Gd Dy Er Yb Hf W Os Pt Hg Pb")


def tenths(symbol: str) -> dict[int, int]:
    """Shares of isotopes in tenths of a per cent, none below one; the largest makes the sum right."""
    made = {a: round(1000 * i.abundance) for a, i in sorted(molmass.ELEMENTS[symbol].isotopes.items())}
    made = {a: share for a, share in made.items() if share}
    largest = max(made, key=made.__getitem__)
    made[largest] += 1000 - sum(made.values())
    return made


def convolved(one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
    made: dict[int, int] = {}
    for a, m in one.items():
        for b, n in other.items():
            made[a + b] = made.get(a + b, 0) + m * n
    return made


def mixtures(rng: random.Random) -> Iterator[Draft]:
    for index in range(60):
        large = index % 4 > 0
        rich = [symbol for symbol in MIXED if len(tenths(symbol)) > (5 if large else 3)]
        symbols = rng.sample(rich, 2)
        counts = [rng.randint(5, 9), rng.randint(4, 8)] if large else [rng.randint(2, 3), 2]
        total, atoms = {0: 1}, sum(counts)
        for symbol, count in zip(symbols, counts, strict=True):
            for _ in range(count):
                total = convolved(total, tenths(symbol))
        top = sorted(total, key=lambda a: -total[a])[: 9 if large else 5]
        mass = rng.choice(sorted(top))
        share = 100 * total[mass] / 1000**atoms
        if abs(share * 1000 % 1 - 0.5) < 0.05:
            continue
        names = [element_name(molmass.ELEMENTS[symbol].number) for symbol in symbols]
        given = "; ".join(
            f"{name} {', '.join(f'{a} {n / 10:.1f}%' for a, n in tenths(symbol).items())}"
            for name, symbol in zip(names, symbols, strict=True)
        )
        cluster = " and ".join(f"{count} {name} atoms" for count, name in zip(counts, names, strict=True))
        given = f"Take the isotopes, by mass number, as: {given}."
        what = f"of all clusters of {cluster}, drawn at random,"
        question = f"{given} What percentage {what} have {mass} nucleons?"
        statement = f"{given} The percentage {what} that have {mass} nucleons is {{}}."
        pool = scattered(rng, share, (0.007, 0.016, 0.026, 0.038), lambda v: f"{v:.3f}%", factors=True)
        topic = "clusters" if large else "small clusters"
        yield Draft(f"cluster {cluster}", topic, 8, question, statement, f"{share:.3f}%", pool)


MAKERS = (series, mixtures)
