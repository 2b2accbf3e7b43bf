"""The study's CSV as runs and cells: one base and one recipe each, and what a method's choice costs there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.smoothing import read
from calibaudit.advice.recommend import MARGIN, NEAR, WORSE

TEXT = ("form", "answers", "prior", "stack_method")
CELL = ("vocab", "hidden", "form", "answers", "lr", "epochs", "seed")
KEPT = 0.95

Run = dict[str, Any]
Cells = dict[tuple[Any, ...], list[Run]]


def runs_of(path: Path) -> list[Run]:
    """The rows with numbers where numbers are; an empty field is None."""
    return [
        {name: value if name in TEXT else (float(value) if value else None) for name, value in row.items()}
        for row in read(path)
    ]


def cells_of(runs: Iterable[Run]) -> Cells:
    """(vocab, hidden, form, answers, lr, epochs, seed) -> its runs, without base itself, whose gap on the advice facts
    each run gets as `base_gap`."""
    cells: Cells = defaultdict(list)
    base_gaps: dict[tuple[Any, ...], float] = {}
    for run in runs:
        base = tuple(run[name] for name in ("vocab", "hidden", "form", "seed"))
        if run["answers"] == "none":
            base_gaps[base] = run["advice_gap"]
        else:
            cells[tuple(run[name] for name in CELL)].append({**run, "base_gap": base_gaps[base]})
    return dict(cells)


def grid_of(runs: Sequence[Run]) -> list[Run]:
    """Hard labels and the factors that were run for both priors."""
    factors = {run["epsilon"] for run in runs if run["prior"] == "uniform"}
    return [run for run in runs if run["prior"] == "none" or run["epsilon"] in factors]


def finished(cells: Cells) -> Cells:
    """Without the cells that an interrupted study left without a run."""
    most = max((len(grid_of(runs)) for runs in cells.values()), default=0)
    return {
        key: runs
        for key, runs in cells.items()
        if len(grid_of(runs)) == most and {hard(runs)["near"], hard(runs)["stack"]} <= {run["epsilon"] for run in runs}
    }


def hard(runs: Sequence[Run]) -> Run:
    return next(run for run in runs if run["prior"] == "none")


def at(runs: Sequence[Run], prior: str, epsilon: float) -> Run:
    if epsilon == 0:
        return hard(runs)
    return next(run for run in runs if run["prior"] == prior and run["epsilon"] == epsilon)


def stacked(runs: Sequence[Run]) -> Run:
    advised = hard(runs)
    return at(runs, "base" if advised["stack_method"] == "stack" else "uniform", advised["stack"])


def near(runs: Sequence[Run]) -> Run:
    return at(runs, "base", hard(runs)["near"])


def pilot(runs: Sequence[Run]) -> Run:
    """What `recommend_from_pilot` takes of the grid on the advice facts, by its estimates alone (not by its intervals).

    Hard labels where their gap is within the margin; else the smallest factor whose gap is, and whose accuracy, AUROC
    and NLL are not worse than those of hard labels; else, of those no worse, the one with the least gap.
    """
    old = hard(runs)
    if old["advice_gap"] <= MARGIN:
        return old
    sound = [
        run
        for run in grid_of(runs)
        if run["epsilon"]
        and run["advice_accuracy"] >= old["advice_accuracy"] - WORSE
        and run["advice_auroc"] >= old["advice_auroc"] - WORSE
        and run["advice_nll"] <= old["advice_nll"] + WORSE
    ]
    if within := [run for run in sound if run["advice_gap"] <= MARGIN]:
        return min(within, key=lambda run: (run["epsilon"], run["advice_nll"]))
    return min([old, *sound], key=lambda run: run["advice_gap"])


def pilot_kept(runs: Sequence[Run]) -> Run:
    """`pilot` among the runs that teach at least 95 % of what hard labels teach: the tool's own rule."""
    least = 0.95 * hard(runs)["taught"]
    return pilot([run for run in runs if run["taught"] >= least])


def pilot_by_nll(runs: Sequence[Run]) -> Run:
    return min(grid_of(runs), key=lambda run: run["advice_nll"])


METHODS: dict[str, Callable[[Sequence[Run]], Run]] = {
    "hard labels": hard,
    "literature: uniform .1": lambda runs: at(runs, "uniform", 0.1),
    "stack, fixed margin": stacked,
    "stack": near,
    "pilot": pilot_kept,
    "pilot, whatever it teaches": pilot,
    "pilot: lowest NLL": pilot_by_nll,
    "constant: base .5": lambda runs: at(runs, "base", 0.5),
    "constant: base .9": lambda runs: at(runs, "base", 0.9),
}


def regret(runs: Sequence[Run], chosen: Run, metric: str, keep: float = 0.0) -> float:
    """keep: the best is sought among the runs that keep this share of the answers that hard labels teach."""
    least = keep * hard(runs)["taught"]
    return float(chosen[metric] - min(run[metric] for run in grid_of(runs) if run["taught"] >= least))


def covered(runs: Sequence[Run], metric: str, slack: float) -> bool:
    """Whether the interval of `stack` holds a factor towards base within `slack` of the best."""
    advised = hard(runs)
    towards = [run for run in grid_of(runs) if run["prior"] in ("none", "base")]
    least = min(run[metric] for run in towards)
    good = [run["epsilon"] for run in towards if run[metric] <= least + slack]
    return any(advised["near_low"] <= epsilon <= advised["near_high"] for epsilon in good)


def margin_of(runs: Sequence[Run]) -> float:
    """The margin that `stack` takes in this cell."""
    return float(max(MARGIN, runs[0]["base_gap"] + NEAR))


def needed(runs: Sequence[Run]) -> float | None:
    """The factor towards base that `stack` estimates: the smallest at which the trained model's gap on the proof facts
    is within the margin, between two factors of the grid by a straight line. None where .9 is not enough."""
    path = sorted((run for run in grid_of(runs) if run["prior"] != "uniform"), key=lambda run: run["epsilon"])
    margin = margin_of(runs)
    for i, run in enumerate(path):
        if run["ask_gap"] <= margin:
            if i == 0:
                return 0.0
            old = path[i - 1]
            share = (old["ask_gap"] - margin) / (old["ask_gap"] - run["ask_gap"])
            return float(old["epsilon"] + share * (run["epsilon"] - old["epsilon"]))
    return None


def groups_of(cells: Cells, names: Sequence[str]) -> dict[tuple[Any, ...], list[list[Run]]]:
    """Cells gathered by these of their settings, in order."""
    found: dict[tuple[Any, ...], list[list[Run]]] = defaultdict(list)
    for key in sorted(cells, key=str):
        found[tuple(key[CELL.index(name)] for name in names)].append(cells[key])
    return dict(found)


def label(names: Sequence[str], key: Sequence[Any]) -> list[str]:
    return [value if isinstance(value, str) else f"{value:g}" for _, value in zip(names, key, strict=True)]


def mean(cells: Sequence[Sequence[Run]], prior: str, epsilon: float, metric: str) -> float:
    return float(np.mean([at(runs, prior, epsilon)[metric] for runs in cells]))


def factors_of(cells: Cells) -> list[float]:
    return sorted({run["epsilon"] for runs in cells.values() for run in grid_of(runs)})
