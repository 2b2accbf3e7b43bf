"""The other metrics, by the whole of `analysis.inference.compared`: how often each errs."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.inference.cases import CALIBRATED, Case, shaped
from benchmarks.inference.harness import (
    Cell,
    Readings,
    Run,
    coverage_text,
    print_table,
    rate_text,
    reading_of_interval,
    with_names,
)
from benchmarks.inference.pairs import Pair, Pairing, drawn
from benchmarks.inference.populations import N_BINS, linear_truth
from calibaudit.analysis.inference import compared
from calibaudit.analysis.samples import Items, Row, items_of
from calibaudit.analysis.settings import Settings
from calibaudit.metrics.sample import Sample

NAMES = ("gap", "accuracy", "brier", "nll", "auroc", "aurc", "temperature")
SETTINGS = Settings(n_bins=N_BINS)


def metrics(run: Run) -> None:
    one, sure, sharp = CALIBRATED[".62"], CALIBRATED[".95"], shaped("sharp", 0.05)
    cases = [
        Case("same, accuracy .62", one, one),
        Case("same, accuracy .85", *2 * (CALIBRATED[".85"],)),
        Case("same, accuracy .95", sure, sure),
        Case("same, sharpened to .05", sharp, sharp),
        Case("near models (.98), sharpened to .05", sharp, sharp, Pairing(rho=0.98)),
        Case("groups of 10, sharpened to .05", sharp, sharp, Pairing(group=10)),
        Case("sharpened: calibrated → .10", one, shaped("sharp", 0.10)),
        Case("accuracy .85 → .62", CALIBRATED[".85"], one),
    ]
    sizes = {100: 1000, 300: 1000, 1000: 1000}
    if run.quick:
        cases, sizes = cases[::2], {300: 1000}
    cells = [cell_of(case, n, run.samples(samples)) for n, samples in sizes.items() for case in cases]
    found = run.of(cells)
    changes, levels = [f"{name}" for name in NAMES], [f"{name} after" for name in NAMES]
    print_table("p < .05 in % where both true values are equal.", found, changes, rate_text, cells)
    run.check_size("size of the metrics' changes", with_names(found, changes, cells))
    print_table("Coverage in % of the changes' 95 % intervals.", found, changes, coverage_text)
    print_table("Coverage in % of the 95 % intervals of the values (after).", found, levels, coverage_text)
    for name in (*changes, *levels):
        run.check_coverage(f"coverage of {name}", with_names(found, [name]))
    run.check_readings("metrics", found)


def cell_of(case: Case, n_items: int, n_samples: int) -> Cell:
    before, after = linear_truth(case.before), linear_truth(case.after)
    nulls = frozenset(name for name in NAMES if abs(after[name] - before[name]) < 1e-9)
    judge = partial(_judge, case, before, after, n_items)
    return Cell(case.name, f"N = {n_items:,}", n_items, n_samples, judge, nulls)


def _judge(
    case: Case, before: dict[str, float], after: dict[str, float], n_items: int, rng: np.random.Generator
) -> Readings:
    pair = drawn(case.before, case.after, n_items, rng, case.pairing)
    _, level, changes = compared(*sides_of(case, pair, rng), SETTINGS)
    found: Readings = {}
    for name in NAMES:
        change, now = changes[name], level.metrics[name]
        if change.value is not None and change.low is not None and change.high is not None:
            found[name] = reading_of_interval(
                change.value, change.low, change.high, change.p_value, after[name] - before[name]
            )
        if now.value is not None and now.low is not None and now.high is not None:
            found[f"{name} after"] = reading_of_interval(now.value, now.low, now.high, None, after[name])
    return found


def sides_of(case: Case, pair: Pair, rng: np.random.Generator) -> tuple[Items, Items]:
    """Both models' items, as one task."""
    n = len(pair.confidence[0])
    answer, numbers, unit = np.zeros(n, dtype=np.int64), np.arange(n), case.pairing.unit(n)
    before, after = (
        Row(Sample(model.scores(c, a, rng), answer, n_bins=N_BINS), numbers if unit is None else unit, numbers, (0,))
        for model, c, a in zip((case.before, case.after), pair.confidence, pair.correct, strict=True)
    )
    return items_of([before]), items_of([after])
