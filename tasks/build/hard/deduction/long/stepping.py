"""Many steps without a short cut: lamps, rows of cells, Life, an ant, dials, and the values of heaps in a game."""

from __future__ import annotations

import random
from operator import xor

from build.hard.deduction.parts.closeness import close, uniform
from build.hard.deduction.parts.telling import asked
from build.making import Question


def _last(rng: random.Random, counts: list[int], first: int) -> int:
    """After which step to ask: one from `first` on, so that each count that occurs is as likely."""
    return first + uniform(rng, counts[first:])


LAMPS = {9: (24, 1200, 2100), 10: (26, 6000, 9000)}
"""By level: lamps, and the first and last step after which may be asked."""


def lamps(rng: random.Random, level: int) -> Question | None:
    """A network in which each lamp depends on three, without a state that comes again."""
    n, first, last = LAMPS[level]
    letters = "abcdefghijklmnopqrstuvwxyz"[:n]
    rules = []
    for own in rng.sample(range(n), n):
        rules.append((own, *rng.sample([k for k in range(n) if k != own], 2), rng.choice(("and", "or"))))
    start = state = tuple(rng.randrange(2) for _ in range(n))
    seen, counts = {state}, [sum(state)]
    for _ in range(last):
        state = tuple(state[p] ^ (state[q] & state[r] if op == "and" else state[q] | state[r]) for p, q, r, op in rules)
        if state in seen:
            return None
        seen.add(state)
        counts.append(sum(state))
    if not 3 < sum(start) < n - 3:
        return None
    asked_at = _last(rng, counts, first)
    listing = ", ".join(
        f"{letters[k]}: {letters[p]} / {letters[q]} {op} {letters[r]}" for k, (p, q, r, op) in enumerate(rules)
    )
    told = [
        f"There are {n} lamps, {letters[0]} to {letters[-1]}, and at first those that are on are "
        + ", ".join(letter for letter, on in zip(letters, start, strict=True) if on),
        "In each step all lamps are set at once by how they all were before the step; a rule 'p: q / r and s' "
        "says that "
        "lamp p is on after the step exactly when, before it, either q was on or both r and s were on, but not both of "
        "these; a rule 'p: q / r or s' says the same with 'at least one of r and s was on' for 'both r and s were on'",
        f"The rules are {listing}",
    ]
    return asked(
        "lamps",
        level,
        told,
        f"How many lamps are on after {asked_at} steps?",
        f"the number of lamps that are on after {asked_at} steps is {{}}",
        counts[asked_at],
        close(rng, counts[asked_at], low=0, high=n, step=1),
    )


CHAOTIC = (30, 45, 75, 86, 89, 101, 106, 120, 135, 149, 169, 225)
"""Rules of three cells whose patterns look random."""


def _ruled(rule: int, before: int, own: int, after: int, every: int) -> int:
    """The next row, as bits: the rule's eight cases of the cell before, the cell itself and the cell after."""
    no = every ^ after
    four = [(after if rule >> k & 2 else 0) | (no if rule >> k & 1 else 0) for k in (0, 2, 4, 6)]
    low, high = four[0] ^ (own & (four[0] ^ four[1])), four[2] ^ (own & (four[2] ^ four[3]))
    return low ^ (before & (low ^ high))


ROWS = {9: (53, 500, 1200), 10: (79, 5000, 8000)}
"""By level: cells, and the first and last step after which may be asked."""


def cells(rng: random.Random, level: int) -> Question | None:
    """A ring of cells, each set by itself and its two neighbours."""
    n, first, last = ROWS[level]
    rule = rng.choice(CHAOTIC)
    start = [rng.randrange(2) for _ in range(n)]
    row, every = sum(1 << i for i, one in enumerate(start) if one), (1 << n) - 1
    seen, counts = {row}, [sum(start)]
    for _ in range(last):
        row = _ruled(rule, (row << 1 | row >> (n - 1)) & every, row, row >> 1 | (row & 1) << (n - 1), every)
        if row in seen:
            return None
        seen.add(row)
        counts.append(row.bit_count())
    asked_at = _last(rng, counts, first)
    threes = ", ".join(f"{k:03b}" for k in range(8) if rule >> k & 1)
    told = [
        f"A ring of {n} cells holds, clockwise, {''.join(map(str, start))}; the last digit is next to the first",
        "In each step every cell gets 1 or 0 anew, all at once: 1 exactly when, before the step, the cell "
        "before it, the "
        f"cell itself and the cell after it, in clockwise order, held one of {threes}",
    ]
    return asked(
        "cells",
        level,
        told,
        f"How many cells hold 1 after {asked_at} steps?",
        f"the number of cells that hold 1 after {asked_at} steps is {{}}",
        counts[asked_at],
        close(rng, counts[asked_at], low=0, high=n, step=1),
    )


