"""Several tasks: false stars after Holm, the mean of the tasks' ECEs, and all items pooled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.inference.cases import CALIBRATED, shaped
from benchmarks.inference.harness import (
    ALPHA,
    Cell,
    Reading,
    Readings,
    Run,
    coverage_text,
    print_table,
    rate_text,
    reading_of,
    with_names,
)
from benchmarks.inference.pairs import Pair, drawn
from benchmarks.inference.populations import Population, pooled_ece, truth
from calibaudit.metrics import holm
from calibaudit.metrics.inference.estimate import Design
from calibaudit.metrics.inference.split_ece import split_ece_change_of, split_ece_of

STAR, CHANGED = "any false star", "the changed task's star"
MACRO, POOLED = "macro", "pooled"
LEVELS = ("macro after", "pooled after")
_SAME = 1e-4


@dataclass(frozen=True)
class Family:
    """Each task's pair is one of these in turn; with `first`, the first task's pair is that one instead."""

    name: str
    pairs: tuple[tuple[Population, Population], ...]
    first: tuple[Population, Population] | None = None

    def of(self, n_tasks: int) -> list[tuple[Population, Population]]:
        found = [self.pairs[i % len(self.pairs)] for i in range(n_tasks)]
        return [self.first, *found[1:]] if self.first else found


def tasks(run: Run) -> None:
    sizes = {(9, 100): 1000, (9, 300): 1000, (9, 500): 400, (57, 100): 400, (57, 300): 400, (57, 500): 400}
    families = _nulls() + _changes() + _one_of_many()
    if run.quick:
        sizes, families = {(9, 300): 1000, (57, 100): 500}, [*_nulls()[:5:2], _changes()[1], _one_of_many()[-1]]
    cells = [cell_of(family, *size, run.samples(n)) for size, n in sizes.items() for family in families]
    found = run.of(cells)
    print_table("Samples in % with a star by Holm at 5 % where no task changed.", found, [STAR], rate_text)
    run.check_size("stars over tasks", with_names(found, [STAR]))
    if any(name == CHANGED for _, _, name in found):
        print_table("Power: samples in % in which the one changed task is starred.", found, [CHANGED], rate_text)
    both = [MACRO, POOLED]
    print_table("p < .05 in % where both true values are equal.", found, both, rate_text, cells)
    run.check_size("size of macro and pooled changes", with_names(found, both, cells))
    true = {(cell.row, cell.column, name) for cell in cells for name in cell.nulls}
    changed = {key: tally for key, tally in found.items() if key not in true}
    print_table("Power: p < .05 in % where they are not.", changed, both, rate_text)
    print_table("Coverage in % of the 95 % intervals of the changes.", found, both, coverage_text)
    print_table("Coverage in % of the 95 % intervals of ECE itself (after).", found, LEVELS, coverage_text)
    for name in (*both, *LEVELS):
        run.check_coverage(f"coverage, {name}", with_names(found, [name]))
    run.check_readings("tasks", found)


def cell_of(family: Family, n_tasks: int, n_items: int, n_samples: int) -> Cell:
    """n_items: of each task."""
    pairs = family.of(n_tasks)
    eces = np.array([[truth(side).ece for side in pair] for pair in pairs])
    still = np.abs(eces[:, 1] - eces[:, 0]) < _SAME
    macro, pooled = eces.mean(axis=0), np.array([pooled_ece(tuple(pair[i] for pair in pairs)) for i in (0, 1)])
    nulls = {name for name, ends in ((MACRO, macro), (POOLED, pooled)) if abs(ends[1] - ends[0]) < _SAME}
    judge = partial(_judge, pairs, still, macro, pooled, n_items)
    column = f"{n_tasks} tasks of {n_items}"
    return Cell(family.name, column, n_tasks * n_items, n_samples, judge, frozenset(nulls | {STAR}))


def _judge(
    pairs: list[tuple[Population, Population]],
    still: np.ndarray,
    macro: np.ndarray,
    pooled: np.ndarray,
    n_items: int,
    rng: np.random.Generator,
) -> Readings:
    parts = [drawn(before, after, n_items, rng) for before, after in pairs]
    one = Design.of(n_items)
    stars = holm([split_ece_change_of(part.confidence, part.correct, one).p_value() for part in parts]) < ALPHA
    whole = _joined(parts)
    design = Design.of(len(parts) * n_items, None, np.repeat(np.arange(len(parts)), n_items))
    found: Readings = {}
    if still.sum() in (len(parts), len(parts) - 1):
        found[STAR] = Reading(bool(stars[still].any()))
    if still.sum() == len(parts) - 1:
        found[CHANGED] = Reading(bool(stars[~still].any()))
    for name, true, is_macro in ((MACRO, macro, True), (POOLED, pooled, False)):
        change = split_ece_change_of(whole.confidence, whole.correct, design, macro=is_macro)
        level = split_ece_of(whole.confidence[1], whole.correct[1], design, macro=is_macro)
        found[name] = reading_of(change, true[1] - true[0])
        found[f"{name} after"] = reading_of(level, true[1])
    return found


def _joined(parts: list[Pair]) -> Pair:
    (c0, c1), (a0, a1) = (
        [np.concatenate([getattr(part, name)[i] for part in parts]) for i in (0, 1)]
        for name in ("confidence", "correct")
    )
    return Pair((c0, c1), (a0, a1))


def _nulls() -> list[Family]:
    """Every task's ECE is the same on both sides; the pooled ECE need not be."""
    one, sure = CALIBRATED[".62"], CALIBRATED[".95"]
    mixed = (
        (one, CALIBRATED[".85"]),
        (sure, one),
        (shaped("over", 0.05), shaped("under", 0.05)),
        (shaped("even", 0.05), shaped("top", 0.05)),
        (shaped("sharp", 0.10), shaped("over", 0.10)),
    )
    return [
        Family("calibrated, accuracy .62", ((one, one),)),
        Family("calibrated, accuracy .95 → .62", ((sure, one),)),
        Family("both .05, even → top", ((shaped("even", 0.05), shaped("top", 0.05)),)),
        Family("both .10, top → even", ((shaped("top", 0.10), shaped("even", 0.10)),)),
        Family("both .10, over → under", ((shaped("over", 0.10), shaped("under", 0.10)),)),
        Family("five kinds of equal ECE", mixed),
    ]


def _changes() -> list[Family]:
    one, over = CALIBRATED[".62"], shaped("over", 0.10)
    return [
        Family("calibrated → .03 over", ((one, shaped("over", 0.03)),)),
        Family("calibrated → .05 over", ((one, shaped("over", 0.05)),)),
        Family("calibrated → .10 over", ((one, over),)),
        Family("a third of the tasks → .10 over", ((one, over), (one, one), (one, one))),
        Family(".126 → .03 over", ((shaped("over", 0.126), shaped("over", 0.03)),)),
    ]


def _one_of_many() -> list[Family]:
    one = CALIBRATED[".62"]
    return [
        Family(f"one task → {name} over, others calibrated", ((one, one),), (one, shaped("over", ece)))
        for name, ece in ((".15", 0.15), (".30", 0.30))
    ]
