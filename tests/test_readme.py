"""The README's examples: the Python ones run, the commands parse, the links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from calibaudit.cli.app import app
from tests.families import tiny_network

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
STAND_INS = {
    '"BASE"': '"demo:base"',
    '"INSTRUCT"': '"demo:instruct"',
    '"arc_challenge", limit=300': '"words", limit=20',
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_there_are_examples() -> None:
    assert len(blocks("python")) >= 3
    assert len(blocks("sh")) >= 4


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, stand_in in STAND_INS.items():
        code = code.replace(name, stand_in)
    found: dict[str, Any] = {"model": tiny_network("llama")}
    exec(compile(code, "README.md", "exec"), found)
    if "print(" in code:
        assert "value=" in capsys.readouterr().out


def commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [part for part in parts if part.startswith("calibaudit ")]


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    group = typer.main.get_command(app)
    command = group.commands[name]  # type: ignore[attr-defined]
    with command.make_context(name, arguments, parent=group.make_context("calibaudit", [name])) as context:
        assert context.params


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"
