"""People in a queue and round a table: who has which place, and in how many ways all can be placed."""

from __future__ import annotations

import random
from collections.abc import Callable

from build.hard.deduction.parts.slips import Clue, gathered, joint, miscounted, spread
from build.hard.deduction.parts.telling import COUNTS, ORDINALS, asked, people, unmentioned
from build.hard.deduction.places import Orders, orders_of
from build.making import Question
from build.wording import listed

Drawer = Callable[[random.Random, Orders, list[str]], Clue]

QUEUE = (
    "The first is at the front, 'before' means anywhere nearer to the front, and 'next to' means directly in front of "
    "or directly behind"
)


def _standing(rng: random.Random, orders: Orders, names: list[str]) -> Clue:
    """A simple fact of a queue."""
    a, b = rng.sample(range(orders.n), 2)
    x, y = names[a], names[b]
    kind = rng.randrange(7)
    about = (kind // 2 if kind < 4 else kind, *sorted((a, b)))
    beside = orders.where(a, b, lambda k, m: abs(k - m) == 1)
    ahead = orders.where(a, b, lambda k, m: k < m)
    if kind < 2:
        return Clue(f"{x} is before {y}", ahead, (ahead & beside, orders.every ^ ahead), about)
    if kind == 2:
        return Clue(f"{x} is not next to {y}", orders.every ^ beside, (orders.every ^ (beside & ahead), beside), about)
    if kind == 3:
        return Clue(f"{x} is next to {y}", beside, (beside & ahead, orders.every ^ beside), about)
    place = rng.randrange(orders.n)
    if kind == 4:
        after = orders.among(a, lambda k: k != place)
        return Clue(f"{x} is not {ORDINALS[place]}", after, (orders.among(a, lambda k: k < place),), (4, a))
    if kind == 5:
        apart = orders.where(a, b, lambda k, m: abs(k - m) == 2)
        return Clue(
            f"exactly one person stands between {x} and {y}",
            apart,
            (apart & ahead, orders.where(a, b, lambda k, m: abs(k - m) == 3)),
            about,
        )
    gap = rng.choice((2, 3))
    far = orders.where(a, b, lambda k, m: abs(k - m) > gap)
    return Clue(
        f"at least {COUNTS[gap]} people stand between {x} and {y}",
        far,
        (far & ahead, orders.where(a, b, lambda k, m: abs(k - m) >= gap)),
        about,
    )


def _sitting(rng: random.Random, orders: Orders, names: list[str]) -> Clue:
    """A simple fact of a round table with numbered chairs."""
    n = orders.n
    a, b = rng.sample(range(n), 2)
    x, y = names[a], names[b]
    kind = rng.randrange(7)
    about = (kind, *sorted((a, b)))
    beside = orders.where(a, b, lambda k, m: (k - m) % n in (1, n - 1))
    flat = orders.where(a, b, lambda k, m: abs(k - m) == 1)
    if kind == 0:
        return Clue(f"{x} sits next to {y}", beside, (flat, orders.every ^ beside), about)
    if kind == 1:
        return Clue(
            f"{x} does not sit next to {y}", orders.every ^ beside, (orders.every ^ flat, beside), (0, *about[1:])
        )
    if kind == 2:
        more = orders.where(a, b, lambda k, m: k > m)
        return Clue(f"the number of {x}'s chair is higher than that of {y}'s", more, (orders.every ^ more,), about)
    if kind == 3:
        odd = rng.randrange(2)
        held = orders.among(a, lambda k: (k + 1) % 2 == odd)
        text = f"the number of {x}'s chair is {('even', 'odd')[odd]}"
        return Clue(text, held, (orders.every ^ held,), (3, a))
    if kind == 4:
        seat = rng.randrange(n)
        return Clue(f"{x} does not sit in chair {seat + 1}", orders.every ^ orders.at[a][seat], (), (4, a))
    across = orders.where(a, b, lambda k, m: 2 * abs(k - m) == n)
    skipped = orders.where(a, b, lambda k, m: (k - m) % n in (2, n - 2))
    if kind == 5 and n % 2 == 0:
        denied = rng.random() < 0.6
        text = f"{x} {'does not sit' if denied else 'sits'} opposite {y}"
        return Clue(
            text, orders.every ^ across if denied else across, (orders.every ^ beside if denied else skipped,), about
        )
    return Clue(
        f"{x} and {y} have exactly one common neighbour at the table", skipped, (beside, across), (6, *about[1:])
    )


def _compound(rng: random.Random, orders: Orders, names: list[str], simple: Drawer) -> Clue:
    p, q = simple(rng, orders, names), simple(rng, orders, names)
    if p.about == q.about:
        return p
    no_p, no_q = orders.every ^ p.mask, orders.every ^ q.mask
    both = (no_p & no_q) | (p.mask & q.mask)
    about = tuple(sorted((p.about, q.about)))
    kind = rng.randrange(4)
    if kind == 0:
        return Clue(f"if {p.text}, then {q.text}", no_p | q.mask, (both, p.mask | no_q, p.mask & q.mask), about)
    if kind == 1:
        return Clue(f"{p.text}, or {q.text}, or both", p.mask | q.mask, (orders.every ^ both, p.mask & q.mask), about)
    if kind == 2:
        return Clue(f"either {p.text} or {q.text}, but not both", orders.every ^ both, (p.mask | q.mask, both), about)
    return Clue(f"{p.text} if and only if {q.text}", both, (no_p | q.mask, orders.every ^ both), about)


SHAPES: dict[int, tuple[tuple[str, int, tuple[int, int], tuple[int, int], float], ...]] = {
    5: (("place", 5, (1, 1), (4, 6), 0.0),),
    6: (("place", 6, (1, 1), (5, 8), 0.2), ("count", 5, (2, 6), (3, 4), 0.0)),
    7: (("place", 7, (1, 1), (6, 9), 0.35), ("count", 6, (3, 10), (4, 6), 0.15)),
    8: (("never", 7, (8, 40), (5, 7), 0.25), ("count", 7, (8, 20), (6, 8), 0.3), ("place", 8, (1, 1), (7, 10), 0.5)),
    9: (("count", 7, (21, 70), (5, 8), 0.4), ("part", 7, (30, 100), (5, 8), 0.4)),
    10: (("count", 8, (80, 400), (6, 9), 0.55), ("part", 8, (100, 500), (6, 9), 0.5)),
}
"""By level: what is asked, how many people, cases left, clues, and the share of compound ones."""


def orders(rng: random.Random, level: int) -> Question | None:
    """A queue."""
    kind, n, wanted, n_clues, share = rng.choice(SHAPES[level])
    space, names = orders_of(n), people(rng, n)
    opening = f"{listed(names)} stand in a queue"

    def draw() -> Clue:
        return _compound(rng, space, names, _standing) if rng.random() < share else _standing(rng, space, names)

    return _told(rng, level, "queue", kind, space, names, draw, wanted, n_clues, [opening, QUEUE])


def table(rng: random.Random, level: int) -> Question | None:
    """A round table."""
    kind, n, wanted, n_clues, share = rng.choice([shape for shape in SHAPES[level] if shape[0] != "never"])
    n = {5: 6, 7: 8 if level > 8 else 6}.get(n, n)
    if level == 9:
        wanted = (24, 120)  # few rules leave fewer of the 40,320 ways round a table of eight
    space, names = orders_of(n), people(rng, n)
    across = f"chair 1 is opposite chair {n // 2 + 1}, chair 2 opposite chair {n // 2 + 2}, and so on"
    opening = f"{listed(names)} sit at a round table with {COUNTS[n]} chairs, one to each"
    chairs = f"The chairs are numbered from 1 to {n} clockwise, so chair {n} is next to chair 1; {across}"

    def draw() -> Clue:
        return _compound(rng, space, names, _sitting) if rng.random() < share else _sitting(rng, space, names)

    return _told(rng, level, "table", kind, space, names, draw, wanted, n_clues, [opening, chairs])


def _told(
    rng: random.Random,
    level: int,
    topic: str,
    kind: str,
    space: Orders,
    names: list[str],
    draw: Callable[[], Clue],
    wanted: tuple[int, int],
    n_clues: tuple[int, int],
    opening: list[str],
) -> Question | None:
    clues = gathered(rng, space.every, space.n_cases, draw, wanted, n_clues)
    if clues is None or len(unmentioned(names, [clue.text for clue in clues])) > 1:
        return None
    left = joint((clue.mask for clue in clues), space.every)
    told = [*opening, *(clue.text[0].upper() + clue.text[1:] for clue in clues)]
    queue = topic == "queue"
    if kind == "place":
        place = rng.randrange(space.n)
        answer = next(name for name, at in zip(names, space.at, strict=True) if at[place] & left)
        others = [name for name in names if name != answer]
        rng.shuffle(others)
        spot = ORDINALS[place] if queue else f"in chair {place + 1}"
        return asked(
            topic,
            level,
            told,
            f"Who {'is' if queue else 'sits'} {spot}{' in the queue' * queue}?",
            f"the one who {'is' if queue else 'sits'} {spot}{' in the queue' * queue} is {{}}",
            answer,
            others,
        )
    if kind == "never":
        pairs = [(a, b) for a in range(space.n) for b in range(a + 1, space.n)]
        beside = {pair: left & space.where(*pair, lambda k, m: abs(k - m) == 1) for pair in pairs}
        never = [pair for pair, mask in beside.items() if not mask]
        if len(never) != 1 or any(f"{names[never[0][0]]} is not next to {names[never[0][1]]}" in t for t in told):
            return None
        rare = sorted((pair for pair in pairs if pair not in never), key=lambda pair: beside[pair].bit_count())
        texts = [f"{names[a]} and {names[b]}" for a, b in (*never, *rare[:10])]
        if any(f"{names[never[0][1]]} is not next to {names[never[0][0]]}" in sentence for sentence in told):
            return None
        return asked(
            topic,
            level,
            told,
            "Which two of them cannot be next to each other?",
            "the two of them who cannot be next to each other are {}",
            texts[0],
            texts[1:],
        )
    everyone = f"all {COUNTS[space.n]}"
    if kind == "count":
        slips = miscounted(rng, clues, space.every, space.every)
        n_left = left.bit_count()
        verb = "stand in the queue" if queue else "sit on the chairs"
        return asked(
            topic,
            level,
            told,
            f"In how many different ways can {everyone} of them {verb}?",
            f"the number of different ways in which {everyone} of them can {verb} is {{}}",
            n_left,
            spread(rng, n_left, slips),
        )
    query = (_standing if queue else _sitting)(rng, space, names)
    part = (left & query.mask).bit_count()
    if not 0.25 < part / left.bit_count() < 0.75 or any(query.about == clue.about for clue in clues):
        return None
    slips = [left.bit_count() - part, *miscounted(rng, clues, space.every, query.mask)]
    return asked(
        topic,
        level,
        told,
        f"In how many of the possible ways for {everyone} of them is it true that {query.text}?",
        f"the number of possible ways for {everyone} of them in which {query.text} is {{}}",
        part,
        spread(rng, part, slips),
    )
