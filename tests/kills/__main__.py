"""Commands that write, killed at random moments and run to their ends; the table of what was lost.

    python -m tests.kills [--kills 100] [--torchrun 8] [--seed 0] [--job NAME ...] [--seconds S]

Of --kills two thirds are of a command alone, a sixth beside another on one cache, a sixth are full disks (a small tmpfs
where one may be mounted, else a limit on a file's size); --torchrun more under torchrun with two processes. --seconds:
begin no other then. Ends with 1 where something was lost, half-written, left behind or other than undisturbed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from random import Random

from tests.kills.jobs import JOBS
from tests.kills.runs import imported
from tests.kills.trials import Trial, killed, killed_beside, out_of_space


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--job", nargs="*", default=[])
    parser.add_argument("--torchrun", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    given = parser.parse_args(arguments)
    imported()
    began, found = time.monotonic(), []
    for trial in trials(given.kills, given.torchrun, given.seed, given.job):
        found.append(trial)
        print(line(trial), flush=True)
        if time.monotonic() - began > given.seconds:
            break
    print(table(found))
    minutes, n_faulty = (time.monotonic() - began) / 60, sum(bool(trial.faults) for trial in found)
    print(f"{len(found)} kills in {minutes:.1f} minutes; {n_faulty} with faults")
    return any(trial.faults for trial in found)


def trials(n: int, n_torchrun: int, seed: int, names: Sequence[str] = ()) -> Iterator[Trial]:
    """n kills in turn over the commands and the ways, then those under torchrun."""
    jobs = [job for job in JOBS if not names or job.name in names]
    scoring = [job for job in jobs if job.name in ("score", "compare", "bless")]  # of one size of batch: equal bits
    for i in range(n):
        rng = Random(f"kill:{seed}:{i}")
        if i % 6 == 4 and len(scoring) > 1:
            yield killed_beside(scoring[i // 6 % len(scoring)], scoring[(i // 6 + 1) % len(scoring)], rng)
        elif i % 6 == 5:
            yield out_of_space(jobs[i // 6 % len(jobs)], rng)
        else:
            yield killed(jobs[i % len(jobs)], rng)
    for i in range(n_torchrun if scoring else 0):  # last: every one starts two processes that import everything
        yield killed(scoring[i % len(scoring)], Random(f"torchrun:{seed}:{i}"), ranks=2)


def line(trial: Trial) -> str:
    told = " ".join("; ".join(trial.faults).split()) or "whole"
    return (
        f"{trial.job}, {trial.way}: {trial.signal} at {trial.after:.2f}, ended {trial.ended}, kept {trial.kept} of "
        f"{trial.n}, {trial.seconds:.1f} s: {told}"
    )


def table(found: Sequence[Trial]) -> str:
    """Markdown, a row a command and way."""
    rows: dict[tuple[str, str], list[Trial]] = {}
    for trial in found:
        rows.setdefault((trial.way, trial.job), []).append(trial)
    lines = ["| way | command | kills | with items kept | computed again | with faults | seconds |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for (way, job), those in sorted(rows.items()):
        kept, twice = sum(trial.kept > 0 for trial in those), sum(trial.twice for trial in those)
        faults, seconds = sum(bool(trial.faults) for trial in those), sum(trial.seconds for trial in those)
        lines.append(f"| {way} | {job} | {len(those)} | {kept} | {twice} | {faults} | {seconds:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
