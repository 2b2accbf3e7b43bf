"""Many mutated inputs a reader, and the table of what came of them.

    python -m tests.fuzz [--count N] [--start SEED] [--reader NAME ...] [--jobs N] [--save FOLDER] [--seconds S]

An input is its reader's name and a number, its seed: the same in each run. --start 200000 goes on where 200,000 were run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.checkpoints import CHECKPOINT_READERS, warmed
from tests.fuzz.readers import READERS
from tests.fuzz.report import explained, saved, table
from tests.fuzz.watch import Tally, run

PIECE = 500


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--reader", nargs="*", default=[])
    parser.add_argument("--save", type=Path, default=None)
    given = parser.parse_args(arguments)
    readers = READERS + CHECKPOINT_READERS
    chosen = [reader for reader in readers if not given.reader or reader.name in given.reader]
    warmed()
    tallies: dict[str, Tally] = {}
    for reader in chosen:
        tallies[reader.name] = run(reader, range(given.start, given.start + given.count))
        print(table({reader.name: tallies[reader.name]}, head=len(tallies) == 1), flush=True)
    failures = [failure for tally in tallies.values() for failure in tally.failures]
    print(explained(failures))
    if given.save is not None:
        for path in saved(failures, {reader.name: reader for reader in chosen}, given.save):
            print(path)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
