"""Completion: asked of the command as a shell asks, and typed into real shells that installed it."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from calibaudit.cli.help.completion import complete_models, complete_rows, complete_tasks
from calibaudit.tasks.load import list_tasks

ROOT = Path(__file__).resolve().parents[3]
PROMPT = "ready> "
ZSH = shutil.which("zsh")


def test_the_names_are_those_of_the_known_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are only listed, so each bundled one must be called as what is in it."""
    monkeypatch.chdir(tmp_path)
    assert list(complete_tasks("")) == sorted(task.name for task in list_tasks())


def test_lists_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for name in ("mine/one.yaml", "mine/one.jsonl", "mmm.yml", ".mm.yaml"):
        (tmp_path / name).touch()
    assert list(complete_tasks("mm")) == ["mmlu", "mmlu_pro", "mmm.yml"]
    assert list(complete_tasks("mi")) == ["mine/"]
    assert list(complete_tasks("mine/")) == ["mine/one.yaml"]
    assert list(complete_tasks("words,wor")) == ["words,words_letter"]
    assert list(complete_tasks("no/such/")) == []


def test_lists_what_may_stand_for_a_model_or_for_tuning_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "delta").mkdir()
    for name in ("base.json", "delta/d.json", "delta/rows.csv", "data.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    assert list(complete_models("")) == ["demo:base", "demo:instruct", "base.json", "delta/"]
    assert list(complete_models("de")) == ["demo:base", "demo:instruct", "delta/"]
    assert list(complete_models("demo:i")) == ["demo:instruct"]
    assert list(complete_models("base.json,d")) == ["base.json,delta/"]
    assert list(complete_rows("d")) == ["demo:sft", "data.jsonl", "delta/"]
    assert list(complete_rows("delta/r")) == ["delta/rows.csv"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder, with `calibaudit` in bin/ as an installation would have it."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "calibaudit"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m calibaudit "$@"\n')
    command.chmod(0o755)
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("LANG", "LD_LIBRARY_PATH") if name in os.environ}
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    return {**kept, "HOME": str(home), "PATH": path, "TERM": "dumb", "PS1": PROMPT, "ZDOTDIR": str(home)}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("calibaudit rec", ["recommend"]),
        ("calibaudit score m --answer-at ", ["auto", "generation-prompt"]),
        ("calibaudit compare a b --dtype b", ["bfloat16"]),
    ],
)
def test_what_a_shell_is_told(line: str, found: list[str], home: Path) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    told = subprocess.run(
        [home / "bin" / "calibaudit"], capture_output=True, text=True, cwd=home,
        env={**environment(home), **words, "_CALIBAUDIT_COMPLETE": "complete_bash"},
    )  # fmt: skip
    assert (told.returncode, told.stderr, told.stdout.split()) == (0, "", found)


class Shell:
    """An interactive shell at the other end of a terminal."""

    def __init__(self, terminal: int) -> None:
        self._terminal, self._seen = terminal, ""

    def type(self, keys: str) -> None:
        self._seen = ""
        os.write(self._terminal, keys.encode())

    def until(self, pattern: str) -> str:
        """What it shows, once that holds the pattern; two minutes are plenty for it."""
        end = time.monotonic() + 20
        while not re.search(pattern, self._seen):
            assert select.select([self._terminal], [], [], max(0, end - time.monotonic()))[0], self._seen
            self._seen += os.read(self._terminal, 65536).decode(errors="replace").replace("\r", "").replace("\a", "")
        return self._seen


@contextmanager
def shell(home: Path, *command: str) -> Iterator[Shell]:
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(home)
        os.execvpe(command[0], command, environment(home))
    try:
        yield Shell(terminal)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


def test_bash_completes_once_it_is_installed(home: Path) -> None:
    (home / ".bashrc").write_text(f"PS1='{PROMPT}'\nbind 'set enable-bracketed-paste off'\n")
    with shell(home, "bash", "-i") as bash:
        bash.until(PROMPT)
        bash.type("calibaudit --install-completion\n")
        assert "bash completion installed in" in bash.until(rf"installed[^$]*\n{PROMPT}")
        bash.type("exec bash -i\n")
        bash.until(rf"\n{PROMPT}")
        bash.type("calibaudit recom\t")
        bash.until("recommend ")
        bash.type("x y -t units,word\t")
        bash.until("units,words")
        bash.type("\x15calibaudit tasks show progr\t")
        bash.until("programs")
        bash.type("\x15calibaudit compare demo:i\t")  # a colon parts words here
        bash.until("compare demo:instruct ")
        bash.type("bi\tx")
        bash.until("bin/x")
        bash.type("\x15calibaudit fix dem\ti\t --base demo:b\t--data demo:\t")
        bash.until("fix demo:instruct +--base demo:base +--data demo:sft ")


@pytest.mark.skipif(ZSH is None, reason="zsh is not installed: apt install zsh")
def test_zsh_completes_once_it_is_installed(home: Path) -> None:
    (home / ".zshrc").write_text(f"PS1='{PROMPT}'\nunset zle_bracketed_paste\nunsetopt prompt_cr prompt_sp\n")
    with shell(home, str(ZSH), "-i") as zsh:
        zsh.until(PROMPT)
        zsh.type("calibaudit --install-completion\n")
        assert "zsh completion installed in" in zsh.until(rf"installed[^$]*\n{PROMPT}")
        zsh.type("exec zsh -i\n")
        zsh.until(rf"\n{PROMPT}")
        zsh.type("calibaudit recom\t")
        zsh.until("recommend ")
        zsh.type("x y -t units,word\t")
        zsh.until("units,words")
        zsh.type("\x15calibaudit score m --chat-template-k\t")
        zsh.until(r"--chat-template-kwargs ")
        zsh.type("\x15calibaudit tasks show progr\t")
        zsh.until("programs")
        zsh.type("\x15calibaudit compare demo:i\t")
        zsh.until("compare demo:instruct ")


def test_where_no_shell_is_known(home: Path) -> None:
    """Exit code 1 would be a gate's."""
    call = "from calibaudit.cli.app import main; main()"
    asked = [sys.executable, "-c", f"import shellingham; shellingham.detect_shell = lambda: ('odd', ''); {call}"]
    ended = subprocess.run([*asked, "--install-completion"], capture_output=True, text=True, cwd=ROOT)
    assert (ended.returncode, ended.stderr) == (
        2,
        "calibaudit: completion: unknown shell; run it from bash, zsh, fish or PowerShell\n",
    )
    assert sorted(path.name for path in home.iterdir()) == ["bin"]
