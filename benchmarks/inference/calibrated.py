"""`calibration_p_value`: is one model calibrated at all? Beside it Spiegelhalter's z, which was not chosen."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.special import ndtr

from benchmarks.inference.cases import CALIBRATED, Shape, shaped, text
from benchmarks.inference.harness import ALPHA, Cell, Reading, Readings, Run, print_table, rate_text, with_names
from benchmarks.inference.pairs import Pairing, drawn
from benchmarks.inference.populations import N_BINS, Population, solved
from calibaudit.metrics.inference.calibration_test import calibration_p_value_of
from calibaudit.metrics.inference.estimate import Design
from calibaudit.metrics.validation import FloatArray

TEST, Z = "calibration_p_value", "Spiegelhalter"


def calibrated(run: Run) -> None:
    tens = Pairing(group=10)
    sizes = {100: 2000, 300: 2000, 1000: 2000, 10_000: 600}
    if run.quick:
        sizes = {300: 1000, 1000: 1000}
    rows = {f"accuracy {name}": (CALIBRATED[name], Pairing()) for name in (".62", ".85", ".95", ".99")}
    rows |= {f"groups of 10: accuracy {name}": (CALIBRATED[name], tens) for name in (".62", ".95")}
    null = [
        cell_of(name, one, pairing, n, run.samples(samples), true=True)
        for n, samples in sizes.items()
        for name, (one, pairing) in rows.items()
    ]
    found = run.of(null)
    print_table("p < .05 in % of calibrated models.", found, [TEST, Z], rate_text)
    run.check_size("size of calibration_p_value", with_names(found, [TEST]))
    shapes: tuple[Shape, ...] = ("over", "waves")
    real = {f"{text(ece)} {one}": (shaped(one, ece), Pairing()) for ece in (0.03, 0.05, 0.10) for one in shapes}
    real |= {
        ".05 over, accuracy .50": (solved((2.0, 4.0), "over", 0.05), Pairing()),
        ".03 near 1": (solved(CALIBRATED[".93 near 1"].beta, "certain", 0.03), Pairing()),
        "groups of 10: .10 over": (shaped("over", 0.10), tens),
    }
    cells = [
        cell_of(name, one, pairing, n, run.samples(600), true=False)
        for n in sizes
        for name, (one, pairing) in real.items()
    ]
    print_table("Power: p < .05 in % of models that are not.", run.of(cells), [TEST, Z], rate_text)


def spiegelhalter_p_value(confidence: FloatArray, correct: FloatArray, design: Design) -> float:
    """Two-sided p of Spiegelhalter 1986 (Statistics in Medicine 5): the Brier score less what is expected of it; with
    groups its variance is that of the groups' sums."""
    weight = 1 - 2 * confidence
    parts = (correct - confidence) * weight
    if design.unit is None:
        variance = float((weight**2 * confidence * (1 - confidence)).sum())
    else:
        variance = float((np.bincount(design.unit, parts) ** 2).sum())
    return float(2 * ndtr(-abs(parts.sum()) / np.sqrt(variance))) if variance > 0 else 1.0


def cell_of(name: str, model: Population, pairing: Pairing, n_items: int, n_samples: int, *, true: bool) -> Cell:
    nulls = frozenset((TEST, Z) if true else ())
    judge = partial(_judge, model, pairing, n_items, pairing.design(n_items))
    return Cell(name, f"N = {n_items:,}", n_items, n_samples, judge, nulls)


def _judge(model: Population, pairing: Pairing, n_items: int, design: Design, rng: np.random.Generator) -> Readings:
    pair = drawn(model, model, n_items, rng, pairing)
    one = pair.confidence[0], pair.correct[0], design
    return {
        TEST: Reading(calibration_p_value_of(*one, N_BINS) < ALPHA),
        Z: Reading(spiegelhalter_p_value(*one) < ALPHA),
    }
