"""Nuclides: half-lives, what they decay to, natural shares, atomic masses."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import molmass
import periodictable

from build.drafting import Draft, which, words
from build.hard.matter.pools import apart, digits, ordered, scattered, sets
from build.hard.matter.sources import SECONDS, Nuclide, element_name, nuclides
from build.wording import listed

FAMOUS = words(
    "H-3 Be-7 C-11 C-14 N-13 O-15 F-18 Na-22 Na-24 Al-26 P-32 S-35 Cl-36 K-40 Ca-45 Cr-51 Mn-54 Fe-55 Fe-59 Co-57 "
    "Co-60 Ni-63 Cu-64 Zn-65 Ga-67 Ga-68 Se-75 Kr-85 Rb-82 Rb-87 Sr-89 Sr-90 Y-90 Zr-89 Zr-95 Nb-95 Mo-99 Tc-99 "
    "Ru-103 Ru-106 In-111 I-123 I-124 I-125 I-129 I-131 Xe-133 Xe-135 Cs-134 Cs-137 Ba-133 Ba-140 La-140 Ce-144 "
    "Pm-147 Sm-153 Eu-152 Lu-177 Re-186 Ir-192 Au-198 Tl-201 Tl-204 Pb-210 Bi-210 Bi-213 Po-210 At-211 Rn-222 "
    "Ra-223 Ra-226 Ac-225 Th-230 Th-232 Pa-231 U-233 U-234 U-235 U-238 Np-237 Pu-238 Pu-239 Pu-240 Pu-241 Am-241 "
    "Cm-244 Cf-252"
)
COMMON = words("H He Li B C N O Ne Mg Si S Cl Ar K Ca Cr Fe Ni Cu Zn Ag Sn Pt Pb U Br")
HOUR, DAY, YEAR = SECONDS["hour"], SECONDS["day"], SECONDS["year"]
UNITS = (("years", YEAR), ("days", DAY), ("hours", HOUR), ("minutes", 60.0))
SINGULAR = {"positrons": "positron", "single neutrons": "single neutron"}
FACTORS, CLOSER = (0.2, 0.36, 0.6, 1.6, 2.7, 4.6), (0.36, 0.55, 0.76, 1.33, 1.8, 2.7)
STEPS = {"B-": (1, 0), "B+": (-1, 0), "A": (-2, -4)}


def famous(nuclide: Nuclide) -> bool:
    return f"{nuclide.symbol}-{nuclide.count}" in FAMOUS


def lived(nuclide: Nuclide) -> str:
    """The half-life as it is asked for: three digits, in the largest unit of which there are two or more."""
    assert nuclide.life
    unit, seconds = next(unit for unit in UNITS if nuclide.life >= 2 * unit[1])
    return f"{digits(nuclide.life / seconds)} {unit}"


def _askable(shortest: float = 120.0) -> list[Nuclide]:
    return [
        n for n in nuclides().values() if n.life and shortest < n.life < 1e7 * YEAR and not n.share and n.number > 3
    ]


def lives(rng: random.Random) -> Iterator[Draft]:
    """The values of half of the nuclides; the others' are compared, so that no value tells an order."""
    chosen = _askable()
    rng.shuffle(chosen)
    values, compared = chosen[::2], chosen[1::2]
    for n in values:
        level = 7 if famous(n) else 9 if n.life > 5 * HOUR else 10  # type: ignore[operator]
        unit, seconds = next(unit for unit in UNITS if n.life >= 2 * unit[1])  # type: ignore[operator]
        reach = 8 if level < 10 else 3
        near = [
            other.life / seconds
            for other in chosen
            if other.life and abs(other.number - n.number) <= 6 and reach**-1 < other.life / n.life < reach  # type: ignore[operator]
        ]
        rng.shuffle(near)
        made = [n.life / seconds * rng.uniform(0.9, 1.1) * f for f in (FACTORS if level < 10 else CLOSER)]  # type: ignore[operator]
        pool = apart(n.life / seconds, [v for v in near if v > 0.5][:8] + made, 0.25 if level < 10 else 0.18)  # type: ignore[operator]
        low = [v for v in pool if v < n.life / seconds][:4]  # type: ignore[operator]
        high = [v for v in pool if v > n.life / seconds][:4]  # type: ignore[operator]
        question = f"What is the half-life of {n.name}?"
        statement = f"The half-life of {n.name} is {{}}."
        texts = tuple(f"{digits(v)} {unit}" for v in _dealt(low, high))
        yield Draft(f"half-life {n.name}", "half-life", level, question, statement, lived(n), texts)
    yield from _compared(rng, compared)


def _dealt(*groups: list[float]) -> list[float]:
    """The first of each group, then the second of each."""
    return [group[i] for i in range(max(map(len, groups))) for group in groups if i < len(group)]


