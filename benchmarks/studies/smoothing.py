"""The study of smoothing: priors x factors x vocabularies x hidden sizes x tuning recipes x seeds, in a known world.

    python -m benchmarks.studies.smoothing [--scale small|full] [--vocab 2048] [--hidden 64 128] [--forms cloze letter]
        [--answers short long] [--seeds 0 1 2] [--out FILE.csv] [--bases FOLDER]

A line of the CSV a run, written when the run is done; runs that stand there already are not made again. Bases are kept
in --bases. small: an hour or two on one CPU core; full: a GPU. `tables.py` beside this makes tables and plots of it.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.studies.measuring import measure, stack
from benchmarks.studies.world import FULL, SMALL, Form, Recipe, Scale, World, new_model, train_base, tune

EPSILONS = (0.03, 0.1, 0.3, 0.5, 0.7, 0.9)
LRS, EPOCHS = (3e-4, 1e-3), (2, 8)
SETTINGS = ("vocab", "hidden", "seed", "form", "answers", "lr", "epochs", "prior", "epsilon")
ADVISED = ("stack", "stack_nll", "stack_method", "near", "advised", "advised_low", "advised_high", "action")

Row = dict[str, Any]
Key = tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One base and one recipe: the unit in which methods are compared."""

    vocab: int
    hidden: int
    seed: int
    form: Form
    answers: str
    lr: float
    epochs: int

    @property
    def recipe(self) -> Recipe:
        return Recipe(self.lr, self.epochs, self.form, self.answers == "long")

    def key(self, prior: str, epsilon: float) -> Key:
        return key_of({**vars(self), "prior": prior, "epsilon": epsilon})


class Results:
    """The CSV: read at the start, a line appended for each run. A line torn by an interruption is dropped."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, {}
        if path.exists():
            text = path.read_text(encoding="utf-8")
            if not text.endswith("\n"):
                path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
            self.rows = {key_of(row): row for row in read(path)}

    def add(self, row: Row) -> None:
        values = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in row.items()}
        new = not self.path.exists() or not self.path.stat().st_size
        with self.path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(values)
        self.rows[key_of(row)] = {name: str(value) for name, value in values.items()}


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def key_of(row: Row) -> Key:
    return tuple(row[n] if n in ("form", "answers", "prior") else f"{float(row[n]):g}" for n in SETTINGS)


def base_of(world: World, hidden: int, device: str, folder: Path) -> Any:
    """The base from its file, or trained and saved: whole or not at all."""
    path = folder / f"base-{world.vocab_size}-{hidden}-{world.seed}-{zlib.crc32(repr(world.scale).encode()):08x}.pt"
    if path.exists():
        model = new_model(world.vocab_size, hidden, world.scale.n_layers, device)
        model.load_state_dict(torch.load(path, map_location=device, weights_only=True))
        return model.eval().requires_grad_(False)
    start = time.perf_counter()
    model = train_base(world, hidden, device, lambda step, loss: say(f"  base step {step}: loss {loss:.3f}", start))
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)
    return model


def say(text: str, start: float) -> None:
    print(f"{text} ({time.perf_counter() - start:.0f} s)", file=sys.stderr, flush=True)


def study(cells: Iterator[Cell], scale: Scale, results: Results, device: str, folder: Path, epsilons: Any) -> None:
    """Every missing run of every cell: base, hard labels (and what `stack` makes of them), grid, the advised factor."""
    held: tuple[tuple[int, int, int], World, Any] | None = None
    for cell in cells:
        name = (cell.vocab, cell.hidden, cell.seed)
        if held is None or held[0] != name:
            world = World(scale, cell.vocab, cell.seed)
            held = (name, world, base_of(world, cell.hidden, device, folder))
        start = time.perf_counter()
        n = run_cell(cell, held[1], held[2], results, epsilons)
        if n:
            say(f"{cell}: {n} runs", start)


def run_cell(cell: Cell, world: World, base: Any, results: Results, epsilons: Any) -> int:
    """How many runs were missing, and now are not."""
    before = len(results.rows)
    untuned = {**vars(cell), "answers": "none", "lr": 0.0, "epochs": 0, "prior": "none", "epsilon": 0.0}
    if key_of(untuned) not in results.rows:
        results.add({**untuned, **dict.fromkeys(ADVISED, ""), **measure(base, base, world, cell.form)})
    if cell.key("none", 0.0) not in results.rows:
        tuned = tune(base, world, cell.recipe, "uniform", 0.0)
        row = {**vars(cell), "prior": "none", "epsilon": 0.0, **stack(base, tuned, world, cell.form)}
        results.add({**row, **measure(tuned, base, world, cell.form)})
    hard = results.rows[cell.key("none", 0.0)]
    wanted = [(prior, epsilon) for prior in ("uniform", "base") for epsilon in epsilons]
    factors = {float(hard[name]) for name in ("near", "advised")}
    factors |= {float(hard["stack"])} if hard["stack_method"] == "stack" else set()
    wanted += [("base", epsilon) for epsilon in sorted(factors - {0.0})]
    for prior, epsilon in wanted:
        if cell.key(prior, epsilon) not in results.rows:
            tuned = tune(base, world, cell.recipe, prior, epsilon)  # type: ignore[arg-type]  # one of two literals
            row = {**vars(cell), "prior": prior, "epsilon": epsilon, **dict.fromkeys(ADVISED, "")}
            results.add({**row, **measure(tuned, base, world, cell.form)})
    return len(results.rows) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    parser.add_argument("--vocab", type=int, nargs="+", default=[2048])
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--forms", choices=["cloze", "letter"], nargs="+", default=["cloze"])
    parser.add_argument("--answers", choices=["short", "long"], nargs="+", default=["short"])
    parser.add_argument("--lrs", type=float, nargs="+", default=LRS)
    parser.add_argument("--epochs", type=int, nargs="+", default=EPOCHS)
    parser.add_argument("--epsilons", type=float, nargs="+", default=EPSILONS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="default: docs/studies/smoothing-SCALE.csv")
    parser.add_argument("--bases", type=Path, default=Path(".bases"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    out = options.out or Path("docs/studies") / f"smoothing-{options.scale}.csv"
    out.parent.mkdir(parents=True, exist_ok=True)
    cells = (
        Cell(vocab, hidden, seed, form, answers, lr, epochs)
        for vocab in options.vocab
        for seed in options.seeds
        for hidden in options.hidden
        for form in options.forms
        for answers in options.answers
        for lr in options.lrs
        for epochs in options.epochs
    )
    scale = SMALL if options.scale == "small" else FULL
    study(cells, scale, Results(out), device, options.bases, options.epsilons)


if __name__ == "__main__":
    main()
