"""Readers of the long runs of `deduction`: lamps, cells, Life, the ant, dials and the values of heaps."""

from __future__ import annotations

import re

import numpy as np
from bundled.hard.answers.puzzles.deduction import Told, groups


def lamps(told: Told, ask: str) -> str:
    """With sets of the lamps that are on."""
    on = set(
        groups(r"There are \d+ lamps, a to [a-z], and at first those that are on are (.+)", told[0])[0].split(", ")
    )
    rules = re.findall(r"([a-z]): ([a-z]) / ([a-z]) (and|or) ([a-z])(?=, |$)", told[2])
    assert len({own for own, *_ in rules}) == len(rules) == int(groups(r"There are (\d+) lamps.*", told[0])[0])
    for _ in range(int(groups(r"How many lamps are on after (\d+) steps\?", ask)[0])):
        on = {
            own
            for own, one, a, op, b in rules
            if (one in on) != (a in on and b in on if op == "and" else a in on or b in on)
        }
    return str(len(on))


def cells(told: Told, ask: str) -> str:
    """With an array that has one more cell at each end."""
    n, row = groups(r"A ring of (\d+) cells holds, clockwise, ([01]+); the last digit is next to the first", told[0])
    assert len(row) == int(n)
    threes = set(re.findall(r"\b[01]{3}\b", told[1]))
    gives = np.array([f"{k:03b}" in threes for k in range(8)], dtype=np.int8)
    ring = np.array([int(digit) for digit in row[-1] + row + row[0]], dtype=np.int8)
    for _ in range(int(groups(r"How many cells hold 1 after (\d+) steps\?", ask)[0])):
        ring[1:-1] = gives[4 * ring[:-2] + 2 * ring[1:-1] + ring[2:]]
        ring[0], ring[-1] = ring[-2], ring[1]
    return str(ring[1:-1].sum())


def life(told: Told, ask: str) -> str:
    """With arrays shifted eight ways."""
    n, listing = groups(r"A board of (\d+) by \1 cells has these rows, from top to bottom: (.+)", told[0])
    alive = np.array([[digit == "1" for digit in row] for row in listing.split(", ")])
    assert alive.shape == (int(n), int(n))
    for _ in range(int(groups(r"How many cells are alive after (\d+) steps\?", ask)[0])):
        near = sum(np.roll(alive, (i, j), (0, 1)).astype(int) for i in (-1, 0, 1) for j in (-1, 0, 1)) - alive
        alive = (near == 3) | (alive & (near == 2))
    return str(alive.sum())


def ant(told: Told, ask: str) -> str:
    """With complex numbers: right is times i, for the imaginary part counts downwards."""
    n, listing = groups(r"A board of (\d+) by \1 squares has these rows of numbers, from top to bottom: (.+)", told[0])
    side = int(n)
    board = {complex(x, y): int(digit) for y, row in enumerate(listing.split(", ")) for x, digit in enumerate(row)}
    row, column = groups(r"An ant stands in row (\d+) .* and column (\d+) from the left and looks up, .*", told[2])
    turns = [
        {"right": 1j, "left": -1j}[word]
        for word in groups(
            r"In each step it turns (\w+) if its square holds 0, (\w+) if 1 and (\w+) if 2, by a .*", told[3]
        )
    ]
    place, way = complex(int(column) - 1, int(row) - 1), -1j
    for _ in range(int(groups(r"How many squares hold 1 after ([\d,]+) steps\?", ask)[0].replace(",", ""))):
        way *= turns[board[place]]
        board[place] = (board[place] + 1) % 3
        place += way
        place = complex(place.real % side, place.imag % side)
    return str(list(board.values()).count(1))


def dials(told: Told, ask: str) -> str:
    """Each move read as its sentence, on dials that may show any whole number until they are looked at."""
    size = int(groups(r"Dials show the numbers 0 to (\d+) in a circle.*", told[0])[0]) + 1
    shown = {name: int(value) for name, value in re.findall(r"([A-E]) shows (\d+)", told[1])}
    rounds = int(groups(r"The six moves .* until all have been made ([\d,]+) times", told[2])[0].replace(",", ""))
    assert len(told[3:]) == 6
    assert len(shown) == 5
    forms = (
        (r"(\w) turns forward by (\w) times (\w), and then back by (\w)", "square"),
        (r"(\w) turns forward by (\w) times (\w)", "times"),
        (r"[Ii]f (\w) shows more than (\w), (\w) turns forward by (\w), and otherwise (\w) turns back by (\w)", "more"),
        (
            r"[Ii]f (\w) shows an even number, (\w) and (\w) are exchanged, and otherwise (\w) turns forward by (\w)",
            "even",
        ),
    )
    moves = [next((kind, m.groups()) for form, kind in forms if (m := re.fullmatch(form, text))) for text in told[3:]]
    for _ in range(rounds):
        for kind, names in moves:
            value = [shown[name] % size for name in names]
            if kind == "square":
                shown[names[0]] = value[0] + value[1] * value[2] - value[3]
            elif kind == "times":
                shown[names[0]] = value[0] + value[1] * value[2]
            elif kind == "more" and value[0] > value[1]:
                shown[names[2]] = value[2] + value[3]
            elif kind == "more":
                shown[names[4]] = value[4] - value[5]
            elif value[0] % 2 == 0:
                shown[names[1]], shown[names[2]] = value[2], value[1]
            else:
                shown[names[3]] = value[3] + value[4]
    return str(shown[groups(r"Which number does (\w) show at the end\?", ask)[0]] % size)


def heaps(told: Told, ask: str) -> str:
    """Forwards: each pair of smaller heaps is told to the heaps that a move leads from."""
    takes = set(map(int, groups(r"A move in a game takes (\d), (\d) or (\d) counters .*", told[0])))
    parting = set(map(int, groups(r"After taking (\d) or (\d), the player may also, but need not, .*", told[1])))
    largest = int(groups(r"What is the sum of the values of the (\d+) single heaps .* up to \1 counters\?", ask)[0])
    assert parting < takes
    reached: list[set[int]] = [set() for _ in range(largest + 8)]
    values: list[int] = []
    pairs = np.zeros((2 * largest + 2, 1024), dtype=bool)  # by the counters of two heaps: the values together
    for size in range(largest + 1):
        value = 0
        while value in reached[size] and size:
            value += 1
        values.append(value)
        assert value < 1024
        others = np.arange(1, size + 1)
        pairs[size + others, value ^ np.array(values, dtype=int)[others]] = True
        for take in takes:
            reached[size + take].add(value)
        # Pairs of this many counters in all have both heaps smaller.
        for take in parting:
            reached[size + take].update(np.flatnonzero(pairs[size]).tolist())
    return str(sum(values))
