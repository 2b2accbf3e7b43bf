"""What must hold of everything that leaves the program, by rules of its readers and not of ours."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ci_readers import check_rules, runner
from markdown_it import MarkdownIt

_HIDING = set("\u00ad\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u2060\ufeff") | set(map(chr, range(0x202A, 0x202F)))
_HIDING |= set(map(chr, range(0x2066, 0x2070)))
_OURS = {"stop-commands", "notice", "warning", "error"}


def check_text(text: str, where: str) -> None:
    """Nothing acts on a terminal, reorders, or hides; no line is a command of a CI system.

    Of a page for a browser, no line begins like one; what stands within a line is for logs.
    """
    text.encode()
    acting = {c for c in text if (unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t") or c in _HIDING}
    assert not acting, (where, acting)
    for line in text.split("\n"):
        assert not line.lstrip().startswith("::"), (where, line)
    if not where.endswith((".html", ".svg")):
        assert not re.search(r"##(\[|vso\[|teamcity\[)", text), where


def check_errors(err: str, where: str) -> None:
    """Every line is one of ours."""
    check_text(err, where)
    assert all(line.startswith("calibaudit: ") for line in err.splitlines()), (where, err)
    assert "a bug in calibaudit" not in err, (where, err)


def check_log(out: str, where: str) -> None:
    """On GitHub: the only commands are the verdict's, and those that keep the page from giving any."""
    commands = runner(out)
    assert {command.name for command in commands} <= _OURS - {"stop-commands"}, (where, commands)
    assert all(command.properties.keys() <= {"title"} for command in commands)
    plain = [line for line in out.split("\n") if not line.startswith("::")]
    check_text("\n".join(plain), where)
    check_text(re.sub("(?m)^::", "", out), where)


def check_file(path: Path) -> str:
    """The file's text, once what its readers ask of it holds."""
    content = path.read_bytes()
    if path.suffix == ".png":
        assert content.startswith(b"\x89PNG")
        return ""
    text = content.decode()
    check_text(text, path.name)
    _CHECKS[path.suffix](text)
    return text


def check_json(text: str) -> Any:
    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads(text, parse_constant=refuse)
    json.dumps(found, ensure_ascii=False).encode()  # no lone surrogate
    return found


def check_csv(text: str) -> None:
    head, *rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert head == ["task", "side", "metric", "value", "low", "high", "p_value"]
    for row in rows:
        assert len(row) == len(head)
        for cell in row[:3]:
            assert not re.match(r"[=+\-@\t\r＝＋－＠]", cell), cell  # owasp.org, CSV Injection
        for cell in row[3:]:
            assert cell == "" or float(cell) is not None


def check_xml(text: str) -> None:
    check_rules(ElementTree.fromstring(text.encode()))


def check_svg(text: str) -> None:
    root = ElementTree.fromstring(text.encode())
    assert not [element for element in root.iter() if element.tag.endswith(("script", "}a", "foreignObject"))]


def check_markdown(text: str) -> None:
    """As CommonMark with GitHub's tables reads it: headings, lists, tables and our own bold; nothing else."""
    kinds: set[str] = set()
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        kinds |= {token.type, *(child.type for child in token.children or ())}
        if token.type == "heading_open":
            assert token.tag in ("h1", "h2", "h3")
        if token.type == "inline" and token.level == 1 and token.map is not None:
            line = text.split("\n")[token.map[0]]
            assert not line.startswith("#") or line.startswith(("# ", "## ", "### "))
    allowed = {"inline", "text", "softbreak", "text_special", "code_inline", "hr"}
    allowed |= {f"{name}_{end}" for name in _BLOCKS for end in ("open", "close")}
    assert kinds <= allowed, kinds - allowed
    assert not re.search(r"(?<![\w\\])@\w|(?<!&)#\d|\{\{|\{%", text)


def check_html(text: str) -> None:
    parser = _Tags()
    parser.feed(text)
    parser.close()
    assert not parser.tags & {"script", "a href", "iframe", "img", "object", "form", "red", "base"}
    assert not [name for name in parser.attributes if name.startswith("on")]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        for name, value in attrs:
            assert name not in ("href", "src") or (value or "").startswith(("#", "data:,")), value


_BLOCKS = ("heading", "paragraph", "bullet_list", "list_item", "table", "thead", "tbody", "tr", "th", "td", "strong")
_CHECKS = {
    ".json": check_json,
    ".csv": check_csv,
    ".xml": check_xml,
    ".md": check_markdown,
    ".html": check_html,
    ".svg": check_svg,
}
