"""The study's CSV as cells, and what each method picks in a cell: by the advice facts, as a user would have to."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.studies.design import SETTINGS
from benchmarks.studies.repairs import ALPHAS, HALVINGS, KEPT, factor_name, kept
from calibaudit.advice.recommend import MARGIN

WORDS = ("setting", "run", "stack_action", "worse")
PILOT = ("uniform 0.1", "base 0.3", "base 0.5", "base 0.7")
Run = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One setting and seed. runs: by name, `base` and `hard` among them. stages: in which tuning taught something."""

    setting: str
    seed: int
    runs: Mapping[str, Run]
    stages: tuple[str, ...] = ("sft",)

    @property
    def hard(self) -> Run:
        return self.runs["hard"]

    def kept(self, run: Run) -> float:
        """Of what tuning added in first choices right, the share that a run keeps: the least over the stages."""
        return min(self._kept(run, stage) for stage in self.stages)

    def seen_kept(self, run: Run) -> float:
        """What a user can see of it, who has the rows of the first stage."""
        return self._kept(run, "sft")

    def _kept(self, run: Run, stage: str) -> float:
        return kept(run[stage], self.runs["base"][stage], self.hard[stage])


@dataclass(frozen=True)
class Choice:
    """What a method ends with. trained: the runs that it had to train for that."""

    run: Run
    trained: tuple[Run, ...] = ()

    @property
    def seconds(self) -> float:
        return float(sum(run["seconds"] for run in self.trained))


def read(path: Path) -> list[Run]:
    """The rows with numbers where numbers are; an empty field is None."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: value if name in WORDS else (float(value) if value else None) for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def cells_of(path: Path) -> list[Cell]:
    found: dict[tuple[str, int], dict[str, Run]] = defaultdict(dict)
    for row in read(path):
        found[row["setting"], int(row["seed"])][row["run"]] = row
    two = {one.name for one in SETTINGS if one.recipe.dpo}
    stages = {name: ("sft", "preferred") if name in two else ("sft",) for name, _ in found}
    return [Cell(*key, runs, stages[key[0]]) for key, runs in sorted(found.items())]


def one(name: str) -> Callable[[Cell], Choice]:
    """A run that every cell has. What begins with a training run's name costs it."""

    def method(cell: Cell) -> Choice:
        run = cell.runs[name]
        return Choice(run, (run,) if run["seconds"] else ())

    return method


def hard(cell: Cell) -> Choice:
    return Choice(cell.hard)


def tried(cell: Cell, factor: float) -> Choice:
    """Smoothing towards base by a factor, halved until what tuning added is kept; the last if it never is."""
    trained = []
    for _ in range(HALVINGS + 1):
        trained.append(cell.runs[factor_name(factor)])
        if cell.seen_kept(trained[-1]) >= KEPT:
            break
        factor /= 2
    return Choice(trained[-1], tuple(trained))


def stack(cell: Cell) -> Choice:
    """By `recommend`: its factor as it is, the temperature, or hard labels where it advises nothing."""
    weight = cell.hard["stack_weight"]
    if weight:
        run = cell.runs[factor_name(weight)]
        return Choice(run, (run,))
    return Choice(cell.runs["temperature"] if cell.hard["stack_action"] == "temperature" else cell.hard)


def stack_tried(cell: Cell) -> Choice:
    weight = cell.hard["stack_weight"]
    return tried(cell, weight) if weight else stack(cell)


def half_tried(cell: Cell) -> Choice:
    return tried(cell, 0.5)


def pilot(cell: Cell) -> Choice:
    """By the rule of `recommend --pilot`: of the grid's runs with a lower ECE that are no worse and keep .95, the
    smallest factor within the margin, else the nearest."""
    grid = tuple(cell.runs[name] for name in PILOT)
    if abs(cell.hard["advice_gap"]) <= MARGIN:
        return Choice(cell.hard, grid)
    able = [
        run
        for run in grid
        if run["advice_ece"] < cell.hard["advice_ece"]
        and not set(run["worse"].split()) - {"brier"}
        and run["sft"] >= KEPT * cell.hard["sft"]
        and not (cell.hard["advice_gap"] < 0 and run["run"].startswith("uniform"))
    ]
    within = [run for run in able if abs(run["advice_gap"]) <= MARGIN]
    if within:
        return Choice(min(within, key=lambda run: (float(run["run"].split()[1]), run["advice_nll"])), grid)
    return Choice(min([cell.hard, *able], key=lambda run: abs(run["advice_gap"])), grid)


