"""Smoothing on the bundled pair: both priors and a grid of factors, each trained anew from base, for several seeds.

    python benchmarks/studies/demo_pair.py --out docs/studies/demo_pair.jsonl [--seeds 0,1,2] [--table]

Each run is the recipe that demo:instruct was tuned with, on demo:sft, through what `calibaudit fix` runs. The audited
items are cut into the halves that `fix` makes: `advice` chooses (stack, pilot), `proof` judges. A line a run is added
to --out as soon as it is done, and runs that stand there are not repeated; `ece` there is the plug-in value.
--table only prints what was found:

regret of a way to choose = its run's ECE (NLL) on the proof half minus that of the best run of the same seed there.
stack: `recommend` on the advice half of demo:base and demo:instruct, the nearest factor of the grid with prior base.
pilot: the rule of `recommend --pilot`, on the advice half. literature: uniform, 0.1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from calibaudit.advice.pilot_points import KEPT as KEPT_OF_HARD
from calibaudit.advice.recommend import MARGIN, recommend
from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.demo.train import Recipe
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.tokenizer import load_tokenizer
from calibaudit.scoring.evaluate import RunOptions, evaluate_model, load
from calibaudit.tasks.load import load_tasks
from calibaudit.training.data.encode import encode_rows
from calibaudit.training.data.rows import read_rows
from calibaudit.training.fit import fit_of
from calibaudit.training.held_out import halves
from calibaudit.training.retune import retune
from calibaudit.training.settings import TrainingSettings

GRID = [("uniform", 0.0), ("uniform", 0.1), ("uniform", 0.3), ("base", 0.3), ("base", 0.6), ("base", 0.9)]
KEPT = ("accuracy", "confidence", "gap", "ece_plugin", "ece_floor", "brier", "nll", "auroc", "temperature")


def measured(name: str, parts: tuple[Any, Any], examples: Any) -> tuple[dict[str, Any], tuple[Any, Any]]:
    """A checkpoint's figures on both halves, and its scores there."""
    model = load(name, RunOptions(), lambda _: None)
    scores = [evaluate_model(model, tasks, RunOptions(), lambda *_: None, lambda _: None) for tasks in parts]
    figures: dict[str, Any] = {}
    for half, found in zip(("advice", "proof"), scores, strict=True):
        metrics = compare(found, found, Settings()).pooled.before.metrics
        figures[half] = {key.removesuffix("_plugin"): metrics[key].value for key in KEPT}
    figures["sft"] = fit_of(model, examples).to_dict()
    return figures, (scores[0], scores[1])


