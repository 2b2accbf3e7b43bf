"""docs/reliability.md: each promise names tests, and they exist."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from markdown_pages import ROOT

PAGE = ROOT / "docs" / "reliability.md"
CITED = re.findall(r"`(tests/[\w/]+\.py)(?:::([\w:]+))?`", PAGE.read_text(encoding="utf-8"))


@cache
def held_in(file: str) -> set[str]:
    """The tests of a file: `test_x`, `TestX::test_x`."""
    found = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {prefix + entry.name for entry in inner if isinstance(entry, ast.FunctionDef)}
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


@pytest.mark.parametrize(("file", "name"), CITED, ids=lambda part: part.rpartition("/")[2])
def test_a_cited_test_exists(file: str, name: str) -> None:
    assert (ROOT / file).is_file(), file
    assert held_in(file), f"{file} holds no test"
    assert not name or name in held_in(file), f"{file} has no {name}; it has {', '.join(sorted(held_in(file)))}"


def test_every_promise_names_one() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [row for row in rows if "`tests/" in row]
    headed = PAGE.read_text(encoding="utf-8").count("| promise | checked by |")
    assert len(promises) >= 25
    tables = PAGE.read_text(encoding="utf-8").partition("## Figures")[0]
    assert sum(line.startswith("| ") for line in tables.splitlines()) == len(promises) + 2 * headed
