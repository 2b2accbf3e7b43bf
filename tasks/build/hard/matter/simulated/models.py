"""Small models of matter with exact rules in whole numbers, run for many steps: nobody knows a shorter way.

Each is asked for a few hundred steps or fewer (level 9) and for thousands (level 10).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import astuple

from build.drafting import Draft
from build.hard.matter.pools import beside
from build.hard.matter.simulated.series import Series


def sandpile(rows: int, columns: int, row: int, column: int, grains: int) -> list[list[int]]:
    """Grains on each cell of a table, after as many fell one by one on one cell."""
    table = [[0] * columns for _ in range(rows)]
    for _ in range(grains):
        table[row][column] += 1
        unstable = [(row, column)] if table[row][column] > 3 else []
        while unstable:
            r, c = unstable.pop()
            if table[r][c] < 4:
                continue
            table[r][c] -= 4
            unstable.append((r, c))
            for y, x in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                if 0 <= y < rows and 0 <= x < columns:
                    table[y][x] += 1
                    if table[y][x] > 3:
                        unstable.append((y, x))
    return table


def walk(multiplier: int, step: int, modulus: int, start: int, steps: int, width: int) -> tuple[int, int, int]:
    """Where a particle between walls is at the end, and how often it touched the left and the right one."""
    number, place, left, right = start, width // 2, 0, 0
    for _ in range(steps):
        number = (multiplier * number + step) % modulus
        place += 1 if (number // 7) % 5 < 2 + (place > width // 2) else -1
        if place < 0:
            place, left = 2, left + 1
        elif place > width:
            place, right = width - 2, right + 1
    return place, left, right


def deposit(multiplier: int, step: int, modulus: int, start: int, grains: int, columns: int) -> list[int]:
    """Heights of columns in a ring on which grains fall, each sticking to the first grain that it touches."""
    number, heights = start, [0] * columns
    for _ in range(grains):
        number = (multiplier * number + step) % modulus
        c = number % columns
        heights[c] = max(heights[c - 1], heights[c] + 1, heights[(c + 1) % columns])
    return heights


def orbit(x: int, y: int, u: int, v: int, steps: int, scale: int) -> tuple[int, int, int, int]:
    """A star in Hénon and Heiles's field, in whole numbers, rounded down."""
    for _ in range(steps):
        x, y = x + u // 8, y + v // 8
        if abs(x) + abs(y) > 4 * scale:  # on its way out, where the numbers' lengths double step by step
            break
        u, v = u - (x + 2 * x * y // scale) // 8, v - (y + (x * x - y * y) // scale) // 8
    return x, y, u, v


def piles(rng: random.Random) -> Iterator[Draft]:
    for index in range(28):
        level = 9 + index % 2
        low, high = (5, 6) if level == 9 else (10, 15)
        rows, columns = rng.randint(low, high), rng.randint(low, high)
        row, column = rng.randint(1, rows - 2), rng.randint(1, columns - 2)
        grains = rng.randint(100, 160) if level == 9 else rng.randint(2000, 4000)
        right = sum(map(sum, sandpile(rows, columns, row, column, grains)))
        given = (
            f"On an empty table of {rows} rows of {columns} cells, {grains:,} grains fall one by one on the cell in "
            f"row {row + 1}, column {column + 1}. After each, as long as a cell has 4 grains or more, it gives one to "
            "each of the 4 cells beside, above and below it (over an edge, the grain is lost)."
        )
        question = f"{given} How many grains lie on the table at the end?"
        statement = f"{given} The number of grains on the table at the end is {{}}."
        fact = f"pile {rows} {columns} {row} {column} {grains}"
        yield Draft(
            fact, f"sandpile {level}", level, question, statement, str(right), beside(rng, right, (1, 2, 3, 4, 5))
        )


def walks(rng: random.Random) -> Iterator[Draft]:
    for index in range(28):
        level = 9 + index % 2
        multiplier, step, modulus, start = astuple(Series.drawn(rng))
        steps = rng.randint(14, 22) * 10 if level == 9 else rng.randint(30, 90) * 100
        width = 2 * rng.randint(4, 8) if level == 9 else 2 * rng.randint(7, 12)
        _, left, right = walk(multiplier, step, modulus, start, steps, width)
        wall, answer = rng.choice((("left (below 0)", left), (f"right (above {width})", right)))
        if answer < 5:
            continue
        given = (
            f"A number r starts at {start} and a particle at place {width // 2} of the places 0 to {width}. {steps:,} "
            f"times, r becomes {multiplier}r + {step} modulo {modulus}, and q is the whole part of r/7, modulo 5; the "
            f"particle moves 1 up if q < 2 (if q < 3 where its place is above {width // 2}), else 1 down; below 0 it "
            f"is put back at 2, above {width} at {width - 2}."
        )
        question = f"{given} How often is it put back from the {wall}?"
        statement = f"{given} It is put back from the {wall} {{}} times."
        reach = (1, 2, 3, 4) if level == 9 else (1, 2, 4, 6, 8)
        yield Draft(
            f"walk {given}", f"particle {level}", level, question, statement, f"{answer:,}", beside(rng, answer, reach)
        )


def deposits(rng: random.Random) -> Iterator[Draft]:
    for index in range(28):
        level = 9 + index % 2
        multiplier, step, modulus, start = astuple(Series.drawn(rng))
        columns = rng.randint(9, 14) if level == 9 else rng.randint(19, 40)
        grains = rng.randint(11, 18) * 10 if level == 9 else rng.randint(30, 80) * 100
        heights = deposit(multiplier, step, modulus, start, grains, columns)
        place = rng.randrange(columns)
        given = (
            f"A number r starts at {start}; {grains:,} grains fall on a ring of {columns} empty columns, numbered from "
            f"0. For each, r becomes {multiplier}r + {step} modulo {modulus}, and the height of column r modulo "
            f"{columns} becomes the largest of its own plus 1 and the heights of the two columns beside it."
        )
        question = f"{given} How high is column {place} at the end?"
        statement = f"{given} At the end, the height of column {place} is {{}}."
        reach = (1, 2, 3, 4) if level == 9 else (1, 2, 3, 5, 7)
        answer = heights[place]
        yield Draft(
            f"deposit {given}",
            f"deposit {level}",
            level,
            question,
            statement,
            f"{answer:,}",
            beside(rng, answer, reach),
        )


def orbits(rng: random.Random) -> Iterator[Draft]:
    for index in range(44):
        level = 9 + index % 2
        scale = 10000 if level == 9 else 100000
        steps = rng.randint(45, 70) if level == 9 else rng.randint(15, 40) * 100
        start = [round(scale * rng.uniform(*span)) for span in ((-0.25, 0.25), (-0.2, 0.3), (0.3, 0.42), (-0.12, 0.2))]
        x, y, u, v = start
        ends = orbit(x, y, u, v, steps, scale)
        if any(abs(value) > scale for value in ends):
            continue
        place = rng.randrange(2)
        right, name = ends[place], "xy"[place]
        if level == 9:
            # A rounding left out or taken the wrong way somewhere: a little off, on either side.
            pool = _signed(rng, right, (3, 7, 12, 18, 25))
        else:
            near = [orbit(x + dx, y, u, v, steps, scale)[place] for dx in range(-30, 31) if dx]
            pool = tuple(f"{n:,}" for n in dict.fromkeys(near) if abs(n) < scale and n * right > 0 and n != right)
            if abs(right) < scale // 10 or len(pool) < 8:
                continue
        given = (
            f"Whole numbers x, y, u, v start at {x:,}, {y:,}, {u:,} and {v:,}. In each step, u/8 is added to x and v/8 "
            f"to y; then, with the new x and y, (x + [2xy/{scale:,}])/8 is taken from u and "
            f"(y + [(x² - y²)/{scale:,}])/8 from v. Each quotient, in brackets or not, is rounded down to a whole "
            "number (-1/8 to -1)."
        )
        question = f"{given} What is {name} after {steps:,} steps?"
        statement = f"{given} After {steps:,} steps, {name} is {{}}."
        yield Draft(f"orbit {start}", f"orbit {level}", level, question, statement, f"{right:,}", pool[:10])


def _signed(rng: random.Random, right: int, steps: tuple[int, ...]) -> tuple[str, ...]:
    pool = [right + sign * (step + rng.randint(-1, 1)) for step in steps for sign in (1, -1)]
    rng.shuffle(pool)
    return tuple(f"{n:,}" for n in dict.fromkeys(pool))


MAKERS = (piles, walks, deposits, orbits)
