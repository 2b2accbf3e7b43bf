"""Many mutated inputs a reader, and the table of what came of them.

    python -m tests.fuzz [--count 100000] [--count-foreign 10000] [--reader NAME ...] [--seed 0] [--jobs 1]
                         [--log FILE] [--seconds S] [--waiting N] [--save FOLDER]

An input is its reader's name and a number, its seed: the same in every run. --seed: the first. --log: what came of
each 500 inputs, added as soon as it is known; a run with the same FILE goes on behind it. --seconds: stop then.
--waiting: how many times 5 s an input may take by the clock; more on a machine that has other work. --save: the
smallest input found of each kind of failure. Ends with 1 where an input was neither accepted nor refused in one line.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.fuzz import watch
from tests.fuzz.checkpoints import CHECKPOINT_READERS, warmed
from tests.fuzz.readers import READERS
from tests.fuzz.tally_table import explained, saved, table
from tests.fuzz.watch import Failure, Tally, run

PIECE = 500
ALL = {reader.name: reader for reader in READERS + CHECKPOINT_READERS}

Piece = tuple[str, int, int]
"""reader, first seed, seed behind the last"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=PIECE, help="inputs of each of our own readers")
    parser.add_argument("--count-foreign", type=int, default=None, help="inputs where transformers reads; else --count")
    parser.add_argument("--reader", nargs="*", choices=list(ALL), default=list(ALL))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--log", type=Path, default=None)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--waiting", type=float, default=watch.WAITING)
    parser.add_argument("--save", type=Path, default=None)
    given = parser.parse_args(arguments)
    watch.WAITING = given.waiting
    counts = {
        name: given.count if ALL[name].own or given.count_foreign is None else given.count_foreign
        for name in given.reader
    }
    tallies = {name: Tally() for name in given.reader}
    known = dict(_logged(given.log))
    for piece, tally in known.items():
        if piece[0] in tallies:
            tallies[piece[0]].add(tally)
    warmed()
    wanted = [piece for piece in pieces(counts, given.seed) if piece not in known]
    until = time.monotonic() + given.seconds
    for piece, tally in _run(wanted, given.jobs, until):
        tallies[piece[0]].add(tally)
        if tally.failures:
            print(explained(tally.failures), flush=True)
        if given.log is not None and tally.inputs == piece[2] - piece[1]:
            with given.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps([piece, dataclasses.asdict(tally)]) + "\n")
    failures = [failure for tally in tallies.values() for failure in tally.failures]
    print(table(tallies), explained(failures), sep="\n", flush=True)
    for path in saved(failures, ALL, given.save) if given.save is not None else ():
        print(path)
    return bool(failures)


def pieces(counts: dict[str, int], seed: int) -> Iterator[Piece]:
    """All readers' first 500 before any reader's second: what is stopped early has seen a part of all."""
    for start in range(0, max(counts.values()), PIECE):
        for name, count in counts.items():
            if start < count:
                yield name, seed + start, seed + min(count, start + PIECE)


def _run(wanted: Sequence[Piece], jobs: int, until: float) -> Iterator[tuple[Piece, Tally]]:
    """What came of each piece, as it is known; pieces that time did not suffice for are short or empty."""
    one = functools.partial(_one, until=until)
    if jobs == 1:
        yield from map(one, wanted)
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(one, wanted)


def _one(piece: Piece, until: float) -> tuple[Piece, Tally]:
    name, start, stop = piece
    return piece, run(ALL[name], range(start, stop), until)


def _logged(log: Path | None) -> Iterator[tuple[Piece, Tally]]:
    if log is None or not log.is_file():
        return
    for line in log.read_text("utf-8").splitlines():
        (name, start, stop), tally = json.loads(line)
        yield (name, start, stop), Tally(**{**tally, "failures": [Failure(**failure) for failure in tally["failures"]]})


if __name__ == "__main__":
    sys.exit(main())