def sound(cell: Cell, runs: list[Run]) -> list[Run]:
    return [run for run in runs if cell.seen_kept(run) >= KEPT and not run["worse"]]


def merge(cell: Cell) -> Choice:
    """Of the merged models that keep .95 and are no worse, the one nearest to the tuned model within the margin, else
    the one of least |gap|; the tuned model where there is none."""
    able = sound(cell, [cell.runs[f"merge {alpha:g}"] for alpha in ALPHAS])
    within = [run for run in able if abs(run["advice_gap"]) <= MARGIN]
    if within:
        return Choice(within[0])
    return Choice(min([cell.hard, *able], key=lambda run: abs(run["advice_gap"])))


def merge_temperature(cell: Cell) -> Choice:
    """Of those that keep .95, with their temperature, the one of least NLL; the temperature alone counts too."""
    runs = [cell.runs[f"merge {alpha:g}, temperature"] for alpha in ALPHAS]
    able = [cell.runs["temperature"], *sound(cell, runs)]
    return Choice(min(able, key=lambda run: run["advice_nll"]))


def passes(cell: Cell, run: Run) -> bool:
    """The verdict's rule: the ECE fell, nothing is worse, .95 is kept."""
    return bool(run["fell"]) and bool(sound(cell, [run]))


def from_stack(cell: Cell) -> Choice:
    """Smoothing tried from `stack`'s factor, .5 where it names none."""
    return tried(cell, cell.hard["stack_weight"] or 0.5)


def first_passing(*methods: Callable[[Cell], Choice]) -> Callable[[Cell], Choice]:
    """One after the other: the first that passes and leaves no ECE significantly more than .02 above base's; else the
    best by ECE of those that passed; hard labels where none does. What was tuned on the way is counted."""

    def method(cell: Cell) -> Choice:
        passed: list[Run] = []
        trained: tuple[Run, ...] = ()
        for one_of in methods:
            choice = one_of(cell)
            trained += choice.trained
            if passes(cell, choice.run):
                if not choice.run["above_base"]:
                    return Choice(choice.run, trained)
                passed.append(choice.run)
        return Choice(min(passed, key=lambda run: run["advice_ece"], default=cell.hard), trained)

    return method


auto = first_passing(one("temperature"), merge, from_stack)


METHODS: dict[str, Callable[[Cell], Choice]] = {
    "hard labels": hard,
    "temperature": one("temperature"),
    "aligned": one("aligned"),
    "merge": merge,
    "merge, temperature": merge_temperature,
    "uniform 0.1": one("uniform 0.1"),
    "base 0.3": one("base 0.3"),
    "base 0.5": one("base 0.5"),
    "base 0.7": one("base 0.7"),
    "0.5, tried": half_tried,
    "stack": stack,
    "stack, tried": stack_tried,
    "pilot": pilot,
    "known only 0.5": one("known only 0.5"),
    "scale 4": one("scale 4"),
    "scale 4, uniform 0.1": one("scale 4, uniform 0.1"),
    "softcap 16": one("softcap 16"),
    "softcap 16, uniform 0.1": one("softcap 16, uniform 0.1"),
    "auto": auto,
}
DIAGNOSIS = {"outputs mixed by .5": one("ensemble 0.5")}
AFTERWARDS = {
    "auto, to .5": first_passing(one("temperature"), merge, half_tried),
    "auto, as built": first_passing(one("temperature"), merge_temperature, half_tried),
    "auto, merge first": first_passing(merge, merge_temperature, one("temperature"), half_tried),
}
"""Looked at when the results were known, so no part of what regret is measured against."""
ALL = METHODS | DIAGNOSIS | AFTERWARDS


def regrets(cell: Cell, metric: str) -> dict[str, float]:
    """Each method's metric on the proof facts above the least of the methods that keep .95 of what tuning added."""
    chosen = {name: method(cell).run for name, method in METHODS.items()}
    least = min(run[metric] for run in chosen.values() if cell.kept(run) >= KEPT)
    chosen |= {name: method(cell).run for name, method in (DIAGNOSIS | AFTERWARDS).items()}
    return {name: run[metric] - least for name, run in chosen.items()}
