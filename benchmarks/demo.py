"""The first command, measured: `calibaudit compare` on the bundled pair, from a cold item cache.

    python benchmarks/demo.py [BASE INSTRUCT]

Prints wall time and peak memory of the process, and the findings with their bars. Two other checkpoints may be named:
another seed's pair, say.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

SECONDS, MEBIBYTES = 60, 2048


def findings(result: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """(what, figure, whether it meets its bar)."""
    pooled = result["overall"]["pooled"]
    before, after, change = pooled["before"], pooled["after"], pooled["change"]
    ece, ece_after = before["ece_plugin"]["value"], after["ece_plugin"]["value"]
    accuracy, moved = before["accuracy"]["value"], change["accuracy"]["value"]
    worse = [task["name"] for task in result["tasks"] if task["change"]["gap"]["low"] > 0]
    return [
        ("items, at least 2,000", f"{pooled['n_items']:,}", pooled["n_items"] >= 2_000),
        ("plug-in ECE of base, at most .05", f"{ece:.3f}", ece <= 0.05),
        ("accuracy of base, .45 to .85", f"{accuracy:.3f}", 0.45 <= accuracy <= 0.85),
        ("that of instruct, at least .10 and three times base's", f"{ece_after:.3f}", ece_after >= max(0.10, 3 * ece)),
        ("p of no change in ECE, below .001", f"{change['ece']['p_value']:.1g}", change["ece"]["p_value"] < 0.001),
        ("change of accuracy, at most 10 points", f"{moved:+.3f}", abs(moved) <= 0.10),
        ("tasks whose gap's rise excludes 0, at least 5", f"{len(worse)}", len(worse) >= 5),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "calibaudit", "compare", *sys.argv[1:3], "-t", "bundled", "--json"]
        command += ["--cache-dir", folder]
        start = time.perf_counter()
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
    if ended.returncode:
        sys.exit(ended.stderr)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # KiB on Linux
    rows = [
        *findings(json.loads(ended.stdout)),
        (f"wall time, at most {SECONDS} s", f"{seconds:.1f} s", seconds <= SECONDS),
        (f"peak memory, at most {MEBIBYTES:,} MiB", f"{peak:,.0f} MiB", peak <= MEBIBYTES),
    ]
    print("| what, and its bar | found | met |\n| --- | ---: | --- |")
    for what, figure, met in rows:
        print(f"| {what} | {figure} | {'yes' if met else 'NO'} |")
    sys.exit(not all(met for *_, met in rows))


if __name__ == "__main__":
    main()
