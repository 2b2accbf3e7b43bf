"""The pages' Python runs: the blocks of a page one after the other, as a reader would type them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from markdown_pages import PAGES, ROOT, blocks

from tests.families import tiny_network

STAND_INS = {'"arc_challenge", limit=300': '"words", limit=20'}
"""The hub is out of reach; BASE, INSTRUCT and files are in the current folder (conftest.py)."""


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks("python", page=page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_python_runs(page: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"model": tiny_network("llama")}
    for block in blocks("python", page=page):
        code = block.text
        for shown, stand_in in STAND_INS.items():
            code = code.replace(shown, stand_in)
        before = set(names)
        exec(compile("\n" * block.line + code, str(page), "exec"), names)
        printed = capsys.readouterr().out
        assert bool(printed) == ("print(" in code), block.place
        if page.name == "README.md" and printed:
            assert re.fullmatch(r"Change\(value=\S+, low=\S+, high=\S+, p_value=\S+\)\n", printed)
        if page.name == "programs.md":  # the answer stands under the program
            assert f"**{printed.rstrip()}** (" in page.read_text(encoding="utf-8")
        for name in set(names) - before:
            if name.startswith("test_"):  # a recipe for pytest
                names.pop(name)()


def test_there_are_examples() -> None:
    assert len(blocks("python", page=ROOT / "README.md")) >= 3
    assert len(blocks("python")) >= 9
