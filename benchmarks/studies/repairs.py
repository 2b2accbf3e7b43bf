"""The study of repairs: every way to repair a tuned model's calibration, cell by cell, in a world with known answers.

    python -m benchmarks.studies.repairs --processes N --out FILE [--time-limit SECONDS] [--seeds 0 1 2] [--settings 01]
    python -m benchmarks.studies.repairs --gpu-cell v32k|v128k --out FILE [--time-limit SECONDS]

A line of the CSV a run. A cell's lines are written together when it is whole; cells that stand there already are not
made again, and none is begun that would not be whole before the limit. Settings: `design`. --scale tiny: in a minute,
to see that all of it runs. `tables.py` beside this makes tables of it.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.studies.design import LARGE, SEEDS, SETTINGS, Setting, tiny
from benchmarks.studies.measuring import Ruler, Seen, advised, aligned_temperature, mixed, see
from benchmarks.studies.tuning import HARD, Recipe, Repair, merged, train_base, tune
from benchmarks.studies.world import World
from calibaudit.metrics import fit_temperature

KEPT, HALVINGS = 0.95, 4
ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TUNINGS = {
    "uniform 0.1": Repair("uniform", 0.1),
    "base 0.3": Repair("base", 0.3),
    "base 0.5": Repair("base", 0.5),
    "base 0.7": Repair("base", 0.7),
    "known only 0.5": Repair("base", 0.5, "known"),
    "scale 4": Repair(scale=4.0),
    "scale 4, uniform 0.1": Repair("uniform", 0.1, scale=4.0),
    "softcap 16": Repair(softcap=16.0),
    "softcap 16, uniform 0.1": Repair("uniform", 0.1, softcap=16.0),
}
METRICS = ("accuracy", "confidence", "gap", "ece", "brier", "nll")
COLUMNS = (
    "setting", "seed", "run", "seconds", "temperature", "stack_action", "stack_weight",
    *(f"proof_{name}" for name in METRICS),
    *(f"{part}_{name}" for part in ("known", "new") for name in ("accuracy", "gap", "ece")),
    "mass", "sft", "preferred", *(f"advice_{name}" for name in ("accuracy", "gap", "ece", "nll", "auroc")),
    "fell", "worse", "above_base", "parameters",
)  # fmt: skip
Row = dict[str, Any]


class Tuner:
    """Tunes one base by one recipe and seed. Models are kept where `keep`, for another audit of the same."""

    def __init__(self, base: Any, world: World, recipe: Recipe, seed: int, keep: bool = False) -> None:
        self.base, self.world, self.recipe, self.seed, self.keep = base, world, recipe, seed, keep
        self.models: dict[Repair, tuple[Any, float]] = {}

    def __call__(self, repair: Repair) -> tuple[Any, float]:
        """The model and the seconds it took. What is tuned again is the data's stage only, without preferences."""
        if repair in self.models:
            return self.models[repair]
        start = time.perf_counter()
        model = tune(self.base, self.world, self.recipe, repair, self.seed, dpo=repair == HARD)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found = model, time.perf_counter() - start
        if self.keep:
            self.models[repair] = found
        return found


def cell(setting: Setting, seed: int) -> Iterator[Row]:
    """The rows of a cell with a world and a base of its own."""
    start = time.perf_counter()
    world = World(setting.scale, setting.vocab, 1000 * int(setting.name) + seed, setting.new)
    base = train_base(world, setting.hidden, "cpu")
    yield from runs(setting, Tuner(base, world, setting.recipe, seed), time.perf_counter() - start)


def runs(setting: Setting, tuner: Tuner, base_seconds: float) -> Iterator[Row]:
    """Every run of a cell, base itself first."""
    base, world, forms = tuner.base, tuner.world, (setting.recipe.form, setting.audited)
    size = sum(p.numel() for p in base.parameters())
    hard, took = tuner(HARD)
    before, after = see(base, world, *forms), see(hard, world, *forms)
    ruler = Ruler(world, *forms, before, after)

    def row(run: str, seen: Seen, seconds: float = 0.0, **more: Any) -> Row:
        found = {"setting": setting.name, "seed": tuner.seed, "run": run, "seconds": seconds, "parameters": size}
        return found | ruler.row(seen) | more

    def trained(name: str, repair: Repair) -> Row:
        model, seconds = tuner(repair)
        return row(name, see(model, world, *forms), seconds)

    stack = advised(ruler.scores(before), ruler.scores(after), ruler.settings)
    yield row("base", before, base_seconds)
    yield row("hard", after, took, **stack)
    rows = {}
    for name, repair in TUNINGS.items():
        rows[name] = trained(name, repair)
        yield rows[name]
    for factor in (0.5, stack["stack_weight"]):
        for _ in range(HALVINGS + 1 if factor else 0):
            name = factor_name(factor)
            if name not in rows:
                rows[name] = trained(name, Repair("base", factor))
                yield rows[name]
            if kept(rows[name]["sft"], before.sft.top.mean(), after.sft.top.mean()) >= KEPT:
                break
            factor /= 2
    yield from untrained(base, hard, ruler, row)


