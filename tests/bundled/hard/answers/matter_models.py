"""Models of matter that `matter` asks about, run again from the text by other ways than the builder's."""

from __future__ import annotations

import re
from collections import deque
from typing import Any

import numpy as np
from bundled.hard.answers.matter_worked import numbers
from scipy import ndimage

Item = dict[str, Any]


def whole(text: str) -> int:
    return int(text.replace(",", ""))


def down(value: int, by: int) -> int:
    """A quotient rounded down, as a remainder taken off."""
    return (value - value % by) // by


def spins(
    item: Item, start: str, rows: str, columns: str, times: str, factor: str, more: str, modulus: str, cells: str
) -> str:
    """By the energy of a cell on a table of +1 and -1."""
    height, width = int(rows), int(columns)
    assert int(cells) == height * width
    table = [[1] * width for _ in range(height)]
    for r in numbers(start, factor, more, modulus, times):
        y, x = divmod(r % (height * width), width)
        around = table[y - 1][x] + table[(y + 1) % height][x] + table[y][x - 1] + table[y][(x + 1) % width]
        energy = table[y][x] * around
        if r // (height * width) % {4: 8, 2: 3}.get(energy, 1) == 0:
            table[y][x] = -table[y][x]
    return str((sum(map(sum, table)) + height * width) // 2)


def crystal(
    item: Item, start: str, rows: str, columns: str, seed: str, times: str, factor: str, more: str, modulus: str
) -> str:
    """By the set of solid cells."""
    height, width = int(rows), int(columns)
    solid = {divmod(int(seed), width)}
    for r in numbers(start, factor, more, modulus, times):
        y, x = divmod(r % (height * width), width)
        beside = {((y + 1) % height, x), ((y - 1) % height, x), (y, (x + 1) % width), (y, (x - 1) % width)}
        if len(beside & solid) in (1, 2):
            solid ^= {(y, x)}
    return str(len(solid))


def gas(
    item: Item,
    start: str,
    rows: str,
    columns: str,
    particles: str,
    factor: str,
    more: str,
    modulus: str,
    steps: str,
) -> str:
    """Four whole tables at once, one for each direction."""
    height, width = int(rows), int(columns)
    tables = np.zeros((4, height, width), dtype=bool)
    for r in numbers(start, factor, more, modulus, particles):
        y, x = divmod(r % (height * width), width)
        tables[r // (height * width) % 4, y, x] = True
    met = 0
    for _ in range(int(steps)):
        moves = ((-1, 0), (1, 1), (1, 0), (-1, 1))
        up, right, low, left = (np.roll(table, by, axis) for table, (by, axis) in zip(tables, moves, strict=True))
        facing = (up & low & ~right & ~left) | (~up & ~low & right & left)
        met += int(facing.sum())
        tables = np.array([up, right, low, left]) ^ facing
    return f"{met:,}"


def percolation(
    item: Item, start: str, rows: str, columns: str, factor: str, more: str, modulus: str, percent: str
) -> str:
    found = numbers(start, factor, more, modulus, str(int(rows) * int(columns)))
    field = (np.array(found) % 100 < int(percent)).reshape(int(rows), int(columns))
    labels, _ = ndimage.label(field)
    return f"{np.bincount(labels[labels > 0]).max():,}"


def mirrors(item: Item, start: str, rows: str, columns: str, factor: str, more: str, modulus: str, turns: str) -> str:
    """By complex directions: a mirror turns the conjugate by a quarter."""
    height, width = int(rows), int(columns)
    found = numbers(start, factor, more, modulus, str(height * width))
    lean = {divmod(i, width): 1j if r // 8 % 2 == 0 else -1j for i, r in enumerate(found)}
    place, way, up = (0, 0), 1 + 0j, 0
    for _ in range(whole(turns)):
        way = lean[place] * way.conjugate()
        lean[place] = -lean[place]
        up += way == 1j
        place = ((place[0] - int(way.imag)) % height, (place[1] + int(way.real)) % width)
    return f"{up:,}"


def polymer(item: Item, start: str, links: str, last: str, times: str, factor: str, more: str, modulus: str) -> str:
    chain = deque(complex(x) for x in range(int(links)))
    assert chain[-1] == int(last)
    taken, stuck = set(chain), 0
    for r in numbers(start, factor, more, modulus, times):
        step = 1j * (-1j) ** (r // 2 % 4)
        place = chain[-1 if r % 2 else 0] + complex(round(step.real), round(step.imag))
        if place in taken:
            stuck += 1
            continue
        taken.add(place)
        if r % 2:
            chain.append(place)
            taken.remove(chain.popleft())
        else:
            chain.appendleft(place)
            taken.remove(chain.pop())
    return f"{stuck:,}"


def channel(item: Item, start: str, places: str, times: str, factor: str, more: str, modulus: str, divisor: str) -> str:
    """By a text of the source, the places and the way out, in which the pair 10 becomes 01."""
    n, moves = int(places), 0
    assert int(divisor) == n + 1
    line = ["1", *"0" * n, "0"]
    for r in numbers(start, factor, more, modulus, times):
        p = r % (n + 1)
        if line[p : p + 2] == ["1", "0"]:
            line[p : p + 2] = ["0", "1"]
            moves += 1
            line[0], line[-1] = "1", "0"
    return f"{moves:,}"


def convection(item: Item, starts: str, asked: str, steps: str) -> str:
    x, y, z = map(whole, re.split(r", | and ", starts))
    for _ in range(whole(steps)):
        dx = down(10 * (y - x), 64)
        dy = down(28 * x - y - down(x * z, 1000), 64)
        dz = down(down(x * y, 1000) - down(8 * z, 3), 64)
        x, y, z = x + dx, y + dy, z + dz
    return f"{(x, y, z)['xyz'.index(asked)]:,}"


PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def tanks(item: Item, starts: str, unit: str, limit: str, asked: str, steps: str) -> str:
    """All tanks at once, by arrays rolled both ways."""
    x = np.array([whole(text) for text in re.split(r", | and ", starts)])
    for _ in range(whole(steps)):
        x = x * (whole(unit) - x) // whole(limit)
        x = (6 * x + np.roll(x, 1) + np.roll(x, -1)) >> 3
    return f"{x[PLACES.index(asked)]:,}"


def reaction(
    item: Item,
    start: str,
    a0: str,
    b0: str,
    times: str,
    factor: str,
    more: str,
    modulus: str,
    feed: str,
    first: str,
    second: str,
) -> str:
    """What came in, less what is left."""
    a, b = int(a0), int(b0)
    total = a + b
    for r in numbers(start, factor, more, modulus, times):
        total += r % int(feed)
        a += r % int(feed)
        joined = a + b  # which the first change leaves as it is
        a -= down(a * b, int(first))
        b = joined - a - down((joined - a) ** 2, int(second))
    return f"{total - a - b:,}"


RULE = r"r becomes (\d+)r \+ (\d+) modulo (\d+)"
TORUS = r"a torus of (\d+) rows of (\d+) cells, numbered from 0 row by row"
START = r"A number r starts at (\d+)\."
WORKED = (
    (
        rf"{START} Spins on {TORUS}, are all up\. ([\d,]+) times, {RULE}; divided by (\d+), .+ of 8\. How many .+\?",
        spins,
    ),
    (rf"{START} On {TORUS}, cell (\d+) is solid, .+ ([\d,]+) times, {RULE}; if 1 or 2 .+ How many .+\?", crystal),
    (
        rf"{START} On {TORUS}, (\d+) times, {RULE} and a particle .+ How many meetings are there in (\d+) steps\?",
        gas,
    ),
    (rf"{START} A field of (\d+) rows of (\d+) cells .+, {RULE}, .+ is below (\d+)\. .+ largest group\?", percolation),
    (rf"{START} On {TORUS} .+, {RULE}, and a mirror .+ In ([\d,]+) turns, how often is it turned to go up\?", mirrors),
    (rf"{START} A chain of (\d+) links .+ to \((\d+), 0\), its last\. ([\d,]+) times, {RULE}\. .+\?", polymer),
    (
        rf"{START} A channel has the places 1 to (\d+), .+ ([\d,]+) times, {RULE}, and p is r modulo (\d+)\..+\?",
        channel,
    ),
    (r"Whole numbers x, y and z start at (.+?)\. In each .+ What is (\w) after ([\d,]+) steps\?", convection),
    (
        r"Tanks in a ring hold (.+) units\. .+ \[x\(([\d,]+) - x\)/([\d,]+)\] .+ in the (\w+) tank "
        r"after ([\d,]+) steps\?",
        tanks,
    ),
    (
        rf"{START} A vessel holds (\d+) units of A, (\d+) of B .+ ([\d,]+) times, {RULE}, and r modulo (\d+) units .+ "
        r"\[ab/(\d+)\] .+ \[b²/(\d+)\] .+\?",
        reaction,
    ),
)
"""Forms of the questions, with their workings."""
