"""Counts over millions of cases and more: colourings, orders, ways through all towns, tilings, formulas."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from itertools import combinations

from build.hard.deduction.parts.closeness import close
from build.hard.deduction.parts.telling import COUNTS, ORDINALS, asked, people
from build.making import Question
from build.wording import listed

COLOURS = ("red", "blue", "green", "yellow")
MAPS = {9: (21, 46, 6, 5), 10: (26, 60, 8, 6)}
"""By level: countries, borders, how many countries are denied a colour, and how far apart in a row neighbours are."""


def colourings(rng: random.Random, level: int) -> Question | None:
    """Counted country by country, for each colouring of those that still have open borders."""
    n, n_borders, n_denied, reach = MAPS[level]
    n_colours = len(COLOURS)
    order = rng.sample(range(n), n)
    near = [(i, j) for i, j in combinations(range(n), 2) if j - i <= reach]
    borders = [(i, i + 1) for i in range(n - 1)]
    borders += rng.sample([pair for pair in near if pair not in borders], n_borders - len(borders))
    denied = {i: rng.randrange(n_colours) for i in sorted(rng.sample(range(n), n_denied))}
    ways: dict[tuple[int, ...], int] = {(): 1}
    for i in range(n):
        before = [j - i for j in range(max(0, i - reach), i) if (j, i) in borders]
        after: dict[tuple[int, ...], int] = {}
        for last, count in ways.items():
            for colour in range(n_colours):
                if denied.get(i) != colour and all(last[j] != colour for j in before):
                    key = (*last, colour)[-reach:]
                    after[key] = after.get(key, 0) + count
        ways = after
    answer = sum(ways.values())
    if not 20_000 <= answer <= 10**11:
        return None
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    pairs = sorted("".join(sorted(letters[order[k]] for k in pair)) for pair in borders)
    bans = sorted(f"{letters[order[i]]} is not {COLOURS[colour]}" for i, colour in denied.items())
    told = [
        f"Each of {n} countries, {letters[0]} to {letters[n - 1]}, is coloured "
        f"{', '.join(COLOURS[: n_colours - 1])} or "
        f"{COLOURS[n_colours - 1]}; not all of these colours need be used",
        f"The pairs of countries with a common border are {', '.join(pairs)}",
        "Two countries with a common border have different colours",
        f"Moreover, {listed(bans)}",
    ]
    return asked(
        "colourings",
        level,
        told,
        f"In how many different ways can the {n} countries be coloured?",
        f"the number of different ways to colour the {n} countries is {{}}",
        answer,
        close(rng, answer),
    )


def queues(rng: random.Random, level: int) -> Question | None:
    """Orders of many people, counted by the set of those who stand in front and the last of them."""
    n = 12 if level == 9 else 14
    n_before = 3 if level == 9 else 4
    names = people(rng, n)
    pairs = [tuple(rng.sample(range(n), 2)) for _ in range(n_before + n // 2)]
    before, apart = pairs[:n_before], [(min(pair), max(pair)) for pair in pairs[n_before:]]
    either = [tuple(rng.sample(range(n), 3)) for _ in range(3)]
    nowhere = [(rng.randrange(n), rng.randrange(8)) for _ in range(3)]
    about = [*before, *apart, *((min(t), max(t)) for t in either)]
    if len({tuple(sorted(pair)) for pair in about}) < len(about) or len(set(nowhere)) < len(nowhere):
        return None
    needs, shy = [0] * n, [0] * n
    for a, b in before:
        needs[b] |= 1 << a
    for a, b in apart:
        shy[a] |= 1 << b
        shy[b] |= 1 << a
    later = [[1 << b | 1 << c for x, b, c in either if x == a] for a in range(n)]
    ways: list[dict[int, int]] = [{} for _ in range(1 << n)]
    for a in range(n):
        if not needs[a] and (a, 0) not in nowhere:
            ways[1 << a][a] = 1
    for mask in range(1, 1 << n):
        row = ways[mask]
        if not row:
            continue
        place = mask.bit_count()
        for a in range(n):
            bit = 1 << a
            if mask & bit or needs[a] & ~mask or (a, place) in nowhere or any(t & mask == t for t in later[a]):
                continue
            count = sum(k for last, k in row.items() if not shy[a] >> last & 1)
            if count:
                ways[mask | bit][a] = count
    answer = sum(ways[-1].values())
    if answer < 50_000:
        return None
    told = [f"{listed(names)} stand in a queue", "To be next to somebody is to be directly before or after them"]
    clues = [f"{names[a]} is before {names[b]}" for a, b in before]
    clues += [f"{names[a]} is not next to {names[b]}" for a, b in apart]
    clues += [f"{names[a]} is before {names[b]} or before {names[c]}, or before both" for a, b, c in either]
    clues += [f"{names[a]} is not {ORDINALS[place]}" for a, place in nowhere]
    if len({name for name in names if not any(name in clue for clue in clues)}) > 1:
        return None
    rng.shuffle(clues)
    return asked(
        "line-ups",
        level,
        [*told, *clues],
        f"In how many different orders can the {COUNTS[n]} stand?",
        f"the number of different orders in which the {COUNTS[n]} can stand is {{}}",
        answer,
        close(rng, answer),
    )


TOWNS = {9: (15, 46), 10: (17, 56)}
"""By level: towns and roads."""


def _ways(beside: list[int], inner: int, start: int, length: int) -> dict[int, dict[int, int]]:
    """Ways from a town through so many of the inner ones, by the set of these and the last of them."""
    ways: dict[int, dict[int, int]] = {0: {start: 1}}
    for _ in range(length):
        longer: dict[int, dict[int, int]] = {}
        for mask, lasts in ways.items():
            for last, count in lasts.items():
                onward = beside[last] & inner & ~mask
                while onward:
                    bit = onward & -onward
                    onward ^= bit
                    row, town = longer.setdefault(mask | bit, {}), bit.bit_length() - 1
                    row[town] = row.get(town, 0) + count
        ways = longer
    return ways


def visits(rng: random.Random, level: int) -> Question | None:
    """Ways through all towns of a map, from the first to the last."""
    n, n_roads = TOWNS[level]
    letters = "ABCDEFGHIJKLMNOPQ"[:n]
    roads = rng.sample(list(combinations(range(n), 2)), n_roads)
    beside = [0] * n
    for a, b in roads:
        beside[a] |= 1 << b
        beside[b] |= 1 << a
    if min(map(int.bit_count, beside)) < 3:
        return None
    inner = (1 << n - 1) - 2
    ahead = _ways(beside, inner, 0, (n - 2) // 2)
    behind = _ways(beside, inner, n - 1, n - 2 - (n - 2) // 2)
    answer = 0
    for mask, lasts in ahead.items():
        firsts = behind.get(inner ^ mask, {})
        answer += sum(k * m for a, k in lasts.items() for b, m in firsts.items() if beside[a] >> b & 1)
    if answer < 1000:
        return None
    told = [
        f"Roads that can be used both ways join these pairs of the {n} towns {letters[0]} to {letters[-1]}: "
        + ", ".join(sorted(letters[a] + letters[b] for a, b in roads))
    ]
    return asked(
        "visits",
        level,
        told,
        f"How many different routes lead from {letters[0]} to {letters[-1]} and visit every town exactly once?",
        f"the number of different routes that lead from {letters[0]} to {letters[-1]} and visit every town exactly "
        "once is {}",
        answer,
        close(rng, answer),
    )


BOARDS = {9: (11, 10, 14, 5000), 10: (14, 12, 26, 5000)}
"""By level: rows, columns, squares cut out, and the least number of tilings."""


def tilings(rng: random.Random, level: int) -> Question | None:
    """Coverings with dominoes, square by square."""
    n_rows, width, n_cut, least = BOARDS[level]
    squares = [(r, c) for r in range(n_rows) for c in range(width)]
    cut = set(rng.sample(squares, n_cut))
    if sum((r + c) % 2 for r, c in cut) * 2 != n_cut:
        return None
    ways = {0: 1}  # by the squares, of this one and the next `width - 1`, that are covered already
    for r, c in squares:
        after: dict[int, int] = {}
        for covered, count in ways.items():
            nexts = []
            if (r, c) in cut:
                nexts = [] if covered & 1 else [covered]
            elif covered & 1:
                nexts = [covered]
            else:
                if r + 1 < n_rows and (r + 1, c) not in cut:
                    nexts.append(covered | 1 << width)
                if c + 1 < width and not covered & 2 and (r, c + 1) not in cut:
                    nexts.append(covered | 2)
            for key in nexts:
                after[key >> 1] = after.get(key >> 1, 0) + count
        ways = after
        if not ways:
            return None
    answer = ways.get(0, 0)
    if answer < least:
        return None
    drawn = ["".join("x" if (r, c) in cut else "o" for c in range(width)) for r in range(n_rows)]
    told = [
        f"The rows of a board, from top to bottom, are {', '.join(drawn)}; o is a square and x a hole",
        "A domino covers two squares that share a side",
    ]
    return asked(
        "tilings",
        level,
        told,
        f"In how many different ways can {(len(squares) - n_cut) // 2} dominoes cover all squares of the board, turned "
        "and mirrored ways counting as different?",
        "the number of different ways to cover all squares of the board with dominoes, turned and mirrored ways "
        "counting as different, is {}",
        answer,
        close(rng, answer),
    )


SWITCHES = {9: (20, 25, 3), 10: (24, 30, 4)}
"""By level: switches, and groups of which at least one and exactly one is true."""


@cache
def _switches(n: int) -> tuple[int, tuple[int, ...]]:
    """All cases, and of each switch those in which it is on."""
    on = []
    for k in range(n):
        bits = ((1 << (1 << k)) - 1) << (1 << k)
        for double in range(k + 1, n):
            bits |= bits << (1 << double)
        on.append(bits)
    return (1 << (1 << n)) - 1, tuple(on)


def formulas(rng: random.Random, level: int) -> Question | None:
    """Positions of switches that meet many conditions on three of them."""
    n, n_some, n_one = SWITCHES[level]
    letters = "abcdefghijklmnopqrstuvwx"[:n]

    def drawn(number: int) -> list[tuple[int, ...]]:
        return [tuple(sorted(rng.sample(range(n), 3))) for _ in range(number)]

    some, one = drawn(n_some), drawn(n_one)
    if len({*some, *one}) < n_some + n_one or len({k for trio in (*some, *one) for k in trio}) < n:
        return None
    every, on = _switches(n)
    left, texts = every, []
    for number, trio in enumerate((*some, *one)):
        signs = [rng.random() < 0.5 for _ in trio]
        a, b, c = (on[k] if sign else every ^ on[k] for k, sign in zip(trio, signs, strict=True))
        left &= a | b | c if number < len(some) else (a ^ b ^ c) & (every ^ (a & b & c))
        texts.append("".join(letters[k].upper() if sign else letters[k] for k, sign in zip(trio, signs, strict=True)))
    answer = left.bit_count()
    if answer < 250:
        return None
    told = [
        f"Each of {n} switches, a to {letters[-1]}, is on or off",
        "A capital letter says that its switch is on, a small letter that its switch is off",
        "Of the three letters of each of these groups, one or more are true: " + _sorted(texts[: len(some)]),
        "Of the three letters of each of these groups, exactly one is true: " + _sorted(texts[len(some) :]),
    ]
    return asked(
        "formulas",
        level,
        told,
        f"How many of the 2^{n} positions of the switches are possible?",
        f"the number of the 2^{n} positions of the switches that are possible is {{}}",
        answer,
        close(rng, answer),
    )


def _sorted(texts: Sequence[str]) -> str:
    return ", ".join(sorted(texts, key=str.casefold))
