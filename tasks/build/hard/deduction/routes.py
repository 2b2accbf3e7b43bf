"""One-way roads with tolls: the cheapest trip under a condition, or how many trips there are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from build.hard.deduction.parts.slips import spread
from build.hard.deduction.parts.telling import asked
from build.making import Question

Roads = dict[tuple[str, str], int]

SHAPES = {5: (6, 10), 6: (7, 12), 7: (8, 16), 8: (9, 20), 9: (10, 25), 10: (11, 30)}
"""By level: towns and roads."""

KINDS = {
    5: ("cheapest",),
    6: ("cheapest",),
    7: ("cheapest", "second", "count"),
    8: ("second", "voucher", "count"),
    9: ("voucher", "through", "count"),
    10: ("through", "voucher", "count"),
}


def trips(roads: Roads, start: str, end: str) -> Iterator[tuple[str, ...]]:
    """All trips that come to no town twice."""
    after: dict[str, list[str]] = {}
    for a, b in sorted(roads):
        after.setdefault(a, []).append(b)

    def onward(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if path[-1] == end:
            yield path
            return
        for town in after.get(path[-1], ()):
            if town not in path:
                yield from onward((*path, town))

    return onward((start,))


def _tolls(roads: Roads, path: tuple[str, ...]) -> list[int]:
    return [roads[step] for step in pairwise(path)]


def routes(rng: random.Random, level: int) -> Question | None:
    """A map with roads mostly onward and a few back."""
    n, n_roads = SHAPES[level]
    towns = "ABCDEFGHIJKL"[:n]
    kind = rng.choice(KINDS[level])
    ahead = [(a, b) for i, a in enumerate(towns) for b in towns[i + 1 : i + 5]]
    back = [(a, b) for i, a in enumerate(towns[1:-1], 1) for b in towns[max(1, i - 3) : i]]
    n_back = n_roads // 5
    chosen = rng.sample(ahead, min(len(ahead), n_roads - n_back)) + rng.sample(back, n_back)
    # The letters say nothing of the way, except that it starts in A.
    mixed = ["A", *rng.sample(towns[1:], n - 1)]
    called = dict(zip(towns, mixed, strict=True))
    roads = {(called[a], called[b]): rng.randrange(2, 20) for a, b in chosen}
    start, end = "A", called[towns[-1]]
    paths = list(trips(roads, start, end))
    if len(paths) < 5 or any(not any(t in path for path in paths) for t in towns):
        return None
    sums = sorted({sum(_tolls(roads, path)) for path in paths})
    told = [
        "Roads lead one way only, from the first town to the second, each for a toll",
        "The roads and tolls are " + ", ".join(f"{a}-{b} {roads[a, b]}" for a, b in sorted(roads)),
    ]
    goal = f"from {start} to {end}"
    if kind == "count":
        if not 6 <= len(paths) <= 70:
            return None
        slips = [sum(step not in list(pairwise(path)) for path in paths) for step in sorted(roads)]
        rng.shuffle(slips)
        slips += [len(list(trips({**roads, (b, a): 1}, start, end))) for a, b in sorted(roads)]
        return asked(
            "routes",
            level,
            told,
            f"How many different routes lead {goal} without visiting any town twice?",
            f"the number of different routes {goal} without visiting any town twice is {{}}",
            len(paths),
            spread(rng, len(paths), slips),
        )
    turned = [
        min(
            sum(_tolls({**roads, (b, a): roads[a, b]}, path))
            for path in trips({**roads, (b, a): roads[a, b]}, start, end)
        )
        for a, b in sorted(roads)
        if (b, a) not in roads
    ]
    hops = [sum(_tolls(roads, path)) for path in paths if len(path) == min(map(len, paths))]
    if kind == "cheapest":
        answer, slips = sums[0], [*hops, *turned, *sums[1:8]]
        ask, said = f"What is the lowest total toll {goal}?", f"the lowest total toll {goal} is {{}}"
    elif kind == "second":
        answer, slips = sums[1], [sums[0], *sums[2:5], *turned, *hops]
        told.append("No town may be visited twice")
        ask = f"What is the second lowest total toll of a route {goal}, routes of equal toll counting once?"
        said = f"the second lowest total toll of a route {goal}, routes of equal toll counting once, is {{}}"
    elif kind == "voucher":
        told.append("A voucher makes two roads of the trip free, whichever the traveller chooses")
        nets = sorted({sum(sorted(_tolls(roads, path))[:-2]) for path in paths})
        cheap = min(paths, key=lambda path: sum(_tolls(roads, path)))
        greedy = sum(sorted(_tolls(roads, cheap))[:-2])
        ones = sorted({sum(sorted(_tolls(roads, path))[:-1]) for path in paths})
        if greedy == nets[0] or nets[0] < 4:
            return None
        answer, slips = nets[0], [greedy, *nets[1:5], ones[0], *(sum(sorted(_tolls(roads, p))[:-3]) for p in paths)]
        ask, said = f"What is the lowest total to pay {goal}?", f"the lowest total to pay {goal} is {{}}"
    else:
        c, d = rng.sample([town for town in mixed[1:] if town != end], 2)
        fits = sorted({sum(_tolls(roads, p)) for p in paths if c in p and d in p})
        one = sorted({sum(_tolls(roads, p)) for p in paths if (c in p) != (d in p)})
        if len(fits) < 2 or fits[0] == sums[0]:
            return None
        told.append("No town may be visited twice")
        answer, slips = fits[0], [*fits[1:4], *one[:4], *sums[:3], *turned]
        ask = f"What is the lowest total toll of a route {goal} that passes through both {min(c, d)} and {max(c, d)}?"
        said = f"the lowest total toll of a route {goal} that passes through both {min(c, d)} and {max(c, d)} is {{}}"
    slips += [answer + sign * delta for delta in rng.sample(range(1, 5), 4) for sign in (-1, 1)]
    return asked("routes", level, told, ask, said, answer, spread(rng, answer, slips))
