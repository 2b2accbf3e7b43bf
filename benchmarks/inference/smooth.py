"""Smooth ECE's change and level: how often each errs, and what it sees beside the binned ECE."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from benchmarks.inference.cases import CALIBRATED, Case, shaped
from benchmarks.inference.harness import (
    Cell,
    Readings,
    Run,
    coverage_text,
    print_table,
    rate_text,
    reading_of,
    with_names,
)
from benchmarks.inference.pairs import Pairing, drawn
from benchmarks.inference.populations import Population, integrand
from calibaudit.metrics.inference.estimate import Design
from calibaudit.metrics.inference.split_ece import split_ece_change_of
from calibaudit.metrics.inference.split_smooth import smooth_ece_change_of
from calibaudit.metrics.smooth import smooth_ece_of

ECE, SMOOTH, LEVEL = "ECE", "smooth ECE", "smooth ECE after"
_SAME = 1e-3


def smooth(run: Run) -> None:
    one, tens = CALIBRATED[".62"], Pairing(group=10)
    under, over = shaped("under", 0.05), shaped("over", 0.05)
    cases = [
        Case("calibrated, accuracy .62 → .62", one, one),
        Case("calibrated, accuracy .85 → .62", CALIBRATED[".85"], one),
        Case("calibrated, accuracy .95 → .62", CALIBRATED[".95"], one),
        Case(".05 over → over", over, over),
        Case(".05 under → over", under, over),
        Case(".10 under → over", shaped("under", 0.10), shaped("over", 0.10)),
        Case("near models (.98), .05 over", over, over, Pairing(rho=0.98)),
        Case("groups of 10: .85 → .62", CALIBRATED[".85"], one, tens),
        Case("groups of 10: .05 under → over", under, over, tens),
        Case("calibrated → .05 over", one, over),
        Case("calibrated → .10 over", one, shaped("over", 0.10)),
        Case("calibrated → .05 waves", one, shaped("waves", 0.05)),
        Case("groups of 10: calibrated → .10 over", one, shaped("over", 0.10), tens),
    ]
    sizes = (1000,) if run.quick else (300, 1000, 2304)
    cells = [cell_of(case, n, run.samples(600)) for n in sizes for case in cases]
    found = run.of(cells)
    print_table("Smooth ECE: p < .05 in % where both true values are equal.", found, [SMOOTH], rate_text, cells)
    run.check_size("size of smooth ECE's change", with_names(found, [SMOOTH], cells))
    print_table("p < .05 in % of every pair.", found, [SMOOTH, ECE], rate_text)
    print_table("Coverage in % of the 95 % intervals.", found, [SMOOTH, LEVEL], coverage_text)
    run.check_coverage("coverage of smooth ECE's change", with_names(found, [SMOOTH]))
    run.check_coverage("coverage of smooth ECE itself", with_names(found, [LEVEL]))
    run.check_readings("smooth ECE", found)


def cell_of(case: Case, n_items: int, n_samples: int) -> Cell:
    before, after = true_smooth(case.before), true_smooth(case.after)
    nulls = frozenset([SMOOTH] if abs(after - before) < _SAME else [])
    judge = partial(_judge, case, before, after, n_items, case.pairing.design(n_items))
    return Cell(case.name, f"N = {n_items:,}", n_items, n_samples, judge, nulls)


@cache
def true_smooth(population: Population) -> float:
    """Of the population: the smooth ECE of many quantiles with the chance of being right in the answers' place."""
    q, confidence = integrand(population, 100_000)
    found = smooth_ece_of(confidence, q - confidence)
    return 0.0 if found <= 1e-3 else found


def _judge(case: Case, before: float, after: float, n_items: int, design: Design, rng: np.random.Generator) -> Readings:
    pair = drawn(case.before, case.after, n_items, rng, case.pairing)
    _, level, change = smooth_ece_change_of(pair.confidence, pair.correct, design)
    binned = split_ece_change_of(pair.confidence, pair.correct, design)
    return {
        SMOOTH: reading_of(change, after - before),
        LEVEL: reading_of(level, after),
        ECE: reading_of(binned, binned.value),
    }
