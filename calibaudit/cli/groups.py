"""The flags that commands share, in groups: a command takes a group as one parameter. Only Typer is imported."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, get_type_hints

from calibaudit.chat.settings import TEMPLATE_DATE
from calibaudit.cli.help.panels import in_tuning
from calibaudit.cli.options import (
    AnswerAt,
    AnswerAtChoice,
    AnswerPrefix,
    AsJson,
    Bins,
    CacheDir,
    ChatTemplate,
    ChatTemplateKwargs,
    Columns,
    Concurrency,
    Config,
    Debug,
    Device,
    DType,
    Engine,
    EngineChoice,
    FewshotAsMultiturn,
    FewshotSeed,
    FullPaths,
    GateOutput,
    Limit,
    MaxLength,
    Mirror,
    NoCache,
    NoProgress,
    NumFewshot,
    Offline,
    Output,
    Parallel,
    PerLevel,
    Plot,
    Quiet,
    Scoring,
    Seed,
    Split,
    System,
    Tasks,
    TemplateDate,
    Think,
    ThinkSamples,
    ThinkSeed,
    Tokenizer,
    Verify,
    revision_of,
)
from calibaudit.errors import CalibauditError, Interrupted

KEPT = "finished items are kept; the same command resumes from there"
NOTHING_KEPT = "nothing is kept under --no-cache; the same command starts over"


@dataclass(frozen=True)
class ItemFlags:
    """Which items are asked, and how their choices are scored."""

    tasks: Tasks = None
    limit: Limit = None
    per_level: PerLevel = None
    num_fewshot: NumFewshot = None
    scoring: Scoring = None
    fewshot_seed: FewshotSeed = 1234
    system: System = ""
    answer_prefix: AnswerPrefix = None
    mirror: Mirror = None


@dataclass(frozen=True)
class TemplateFlags:
    """How prompts stand in a model's chat template."""

    chat_template: ChatTemplate = "auto"
    chat_template_kwargs: ChatTemplateKwargs = ""
    template_date: TemplateDate = TEMPLATE_DATE
    answer_at: AnswerAt = AnswerAtChoice.auto
    fewshot_as_multiturn: FewshotAsMultiturn = True


@dataclass(frozen=True)
class ChatFlags(TemplateFlags):
    """The same, and what a model may think before it answers."""

    think: Think = None
    think_samples: ThinkSamples = 1
    think_seed: ThinkSeed = 0


@dataclass(frozen=True)
class RunFlags:
    """How a checkpoint is loaded and run."""

    dtype: DType = "auto"
    device: Device = "auto"
    parallel: Parallel = "auto"
    cache_dir: CacheDir = None
    no_cache: NoCache = False
    verify: Verify = False
    offline: Offline = False


@dataclass(frozen=True)
class EngineFlags:
    """What runs the networks, where it need not be this process."""

    engine: Engine = EngineChoice.transformers
    tokenizer: Tokenizer = None
    concurrency: Concurrency = 8


@dataclass(frozen=True)
class PairFlags:
    """Which revisions of two models on the hub."""

    base_revision: Annotated[str | None, revision_of("BASE", "--base-revision")] = None
    instruct_revision: Annotated[str | None, revision_of("INSTRUCT", "--instruct-revision")] = None

    def both(self) -> tuple[str | None, str | None]:
        """BASE's, INSTRUCT's."""
        return self.base_revision, self.instruct_revision


@dataclass(frozen=True)
class StatisticsFlags:
    """How findings are made of scores."""

    seed: Seed = 0
    bins: Bins = 15


@dataclass(frozen=True)
class FileFlags:
    """Where the result is saved."""

    output: Output = None
    plot: Plot = None


@dataclass(frozen=True)
class GateFileFlags(FileFlags):
    """Where a result that may hold a verdict is saved."""

    output: GateOutput = None


@dataclass(frozen=True)
class PageFlags:
    """What is printed, and how much of this machine is told in it and in what is saved."""

    json: AsJson = False
    quiet: Quiet = False
    full_paths: FullPaths = False


@dataclass(frozen=True)
class SessionFlags:
    """What a long command shows on the way, and where its defaults come from."""

    no_progress: NoProgress = False
    debug: Debug = False
    config: Config = None


@dataclass(frozen=True)
class TuningFlags:
    """How a model is tuned, apart from the data and the factor."""

    learning_rate: Annotated[
        float | None,
        in_tuning("--learning-rate", metavar="X", help="Peak learning rate of AdamW.", show_default="2e-5; LoRA 2e-4"),
    ] = None
    epochs: Annotated[
        float | None,
        in_tuning("--epochs", metavar="X", help="Passes over the rows.", show_default="2"),
    ] = None
    max_steps: Annotated[
        int | None,
        in_tuning("--max-steps", metavar="N", min=1, help="Stop after N steps instead.", show_default="none"),
    ] = None
    max_length: MaxLength = 4096
    split: Split = "train"
    columns: Columns = ""
    grid: Annotated[str, in_tuning("--grid", metavar="X,X", help="Factors that a pilot tries, apart from 0.")] = (
        "0.1,0.3,0.5,0.7"
    )


