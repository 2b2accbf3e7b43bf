"""ECE's change and level, beside the gap's, over the items of one task: how often each errs, and what each sees."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.inference.cases import Case, changes, equal_calibrated, equal_corners, equal_error
from benchmarks.inference.harness import (
    Cell,
    Readings,
    Run,
    coverage_text,
    print_table,
    rate_text,
    reading_of,
    reading_of_one_sided,
    with_names,
)
from benchmarks.inference.pairs import Pair, drawn
from benchmarks.inference.populations import Truth, truth
from calibaudit.metrics.inference.abs_gap import abs_gap_change_of
from calibaudit.metrics.inference.estimate import Design
from calibaudit.metrics.inference.split_ece import split_ece_change_of, split_ece_of

ECE, LEVEL, GAP, ABS_GAP = "ECE", "ECE after", "gap", "|gap|"
_SAME = 1e-4
"""Of two true values that were solved to be equal, by how much they may differ."""
_BARS = {
    ("calibrated → .05 over", 2000): 0.46,
    ("calibrated → .10 over", 500): 0.52,
    ("calibrated → .10 over", 1000): 0.93,
    ("calibrated → .10 over", 2000): 0.995,
    (".126 → .03 over", 500): 0.82,
    (".126 → .03 over", 1000): 0.995,
}
"""(case, items) -> the least power."""


def size_of_ece(run: Run) -> None:
    """Two models of equal true ECE; the gap and |gap| on the same samples."""
    every: tuple[int, ...] = (256, 1000, 2304)
    few = ("calibrated, accuracy .95", "both .05, even", "both .10, over → under")
    cases = equal_calibrated() + equal_error(0.05) + equal_error(0.10) + equal_corners()
    if run.quick:
        cases, every = cases[::4], (256, 1000)
    # Groups are the hardest, and are known the least exactly.
    cells = [cell_of(case, n, run.samples(3000 if case.pairing.group > 2 else 1000)) for case in cases for n in every]
    if not run.quick:
        more = [case for case in cases if case.name.startswith((*few, "near 1: both .01", "groups of 10: both .05"))]
        cells += [cell_of(case, n, run.samples(1000)) for case in more for n in (500, 10_000)]
    cells.sort(key=lambda cell: cell.n_items)  # of the columns
    found = run.of(cells)
    print_table("p < .05 in % where both true ECEs are equal.", found, [ECE], rate_text)
    run.check_size("size of ECE's change", with_names(found, [ECE]))
    print_table("The gaps' p < .05 in % where they are equal too.", found, [GAP, ABS_GAP], rate_text, cells)
    run.check_size("size of the gaps' changes", with_names(found, [GAP, ABS_GAP], cells))
    print_table("Coverage in % of the 95 % interval of ECE itself (after).", found, [LEVEL], coverage_text)
    run.check_coverage("coverage of ECE itself", with_names(found, [LEVEL]))
    run.check_readings("ECE", found)


def power_of_ece(run: Run) -> None:
    """Two models of which one is worse."""
    cells = [cell_of(case, n, run.samples(600)) for n in (300, 500, 1000, 2000, 4000) for case in changes()]
    if run.quick:
        cells = [cell for cell in cells if (cell.row, cell.n_items) in _BARS]
    found = run.of(cells)
    print_table("Power: p < .05 in %; where the true gaps are equal, that is no power.", found, [ECE, GAP], rate_text)
    for (name, n), bar in _BARS.items():
        run.check_power(f"{name}, N = {n:,}", found[name, _column(n), ECE], bar)
    print_table("Coverage in % of the 95 % intervals.", found, [ECE, LEVEL, GAP, ABS_GAP], coverage_text)
    run.check_coverage("coverage of ECE's change", with_names(found, [ECE]))
    run.check_coverage("coverage of ECE itself", with_names(found, [LEVEL]))
    run.check_coverage("coverage of the gap's change", with_names(found, [GAP]))
    run.check_readings("ECE", found)


def cell_of(case: Case, n_items: int, n_samples: int) -> Cell:
    before, after = truth(case.before), truth(case.after)
    equal = {
        ECE: after.ece - before.ece,
        GAP: after.gap - before.gap,
        ABS_GAP: abs(after.gap) - abs(before.gap),
    }
    nulls = frozenset(name for name, change in equal.items() if abs(change) < _SAME)
    judge = partial(_judge, case, before, after, n_items, case.pairing.design(n_items))
    return Cell(case.name, _column(n_items), n_items, n_samples, judge, nulls)


def readings_of(pair: Pair, design: Design, before: Truth, after: Truth) -> Readings:
    excess = pair.excess
    gap = excess[1] - excess[0]
    return {
        ECE: reading_of(split_ece_change_of(pair.confidence, pair.correct, design), after.ece - before.ece),
        LEVEL: reading_of(split_ece_of(pair.confidence[1], pair.correct[1], design), after.ece),
        GAP: reading_of(design.linear(float(gap.mean()), (gap - gap.mean()) / len(gap)), after.gap - before.gap),
        ABS_GAP: reading_of_one_sided(abs_gap_change_of(excess, design), abs(after.gap) - abs(before.gap)),
    }


def _judge(case: Case, before: Truth, after: Truth, n_items: int, design: Design, rng: np.random.Generator) -> Readings:
    pair = drawn(case.before, case.after, n_items, rng, case.pairing)
    return readings_of(pair, design, before, after)


def _column(n_items: int) -> str:
    return f"N = {n_items:,}"