def untrained(base: Any, hard: Any, ruler: Ruler, row: Any) -> Iterator[Row]:
    """What costs no training: a temperature (by labels; by base's agreement), weights merged at .1 to .9 of base, each
    also with its temperature, and, as a diagnosis, the two outputs mixed."""
    world, before, after = ruler.world, ruler.base, ruler.hard
    by_labels = temperature_of(after, world)
    yield row("temperature", tempered(after, by_labels), temperature=by_labels)
    aligned = aligned_temperature(before.advice.logprobs, after.advice.logprobs)
    yield row("aligned", tempered(after, aligned), temperature=aligned)
    both = {part: mixed(getattr(before, part), getattr(after, part), 0.5) for part in ("advice", "proof")}
    yield row("ensemble 0.5", dataclasses.replace(after, **both))
    for weight in ALPHAS:
        found = see(merged(base, hard, weight), world, ruler.tuned_form, ruler.audited)
        yield row(f"merge {weight:g}", found)
        temperature = temperature_of(found, world)
        yield row(f"merge {weight:g}, temperature", tempered(found, temperature), temperature=temperature)


def temperature_of(seen: Seen, world: World) -> float:
    return float(
        fit_temperature(np.repeat(seen.advice.logprobs, world.scale.n_draws, axis=0), world.advice_answers.reshape(-1))
    )


def tempered(seen: Seen, temperature: float) -> Seen:
    both = {part: getattr(seen, part).tempered(temperature) for part in ("advice", "proof")}
    return dataclasses.replace(seen, **both)


def kept(share: float, base: float, hard: float) -> float:
    """Of what tuning added in first choices right; 1 where it added less than .05, so that nothing can be lost."""
    return 1.0 if hard - base < 0.05 else (share - base) / (hard - base)


def factor_name(factor: float) -> str:
    return f"base {factor:.4g}"


def written(row: Row) -> dict[str, str]:
    return {
        name: f"{row[name]:.5g}" if isinstance(row.get(name), float) else str(row.get(name, "")) for name in COLUMNS
    }


def add(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists() or not path.stat().st_size
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(written(row) for row in rows)


def cells_in(path: Path) -> set[tuple[str, int]]:
    if not path.exists():
        return set()
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["setting"], int(row["seed"])) for row in csv.DictReader(file)}


def work(task: tuple[Setting, int]) -> list[Row]:
    torch.set_num_threads(1)
    return list(cell(*task))


def run_cells(settings: list[Setting], seeds: list[int], out: Path, processes: int, limit: float) -> None:
    """Seed by seed, so that every setting has its first before any its last; the slowest kinds first."""
    start, done = time.perf_counter(), cells_in(out)
    slow = sorted(settings, key=lambda one: (-one.hidden, -one.recipe.long, one.recipe.batch))
    todo = [(one, seed) for seed in seeds for one in slow if (one.name, seed) not in done]
    running: dict[Any, float] = {}
    longest = 0.0
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        while todo or running:
            now = time.perf_counter() - start
            if now > limit:
                pool.terminate()
                break
            for job in [job for job in running if job.ready()]:
                longest = max(longest, now - running.pop(job))
                rows = job.get()
                add(out, rows)
                before, after = rows[:2]
                say(f"{after['setting']} seed {after['seed']}: {len(rows)} runs, ECE {before['proof_ece']:.3f} -> "
                    f"{after['proof_ece']:.3f}, right {before['proof_accuracy']:.3f} -> {after['proof_accuracy']:.3f}, "
                    f"taught {before['sft']:.3f} -> {after['sft']:.3f}; {now:.0f} s since the start")  # fmt: skip
            while todo and len(running) < processes and now + longest < limit:
                running[pool.apply_async(work, (todo.pop(0),))] = now
            if not running:
                break
            time.sleep(0.2)
    say(f"not run: {len(todo)} cells not begun, {len(running)} begun and not whole")


def run_large(settings: Sequence[Setting], out: Path, limit: float, base_seconds: float) -> None:
    """One base in this process, then the cells: of each setting, one for each order of tuning."""
    start, done, longest = time.perf_counter(), cells_in(out), 0.0
    torch.set_num_threads(2)  # the small cells run beside it
    device = "cuda" if torch.cuda.is_available() else "cpu"
    first = settings[0]
    world = World(first.scale, first.vocab, 0, first.new)
    base = train_base(world, first.hidden, device, base_seconds)
    say(f"{first.name}: {sum(p.numel() for p in base.parameters()):,} parameters, {time.perf_counter() - start:.0f} s")
    tuners = {seed: Tuner(base, world, first.recipe, seed, keep=True) for seed in SEEDS}
    for setting, seed in itertools.product(settings, SEEDS):
        began = time.perf_counter()
        if (setting.name, seed) in done:
            continue
        if began - start + longest > limit:
            say(f"not run: {setting.name} seed {seed}")
            continue
        rows = []
        for row in runs(setting, tuners[seed], base_seconds):
            rows.append(row)
            say(
                f"{setting.name} seed {seed} {row['run']}: ECE {row['proof_ece']:.3f}, right "
                f"{row['proof_accuracy']:.3f}, taught {row['sft']:.3f}, {time.perf_counter() - start:.0f} s"
            )
        add(out, rows)
        longest = max(longest, time.perf_counter() - began)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--time-limit", type=float, default=1e9, help="seconds")
    parser.add_argument("--gpu-cell", choices=sorted(LARGE))
    parser.add_argument("--base-seconds", type=float, default=150, help="of --gpu-cell")
    parser.add_argument("--settings", nargs="+", default=[one.name for one in SETTINGS])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--scale", choices=["whole", "tiny"], default="whole")
    options = parser.parse_args()
    shrink = tiny if options.scale == "tiny" else (lambda setting: setting)
    if options.gpu_cell:
        settings = [shrink(one) for one in LARGE[options.gpu_cell]]
        run_large(settings, options.out, options.time_limit, options.base_seconds)
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    settings = [shrink(one) for one in SETTINGS if one.name in options.settings]
    run_cells(settings, list(options.seeds), options.out, options.processes, options.time_limit)


if __name__ == "__main__":
    main()
