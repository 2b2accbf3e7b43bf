"""`config init` writes every key, `config show` says what is in force."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from calibaudit.cli.app import app
from calibaudit.cli.settings.files import COMMAND_LINE_ONLY, COMMANDS, NOT_OF_GATE
from calibaudit.cli.settings.given import keys_of
from tests.command import Cli, check_refused

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT: Any = typer.main.get_command(app)
ARGUMENTS = {"compare": ["a", "b"], "score": ["a"], "gate": ["a", "b"], "bless": ["a"], "recommend": ["a", "b"]}
ARGUMENTS |= {"fix": ["a"]}


def parsed(command: str, *words: str) -> dict[str, Any]:
    """What the command would be called with."""
    with (
        ROOT.make_context("calibaudit", [command]) as above,
        ROOT.commands[command].make_context(command, [*ARGUMENTS[command], *words], parent=above) as context,
    ):
        return dict(context.params)


def made(text: str) -> str:
    """The template with all its settings made."""
    return re.sub(r"^#(?=[a-z])", "", text, flags=re.MULTILINE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_it_holds_every_key_and_sets_none(cli: Cli, here: Path) -> None:
    assert cli("config", "init").out.startswith("calibaudit.toml: every key is in it, commented out")
    text = Path("calibaudit.toml").read_text(encoding="utf-8")
    assert set(tomllib.loads(text)) == set(COMMANDS)  # tables, all of them empty
    assert not any(tomllib.loads(text).values())
    found = tomllib.loads(made(text))
    for command in COMMANDS:
        of_file = {*found, *found[command], *(found["gate"] if command == "bless" else ())}
        forbidden = {*COMMAND_LINE_ONLY, *(NOT_OF_GATE if command == "gate" else ())}
        own = set(keys_of(ROOT.commands[command]))
        assert own - of_file == own & forbidden
        assert found[command].keys() <= own - forbidden
    assert max(map(len, text.splitlines())) <= 100


def test_every_command_takes_it_with_all_its_settings_made(cli: Cli, here: Path) -> None:
    """And a default that it shows is the one that holds without it."""
    before = {command: parsed(command, *(["--base", "b", "--out", "o"] * (command == "fix"))) for command in COMMANDS}
    assert cli("config", "init").code == 0
    text = Path("calibaudit.toml").read_text(encoding="utf-8")
    Path("calibaudit.toml").write_text(made(text), encoding="utf-8")
    for command in COMMANDS:
        after = parsed(command)
        for key, flag in keys_of(ROOT.commands[command]).items():
            if flag.shown_default is True and flag.default not in (None, ""):
                assert str(after[flag.parameter]) == str(before[command][flag.parameter]), key
    assert list(parsed("fix")["tasks"]) == ["bundled_hard"]
    assert parsed("gate")["max_ece"] == 0.1


def test_it_never_replaces_what_is_there(cli: Cli, here: Path) -> None:
    Path("calibaudit.toml").write_text("seed = 7\n")
    check_refused(cli("config", "init"), "calibaudit.toml: already exists; give --force to replace it")
    assert Path("calibaudit.toml").read_text() == "seed = 7\n"
    printed = cli("config", "init", "-o", "-")
    assert printed.code == 0
    assert cli("config", "init", "--force").code == 0
    assert Path("calibaudit.toml").read_text() == printed.out
    assert sorted(path.name for path in here.iterdir()) == [".git", "calibaudit.toml"]


def test_to_a_pyproject_it_adds_its_tables(cli: Cli, here: Path) -> None:
    project = '[project]\nname = "mine"  # a comment\n'
    Path("pyproject.toml").write_text(project)
    assert cli("config", "init", "-o", "pyproject.toml").code == 0
    text = Path("pyproject.toml").read_text()
    assert text.startswith(project)
    found = tomllib.loads(made(text))
    assert found["project"] == {"name": "mine"}
    assert found["tool"]["calibaudit"]["gate"]["margin"] == 0.02
    for flags in ([], ["--force"]):
        check_refused(cli("config", "init", "-o", "pyproject.toml", *flags), "has a [tool.calibaudit] already")
    assert Path("pyproject.toml").read_text() == text
    assert cli("config", "show").out == "pyproject.toml sets nothing\n"


def test_it_shows_what_is_set_and_by_which_key(cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("config", "show").out.startswith("No settings file from here upwards: every option has its default.")
    Path("pyproject.toml").write_text(
        '[tool.calibaudit]\nlimit = 5\ntasks = ["words", "t.yaml"]\n[tool.calibaudit.gate]\nmargin = 0.01\n'
    )
    Path("t.yaml").touch()
    Path("below").mkdir()
    monkeypatch.chdir("below")
    whole = cli("config", "show").out
    assert whole.startswith("../pyproject.toml sets\n")
    rows = {line.split("  ")[0]: line for line in whole.splitlines()}
    assert re.search(r"words, \.\./t\.yaml +compare, score, gate, bless, recommend, fix", rows["tasks"])
    assert re.search(r"0\.01 +gate, bless", rows["gate.margin"])
    of_gate = cli("config", "show", "gate").out
    assert re.search(r"^margin +gate\.margin +0\.01 *$", of_gate, re.MULTILINE)
    assert re.search(r"^alpha +default +the baseline's, else \.05 *$", of_gate, re.MULTILINE)
    result = json.loads(cli("config", "show", "--json").out)
    assert result["file"] == "../pyproject.toml"
    assert set(result["commands"]) == set(COMMANDS)
    for command, entries in result["commands"].items():
        found = {entry["key"]: entry for entry in entries}
        assert set(found) == set(keys_of(ROOT.commands[command]))
        assert (found["limit"]["value"], found["limit"]["set_by"]) == (5, "limit")
        assert (found["num-fewshot"]["value"], found["num-fewshot"]["set_by"]) == (None, None)
    other = here / "other.toml"
    other.write_text("[score]\nlimit = 9\n")
    assert re.search(r"^score.limit +9 +score *$", cli("config", "show", "--config", other).out, re.MULTILINE)


def test_it_refuses_a_wrong_value_and_another_command(cli: Cli, here: Path) -> None:
    Path("calibaudit.toml").write_text("[bless]\nlimit = 'x'\n")
    check_refused(cli("config", "show"), "calibaudit.toml: bless.limit is 'x'; it takes a whole number, 1 or more")
    check_refused(cli("config", "show", "env"), "env reads no settings file; these do: compare, score")