LIVES = {9: (18, 120, 250), 10: (24, 300, 600)}
"""By level: the side of the board, and the first and last step after which may be asked."""


def life(rng: random.Random, level: int) -> Question | None:
    """Conway's Life on a board whose edges are joined."""
    n, first, last = LIVES[level]
    start = frozenset(cell for cell in range(n * n) if rng.random() < 0.4)
    alive = sum(1 << cell for cell in start)
    every = (1 << n * n) - 1
    left = every // ((1 << n) - 1)  # the cells of the left column
    right = left << (n - 1)
    seen, counts = {alive}, [len(start)]
    for _ in range(last):
        a = (alive & ~right) << 1 | (alive & right) >> (n - 1)
        b = (alive & ~left) >> 1 | (alive & left) << (n - 1)
        # Each row's threes and twos as two binary digits, then those of the rows above and below.
        side1, side2 = a ^ b, a & b
        one, two = side1 ^ alive, side2 | (side1 & alive)
        up1, up2 = (one << n | one >> n * (n - 1)) & every, (two << n | two >> n * (n - 1)) & every
        down1, down2 = one >> n | (one << n * (n - 1) & every), two >> n | (two << n * (n - 1) & every)
        ones = up1 ^ down1 ^ side1
        carry = (up1 & down1) | (side1 & (up1 ^ down1))
        odd = up2 ^ down2 ^ side2 ^ carry
        pairs = (up2 & down2) | (side2 & carry) | ((up2 | down2) & (side2 | carry))
        alive = odd & ~pairs & (ones | alive)
        if alive in seen:
            break
        seen.add(alive)
        counts.append(alive.bit_count())
    if len(counts) <= first + 3:
        return None
    asked_at = _last(rng, counts, first)
    if counts[asked_at] < 6:
        return None
    drawn = ["".join("01"[r * n + c in start] for c in range(n)) for r in range(n)]
    told = [
        f"A board of {n} by {n} cells has these rows, from top to bottom: {', '.join(drawn)}",
        "1 is a live cell and 0 a dead one; the top row is next to the bottom row, the left column next to the right "
        "column, and each cell has eight neighbours",
        "In each step, all at once, a live cell stays alive if two or three of its neighbours are alive and dies "
        "otherwise, and a dead cell comes to life if exactly three of its neighbours are alive",
    ]
    return asked(
        "life",
        level,
        told,
        f"How many cells are alive after {asked_at} steps?",
        f"the number of cells that are alive after {asked_at} steps is {{}}",
        counts[asked_at],
        close(rng, counts[asked_at], low=1, step=1),
    )


WALKS = {9: (11, 7000, 12_000), 10: (15, 40_000, 60_000)}
"""By level: the side of the board, and the first and last step after which may be asked."""


def ant(rng: random.Random, level: int) -> Question | None:
    """An ant that turns by the colour of its square and changes it, on a board whose edges are joined."""
    n, first, last = WALKS[level]
    turns = rng.choice(("RLL", "RRL", "LRL", "RLR", "LLR", "LRR"))
    start = [0] * (n * n)
    for cell in rng.sample(range(n * n), n):
        start[cell] = rng.choice((1, 2))
    colours, at, way = [*start], n // 2 * n + n // 2, 0
    turning = [1 if turn == "R" else 3 for turn in turns]
    ahead = [
        [(r + i) % n * n + (c + j) % n for r in range(n) for c in range(n)]
        for i, j in ((-1, 0), (0, 1), (1, 0), (0, -1))
    ]
    ones = colours.count(1)
    counts = [ones]
    for _ in range(last):
        old = colours[at]
        way = (way + turning[old]) & 3
        colours[at] = (1, 2, 0)[old]
        ones += (1, -1, 0)[old]
        counts.append(ones)
        at = ahead[way][at]
    asked_at = _last(rng, counts, first)
    drawn = ["".join(map(str, start[k * n : k * n + n])) for k in range(n)]
    word = {"R": "right", "L": "left"}
    told = [
        f"A board of {n} by {n} squares has these rows of numbers, from top to bottom: {', '.join(drawn)}",
        "Who leaves the board at one edge comes in at the opposite edge, in the same row or column",
        f"An ant stands in row {n // 2 + 1} from the top and column {n // 2 + 1} from the left and looks up, to "
        f"the top "
        "row",
        f"In each step it turns {word[turns[0]]} if its square holds 0, {word[turns[1]]} if 1 and {word[turns[2]]} if "
        "2, by a quarter turn; then the number of its square goes up by one, from 2 to 0; then it walks one square "
        "forward",
    ]
    return asked(
        "ant",
        level,
        told,
        f"How many squares hold 1 after {asked_at:,} steps?",
        f"the number of squares that hold 1 after {asked_at:,} steps is {{}}",
        counts[asked_at],
        close(rng, counts[asked_at], low=0, high=n * n, step=1),
    )


