"""docs/templates.md shows the table of families."""

from __future__ import annotations

from tests.chat.model_families import names
from tests.chat.model_families.page import PAGE, table, written


def test_the_page_has_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert table() in page
    assert page == written(page), "run python -m tests.chat.model_families.page"


def test_every_family_is_there() -> None:
    assert len(table().splitlines()) == 2 + len(names())
