"""Cells of samples, spread over processes; rates by cell as Markdown; and the bars that they are held against."""

from __future__ import annotations

import multiprocessing
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from calibaudit.metrics import Estimate
from calibaudit.metrics.inference.abs_gap import AbsGapChange
from calibaudit.metrics.validation import FloatArray

ALPHA = 0.05
BAR = r"\|"
"""A bar in a cell of a Markdown table."""
_CHUNK_ITEMS, _MOST_CHUNK = 200_000, 50


@dataclass(frozen=True)
class Reading:
    """What one sample says of one number. covered, broken: None where there is no interval.

    broken: the estimate lies outside its interval, or the p-value and the interval disagree about 0.
    """

    rejected: bool
    covered: bool | None = None
    broken: bool | None = None

    def as_array(self) -> FloatArray:
        has_interval = self.covered is not None
        return np.array([1, self.rejected, has_interval, bool(self.covered), bool(self.broken)], dtype=np.float64)


Readings = dict[str, Reading]
Judge = Callable[[np.random.Generator], Readings]


@dataclass(frozen=True)
class Tally:
    """Readings of one number in one cell, summed."""

    n: int
    rejected: int
    with_interval: int
    covered: int
    broken: int

    @property
    def rate(self) -> float:
        return self.rejected / self.n

    @property
    def coverage(self) -> float:
        return self.covered / self.with_interval

    def error(self, rate: float) -> float:
        """The standard error of a share whose true value is `rate`."""
        return float(np.sqrt(rate * (1 - rate) / self.n))


@dataclass(frozen=True)
class Cell:
    """judge: one sample's readings. nulls: the names of those whose null hypothesis is true."""

    row: str
    column: str
    n_items: int
    n_samples: int
    judge: Judge
    nulls: frozenset[str] = frozenset()


Found = dict[tuple[str, str, str], Tally]
"""(row, column, name of the reading) -> its tally."""


