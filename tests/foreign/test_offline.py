"""`--offline` is offline: with sockets forbidden each command runs or refuses in one line, and nothing is asked for."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from made_results import comparison_result
from task_files import write_task

from calibaudit.cli.app import app
from calibaudit.errors import CalibauditError
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.model import load_model
from calibaudit.tasks.library import FetchRefusedError, closed_network
from calibaudit.training import watching
from calibaudit.training.data.rows import read_rows
from tests.command import Cli
from tests.families import save_tiny

ROWS = [{"q": f"is {i} even", "options": ["yes", "no"], "gold": i % 2} for i in range(6)]
PECULIAR = "Qzv7-a-folder-of-this-machine"
URL = "https://files.example.org/rows.jsonl"

FETCH_NOTHING = {"report", "card", "import", "import-lm-eval", "env", "tasks", "data"}
FETCH_NOTHING |= {"config", "config init", "config show"}
"""Commands without the flag: they read the files that they are given, or what is installed."""


def commands() -> dict[str, click.Command]:
    """Every command by its words, hidden ones too."""
    found: dict[str, click.Command] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        if words:
            found[" ".join(words)] = command
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was asked of the network, which is closed: each a failure of the test."""
    found: list[object] = []

    def refuse(*arguments: object, **_: object) -> Any:
        found.append(arguments)
        raise OSError("this test has no network")

    def refuse_internet(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX:
            refuse(address)
        raise OSError("nor any other")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse_internet, raising=False)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    return found


def lines_of(command: str, folder: Path) -> list[list[object]]:
    """Calls of a command, each without --offline: one that can do its work on what is here, and what it can save."""
    model, other, task, out = folder / "model", folder / "other", folder / "t.yaml", folder / "out"
    quick: list[object] = ["-t", task, "--chat-template", folder / "plain.jinja", "--dtype", "float32"]
    saved = [part for name in ("r.json", "r.html", "r.md", "r.csv", "reliability.svg") for part in ("-o", out / name)]
    fix = ["fix", other, "--base", model, "--out", out / "fixed", "--method", "temperature", *quick, "--json"]
    return {
        "compare": [["compare", model, other, *quick, *saved, "--json"]],
        "score": [["score", model, *quick, *saved]],
        "gate": [["gate", model, other, *quick, *saved, "-o", out / "r.xml"]],
        "bless": [["bless", model, *quick, "-o", out / "baseline.json"]],
        "recommend": [["recommend", model, other, *quick, *saved]],
        "fix": [fix],
        "tasks show": [["tasks", "show", task], ["tasks", "show", task, "--model", model, *quick[2:4]]],
        "tasks check": [["tasks", "check", task]],
        "tasks convert": [["tasks", "convert", task, "-o", out / "converted"]],
        "data show": [["data", "show", folder / "rows.jsonl", "--model", model, *quick[2:4]]],
        "report": [["report", folder / "result.json", *saved]],
        "card": [["card", folder / "result.json", "-o", out / "README.md"]],
        "import": [["import", folder / "table.csv", *saved]],
        "import-lm-eval": [["import-lm-eval", folder / "table.csv", *saved]],
        "env": [["env", "--json"]],
        "tasks": [["tasks"]],
        "data": [["data"]],
        "config": [["config"]],
        "config init": [["config", "init", "-o", out / "calibaudit.toml"]],
        "config show": [["config", "show", "--json"]],
    }[command]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp(PECULIAR)
    save_tiny(found / "model")
    save_tiny(found / "other", seed=1)
    write_task(found, "t", ROWS)
    (found / "rows.jsonl").write_text('{"prompt": "is 1 even", "completion": " no"}\n')
    (found / "table.csv").write_text("A,B,answer\n" + "0.6,0.4,0\n" * 4)
    result = comparison_result()
    result["after"]["name"] = str(found / "other")
    result["warnings"] = [f"{found / 'other'}: as {found}/x/log.txt says"]
    (found / "result.json").write_text(json.dumps(result))
    (found / "plain.jinja").write_text("{% for m in messages %}{{ m.content }} {% endfor %}")
    return found


def test_every_command_that_can_fetch_has_the_flag() -> None:
    found = commands()
    without = {name for name, one in found.items() if "--offline" not in {o for p in one.params for o in p.opts}}
    assert without == FETCH_NOTHING
    assert {"compare", "score", "gate", "bless", "recommend", "fix"} <= found.keys()
    assert {"tasks show", "tasks check", "tasks convert", "data show"} <= found.keys()


