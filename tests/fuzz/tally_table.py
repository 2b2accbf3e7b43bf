"""What came of fuzzing, as a table, one line a kind of failure, and each kind's smallest input as a file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.fuzz.readers import Reader
from tests.fuzz.watch import KINDS, Failure, Tally, content_of, kinds, outcome

_COLUMNS = ("reader", "inputs", "accepted", "refused", *KINDS, "CPU seconds")


def table(tallies: Mapping[str, Tally], *, head: bool = True) -> str:
    """Markdown, one row a reader."""
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{' --- |' + ' ---: |' * (len(_COLUMNS) - 1)}"] if head else []
    for name, tally in tallies.items():
        numbers = (tally.inputs, tally.accepted, tally.refused, *map(tally.count, KINDS))
        lines.append(f"| {name} | {' | '.join(f'{number:,}' for number in numbers)} | {tally.seconds:,.0f} |")
    return "\n".join(lines)


def explained(failures: Sequence[Failure]) -> str:
    """One line a kind of failure: how many, the first one's seed and words."""
    first: dict[tuple[str, ...], Failure] = {}
    for failure in failures:
        first.setdefault((failure.reader, *failure.signature), failure)
    counts = {reader: kinds([f for f in failures if f.reader == reader]) for reader in {f.reader for f in failures}}
    return "\n".join(
        f"{counts[one.reader][one.signature]:6,} {one.reader} {one.kind} in {one.where}, seed {one.seed}: {one.what}"
        for one in first.values()
    )


def saved(failures: Sequence[Failure], readers: Mapping[str, Reader], folder: Path) -> Iterator[Path]:
    """The smallest input found of each kind of failure, written to `folder` beside the files that it needs."""
    done: set[tuple[str, ...]] = set()
    for failure in failures:
        if (key := (failure.reader, *failure.signature)) in done:
            continue
        done.add(key)
        reader = readers[failure.reader]
        sample, content = content_of(reader, failure.seed)
        content = smaller(reader, failure, content)
        target = folder / f"{failure.reader}-{failure.seed}"
        target.mkdir(parents=True, exist_ok=True)
        for name, beside in sample.beside:
            (target / name).write_bytes(beside)
        (target / sample.file).write_bytes(content)
        yield target / sample.file


def smaller(reader: Reader, failure: Failure, content: bytes, seconds: float = 5.0) -> bytes:
    """Pieces cut out as long as the failure stays of its kind (Zeller, Hildebrandt 2002), for so many seconds."""
    sample, _ = content_of(reader, failure.seed)
    end, size = time.monotonic() + seconds, max(1, len(content) // 2)
    if failure.kind in ("hang", "memory"):
        return content
    while size and time.monotonic() < end:
        at, cut = 0, False
        while at < len(content) and time.monotonic() < end:
            tried = content[:at] + content[at + size :]
            tally = outcome(reader, failure.seed, sample, tried)
            if any(found.signature == failure.signature for found in tally.failures):
                content, cut = tried, True
            else:
                at += size
        size = size if cut and size > 1 else size // 2
    return content
