"""Whether the inference keeps its promises: how often it errs, what it sees, what it costs.

    python -m benchmarks.inference [--quick] [--section NAME ...] [--samples 1.0] [--seed 0] [--jobs 2]

Samples of models whose true values are known (`populations`, `pairs`) are judged by the product's own functions. Prints
Markdown tables; ends with exit code 1 when a bar is missed: sizes above 5 %, coverage below 93 %, power below what was
promised (`harness`, `change`), or a sample on which an estimate, its interval and its p-value contradict each other.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from benchmarks.inference.calibrated import calibrated
from benchmarks.inference.change import power_of_ece, size_of_ece
from benchmarks.inference.cost import cost
from benchmarks.inference.harness import Run, timed
from benchmarks.inference.metrics import metrics
from benchmarks.inference.smooth import smooth
from benchmarks.inference.tasks import tasks

SECTIONS: dict[str, Callable[[Run], None]] = {
    "size": size_of_ece,
    "power": power_of_ece,
    "tasks": tasks,
    "metrics": metrics,
    "smooth": smooth,
    "calibrated": calibrated,
    "cost": cost,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer cells, and few samples in each")
    parser.add_argument("--section", choices=list(SECTIONS), nargs="+", default=list(SECTIONS))
    parser.add_argument("--samples", type=float, help="times the samples of each cell; 1, with --quick .04")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    share = options.samples or (0.04 if options.quick else 1.0)
    run = Run(options.jobs, options.seed, options.quick, share)
    started = time.monotonic()
    for name in options.section:
        timed(name, SECTIONS[name], run)
    print(f"\n{time.monotonic() - started:.0f} s. ", end="")
    print("All bars held." if not run.missed else "Bars missed:\n\n" + "\n".join(f"- {text}" for text in run.missed))
    sys.exit(bool(run.missed))


if __name__ == "__main__":
    main()
