"""benchmarks/inference at toy size: true values by hand, cells, and the bars."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.inference import change, metrics
from benchmarks.inference.calibrated import spiegelhalter_p_value
from benchmarks.inference.cases import CALIBRATED, Case, shaped
from benchmarks.inference.harness import Run, Tally, reading_of_interval
from benchmarks.inference.pairs import Pairing, drawn
from benchmarks.inference.populations import Population, linear_truth, pooled_ece, solved, truth
from calibaudit.metrics.inference.estimate import Design

EVEN = (1.0, 1.0)
"""Of two choices: a posterior that is uniform on [.5, 1]."""


def test_true_values_by_hand() -> None:
    """.1 too sure, at most 1: by .1 in four fifths, by .05 on average in the rest."""
    over = Population(EVEN, "over", 0.1, n_choices=2)
    assert truth(over).ece == pytest.approx(0.09, abs=1e-5)
    assert truth(over).gap == pytest.approx(0.09, abs=1e-5)
    assert truth(over).accuracy == pytest.approx(0.75, abs=1e-5)
    under = Population(EVEN, "under", 0.1, n_choices=2)  # at least .5
    assert truth(under).gap == pytest.approx(-0.09, abs=1e-5)
    assert pooled_ece((over, over)) == pytest.approx(0.09, abs=1e-5)
    assert pooled_ece((over, under)) < 0.05  # of two signs
    honest = linear_truth(Population(EVEN, n_choices=2))
    assert honest["brier"] == pytest.approx(1 / 3, abs=1e-5)  # the mean of 2 q (1 - q)
    assert honest["temperature"] == pytest.approx(1)
    assert linear_truth(Population(EVEN, "sharp", 1.0, n_choices=2))["temperature"] == pytest.approx(2)


@pytest.mark.parametrize("kind", ["over", "under", "sharp", "waves", "certain"])
def test_solved_for_the_error_that_is_wanted(kind) -> None:
    assert truth(solved((1.2, 1.2), kind, 0.04)).ece == pytest.approx(0.04, abs=1e-6)


def test_even_and_top_differ_in_their_shape_alone() -> None:
    even, top = truth(shaped("even", 0.1)), truth(shaped("top", 0.1))
    assert (even.ece, even.gap, even.accuracy) == pytest.approx((top.ece, top.gap, top.accuracy), abs=1e-5)
    assert np.abs(np.subtract(even.signed, top.signed)).sum() > 0.05


def test_samples_have_the_true_values() -> None:
    model = Population((4.0, 1.0), "sharp", 0.5)
    pair = drawn(model, model, 200_000, np.random.default_rng(0), Pairing(group=4))
    case = Case("", model, model)
    sides = metrics.sides_of(case, pair, np.random.default_rng(1))
    found = sides[1].whole.point(metrics.NAMES)
    for name, value in linear_truth(model).items():
        if name in found:
            assert found[name] == pytest.approx(value, abs=0.015), name


def test_rounded_as_said() -> None:
    q = np.array([0.2601, 0.5019, 0.9987])
    rounded = {r: Population(EVEN, rounding=r, n_choices=4).confidence(q) for r in ("1 decimal", "bfloat16")}
    assert rounded["1 decimal"] == pytest.approx([0.3, 0.5, 1.0])
    assert rounded["bfloat16"].tolist() == [133 / 512, 128 / 256, 1.0]


def test_units_as_said() -> None:
    assert Pairing(group=3).unit(7).tolist() == [0, 0, 0, 1, 1, 1, 2]
    twice = Pairing(group=2, split=True)
    assert twice.unit(6).tolist() == [0, 1, 2, 0, 1, 2]
    assert twice.design(6).stratum.tolist() == [0, 0, 0, 1, 1, 1]


def test_two_cells_whatever_the_number_of_processes() -> None:
    one = CALIBRATED[".62"]
    cases = [Case("same", one, one), Case("worse", one, shaped("over", 0.10), Pairing(group=2))]
    cells = [change.cell_of(case, 400, 60) for case in cases]
    assert cells[0].nulls == {"ECE", "gap", "|gap|"}
    assert cells[1].nulls == set()
    found = Run(jobs=1).of(cells)
    assert found == Run(jobs=2).of(cells)
    assert found != Run(jobs=1, seed=1).of(cells)
    assert {tally.n for tally in found.values()} == {60}
    assert found["same", "N = 400", "ECE"].rate < 0.2 < found["worse", "N = 400", "gap"].rate
    assert not any(tally.broken for tally in found.values())


def test_bars_are_missed_by_what_misses_them() -> None:
    run = Run()
    good, high, low = Tally(1000, 50, 1000, 950, 0), Tally(1000, 75, 1000, 950, 0), Tally(1000, 0, 1000, 900, 0)
    run.check_size("s", {"a": good})
    run.check_coverage("c", {"a": good})
    run.check_power("p", Tally(1000, 930, 0, 0, 0), 0.95 - 0.01)
    assert run.missed == []
    run.check_size("s", {"a": good, "b": high})
    run.check_coverage("c", {"a": low, "b": good})
    run.check_power("p", good, 0.5)
    run.check_readings("r", {("a", "b", "c"): Tally(10, 0, 10, 10, 1)})
    assert len(run.missed) == 5
    some = {str(i): Tally(1000, 65, 0, 0, 0) for i in range(2)}
    run.check_size("s", some)
    assert run.missed[-1].startswith("2 of 2 cells")


def test_a_reading_that_contradicts_itself_is_seen() -> None:
    assert not reading_of_interval(0.1, 0.05, 0.2, 0.01, 0.0).broken
    assert reading_of_interval(0.1, 0.05, 0.2, 0.06, 0.0).broken
    assert reading_of_interval(0.3, 0.05, 0.2, 0.01, 0.1).broken
    assert not reading_of_interval(0.1, 0.05, 0.2, None, 0.1).broken


def test_spiegelhalters_z() -> None:
    """One item of .8 that is right: z = (1 - .8)(1 - 1.6) / (.6 · .4), negative and small."""
    found = spiegelhalter_p_value(np.array([0.8]), np.array([1.0]), Design.of(1))
    assert found == pytest.approx(0.6170751)  # 2 Phi(-.5)