class SchedulerChoice(str, Enum):
    linear = "linear"
    cosine = "cosine"
    inverse_sqrt = "inverse_sqrt"
    constant = "constant"


@dataclass(frozen=True)
class RecipeFlags:
    """How a smoothed run steps, packs its rows, and where it can be watched."""

    lr_scheduler: Annotated[
        SchedulerChoice, in_tuning("--lr-scheduler", help="How the learning rate changes after the warm-up.")
    ] = SchedulerChoice.linear
    warmup: Annotated[
        float, in_tuning("--warmup", metavar="X", help="Share of the steps over which the learning rate rises.")
    ] = 0.03
    weight_decay: Annotated[float, in_tuning("--weight-decay", metavar="X", help="Weight decay of AdamW.")] = 0.0
    max_grad_norm: Annotated[
        float, in_tuning("--max-grad-norm", metavar="X", help="Clip gradients to this norm; 0: never.")
    ] = 1.0
    neftune_alpha: Annotated[
        float | None,
        in_tuning(
            "--neftune-alpha", metavar="X", help="Noise on the embeddings (NEFTune; 5 is usual).",
            show_default="none",
        ),
    ] = None  # fmt: skip
    packing: Annotated[bool, in_tuning("--packing", help="Pack short rows into one line of a batch, kept apart.")] = (
        False
    )
    report_to: Annotated[
        str,
        in_tuning("--report-to", metavar="NAME,...", help="Watch the run in wandb, trackio or tensorboard."),
    ] = ""

    def reporters(self) -> tuple[str, ...]:
        """Whom it is reported to. Imports nothing heavy.

        Raises CalibauditError for a number out of range, and for a name that cannot be reported to, by its flag.
        """
        from calibaudit.training.watching import check_reporters

        reporters = tuple(dict.fromkeys(name.strip() for name in self.report_to.split(",") if name.strip()))
        try:
            check_reporters(reporters)
        except CalibauditError as error:
            raise CalibauditError(f"--report-to {self.report_to}: {error}") from error
        alpha = self.neftune_alpha
        for flag, value, holds, rule in (
            ("--warmup", self.warmup, 0 <= self.warmup < 1, "a share from 0 and below 1"),
            ("--weight-decay", self.weight_decay, 0 <= self.weight_decay < float("inf"), "0 or more"),
            ("--max-grad-norm", self.max_grad_norm, 0 <= self.max_grad_norm < float("inf"), "0 or more"),
            ("--neftune-alpha", alpha, alpha is None or 0 < alpha < float("inf"), "a number above 0"),
        ):
            if not holds:
                raise CalibauditError(f"{flag} {value:g}: give {rule}")
        return reporters


class WhereChoice(str, Enum):
    all = "all"
    known = "known"


@dataclass(frozen=True)
class LeverFlags:
    """What the smoothed loss acts on."""

    logit_scale: Annotated[
        float,
        in_tuning("--logit-scale", metavar="X", help="Train with logits times X; folded into the saved weights."),
    ] = 1.0
    softcap: Annotated[
        float | None,
        in_tuning(
            "--softcap", metavar="X", help="Train with X tanh(logits / X) in place of the logits.", show_default="none"
        ),
    ] = None
    where: Annotated[
        WhereChoice, in_tuning("--where", help="Smooth all rows, or only those whose answers BASE knows already.")
    ] = WhereChoice.all

    def check(self) -> None:
        """Raises CalibauditError for a factor or a softcap that is not a number above 0. Imports nothing heavy."""
        for flag, value in (("--logit-scale", self.logit_scale), ("--softcap", self.softcap)):
            if value is not None and not 0 < value < float("inf"):
                raise CalibauditError(f"{flag} {value:g}: give a number above 0")


def flagged(command: Callable[..., None]) -> Callable[..., None]:
    """`command` as Typer is to read it: where a parameter is one of the groups above, the flags of the group.

    Called with the flags' values, it makes the groups and calls `command` with them; an interrupt then says what is
    kept of the work, where the command scores.
    Raises ValueError when two groups have a flag of one name.
    """
    groups: dict[str, type[Any]] = {}
    parameters: list[inspect.Parameter] = []
    # Not get_type_hints: in Python 3.10 it hides what is annotated where the default is None.
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        hint = parameter.annotation
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            groups[parameter.name] = hint
            flags = get_type_hints(hint, include_extras=True)
            parameters += [_keyword(field.name, field.default, flags[field.name]) for field in dataclasses.fields(hint)]
        else:
            parameters.append(_keyword(parameter.name, parameter.default, hint))

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})
        try:
            command(**values)
        except Interrupted:  # the command knows more
            raise
        except KeyboardInterrupt:
            flags = next((group for group in values.values() if isinstance(group, RunFlags)), None)
            if flags is None:
                raise
            raise Interrupted(NOTHING_KEPT if flags.no_cache else KEPT) from None

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect.signature gives
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__
    return run


def _keyword(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