@dataclass
class Run:
    """How the cells are run, and the bars that were missed. share: of each cell's samples."""

    jobs: int = 2
    seed: int = 0
    quick: bool = False
    share: float = 1.0
    missed: list[str] = field(default_factory=list)

    def samples(self, wanted: int) -> int:
        return max(20, round(wanted * self.share))

    def of(self, cells: Sequence[Cell]) -> Found:
        """Every cell's tallies; the same whatever `jobs` is."""
        work = [partial(_chunk, i, cell, seed, n) for i, cell in enumerate(cells) for seed, n in self._chunks(cell)]
        sums: dict[tuple[int, str], FloatArray] = {}
        _WORK[:] = work
        if self.jobs == 1:
            parts: Iterable[tuple[int, dict[str, FloatArray]]] = map(_done, range(len(work)))
            self._add(parts, sums)
        else:
            with multiprocessing.get_context("fork").Pool(self.jobs) as pool:
                self._add(pool.imap_unordered(_done, range(len(work))), sums)
        return {
            (cells[i].row, cells[i].column, name): Tally(*(int(part) for part in total))
            for (i, name), total in sorted(sums.items(), key=lambda item: item[0][0])
        }

    def check(self, held: bool, text: str) -> None:
        if not held:
            self.missed.append(text)

    def check_readings(self, title: str, found: Found) -> None:
        """No sample may contradict itself."""
        for (row, column, name), tally in found.items():
            self.check(
                not tally.broken, f"{title}: {row}, {column}, {name}: {tally.broken} samples contradict themselves"
            )

    def check_size(self, title: str, tallies: dict[str, Tally]) -> None:
        """No rate above 5 % and 3 standard errors, at most one in twenty above 5 % and 2."""
        high = []
        for label, tally in tallies.items():
            error = tally.error(ALPHA)
            text = f"{title}: {label}: {percent(tally.rate)} % of {tally.n:,} rejected"
            self.check(tally.rate <= ALPHA + 3 * error, text)
            if tally.rate > ALPHA + 2 * error:
                high.append(text)
        self.check(len(high) <= max(1, len(tallies) // 20), f"{len(high)} of {len(tallies)} cells: " + "; ".join(high))

    def check_coverage(self, title: str, tallies: dict[str, Tally]) -> None:
        """No coverage below 93 % less 2 standard errors, and on average 94 % less 2 standard errors of the average."""
        for label, tally in tallies.items():
            text = f"{title}: {label}: {percent(tally.coverage)} % of {tally.n:,} covered"
            self.check(tally.coverage >= 0.93 - 2 * tally.error(0.93), text)
        mean = float(np.mean([tally.coverage for tally in tallies.values()]))
        error = float(np.sqrt(0.94 * 0.06 / sum(tally.n for tally in tallies.values())))
        self.check(mean >= 0.94 - 2 * error, f"{title}: mean coverage {percent(mean)} %")

    def check_power(self, title: str, tally: Tally, bar: float) -> None:
        text = f"{title}: power {percent(tally.rate)} %, where {percent(bar)} is wanted"
        self.check(tally.rate >= bar - 2 * tally.error(bar), text)

    def _chunks(self, cell: Cell) -> list[tuple[list[int], int]]:
        size = max(1, min(_MOST_CHUNK, _CHUNK_ITEMS // cell.n_items))
        starts = range(0, cell.n_samples, size)
        name = zlib.crc32(f"{cell.row}|{cell.column}".encode())
        return [([self.seed, name, start], min(size, cell.n_samples - start)) for start in starts]

    @staticmethod
    def _add(parts: Iterable[tuple[int, dict[str, FloatArray]]], sums: dict[tuple[int, str], FloatArray]) -> None:
        for i, part in parts:
            for name, counts in part.items():
                sums[i, name] = sums.get((i, name), np.zeros(5)) + counts


_WORK: list[Callable[[], tuple[int, dict[str, FloatArray]]]] = []
"""Set before the processes are forked, so that nothing has to be sent to them."""


def _done(number: int) -> tuple[int, dict[str, FloatArray]]:
    return _WORK[number]()


def _chunk(number: int, cell: Cell, seed: list[int], n_samples: int) -> tuple[int, dict[str, FloatArray]]:
    rng = np.random.default_rng(seed)
    found: dict[str, FloatArray] = {}
    for _ in range(n_samples):
        for name, reading in cell.judge(rng).items():
            found[name] = found.get(name, np.zeros(5)) + reading.as_array()
    return number, found


def reading_of(estimate: Estimate, true: float) -> Reading:
    low, high = estimate.interval(1 - ALPHA)
    return reading_of_interval(estimate.value, low, high, estimate.p_value(), true)


def reading_of_one_sided(change: Estimate | AbsGapChange, true: float) -> Reading:
    """As the gate reads it: has it grown? Coverage of bounds that err in half of ALPHA at either end."""
    rejected, (low, _) = change.p_above() <= ALPHA, change.bounds(ALPHA)
    ends = change.bounds(ALPHA / 2)
    inside = ends[0] - 1e-9 <= change.value <= ends[1] + 1e-9
    return Reading(rejected, ends[0] - 1e-9 <= true <= ends[1] + 1e-9, rejected != (low > 0) or not inside)


def reading_of_interval(value: float, low: float, high: float, p_value: float | None, true: float) -> Reading:
    """p_value: None for a level, of which no null is tested."""
    rejected = p_value is not None and p_value < ALPHA
    disagree = p_value is not None and rejected == (low <= 0 <= high)
    inside = low - 1e-9 <= value <= high + 1e-9
    return Reading(rejected, low - 1e-9 <= true <= high + 1e-9, disagree or not inside)


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def with_names(found: Found, names: Sequence[str], nulls: Iterable[Cell] | None = None) -> dict[str, Tally]:
    """The tallies of these readings by a label; only where the null is true, when cells are given."""
    true = None if nulls is None else {(cell.row, cell.column, name) for cell in nulls for name in cell.nulls}
    return {
        f"{row}, {column}, {name}" if len(names) > 1 else f"{row}, {column}": tally
        for (row, column, name), tally in found.items()
        if name in names and (true is None or (row, column, name) in true)
    }


def print_table(
    title: str, found: Found, names: Sequence[str], value: Callable[[Tally], str], keep: Sequence[Cell] | None = None
) -> None:
    """A line a row, a column a column, the names' values side by side; with more than two names a column each, and a
    line a row and column. keep: only where the null of the name is true in one of these cells.
    """
    true = None if keep is None else {(cell.row, cell.column, name) for cell in keep for name in cell.nulls}
    texts = {key: value(tally) for key, tally in found.items() if key[2] in names and (true is None or key in true)}
    rows, columns = (list(dict.fromkeys(key[i] for key in texts)) for i in (0, 1))
    samples = [{found[key].n for key in texts if key[1] == column} for column in columns]
    counts = [" to ".join(f"{n:,}" for n in sorted({min(ns), max(ns)})) for ns in samples]
    each = counts[0] if len(set(counts)) == 1 else "; ".join(f"{c}: {n}" for c, n in zip(columns, counts, strict=True))
    error = 100 * np.sqrt(ALPHA * (1 - ALPHA) / min(map(min, samples)))
    print(f"\n{title} Samples a cell: {each}; standard error at 5 or 95 %: {error:.1f} points at most.\n")
    if len(names) > 2:
        table = [
            [row, column, *(texts.get((row, column, name), "–") for name in names)]
            for row in rows
            for column in columns
            if any((row, column, name) in texts for name in names)
        ]
        _print_lines(["", "", *names], table)
        return
    table = [
        [row, *(" / ".join(texts.get((row, column, name), "–") for name in names) for column in columns)]
        for row in rows
    ]
    _print_lines([" / ".join(names) if len(names) > 1 else "", *columns], table)


def _print_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(f"| {' | '.join(part.replace('|', BAR) for part in head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def rate_text(tally: Tally) -> str:
    return percent(tally.rate)


def coverage_text(tally: Tally) -> str:
    return percent(tally.coverage)


def timed(name: str, section: Callable[[Run], None], run: Run) -> None:
    started = time.monotonic()
    print(f"\n## {name}", flush=True)
    section(run)
    print(f"\n{name}: {time.monotonic() - started:.0f} s", flush=True)
