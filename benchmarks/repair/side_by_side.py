"""Every way of repairing, side by side, on the bundled pair: `calibaudit fix` itself, for several seeds.

    python benchmarks/repair/side_by_side.py [--out FILE] [--seeds 0,1,2] [--ways 'merge;auto'] [--table]

A seed cuts the audited items into the half that chooses and the half that proves, and orders the rows of a smoothed
run. Each line is one command's result, added as soon as it is done; lines that stand there are not repeated, so --table
only prints. Figures are those of the half that proves; ECE is without the noise's share. seconds: the whole command,
from nothing cached to the verdict.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

Line = dict[str, Any]

WAYS: dict[str, tuple[str, ...]] = {
    "temperature": ("--method", "temperature"),
    "aligned": ("--method", "aligned"),
    "merge": ("--method", "merge"),
    "smooth": ("--method", "smooth"),
    "smooth towards uniform, .1": ("--smoothing", "0.1", "--prior", "uniform"),
    "auto": ("--method", "auto"),
}
METRICS = ("ece", "accuracy", "nll", "auroc", "gap")


def run(way: str, seed: int) -> Line:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "calibaudit", "fix", "demo:instruct", "--base", "demo:base"]
        command += ["--data", "demo:sft", "--out", f"{folder}/fixed", *WAYS[way], "--seed", str(seed)]
        command += ["--json", "--no-progress", "--cache-dir", f"{folder}/cache"]
        start = time.perf_counter()
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
    if ended.returncode not in (0, 1):
        sys.exit(ended.stderr)
    return line_of(json.loads(ended.stdout), way, seed, seconds)


def line_of(result: Line, way: str, seed: int, seconds: float) -> Line:
    chosen = next(candidate for candidate in result["candidates"] if candidate["chosen"])
    pair, left = (result["proof"][part]["overall"]["pooled"] for part in ("tuning", "left"))
    sides = {"base": pair["before"], "instruct": pair["after"], "repaired": left["after"]}
    return {
        "way": way,
        "seed": seed,
        "seconds": round(seconds, 1),
        "outcome": result["verdict"]["outcome"],
        "faults": result["verdict"]["faults"],
        "setting": chosen["setting"],
        "kept": chosen["retention"]["kept"],
        "first_choices": chosen["retention"]["first_choices"],
        **{name: {key: side[key]["value"] for key in METRICS} for name, side in sides.items()},
        "above_base": left["change"]["ece"],
    }


def table(lines: list[Line]) -> list[str]:
    """Means over the seeds, in brackets the range of the ECE."""
    seeds = sorted({line["seed"] for line in lines})
    rows = [
        "| | setting | ECE | accuracy | NLL | AUROC | kept | helped | the whole command |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in ("base", "instruct"):
        rows.append(f"| demo:{name} | | {figures([line[name] for line in lines if line['way'] == 'auto'])} | | | |")
    for way in WAYS:
        found = [line for line in lines if line["way"] == way]
        if not found:
            continue
        settings = "; ".join(setting(line["setting"]) for line in found)
        kept = statistics.mean(line["kept"] for line in found)
        helped = sum(line["outcome"] == "helped" for line in found)
        times = [line["seconds"] for line in found]
        span = f"{min(times):.0f} to {max(times):.0f} s"
        rows.append(
            f"| {way} | {settings} | {figures([line['repaired'] for line in found])} | {kept * 100:.0f} % | "
            f"{helped} of {len(found)} | {span} |"
        )
    return [*rows, "", f"(Seeds {', '.join(map(str, seeds))}.)"]


def figures(rows: list[Line]) -> str:
    means = {key: statistics.mean(row[key] for row in rows) for key in METRICS}
    eces = [row["ece"] for row in rows]
    spread = f"{shown(means['ece'])} ({shown(min(eces))} to {shown(max(eces))})"
    return " | ".join([spread, *(shown(means[key]) for key in ("accuracy", "nll", "auroc"))])


def shown(value: float) -> str:
    """`.123`, `−.004`, `1.002`"""
    text = f"{abs(value):.3f}"
    sign = "−" if value < 0 and float(text) else ""
    return sign + (text[1:] if text.startswith("0.") else text)


def setting(found: Line) -> str:
    value = f"{found['value']:g}".removeprefix("0")
    if found["method"] in ("temperature", "aligned"):
        return f"T {found['value']:.2f}"
    return value if found["temperature"] is None else f"{value} of base, T {found['temperature']:.2f}"


def read(path: Path) -> list[Line]:
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/studies/demo_repairs.jsonl"))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--ways", default=";".join(WAYS), help="separated by semicolons")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    done = {(line["way"], line["seed"]) for line in read(options.out)}
    for seed in [] if options.table else [int(text) for text in options.seeds.split(",")]:
        for way in options.ways.split(";"):
            if (way, seed) not in done:
                found = run(way, seed)
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(found) + "\n")
                print(f"seed {seed}: {way}: {found['outcome']}, {found['seconds']:.0f} s", file=sys.stderr, flush=True)
    print("\n".join(table(read(options.out))))


if __name__ == "__main__":
    main()
