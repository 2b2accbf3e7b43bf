"""The flags that commands share, each defined once. Only Typer is imported.

Every option states its own name: Typer 0.27.2 takes the metavar for it where the two are the same word.
"""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from calibaudit.cli.help.completion import complete_models, complete_tasks, one_of
from calibaudit.cli.help.panels import in_models, in_output, in_prompt, in_running, in_statistics, in_tasks, in_tuning
from calibaudit.cli.settings.given import read_settings


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


def _go_offline(offline: bool) -> bool:
    """Told to the libraries before they are imported: that is when they read it."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    return offline


Tasks = Annotated[
    list[str] | None,
    in_tasks(
        "--tasks",
        "-t",
        metavar="NAME",
        autocompletion=complete_tasks,
        help="Task, group, YAML file or folder; repeat, or separate by commas.",
        show_default="those of saved scores; else bundled_all with --per-level 32; bundled for the demo pair",
    ),
]
Limit = Annotated[
    int | None,
    in_tasks("--limit", metavar="N", min=1, help="Score only the first N items of each task.", show_default="all"),
]
PerLevel = Annotated[
    int | None,
    in_tasks(
        "--per-level",
        metavar="N",
        min=1,
        help="Score only the first N items of each level of difficulty of each task.",
        show_default="all",
    ),
]
NumFewshot = Annotated[
    int | None,
    in_prompt(
        "--num-fewshot",
        metavar="N",
        min=0,
        help="Worked examples before each question.",
        show_default="the task's",
    ),
]


def scoring_of(whose: str) -> Any:
    """The option for how choices are scored; whose: the default's."""
    return in_tasks(
        "--scoring",
        metavar="NAME",
        help="How choices are scored: letter, cloze, cloze_token, cloze_byte, cloze_char or pmi.",
        show_default=whose,
    )


Scoring = Annotated[ScoringChoice | None, scoring_of("the task's")]
ChatTemplate = Annotated[
    str,
    in_prompt(
        "--chat-template",
        metavar="auto|off|both|NAME|FILE",
        autocompletion=one_of("auto", "off", "both"),
        help="auto: the tokenizer's chat template where it has one. off: plain text. both: every task "
        "twice. NAME: one of the tokenizer's templates. FILE: a Jinja template.",
    ),
]
ChatTemplateKwargs = Annotated[
    str,
    in_prompt(
        "--chat-template-kwargs",
        metavar="JSON",
        help="Arguments to the chat template, such as '{\"enable_thinking\": false}'.",
        show_default="none",
    ),
]
TemplateDate = Annotated[
    str, in_prompt("--template-date", metavar="YYYY-MM-DD", help="Today's date, for a chat template that asks for it.")
]
AnswerAt = Annotated[
    AnswerAtChoice,
    in_prompt(
        "--answer-at",
        help="Where in a chat an answer begins. auto: where the template writes it. "
        "generation-prompt: where its generation prompt ends, as in lm-evaluation-harness.",
    ),
]
FewshotAsMultiturn = Annotated[
    bool,
    in_prompt(
        "--fewshot-as-multiturn/--no-fewshot-as-multiturn",
        help="In a chat template: each example as a turn of its own, or all in the user's turn.",
    ),
]
Think = Annotated[
    int | None,
    in_prompt(
        "--think",
        metavar="N",
        min=1,
        max=1_000_000,
        help="Let models that can think write up to N tokens before they answer.",
        show_default="no thinking",
    ),
]
ThinkSamples = Annotated[
    int,
    in_prompt(
        "--think-samples", metavar="K", min=1, max=1000, help="Thoughts per prompt: 1 is greedy, more are sampled."
    ),
]
ThinkSeed = Annotated[int, in_prompt("--think-seed", metavar="N", min=0, help="Seed of sampled thoughts.")]
SaveThoughts = Annotated[bool, in_prompt("--save-thoughts", help="Keep the thoughts in the saved scores.")]
System = Annotated[
    str,
    in_prompt(
        "--system",
        metavar="TEXT",
        help="System prompt: a system turn, or the head of a plain prompt; a task's own description follows it.",
        show_default="none",
    ),
]
AnswerPrefix = Annotated[
    str | None,
    in_prompt(
        "--answer-prefix",
        metavar="TEXT",
        help="What every answer begins with, before the choice.",
        show_default="the task's gen_prefix",
    ),
]
BatchSize = Annotated[
    str,
    in_running(
        "--batch-size",
        metavar="N|auto",
        autocompletion=one_of("auto"),
        help="Rows per forward pass; auto: as many as fit.",
    ),
]
DType = Annotated[
    str,
    in_models(
        "--dtype",
        metavar="auto|float32|bfloat16|float16",
        autocompletion=one_of("auto", "float32", "bfloat16", "float16"),
        help="Type of the weights.",
    ),
]
Parallel = Annotated[
    str,
    in_running(
        "--parallel",
        metavar="auto|data|tensor[:N]",
        autocompletion=one_of("auto", "data", "tensor"),
        help="Under torchrun. data: each process holds a copy of the model. tensor: each copy is "
        "split over N processes, or as few as hold it. auto: data where a copy fits on a GPU, "
        "else tensor.",
    ),
]
Device = Annotated[
    str,
    in_running(
        "--device",
        metavar="auto|cpu|cuda[:N]",
        autocompletion=one_of("auto", "cpu", "cuda"),
        help="Where the model runs.",
    ),
]
Engine = Annotated[
    EngineChoice,
    in_models("--engine", help="What runs the model: transformers in this process, or vLLM on GPUs."),
]
Tokenizer = Annotated[
    list[str] | None,
    in_models(
        "--tokenizer",
        metavar="NAME",
        help="Tokenizer of a served model: a folder or hub id; repeat it for a second model.",
        show_default="the name after #",
    ),
]
Concurrency = Annotated[
    int, in_running("--concurrency", metavar="N", min=1, max=1000, help="Requests at a time to a served model.")
]
Seed = Annotated[int, in_statistics("--seed", metavar="N", min=0, help="Seed of the draws behind the ECE floor.")]
FewshotSeed = Annotated[
    int, in_prompt("--fewshot-seed", metavar="N", min=0, help="Seed that picks the worked examples.")
]
Bins = Annotated[
    int, in_statistics("--bins", metavar="N", min=1, max=1000, help="Confidence bins of ECE and of the diagrams.")
]
Expert = Annotated[
    bool, in_output("--expert", help="Show more columns: intervals, classwise ECE, the parts of Brier, risk.")
]
CacheDir = Annotated[
    Path | None,
    in_running(
        "--cache-dir",
        metavar="FOLDER",
        help="Where finished items are kept.",
        show_default="CALIBAUDIT_CACHE, else ~/.cache/calibaudit",
    ),
]
NoCache = Annotated[bool, in_running("--no-cache", help="Keep no finished items and use none.")]
Verify = Annotated[
    bool,
    in_models("--verify", help="Hash the weights in a folder again, even if it looks unchanged."),
]
Mirror = Annotated[
    Path | None,
    in_tasks(
        "--mirror",
        metavar="FOLDER",
        help="Folder of data sets, laid out OWNER/NAME, searched before the hub.",
        show_default="none",
    ),
]
Offline = Annotated[bool, in_running("--offline", help="Never use the network.", callback=_go_offline)]


