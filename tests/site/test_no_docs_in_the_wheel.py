"""A wheel has no docs/: nothing in the package sends a reader there, and a link stands only where one is published."""

from __future__ import annotations

import re
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest

from calibaudit.advice.evidence import REGRETS, evidence_for
from calibaudit.errors import ScoresError, see
from calibaudit.scores.logs.formats import read_logs

TEXTS = {".py", ".html", ".css", ".md", ".yaml", ".json", ".typed", ".jsonl"}


def test_no_text_of_the_package_names_a_file_of_the_documentation(root: Path) -> None:
    """Code, docstrings, comments, templates."""
    files = [path for path in (root / "calibaudit").rglob("*") if path.suffix in TEXTS]
    assert len(files) > 300
    found = [
        f"{path.relative_to(root)}: {named}"
        for path in files
        for named in re.findall(r"(?<![\w.])docs/[\w./-]+", path.read_text(encoding="utf-8"))
    ]
    assert found == []


def published(monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    """As the installed package's metadata would say it."""
    found = Message()
    for url in urls:
        found["Project-URL"] = url
    monkeypatch.setattr(metadata, "metadata", lambda name: found)


@pytest.mark.parametrize("url", ["https://docs.example/calibaudit", "https://docs.example/calibaudit/"])
def test_a_link_stands_where_one_is_published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str) -> None:
    published(monkeypatch, "Homepage, https://example.org", f"Documentation, {url}")
    assert see("import") == "https://docs.example/calibaudit/import.html"
    assert "parameters; https://docs.example/calibaudit/studies.html)" in (evidence_for("pilot") or "")
    assert refused(tmp_path).endswith("; https://docs.example/calibaudit/import.html")


def test_without_one_each_says_what_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    published(monkeypatch)
    assert see("import", "; ") == ""
    assert "://" not in "".join(evidence_for(method) or "" for method in REGRETS)
    assert refused(tmp_path).endswith("or a table with a column `answer` (CSV, TSV, JSONL, JSON, Parquet)")


def refused(folder: Path) -> str:
    path = folder / "odd.txt"
    path.write_text("nothing of the kind\n", encoding="utf-8")
    with pytest.raises(ScoresError) as caught:
        read_logs([path])
    return str(caught.value)


def test_the_pages_that_are_linked_exist(root: Path) -> None:
    """Each `see("page")` of the code is a page of the site."""
    calls = {
        name
        for path in (root / "calibaudit").rglob("*.py")
        for name in re.findall(r"\bsee\([\"']([\w/-]+)[\"']", path.read_text(encoding="utf-8"))
    }
    assert calls >= {"import", "studies"}
    assert [name for name in calls if not (root / "docs" / f"{name}.md").is_file()] == []
