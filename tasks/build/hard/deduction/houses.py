"""Houses in a row whose people differ in everything: clues until all is settled."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from build.hard.deduction.parts.telling import COUNTS, asked, people, upper
from build.making import Question
from build.wording import listed

THINGS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "pet": (("cat", "dog", "parrot", "rabbit", "goat", "snake", "hen", "pony"), "the {} owner", "pets"),
    "drink": (("tea", "coffee", "milk", "cocoa", "cider", "beer", "water", "juice"), "the {} drinker", "drinks"),
    "instrument": (("flute", "harp", "drum", "cello", "horn", "organ", "lute", "bell"), "the {} player", "instruments"),
    "job": (("baker", "doctor", "painter", "tailor", "lawyer", "pilot", "farmer", "nurse"), "the {}", "jobs"),
}
"""The values of each attribute, who has one, and the attribute's name in the plural."""

ASKS = {
    "pet": ("Which pet does {} have?", "the pet of {} is the {{}}"),
    "drink": ("What does {} drink?", "the drink of {} is {{}}"),
    "instrument": ("Which instrument does {} play?", "the instrument of {} is the {{}}"),
    "job": ("What is the job of {}?", "{} is the {{}}"),
}

WORDS = {
    "same": "{} is {}",
    "other": "{} is not {}",
    "next": "{} lives next to {}",
    "far": "{} does not live next to {}",
    "just": "{} lives directly left of {}",
    "left": "{} lives somewhere left of {}",
}
OPPOSITE = {"just": "just_of", "left": "left_of"}
"""The relations seen from their second side, where that is another."""

Link = tuple[int, str, int]
Arc = tuple[int, tuple[int, ...], int]


@cache
def images(n: int, relation: str) -> tuple[int, ...]:
    """By the places, as bits, that the first can have: those that the second can have. 0 has no place."""
    full = (1 << n) - 1
    found = [0]
    for places in range(1, full + 1):
        alone = places & (places - 1) == 0
        lowest, highest = places & -places, 1 << (places.bit_length() - 1)
        beside = (places << 1 | places >> 1) & full
        found.append(
            {
                "same": places,
                "other": full ^ places if alone else full,
                "next": beside,
                "far": full ^ beside if alone else full,
                "just": places << 1 & full,
                "just_of": places >> 1,
                "left": full & ~(2 * lowest - 1),
                "left_of": highest - 1,
            }[relation]
        )
    return tuple(found)


@dataclass(frozen=True)
class Street:
    """n houses and n values of each attribute; value v of attribute k is thing k * n + v."""

    n: int
    n_kinds: int

    def solutions(self, links: Sequence[Link], fixed: Sequence[tuple[int, int]], most: int = 2) -> list[list[int]]:
        """Up to `most` ways to place all things. fixed: things with the places, as bits, that they may have."""
        domains = [(1 << self.n) - 1] * (self.n * self.n_kinds)
        for thing, places in fixed:
            domains[thing] &= places
        arcs = [
            (one, images(self.n, relation), two)
            for a, r, b in links
            for one, relation, two in ((a, r, b), (b, OPPOSITE.get(r, r), a))
        ]
        found: list[list[int]] = []
        self._search(domains, arcs, found, most)
        return found

    def _search(self, domains: list[int], arcs: list[Arc], found: list[list[int]], most: int) -> None:
        if not self._narrowed(domains, arcs):
            return
        open_things = [(places.bit_count(), thing) for thing, places in enumerate(domains) if places & (places - 1)]
        if not open_things:
            found.append([places.bit_length() - 1 for places in domains])
            return
        _, thing = min(open_things)
        for place in range(self.n):
            if domains[thing] >> place & 1 and len(found) < most:
                trial = domains.copy()
                trial[thing] = 1 << place
                self._search(trial, arcs, found, most)

    def _narrowed(self, domains: list[int], arcs: list[Arc]) -> bool:
        """Takes away what cannot be, until nothing changes; False when a thing has no place left."""
        n, changed = self.n, True
        while changed:
            changed = False
            for a, image, b in arcs:
                after = domains[b] & image[domains[a]]
                if after != domains[b]:
                    if not after:
                        return False
                    domains[b], changed = after, True
            for first in range(0, n * self.n_kinds, n):
                for a in range(first, first + n):
                    if domains[a] & (domains[a] - 1) == 0:
                        for b in range(first, first + n):
                            if a != b and domains[a] & domains[b]:
                                domains[b] ^= domains[a]
                                if not domains[b]:
                                    return False
                                changed = True
        return True


