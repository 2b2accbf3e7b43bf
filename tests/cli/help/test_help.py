"""Help pages: panels, examples that parse, nothing cut; what is plain where a stream can do no more."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from calibaudit.cli.app import app
from calibaudit.cli.help.examples import EXAMPLES
from calibaudit.cli.help.flags import flags_of
from calibaudit.cli.help.page import summary
from calibaudit.cli.help.panels import PANELS
from tests.cli.test_options import commands
from tests.command import Cli

ROOT = typer.main.get_command(app)
SHOWN = {"": ROOT} | {name: command for name, command in commands() if not command.hidden}
HEAD = re.compile(r"^(\S.*):$", re.MULTILINE)


def page(cli: Cli, name: str, monkeypatch: pytest.MonkeyPatch, width: int = 80) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    ended = cli(*name.split(), "--help")
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def panels_of(text: str) -> dict[str, str]:
    """The text below each heading."""
    _, *parts = HEAD.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SHOWN)
def test_every_option_stands_in_a_panel_once(cli: Cli, name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page(cli, name, monkeypatch, width)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= width
    panels = panels_of(text)
    assert "Options" not in panels
    found = {title: re.findall(r"^  (?:-\w, |    )(--\S+)", panels.get(title, ""), re.MULTILINE) for title in PANELS}
    shown = [flag.replace("[no-]", "") for flags in found.values() for flag in flags]
    real = [opt for parameter in SHOWN[name].params for opt in parameter.opts if opt.startswith("--")]
    assert sorted(shown) == sorted({*real, "--help"})
    for flag in flags_of(SHOWN[name]):
        assert flag.panel in PANELS or not flag.names


@pytest.mark.parametrize("name", SHOWN)
def test_two_examples_parse(cli: Cli, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the parser itself, and none is broken over lines."""
    text = page(cli, name, monkeypatch)
    monkeypatch.chdir(tmp_path)
    examples = EXAMPLES[name]
    assert len(examples) >= 2
    for _, call in examples:
        assert f"\n    {call}\n" in text
        program, *words = shlex.split(call)
        assert program == "calibaudit"
        command: Any = ROOT
        named = []
        while hasattr(command, "commands") and words and words[0] in command.commands:
            named.append(words.pop(0))
            command = command.commands[named[-1]]
        assert " ".join(named).startswith(name)
        with command.make_context(named[-1], words):
            pass


def test_every_example_is_of_a_command() -> None:
    assert set(EXAMPLES) == set(SHOWN)


@pytest.mark.parametrize("name", [name for name, command in SHOWN.items() if hasattr(command, "commands")])
def test_a_summary_is_a_whole_line(cli: Cli, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page(cli, name, monkeypatch)
    for below in SHOWN[name].commands.values():
        if not below.hidden:
            assert re.search(rf"^  {below.name} +{re.escape(summary(below))}$", text, re.MULTILINE)
            assert summary(below).endswith(".")


def test_a_page_shows_what_a_settings_file_gives(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "c.toml").write_text('limit = 7\n[fix]\nbase = "[bold]mine[/bold]"\noffline = true\n')
    monkeypatch.chdir(tmp_path)
    page = " ".join(cli("fix", "--config", "c.toml", "--help").out.split())
    assert "Score only the first N items of each task. [default: 7, by c.toml]" in page
    assert "The checkpoint that it was tuned from. [default: [bold]mine[/bold], by c.toml]" in page
    assert "Never use the network. [default: true, by c.toml]" in page


def in_terminal(*words: str, **env: str) -> str:
    """What the command writes to a terminal of 80 columns."""
    above, below = pty.openpty()
    told = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [sys.executable, "-m", "calibaudit", *words], stdout=below, stdin=below,
        env={**told, "COLUMNS": "80", "TERM": "xterm", **env},
    )  # fmt: skip
    os.close(below)
    text = b""
    try:
        while part := os.read(above, 65536):
            text += part
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(above)
    assert process.wait() == 0
    return text.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_rules_where_it_has_them(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = page(cli, "env", monkeypatch)
    fine = in_terminal("env", "--help", PYTHONIOENCODING="utf-8")
    assert re.search(r"^\x1b\[1m── Output ─+\x1b\[0m$", fine, re.MULTILINE)
    assert "\x1b[36m    --json\x1b[0m" in fine
    bare = re.sub(r"\x1b\[\d+m", "", fine)
    assert re.sub(r"^── (.*?) ─+$", r"\1:", bare, flags=re.MULTILINE) == plain
    assert in_terminal("env", "--help", NO_COLOR="1", PYTHONIOENCODING="utf-8") == bare
    assert in_terminal("env", "--help", TERM="dumb") == plain
    assert in_terminal("env", "--help", NO_COLOR="1", PYTHONIOENCODING="ascii") == plain


def test_a_page_loads_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv[1:] = ['compare', '--help']\nfrom calibaudit.cli.app import main\n"
        "try:\n    main()\nfinally:\n    sys.stderr.write(' '.join(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ended.stderr.split()}
    assert ended.stdout.startswith("Usage: ")
    assert "typer" in loaded
    assert not loaded & {
        "numpy",
        "torch",
        "transformers",
        "scipy",
        "yaml",
        "jinja2",
        "rich",
    }  # newer Typers bring pydantic
