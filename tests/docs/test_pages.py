"""Pages lead somewhere: every block says its language, links and names of modules and files exist."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from markdown_pages import PAGES, ROOT, anchors, blocks, links, spans

HANDLED = {"csv", "python", "sh", "yaml", "toml", "jsonl", "json", "text", "mermaid"}
"""Each of these has its test in this folder, mermaid in test_layout.py; what may not be run stands in running text."""

FOLDERS = ("calibaudit", "tests", "docs", "tasks", "benchmarks", ".ci", ".github")
PLACEHOLDER = re.compile(r"\b[A-Z]{4,}\b")  # tasks/NAME.train.jsonl


def named_modules() -> dict[str, str]:
    """calibaudit.x.y -> a page that says so; files of that form are none (calibaudit.xml, calibaudit.toml)."""
    found = {}
    for page in PAGES:
        for name in re.findall(r"(?<![\w/.-])calibaudit(?:\.[A-Za-z_]\w*)+", page.read_text(encoding="utf-8")):
            if name.rpartition(".")[2] not in ("xml", "html", "toml"):
                found[name] = page.name
    return found


def named_files() -> dict[str, str]:
    """A path inside the repository -> a page that names it in code; architecture.md's are held by test_layout.py."""
    texts = [(span.page.name, span.text) for span in spans() if span.page.name != "architecture.md"]
    texts += [(block.page.name, block.text) for block in blocks("sh", "text")]
    pattern = rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*"
    return {
        word: page for page, text in texts for word in text.split() if re.fullmatch(pattern, word) and "DIR" not in word
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_a_language_that_is_tested(page: Path) -> None:
    for block in blocks(page=page):
        assert block.language is not None, f"{block.place}: indented code: put it between fences"
        assert block.language in HANDLED, f"{block.place}: language {block.language!r}: one of {sorted(HANDLED)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {link}"


def test_named_modules_exist() -> None:
    assert {"calibaudit.metrics", "calibaudit.gating"} <= named_modules().keys()
    for name, page in named_modules().items():
        assert is_there(name), f"{page}: {name}"


def is_there(name: str) -> bool:
    """A module, or an attribute of one, or of that."""
    found, *rest = name.split(".")
    above: object = import_module(found)
    for part in rest:
        found = f"{found}.{part}"
        if not hasattr(above, part) and find_spec(found) is None:
            return False
        above = getattr(above, part) if hasattr(above, part) else import_module(found)
    return True


def test_named_files_exist() -> None:
    assert len(named_files()) > 20
    for name, page in named_files().items():
        assert list(ROOT.glob(PLACEHOLDER.sub("*", name).rstrip("/"))), f"{page}: {name}"
