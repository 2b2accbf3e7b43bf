"""Tables of the study of repairs, from its CSV.

python -m benchmarks.studies.tables docs/studies/repairs.csv > docs/studies/repairs.md
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.studies.cells import ALL, DIAGNOSIS, METHODS, Cell, Choice, cells_of, regrets
from benchmarks.studies.design import HEAD, LARGE, SEEDS, SETTINGS, Setting, row_of
from benchmarks.studies.intervals import Mean, mean_of, shown
from benchmarks.studies.repairs import ALPHAS, KEPT

PAIRS = (
    ("stack, tried", "0.5, tried"), ("stack", "base 0.5"), ("0.5, tried", "temperature"),
    ("stack, tried", "temperature"),
    ("0.5, tried", "merge"), ("stack, tried", "merge"), ("merge", "temperature"), ("merge, temperature", "temperature"),
    ("merge, temperature", "merge"), ("merge, temperature", "0.5, tried"), ("merge, temperature", "stack, tried"),
    ("aligned", "temperature"), ("known only 0.5", "base 0.5"), ("base 0.3", "base 0.5"), ("pilot", "stack, tried"),
    ("uniform 0.1", "hard labels"), ("scale 4", "hard labels"), ("scale 4, uniform 0.1", "uniform 0.1"),
    ("softcap 16", "hard labels"), ("auto", "temperature"), ("auto", "merge"), ("auto", "merge, temperature"),
    ("auto", "stack, tried"), ("auto", "0.5, tried"), ("auto, to .5", "auto"), ("auto, as built", "auto"),
    ("auto, merge first", "auto"),
    ("auto, merge first", "temperature"), ("auto, merge first", "merge, temperature"),
)  # fmt: skip
SMALL = {one.name: one for one in SETTINGS}
KINDS = tuple(dict.fromkeys(one.kind for one in SETTINGS))
Value = Callable[[Cell, Choice], float]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n## {title}\n")
    for row in [head, ["---"] * len(head), *rows]:
        print(f"| {' | '.join(row)} |")


def small(cells: Sequence[Cell], kind: str = "") -> list[Cell]:
    """The cells of the first twenty settings, or of one kind of them."""
    return [cell for cell in cells if cell.setting in SMALL and kind in ("", SMALL[cell.setting].kind)]


def over(cells: Sequence[Cell], value: Callable[[Cell], float]) -> Mean:
    found: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        found[cell.setting].append(value(cell))
    return mean_of(found)


def chosen(name: str, cell: Cell) -> Choice:
    return ALL[name](cell)


def failures(name: str, cells: Sequence[Cell]) -> int:
    return sum(cell.kept(chosen(name, cell).run) < KEPT for cell in cells)


def two(cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """Without and with a stage of preferences."""
    return [cell for cell in cells if len(cell.stages) == 1], [cell for cell in cells if len(cell.stages) > 1]


def split(name: str, cells: Sequence[Cell]) -> str:
    """How often .95 is not kept: without a stage of preferences, and with it."""
    return ", ".join(f"{failures(name, part)} of {len(part)}" for part in two(cells) if part)


def regret(name: str, cells: Sequence[Cell], metric: str) -> Mean:
    return over(cells, lambda cell: regrets(cell, metric)[name])


def difference(one: str, other: str, cells: Sequence[Cell], metric: str) -> Mean:
    return over(cells, lambda cell: chosen(one, cell).run[metric] - chosen(other, cell).run[metric])


def tunings(name: str, cells: Sequence[Cell]) -> float:
    """How many times it tunes again, on average."""
    return float(np.mean([len(chosen(name, cell).trained) for cell in cells]))


def method_rows(cells: Sequence[Cell]) -> list[list[str]]:
    rows = []
    for name in ALL:
        ece = over(cells, lambda cell, name=name: chosen(name, cell).run["proof_ece"])
        gained = over(cells, lambda c, name=name: chosen(name, c).run["proof_accuracy"] - c.hard["proof_accuracy"])
        kept = over(cells, lambda cell, name=name: min(1.0, cell.kept(chosen(name, cell).run)))
        fails = "no checkpoint" if name in DIAGNOSIS else split(name, cells)
        cost, seconds = tunings(name, cells), np.mean([chosen(name, cell).seconds for cell in cells])
        rows.append([
            name, str(ece), str(regret(name, cells, "proof_ece")), str(regret(name, cells, "proof_nll")), str(gained),
            str(kept) if name not in DIAGNOSIS else "", fails,
            f"{cost:.1f} tunings, {seconds:.1f} s" if cost else "no training",
        ])  # fmt: skip
    return rows


def print_kinds(cells: Sequence[Cell], metric: str, title: str) -> None:
    groups = [(kind, small(cells, kind)) for kind in KINDS]
    rows = [
        [
            name,
            *(f"{shown(regret(name, group, metric).value)} ({failures(name, group)})" for _, group in groups if group),
        ]
        for name in METHODS
    ]
    head = [f"{kind}, n = {len(group)}" for kind, group in groups if group]
    table(title, ["method", *head], rows)


def print_settings(cells: Sequence[Cell], settings: Sequence[Setting]) -> None:
    rows, eces = [], []
    names = ("temperature", "aligned", "merge", "merge, temperature", "uniform 0.1", "base 0.3", "base 0.5", "base 0.7",
             "0.5, tried", "stack, tried", "known only 0.5", "auto")  # fmt: skip
    for setting in settings:
        mine = [cell for cell in cells if cell.setting == setting.name]
        if not mine:
            continue
        row = [setting.name]
        for name in ("proof_accuracy", "known_accuracy", "new_accuracy", "proof_ece", "known_gap", "new_gap"):
            pairs = [(cell.runs["base"][name], cell.hard[name]) for cell in mine]
            row.append("" if pairs[0][0] is None else " → ".join(shown(float(m)) for m in np.mean(pairs, axis=0)))
        row.append(shown(float(np.mean([cell.hard["sft"] for cell in mine]))))
        rows.append(row)
        found = [np.mean([chosen(name, cell).run["proof_ece"] for cell in mine]) for name in ("hard labels", *names)]
        sure = [np.mean([regrets(cell, "proof_ece")[name] for cell in mine]) for name in METHODS]
        keeps = [name for name, _ in sorted(zip(METHODS, sure, strict=True), key=lambda pair: pair[1])
                 if not failures(name, mine)]  # fmt: skip
        eces.append([setting.name, *(shown(float(value)) for value in found), keeps[0]])
    head = ["setting", "accuracy", "known facts", "new facts", "ECE", "gap, known", "gap, new", "taught, hard"]
    table("What tuning did: base → hard labels", head, rows)
    table("ECE by setting", ["setting", "hard labels", *names, "least that keeps .95 in all its cells"], eces)


def print_merges(cells: Sequence[Cell]) -> None:
    rows = []
    for alpha in ALPHAS:
        runs = [(cell, cell.runs[f"merge {alpha:g}"]) for cell in cells]
        values = [np.mean([run[name] for _, run in runs]) for name in ("proof_ece", "proof_accuracy", "proof_nll")]
        kept = [cell.kept(run) for cell, run in runs]
        rows.append([f"{alpha:g}", *(shown(float(value)) for value in values), shown(float(np.mean(kept))),
                     f"{sum(one < KEPT for one in kept)} of {len(kept)}"])  # fmt: skip
    table(
        "Merged weights", ["of base", "ECE", "accuracy", "NLL", "kept", "below .95, without and with preferences"], rows
    )


def print_pairs(cells: Sequence[Cell]) -> None:
    rows = []
    for one, other in PAIRS:
        found = [difference(one, other, cells, metric) for metric in ("proof_ece", "proof_nll")]
        told = ["not told apart" if mean.covers_0 else one if mean.value < 0 else other for mean in found]
        rows.append([f"{one} − {other}", str(found[0]), told[0], str(found[1]), told[1]])
    table("Paired differences", ["difference", "ECE", "lower", "NLL", "lower"], rows)


def print_endings(cells: Sequence[Cell]) -> None:
    found = Counter(ending(chosen("auto", cell).run["run"]) for cell in cells)
    advice = Counter(cell.hard["stack_action"] for cell in cells)
    rows = [[name, str(count)] for name, count in found.most_common()]
    table("What `auto` ended with", ["ends with", "cells"], rows)
    table("What `recommend` said", ["action", "cells"], [[name, str(count)] for name, count in advice.most_common()])


def ending(run: str) -> str:
    return run.split()[0] if run.startswith(("merge", "base")) else run


def print_large(cells: Sequence[Cell], setting: Setting) -> None:
    """Means over the orders of tuning; no interval, as one base or two are no sample."""
    if not cells:
        return
    size = cells[0].hard["parameters"] / 1e6
    title = f"{setting.name}: {setting.kind}, {size:.0f} million parameters, {len(cells)} orders of tuning"
    rows = []
    for name in ("base", *ALL):
        runs = [(cell, cell.runs["base"] if name == "base" else chosen(name, cell).run) for cell in cells]
        values = [np.mean([run[f"proof_{metric}"] for _, run in runs]) for metric in ("ece", "accuracy", "nll")]
        kept = "" if name == "base" or name in DIAGNOSIS else shown(float(np.mean([c.kept(run) for c, run in runs])))
        rows.append([name, *(shown(float(value)) for value in values), kept])
    table(title, ["method", "ECE", "accuracy", "NLL", "kept"], rows)


def print_missing(cells: Sequence[Cell]) -> None:
    there = {(cell.setting, cell.seed) for cell in cells}
    settings = [*SETTINGS, *(one for group in LARGE.values() for one in group)]
    rows = [[one.name, str(seed), "not run"] for one in settings for seed in SEEDS if (one.name, seed) not in there]
    table("Not run", ["setting", "seed", ""], rows or [["none", "", ""]])


def sizes(cells: Sequence[Cell], least: float = 0.0) -> str:
    """The models' parameters, in millions, above `least`."""
    found = sorted({cell.hard["parameters"] / 1e6 for cell in cells})
    return " and ".join(f"{size:.2g}" if size < 5 else f"{size:.0f}" for size in found if size > least) or "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    cells = cells_of(parser.parse_args().results)
    mine = small(cells)
    print("# The study of repairs: tables\n\nMade by `python -m benchmarks.studies.tables docs/studies/repairs.csv`. "
          f"{len(mine)} cells of {len({cell.setting for cell in mine})} independent settings, models of {sizes(mine)} "
          f"million parameters; {len(cells) - len(mine)} cells on larger bases "
          f"({sizes(cells, 5.0)} million).")  # fmt: skip
    print("In brackets 95 % intervals, a bootstrap over settings. What all of it means: [studies.md](../studies.md); "
          "what was predicted: [design.md](design.md).")  # fmt: skip
    table("Settings", HEAD, [row_of(one) for one in SETTINGS])
    head = [
        "method",
        "ECE",
        "regret in ECE",
        "regret in NLL",
        "accuracy against hard labels",
        "kept",
        "below .95, without and with preferences",
        "cost",
    ]
    table("Methods", head, method_rows(mine))
    print_pairs(mine)
    print_kinds(mine, "proof_ece", "Regret in ECE by kind (in brackets the cells below .95 kept)")
    print_kinds(mine, "proof_nll", "Regret in NLL by kind (in brackets the cells below .95 kept)")
    print_settings(cells, [*SETTINGS, *(one for group in LARGE.values() for one in group)])
    print_merges(mine)
    print_endings(mine)
    for setting in (one for group in LARGE.values() for one in group):
        print_large([cell for cell in cells if cell.setting == setting.name], setting)
    print_missing(cells)


if __name__ == "__main__":
    main()