def _compared(rng: random.Random, chosen: list[Nuclide]) -> Iterator[Draft]:
    known = {n.name: n.life for n in chosen if famous(n) and n.life}
    for four in sets(rng, known, 900, lambda v: v[1] > 3 * v[0] and v[3] > 3 * v[2]):
        yield _extreme(rng, 7, four)
    rare = {n.name: n.life for n in chosen if not famous(n) and n.life}
    for four in sets(rng, rare, 3000, lambda v: v[1] > 3 * v[0] and v[3] > 3 * v[2] and v[3] < 200 * v[0]):
        yield _extreme(rng, 9, four)
    wide = sets(rng, rare, 9000, lambda v: all(6 < b / a < 400 for a, b in pairwise(v)))
    close = sets(rng, rare, 20000, lambda v: all(3 < b / a < 12 for a, b in pairwise(v)))
    for level, four in (*((9, four) for four in wide), *((10, four) for four in close)):
        fact = f"lives {' '.join(sorted(four))}"
        ask, say = "by half-life, the shortest first", "by half-life, from the shortest to the longest,"
        yield ordered(rng, fact, "half-lives in order", level, four, ask, say)


def _extreme(rng: random.Random, level: int, four: tuple[str, ...]) -> Draft:
    fact = f"lives {' '.join(sorted(four))}"
    if rng.random() < 0.5:
        names = (four[3], *four[:3])
        return which(rng, fact, "longest-lived", level, names, "has the longest half-life", "the longest-lived nuclide")
    return which(rng, fact, "longest-lived", level, four, "has the shortest half-life", "the shortest-lived nuclide")


def daughters(rng: random.Random) -> Iterator[Draft]:
    table = nuclides()
    for n in table.values():
        if not (n.mode and n.life and n.life > 600 and 5 < n.number < 97) or n.share:
            continue
        ends = [(1, 0), (-1, 0), (-2, -4), (0, -1), (1, -1), (-1, -1), (2, 0), (-2, 0), (-1, -4)]
        step = STEPS[n.mode]
        pool = [end for end in ends if end != step]
        rng.shuffle(pool)
        # Beta decays of either kind first, both where the nuclide emits alpha particles.
        pool.sort(key=lambda end: end not in ((1, 0), (-1, 0)))
        texts = tuple(f"{element_name(n.number + z)}-{n.count + a}" for z, a in pool)
        answer = f"{element_name(n.number + step[0])}-{n.count + step[1]}"
        question = f"Which nuclide is formed directly by the radioactive decay of {n.name}?"
        statement = f"The nuclide formed directly by the radioactive decay of {n.name} is {{}}."
        level = 6 if famous(n) else 7
        yield Draft(f"daughter {n.name}", "daughter", level, question, statement, answer, texts)
    yield from _chains(rng)


def _chains(rng: random.Random) -> Iterator[Draft]:
    table = nuclides()
    heavy = sorted((n for n in table.values() if n.number > 80 and n.life), key=lambda n: n.name)
    for index, n in enumerate(rng.sample(heavy, 90)):
        level = 6 + index % 2
        counts = {
            "alpha particles": rng.randint(2, 4) + 2 * (level - 6),
            "electrons in beta-minus decays": rng.randint(2, 5) + (level - 6),
            "positrons": rng.randint(1, 3) if index % 3 else 0,
            "single neutrons": rng.randint(1, 5) if level > 6 else 0,
        }
        kinds = list(counts.items())
        rng.shuffle(kinds)
        said = listed([f"{count} {kind if count > 1 else SINGULAR[kind]}" for kind, count in kinds if count])
        number = n.number - 2 * counts["alpha particles"] + counts["electrons in beta-minus decays"]
        number, count = (
            number - counts["positrons"],
            n.count - 4 * counts["alpha particles"] - counts["single neutrons"],
        )
        if not 30 < number < 95:
            continue
        moves = [(1, 0), (-1, 0), (2, 0), (-2, 0), (2, 4), (-2, -4), (1, 4), (-1, -4), (0, 4), (0, -4)]
        moves += [(1, 2), (0, 2), (-1, 1), (0, 1), (1, 1), (0, -1)] if level > 6 else []
        rng.shuffle(moves)
        pool = tuple(f"{element_name(number + z)}-{count + a}" for z, a in moves[:10])
        emitted = f"A nucleus of {n.name} and those that follow from it emit, in all, {said}."
        question = f"{emitted} Which nuclide remains at the end?"
        statement = (
            f"When a nucleus of {n.name} and those that follow from it have emitted {said} in all, there remains {{}}."
        )
        yield Draft(
            f"chain {n.name}", "decay series", level, question, statement, f"{element_name(number)}-{count}", pool
        )


