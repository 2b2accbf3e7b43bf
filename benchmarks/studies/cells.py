"""The study's CSV as runs and cells: one base and one recipe each, and what a method's choice costs there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.smoothing import read
from calibaudit.advice.cautions import WORSE
from calibaudit.advice.recommend import MARGIN
from calibaudit.advice.weights import WEIGHTS, target_of

TEXT = ("form", "answers", "prior", "stack_method", "action")
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
    """(vocab, hidden, form, answers, lr, epochs, seed) -> its runs, without base itself."""
    cells: Cells = defaultdict(list)
    for run in runs:
        if run["answers"] != "none":
            cells[tuple(run[name] for name in CELL)].append(run)
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
        if len(grid_of(runs)) == most
        and {hard(runs)[name] for name in ("stack", "near", "advised")} <= {run["epsilon"] for run in runs}
    }


def hard(runs: Sequence[Run]) -> Run:
    return next(run for run in runs if run["prior"] == "none")


def at(runs: Sequence[Run], prior: str, epsilon: float) -> Run:
    if epsilon == 0:
        return hard(runs)
    return next(run for run in runs if run["prior"] == prior and run["epsilon"] == epsilon)


def stacked(runs: Sequence[Run]) -> Run:
    """By the first one-sided rule."""
    found = hard(runs)
    return at(runs, "base" if found["stack_method"] == "stack" else "uniform", found["stack"])


def near(runs: Sequence[Run]) -> Run:
    """By the second."""
    return at(runs, "base", hard(runs)["near"])


def advised(runs: Sequence[Run]) -> Run:
    """By `recommend`; where it advises no smoothing hard labels, with the temperature where it advises that (whose gap
    was not kept)."""
    found = at(runs, "base", hard(runs)["advised"])
    if hard(runs)["action"] != "temperature":
        return found
    return {**found, "ask_ece": found["scaled_ece"], "ask_nll": found["scaled_nll"], "ask_gap": np.nan}


def pilot(runs: Sequence[Run]) -> Run:
    """What `recommend_from_pilot` takes of the grid on the advice facts, by its estimates alone (not by its intervals).

    Hard labels where their |gap| is within the margin; else the smallest factor whose |gap| is, and whose accuracy,
    AUROC and NLL are not worse than those of hard labels; else, of those no worse, the one with the least |gap|.
    Nothing towards uniform where hard labels are underconfident.
    """
    old = hard(runs)
    if abs(old["advice_gap"]) <= MARGIN:
        return old
    sound = [
        run
        for run in grid_of(runs)
        if run["epsilon"]
        and run["advice_accuracy"] >= old["advice_accuracy"] - WORSE
        and run["advice_auroc"] >= old["advice_auroc"] - WORSE
        and run["advice_nll"] <= old["advice_nll"] + WORSE
        and not (old["advice_gap"] < 0 and run["prior"] == "uniform")
    ]
    if within := [run for run in sound if abs(run["advice_gap"]) <= MARGIN]:
        return min(within, key=lambda run: (run["epsilon"], run["advice_nll"]))
    return min([old, *sound], key=lambda run: abs(run["advice_gap"]))


def pilot_kept(runs: Sequence[Run]) -> Run:
    """`pilot` among the runs that teach at least 95 % of what hard labels teach: the tool's own rule."""
    least = 0.95 * hard(runs)["taught"]
    return pilot([run for run in runs if run["taught"] >= least])


def pilot_by_nll(runs: Sequence[Run]) -> Run:
    return min(grid_of(runs), key=lambda run: run["advice_nll"])


METHODS: dict[str, Callable[[Sequence[Run]], Run]] = {
    "hard labels": hard,
    "literature: uniform .1": lambda runs: at(runs, "uniform", 0.1),
    "stack, one-sided, fixed margin": stacked,
    "stack, one-sided": near,
    "stack": advised,
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
    """Whether the interval of the advised factor holds a factor towards base within `slack` of the best."""
    found = hard(runs)
    towards = [run for run in grid_of(runs) if run["prior"] in ("none", "base")]
    least = min(run[metric] for run in towards)
    good = [run["epsilon"] for run in towards if run[metric] <= least + slack]
    return any(found["advised_low"] <= epsilon <= found["advised_high"] for epsilon in good)


def needed(runs: Sequence[Run]) -> float:
    """The factor towards base that `stack` estimates: `target_of` the trained models' gaps on the proof facts, between
    two factors of the grid by a straight line."""
    path = sorted((run for run in grid_of(runs) if run["prior"] != "uniform"), key=lambda run: run["epsilon"])
    gaps = np.interp(WEIGHTS, [run["epsilon"] for run in path], [run["ask_gap"] for run in path])
    target = target_of(gaps)
    assert target is not None
    return target.weight


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