def _saved_as(formats: str) -> Any:
    told = f"Save the result; repeat for more files. The ending picks the format: {formats}, or .svg and .png as with"
    return in_output("--output", "-o", metavar="FILE", help=f"{told} --plot.", show_default=False)


Output = Annotated[list[Path] | None, _saved_as(".json, .html, .md, .csv")]
GateOutput = Annotated[list[Path] | None, _saved_as(".json, .html, .md, .csv, .xml (JUnit, of a gate)")]
Plot = Annotated[
    list[Path] | None,
    in_output(
        "--plot",
        metavar="FILE",
        help="Save a diagram, named after what it shows: reliability, confidence or changes, as .svg or .png.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, in_output("--json", help="Print only the result, as JSON, on stdout.")]
Quiet = Annotated[bool, in_output("--quiet", "-q", help="Print only the verdict and the table.")]
FullPaths = Annotated[bool, in_output("--full-paths", help="Save absolute paths whole, not just their last parts.")]
NoProgress = Annotated[bool, in_running("--no-progress", help="Show no progress: no bars, no lines in a log.")]
Debug = Annotated[bool, in_running("--debug", help="Show the traceback of an error.")]
_CONFIG = "the nearest calibaudit.toml, or pyproject.toml with [tool.calibaudit], from here upwards"
Config = Annotated[
    Path | None,
    in_running(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=read_settings,
        help="TOML file with defaults for these options.",
        show_default=_CONFIG,
    ),
]
SettingsFile = Annotated[
    Path | None, in_running("--config", metavar="FILE", help="The settings file.", show_default=_CONFIG)
]
MaxLength = Annotated[
    int, in_tuning("--max-length", metavar="N", min=8, help="Longest row, in tokens; longer ones are cut.")
]
Split = Annotated[str, in_tuning("--split", metavar="NAME", help="Split to read, where a data set has several.")]
Columns = Annotated[
    str,
    in_tuning(
        "--columns",
        metavar="COLUMN=KEY,...",
        help="Read columns that have other names: question=prompt,response=completion.",
        show_default=False,
    ),
]


def revision_of(of: str, name: str = "--revision") -> Any:
    """The flag for the hub revision of the model `of`."""
    told = f"Revision of {of} on the hub: a branch, tag or commit."
    return in_models(name, metavar="REV", help=told, show_default="main")


Base = Annotated[
    str | None,
    typer.Argument(
        metavar="BASE",
        autocompletion=complete_models,
        help="Checkpoint before tuning: a folder, a hub id, server:URL#MODEL, or saved scores or logs "
        "(several, separated by commas).",
        show_default="demo:base",
    ),
]
Instruct = Annotated[
    str | None,
    typer.Argument(
        metavar="INSTRUCT",
        autocompletion=complete_models,
        help="Checkpoint after tuning, given the same way.",
        show_default="demo:instruct",
    ),
]
