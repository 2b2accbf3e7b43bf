"""Every `calibaudit ...` line of the pages runs, on the stand-ins of conftest.py; other programs' lines are parsed."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from markdown_pages import ROOT, blocks, spans
from stand_ins import WHOLE_AUDIT, WHOLE_REPAIR, WHOLE_THOUGHTS, Run

from calibaudit.cli.app import app

CODES = {"fix": {0, 1}}
"""Exit codes beside 0: two steps of tuning may not help."""

SMALLER = {
    "--grid 0.1,0.3,0.5,0.7 --prior both --max-steps 200": "--grid 0.5 --prior base --max-steps 1",
    "DIR/fix.json": "repaired.json",
    "result.json -o calibaudit.xml": "gated.json -o calibaudit.xml",
    "show NAME": "show words",
    "show arc_easy": "show arc_easy --mirror mirror",
    "compare logs/base logs/instruct": "compare logs/base logs/instruct -t quiz",
    "compare base.csv instruct.csv": "compare base.csv instruct.csv -t items",
    "check FILE": "check my_task.yaml",
    "capitals.yaml": "my_task.yaml",
    "calibaudit --processes 4 gate": "calibaudit gate",
    "--data demo:sft -t bundled_letter --out": "--data sft.jsonl -t words_letter --out",
    "--data demo:sft --out smoothed": "--data sft.jsonl --out smoothed",
}
"""What stand-ins cannot do: make nine runs of 200 steps, nine tasks or 2,304 rows short, bear one name for two things,
be four processes."""

IN_WHOLE = (WHOLE_AUDIT, WHOLE_REPAIR, WHOLE_THOUGHTS)
"""Without stand-ins, in test_printed.py."""

BARE = ("calibaudit bless", "calibaudit compare", "calibaudit fix", "calibaudit import", "calibaudit recommend")
"""The names of commands, and not calls."""

OTHERS = ("pip install", "pytest")
"""Programs whose lines are not looked into."""


def lines() -> list[tuple[str, str]]:
    """Place and text of each command, continued lines joined, comments cut, `a && b` apart; each text once."""
    found: dict[str, str] = {}
    for block in blocks("sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s&&\s", re.sub(r"(^|\s)#.*", "", line)):
                found.setdefault(" ".join(part.split()), block.place)
    return [(place, text) for text, place in found.items() if text]


def in_text() -> list[str]:
    """The commands in running text."""
    programs = ("calibaudit ", "python ", "pytest", "pip ", "torchrun ", "benchmarks/")
    return sorted({span.text for span in spans() if span.text.startswith(programs) and not span.text.endswith("/")})


OWN = [(place, text) for place, text in lines() if text.startswith("calibaudit ")]
REST = [text for _, text in lines() if not text.startswith("calibaudit ")]
LOOSE = [text.replace(" ...", "") for text in in_text() if "calibaudit " in text and "[" not in text]


def parsed(text: str) -> dict[str, Any]:
    """The command's parameters, by the command line's own parser."""
    command, context = typer.main.get_command(app), None
    words = shlex.split(text)[1:]
    words = words[2:] if words[:1] == ["--processes"] else words
    while words and (inner := getattr(command, "commands", {}).get(words[0])):
        context = typer.Context(command, parent=context, info_name="calibaudit")
        command = inner
        name = words.pop(0)
    with command.make_context(name, words, parent=context) as made:
        return made.params


def is_whole(text: str) -> bool:
    """Not just a command's name, with or without a flag, in a sentence about it."""
    half = re.search(r" -\w$| D$", text)
    return text.startswith("calibaudit ") and len(text.split()) > 1 and half is None and text not in BARE


def test_there_are_examples() -> None:
    assert len(OWN) >= 15
    assert len(LOOSE) >= 10
    assert {WHOLE_AUDIT, WHOLE_REPAIR} < {text for _, text in OWN}


