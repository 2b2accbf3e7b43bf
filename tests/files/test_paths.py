"""A path that is there is not called missing: each says what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from calibaudit.errors import CalibauditError, ModelError, OutputError, ScoresError, TaskError
from calibaudit.files.paths import check_open, expanded, user_folder, user_path
from calibaudit.files.read import read_text
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.scores.saved import check_there
from calibaudit.tasks.load import check_task_file, load_tasks
from calibaudit.training.retune import check_folder
from tests.command import Cli, check_refused

NOBODY = "that user has no home folder; write the path out, or ./~ before a name"


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets  # noqa: F401  # before `cli` sets what it reads when it is imported

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "mirror").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "broken.json").symlink_to("nowhere")


pytestmark = pytest.mark.usefixtures("_here")


def test_a_broken_link_is_one_for_every_reader() -> None:
    told = r"^broken: is a link to nowhere, which does not exist"
    with pytest.raises(ModelError, match=told):
        find_checkpoint("broken")
    with pytest.raises(TaskError, match=told):
        load_tasks(["broken"])
    with pytest.raises(CalibauditError, match=told):
        read_text(Path("broken"), CalibauditError)
    with pytest.raises(OutputError, match=told):
        check_folder(Path("broken"), resume=False)
    with pytest.raises(ScoresError, match=r"^broken\.json: is a link to nowhere"):
        check_there(["broken.json"])
    with pytest.raises(CalibauditError, match=r"^broken/below/x: broken is a link to nowhere"):
        user_path("broken/below/x", CalibauditError)
    assert check_task_file(Path("broken")) == ("broken: is a link to nowhere, which does not exist",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("empty", "empty: no config.json in this folder; a checkpoint has config.json and *.safetensors"),
        ("file", "file: is a file, not a checkpoint folder"),
        ("./file/x", "./file/x: no such folder, and not a hub id like org/name (file is a file)"),
        ("~nobody-at-all/x", f"~nobody-at-all/x: {NOBODY}"),
    ],
)
def test_what_is_no_checkpoint(name: str, said: str) -> None:
    with pytest.raises(ModelError) as told:
        find_checkpoint(name)
    assert str(told.value) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file", "--mirror file: expected a folder, found a file"),
        ("nosuch", "--mirror nosuch: there is no such folder"),
        ("broken", "--mirror broken: is a link to nowhere, which does not exist"),
        ("~nobody-at-all/x", f"--mirror ~nobody-at-all/x: {NOBODY}"),
    ],
)
def test_a_mirror_is_a_folder(name: str, said: str, cli: Cli) -> None:
    check_refused(cli("score", "demo:base", "-t", "arc_challenge", "--mirror", name), said)
    with pytest.raises(TaskError):
        check_task_file(Path(__file__).parents[2] / "tasks" / "hub" / "arc_challenge.yaml", mirror=Path(name))


def test_home_is_expanded() -> None:
    home = Path(os.environ["HOME"])
    assert user_folder("~/mirror", TaskError, "--mirror") == home / "mirror"
    assert expanded("~/r.json", OutputError) == home / "r.json"
    assert expanded("a~b", OutputError) == Path("a~b")


def test_a_mirror_below_home_is_looked_into(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "home" / "mirror" / "allenai").mkdir()
    (tmp_path / "home" / "mirror" / "allenai" / "ai2_arc").write_text("no data set")
    ended = cli("score", "demo:base", "-t", "arc_challenge", "--mirror", "~/mirror")
    check_refused(ended, f"{tmp_path}/home/mirror/allenai/ai2_arc is neither .jsonl nor .json")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("~nobody-at-all/c", NOBODY),
        ("file", "--cache-dir file: expected a folder, found a file"),
        ("broken/c", "--cache-dir broken/c: broken is a link to nowhere, which does not exist"),
    ],
)
def test_a_cache_is_a_folder(name: str, said: str, cli: Cli) -> None:
    check_refused(cli("score", "demo:base", "-t", "arithmetic", "--limit", 3, "--cache-dir", name), said)
    assert sorted(path.name for path in Path().iterdir()) == ["broken", "broken.json", "empty", "file", "home"]


def test_a_template_is_a_file(cli: Cli) -> None:
    ended = cli("score", "demo:base", "-t", "arithmetic", "--chat-template", "./empty")
    check_refused(ended, "--chat-template ./empty: expected a file, found a folder")


def test_what_is_shut_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system tells one who may not look: root, who runs tests too, may."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    for refused in (lambda: find_checkpoint("empty"), lambda: check_open(Path("empty"), ModelError, "empty")):
        with pytest.raises(ModelError, match=r"^empty: this folder cannot be opened: Permission denied$"):
            refused()

    def stat(self: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", stat)
    for refuse in (lambda: find_checkpoint("shut/m"), lambda: user_path("shut/m", ModelError)):
        with pytest.raises(ModelError, match=r"^shut/m: cannot be accessed: Permission denied$"):
            refuse()
    with pytest.raises(ScoresError, match=r"^shut/m\.json: cannot be accessed: Permission denied$"):
        check_there(["shut/m.json"])
