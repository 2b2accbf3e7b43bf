"""What many steps, some on condition and some repeated, make of purses and of a row of boxes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from build.hard.deduction.parts.slips import spread
from build.hard.deduction.parts.telling import COUNTS, ORDINALS, asked, people
from build.making import Question
from build.wording import listed


class Step(NamedTuple):
    """kind: give, swap, half, more (give on condition) or even (one of two gives). k, m: numbers of coins."""

    kind: str
    a: int
    b: int
    c: int = 0
    k: int = 0
    m: int = 0


def told_step(step: Step, names: Sequence[str]) -> str:
    x, y, z = names[step.a], names[step.b], names[step.c]
    return {
        "give": f"{x} gives {y} {step.k}",
        "swap": f"{x} and {y} exchange purses",
        "half": f"{x} gives {y} half of {x}'s coins, rounded down",
        "more": f"if {x} has more coins than {y}, {x} gives {z} {step.k}",
        "even": f"if {x} has an even number of coins, {x} gives {y} {step.k}, and otherwise {z} gives {x} {step.m}",
    }[step.kind]


def after(step: Step, purses: list[int], mistaken: str = "") -> list[int]:
    """The purses after a step. mistaken: 'skip' for a step forgotten, 'turn' for one done the other way round."""
    new = list(purses)
    if mistaken == "skip":
        return new
    a, b, c, k, m = step.a, step.b, step.c, step.k, step.m
    turned = mistaken == "turn"
    if step.kind == "swap":
        new[a], new[b] = new[b], new[a]
        return new
    if step.kind == "give":
        giver, taker, amount = (b, a, k) if turned else (a, b, k)
    elif step.kind == "half":
        giver, taker, amount = a, b, (new[a] + turned) // 2
    elif step.kind == "more":
        giver, taker, amount = a, c, k if (new[a] > new[b]) != turned else 0
    elif (new[a] % 2 == 0) != turned:
        giver, taker, amount = a, b, k
    else:
        giver, taker, amount = c, a, m
    new[giver] -= amount
    new[taker] += amount
    return new


def final(steps: Sequence[Step], purses: list[int], slips: dict[int, str]) -> list[int]:
    for number, step in enumerate(steps):
        purses = after(step, purses, slips.get(number, ""))
    return purses


def repeated(n_steps: int, rounds: int) -> str:
    return (
        f"The {COUNTS[n_steps]} steps that follow are done in this order, and then all of them again in the same "
        f"order, until all have been done {COUNTS[rounds]} times"
    )


PURSES = {5: (3, 6, 1), 6: (4, 10, 1), 7: (4, 15, 1), 8: (5, 20, 1), 9: (5, 7, 5), 10: (5, 8, 8)}
"""By level: people, steps, and how often all are done."""


def _purses(rng: random.Random, level: int) -> Question | None:
    n, n_steps, rounds = PURSES[level]
    names = people(rng, n)
    start = rng.sample(range(25, 90), n)
    weights = (
        {"give": 4, "swap": 2, "half": 2, "more": 3, "even": 2}
        if level > 6
        else {"give": 4, "swap": 3, "half": 1, "more": 2}
    )
    steps = []
    for _ in range(n_steps):
        a, b, c = rng.sample(range(n), 3)
        kind = rng.choices(list(weights), list(weights.values()))[0]
        steps.append(Step(kind, a, b, c, rng.randrange(2, 16), rng.randrange(2, 16)))
    if any(s.kind == t.kind == "swap" and {s.a, s.b} == {t.a, t.b} for s, t in pairwise(steps)):
        return None
    done = steps * rounds
    purses = before = start
    for number, step in enumerate(done):
        if number == len(done) - n_steps:
            before = purses
        purses = after(step, purses)
        if min(purses) < 0:
            return None
    if sorted(purses) == sorted(before):
        return None  # the last round changes nothing: the end could be seen early
    who = rng.randrange(n)
    answer = purses[who]
    if not {who} < {person for step in steps for person in (step.a, step.b)} or answer < 5:
        return None
    spots = rng.sample(range(len(done)), min(len(done), 10))
    slips = [final(done, start, {spot: word})[who] for spot in spots for word in ("turn", "skip")]
    pairs = [rng.sample(spots, 2) for _ in range(6)]
    slips += [final(done, start, {one: "turn", two: "skip"})[who] for one, two in pairs]
    slips += [purses[k] for k in range(n) if k != who]
    rng.shuffle(slips)
    first = (
        f"{listed([f'{name} has {coins}' for name, coins in zip(names, start, strict=True)])} coins, each in a purse"
    )
    told = [first]
    if rounds > 1:
        told.append(repeated(n_steps, rounds))
    lines = [told_step(step, names) for step in steps]
    told += [line[0].upper() + line[1:] for line in lines]
    return asked(
        "purses",
        level,
        told,
        f"How many coins does {names[who]} have at the end?",
        f"the number of coins that {names[who]} has at the end is {{}}",
        answer,
        spread(rng, answer, slips),
    )


ITEMS = ("red", "blue", "green", "white", "yellow", "black", "grey", "pink", "brown", "orange")

SHELF = {5: (5, 8, 1), 6: (6, 10, 1), 7: (7, 14, 1), 8: (8, 20, 1), 9: (8, 7, 5), 10: (8, 8, 8)}
"""By level: boxes, steps, and how often all are done."""


def moved(move: tuple[str, int, int], row: list[int]) -> list[int]:
    """The row after a move.

    swap: the boxes at places a and b change places. end, front: box a goes to the right or left end. past: box a goes
    directly to the right of box b. turn: the first a boxes are put in reverse order. left: if box a is to the left of
    box b, they change places.
    """
    kind, a, b = move
    row = list(row)
    if kind == "swap" or (kind == "left" and row.index(a) < row.index(b)):
        i, j = (a, b) if kind == "swap" else (row.index(a), row.index(b))
        row[i], row[j] = row[j], row[i]
    elif kind in ("end", "front", "past"):
        row.remove(a)
        row.insert({"end": len(row), "front": 0, "past": row.index(b) + 1 if b in row else 0}[kind], a)
    elif kind == "turn":
        row[:a] = row[:a][::-1]
    return row


def _told_move(move: tuple[str, int, int], colours: Sequence[str]) -> str:
    kind, a, b = move
    if kind == "swap":
        return f"the {ORDINALS[a]} and the {ORDINALS[b]} box from the left change places"
    if kind == "turn":
        return f"the first {COUNTS[a]} boxes from the left are put in reverse order"
    return {
        "end": f"the {colours[a]} box goes to the right end",
        "front": f"the {colours[a]} box goes to the left end",
        "past": f"the {colours[a]} box goes directly to the right of the {colours[b]} box",
        "left": f"if the {colours[a]} box is to the left of the {colours[b]} box, the two change places",
    }[kind]


def _shelf(rng: random.Random, level: int) -> Question | None:
    n, n_moves, rounds = SHELF[level]
    colours = rng.sample(ITEMS, n)
    moves = []
    for _ in range(n_moves):
        kind = rng.choice(("swap", "swap", "end", "front", "past", "past", "turn", "left", "left"))
        a, b = sorted(rng.sample(range(n), 2)) if kind == "swap" else rng.sample(range(n), 2)
        moves.append((kind, rng.randrange(3, n - 1) if kind == "turn" else a, b))
    done = moves * rounds
    row = before = list(range(n))
    for number, move in enumerate(done):
        if number == len(done) - n_moves:
            before = row
        row = moved(move, row)
    if row == before:
        return None
    place = rng.randrange(1, n - 1)
    wrong = []
    for skipped in rng.sample(range(len(done)), min(len(done), 12)):
        other = list(range(n))
        for number, move in enumerate(done):
            other = other if number == skipped else moved(move, other)
        wrong.append(other[place])
    pool = list(dict.fromkeys(k for k in [*wrong, *rng.sample(range(n), n)] if k != row[place]))
    told = [f"From left to right, boxes stand in a row: {listed([colours[k] for k in range(n)])}"]
    if rounds > 1:
        told.append(repeated(n_moves, rounds))
    texts = [_told_move(move, colours) for move in moves]
    told += [text[0].upper() + text[1:] for text in texts]
    if len(set(texts)) < len(texts) or len(pool) < 5:
        return None
    spot = ORDINALS[place]
    return asked(
        "shelf",
        level,
        told,
        f"Which colour has the {spot} box from the left at the end?",
        f"the colour of the {spot} box from the left at the end is {{}}",
        colours[row[place]],
        [colours[k] for k in pool],
    )


def tracking(rng: random.Random, level: int) -> Question | None:
    """Purses or boxes."""
    kind = rng.choice((_purses, _shelf))
    for _ in range(200):
        if question := kind(rng, level):
            return question
    return None
