"""Matter on lattices, moved by a stated series of numbers: spins, gases, crystals, mirrors, chains and channels."""

from __future__ import annotations

import random
from collections.abc import Iterator

from build.drafting import Draft
from build.hard.matter.pools import beside
from build.hard.matter.simulated.series import Series

STEPS = {9: (1, 2, 3, 4), 10: (1, 2, 3, 5, 7)}
"""How far wrong counts lie from right ones: much less than an estimate leaves open."""

N = 28
"""Drafts of a kind, half of them of each level."""


def around(cell: int, rows: int, columns: int) -> tuple[int, int, int, int]:
    """The cells above, right, below and left, on a torus numbered row by row."""
    row, column = divmod(cell, columns)
    return (
        (row - 1) % rows * columns + column,
        row * columns + (column + 1) % columns,
        (row + 1) % rows * columns + column,
        row * columns + (column - 1) % columns,
    )


def spins_up(series: Series, rows: int, columns: int, times: int) -> int:
    cells = rows * columns
    up = [True] * cells
    beside_it = [around(cell, rows, columns) for cell in range(cells)]
    for r in series.numbers(times):
        q, cell = divmod(r, cells)
        unlike = sum(up[other] != up[cell] for other in beside_it[cell])
        if unlike > 1 or (unlike == 1 and q % 3 == 0) or (unlike == 0 and q % 8 == 0):
            up[cell] = not up[cell]
    return sum(up)


