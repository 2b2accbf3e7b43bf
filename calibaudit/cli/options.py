"""The flags that commands share, each defined once. Only Typer is imported.

Every option states its own name: Typer 0.27.2 takes the metavar for it where the two are the same word.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer


class AnswerAtChoice(str, Enum):
    auto = "auto"
    generation_prompt = "generation-prompt"


class EngineChoice(str, Enum):
    transformers = "transformers"
    vllm = "vllm"


class ScoringChoice(str, Enum):
    letter = "letter"
    cloze = "cloze"
    cloze_token = "cloze_token"
    cloze_byte = "cloze_byte"
    cloze_char = "cloze_char"
    pmi = "pmi"


_RUNNING: ContextVar[typer.Context | None] = ContextVar("running", default=None)


def sources(*, flags_only: bool = False) -> dict[str, str]:
    """Of each parameter of the running command that was given, its flag, or the settings file that gave it.

    flags_only: those of the command line alone.
    """
    context = _RUNNING.get()
    found: dict[str, str] = {}
    for parameter in () if context is None else context.command.params:
        name = parameter.name or ""
        given = getattr(context.get_parameter_source(name), "name", "") if context is not None else ""
        if given == "COMMANDLINE":
            found[name] = max(parameter.opts, key=len)
        elif given == "DEFAULT_MAP" and not flags_only and context is not None:
            found[name] = str(context.meta.get("calibaudit.config", "a settings file"))
    return found


def _read_config(context: typer.Context, value: Path | None) -> Path | None:
    from calibaudit.cli.config import as_given, command_defaults

    _RUNNING.set(context)
    path = value or Path("pyproject.toml")
    context.meta["calibaudit.config"] = str(path)
    parent = context.parent.command if context.parent else context.command
    commands = getattr(parent, "commands", {}).values()
    values = command_defaults(
        value,
        context.info_name or "",
        _flags(context.command),
        {flag for command in commands for flag in _flags(command)},
    )
    kinds: dict[str | None, Any] = {parameter.name: parameter for parameter in context.command.params}
    context.default_map = {
        name: as_given(path, name.replace("_", "-"), given, switch=kinds[name].is_flag, repeated=kinds[name].multiple)
        for name, given in values.items()
    }
    return value


def _go_offline(offline: bool) -> bool:
    """Told to the libraries before they are imported: that is when they read it."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
        os.environ["WANDB_MODE"] = "offline"  # it writes to disk instead
    return offline


