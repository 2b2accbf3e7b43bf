"""Runs marked programs as a reader does who makes no mistake, one, or two; and collects what such readers get."""

from __future__ import annotations

import io
import operator
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from types import CodeType
from typing import Any

from build.hard.traces.marking import BOUND, DO, EDGE, ORDER, TEST, VALUE, Marked, last, marked
from build.programs.options import fields

MOST_STEPS = 12_000
"""Steps after which a program counts as endless. The longest needs 6,000."""

LONGEST = 40
"""Characters of the line that is an option."""

N_TRIED = 70
"""Slips tried for one program at most."""

N_LONG = 10
"""Slips tried for a long program: half of them in its first tenth, half in its last."""

LONG = 500
"""Steps from which a program is long."""

N_ALONE, N_POOL = 8, 10
"""Lines of one slip that are collected; lines of one slip and of two that are kept."""

_SIGNS: dict[str, tuple[Callable[[Any, Any], bool], Callable[[Any, Any], bool]]] = {
    "<": (operator.lt, operator.le),
    "<=": (operator.le, operator.lt),
    ">": (operator.gt, operator.ge),
    ">=": (operator.ge, operator.gt),
}


class TooLong(Exception):
    """A program did not end."""


@dataclass(frozen=True)
class Slip:
    """turn: at which of the times that the site is reached, from 1 on; 0: at all of them. by: what is added."""

    turn: int
    by: int = 0


class Reader:
    """What the marked program asks: see `marking` for what may go wrong at a site."""

    def __init__(self, slips: Mapping[int, Slip]) -> None:
        self.steps = 0
        self.reached: dict[int, int] = {}
        self.values: list[str] = []
        self.most = MOST_STEPS
        self._slips = slips

    def _slip(self, site: int) -> Slip | None:
        self.reached[site] = turn = self.reached.get(site, 0) + 1
        slip = self._slips.get(site)
        return slip if slip is not None and slip.turn in (0, turn) else None

    def _step(self, site: int) -> Slip | None:
        self.steps += 1
        if self.steps > self.most:
            raise TooLong
        self.reached[site] = turn = self.reached.get(site, 0) + 1  # as _slip: most of the time is spent here
        slip = self._slips.get(site)
        return slip if slip is not None and slip.turn in (0, turn) else None

    def do(self, site: int) -> bool:
        return self._step(site) is None

    def test(self, site: int, found: Any) -> Any:
        return found if self._step(site) is None else not found

    def edge(self, site: int, sign: str, left: Any, right: Any) -> bool:
        return _SIGNS[sign][self._slip(site) is not None](left, right)

    def value(self, site: int, found: Any) -> Any:
        slip = self._slip(site)
        if not self._slips:
            self.values.append(str(found))
        if slip is None or isinstance(found, bool):
            return found
        if isinstance(found, int):
            by = slip.by if found < 0 or found + slip.by >= 0 else -slip.by  # no sign that nobody would believe
            return found + by
        if isinstance(found, str) and len(found) > 1:
            place = (slip.turn + slip.by) % (len(found) - 1)
            return found[:place] + found[place + 1] + found[place] + found[place + 2 :]
        return found

    def bound(self, site: int, found: int) -> int:
        slip = self._slip(site)
        return found if slip is None else found + slip.by

    def order(self, site: int) -> bool:
        return self._slip(site) is None

    def count(self, site: int, found: Any) -> Any:
        self.steps += 1
        if self.steps > self.most:
            raise TooLong
        return found


@dataclass(frozen=True)
class Reading:
    """line: what the program printed. steps: executed. values: computed, in order; none where a slip was made.
    reached: sites, how often."""

    line: str
    steps: int
    values: Sequence[str]
    reached: Mapping[int, int]


def read(program: Marked, slips: Mapping[int, Slip] | None = None) -> Reading | None:
    """None if the program fails, does not end or prints anything but one line that can be an option."""
    return _read(program, Reader(slips or {}))


def _read(program: Marked, reader: Reader, after: CodeType | None = None) -> Reading | None:
    """after: what is still done when the reader stops before the end."""
    names = {"__name__": "__main__", "reader": reader}
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            try:
                exec(program.code, names)
            except TooLong:
                if after is None:
                    return None
                reader.most = MOST_STEPS
                exec(after, names)
    except (Exception, TooLong):
        return None
    line = printed.getvalue().removesuffix("\n")
    if not line or line != line.strip() or "\n" in line or "None" in line or len(line) > LONGEST:
        return None
    return Reading(line, reader.steps, reader.values, reader.reached)


