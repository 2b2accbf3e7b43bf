from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from calibaudit.cli.app import app
from calibaudit.cli.settings.files import command_defaults, settings_file
from calibaudit.cli.settings.given import given_by
from calibaudit.errors import CalibauditError
from tests.command import Cli, check_refused

FLAGS = {"limit", "batch-size", "seed", "base-revision"}
ALL = FLAGS | {"revision"}


def read(path: Path | None, text: str = "") -> dict[str, object]:
    if path is not None:
        path.write_text(text)
    return {name: setting.value for name, setting in command_defaults(path, "compare", FLAGS, ALL).items()}


def test_shared_keys_and_the_commands_own_table(tmp_path: Path) -> None:
    text = 'limit = 5\nrevision = "main"\n[compare]\nlimit = 7\nbatch-size = "4"\n[score]\nlimit = 9\n'
    assert read(tmp_path / "c.toml", text) == {"limit": 7, "batch_size": "4"}


def test_the_nearest_file_upwards_that_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ruff and pytest find theirs: a pyproject.toml without a table of ours is passed by."""
    folder = tmp_path / "repository" / "packages" / "one"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    (tmp_path / ".hg").mkdir()  # nothing above the test's own folders counts
    assert settings_file() is None
    (tmp_path / "pyproject.toml").write_text("[tool.calibaudit]\nseed = 1\n")
    assert (settings_file(), read(None)) == (Path("../../../pyproject.toml"), {"seed": 1})
    (tmp_path / "repository" / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.ruff]\n')
    assert read(None) == {"seed": 1}
    (tmp_path / "repository" / "pyproject.toml").write_text("[tool.calibaudit.score]\nseed = 2\n")
    assert (settings_file(), read(None)) == (Path("../../pyproject.toml"), {})
    Path("pyproject.toml").write_text("[tool.calibaudit]\nseed = 3\n")
    assert (settings_file(), read(None)) == (Path("pyproject.toml"), {"seed": 3})
    Path("calibaudit.toml").write_text("seed = 4\n")
    assert (settings_file(), read(None)) == (Path("calibaudit.toml"), {"seed": 4})


@pytest.mark.parametrize("root", [".git", ".hg"])
def test_no_file_above_the_repository_is_read(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.calibaudit]\nlimt = 5\n")
    folder = tmp_path / "repository" / "below"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    with pytest.raises(CalibauditError, match=r"^\.\./\.\./pyproject\.toml: unknown key 'limt'"):
        read(None)
    (folder.parent / root).touch()  # a file, as in a worktree
    assert read(None) == {}
    (folder.parent / "calibaudit.toml").write_text("seed = 5\n")
    assert read(None) == {"seed": 5}


def test_a_file_on_the_way_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("seed = ")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    with pytest.raises(CalibauditError, match=r"^\.\./pyproject\.toml: not valid TOML"):
        read(None)


def given(command: str, moved: bool, file: Path) -> dict[str, Any]:
    root: Any = typer.main.get_command(app)
    found = given_by(file, command, root.commands[command], tuple(root.commands.values()), moved=moved)
    return {name: value for name, (_, value) in found.items()}


def test_paths_are_relative_to_the_file_that_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a file that --config names to the working directory, as ruff has both; names stay names."""
    (tmp_path / "here").mkdir()
    for name in ("mine.yaml", "plain.jinja", "sft.jsonl"):
        (tmp_path / name).touch()
    for name in ("words", "models"):  # one that is also a task, one that is also a hub id's
        (tmp_path / name).mkdir()
    (tmp_path / "models" / "base").mkdir()
    file = tmp_path / "calibaudit.toml"
    file.write_text(
        'tasks = ["words", "mine.yaml,./words", "other.yaml"]\nmirror = "data"\noutput = ["r.json", "/tmp/r.html"]\n'
        'chat-template = "plain.jinja"\ncache-dir = "~/kept"\nsystem = "mine.yaml"\n'
        '[fix]\nbase = "models/base"\ndata = "sft.jsonl"\nout = "fixed"\n'
    )
    monkeypatch.chdir(tmp_path / "here")
    found = given("fix", True, Path("../calibaudit.toml"))
    assert found == {
        "tasks": ["words", "../mine.yaml,../words", "other.yaml"],
        "mirror": "../data",
        "chat_template": "../plain.jinja",
        "cache_dir": "~/kept",
        "system": "mine.yaml",
        "base": "../models/base",
        "data": "../sft.jsonl",
        "out": "../fixed",
    }
    assert given("compare", True, Path("../calibaudit.toml"))["output"] == ["../r.json", "/tmp/r.html"]
    (Path("..") / "models" / "base").rmdir()
    assert given("fix", True, Path("../calibaudit.toml"))["base"] == "models/base"  # an id on the hub
    assert given("compare", False, Path("../calibaudit.toml"))["output"] == ["r.json", "/tmp/r.html"]
    monkeypatch.chdir(tmp_path)
    assert given("fix", True, Path("calibaudit.toml"))["out"] == "fixed"


