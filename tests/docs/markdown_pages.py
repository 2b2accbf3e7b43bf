"""The pages that users read, taken apart: fenced blocks, code spans, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


class Block(NamedTuple):
    """A code block. language: what stands after the fence; empty without, and None for an indented block."""

    page: Path
    line: int
    language: str | None
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


class Span(NamedTuple):
    """Code in running text, or in a table."""

    page: Path
    line: int
    text: str


@cache
def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(*languages: str, page: Path | None = None) -> list[Block]:
    """All blocks of these languages (of all, without one), on one page or on every page."""
    return [
        Block(found, token.map[0] + 1, token.info.strip() if token.type == "fence" else None, token.content)
        for found in (PAGES if page is None else (page,))
        for token in _tokens(found)
        if token.type in ("fence", "code_block") and token.map is not None
        if not languages or (token.type == "fence" and token.info.strip() in languages)
    ]


def _inline(page: Path) -> Iterator[tuple[int, Token]]:
    line = 0
    for token in _tokens(page):
        line = token.map[0] + 1 if token.map else line
        for child in token.children or ():
            yield line, child


def spans() -> list[Span]:
    return [Span(page, line, t.content) for page in PAGES for line, t in _inline(page) if t.type == "code_inline"]


def links(page: Path) -> list[str]:
    return [str(token.attrs["href"]) for _, token in _inline(page) if token.type == "link_open"]


def anchors(page: Path) -> set[str]:
    """What a link's `#...` can name: the headings, spelled as GitHub spells them."""
    tokens = _tokens(page)
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
