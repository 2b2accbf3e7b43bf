"""`calibaudit compare` and `gate` from two models' logs of lm-evaluation-harness: no model is run.

    python benchmarks/logs.py BASELINE CANDIDATE [--runs N] [--bar SECONDS]

Each side is a folder of sample files (or whatever the commands take). Prints wall and processor time (user + system) of
the whole process, import and all: the least and the median of the runs, the two commands in turn. The bar is on the
least wall time, as other processes only add to it.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time

COMMANDS = ("compare", "gate")


def timed(command: str, sides: list[str]) -> tuple[float, float, int]:
    """(wall seconds, processor seconds, exit code) of one run."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "calibaudit", command, *sides], capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode not in (0, 1):
        sys.exit(ended.stderr)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, ended.returncode


def main() -> None:
    parser = argparse.ArgumentParser(description="Time compare and gate from logs.")
    parser.add_argument("baseline")
    parser.add_argument("candidate")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--bar", type=float, default=2.0, help="wall seconds that the least time must keep below")
    asked = parser.parse_args()
    runs = [
        {command: timed(command, [asked.baseline, asked.candidate]) for command in COMMANDS} for _ in range(asked.runs)
    ]
    print("| command | exit | wall, least | median | processor, least | median | below the bar |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    met = True
    for command in COMMANDS:
        wall, processor, codes = zip(*(run[command] for run in runs), strict=True)
        met &= min(wall) < asked.bar
        figures = [f"{f(times):.2f} s" for times in (wall, processor) for f in (min, statistics.median)]
        print(f"| {command} | {codes[0]} | {' | '.join(figures)} | {'yes' if min(wall) < asked.bar else 'NO'} |")
    sys.exit(not met)


if __name__ == "__main__":
    main()
