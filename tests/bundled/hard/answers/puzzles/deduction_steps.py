"""Readers of the task `deduction`: overlaps, circuits, routes, plans, games, purses and boxes, worked through."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from heapq import heappop, heappush
from itertools import product
from typing import Any

import numpy as np
from bundled.hard.answers.puzzles.deduction import NUMBERS, ORDINALS, Told, groups
from scipy.optimize import Bounds, LinearConstraint, milp

OPERATORS = {
    "AND": lambda a, b: a and b,
    "OR": lambda a, b: a or b,
    "XOR": lambda a, b: a != b,
    "NAND": lambda a, b: not (a and b),
    "NOR": lambda a, b: not a and not b,
}


def overlaps(told: Told, ask: str) -> str:
    """The largest or smallest number by integer programming."""
    total, first = groups(r"Of (\d+) .*?, (\d+ .+)", told[0])
    numbers = [groups(r"(\d+) (.+)", text) for text in [first, *told[1:-1]]]
    goal_text = groups(r"What is the (?:smallest possible |largest possible )?number of \w+ who (.+)\?", ask)[0]
    single = [deed for _, deed in numbers if not re.search(r"\b(do|both|and)\b|, ", deed)]
    parts = range(2 ** len(single))

    def inside(text: str) -> list[bool]:
        if match := re.fullmatch(r"do (none|exactly \w+|at least two|all) ?(?:of these)? ?\w+(?: things)?", text):
            word = match[1].split()[-1]
            k = {"none": 0, "all": len(single)}[word] if word in ("none", "all") else NUMBERS.index(word)
            return [p.bit_count() >= k if "least" in text else p.bit_count() == k for p in parts]
        only = text.partition(" and do nothing else")
        wanted = re.split(", | and ", only[0].removeprefix("both "))
        mask = sum(1 << single.index(deed) for deed in wanted)
        return [p == mask if only[1] else p & mask == mask for p in parts]

    rows = np.array([[True] * len(parts), *(inside(text) for _, text in numbers)], dtype=float)
    values = np.array([int(total), *(int(value) for value, _ in numbers)], dtype=float)
    goal = np.array(inside(goal_text), dtype=float)
    ends = []
    for sign in (1, -1):
        made = milp(sign * goal, integrality=np.ones(len(parts)), bounds=Bounds(0, np.inf),
                    constraints=LinearConstraint(rows, values, values))  # fmt: skip
        assert made.success
        ends.append(round(sign * made.fun))
    if "possible" not in ask:
        assert ends[0] == ends[1]
    return str(ends["largest" in ask])


def circuits(told: Told, ask: str) -> str:
    gates = re.findall(r"(g\d+) = (\w+) (\w+) (\w+)", told[-1])
    assert len(gates) == told[-1].count("=")

    def ends(wires: dict[str, bool]) -> list[bool]:
        for name, a, operator, b in gates:
            wires[name] = OPERATORS[operator](wires[a], wires[b])
        return [wires[name] for name, *_ in gates]

    if match := re.fullmatch(r"How many of the (\d+) gates give 1\?", ask):
        assert int(match[1]) == len(gates)
        return str(sum(ends({name: bit == "1" for name, bit in re.findall(r"([a-e]) = ([01])", told[0])})))
    n, last = groups(r"For how many of the (\d+) combinations of inputs does (g\d+) give 1\?", ask)
    names = re.findall(r"\b[a-fs-z]\b", groups(r"A circuit has \w+ inputs, (.+), each of which .+", told[0])[0])
    assert gates[-1][0] == last
    assert int(n) == 2 ** len(names)
    return str(sum(ends(dict(zip(names, bits, strict=True)))[-1] for bits in product((False, True), repeat=len(names))))


def routes(told: Told, ask: str) -> str:
    roads = {(a, b): int(toll) for a, b, toll in re.findall(r"([A-Z])-([A-Z]) (\d+)", told[1])}
    assert len(roads) == told[1].count("-")
    start, end = re.search(r"from ([A-Z]) to ([A-Z])", ask).groups()  # type: ignore[union-attr]
    if ask.startswith("How many"):
        return str(sum(count for count, _ in _tours(roads, start, end).values()))
    if "second lowest" in ask or "passes through" in ask:
        via = set("".join(re.findall(r"both ([A-Z]) and ([A-Z])", ask)[0])) if "both" in ask else set()
        tolls = {toll for seen, (_, sums) in _tours(roads, start, end).items() if via <= set(seen) for toll in sums}
        return str(sorted(tolls)["second lowest" in ask])
    free = 2 if any("voucher makes two roads" in text for text in told) else 0
    queue, done = [(0, start, free)], set()
    while queue:
        toll, town, left = heappop(queue)
        if town == end and (left == 0 or not free):
            return str(toll)
        if (town, left) in done:
            continue
        done.add((town, left))
        if town == end and left:
            heappush(queue, (toll, town, 0))
        for (a, b), cost in roads.items():
            if a == town:
                heappush(queue, (toll + cost, b, left))
                if left:
                    heappush(queue, (toll, b, left - 1))
    raise AssertionError("no way")


def _tours(roads: dict[tuple[str, str], int], start: str, end: str) -> dict[str, tuple[int, set[int]]]:
    """By the towns visited: how many routes there are, and their tolls. Grown town by town from sets of towns."""
    level: dict[tuple[str, str], tuple[int, set[int]]] = {(start, start): (1, {0})}
    found: dict[str, tuple[int, set[int]]] = {}
    while level:
        grown: dict[tuple[str, str], tuple[int, set[int]]] = {}
        for (seen, town), (count, tolls) in level.items():
            if town == end:
                found[seen] = (count, tolls)
                continue
            for (a, b), toll in roads.items():
                if a == town and b not in seen:
                    key = ("".join(sorted(seen + b)), b)
                    before, sums = grown.get(key, (0, set()))
                    grown[key] = (before + count, sums | {toll + t for t in tolls})
        level = grown
    return found


def schedules(told: Told, ask: str) -> str:
    jobs = re.findall(r"([A-Z]) (\d+)(?: \(after ([^)]+)\))?", told[0])
    days = {job: int(d) for job, d, _ in jobs}
    needs = {job: re.findall("[A-Z]", after) for job, _, after in jobs}
    assert sorted(days) == [chr(65 + i) for i in range(len(days))]
    if workers := [text for text in told if text.startswith("There are")]:
        n_workers = NUMBERS.index(workers[0].split()[2])
        longest = workers[0].endswith("the most days, and of those with equally many the earliest letter")
        assert longest or workers[0].endswith("is the one with the earliest letter")
        left, done, busy, day = set(days), set(), {}, 0
        while left or busy:
            for job in [job for job, end in busy.items() if end == day]:
                del busy[job]
                done.add(job)
            while len(busy) < n_workers:
                ready = [job for job in left if done >= set(needs[job])]
                if not ready:
                    break
                job = min(ready, key=lambda j: (-days[j], j) if longest else j)
                left.remove(job)
                busy[job] = day + days[job]
            day += 1
        return str(day - 1)

    @cache
    def ended(job: str) -> int:
        return days[job] + max(map(ended, needs[job]), default=0)

    whole = max(map(ended, days))

    @cache
    def latest(job: str) -> int:
        """When it must end."""
        return min((latest(k) - days[k] for k in days if job in needs[k]), default=whole)

    if ask == "After how many days at the earliest can everything be finished?":
        return str(whole)
    if ask.startswith("Of how many jobs"):
        return str(sum(latest(job) == ended(job) for job in days))
    (job,) = groups(r"By how many days at most can the start of job (\w) be put off .+", ask)
    return str(latest(job) - ended(job))


def _wins(moves: Callable[[Any], Iterable[Any]], position: Any, known: dict[Any, bool]) -> bool:
    if position not in known:
        known[position] = any(not _wins(moves, after, known) for after in moves(position))
    return known[position]


def games(told: Told, ask: str) -> str:
    takes = [int(k) for k in re.findall(r"\d+", told[1])]
    if told[0].startswith("A game has two heaps, A and B"):
        n = int(groups(r".* of 0 to (\d) stones each", told[0])[0]) + 1
        steps = []
        for part in re.split(", (?!if)| or ", groups(r"A move takes (.+), if there are so many", told[1])[0]):
            step = {heap: NUMBERS.index(word) for word, heap in re.findall(r"(\w+) from ([AB])", part)}
            steps.append((step.get("A", 0), step.get("B", 0)))
        lost = {(x, y): True for x in range(n) for y in range(n)}
        for x, y in sorted(lost):
            lost[x, y] = not any(lost.get((x - a, y - b), False) for a, b in steps)
        return str(sum(lost.values()))
    if told[0].startswith("There is one heap"):
        takes = [int(k) for k in re.findall(r"\d+", told[0])]
        bars = told[1].startswith("A move may not take the number that the opponent has just taken")
        (size,) = groups(r"For how many of the heap sizes from 1 to (\d+) .+", ask)
        win = {}
        for heap in range(int(size) + 1):
            for last in [0, *takes]:
                able = [k for k in takes if k <= heap and not (bars and k == last)]
                win[heap, last] = any(not win[heap - k, k] for k in able)
        return str(sum(not win[heap, 0] for heap in range(1, int(size) + 1)))
    heaps = [int(k) for k in re.findall(r"\d+", told[0])]
    if "any number of stones" in told[1]:
        good = []
        for i, heap in enumerate(heaps):
            for take in range(1, heap + 1):
                rest = [h - take * (i == j) for j, h in enumerate(heaps)]
                # Lost (Bouton 1902): each power of two is in an even number of the heaps.
                if all(sum(h >> bit & 1 for h in rest) % 2 == 0 for bit in range(6)):
                    good.append(f"take {take} from the heap of {heap}")
        (move,) = good
        return move

    def moves(position: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
        for i, heap in enumerate(position):
            yield from (tuple(sorted((*position[:i], heap - k, *position[i + 1 :]))) for k in takes if k <= heap)

    known: dict[Any, bool] = {}
    assert ask.startswith("How many different first moves win")
    return str(sum(not _wins(moves, after, known) for after in moves(tuple(heaps))))


def _repeats(told: Told) -> tuple[list[str], int]:
    """The steps and how often they are done."""
    if not told[1].startswith("The ") or "steps that follow" not in told[1]:
        return told[1:], 1
    n, times = groups(r"The (\w+) steps that follow .+, until all have been done (\w+) times", told[1])
    assert NUMBERS.index(n) == len(told) - 2
    return told[2:], NUMBERS.index(times)


def purses(told: Told, ask: str) -> str:
    has = {name: int(coins) for name, coins in re.findall(r"(\w+) has (\d+)", told[0])}
    steps, times = _repeats(told)

    def give(text: str) -> None:
        if match := re.fullmatch(r"(\w+) gives (\w+) half of (\w+)'s coins, rounded down", text):
            assert match[1] == match[3]
            amount = has[match[1]] // 2
        else:
            match = re.fullmatch(r"(\w+) gives (\w+) (\d+)", text)
            assert match, text
            amount = int(match[3])
        has[match[1]] -= amount
        has[match[2]] += amount
        assert has[match[1]] >= 0

    for text in steps * times:
        if match := re.fullmatch(r"(\w+) and (\w+) exchange purses", text):
            has[match[1]], has[match[2]] = has[match[2]], has[match[1]]
        elif match := re.fullmatch(r"If (\w+) has more coins than (\w+), (.+)", text):
            if has[match[1]] > has[match[2]]:
                give(match[3])
        elif match := re.fullmatch(r"If (\w+) has an even number of coins, (.+), and otherwise (.+)", text):
            give(match[3] if has[match[1]] % 2 else match[2])
        else:
            give(text)
    return str(has[groups(r"How many coins does (\w+) have at the end\?", ask)[0]])


def shelf(told: Told, ask: str) -> str:
    row = re.split(", | and ", told[0].partition(": ")[2])
    steps, times = _repeats(told)
    for text in steps * times:
        if match := re.fullmatch(r"The (\w+) and the (\w+) box from the left change places", text):
            i, j = (ORDINALS.index(word) for word in match.groups())
            row[i], row[j] = row[j], row[i]
        elif match := re.fullmatch(r"The first (\w+) boxes from the left are put in reverse order", text):
            n = NUMBERS.index(match[1])
            row = [*reversed(row[:n]), *row[n:]]
        elif match := re.fullmatch(r"The (\w+) box goes to the (left|right) end", text):
            rest = [box for box in row if box != match[1]]
            row = [match[1], *rest] if match[2] == "left" else [*rest, match[1]]
        elif match := re.fullmatch(r"The (\w+) box goes directly to the right of the (\w+) box", text):
            rest = [box for box in row if box != match[1]]
            row = [box for other in rest for box in ((other, match[1]) if other == match[2] else (other,))]
        else:
            pattern = r"If the (\w+) box is to the left of the (\w+) box, the two change places"
            a, b = groups(pattern, text)
            if row.index(a) < row.index(b):
                row = [{a: b, b: a}.get(box, box) for box in row]
    return row[ORDINALS.index(groups(r"Which colour has the (\w+) box from the left at the end\?", ask)[0])]
