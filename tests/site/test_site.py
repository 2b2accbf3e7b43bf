"""What of the site can be held without building it; `.ci/site.py`, which CI calls, builds it and follows its links."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import typer
import yaml

import calibaudit
import calibaudit.metrics
from calibaudit.cli.app import app
from tests.site.module_files import loaded_from


@pytest.fixture(scope="module")
def hooks(root: Path) -> ModuleType:
    return loaded_from(root / ".ci" / "site_hooks.py")


@pytest.fixture(scope="module")
def config(root: Path) -> dict[str, Any]:
    class Loader(yaml.SafeLoader):
        """Takes mkdocs' tags for nothing."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    found = yaml.load((root / "mkdocs.yml").read_text(encoding="utf-8"), Loader)
    assert isinstance(found, dict)
    return found


def test_every_page_is_in_the_navigation_once(root: Path, config: dict[str, Any]) -> None:
    listed = re.findall(r"[\w/-]+\.md", str(config["nav"]))
    pages = [path.relative_to(root / "docs").as_posix() for path in (root / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(pages)


def test_pages_link_to_what_the_site_has(root: Path) -> None:
    """A page names files of the repository in code: docs/ is all that is published."""
    for page in (root / "docs").rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).resolve().is_relative_to(root / "docs"), f"{page.name}: {target}"


def test_nothing_is_fetched_and_no_address_is_invented(config: dict[str, Any]) -> None:
    assert config["theme"]["font"] is False
    assert not {"site_url", "repo_url", "extra_javascript"} & config.keys()
    assert "://" not in str(config)


def test_every_command_has_its_flags_on_the_page(root: Path, hooks: ModuleType, config: dict[str, Any]) -> None:
    """As the parser has them: each flag that is not hidden stands in the section of its command."""
    page = SimpleNamespace(file=SimpleNamespace(src_uri="commands.md"))
    text = (root / "docs" / "commands.md").read_text(encoding="utf-8")
    shown = hooks.on_page_markdown(text, page=page, config=config)
    sections = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", shown, flags=re.MULTILINE | re.DOTALL))
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        if not command.hidden and not hasattr(command, "commands"):
            flags = [max(one.opts, key=len) for one in command.params if one.opts[0].startswith("-") and not one.hidden]
            assert flags or name == "env"
            assert [flag for flag in flags if f"{flag}" not in sections[name]] == [], name
    visible = {name for name, command in group.commands.items() if not command.hidden}
    table = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE)))
    assert sorted(table) == sorted(visible), "the table at the top"
    assert {"tasks show", "tasks check", "data show"} <= sections.keys()


def test_the_reference_names_all_that_is_public(root: Path) -> None:
    """That each is there, mkdocs says: it looks them up in the code."""
    named = set(re.findall(r"^::: calibaudit\.([\w.]+)$", (root / "docs" / "api.md").read_text("utf-8"), re.MULTILINE))
    public = set(calibaudit.__all__) - {"__version__"}
    assert named >= public | {f"metrics.{name}" for name in calibaudit.metrics.__all__}


def test_labels_become_titles(hooks: ModuleType) -> None:
    known = hooks.titles([{"CI": [{"The gate": "gate.md"}, {"Plan": "studies/design.md"}]}, "index.md"])
    assert known == {"gate.md": "The gate", "studies/design.md": "Plan"}
    text = "[gate.md](gate.md#x), [design.md](studies/design.md), [`other.md`](other.md), [words](gate.md)"
    assert hooks.with_titles(text, known) == (
        "[The gate](gate.md#x), [Plan](studies/design.md), [other.md](other.md), [words](gate.md)"
    )


GOOD = '<a href="b.html#x">b</a><a href="https://arxiv.org/">out</a><img src="i.svg"><p id="here"></p>'
BROKEN = {
    '<a href="c.html">': "a.html: c.html leads nowhere",
    '<a href="b.html#y">': "a.html: b.html#y: no such place on that page",
    '<a href="#there">': "a.html: #there: no such place on that page",
    '<script src="https://cdn.example/x.js">': "a.html: fetches https://cdn.example/x.js",
    '<link href="//fonts.example/x.css">': "a.html: fetches //fonts.example/x.css",
    '<img src="gone.png">': "a.html: gone.png is not there",
    '<a href="javascript:x()">': "a.html: javascript:x() is no address",
}


@pytest.mark.parametrize("markup", ["", *BROKEN])
def test_the_check_of_the_built_site_sees(root: Path, tmp_path: Path, markup: str) -> None:
    site = loaded_from(root / ".ci" / "site.py")
    (tmp_path / "index.html").write_text('<a href="a.html">a</a>', encoding="utf-8")
    (tmp_path / "a.html").write_text(GOOD + markup, encoding="utf-8")
    (tmp_path / "b.html").write_text(
        '<h2 id="x"></h2><a href="a.html#here">a</a><a href="./">home</a>', encoding="utf-8"
    )
    (tmp_path / "i.svg").touch()
    assert list(site.faults(tmp_path)) == ([BROKEN[markup]] if markup else [])


def test_a_page_that_nothing_links_to_is_seen(root: Path, tmp_path: Path) -> None:
    site = loaded_from(root / ".ci" / "site.py")
    (tmp_path / "index.html").touch()
    (tmp_path / "lost.html").write_text('<a href="lost.html">me</a>', encoding="utf-8")
    assert list(site.faults(tmp_path)) == ["lost.html: no page leads here"]


def test_ci_builds_it(root: Path) -> None:
    for file in (".ci/run", ".github/workflows/ci.yml"):
        assert re.search(r"python3? \.ci/site\.py", (root / file).read_text(encoding="utf-8")), file
