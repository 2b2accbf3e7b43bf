"""Every option states its own name, the full call of every command parses, and groups of flags reach the command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from calibaudit.cli.app import app
from calibaudit.cli.groups import flagged

GIVEN: dict[str, tuple[str, Any]] = {
    "--tasks": ("words", ["words"]),
    "--scoring": ("cloze_byte", "cloze_byte"),
    "--chat-template": ("both", "both"),
    "--answer-at": ("generation-prompt", "generation-prompt"),
    "--batch-size": ("8", "8"),
    "--output": ("made.json", [Path("made.json")]),
    "--plot": ("reliability.svg", [Path("reliability.svg")]),
    "--prior": ("uniform", "uniform"),
    "--start": ("instruct", "instruct"),
    "--method": ("smooth", "smooth"),
    "--where": ("known", "known"),
    "--lr-scheduler": ("cosine", "cosine"),
    "--report-to": ("wandb,tensorboard", "wandb,tensorboard"),
    "--smoothing": ("0.5", "0.5"),
    "--grid": ("0.1,0.2", "0.1,0.2"),
    "--columns": ("ask=prompt", "ask=prompt"),
    "--values": ("logits", "logits"),
    "--answers-from": ("1", 1),
    "--engine": ("vllm", "vllm"),
    "--tokenizer": ("made", ["made"]),
    "--sharding": ("fsdp", "fsdp"),
    "--optim": ("adamw-8bit", "adamw-8bit"),
}
"""Values of options that take neither a number nor any text; (text, what the command gets)."""

OWN: dict[tuple[str, str], tuple[str, Any]] = {
    ("fix", "--batch-size"): ("8", 8),
    ("bless", "--output"): ("made.json", Path("made.json")),
    ("config init", "--output"): ("made.toml", Path("made.toml")),
    ("card", "--output"): ("README.md", Path("README.md")),
}
NUMBERS = {"--margin": 0.5, "--alpha": 0.5, "--max-ece": 0.5, "--max-gap": 0.5, "--max-brier": 0.5}
NUMBERS |= {"--learning-rate": 0.5, "--epochs": 0.5, "--accuracy-margin": 0.5, "--logit-scale": 0.5, "--softcap": 0.5}
NUMBERS |= {"--warmup": 0.5, "--weight-decay": 0.5, "--max-grad-norm": 0.5, "--neftune-alpha": 0.5}
COUNTS = {
    "--limit", "--per-level", "--num-fewshot", "--fewshot-seed", "--seed", "--bins", "--min-items", "--max-steps",
    "--max-length", "--train-batch-size", "--gradient-accumulation", "--lora-rank", "--save-steps", "--item", "--row",
    "--think", "--think-samples", "--think-seed", "--concurrency",
}  # fmt: skip
PATHS = {"--cache-dir", "--mirror", "--out"}


def commands(group: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in (group or typer.main.get_command(app)).commands.items():
        yield (before + name, command)
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")


COMMANDS = dict(commands())


def options(command: Any) -> list[Any]:
    return [parameter for parameter in command.params if parameter.opts[0].startswith("-")]


def test_every_command_is_looked_at() -> None:
    assert set(COMMANDS) >= {"compare", "score", "gate", "bless", "recommend", "fix", "report", "env", "import"}
    assert COMMANDS["import-lm-eval"].hidden
    assert set(COMMANDS) >= {"config init", "config show", "tasks", "tasks show", "tasks check", "data", "data show"}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_is_called_by_its_parameters_name(name: str) -> None:
    """Typer 0.27.2 calls an option that states no name by its metavar, where the two are the same word."""
    for option in options(COMMANDS[name]):
        assert "--" + option.name.replace("_", "-") in option.opts


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_says_what_it_does(name: str) -> None:
    """In Python 3.10 those with None for a default had lost their help."""
    assert [option.name for option in options(COMMANDS[name]) if not option.help and not option.hidden] == []


def test_which_commands_have_expert_columns_and_that_none_resamples() -> None:
    flags = {name: {flag for option in options(command) for flag in option.opts} for name, command in COMMANDS.items()}
    assert {name for name in flags if "--expert" in flags[name]} == {
        "compare",
        "score",
        "report",
        "import",
        "import-lm-eval",
    }
    assert not {name for name in flags if "--resamples" in flags[name]}


def test_tuning_data_are_named_alike() -> None:
    flags = {name: {flag for option in options(command) for flag in option.opts} for name, command in COMMANDS.items()}
    assert {name for name in flags if "--columns" in flags[name]} == {"fix", "recommend", "data show"}
    assert {name for name in flags if {"--data", "--split"} & flags[name]} == {"fix", "recommend", "data show"}


def plain(value: Any) -> Any:
    """Older Typers make paths and lists only when they call the command: a context holds texts and tuples."""
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, Path):
        return str(value)
    return value.value if isinstance(value, Enum) else value


@pytest.mark.parametrize("name", COMMANDS)
def test_the_full_call_parses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "defaults.toml"
    config.touch()
    command = COMMANDS[name]
    call: list[str] = []
    wanted: dict[str, Any] = {}
    for option in options(command):
        flag = next(flag for flag in option.opts if flag.startswith("--"))
        text, value = OWN.get((name, flag)) or GIVEN.get(flag) or ("abc", "abc")
        if flag == "--config":
            text, value = str(config), config
        elif option.is_flag:
            call.append(flag)
            wanted[option.name] = True
            continue
        elif flag in NUMBERS:
            text, value = "0.5", 0.5
        elif flag in COUNTS:
            text, value = "123", 123
        elif flag in PATHS:
            text, value = "folder", Path("folder")
        call += [flag, text]
        wanted[option.name] = value
    positional = [parameter for parameter in command.params if not parameter.opts[0].startswith("-")]
    call += ["file"] * len(positional)
    with command.make_context(name, call, resilient_parsing=False) as context:
        found = context.params
    assert {key: plain(found[key]) for key in wanted} == {key: plain(value) for key, value in wanted.items()}


@dataclass(frozen=True)
class Colours:
    ink: Annotated[str, typer.Option("--ink", help="Of the letters.")] = "black"
    paper: Annotated[str, typer.Option("--paper", help="Behind them.")] = "white"


def test_a_group_of_flags_arrives_as_one_value() -> None:
    seen: list[Any] = []

    def write(text: Annotated[str, typer.Argument()], *, colours: Colours, bold: bool = False) -> None:
        """Write a text."""
        seen.extend((text, colours, bold))

    made = typer.Typer()
    made.command()(flagged(write))
    command = typer.main.get_command(made)
    assert [parameter.name for parameter in command.params if parameter.name != "help"][:4] == [
        "text", "ink", "paper", "bold",
    ]  # fmt: skip
    with command.make_context("write", ["hello", "--ink", "blue"]) as context:
        command.invoke(context)
    assert seen == ["hello", Colours(ink="blue"), False]


def test_two_groups_with_one_flag_are_refused() -> None:
    def write(*, first: Colours, second: Colours) -> None:
        pass

    with pytest.raises(ValueError, match="duplicate parameter name: 'ink'"):
        flagged(write)
