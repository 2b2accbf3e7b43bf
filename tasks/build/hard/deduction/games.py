"""Games of taking stones, in which who cannot move loses: lost positions and winning first moves."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable
from functools import cache

from build.hard.deduction.parts.slips import spread
from build.hard.deduction.parts.telling import COUNTS, asked
from build.making import Question
from build.wording import listed

Moves = Callable[[Hashable], Iterable[Hashable]]
LOSES = "The players move in turn, and whoever cannot move loses"


def winning(moves: Callable[..., Iterable[Hashable]]) -> Callable[[Hashable], bool]:
    """Whether the one to move can force a win."""

    @cache
    def wins(position: Hashable) -> bool:
        return any(not wins(after) for after in moves(position))

    return wins


def _some(numbers: Iterable[int]) -> str:
    return listed([str(number) for number in numbers], "or")


def _subtraction(rng: random.Random, level: int) -> Question | None:
    """One heap and a set of numbers: how many heaps up to a size are lost."""
    takes = sorted(rng.sample(range(1, 10), 3 if level < 8 else 4))
    size = rng.randrange(*{5: (11, 20), 6: (22, 36)}.get(level, (35, 70)))
    if takes[0] > 3 or all(k % 2 for k in takes) or takes == list(range(takes[0], takes[0] + len(takes))):
        return None

    def lost(allowed: list[int], last_wins: bool = True) -> int:
        wins = winning(lambda heap: [heap - k for k in allowed if k <= heap])
        return sum(not wins(heap) for heap in range(1, size + 1))

    answer = lost(takes)
    slips = [lost([k for k in takes if k != out]) for out in takes]
    slips += [lost(sorted({*takes, more})) for more in range(1, 10) if more not in takes]
    slips += [answer + 1, answer - 1, size // (takes[-1] + 1), size // (takes[-1] + takes[0])]
    told = [
        f"There is one heap of stones, from which a move takes {_some(takes)} stones, not more than are there",
        LOSES,
    ]
    ask = f"For how many of the heap sizes from 1 to {size} does the player to move lose, if both play perfectly?"
    said = (
        f"the number of heap sizes from 1 to {size} for which the player to move loses, if both play perfectly, is {{}}"
    )
    return asked("games", level, told, ask, said, answer, spread(rng, answer, slips))


def _nim(rng: random.Random, level: int) -> Question | None:
    """The only winning move of Nim."""
    heaps = rng.sample(range(5, 16 if level < 7 else 32), 3 if level < 7 else 4)
    total = 0
    for heap in heaps:
        total ^= heap
    good = [(i, heap - (heap ^ total)) for i, heap in enumerate(heaps) if heap ^ total < heap]
    if total == 0 or len(good) != 1:
        return None
    texts = [f"take {take} from the heap of {heaps[i]}" for i, take in good]
    wrong = []
    for i, heap in enumerate(heaps):
        for take in {
            heap ^ total,
            abs(heap - (heap ^ total)),
            good[0][1],
            good[0][1] + 1,
            good[0][1] - 1,
            heap & total,
        }:
            if 1 < take <= heap and (i, take) not in good:
                wrong.append(f"take {take} from the heap of {heap}")
    rng.shuffle(wrong)
    if any(text.startswith("take 1 ") for text in texts):
        return None
    told = [
        f"There are heaps of {listed([str(heap) for heap in heaps])} stones",
        "A move takes any number of stones, at least one, from one heap",
        LOSES,
    ]
    return asked(
        "games",
        level,
        told,
        "Which first move wins, if both play perfectly?",
        "the first move that wins, if both play perfectly, is to {}",
        texts[0],
        wrong[:10],
    )


def _heaps(rng: random.Random, level: int) -> Question | None:
    """Three heaps and a set of numbers: how many first moves win."""
    takes = sorted(rng.sample(range(1, 8), 3 if level < 9 else 4))
    heaps = sorted(rng.sample(range(7, 20 if level < 9 else 30), 3))
    if takes[0] > 2 or takes == list(range(1, len(takes) + 1)):
        return None

    def grundy(allowed: list[int], heap: int) -> int:
        values: list[int] = []
        for size in range(heap + 1):
            seen = {values[size - k] for k in allowed if k <= size}
            values.append(next(v for v in range(len(seen) + 1) if v not in seen))
        return values[heap]

    def good(allowed: list[int], sizes: list[int]) -> int:
        total = 0
        for heap in sizes:
            total ^= grundy(allowed, heap)
        return sum(grundy(allowed, h - k) == total ^ grundy(allowed, h) for h in sizes for k in allowed if k <= h)

    answer = good(takes, heaps)
    if not 2 <= answer <= 7:
        return None
    told = [
        f"There are heaps of {listed([str(heap) for heap in heaps])} stones",
        f"A move takes {_some(takes)} stones from one heap that has so many",
        LOSES,
    ]
    slips = [good([k for k in takes if k != out], heaps) for out in takes]
    pool = spread(rng, answer, [*slips, answer + 1, answer - 1], low=0, high=len(takes) * 3)
    return asked(
        "games",
        level,
        told,
        "How many different first moves win, if both play perfectly, moves in two heaps counting as different?",
        "the number of different first moves that win, if both play perfectly, moves in two heaps counting as "
        "different, is {}",
        answer,
        pool,
    )


def _no_repeat(rng: random.Random, level: int) -> Question | None:
    """One heap; the number just taken is barred."""
    takes = sorted(rng.sample(range(1, 9), rng.choice((3, 4))))
    size = rng.randrange(18, 28) if level < 9 else rng.randrange(26, 45)
    if takes[0] > 2:
        return None

    def lost(allowed: list[int], barred: bool = True) -> int:
        def moves(position: tuple[int, int]) -> list[tuple[int, int]]:
            heap, last = position
            return [(heap - k, k if barred else 0) for k in allowed if k <= heap and k != last]

        wins = winning(moves)
        return sum(not wins((heap, 0)) for heap in range(1, size + 1))

    answer = lost(takes)
    if answer < 3:
        return None
    slips = [lost(takes, barred=False), *(lost([k for k in takes if k != out]) for out in takes)]
    slips += [lost(sorted({*takes, more})) for more in range(1, 9) if more not in takes] + [answer + 1, answer - 1]
    told = [
        f"There is one heap of stones, from which a move takes {_some(takes)} stones, not more than are there",
        "A move may not take the number that the opponent has just taken; the first move is free",
        LOSES,
    ]
    ask = f"For how many of the heap sizes from 1 to {size} does the player who starts lose, if both play perfectly?"
    said = (
        f"the number of heap sizes from 1 to {size} for which the player who starts loses, if both play perfectly, "
        "is {}"
    )
    return asked("games", level, told, ask, said, answer, spread(rng, answer, slips))


def _board(rng: random.Random, level: int) -> Question | None:
    """A piece on a board with a few kinds of steps towards the corner: how many squares are lost."""
    n = {8: 5, 9: 6, 10: 8}[level]
    steps = sorted(
        rng.sample(
            [(1, 0), (0, 1), (2, 0), (0, 2), (1, 1), (2, 1), (1, 2), (3, 0), (0, 3), (2, 2)], 3 if level < 10 else 4
        )
    )
    if not {0} < {min(step) for step in steps} or not any(a > b for a, b in steps) or not any(a < b for a, b in steps):
        return None

    def lost(allowed: list[tuple[int, int]]) -> int:
        wins = winning(lambda at: [(at[0] - a, at[1] - b) for a, b in allowed if a <= at[0] and b <= at[1]])
        return sum(not wins((x, y)) for x in range(n) for y in range(n))

    answer = lost(steps)
    slips = [lost([step for step in steps if step != out]) for out in steps] + [
        lost([*steps, (1, 1)]),
        lost([*steps, (2, 2)]),
    ]
    slips += [answer + d for d in (1, -1, 2, -2)]
    told = [
        f"A game has two heaps, A and B, of 0 to {n - 1} stones each",
        f"A move takes {listed([_step(a, b) for a, b in steps], 'or')}, if there are so many",
        LOSES,
    ]
    ask = f"For how many of the {n * n} pairs of heap sizes does the player to move lose, if both play perfectly?"
    said = (
        f"the number of the {n * n} pairs of heap sizes for which the player to move loses, if both play perfectly, "
        "is {}"
    )
    return asked("games", level, told, ask, said, answer, spread(rng, answer, slips, high=n * n))


def _step(a: int, b: int) -> str:
    parts = [f"{COUNTS[k]} from {heap}" for k, heap in ((a, "A"), (b, "B")) if k]
    return f"{parts[0]} together with {parts[1]}" if len(parts) > 1 else parts[0]


KINDS: dict[int, tuple[Callable[[random.Random, int], Question | None], ...]] = {
    5: (_subtraction,),
    6: (_subtraction, _nim),
    7: (_subtraction, _nim),
    8: (_subtraction, _heaps, _board, _no_repeat),
    9: (_heaps, _no_repeat, _board),
    10: (_board, _no_repeat),
}


def games(rng: random.Random, level: int) -> Question | None:
    """One of the games of the level."""
    return rng.choice(KINDS[level])(rng, level)
