"""What other work on the same cores costs a command: its seconds alone, and beside processes that never rest.

    python benchmarks/cpu/busy.py [--cores 0,1] [--loops 0 2] [--steps 40] [--commands fix compare] [--ways own ...]

Linux. Each command runs on the bundled pair, from an empty cache, on the named cores, beside each number of endless
loops on the same cores: `fix` with so many steps of a smoothed run and its proof, and `compare`. Ways:

    own      as calibaudit does it: threads spin while they wait, and sleep while the process queues for a core
    spin     libgomp's own 300,000 rounds, always: what it was
    passive  OMP_WAIT_POLICY=passive: they always sleep
    one      OMP_NUM_THREADS=1

The cores must be idle before: their use over a second is printed, and nothing is measured above a tenth.
The bars: `own` alone at most 1.05 times `spin` alone, and beside two loops on two cores at most 2.3 times itself alone,
where a fair share of the cores makes 2.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

WAYS = {
    "own": {},
    "spin": {"GOMP_SPINCOUNT": "300000"},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "one": {"OMP_NUM_THREADS": "1"},
}
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def use_of(cores: Sequence[int]) -> float:
    """The share of the cores' time that is used, over a second."""

    def counts() -> tuple[int, int]:
        lines = (line.split() for line in Path("/proc/stat").read_text("ascii").splitlines())
        rows = [[int(n) for n in row[1:9]] for row in lines if row[0] in {f"cpu{core}" for core in cores}]
        return sum(row[3] + row[4] for row in rows), sum(map(sum, rows))

    idle, every = counts()
    time.sleep(1)
    idle_after, every_after = counts()
    return 1 - (idle_after - idle) / max(1, every_after - every)


@contextmanager
def spinning(n: int) -> Iterator[None]:
    """That many endless loops, on the cores of this process."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def arguments_of(command: str, steps: int, folder: Path) -> list[str]:
    cache = ["--no-progress", "--cache-dir", str(folder / "cache")]
    if command == "compare":
        return ["compare", *cache, "-o", str(folder / "result.json")]
    tuning = ["--method", "smooth", "--smoothing", "0.3", "--prior", "base", "--max-steps", str(steps)]
    pair = ["demo:instruct", "--base", "demo:base", "--data", "demo:sft"]
    return ["fix", *pair, *tuning, "--out", str(folder / "out"), *cache]


def seconds_of(command: str, steps: int, way: str) -> float:
    """Wall seconds of the whole command. SystemExit where it failed."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        arguments = [sys.executable, "-m", "calibaudit", *arguments_of(command, steps, Path(folder)), "--device", "cpu"]
        start = time.perf_counter()
        ended = subprocess.run(arguments, env=environment, capture_output=True, text=True)
        seconds = time.perf_counter() - start
    if ended.returncode not in (0, 1):  # 1: the repair did not help, in so few steps
        sys.exit(f"{command}: exit {ended.returncode}: {ended.stderr}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", default=",".join(map(str, sorted(os.sched_getaffinity(0))[:2])))
    parser.add_argument("--loops", nargs="+", type=int, default=[0, 2])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--commands", nargs="+", choices=["fix", "compare"], default=["fix", "compare"])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    asked = parser.parse_args()
    cores = [int(core) for core in asked.cores.split(",")]
    os.sched_setaffinity(0, cores)
    if (use := use_of(cores)) > 0.1:
        sys.exit(f"cores {asked.cores}: {use:.0%} of their time is used already")
    print(f"cores {asked.cores} ({use:.0%} used before), {asked.steps} steps, endless loops beside: {asked.loops}")
    for command in asked.commands:
        for way in asked.ways:
            first = None
            for n in asked.loops:
                with spinning(n):
                    seconds = seconds_of(command, asked.steps, way)
                first = seconds if first is None else first
                told = f"{command:8} {way:8} {n:2} loops {seconds:7.1f} s"
                print(f"{told} {seconds / first:6.2f}" if n != asked.loops[0] else told, flush=True)


if __name__ == "__main__":
    main()
