"""The study's CSV to Markdown tables (stdout) and, with --plots FOLDER, figures.

    python -m benchmarks.studies.tables docs/studies/smoothing-small.csv [--plots docs/studies]

Regret: a method's metric minus the smallest of the cell's grid (both priors, every factor, hard labels). A cell is one
base and one recipe. The advised factor of `stack` was trained too, so a regret below 0 can happen.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.studies.cells import (
    CELL,
    KEPT,
    METHODS,
    Cells,
    Run,
    cells_of,
    covered,
    factors_of,
    finished,
    groups_of,
    hard,
    label,
    mean,
    needed,
    regret,
    runs_of,
)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def number(value: float) -> str:
    """Three decimals; from 10 on, two."""
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{3 if abs(value) < 10 else 2}f}"


def print_grid(cells: Cells, bases: Sequence[Run], metric: str) -> None:
    """One line a recipe, hidden size and form; a column a factor; means over seeds."""
    names = ("vocab", "hidden", "form", "answers", "lr", "epochs")
    factors = factors_of(cells)[1:]
    head = [*names, "base", "hard", *(f"U {e:g}" for e in factors), *(f"B {e:g}" for e in factors)]
    rows = []
    for key, group in groups_of(cells, names).items():
        same = [run for run in bases if (run["vocab"], run["hidden"], run["form"]) == key[:3]]
        values = [float(np.mean([run[metric] for run in same])), mean(group, "none", 0, metric)]
        values += [mean(group, prior, e, metric) for prior in ("uniform", "base") for e in factors]
        rows.append([*label(names, key), *map(number, values)])
    table(f"`{metric}`, mean over seeds (U: uniform, B: towards base)", head, rows)


def print_run_types(cells: Cells, metrics: Sequence[str]) -> None:
    """One line a prior and factor, by recipe: the reasons."""
    names = ("vocab", "form", "answers", "lr", "epochs")
    for key, group in groups_of(cells, names).items():
        rows = []
        for prior in ("uniform", "base"):
            for epsilon in factors_of(cells):
                if epsilon or prior == "uniform":
                    values = [mean(group, prior, epsilon, metric) for metric in metrics]
                    rows.append([f"{prior} {epsilon:g}" if epsilon else "hard labels", *map(number, values)])
        table(", ".join(f"{n} {v}" for n, v in zip(names, label(names, key), strict=True)), ["", *metrics], rows)


def print_regrets(cells: Cells, names: Sequence[str], metrics: Sequence[str]) -> None:
    """Per group of cells, each method's mean regret; in how many cells its choice was worse than hard labels, and in
    how many it lost more than a twentieth of the taught answers."""
    groups = groups_of(cells, names)
    for metric, keep in [(metric, keep) for metric in metrics for keep in (0.0, KEPT)]:
        rows = []
        for method, choose in METHODS.items():
            row = [method]
            for group in groups.values():
                pairs = [(choose(runs), hard(runs)) for runs in group]
                worse = sum(run[metric] > old[metric] + 0.002 for run, old in pairs)
                lost = sum(run["taught"] < KEPT * old["taught"] for run, old in pairs)
                found = [regret(runs, run, metric, keep) for runs, (run, _) in zip(group, pairs, strict=True)]
                row.append(f"{number(float(np.mean(found)))} ({worse}, {lost})")
            rows.append(row)
        counts = [f"{' '.join(label(names, key)) or 'all cells'}, n = {len(group)}" for key, group in groups.items()]
        best = f"the best that keeps {keep:.0%} of the taught answers" if keep else "the best of the grid"
        title = f"Mean regret in `{metric}` against {best} (cells worse than hard labels by .002, cells that lost more)"
        table(title, ["method", *counts], rows)


def print_outcomes(cells: Cells, names: Sequence[str]) -> None:
    """What each method's choice gives, means over the cells: the damage, and what tuning was for. The gap of `stack`
    is the mean over the cells in which it does not advise a temperature."""
    metrics = (
        "ask_accuracy",
        "ask_gap",
        "ask_ece",
        "ask_nll",
        "ask_mass",
        "taught",
        "chat_greedy",
        "chat_mass",
        "chat_ece",
    )
    for key, group in groups_of(cells, names).items():
        rows = []
        for method, choose in METHODS.items():
            found = [choose(runs) for runs in group]
            values = [float(np.nanmean([run[metric] for run in found])) for metric in ("epsilon", *metrics)]
            rows.append([method, *map(number, values)])
        scaled = [float(np.mean([hard(runs)[metric] for runs in group])) for metric in ("scaled_ece", "scaled_nll")]
        rows.append(["hard labels, temperature fitted", "", "", "", *map(number, scaled), *[""] * 5])
        title = " ".join(label(names, key)) or "all cells"
        table(f"Outcomes, {title}, n = {len(group)}", ["method", "mean factor", *metrics], rows)


def print_coverage(cells: Cells, names: Sequence[str]) -> None:
    """Over the cells in which smoothing is advised."""
    rows = []
    for key, group in groups_of(cells, names).items():
        actions = [hard(runs)["action"] for runs in group]
        row = [" ".join(label(names, key)) or "all"]
        row.append(", ".join(f"{actions.count(one)}" for one in ("smooth", "temperature", "none_needed")))
        smoothed = [runs for runs in group if hard(runs)["action"] == "smooth"]
        if smoothed:
            row += coverage(smoothed)
        rows.append(row)
    head = ["cells", "smoothing, a temperature, nothing advised", "mean factor", "mean width", "best ECE", "within .01",
            "best NLL, within .01", "the factor needed", "off by"]  # fmt: skip
    table("What the interval of `stack` holds: the best factor towards base, the factor needed", head, rows)


def coverage(group: Sequence[Sequence[Run]]) -> list[str]:
    """The columns from `mean factor` on."""
    found, want = [hard(runs) for runs in group], [needed(runs) for runs in group]
    row = [number(float(np.mean([run["advised"] for run in found])))]
    row.append(number(float(np.mean([run["advised_high"] - run["advised_low"] for run in found]))))
    for metric, slack in (("ask_ece", 0.0), ("ask_ece", 0.01), ("ask_nll", 0.01)):
        row.append(f"{sum(covered(runs, metric, slack) for runs in group)} of {len(group)}")
    held = sum(run["advised_low"] <= factor <= run["advised_high"] for run, factor in zip(found, want, strict=True))
    row.append(f"{held} of {len(group)}")
    off = np.mean([run["advised"] - factor for run, factor in zip(found, want, strict=True)])
    return [*row, f"{off:+.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--plots", type=Path)
    parser.add_argument("--by", nargs="*", default=["lr", "epochs"], choices=CELL, help="groups of the regret tables")
    options = parser.parse_args()
    runs = runs_of(options.results)
    found = cells_of(runs)
    cells, bases = finished(found), [run for run in runs if run["answers"] == "none"]
    seeds = sorted({int(run["seed"]) for run in runs})
    print(f"{len(runs)} runs, {len(cells)} finished cells and {len(found) - len(cells)} others, seeds {seeds}")
    for metric in ("ask_ece", "ask_gap", "ask_accuracy", "ask_nll", "ask_mass", "taught", "chat_mass"):
        print_grid(cells, bases, metric)
    print_run_types(
        cells,
        ("ask_accuracy", "ask_ece", "ask_brier", "ask_kl_true", "ask_mass", "ask_margin", "ask_lead", "taught",
         "taught_lead", "chat_greedy", "chat_mass", "chat_ece", "ask_kl_base", "noise_nll"),
    )  # fmt: skip
    for names in ([], options.by):
        print_regrets(cells, names, ("ask_ece", "ask_nll", "chat_ece"))
        print_coverage(cells, names)
        print_outcomes(cells, names)
    print("\nOnly the cells in which `stack` advises smoothing:")
    print_regrets({key: runs for key, runs in cells.items() if hard(runs)["action"] == "smooth"}, [], ("ask_ece",))
    if options.plots:
        from benchmarks.studies import plots

        plots.draw(cells, bases, options.plots)


if __name__ == "__main__":
    main()