def crystal(series: Series, rows: int, columns: int, times: int) -> int:
    cells = rows * columns
    solid = [False] * cells
    solid[cells // 2] = True
    beside_it = [around(cell, rows, columns) for cell in range(cells)]
    for r in series.numbers(times):
        cell = r % cells
        if 0 < sum(solid[other] for other in beside_it[cell]) < 3:
            solid[cell] = not solid[cell]
    return sum(solid)


def meetings(series: Series, rows: int, columns: int, particles: int, steps: int) -> int:
    """How often two meet head on in the gas of Hardy, Pomeau and de Pazzis."""
    cells = rows * columns
    gas = {(r % cells, r // cells % 4) for r in series.numbers(particles)}
    beside_it = [around(cell, rows, columns) for cell in range(cells)]
    found = 0
    for _ in range(steps):
        ways: dict[int, list[int]] = {}
        for cell, way in gas:
            ways.setdefault(beside_it[cell][way], []).append(way)
        for cell, own in ways.items():
            if len(own) == 2 and (own[0] - own[1]) % 4 == 2:
                ways[cell] = [(way + 1) % 4 for way in own]
                found += 1
        gas = {(cell, way) for cell, own in ways.items() for way in own}
    return found


def largest(series: Series, rows: int, columns: int, percent: int) -> int:
    """Cells of the largest joined group of open cells."""
    numbers = series.numbers(rows * columns)
    left = {divmod(i, columns) for i, r in enumerate(numbers) if r % 100 < percent}
    most = 0
    while left:
        heap, size = [left.pop()], 0
        while heap:
            r, c = heap.pop()
            size += 1
            for cell in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                if cell in left:
                    left.remove(cell)
                    heap.append(cell)
        most = max(most, size)
    return most


def mirrors(series: Series, rows: int, columns: int, steps: int) -> int:
    """How often a ray is sent up by mirrors that change at each turn."""
    cells = rows * columns
    leans = [r // 8 % 2 == 0 for r in series.numbers(cells)]
    beside_it = [around(cell, rows, columns) for cell in range(cells)]
    cell, way, up = 0, 1, 0
    for _ in range(steps):
        way = (1, 0, 3, 2)[way] if leans[cell] else (3, 2, 1, 0)[way]
        leans[cell] = not leans[cell]
        up += way == 0
        cell = beside_it[cell][way]
    return up


def blocked(series: Series, links: int, times: int) -> int:
    """How often a chain that creeps on the plane is in its own way."""
    chain = [(x, 0) for x in range(links)]
    stuck = 0
    for r in series.numbers(times):
        x, y = chain[-(r % 2)]
        dx, dy = ((0, 1), (1, 0), (0, -1), (-1, 0))[r // 2 % 4]
        place = (x + dx, y + dy)
        if place in chain:
            stuck += 1
        elif r % 2:
            chain = [*chain[1:], place]
        else:
            chain = [place, *chain[:-1]]
    return stuck


def passed(series: Series, places: int, times: int) -> int:
    """How many moves ions have made into, along and out of a channel."""
    full, moves = [False] * places, 0
    for r in series.numbers(times):
        p = r % (places + 1)
        if p and not full[p - 1]:
            continue
        if p < places and full[p]:
            continue
        if p:
            full[p - 1] = False
        if p < places:
            full[p] = True
        moves += 1
    return moves


def _draft(rng: random.Random, kind: str, level: int, given: str, ask: str, say: str, answer: int) -> Iterator[Draft]:
    steps = STEPS[level]
    if answer >= max(steps):
        question, statement = f"{given} {ask}?", f"{given} {say} is {{}}."
        yield Draft(given, f"{kind} {level}", level, question, statement, f"{answer:,}", beside(rng, answer, steps))


def _torus(rows: int, columns: int) -> str:
    return f"a torus of {rows} rows of {columns} cells, numbered from 0 row by row"


def drafts_spins(rng: random.Random) -> Iterator[Draft]:
    for index in range(N):
        level, series = 9 + index % 2, Series.drawn(rng)
        low, high = (4, 6) if level == 9 else (9, 13)
        rows, columns = rng.randint(low, high), rng.randint(low, high)
        times = rng.randint(11, 20) * 10 if level == 9 else rng.randint(30, 80) * 100
        cells = rows * columns
        given = (
            f"{series.start_text}. Spins on {_torus(rows, columns)}, are all up. {times:,} times, {series.text}; "
            f"divided by {cells}, r gives q and a remainder, the number of a cell, whose spin turns over if 2 or more "
            "of its 4 neighbours are unlike it, if 1 is and q is a multiple of 3, or if none is and q is a multiple "
            "of 8."
        )
        answer = spins_up(series, rows, columns, times)
        ask, say = "How many spins are up at the end", "The number of spins that are up at the end"
        yield from _draft(rng, "spins", level, given, ask, say, answer)


def drafts_crystal(rng: random.Random) -> Iterator[Draft]:
    for index in range(N):
        level, series = 9 + index % 2, Series.drawn(rng)
        low, high = (5, 7) if level == 9 else (11, 17)
        rows, columns = rng.randint(low, high), rng.randint(low, high)
        times = rng.randint(14, 24) * 10 if level == 9 else rng.randint(40, 90) * 100
        cells = rows * columns
        given = (
            f"{series.start_text}. On {_torus(rows, columns)}, cell {cells // 2} is solid, the others are liquid. "
            f"{times:,} times, {series.text}; if 1 or 2 (not 0, 3 or 4) of the 4 neighbours of cell r modulo {cells} "
            "are solid, this cell changes, from liquid to solid or from solid to liquid."
        )
        answer = crystal(series, rows, columns, times)
        ask, say = "How many cells are solid at the end", "The number of solid cells at the end"
        yield from _draft(rng, "crystal", level, given, ask, say, answer)


def drafts_gas(rng: random.Random) -> Iterator[Draft]:
    for index in range(N):
        level, series = 9 + index % 2, Series.drawn(rng)
        low, high = (5, 8) if level == 9 else (11, 17)
        rows, columns = rng.randint(low, high), rng.randint(low, high)
        cells = rows * columns
        particles, steps = cells // 3, rng.randint(12, 18) if level == 9 else rng.randint(50, 99)
        given = (
            f"{series.start_text}. On {_torus(rows, columns)}, {particles} times, {series.text} and a particle is put "
            f"on cell r modulo {cells}, of direction [r/{cells}] modulo 4 (0 up, 1 right, 2 down, 3 left; [ ] is the "
            "whole part), unless one of that direction is there. Then, in each step, all go one cell ahead; if a cell "
            "then has two particles in all, of opposite directions, it is a meeting, and they take the other two "
            "directions."
        )
        answer = meetings(series, rows, columns, particles, steps)
        ask, say = f"How many meetings are there in {steps} steps", f"The number of meetings in {steps} steps"
        yield from _draft(rng, "gas", level, given, ask, say, answer)


def drafts_percolation(rng: random.Random) -> Iterator[Draft]:
    for index in range(N):
        level, series = 9 + index % 2, Series.drawn(rng)
        size = rng.randint(11, 14) if level == 9 else rng.randint(55, 70)
        percent = rng.randint(54, 61)
        given = (
            f"{series.start_text}. A field of {size} rows of {size} cells is filled row by row, each from the left: "
            f"for each cell, {series.text}, and the cell is open if r modulo 100 is below {percent}. Open cells with a "
            "common side belong to one group."
        )
        answer = largest(series, size, size, percent)
        ask, say = "How many cells has the largest group", "The number of cells of the largest group"
        yield from _draft(rng, "percolation", level, given, ask, say, answer)


def drafts_mirrors(rng: random.Random) -> Iterator[Draft]:
    for index in range(N):
        level, series = 9 + index % 2, Series.drawn(rng)
        low, high = (5, 7) if level == 9 else (13, 19)
        rows, columns = rng.randint(low, high), rng.randint(low, high)
        steps = rng.randint(101, 160) if level == 9 else rng.randint(3001, 8000)
        given = (
            f"{series.start_text}. On {_torus(rows, columns)} (row 0 on top), for each cell in turn, {series.text}, "
            "and a mirror is put there: / if the whole part of r/8 is even, else \\. A ray enters cell 0 going right. "
            "Each mirror that it meets turns it (/ from right to up, up to right, left to down, down to left; \\ from "
            "right to down, down to right, left to up, up to left), then changes to the other kind, and the ray goes "
            "on to the next cell."
        )
        answer = mirrors(series, rows, columns, steps)
        ask, say = (
            f"In {steps:,} turns, how often is it turned to go up",
            f"In {steps:,} turns, the number of those to up",
        )
        yield from _draft(rng, "mirrors", level, given, ask, say, answer)


def drafts_polymer(rng: random.Random) -> Iterator[Draft]:
    for index in range(N):
        level, series = 9 + index % 2, Series.drawn(rng)
        links = rng.randint(6, 9) if level == 9 else rng.randint(12, 30)
        times = rng.randint(9, 15) * 10 if level == 9 else rng.randint(20, 60) * 100
        given = (
            f"{series.start_text}. A chain of {links} links lies on the cells of a plane, from (0, 0), its first, to "
            f"({links - 1}, 0), its last. {times:,} times, {series.text}. If r is even, the first link tries to move, "
            "if odd, the last: by 1 cell up, right, down or left as [r/2] modulo 4 is 0, 1, 2 or 3 ([ ] is the whole "
            "part). If any link is there, it is blocked; if not, it moves, and each other link goes where the next "
            "one on that side was."
        )
        answer = blocked(series, links, times)
        ask, say = "How often is a move blocked", "The number of blocked moves"
        yield from _draft(rng, "polymer", level, given, ask, say, answer)


def drafts_channel(rng: random.Random) -> Iterator[Draft]:
    for index in range(N):
        level, series = 9 + index % 2, Series.drawn(rng)
        places = rng.randint(5, 7) if level == 9 else rng.randint(8, 20)
        times = rng.randint(16, 25) * 10 if level == 9 else rng.randint(40, 90) * 100
        given = (
            f"{series.start_text}. A channel has the places 1 to {places}, all empty. {times:,} times, {series.text}, "
            f"and p is r modulo {places + 1}. If p is 0, an ion enters place 1 if that is empty. Otherwise the ion in "
            f"place p, if there is one, moves to place p + 1 if that is empty; from place {places} it always leaves "
            "the channel."
        )
        answer = passed(series, places, times)
        ask = "How many moves do ions make in all, with those into and out of the channel"
        say = "The number of moves that ions make in all, with those into and out of the channel,"
        yield from _draft(rng, "channel", level, given, ask, say, answer)


MAKERS = (
    *(drafts_spins, drafts_crystal, drafts_gas, drafts_percolation),
    *(drafts_mirrors, drafts_polymer, drafts_channel),
)
