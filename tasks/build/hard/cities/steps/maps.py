"""Walks, water, ways and islands on a map whose heights follow from a formula in whole numbers.

Level 10 takes thousands of cells, all of which count, and level 9 some hundred.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Iterator

from build.hard.cities.steps.ladders import Result, ladder, others

Cell = tuple[int, int]
Heights = dict[Cell, int]

AROUND = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""North, east, south, west."""


def drawn(rng: random.Random, n: int) -> tuple[Heights, str, int]:
    """The heights of a square map, the text that gives them, and their modulus."""
    a, b = rng.sample(range(2, 60), 2)
    d, e = rng.sample(range(2, 60), 2)
    modulus = rng.choice((83, 89, 97, 101, 103, 107, 109))
    cells = [(r, c) for r in range(1, n + 1) for c in range(1, n + 1)]
    heights = {(r, c): (a * r * r * c + b * r * c * c + d * r + e * c) % modulus for r, c in cells}
    text = (
        f"A map has {n} rows, numbered 1 to {n} from north to south, and {n} columns, numbered 1 to {n} from west to "
        f"east. The height of the cell in row r and column c is the remainder of {a}·r²·c + {b}·r·c² + {d}·r + {e}·c "
        f"divided by {modulus}"
    )
    return heights, text, modulus


def beside(heights: Heights, cell: Cell) -> Iterator[Cell]:
    """Neighbours to the north, east, south and west."""
    for down, right in AROUND:
        other = (cell[0] + down, cell[1] + right)
        if other in heights:
            yield other


