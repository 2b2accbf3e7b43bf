"""People that move, ground that is carried off, and who sees whom: many years or places, in whole numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from build.hard.cities.steps.ladders import Result, ladder, others


def moved(people: Sequence[int], shares: Sequence[int], years: int) -> list[tuple[int, ...]]:
    """The populations after 0, 1, 2 and more years."""
    n = len(people)
    found = [tuple(people)]
    for _ in range(years):
        now, after = found[-1], list(found[-1])
        for k, (count, share) in enumerate(zip(now, shares, strict=True)):
            after[k] -= count // share
            after[(k + 1 + count % (n - 1)) % n] += count // share
        found.append(tuple(after))
    return found


def migration(rng: random.Random, level: int) -> Result:
    n, years = {9: (5, 200), 10: (6, 800)}[level]
    while True:
        people = [rng.randrange(20_000, 90_000) for _ in range(n)]
        shares = [rng.randrange(5, 14) for _ in range(n)]
        history = moved(people, shares, years)
        town = rng.randrange(n)
        ends = [moved([*people[:k], people[k] + 1, *people[k + 1 :]], shares, years)[-1][town] for k in range(n)]
        ends += [moved([people[0] + 2, *people[1:]], shares, years)[-1][town]]
        ends += [moved([*people[:-1], people[-1] + 2], shares, years)[-1][town]]
        if len(set(history)) == years + 1 and len({*ends, history[-1][town]}) > 6:
            break
    table = ", ".join(f"{k}: {count} and {share}" for k, (count, share) in enumerate(zip(people, shares, strict=True)))
    rule = (
        f"There are {n} towns with numbers k, people P and a divisor D each (k: P and D): {table}. Every year, from "
        f"all towns at once and with P as it is at the start of the year, "
        f"the whole part of P/D people leave town k, all for the town whose number is the remainder of k + 1 + r "
        f"divided by {n}, where r "
        f"is the remainder of P divided by {n - 1}"
    )
    ask = f"How many people has town {town} after {years} years"
    said = f"After {years} years town {town} has {{}} people"
    value = history[-1][town]
    return f"{rule}. {ask}?", f"{rule}. {said}.", str(value), others(rng, value, ends)


def worn(heights: Sequence[int], lift: int, years: int) -> list[int]:
    """The heights after so many years."""
    now, n = list(heights), len(heights)
    for year in range(1, years + 1):
        after = list(now)
        for i, height in enumerate(now):
            low, to = min((now[j], j) for j in (i - 1, i + 1) if 0 <= j < n)
            if low < height:
                after[i] -= (height - low) // 3
                after[to] += (height - low) // 3
        after[(after[0] + after[-1] + year * year) % n] += lift
        now = after
    return now


def erosion(rng: random.Random, level: int) -> Result:
    n, years = {9: (14, 50), 10: (30, 120)}[level]
    while True:
        heights = [rng.randrange(100, 900) for _ in range(n)]
        lift = rng.randrange(150, 400)
        cell = rng.randrange(n // 3, n - 2)
        end = worn(heights, lift, years)
        ends = [worn([heights[0] + k, *heights[1:]], lift, years)[cell] for k in range(1, 15)]
        if len({*ends, end[cell]}) > 6:
            break
    rule = (
        f"A ridge has {n} cells in a row, numbered 0 to {n - 1}, of heights {', '.join(map(str, heights))}. Every "
        f"year, first, all at once and by the heights at its start, "
        f"each cell that has a lower neighbour gives the whole part of a third of the difference to its lower "
        f"neighbour (the "
        f"one of the smaller number where both are equally low). Then, in year i (1, 2, 3 and so on), the cell whose "
        f"number is the remainder "
        f"of F + L + i² divided by {n} rises by {lift}, where F and L are the new heights of the first and the last "
        f"cell"
    )
    ask, said = f"How high is cell {cell} after {years} years", f"After {years} years the height of cell {cell} is {{}}"
    return f"{rule}. {ask}?", f"{rule}. {said}.", str(end[cell]), others(rng, end[cell], ends)


def seen(heights: Sequence[int]) -> int:
    """Pairs with nothing between them that reaches the line of sight: from each place the steepest view so far."""
    count = 0
    for i, low in enumerate(heights):
        rise, run = -(10**9), 1
        for j in range(i + 1, len(heights)):
            if (heights[j] - low) * run > rise * (j - i):
                rise, run = heights[j] - low, j - i
                count += 1
    return count


def sight(rng: random.Random, level: int) -> Result:
    n = {9: 60, 10: 300}[level]
    while True:
        modulus = rng.choice((907, 911, 919, 929, 937))
        first, a, b = rng.randrange(50, 900), rng.randrange(3, 90), rng.randrange(3, 90)
        heights = [first]
        for i in range(2, n + 1):
            heights.append((heights[-1] ** 2 + a * i + b) % modulus)
        if len(set(pairwise(heights))) == n - 1:
            break
    rule = (
        f"On a straight and level road {n} towers, numbered 1 to {n}, stand 1 km from each other. Tower 1 is {first} "
        f"m high; the height in metres of tower "
        f"i, from 2 on, is the remainder of h² + {a}·i + {b} divided by {modulus}, where h is the height of the "
        f"tower before. "
        f"Two towers see each other if every tower between them stays below the straight line between their tops"
    )
    ask, said = "How many pairs of towers see each other", "{} pairs of towers see each other"
    value = seen(heights)
    return f"{rule}. {ask}?", f"{rule}. {said}.", str(value), ladder(rng, value, {9: 1, 10: 3}[level])