SHAPES = {5: (4, 2), 6: (4, 3), 7: (5, 3), 8: (5, 4), 9: (6, 4), 10: (6, 5)}
"""By level: houses, and attributes with the names."""

SHARES = (
    {"same": 5, "other": 4, "next": 4, "far": 2, "just": 2, "left": 4},
    {"same": 9, "other": 1, "next": 6, "far": 1, "just": 5, "left": 3},
)
"""How often each relation is taken where several fit; on levels 9 and 10 the premises say more, for there are many."""

RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "same": lambda k, m: k == m,
    "other": lambda k, m: k != m,
    "next": lambda k, m: abs(k - m) == 1,
    "far": lambda k, m: abs(k - m) != 1,
    "just": lambda k, m: m - k == 1,
    "left": lambda k, m: k < m,
}


def houses(rng: random.Random, level: int) -> Question | None:
    """Who has what."""
    n, n_kinds = SHAPES[level]
    street = Street(n, n_kinds)
    kinds = sorted(rng.sample(sorted(THINGS), n_kinds - 1))
    values = [people(rng, n), *(rng.sample(THINGS[kind][0], n) for kind in kinds)]
    called = [
        *values[0],
        *(THINGS[kind][1].format(v) for kind, own in zip(kinds, values[1:], strict=True) for v in own),
    ]
    where = [place for _ in range(n_kinds) for place in rng.sample(range(n), n)]
    shares = SHARES[level > 8]
    pairs = [pair for pair in combinations(range(n * n_kinds), 2) if pair[0] // n != pair[1] // n]
    candidates: list[Link] = []
    for a, b in rng.sample(pairs, min(len(pairs), 90)):
        if rng.random() < 0.5:
            a, b = b, a
        fits = [relation for relation, test in RELATIONS.items() if test(where[a], where[b])]
        relation = rng.choices(fits, [shares[one] for one in fits])[0]
        candidates.append((a, relation, b))
    anchors = [(thing, 1 << where[thing]) for thing in rng.sample(range(n * n_kinds), 2)]
    links: list[Link] = []
    for link in candidates:
        links.append(link)
        if len(links) >= n * n_kinds - n and len(street.solutions(links, anchors)) == 1:
            break
    else:
        return None
    for link in [*links]:
        rest = [other for other in links if other != link]
        if len(street.solutions(rest, anchors)) == 1:
            links = rest
    for anchor in [*anchors]:
        rest_of = [other for other in anchors if other != anchor]
        if len(street.solutions(links, rest_of)) == 1:
            anchors = rest_of
    told = [upper(WORDS[relation].format(called[a], called[b])) for a, relation, b in links]
    told += [upper(f"{called[thing]} lives in house {places.bit_length()}") for thing, places in anchors]
    rng.shuffle(told)
    attributes = [
        f"their {THINGS[kind][2]} are {listed(own)}" for kind, own in zip(kinds, map(sorted, values[1:]), strict=True)
    ]
    opening = (
        f"{listed(values[0])} live alone in {COUNTS[n]} houses in a row, numbered from 1 to {n} from left to right; "
        f"{'; '.join(attributes)}; each person has one of each, and 'next to' means directly beside"
    )
    return _ask(rng, level, [opening, *told], n, kinds, values, called, where, links)


def _ask(
    rng: random.Random,
    level: int,
    told: list[str],
    n: int,
    kinds: list[str],
    values: list[list[str]],
    called: list[str],
    where: list[int],
    links: list[Link],
) -> Question | None:
    """Asks for a value of one attribute by a value of another one, which no premises of the form 'is' connect."""
    place = rng.randrange(n)
    asked_of, given = rng.sample(range(len(values)), 2)
    holder = {kind: next(t for t in range(kind * n, kind * n + n) if where[t] == place) for kind in (asked_of, given)}
    known = {holder[given]}
    for _ in range(len(values)):
        known |= {thing for a, relation, b in links if relation == "same" and known & {a, b} for thing in (a, b)}
    if holder[asked_of] in known:
        return None
    answer = values[asked_of][holder[asked_of] - asked_of * n]
    name = called[holder[given]]
    others = [value for value in values[asked_of] if value != answer]
    rng.shuffle(others)
    if asked_of == 0:
        return asked("houses", level, told, f"Who is {name}?", f"{name} is {{}}", answer, others)
    ask, said = ASKS[kinds[asked_of - 1]]
    return asked("houses", level, told, ask.format(name), said.format(name), answer, others)