def circles(values: Sequence[str]) -> bool:
    """Whether the second half of all that is computed is one sequence again and again."""
    late = values[len(values) // 2 :][::-1]
    borders = [0] * len(late)  # of each start, the longest end that is also its start
    for place in range(1, len(late)):
        border = borders[place - 1]
        while border and late[place] != late[border]:
            border = borders[border - 1]
        borders[place] = border + (late[place] == late[border])
    return not late or 2 * borders[-1] >= len(late)


def early(program: Marked, right: Reading) -> bool:
    """Whether what is printed is known after nine tenths of the steps."""
    reader = Reader({})
    reader.most = right.steps * 9 // 10
    found = _read(program, reader, last(program.program))
    if found is None:
        return False
    pairs = zip(fields(found.line), fields(right.line), strict=False)
    return 2 * sum(one == other for one, other in pairs) >= len(fields(right.line))


def _far(program: Marked, right: Reading, rng: random.Random) -> Iterator[tuple[int, Slip]]:
    """Slips at early and at late steps, in turn."""
    sites = [site for site, kind in enumerate(program.kinds) if kind in (DO, TEST, VALUE)]
    sites = [site for site in sites if right.reached.get(site, 0) >= LONG // 50]
    for number in range(N_LONG if sites else 0):
        site = rng.choice(sites)
        times = right.reached[site]
        tenth = max(1, times // 10)
        turn = rng.randrange(1, tenth + 1) if number % 2 == 0 else rng.randrange(times - tenth + 1, times + 1)
        yield site, Slip(turn, rng.choice((1, -1, 2, -2, 10, -10)))


def _slips(program: Marked, right: Reading, rng: random.Random) -> Iterator[tuple[int, Slip]]:
    """Slips in random order, one a kind and site in turn."""
    sites = [site for site, kind in enumerate(program.kinds) if right.reached.get(site)]
    for _ in range(N_TRIED):
        site = rng.choice(sites)
        kind, times = program.kinds[site], right.reached[site]
        once = rng.randrange(1, times + 1)
        if kind in (DO, TEST, VALUE) and times > 1:
            turn = 0 if kind == DO and rng.random() < 0.1 else once
            yield site, Slip(turn, rng.choice((1, -1, 1, -1, 2, -2, 10, -10)))
        elif kind in (BOUND, EDGE, ORDER):
            yield site, Slip(0 if rng.random() < 0.7 else once, rng.choice((1, -1)))


def _form(field: str) -> tuple[bool, int]:
    """Whether a field is a number, and how many items or letters one has that is not."""
    number = field.lstrip("-").isdigit()
    return number, 0 if number else field.count(",") or len(field)


def unlike(line: str, answer: str) -> int:
    """How many fields of two lines differ in length, or in sign; -1 where they are not of one form."""
    one, other = fields(line), fields(answer)
    if len(one) != len(other):
        return -1
    if any(_form(a) != _form(b) for a, b in zip(one, other, strict=True)):
        return -1
    if any(len(set(b)) == len(b) > len(set(a)) and b.isalpha() for a, b in zip(one, other, strict=True)):
        return -1  # where each letter stands once, one that stands twice is seen at once
    if any(len(field) > 2 and len(set(field)) == 1 and field.isalpha() for field in one):
        return -1
    return sum(len(a) != len(b) for a, b in zip(one, other, strict=True))


def _nearest(found: Iterable[tuple[str, Any]], answer: str) -> list[tuple[str, Any]]:
    return sorted(found, key=lambda pair: unlike(pair[0], answer))


_asking = lru_cache(maxsize=64)(marked)


def misread(program: Marked, right: Reading, rng: random.Random) -> list[str]:
    """What readers get who make one slip or two, in the answer's form; after two slips comes what both give."""
    alone: dict[str, dict[int, Slip]] = {}
    far = right.steps >= LONG
    vain = 0
    for site, slip in _far(program, right, rng) if far else _slips(program, right, rng):
        wrong = read(_asking(program.program, frozenset((site,))) if far else program, {site: slip})
        vain += wrong is not None and wrong.line == right.line
        if far and vain > N_LONG // 4:
            return []  # most slips make no difference: much of the program need not be read
        if wrong is not None and wrong.line != right.line and unlike(wrong.line, right.line) >= 0:
            alone.setdefault(wrong.line, {site: slip})
            if len(alone) == 2 * N_ALONE:
                break
    kept = _nearest(alone.items(), right.line)[:N_ALONE]
    pool: list[str] = []
    couples = list(zip(kept[::2], kept[1::2], strict=False))
    for (line, slip), (other, more) in (*couples, *combinations(kept, 2)):
        pool += [text for text in (line, other) if text not in pool]
        if len(pool) >= N_POOL - 2 * far:
            break
        if slip.keys() & more.keys():
            continue
        both = read(_asking(program.program, frozenset(slip | more)) if far else program, slip | more)
        if both is not None and both.line not in {right.line, *alone, *pool} and unlike(both.line, right.line) >= 0:
            pool.append(both.line)
    return pool[:N_POOL]
