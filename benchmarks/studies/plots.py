"""The study's figures: SVG, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from benchmarks.studies.cells import METHODS, Cells, Run, factors_of, groups_of, mean, regret

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "studies", "svg.fonttype": "none", "font.size": 8, "axes.grid": True,
    "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})  # fmt: skip
COLOURS = {"uniform": "#c2571a", "base": "#2066a8"}
METRICS = {"ask_ece": "ECE", "ask_accuracy": "accuracy", "ask_mass": "option mass", "taught": "taught answers"}


def draw(cells: Cells, bases: Sequence[Run], folder: Path) -> None:
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    for (vocab, form, answers), group in groups_of(cells, ("vocab", "form", "answers")).items():
        chosen = {key: runs for key, runs in cells.items() if runs in group}
        levels = [run for run in bases if run["vocab"] == vocab and run["form"] == form]
        save(curves(plt, chosen, levels), folder / f"factors-{vocab:g}-{form}-{answers}.svg")
    save(regrets(plt, cells), folder / "regrets.svg")


def save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def curves(plt: Any, cells: Cells, bases: Sequence[Run]) -> Any:
    """A row a recipe, a column a metric; mean over hidden sizes and seeds, and the range of the cells."""
    recipes = groups_of(cells, ("lr", "epochs"))
    figure, axes = plt.subplots(
        len(recipes), len(METRICS), figsize=(8, 1.5 * len(recipes) + 0.4), sharex=True, sharey="col", squeeze=False
    )
    factors = factors_of(cells)
    for line, ((lr, epochs), group) in zip(axes, recipes.items(), strict=True):
        for axis, metric in zip(line, METRICS, strict=True):
            for prior, colour in COLOURS.items():
                lines = np.array([[mean([runs], prior, e, metric) for e in factors] for runs in group])
                axis.fill_between(factors, lines.min(axis=0), lines.max(axis=0), color=colour, alpha=0.15, lw=0)
                axis.plot(factors, lines.mean(axis=0), color=colour, lw=1.6, label=prior)
            axis.axhline(
                np.mean([run[metric] for run in bases]), color="#777777", lw=0.8, ls=":", label="before tuning"
            )
            axis.set_xticks([0, 0.5, 0.9])
            axis.locator_params(axis="y", nbins=3)
        line[0].set_ylabel(f"lr {lr:g}, {epochs:g} epochs")
    for top, bottom, name in zip(axes[0], axes[-1], METRICS.values(), strict=True):
        top.set_title(name)
        bottom.set_xlabel("factor")
    axes[0, 0].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    return figure


def regrets(plt: Any, cells: Cells) -> Any:
    """Each method's regret: its mean (dot), the middle half of the cells (bar), all of them (line)."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.4), sharey=True)
    for axis, metric in zip(axes, ("ask_ece", "ask_nll"), strict=True):
        for line, choose in enumerate(METHODS.values()):
            found = [regret(runs, choose(runs), metric) for runs in cells.values()]
            least, low, high, most = np.quantile(found, [0, 0.25, 0.75, 1])
            axis.plot([least, most], [line, line], color="#999999", lw=0.8)
            axis.plot([low, high], [line, line], color="#999999", lw=4)
            axis.plot(np.mean(found), line, "o", color=COLOURS["base"], ms=5)
        axis.set_xlabel(f"regret in {METRICS.get(metric, 'NLL')}")
    axes[0].set_yticks(range(len(METHODS)), list(METHODS))
    axes[0].invert_yaxis()
    figure.tight_layout()
    return figure