@pytest.mark.parametrize("text", [text for _, text in OWN], ids=[f"{place} {text}" for place, text in OWN])
def test_lines_parse(text: str) -> None:
    """As they stand; for what is run below, some are made smaller."""
    assert parsed(text) or text == "calibaudit tasks"


def needs_an_engine(text: str) -> bool:
    """A server or a GPU; tests/scoring/engines runs such calls."""
    return "server:http" in text or "--engine vllm" in text


@pytest.mark.parametrize("text", [text for _, text in OWN if text not in IN_WHOLE and not needs_an_engine(text)])
def test_lines_run(text: str, run: Run, work: Path) -> None:
    check_run(text, run)


@pytest.mark.parametrize("text", [text for text in LOOSE if is_whole(text) and text not in {own for _, own in OWN}])
def test_commands_in_running_text_run(text: str, run: Run, work: Path) -> None:
    (work / "repaired.json").write_bytes((ROOT / "tests" / "saved" / "v0.1.0" / "fix.json").read_bytes())
    check_run(text, run)


def check_run(text: str, run: Run) -> None:
    for shown, smaller in SMALLER.items():
        text = text.replace(shown, smaller)
    outputs = [Path(name) for flag, name in pairwise(shlex.split(text)) if flag in ("-o", "--out")]
    for path in outputs:
        path.unlink(missing_ok=True)
    ended = run(text)
    assert ended.code in {0} | CODES.get(text.split()[1], set()), ended
    assert ended.out
    assert all(path.exists() for path in outputs)


@pytest.mark.parametrize("text", LOOSE)
def test_commands_in_running_text_are_known(text: str) -> None:
    """Only the names of the command and of its flags: most stand for a call that the reader completes."""
    _, _, words = text.rpartition("calibaudit ")
    command: Any = typer.main.get_command(app)
    names = shlex.split(words)
    while names and names[0] in getattr(command, "commands", {}):
        command = command.commands[names.pop(0)]
    assert not hasattr(command, "commands") or names in ([], ["--help"])
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    assert {name for name in names if name.startswith("-")} <= known


class Parsed(Exception):
    """The script has read its arguments, and is to do no more."""


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")  # other tests import the scripts
@pytest.mark.parametrize("text", [*REST, *(text for text in in_text() if not text.startswith("calibaudit "))])
def test_other_lines_are_known(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts of this repository are started and stopped when they have taken their flags; nothing is measured."""
    words = [word for word in shlex.split(text) if word != "..."]
    if words[0] in ("torchrun", "accelerate"):
        program, name, *given = words[words.index("-m") + 1 :]
        assert program == "calibaudit"
        command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
        command.make_context(name, given, resilient_parsing=True)  # its flags are known
        return
    if text.startswith(OTHERS):
        return
    words = words[1:] if words[0] == "python" else words
    module, words = (words[1], words[2:]) if words[0] == "-m" else (None, words)
    path = ROOT / (words[0] if module is None else module.replace(".", "/"))
    path = path if module is None or path.is_dir() else path.with_suffix(".py")
    assert path.exists(), text
    source = (path / "__main__.py" if path.is_dir() else path).read_text(encoding="utf-8")
    if "argparse" not in source:
        assert not [word for word in words[1:] if word.startswith("-")]
        return
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self: argparse.ArgumentParser, *arguments: Any) -> Any:
        parse(self, *arguments)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    monkeypatch.setattr(sys, "argv", [str(path), *(words[1:] if module is None else words)])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(ROOT)
    before = set(sys.modules)
    with pytest.raises(Parsed):
        start(path, module)
    for name in set(sys.modules) - before:  # scripts import their neighbours by short names
        if str(getattr(sys.modules[name], "__file__", None)).startswith((f"{ROOT}/benchmarks/", f"{ROOT}/tasks/")):
            del sys.modules[name]


def start(path: Path, module: str | None) -> None:
    if module is not None:
        runpy.run_module(module, run_name="__main__")
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")
