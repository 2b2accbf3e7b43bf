"""A thing is said once, and first what readers come for: no long sentence occurs twice, and details stand below."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it.token import Token
from markdown_pages import PAGES, ROOT, _tokens

LONG = 10
"""Words: a shorter sentence may be said twice."""

FIRST, README, WHOLE = 110, 150, 165
"""Lines that may stand before a page's details, before README's, and on a page that has none."""

BELOW = re.compile(r"^## (Details|In detail|Figures)$", re.MULTILINE)

REFERENCE = tuple(ROOT / "docs" / name for name in ("tasks", "studies", "inference.md", "api.md"))
"""Cards and tables: made by programs, or all of one form."""


def _words_of(part: Token) -> str:
    """A picture's description is the same wherever the picture is."""
    return " " if part.type == "softbreak" else "" if part.type == "image" else part.content


def sentences(page: Path) -> list[str]:
    """The running text, without tables, code blocks and headings: links as their words, in small letters."""
    found, tokens = [], _tokens(page)
    nested = 0
    for before, token in pairwise(tokens):
        nested += (token.type == "table_open") - (token.type == "table_close")
        if token.type != "inline" or nested or before.type == "heading_open":
            continue
        text = "".join(_words_of(part) for part in token.children or ())
        found += re.split(r"(?<=[.!?:])\s+(?=\W*[A-Z0-9])", " ".join(text.split()))
    return [re.sub(r"\W+", " ", sentence).strip().lower() for sentence in found]


def test_sentences_are_read() -> None:
    found = sentences(ROOT / "docs" / "gate.md")
    assert (
        "the bounds are one sided the true change lies above the first and below the second each with at most 5 error"
        in found
    )
    assert not any("margin" in sentence and "raises no alarm" in sentence for sentence in found), "a table's cell"


def test_no_long_sentence_stands_twice() -> None:
    places = defaultdict(list)
    for page in PAGES:
        if REFERENCE[0] not in page.parents:
            for sentence in sentences(page):
                if len(sentence.split()) >= LONG:
                    places[sentence].append(page.name)
    assert len(places) > 500
    assert {sentence: pages for sentence, pages in places.items() if len(pages) > 1} == {}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if not {page, *page.parents} & set(REFERENCE)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_details_stand_below(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    below = BELOW.search(text)
    lines = text[: below.start() if below else len(text)].count("\n")
    most = (README if page.name == "README.md" else FIRST) if below else WHOLE
    assert lines <= most, f"{page.name}: {lines} lines before its details"