ROUNDS = {9: (2500, 6000), 10: (16_000, 28_000)}
"""By level: how many rounds, at least and at most."""

Move = tuple[str, int, int, int]
WORDS = {
    "times": "{0} turns forward by {1} times {2}",
    "more": "if {1} shows more than {2}, {0} turns forward by {1}, and otherwise {0} turns back by {2}",
    "even": "if {0} shows an even number, {1} and {2} are exchanged, and otherwise {1} turns forward by {0}",
    "square": "{0} turns forward by {1} times {1}, and then back by {2}",
}


def turned(move: Move, dials: list[int], size: int) -> None:
    kind, a, b, c = move
    if kind == "times":
        dials[a] += dials[b] * dials[c]
    elif kind == "more":
        dials[a] += dials[b] if dials[b] > dials[c] else -dials[c]
    elif kind == "square":
        dials[a] += dials[b] ** 2 - dials[c]
    elif dials[a] % 2 == 0:
        dials[b], dials[c] = dials[c], dials[b]
    else:
        dials[b] += dials[a]
    dials[a] %= size
    dials[b] %= size


def dials(rng: random.Random, level: int) -> Question | None:
    """Numbers on dials that turn by one another."""
    size, n = rng.choice((191, 193, 197, 199, 211)), 5
    moves = [(kind, *rng.sample(range(n), 3)) for kind in (*WORDS, *rng.sample(sorted(WORDS), 2))]
    rng.shuffle(moves)
    if len({move[1] for move in moves}) < 4:
        return None
    start = [rng.randrange(size) for _ in range(n)]
    rounds = rng.randrange(*ROUNDS[level])
    shown, seen = [*start], {tuple(start)}
    for _ in range(rounds):
        for kind, a, b, c in moves:
            turned((kind, a, b, c), shown, size)
        if tuple(shown) in seen:
            return None
        seen.add(tuple(shown))
    who = rng.randrange(n)
    answer = shown[who]
    names = "ABCDE"
    lines = [WORDS[kind].format(names[a], names[b], names[c]) for kind, a, b, c in moves]
    told = [
        f"Dials show the numbers 0 to {size - 1} in a circle, and after {size - 1} comes 0 again; to turn "
        f"forward by k is "
        "to go on by k numbers, and to turn back by k is to go back by k numbers",
        "At first " + ", ".join(f"{name} shows {value}" for name, value in zip(names, start, strict=True)),
        f"The six moves that follow are made in this order, and then all of them again, until all have been "
        f"made {rounds:,} times",
        *(line[0].upper() + line[1:] for line in lines),
    ]
    return asked(
        "dials",
        level,
        told,
        f"Which number does {names[who]} show at the end?",
        f"the number that {names[who]} shows at the end is {{}}",
        answer,
        close(rng, answer, low=0, high=size - 1, step=rng.choice((1, 2, 3, 6))),
    )


SIZES = {9: (450, 600), 10: (1500, 2000)}
"""By level: the largest heap, at least and at most."""


def heaps(rng: random.Random, level: int) -> Question | None:
    """The sum of the values of all heaps up to a size, in a game in which a heap may be divided."""
    largest = rng.randrange(*SIZES[level])
    takes = sorted(rng.sample(range(1, 8), 3))
    parting = sorted(rng.sample(takes, 2))
    values = [0]
    for size in range(1, largest + 1):
        left = {values[size - t] for t in takes if t <= size}
        for t in parting:
            rest = size - t
            half = max(rest // 2, 0)
            left.update(map(xor, values[1 : half + 1], values[rest - 1 : rest - half - 1 : -1]))
        values.append(next(v for v in range(largest + 2) if v not in left))
        if size in (200, largest):
            tail = values[size // 4 :]
            if max(values) < 4 or any(tail[p:] == tail[:-p] for p in range(1, len(tail) * 2 // 3)):
                return None
    answer = sum(values)
    told = [
        f"A move in a game takes {takes[0]}, {takes[1]} or {takes[2]} counters from a heap that has as many or more",
        f"After taking {parting[0]} or {parting[1]}, the player may also, but need not, divide what is left of "
        f"that heap "
        "into two heaps of at least one counter each",
        "The value of a heap is the smallest whole number from 0 up that is not the value of a position to which one "
        "move from that heap leads; the value of two heaps together is the bitwise exclusive or (XOR) of their values, "
        "and that of no counters is 0",
    ]
    ask = f"What is the sum of the values of the {largest} single heaps of 1, 2, 3 and so on up to {largest} counters?"
    said = f"the sum of the values of the {largest} single heaps of 1, 2, 3 and so on up to {largest} counters is {{}}"
    return asked("heaps", level, told, ask, said, answer, close(rng, answer, step=1))
