"""Seconds and memory of `compared` on four tasks whose scores are in memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.inference.cases import CALIBRATED, Case, shaped
from benchmarks.inference.harness import Run
from benchmarks.inference.metrics import SETTINGS, sides_of
from benchmarks.inference.pairs import drawn
from calibaudit.analysis.inference import compared, ece_change
from calibaudit.analysis.samples import Items, items_of


def cost(run: Run) -> None:
    """In this process: other cells would disturb it."""
    sizes = (10_000,) if run.quick else (10_000, 100_000, 1_000_000)
    print("\nFour tasks of N/4 items of 4 choices; MB: the most that tracemalloc saw above the scores themselves.\n")
    print("| N | `compared` pooled, s | its MB | `compared` macro, s | ECE's change pooled, s | its MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for n in sizes:
        before, after = _four_tasks(n, np.random.default_rng(run.seed))
        whole = partial(compared, before, after, SETTINGS)
        macro = partial(compared, before.as_macro(), after.as_macro(), SETTINGS)
        alone = partial(ece_change, before, after, SETTINGS.level)
        seconds = [_seconds(work) for work in (whole, macro, alone)]
        peaks = [_peak(work) for work in (whole, alone)]
        print(
            f"| {n:,} | {seconds[0]:.2f} | {peaks[0]:.0f} | {seconds[1]:.2f} | {seconds[2]:.3f} | {peaks[1]:.0f} |",
            flush=True,
        )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _peak(work: Callable[[], object]) -> float:
    """MB, above what was there before."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def _four_tasks(n_items: int, rng: np.random.Generator) -> tuple[Items, Items]:
    case = Case("", CALIBRATED[".62"], shaped("sharp", 0.05))
    parts = [sides_of(case, drawn(case.before, case.after, n_items // 4, rng), rng) for _ in range(4)]
    before, after = (items_of([part[i].rows[0] for part in parts]) for i in (0, 1))
    return before, after