def test_pyproject_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".git").mkdir()
    assert read(None) == {}
    Path("pyproject.toml").write_text('[project]\nname = "x"\n[tool.calibaudit]\nseed = 3\n')
    assert read(None) == {"seed": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limt = 5", "unknown key 'limt'; did you mean 'limit'?"),
        ("[compare]\nrevision = 'x'", "unknown key 'compare.revision'; did you mean 'base-revision'?"),
        ("limit = ", "not valid TOML"),
        ("[limit]\nx = 1", "'limit': expected a value, found a table"),
    ],
)
def test_faults_name_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CalibauditError) as caught:
        read(tmp_path / "c.toml", text)
    assert str(caught.value).startswith(str(tmp_path / "c.toml"))
    assert message in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CalibauditError, match="cannot be read: No such file"):
        command_defaults(tmp_path / "none.toml", "compare", FLAGS, ALL)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("limit = [1, 2]", "limit is a list; it takes one value"),
        ("limit = true", "limit is true; it takes a whole number, 1 or more, not true or false"),
        ("limit = 5.5", "limit is 5.5; it takes a whole number, 1 or more"),
        ("limit = 0", "limit is 0; it takes a whole number, 1 or more"),
        ("[score]\nlimit = 'many'", "score.limit is 'many'; it takes a whole number, 1 or more"),
        ("concurrency = 5000", "concurrency is 5000; it takes a whole number, 1 to 1,000"),
        ("scoring = 'close'", "scoring is 'close'; it takes one of letter, cloze, cloze_token, cloze_byte, cloze_char, "
         "pmi; did you mean 'cloze'?"),
        ("[score]\nanswer-at = 3", "score.answer-at is 3; it takes one of auto, generation-prompt"),
        ("offline = 'yes'", "offline is 'yes'; a switch is true or false"),
        ("tasks = [true]", "tasks is [True]; it takes text or a number"),
        ("batch-size = []", "batch-size is a list"),
        # what no parser refuses, but the command does
        ("[score]\nbatch-size = 'many'", "score.batch-size many: give a number of rows from 1, or auto"),
        ("chat-template = 'no/such.jinja'", "chat-template no/such.jinja: there is no such file"),
        ("tasks = ['words', 'wrods']", "tasks: task 'wrods' is unknown, and there is no such file or folder: did you"),
        ("[score]\noutput = 'made.doc'", "score.output: made.doc: cannot write .doc; known: "),
    ],
)  # fmt: skip
def test_a_wrong_value_names_the_file_and_the_key(line: str, said: str, tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "c.toml"
    file.write_text(line)
    ended = cli("score", "demo:base", "--config", str(file))
    check_refused(ended, said)
    assert ended.err.startswith(f"calibaudit: {file}: {said}")


def test_one_task_and_a_number_are_what_the_flags_would_be(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "c.toml").write_text("tasks = 'arithmetic'\nlimit = 3\nbatch-size = 2\noffline = true\n")
    ended = cli("score", "demo:base", "--config", str(tmp_path / "c.toml"), "--json", "--no-cache")
    assert ended.code == 0, ended.err
    (scores,) = json.loads(ended.out)["scores"]
    assert (scores["task"], len(scores["logprobs"])) == ("arithmetic", 3)