@pytest.mark.parametrize("command", sorted(commands()))
def test_nothing_is_asked_for_and_no_folder_is_told(
    command: str, folder: Path, cli: Cli, asked: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under --offline; every path that is given is absolute, and nothing that is saved holds one."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(out / "summary.md"))
    for line in lines_of(command, folder):
        done = cli(*line, *([] if command in FETCH_NOTHING else ["--offline"]))
        said = [text for text in done.err.splitlines() if text.startswith("calibaudit: ")]
        assert done.code in (0, 1) or len(said) == 1, done.err
        assert not ({"Traceback", "no network"} & set(done.err.split()))
        if "--json" in line:
            assert PECULIAR not in done.out
    assert asked == []
    written = [path for path in out.rglob("*") if path.is_file()]
    assert len(written) >= N_WRITTEN.get(command, 0), done.err
    assert [path.name for path in written if PECULIAR.encode() in path.read_bytes()] == []


N_WRITTEN = {
    "compare": 5,
    "score": 5,
    "gate": 7,
    "bless": 1,
    "recommend": 5,
    "fix": 7,
    "report": 5,
    "card": 1,
    "import": 5,
}
"""Files that a command has to have written for the test to say anything."""


ASK_TASKS = ["compare", "score", "gate", "bless", "recommend", "fix", "tasks show", "tasks check"]


@pytest.mark.parametrize("command", ASK_TASKS)
def test_a_url_in_a_task_is_refused_in_one_line(
    command: str, folder: Path, tmp_path: Path, cli: Cli, asked: list[object]
) -> None:
    task = write_task(tmp_path, "away", ROWS, dataset_path="json", dataset_kwargs={"data_files": {"test": URL}})
    instead = {folder / "t.yaml": task, folder / "out" / "fixed": tmp_path / "fixed"}
    for line in lines_of(command, folder):
        done = cli(*[instead.get(part, part) if isinstance(part, Path) else part for part in line], "--offline")
        assert done.code == 2
        assert done.err.splitlines() == [
            f"calibaudit: task away ({task}): dataset_kwargs.data_files: {URL} is on another machine, and nothing is "
            "fetched offline: run without --offline, or name a local copy"
        ]
    assert asked == []


@pytest.mark.parametrize(
    "files", [URL, [URL, "d.jsonl"], {"test": "zip://a.csv::s3://host/b.zip"}, "hf://datasets/a/b/c.csv"]
)
def test_every_form_of_a_url_is_seen(files: Any, tmp_path: Path, cli: Cli, asked: list[object]) -> None:
    (tmp_path / "d.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    for path in ("json", "./set"):
        task = write_task(tmp_path, "t", ROWS, dataset_path=path, dataset_kwargs={"data_files": files})
        done = cli("tasks", "show", task, "--offline")
        assert done.code == 2
        assert "is on another machine, and nothing is fetched offline" in done.err
        assert done.err.count("\n") == 1
    assert asked == []


def test_a_url_in_a_data_sets_own_card_is_not_fetched(tmp_path: Path, cli: Cli, asked: list[object]) -> None:
    """What the library finds by itself: a local folder whose README names its files elsewhere."""
    (tmp_path / "set").mkdir()
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: {URL}\n---\n"
    (tmp_path / "set" / "README.md").write_text(card)
    task = write_task(tmp_path, "t", ROWS, dataset_path="./set")
    done = cli("tasks", "show", task, "--offline")
    assert done.code == 2
    assert done.err.startswith(f"calibaudit: task t ({task}): data set ./set")
    assert done.err.count("\n") == 1
    assert asked == []


def test_what_is_not_here_is_said_in_one_line(folder: Path, cli: Cli, asked: list[object]) -> None:
    """Models, data and tokenizers of the hub that are in no cache."""
    task = folder / "t.yaml"
    for line in (
        ["score", "org/none", "-t", task],
        ["compare", "org/none", "org/other", "-t", task],
        ["tasks", "show", task, "--model", "org/none"],
        ["data", "show", "org/rows", "--model", folder / "model"],
        ["data", "show", folder / "rows.jsonl", "--model", "org/none"],
        ["fix", folder / "other", "--base", folder / "model", "--data", "org/rows", "--out", folder / "x", "-t", task],
    ):
        done = cli(*line, "--offline")
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert "--offline" in done.err
    assert asked == []


def test_from_python_too(folder: Path, asked: list[object]) -> None:
    """Where no flag has told the libraries before they were imported."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = False
    try:
        with pytest.raises(CalibauditError, match="not in the cache; run once without --offline"):
            find_checkpoint("org/none", offline=True)
        assert constants.HF_HUB_OFFLINE is False
        load_model(str(folder / "model"), offline=True)
        with pytest.raises(CalibauditError, match="nothing is fetched offline"):
            read_rows("org/rows", offline=True)
    finally:
        constants.HF_HUB_OFFLINE = before
    assert asked == []


def test_a_server_that_the_user_names_is_asked_also_offline(folder: Path, cli: Cli, asked: list[object]) -> None:
    """`server:URL#MODEL` is where the model is: offline means that nothing else is fetched (docs/engines.md)."""
    server = f"server:http://127.0.0.1:9/v1#{folder / 'model'}"
    done = cli("score", server, "-t", folder / "t.yaml", "--tokenizer", folder / "model", "--offline")
    assert done.code == 2
    assert asked
    assert all("127.0.0.1" in str(one) for one in asked)


def test_watching_is_offline_too(folder: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching.importlib.util, "find_spec", lambda name: object())
    models = [folder / "other", "--base", folder / "model", "--data", folder / "rows.jsonl", "--out", tmp_path / "x"]
    done = cli("fix", *models, "-t", folder / "t.yaml", "--offline", "--report-to", "trackio")
    assert (done.code, done.err.splitlines()) == (
        2,
        ["calibaudit: --report-to trackio: it may upload data; leave it out under --offline"],
    )


def test_the_network_is_closed_to_libraries_and_opened_again() -> None:
    before = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex
    with closed_network() as refused:
        with pytest.raises(FetchRefusedError, match=r"files\.example\.org: nothing is fetched offline"):
            socket.create_connection(("files.example.org", 443))
        for way in ("connect", "connect_ex"):
            with socket.socket() as one, pytest.raises(FetchRefusedError):
                getattr(one, way)(("192.0.2.1", 443))
        with socket.socket(socket.AF_UNIX) as own, pytest.raises(FileNotFoundError):
            own.connect("/nowhere/at/all")
        assert refused == ["files.example.org", "192.0.2.1", "192.0.2.1"]
    assert (socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex) == before
    with closed_network(False) as refused:
        assert (socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex) == before
    assert refused == []