def _flags(command: Any) -> set[str]:
    """Names of the command's long flags, without the dashes."""
    return {name[2:] for parameter in command.params for name in parameter.opts if name.startswith("--")} - {
        "config",
        "help",
    }


Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--tasks",
        "-t",
        metavar="NAME",
        help="Task name, group, YAML file or folder; repeat, or separate by commas [default: bundled_all with "
        "--per-level 32; bundled for the demo pair].",
        show_default=False,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="Score only the first N items of each task.", show_default=False),
]
PerLevel = Annotated[
    int | None,
    typer.Option(
        "--per-level",
        metavar="N",
        min=1,
        help="Score only the first N items of each level of each task.",
        show_default=False,
    ),
]
NumFewshot = Annotated[
    int | None,
    typer.Option(
        "--num-fewshot",
        metavar="N",
        min=0,
        help="Examples before each question [default: the task's].",
        show_default=False,
    ),
]
Scoring = Annotated[
    ScoringChoice | None,
    typer.Option(
        "--scoring",
        metavar="NAME",
        help="How choices are scored: letter, cloze, cloze_token, cloze_byte, cloze_char, pmi [default: the task's].",
        show_default=False,
    ),
]
ChatTemplate = Annotated[
    str,
    typer.Option(
        "--chat-template",
        metavar="auto|off|both|NAME|FILE",
        help="auto: inside the tokenizer's chat template where it has one. off: plain text. both: each task twice. "
        "NAME: one of the tokenizer's templates. FILE: a Jinja template.",
    ),
]
ChatTemplateKwargs = Annotated[
    str,
    typer.Option(
        "--chat-template-kwargs",
        metavar="JSON",
        help="Arguments to the chat template, as '{\"enable_thinking\": false}'.",
        show_default=False,
    ),
]
TemplateDate = Annotated[
    str, typer.Option("--template-date", metavar="YYYY-MM-DD", help="The day that a dated chat template is told.")
]
AnswerAt = Annotated[
    AnswerAtChoice,
    typer.Option(
        "--answer-at",
        help="Where in a chat an answer begins. auto: where the template writes it. generation-prompt: where its "
        "generation prompt ends, as lm-evaluation-harness has it.",
    ),
]
FewshotAsMultiturn = Annotated[
    bool,
    typer.Option(
        "--fewshot-as-multiturn/--no-fewshot-as-multiturn",
        help="Inside a chat template: examples as turns of their own, or all in the user's turn.",
    ),
]
Think = Annotated[
    int | None,
    typer.Option(
        "--think",
        metavar="N",
        min=1,
        max=1_000_000,
        help="Let models whose chat template can think write up to N tokens of a thought before they answer.",
        show_default=False,
    ),
]
ThinkSamples = Annotated[
    int,
    typer.Option("--think-samples", metavar="K", min=1, max=1000, help="Thoughts a prompt: 1 is greedy, more sampled."),
]
ThinkSeed = Annotated[int, typer.Option("--think-seed", metavar="N", min=0, help="Seed of sampled thoughts.")]
SaveThoughts = Annotated[bool, typer.Option("--save-thoughts", help="Keep the thoughts in the saved result.")]
System = Annotated[
    str,
    typer.Option(
        "--system",
        metavar="TEXT",
        help="Stands before each task's description: the system turn, or the head of a plain prompt.",
        show_default=False,
    ),
]
AnswerPrefix = Annotated[
    str | None,
    typer.Option(
        "--answer-prefix",
        metavar="TEXT",
        help="What every answer begins with, before the choice [default: the task's gen_prefix].",
        show_default=False,
    ),
]
BatchSize = Annotated[
    str, typer.Option("--batch-size", metavar="N|auto", help="Rows a forward pass; auto: as many as fit.")
]
DType = Annotated[str, typer.Option("--dtype", metavar="auto|float32|bfloat16|float16", help="Weights' type.")]
Parallel = Annotated[
    str,
    typer.Option(
        "--parallel",
        metavar="auto|data|tensor[:N]",
        help="Under torchrun. data: a copy of the model a process. tensor: a copy split over N processes, or as few as "
        "hold it. auto: data where a copy fits a GPU, else tensor.",
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda[:N]", help="Where the model runs.")]
Engine = Annotated[
    EngineChoice,
    typer.Option("--engine", help="What runs a checkpoint's network: transformers in this process, or vLLM (GPUs)."),
]
Tokenizer = Annotated[
    list[str] | None,
    typer.Option(
        "--tokenizer",
        metavar="NAME",
        help="Of a served model: folder or hub id; repeat for BASE's, then INSTRUCT's [default: the name after #].",
        show_default=False,
    ),
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", metavar="N", min=1, max=1000, help="Requests at once to a served model.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the draws behind the ECE floor.")]
FewshotSeed = Annotated[
    int, typer.Option("--fewshot-seed", metavar="N", min=0, help="Seed of the choice of few-shot examples.")
]
Bins = Annotated[
    int, typer.Option("--bins", metavar="N", min=1, max=1000, help="Confidence bins of ECE and the diagrams.")
]
Expert = Annotated[bool, typer.Option("--expert", help="More columns: intervals, classwise ECE, Brier's parts, risk.")]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        metavar="FOLDER",
        help="Where finished items are kept [default: ~/.cache/calibaudit].",
        show_default=False,
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no finished items, use none.")]
Verify = Annotated[
    bool,
    typer.Option("--verify", help="Hash a folder's weights anew, even if unchanged since the last time."),
]
Mirror = Annotated[
    Path | None,
    typer.Option(
        "--mirror",
        metavar="FOLDER",
        help="Folder with hub data sets, as OWNER/NAME folders, looked in before the hub.",
        show_default=False,
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Fetch nothing.", callback=_go_offline)]
Output = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Save the result; repeat for more. The ending picks the format: .json, .html, .md, .csv, or .xml "
        "(JUnit, of a gate); .svg or .png as with --plot.",
        show_default=False,
    ),
]
Plot = Annotated[
    list[Path] | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Save a diagram (.svg or .png) that the name begins with: reliability.svg, confidence.png, changes.svg.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the verdict and the table.")]
FullPaths = Annotated[bool, typer.Option("--full-paths", help="Save absolute paths whole, not their last parts alone.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="No progress bars, and no lines of progress in logs.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=_read_config,
        help="TOML file with defaults for these flags [default: [tool.calibaudit] of ./pyproject.toml].",
        show_default=False,
    ),
]


MaxLength = Annotated[
    int, typer.Option("--max-length", metavar="N", min=8, help="Tuning: tokens of a row; longer ones are cut.")
]
Split = Annotated[
    str, typer.Option("--split", metavar="NAME", help="Tuning: which split of a folder or data set with several.")
]
Columns = Annotated[
    str,
    typer.Option(
        "--columns",
        metavar="COLUMN=KEY,...",
        help="Tuning: what to read columns of other names as: question=prompt,response=completion.",
        show_default=False,
    ),
]


def revision_of(of: str, name: str = "--revision") -> Any:
    """The flag for the hub revision of the model `of`."""
    return typer.Option(name, metavar="REV", help=f"Hub revision of {of}.", show_default=False)


Base = Annotated[
    str | None,
    typer.Argument(
        metavar="BASE",
        help="Checkpoint before tuning: folder, hub id, server:URL#MODEL, or saved scores or logs, several of them "
        "separated by commas [default: demo:base].",
        show_default=False,
    ),
]
Instruct = Annotated[
    str | None,
    typer.Argument(
        metavar="INSTRUCT", help="Checkpoint after tuning: the same [default: demo:instruct].", show_default=False
    ),
]