def run_all(out: Path, seeds: list[int]) -> None:
    rows = read_rows("demo:sft").rows
    checkpoint, recipe = find_checkpoint("demo:base"), Recipe()
    tokenizer = load_tokenizer(find_checkpoint("demo:instruct"))
    examples = encode_rows(rows, tokenizer, 512).examples
    done = {(line["prior"], line["factor"], line["seed"]) for line in read(out)}
    for seed in seeds:
        parts = halves(load_tasks(["bundled"]), seed)
        if ("pair", 0.0, seed) not in done:
            base, base_scores = measured("demo:base", parts, examples)
            instruct, instruct_scores = measured("demo:instruct", parts, examples)
            pair = (base_scores[0], instruct_scores[0])
            advice = recommend(*pair, compare(*pair, Settings(seed=seed)))
            add(out, {"prior": "pair", "factor": 0.0, "seed": seed, "base": base, "instruct": instruct,
                      "stack": advice.to_dict()})  # fmt: skip
        for prior, factor in GRID:
            if (prior, factor, seed) in done:
                continue
            settings = TrainingSettings(
                label_smoothing=factor, prior=prior, learning_rate=recipe.sft_rate, epochs=float(recipe.sft_epochs),
                batch_size=recipe.sft_rows, seed=seed,
            )  # fmt: skip
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / "tuned"
                run = retune(checkpoint, tokenizer, examples, target, settings, prior=checkpoint, device="auto",
                             dtype="bfloat16", resume=False, progress=lambda *_: None)  # fmt: skip
                figures, _ = measured(str(target), parts, examples)
            add(out, {"prior": prior, "factor": factor, "seed": seed, "seconds": round(run.seconds, 1), **figures})
            proof = figures["proof"]
            shown = {**{key: proof[key] for key in ("ece", "accuracy", "nll")}, "tuning data": figures["sft"]["top1"]}
            words = "  ".join(f"{key} {value:.3f}" for key, value in shown.items())
            print(f"seed {seed}  {prior:8s} {factor:4.2f}  {words}  {run.seconds:.0f} s", flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def add(path: Path, line: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def pilot(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The rule of `recommend --pilot` on the advice half, by hand: the smallest factor whose gap is within the margin
    and whose accuracy, AUROC and NLL are no worse than the hard labels', with 95 % of what those taught; else the run
    with the smallest gap."""
    hard_run = next(run for run in runs if run["factor"] == 0)
    hard = hard_run["advice"]
    good = [
        run
        for run in runs
        if run["advice"]["gap"] <= MARGIN
        and run["sft"]["top1"] >= KEPT_OF_HARD * hard_run["sft"]["top1"]
        and run["advice"]["accuracy"] >= hard["accuracy"]
        and run["advice"]["auroc"] >= hard["auroc"]
        and run["advice"]["nll"] <= hard["nll"]
    ]
    return min(good, key=lambda run: run["factor"]) if good else min(runs, key=lambda run: run["advice"]["gap"])


def table(lines: list[dict[str, Any]]) -> None:
    seeds = sorted({line["seed"] for line in lines})
    print(f"Means over seeds {seeds}, proof half; in brackets the range\n")
    print("| prior | factor | accuracy | gap | plug-in ECE | NLL | AUROC | tuning data right |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in ("base", "instruct"):
        rows = [line[name] for line in lines if line["prior"] == "pair"]
        print(f"| demo:{name} | | {_figures(rows)} |")
    for prior, factor in GRID:
        rows = [line for line in lines if (line["prior"], line["factor"]) == (prior, factor)]
        if rows:
            print(f"| {'hard labels' if factor == 0 else prior} | {factor:g} | {_figures(rows)} |")
    found: dict[str, list[tuple[float, float]]] = {"stack": [], "pilot": [], "literature": []}
    covered = []
    for seed in seeds:
        runs = [line for line in lines if line["seed"] == seed and line["prior"] != "pair"]
        if len(runs) < len(GRID):
            continue
        stack = next(line["stack"] for line in lines if line["seed"] == seed and line["prior"] == "pair")
        based = [run for run in runs if run["prior"] == "base"]
        chosen = {
            "stack": min(based, key=lambda run: abs(run["factor"] - stack["epsilon"]["value"])),
            "pilot": pilot(runs),
            "literature": next(run for run in runs if (run["prior"], run["factor"]) == ("uniform", 0.1)),
        }
        best = {key: min(run["proof"][key] for run in runs) for key in ("ece", "nll")}
        for way, run in chosen.items():
            found[way].append((run["proof"]["ece"] - best["ece"], run["proof"]["nll"] - best["nll"]))
        top = min(based, key=lambda run: run["proof"]["ece"])["factor"]
        covered.append(stack["epsilon"]["low"] <= top <= stack["epsilon"]["high"])
        picked = f"{chosen['pilot']['prior']} {chosen['pilot']['factor']:g}"
        print(f"\nseed {seed}: stack {stack['epsilon']}, pilot {picked}, best of prior base by ECE {top:g}")
    print("\n| way to choose | regret in ECE, mean (largest) | regret in NLL, mean (largest) |\n| --- | ---: | ---: |")
    for way, regrets in found.items():
        if regrets:
            cells = [f"{statistics.mean(r):.3f} ({max(r):.3f})" for r in zip(*regrets, strict=True)]
            print(f"| {way} | {' | '.join(cells)} |")
    print(f"\nThe stack interval holds the grid's best factor of prior base in {sum(covered)} of {len(covered)} seeds.")


def _figures(rows: list[dict[str, Any]]) -> str:
    cells = []
    for key in ("accuracy", "gap", "ece", "nll", "auroc"):
        values = [row["proof"][key] for row in rows]
        spread = f" ({min(values):.3f} to {max(values):.3f})" if key == "ece" and len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.3f}{spread}")
    cells.append(f"{statistics.mean(row['sft']['top1'] for row in rows):.3f}")
    return " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/studies/demo_pair.jsonl"))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if not args.table:
        run_all(args.out, [int(seed) for seed in args.seeds.split(",")])
    table(read(args.out))


if __name__ == "__main__":
    main()
