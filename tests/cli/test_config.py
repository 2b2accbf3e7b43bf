from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibaudit.cli.config import command_defaults
from calibaudit.errors import CalibauditError
from tests.command import Cli, check_refused

FLAGS = {"limit", "batch-size", "seed", "base-revision"}
ALL = FLAGS | {"revision"}


def read(path: Path | None, text: str = "") -> dict[str, object]:
    if path is not None:
        path.write_text(text)
    return command_defaults(path, "compare", FLAGS, ALL)


def test_shared_keys_and_the_commands_own_table(tmp_path: Path) -> None:
    text = 'limit = 5\nrevision = "main"\n[compare]\nlimit = 7\nbatch-size = "4"\n[score]\nlimit = 9\n'
    assert read(tmp_path / "c.toml", text) == {"limit": 7, "batch_size": "4"}


def test_pyproject_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(None) == {}
    Path("pyproject.toml").write_text('[project]\nname = "x"\n[tool.calibaudit]\nseed = 3\n')
    assert read(None) == {"seed": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limt = 5", "unknown key 'limt'; did you mean 'limit'?"),
        ("[compare]\nrevision = 'x'", "unknown key 'compare.revision'; did you mean 'base-revision'?"),
        ("limit = ", "not valid TOML"),
        ("[limit]\nx = 1", "'limit' is a table"),
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
    ("line", "message"),
    [
        ("limit = [1, 2]", "limit is a list; it takes one value"),
        ("limit = true", "limit is True; it takes text or a number"),
        ("limit = 5.5", "Invalid value for '--limit'"),
        ("offline = 'yes'", "offline is 'yes'; a switch is true or false"),
        ("tasks = [true]", "it takes text or a number"),
        ("batch-size = []", "batch-size is a list"),
    ],
)
def test_a_value_of_another_kind_is_one_line(line: str, message: str, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "c.toml").write_text(line)
    check_refused(cli("score", "demo:base", "--config", str(tmp_path / "c.toml")), message)


def test_one_task_and_a_number_are_what_the_flags_would_be(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "c.toml").write_text("tasks = 'arithmetic'\nlimit = 3\nbatch-size = 2\noffline = true\n")
    ended = cli("score", "demo:base", "--config", str(tmp_path / "c.toml"), "--json", "--no-cache")
    assert ended.code == 0, ended.err
    (scores,) = json.loads(ended.out)["scores"]
    assert (scores["task"], len(scores["logprobs"])) == ("arithmetic", 3)
