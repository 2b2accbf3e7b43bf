"""Groups that overlap, with numbers: how many must be, or can be, in several at once."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import combinations

from build.hard.deduction.parts.simplex import largest
from build.hard.deduction.parts.slips import spread
from build.hard.deduction.parts.telling import COUNTS, asked
from build.making import Question
from build.wording import listed

CLUBS = (
    ("choir", "sing", ("sing in the choir", "row", "fence", "paint", "dance", "play chess")),
    ("village", "grow", ("keep bees", "grow apples", "keep goats", "make cheese", "press oil", "grow roses")),
    ("company", "speak", ("speak Greek", "speak Czech", "speak Dutch", "speak Turkish", "speak Welsh", "speak Thai")),
    (
        "school",
        "learn",
        ("learn Latin", "learn the flute", "learn judo", "learn to sew", "learn physics", "learn to ski"),
    ),
)
PEOPLE = {
    "choir": "members of a club",
    "village": "families of a village",
    "company": "people of a company",
    "school": "pupils of a school",
}


@dataclass(frozen=True)
class Sum:
    """A number of people, as those of some parts; part p holds those who do exactly the deeds whose bits are set."""

    text: str
    parts: tuple[bool, ...]

    def of(self, sizes: list[int]) -> int:
        return sum(size for size, inside in zip(sizes, self.parts, strict=True) if inside)


def _sums(deeds: list[str]) -> dict[str, list[Sum]]:
    """What can be said of how many, by kind."""
    n = len(deeds)
    parts = range(1 << n)
    found: dict[str, list[Sum]] = {"one": [], "two": [], "three": [], "only": [], "just": []}
    for k, kind in ((1, "one"), (2, "two"), (3, "three")):
        for chosen in combinations(range(n), k):
            mask = sum(1 << c for c in chosen)
            words = ("", "", "both ", "")[k] + listed([deeds[c] for c in chosen])
            found[kind].append(Sum(words, tuple(p & mask == mask for p in parts)))
    for c in range(n):
        words = f"{deeds[c]} and do nothing else of these {COUNTS[n]}"
        found["only"].append(Sum(words, tuple(p == 1 << c for p in parts)))
    for k in range(1, n + 1):
        things = f"of these {COUNTS[n]} things"
        words = f"do all {COUNTS[n]}" if k == n else f"do exactly {COUNTS[k]} {things}"
        found["just"].append(Sum(words, tuple(p.bit_count() == k for p in parts)))
    found["none"] = [Sum(f"do none of these {COUNTS[n]} things", tuple(p == 0 for p in parts))]
    found["many"] = [Sum(f"do at least two of these {COUNTS[n]} things", tuple(p.bit_count() > 1 for p in parts))]
    return found


SHAPES = {
    5: (3, {"one": 3, "two": 2, "none": 1, "just": 1}),
    6: (3, {"one": 3, "two": 2, "none": 1, "just": 1}),
    7: (3, {"one": 3, "none": 1, "just": 1, "two": 1}),
    8: (3, {"one": 3, "two": 1, "none": 1}),
    9: (4, {"one": 4, "none": 1, "two": 2}),
    10: (4, {"one": 4, "none": 1, "two": 2, "three": 1, "just": 1}),
}
"""By level: how many deeds, and how many numbers of each kind are told."""


def overlaps(rng: random.Random, level: int) -> Question | None:
    """A least or largest number, or one that is settled (level 6)."""
    n, kinds = SHAPES[level]
    place, _, deeds_of = rng.choice(CLUBS)
    deeds = rng.sample(deeds_of, n)
    sums = _sums(deeds)
    sizes = [rng.randrange(1, 14 if n == 3 else 9) for _ in range(1 << n)]
    told = [one for kind, k in kinds.items() for one in rng.sample(sums[kind], k)]
    goals = [one for kind in ("just", "only", "two", "many", "three") for one in sums[kind] if one not in told]
    goal = rng.choice(goals)
    everyone = Sum("", (True,) * len(sizes))

    def best(known: list[Sum], sign: int) -> int | None:
        rows = [[int(p) for p in one.parts] for one in (everyone, *known)]
        found = largest([sign * p for p in goal.parts], rows, [one.of(sizes) for one in (everyone, *known)])
        return None if found is None or found.denominator > 1 else sign * int(found)

    low, high = best(told, -1), best(told, 1)
    if low is None or high is None or (low == high) != (level < 7):
        return None
    side = rng.choice((-1, 1))
    answer = low if side < 0 else high
    # By the sizes of the single groups alone much is ruled out at once; only what is not may stand beside the answer.
    plain = [one for one in told if one in sums["one"]]
    least, most = best(plain, -1), best(plain, 1)
    if least is None or most is None or not max(3, least + 3) <= answer <= most - 3:
        return None
    if min(one.of(sizes) for one in told) < 2 or (level > 6 and high - low < 3):
        return None
    alone = [best([other for other in told if other != one], side) for one in told]
    none = [one.of(sizes) for one in told if one in sums["none"]]
    slips = [value for value in alone if value is not None and value != answer]
    rng.shuffle(slips)
    slips = [
        *((low, high) if level > 6 else ()),
        goal.of(sizes),
        *slips[:6],
        *(answer + v for v in none),
        *(answer - v for v in none),
        *slips[6:],
    ]
    told.sort(key=lambda one: (one not in sums["one"], rng.random()))
    people = PEOPLE[place]
    texts = [f"Of {sum(sizes)} {people}, {told[0].of(sizes)} {told[0].text}"]
    texts += [f"{one.of(sizes)} {one.text}" for one in told[1:]]
    texts.append("The same people may be counted under several of these numbers")
    noun = people.split()[0]
    extreme = {6: "number", -1: "smallest possible number", 1: "largest possible number"}[6 if level < 7 else side]
    return asked(
        "overlaps",
        level,
        texts,
        f"What is the {extreme} of {noun} who {goal.text}?",
        f"the {extreme} of {noun} who {goal.text} is {{}}",
        answer,
        spread(rng, answer, slips, low=max(1, least), high=most),
    )