def walk(rng: random.Random, level: int) -> Result:
    """Each cell left grows, so that no state ever comes back."""
    n, steps = {9: (18, 400), 10: (40, 2000)}[level]
    heights, text, modulus = drawn(rng, n)
    at = (rng.randrange(2, n), rng.randrange(2, n))
    more = rng.randrange(modulus // 6, modulus // 2)
    rule = (
        f"{text}. A surveyor starts in row {at[0]}, column {at[1]}. At each step the height of the cell left grows by "
        f"{more}, for good, and the surveyor goes to the lowest of the neighbours to the north, east, south and west "
        f"(of equally low ones the first in this order; never off the map)"
    )
    way = [at]
    for _ in range(steps):
        heights[at] += more
        at = min(beside(heights, at), key=heights.__getitem__)
        way.append(at)
    if rng.random() < 0.5:
        n_cells = len(set(way))
        ask = f"{rule}. On how many different cells, the first included, has the surveyor been after {steps:,} steps?"
        said = f"{rule}. After {steps:,} steps the surveyor has been on {{}} different cells, the first included."
        return ask, said, str(n_cells), ladder(rng, n_cells, 1 if level == 9 else 2)
    ask = f"{rule}. In which cell is the surveyor after {steps:,} steps?"
    said = f"{rule}. After {steps:,} steps the surveyor is in {{}}."
    shown = [f"row {r}, column {c}" for r, c in way if sum((r, c, *at)) % 2 == 0][-4 * n :]
    return ask, said, shown[-1], others(rng, shown[-1], shown)


def flow(heights: Heights) -> dict[Cell, Cell]:
    """Where the water of each cell goes: to itself from a pit."""
    found = {}
    for r, c in heights:
        near = [(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (r + i, c + j) in heights]
        low = min(near, key=lambda cell: (heights[cell], cell))
        found[r, c] = low if heights[low] < heights[r, c] else (r, c)
    return found


def watershed(rng: random.Random, level: int) -> Result:
    n = {9: 24, 10: 60}[level]
    heights, text, _ = drawn(rng, n)
    to = flow(heights)
    ends: Counter[Cell] = Counter()
    length = 0
    for cell in heights:
        at = cell
        while to[at] != at:
            at = to[at]
            length += 1
        ends[at] += 1
    rule = (
        f"{text}. Water flows from each cell to the lowest of its up to eight neighbours (of equally low ones to the "
        f"one "
        f"with the smallest row number, then the smallest column number), and on from there; a cell without a lower "
        f"neighbour is "
        f"a sink, where it stays"
    )
    kind = rng.randrange(3)
    if kind == 0:
        ask, said, value = "How many sinks are there", "There are {} sinks", len(ends)
    elif kind == 1:
        least = 10
        value = sum(size >= least for size in ends.values())
        said = f"Into {{}} of the sinks flows the water of at least {least} cells, the sink's own included"
        ask = f"Into how many of the sinks flows the water of at least {least} cells, the sink's own included"
    else:
        ask = "How many steps from cell to cell does the water take to its sink, added up over all cells it starts from"
        said, value = "Added up over all cells it starts from, the water takes {} steps to its sink", length
    return f"{rule}. {ask}?", f"{rule}. {said}.", str(value), ladder(rng, value, 1 + (level == 10 and kind == 2) * 6)


def filled(heights: Heights, n: int) -> Heights:
    """The level of the water that stands as high as it can, by the flood from the edge inwards."""
    level: Heights = {}
    heap = [(height, cell) for cell, height in heights.items() if {1, n} & set(cell)]
    heapq.heapify(heap)
    seen = {cell for _, cell in heap}
    while heap:
        top, cell = heapq.heappop(heap)
        level[cell] = top
        for other in beside(heights, cell):
            if other not in seen:
                seen.add(other)
                heapq.heappush(heap, (max(top, heights[other]), other))
    return level


def lakes(rng: random.Random, level: int) -> Result:
    n = {9: 18, 10: 60}[level]
    heights, text, _ = drawn(rng, n)
    depth = {cell: top - heights[cell] for cell, top in filled(heights, n).items()}
    rule = (
        f"{text}. It rains until no more water stays. Water flows between cells that have a side in common, and "
        f"from the cells at the edge it flows off the map"
    )
    if rng.random() < 0.6:
        value = sum(depth.values())
        ask = "What is the sum of the depths of the water over all cells"
        said = "The sum of the depths of the water over all cells is {}"
        return f"{rule}. {ask}?", f"{rule}. {said}.", str(value), ladder(rng, value, {9: 5, 10: 11}[level])
    value = sum(deep > 0 for deep in depth.values())
    ask, said = "How many cells are under water in the end", "In the end {} cells are under water"
    return f"{rule}. {ask}?", f"{rule}. {said}.", str(value), ladder(rng, value, {9: 1, 10: 2}[level])


def route(rng: random.Random, level: int) -> Result:
    n = {9: 16, 10: 40}[level]
    heights, text, _ = drawn(rng, n)
    start, goal = rng.choice((((1, 1), (n, n)), ((1, n), (n, 1)), ((n, n), (1, 1)), ((n, 1), (1, n))))
    best = {start: 0}
    heap = [(0, start)]
    while heap:
        cost, cell = heapq.heappop(heap)
        if cost == best[cell]:
            for other in beside(heights, cell):
                after = cost + heights[other] + 1
                if after < best.get(other, after + 1):
                    best[other] = after
                    heapq.heappush(heap, (after, other))
    rule = (
        f"{text}. A road leads from the cell in row {start[0]}, column {start[1]} to the one in row {goal[0]}, column "
        f"{goal[1]}, each time to the next cell north, east, south or west. Each cell that it enters, the last "
        f"included "
        f"and the first not, costs its height plus 1"
    )
    ask, said = "What does the cheapest road cost", "The cheapest road costs {}"
    value = best[goal]
    return f"{rule}. {ask}?", f"{rule}. {said}.", str(value), ladder(rng, value, {9: 1, 10: 2}[level])


def regions(heights: Heights, cells: set[Cell]) -> list[set[Cell]]:
    """The parts of the cells that hang together by sides."""
    found = []
    left = sorted(cells, reverse=True)
    seen: set[Cell] = set()
    while left:
        first = left.pop()
        if first in seen:
            continue
        part, queue = {first}, deque([first])
        while queue:
            for other in beside(heights, queue.popleft()):
                if other in cells and other not in part:
                    part.add(other)
                    queue.append(other)
        seen |= part
        found.append(part)
    return found


def islands(rng: random.Random, level: int) -> Result:
    n = {9: 22, 10: 60}[level]
    heights, text, modulus = drawn(rng, n)
    shore = int(modulus * rng.uniform(0.44, 0.56))
    land = {cell for cell, height in heights.items() if height >= shore}
    rule = f"{text}. Cells of height {shore} or more are land, all others and all outside the map are sea"
    kind = rng.randrange(3)
    if kind == 0:
        value = sum(sum(other in land for other in beside(heights, cell)) for cell in land)
        value = 4 * len(land) - value
        ask = "How long is the coast, the sides between land and sea counted, each of length 1"
        said = "The coast is {} sides between land and sea long"
        return f"{rule}. {ask}?", f"{rule}. {said}.", str(value), ladder(rng, value, 2)
    parts = regions(heights, land)
    rule += "; land belongs to one island where it has sides in common"
    if kind == 1:
        ask, said, value = "How many islands are there", "There are {} islands", len(parts)
    else:
        value = max(map(len, parts))
        ask, said = "How many cells does the largest island have", "The largest island has {} cells"
    return f"{rule}. {ask}?", f"{rule}. {said}.", str(value), ladder(rng, value)