def shares(rng: random.Random) -> Iterator[Draft]:
    table = nuclides()
    for number in range(1, 93):
        found = [n for n in table.values() if n.number == number and n.share]
        found = [n for n in found if _sure(n)] if len(found) > 1 else []
        natural = sorted((n for n in found), key=lambda n: -n.share)
        total = sum(n.share for n in natural)
        if total < 99 or len(natural) < 2:
            continue
        yield from _ranks(rng, number, natural)
        for n in natural:
            level = 7 if n.symbol in COMMON else 8
            if not 3 < n.share < 97 or abs(n.share * 10 % 1 - 0.5) < 0.15:
                continue
            question = f"What percentage of the atoms of natural {n.element} are {n.name}, to one decimal place?"
            statement = (
                f"To one decimal place, the percentage of the atoms of natural {n.element} that are {n.name} is {{}}."
            )
            others = [o.share for o in natural if o is not n and abs(o.share - n.share) < 12 and o.share > 2]
            top = min(n.share, 100 - n.share)
            texts = [f"{v:.1f}%" for v in others]
            texts += scattered(rng, n.share, [s * top**0.5 for s in (0.25, 0.5, 0.8, 1.1)], lambda v: f"{v:.1f}%")
            pool = tuple(t for t in dict.fromkeys(texts) if abs(float(t[:-1]) - n.share) > 0.35)
            yield Draft(f"share {n.name}", "natural share", level, question, statement, f"{n.share:.1f}%", pool)


def _sure(n: Nuclide) -> bool:
    """Whether three packages give the share alike: within a fiftieth, and the same to one decimal."""
    one = molmass.ELEMENTS[n.number].isotopes.get(n.count)
    other = periodictable.elements[n.number][n.count].abundance
    if one is None or not other:
        return False
    values = (n.share, 100 * one.abundance, other)
    close = max(values) - min(values) < max(0.02 * n.share, 0.02)
    return close and (n.share < 1 or len({f"{v:.1f}" for v in values}) == 1)


def _ranks(rng: random.Random, number: int, natural: list[Nuclide]) -> Iterator[Draft]:
    element, common = natural[0].element, natural[0].symbol in COMMON
    if len(natural) < 4:
        return
    for rank, text, level in ((0, "most", 6), (1, "second most", 7), (2, "third most", 8), (-1, "least", 7)):
        n = natural[rank]
        around = [o.share for o in natural if o is not n]
        if any(abs(o - n.share) < 0.08 * n.share for o in around) or (rank == 2 and len(natural) < 5):
            continue
        question = f"Which isotope is the {text} abundant in the standard composition of natural {element}?"
        statement = f"In the standard composition of natural {element}, the {text} abundant isotope is {{}}."
        pool = [o.name for o in natural if o is not n]
        rng.shuffle(pool)
        fact = f"rank {element}"
        yield Draft(fact, "isotopes by share", level + (not common), question, statement, n.name, tuple(pool))


def stable(rng: random.Random) -> Iterator[Draft]:
    table = nuclides()
    for number in range(20, 84):
        own = [n for n in table.values() if n.number == number]
        steady = [n for n in own if n.stable and n.share > 1]
        shaky = [n for n in own if n.life and n.life < 1e6 * YEAR and not n.share]
        if len(steady) < 2:
            continue
        n = rng.choice(steady)
        # As often the lightest or the heaviest of the four as one between.
        n_lighter = rng.randrange(4)
        lighter = [o for o in shaky if o.count < n.count][-max(4, n_lighter) :]
        heavier = [o for o in shaky if o.count > n.count][:4]
        if len(lighter) < n_lighter or len(heavier) < 3 - n_lighter:
            continue
        near = rng.sample(lighter, n_lighter) + rng.sample(heavier, 3 - n_lighter)
        question = f"Which of the isotopes {_listed([n, *near])} is stable?"
        statement = f"Of the isotopes {_listed([n, *near])}, the stable one is {{}}."
        level = 6 if n.symbol in COMMON else 7
        names = tuple(o.name for o in near)
        yield Draft(f"stable {number}", "stable isotope", level, question, statement, n.name, names)


def _listed(four: list[Nuclide]) -> str:
    return listed([n.name for n in sorted(four, key=lambda n: n.count)])


def masses(rng: random.Random) -> Iterator[Draft]:
    for n in nuclides().values():
        other = periodictable.elements[n.number][n.count].mass if (n.share or n.life) and n.number > 14 else None
        if not other or abs(other - n.mass) > 0.00003 or (n.life or 1e9) < DAY or abs(n.mass * 1e4 % 1 - 0.5) < 0.3:
            continue
        level = 9 if n.share > 5 else 10
        question = f"What is the atomic mass of {n.name}, in unified atomic mass units?"
        statement = f"In unified atomic mass units, the atomic mass of {n.name} is {{}}."
        pool = scattered(rng, n.mass, (0.0011, 0.0023, 0.0037, 0.0054), lambda v: f"{v:.4f}")
        yield Draft(f"mass {n.name}", "atomic mass", level, question, statement, f"{n.mass:.4f}", pool)


MAKERS = (lives, daughters, shares, stable, masses)
