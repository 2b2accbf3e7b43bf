"""Sets of towns to compare, of one country or (the easiest) of one continent, and no town in too many of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from build.balancing import Balancer, Rule, alphabet, length, likeness, mention
from build.hard.cities.gazetteer import COUNTRY, TOWNS, Town, around, turns, within
from build.making import Question
from build.wording import listed

GRADES = (5, 6, 7, 8, 9, 10)
"""From cities of millions, far from each other, to small towns near each other; `questions` makes levels of them."""

RANKS = {5: (0, 1), 6: (0, 2), 7: (1, 3), 8: (3, 4), 9: (4, 6), 10: (5, 7)}
"""Of the towns of each grade."""

REACH = {5: 7000, 6: 2500, 7: 1200, 8: 700, 9: 400, 10: 300}
"""km within which the towns of a set lie from its first."""

MOST_USES = 6
N_TRIED = 4

N_DRAFTS = 12
"""Of a topic and grade: more than are taken."""

GROUPS = {
    grade: within(*RANKS[grade], (lambda town: town.continent) if grade < 7 else (lambda town: town.country))
    for grade in GRADES
}
GROUPS[5] = {name: [town for town in towns if town.population > 1_500_000] for name, towns in GROUPS[5].items()}
GROUPS[5] = {name: towns for name, towns in GROUPS[5].items() if len(towns) > 5}

_POPULATION = {town.name: town.population for town in TOWNS}


def fame(options: Sequence[str], _: str) -> list[int]:
    """The towns' populations: the largest must not be right more often than others."""
    return [_POPULATION[option] for option in options] if all(option in _POPULATION for option in options) else []


RULE = ((3, length), (2, likeness), (2, alphabet), (4, fame), (3, mention))
"""What to keep even where the three wrong answers are given."""

Make = Callable[[int, list[Town]], Question | None]
"""A draft about these towns, if they fit the grade."""


class Sets:
    """Deals towns, and takes of several drafts the one that keeps the answers' ranks even."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._uses: Counter[str] = Counter()
        self._near: dict[tuple[int, str], list[Town]] = {}
        self._seen: set[tuple[str, ...]] = set()
        self._balancer = Balancer(Rule(RULE, whole=1, group=3, power=1, ties_share=True))

    def near(self, grade: int, n_towns: int) -> Iterator[list[Town]]:
        """Without end: so many towns that lie near each other, the first in their midst."""
        for group in turns(self._rng, GROUPS[grade]):
            fresh = [town for town in group if self._uses[town.name] < MOST_USES]
            if len(fresh) < n_towns:
                continue
            first = self._rng.choice(fresh)
            if (grade, first.name) not in self._near:
                self._near[grade, first.name] = around(first, group, REACH[grade])
            others = [town for town in self._near[grade, first.name] if self._uses[town.name] < MOST_USES]
            others = others[: 8 + 2 * n_towns]
            if len(others) >= n_towns - 1:
                yield [first, *self._rng.sample(others, n_towns - 1)]

    def made(self, grade: int, n: int, n_towns: int, make: Make) -> list[Question]:
        """So many drafts of a grade; each is the evenest of some. Fewer where the towns do not give so many."""
        found: list[Question] = []
        source = self.near(grade, n_towns)
        for _ in range(n):
            drafts: list[tuple[Question, tuple[str, ...]]] = []
            for _ in range(400):
                towns = next(source)
                names = tuple(sorted(town.name for town in towns))
                draft = make(grade, towns)
                if draft is not None and self._seen.isdisjoint(combinations(names, min(3, n_towns))):
                    drafts.append((draft, names))
                if len(drafts) == N_TRIED:
                    break
            if not drafts:
                break
            best = self._balancer.pick(drafts[0][0].topic, [draft for draft, _ in drafts])
            names = next(names for draft, names in drafts if draft is best)
            self._seen.update(combinations(names, min(3, n_towns)))
            self._uses.update(names)
            found.append(best)
        return found


def named(towns: Sequence[Town], grade: int, last: str = "and") -> str:
    """The towns in a sentence, with their country where it is one."""
    names = listed([town.name for town in towns], last)
    return names if grade < 7 else f"{names} in {COUNTRY[towns[0].country]}"


def kind(grade: int) -> str:
    return "cities" if grade < 8 else "towns"
