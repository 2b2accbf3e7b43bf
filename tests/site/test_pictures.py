"""The pictures show what the code prints today; `python docs/images/make.py` draws them again."""

from __future__ import annotations

import io
import json
import re
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from calibaudit.report.terminal.saved import page_of

SVG = "{http://www.w3.org/2000/svg}"
AGAIN = "the page has changed: run `python docs/images/make.py`"


@pytest.fixture(scope="module")
def images(root: Path) -> Path:
    return root / "docs" / "images"


@pytest.fixture(scope="module")
def saved(images: Path) -> dict[str, Any]:
    result = json.loads((images / "demo.json").read_text(encoding="utf-8"))
    assert isinstance(result, dict)
    return result


def drawn(picture: Path) -> list[str]:
    """The lines of a terminal's picture, top to bottom, its title left out; a space between what stands apart."""
    lines: dict[float, list[tuple[float, str]]] = {}
    for text in ElementTree.parse(picture).iter(f"{SVG}text"):
        if "matrix" not in text.get("class", "") and text.get("clip-path") is None:
            continue
        lines.setdefault(float(text.attrib["y"]), []).append((float(text.attrib["x"]), text.text or ""))
    return [" ".join("".join(part for _, part in sorted(lines[y])).split()) for y in sorted(lines)]


def test_the_terminal_picture_is_the_page(images: Path, saved: dict[str, Any]) -> None:
    """Line by line, as far as it goes, of the saved audit in today's words; at least to the rows over all tasks."""
    console = Console(file=io.StringIO(), width=80)
    page_of(saved, "demo.json")(console)
    assert isinstance(console.file, io.StringIO)
    page = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]
    prompt, *shown = [line for line in drawn(images / "compare.svg") if line]
    assert prompt == "$ calibaudit compare"
    assert shown == [line for line in page if line][: len(shown)], AGAIN
    assert any(line.startswith("all (macro)") for line in shown)


def test_nothing_in_a_picture_is_fetched(images: Path) -> None:
    for picture in images.glob("*.svg"):
        text = picture.read_text(encoding="utf-8").replace(SVG.strip("{}"), "")
        assert not re.search(r"https?:|url\((?!#)|<script|<image|@import", text), picture.name


def test_the_report_s_picture_is_a_first_screen(images: Path) -> None:
    data = (images / "report.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1200, 800)
    assert len(data) < 150_000


@pytest.mark.parametrize("page", ["README.md", "docs/start.md"])
def test_both_are_shown_with_words_for_who_cannot_see_them(root: Path, page: str) -> None:
    shown = re.findall(r"!\[([^\]]+)\]\((?:docs/)?images/([\w.]+)\)", (root / page).read_text(encoding="utf-8"))
    assert {name for _, name in shown} == {"compare.svg", "report.png"}
    assert all(len(words.split()) > 8 for words, _ in shown)
