"""What a strong reader without tools can do on the hard tasks: `python tests/bundled/strong_reader.py sheet TASK`.

48 audited items of each task are drawn by a fixed seed, evenly over the levels, and printed without their answers. A
reader gets that text alone. The letters it gave stand in strong_reader.json; `table` prints how many were right.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from bundled.guesses import rows

ANSWERS = Path(__file__).with_suffix(".json")
N_READ = 48
LETTERS = "ABCD"


def drawn(name: str, part: str = "", n: int = N_READ) -> list[dict[str, Any]]:
    """The items to be read, in random order: as many of each level, one more of the first levels if need be."""
    rng = random.Random(f"calibaudit strong reader {name}")
    by_level: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows(name, part):
        by_level[row["level"]].append(row)
    each, more = divmod(n, len(by_level))
    found = []
    for i, level in enumerate(sorted(by_level)):
        found += rng.sample(by_level[level], each + (i < more))
    rng.shuffle(found)
    return found


def sheet(name: str, part: str = "", n: int = N_READ) -> str:
    """The items' texts, numbered: passage, question and the four options, and nothing else."""
    blocks = []
    for number, row in enumerate(drawn(name, part, n), 1):
        lines = [f"{number}. " + "\n".join(filter(None, (row.get("passage"), row["question"])))]
        lines += [f"   {letter}. {choice}" for letter, choice in zip(LETTERS, row["choices"], strict=True)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def hits(name: str, letters: str, part: str = "") -> list[tuple[int, bool]]:
    """Of each item read, its level and whether the letter is right."""
    items = drawn(name, part, len(letters))
    return [(row["level"], LETTERS[row["answer"]] == letter) for row, letter in zip(items, letters, strict=True)]


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927, Journal of the American Statistical Association 22)."""
    z = 1.959963984540054
    middle = (right + z * z / 2) / (n + z * z)
    reach = z / (n + z * z) * math.sqrt(right * (n - right) / n + z * z / 4)
    return middle - reach, middle + reach


def table(part: str = "", file: Path = ANSWERS) -> list[str]:
    """A Markdown table: each task, then all of them; right answers with their interval, and by level."""
    answers = json.loads(file.read_text(encoding="utf-8"))["answers"]
    marks = {name: hits(name, letters, part) for name, letters in sorted(answers.items())}
    levels = sorted({level for found in marks.values() for level, _ in found})
    lines = ["| task | right | 95 % interval | " + " | ".join(f"level {level}" for level in levels) + " |"]
    lines.append("| --- | --- | --- |" + " --- |" * len(levels))
    marks["all"] = [mark for found in marks.values() for mark in found]
    for name, found in marks.items():
        right = sum(hit for _, hit in found)
        low, high = wilson(right, len(found))
        cells = []
        for level in levels:
            own = [hit for at, hit in found if at == level]
            cells.append(f"{sum(own)} of {len(own)}")
        share = f"{right} of {len(found)} ({right / len(found):.2f})"
        lines.append(f"| {name} | {share} | {low:.2f} to {high:.2f} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "sheet":
        print(sheet(sys.argv[2]), end="")
    elif sys.argv[1:] == ["table"]:
        print("\n".join(table()))
    else:
        sys.exit("usage: strong_reader.py sheet TASK, or strong_reader.py table")


if __name__ == "__main__":
    main()
