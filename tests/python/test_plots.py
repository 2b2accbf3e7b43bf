"""Results draw themselves into a user's axes: the figures' own code, no global state, no display."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import sys
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
import pytest
from made_results import sides
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from calibaudit.analysis.audit import Audit, ModelAudit, audit_model
from calibaudit.analysis.compare import Comparison, compare
from calibaudit.errors import CalibauditError, ScoresError
from calibaudit.metrics.inference.proportion import wilson

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def found() -> tuple[Comparison, ModelAudit]:
    before, after, _ = sides()
    return compare(before, after), audit_model(after)


def new_axes(**how):
    return Figure(figsize=(5, 5), **how).subplots()


DRAWN = {
    "comparison": lambda ax: found()[0].plot_reliability(ax),
    "one task": lambda ax: found()[0].plot_reliability(ax, task="calendar"),
    "changes": lambda ax: found()[0].plot_changes("accuracy", ax),
    "model": lambda ax: found()[1].plot_reliability(ax),
    "audit": lambda ax: found()[1].tasks[0].audit.plot_reliability(ax),
    "confidence": lambda ax: found()[1].pooled.plot_confidence(ax),
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_it_draws_into_the_axes_that_it_is_given_and_changes_nothing_else(draw):
    axes, other = Figure().subplots(1, 2)
    before = dict(matplotlib.rcParams)
    assert draw(axes) is axes
    assert dict(matplotlib.rcParams) == before
    assert axes.has_data()
    assert not other.has_data()
    FigureCanvasAgg(axes.figure).draw()


def test_the_points_are_the_bins_and_the_bars_their_wilson_intervals():
    audit: Audit = found()[1].pooled
    axes = audit.plot_reliability(new_axes(), level=0.9)
    diagram = audit.reliability
    held = diagram.count >= 10
    line = next(line for line in axes.lines if len(line.get_xdata()) == held.sum() and line.get_color() != "#586174")
    np.testing.assert_allclose(line.get_xdata(), diagram.confidence[held])
    np.testing.assert_allclose(line.get_ydata(), diagram.accuracy[held])
    bars = next(part for part in axes.collections if isinstance(part, LineCollection)).get_segments()
    for bar, a, n in zip(bars, diagram.accuracy[held], diagram.count[held], strict=True):
        assert tuple(bar[:, 1]) == pytest.approx(wilson(float(a), int(n), 0.9))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("confidence", "accuracy")


def test_the_histogram_counts_every_item_once():
    audit: Audit = found()[1].pooled
    axes = audit.plot_confidence(new_axes())
    bars = [patch.get_height() for patch in axes.patches if isinstance(patch, Rectangle)]
    assert sum(bars) == audit.reliability.count.sum()
    n = len(audit.reliability.count)
    assert sum(bars[:n]) == round(audit.metrics["accuracy"].value * audit.n_items)


def test_the_forest_shows_every_change_and_fills_what_is_significant():
    comparison = found()[0]
    axes = comparison.plot_changes("ece", new_axes())
    marks = [part for part in axes.collections if isinstance(part, PathCollection)]
    values = [float(mark.get_offsets()[0][0]) for mark in marks]
    expected = [part.change["ece"].value for part in (comparison.pooled, *comparison.tasks)]
    assert values == pytest.approx(expected)
    ink = to_rgb("#b8460e")
    filled = [tuple(mark.get_facecolor()[0][:3]) == pytest.approx(ink) for mark in marks]
    alpha = comparison.settings.alpha
    assert filled[1:] == [task.ece_p_holm < alpha for task in comparison.tasks]
    assert not all(filled)
    assert axes.get_title("left") == "Change in ECE"


def test_a_second_forest_stands_below_the_first_and_clips_nothing():
    comparison = found()[0]
    axes = new_axes()
    comparison.plot_changes("temperature", axes)  # by far the wider
    comparison.plot_changes("accuracy", axes)
    parts = (comparison.pooled, *comparison.tasks)
    marks = [part.get_offsets()[0] for part in axes.collections if isinstance(part, PathCollection)]
    assert [y for _, y in marks] == list(range(2 * len(parts)))
    expected = [part.change[name].value for name in ("temperature", "accuracy") for part in parts]
    assert [x for x, _ in marks] == pytest.approx(expected)
    ends = [x for part in axes.collections if isinstance(part, LineCollection) for x in part.get_segments()[0][:, 0]]
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    assert left < min(ends)
    assert max(ends) < right
    assert top < 0
    assert 2 * len(parts) - 1 < bottom
    assert axes.get_title("left") == "Change in Temperature; Change in accuracy"


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_what_is_no_axes_is_refused(draw):
    with pytest.raises(CalibauditError, match=r"^ax is <Figure .*; give matplotlib axes, such as Figure\(\)\.subplots"):
        draw(Figure())


def luminance(colour) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_dark_axes_stay_readable(draw):
    with matplotlib.style.context("dark_background"):
        axes = draw(Figure(facecolor="black").subplots())
    assert to_rgb(axes.get_facecolor()) == (0, 0, 0)
    for text in axes.texts:
        box = text.get_bbox_patch()
        behind = axes.get_facecolor() if box is None or box.get_alpha() == 0 else box.get_facecolor()
        light, dark = sorted((luminance(text.get_color()), luminance(behind)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 2.5, text.get_text()
    for part in axes.collections:
        if isinstance(part, PathCollection):  # a hollow mark is hollow
            assert all(to_rgb(face) != (1, 1, 1) for face in part.get_facecolor())


def test_several_models_in_one_diagram():
    audit = found()[1]
    axes = new_axes()
    for k, task in enumerate(audit.tasks[:3]):
        task.audit.plot_reliability(axes, label=f"model {k}", color=f"C{k}")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["model 0", "model 1", "model 2"]
    assert sum(line.get_gid() is not None for line in axes.lines) == 1  # the diagonal once


def test_names_are_written_as_they_are():
    before, after, _ = sides(("one",))
    named = [
        dataclasses.replace(part, model=dataclasses.replace(part.model, name=name))
        for part, name in zip((before[0], after[0]), ("_hidden", "$x_{"), strict=True)
    ]
    comparison = compare(named[0], named[1])
    axes = comparison.plot_reliability(new_axes())
    comparison = dataclasses.replace(comparison, tasks=(dataclasses.replace(comparison.tasks[0], name="$\\frac{a$"),))
    assert [text.get_text().strip() for text in axes.get_legend().get_texts()] == ["_hidden", "$x_{"]
    for figure in (axes.figure, comparison.plot_changes("ece", new_axes()).figure):
        FigureCanvasAgg(figure).draw()  # as a formula they would not parse


def test_unknown_tasks_metrics_and_means_are_refused():
    comparison, audit = found()
    with pytest.raises(ScoresError, match="no task 'nothing'; there are arithmetic, calendar"):
        comparison.plot_reliability(new_axes(), task="nothing")
    with pytest.raises(ScoresError, match="unknown metric 'nothing'; the metrics are accuracy"):
        comparison.plot_changes("nothing", new_axes())
    for name in ("ece_floor", "brier_uncertainty"):
        with pytest.raises(ScoresError, match=f"^{name} is not a property of a model"):
            comparison.plot_changes(name, new_axes())
    direct = compare(*(side[0] for side in sides(("one", "two"), 40)[:2]))  # not asked by letter
    with pytest.raises(ScoresError, match=r"^option_mass has no value on these tasks"):
        direct.plot_changes("option_mass", new_axes())
    with pytest.raises(ScoresError, match="macro: a mean over tasks has no reliability diagram"):
        audit.macro.plot_reliability(new_axes())


def test_pyplot_is_loaded_only_for_a_figure_of_its_own_and_needs_no_display():
    code = """
import sys
sys.path.insert(0, "tests")
from made_results import sides
from matplotlib.figure import Figure
from calibaudit.analysis.audit import audit
found = audit(sides(("one",), 60)[0][0])
found.plot_reliability(Figure().subplots())
print("matplotlib.pyplot" in sys.modules)
axes = found.plot_reliability()
from matplotlib import pyplot
print(pyplot.get_fignums(), axes.figure is pyplot.figure(1))
"""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}
    environment["MPLCONFIGDIR"] = matplotlib.get_configdir()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["False", "[1] True"]
