"""The tables of docs/import.md, as they stand there, are read: what their numbers and answers mean is certain."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from markdown_pages import ROOT, Block, blocks

from calibaudit.scores.logs.formats import read_logs

TABLES = blocks("csv", "jsonl", page=ROOT / "docs" / "import.md")


def test_there_are_three() -> None:
    assert [block.language for block in TABLES] == ["csv", "csv", "jsonl"]


@pytest.mark.parametrize(
    ("block", "answers", "first"),
    [
        (TABLES[0], [0, 1], 0.5),
        (TABLES[1], [1, 0], math.exp(-1.3) / (math.exp(-1.3) + math.exp(-0.45))),
        (TABLES[2], [0, 2], math.exp(3.1) / (math.exp(3.1) + math.exp(0.2) + math.exp(-1))),
    ],
    ids=["plain", "named", "listed"],
)
def test_the_tables_are_read(block: Block, answers: list[int], first: float, tmp_path: Path) -> None:
    path = tmp_path / f"table.{block.language}"
    path.write_text(block.text, encoding="utf-8")
    (scores,) = read_logs([path])
    assert scores.answer.tolist() == answers
    values = [math.exp(value) for value in scores.logprobs[0]]
    assert values[0] / sum(values) == pytest.approx(first)
