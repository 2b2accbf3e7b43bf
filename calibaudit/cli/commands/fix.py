"""The command `fix`. Only Typer is imported at the top; the rest when it runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calibaudit.cli.groups import (
    ChatFlags,
    ItemFlags,
    LeverFlags,
    PageFlags,
    RecipeFlags,
    RunFlags,
    SessionFlags,
    StatisticsFlags,
    TuningFlags,
)
from calibaudit.cli.help.completion import complete_models, complete_rows
from calibaudit.cli.help.panels import in_models, in_output, in_statistics, in_tuning
from calibaudit.cli.options import revision_of

if TYPE_CHECKING:
    from calibaudit.repair.candidates import Repair


class MethodChoice(str, Enum):
    auto = "auto"
    temperature = "temperature"
    aligned = "aligned"
    merge = "merge"
    smooth = "smooth"


class StartChoice(str, Enum):
    auto = "auto"
    base = "base"
    instruct = "instruct"


class PriorChoice(str, Enum):
    auto = "auto"
    uniform = "uniform"
    base = "base"


class ShardingChoice(str, Enum):
    auto = "auto"
    none = "none"
    fsdp = "fsdp"


class OptimChoice(str, Enum):
    adamw = "adamw"
    adamw_8bit = "adamw-8bit"


def fix(
    instruct: Annotated[
        str,
        typer.Argument(
            metavar="INSTRUCT", autocompletion=complete_models, help="The tuned checkpoint: a folder or hub id."
        ),
    ],
    *,
    base: Annotated[
        str,
        in_models(
            "--base", metavar="BASE", autocompletion=complete_models, help="The checkpoint that it was tuned from."
        ),
    ],
    data: Annotated[
        str | None,
        in_tuning(
            "--data",
            metavar="DATA",
            autocompletion=complete_rows,
            help="Tuning rows: a JSONL, CSV or Parquet file, a folder, a hub id, or demo:sft.",
            show_default="none, and nothing is trained",
        ),
    ] = None,
    out: Annotated[Path, in_output("--out", metavar="DIR", help="Folder for the repaired checkpoint.")],
    method: Annotated[
        MethodChoice | None,
        in_tuning(
            "--method",
            help="How to repair; auto: cheapest first, until one is enough.",
            show_default="auto; smooth with --smoothing or --pilot",
        ),
    ] = None,
    smoothing: Annotated[
        str,
        in_tuning(
            "--smoothing",
            metavar="auto|X",
            help="Smoothing factor; auto: the largest of a few that keeps what tuning added.",
        ),
    ] = "auto",
    prior: Annotated[
        PriorChoice,
        in_tuning("--prior", help="What to smooth towards; auto: base, or what a pilot finds best."),
    ] = PriorChoice.auto,
    start: Annotated[
        StartChoice,
        in_tuning(
            "--start",
            help="Tune BASE again, or go on from INSTRUCT; auto: base, unless there are signs against it.",
        ),
    ] = StartChoice.auto,
    tuning: TuningFlags,
    recipe: RecipeFlags,
    levers: LeverFlags,
    batch_size: Annotated[
        int | None,
        in_tuning("--batch-size", metavar="N", min=1, help="Rows per forward pass.", show_default="8"),
    ] = None,
    gradient_accumulation: Annotated[
        int | None,
        in_tuning(
            "--gradient-accumulation",
            metavar="N",
            min=1,
            help="Forward passes per step.",
            show_default="up to 128 rows per step, but at least 100 steps",
        ),
    ] = None,
    gradient_checkpointing: Annotated[
        bool, in_tuning("--gradient-checkpointing", help="Use less memory and more time.")
    ] = False,
    lora: Annotated[bool, in_tuning("--lora", help="Train an adapter and merge it (needs calibaudit[peft]).")] = False,
    lora_rank: Annotated[int, in_tuning("--lora-rank", metavar="N", min=1, help="Rank of the adapter.")] = 16,
    sharding: Annotated[
        ShardingChoice,
        in_tuning(
            "--sharding",
            help="fsdp: weights, gradients and optimizer are sharded over the GPUs. auto: as accelerate launch says.",
        ),
    ] = ShardingChoice.auto,
    optim: Annotated[
        OptimChoice, in_tuning("--optim", help="Optimizer; adamw-8bit needs torchao or bitsandbytes.")
    ] = OptimChoice.adamw,
    compile: Annotated[bool, in_tuning("--compile", help="Run the layers through torch.compile.")] = False,
    pilot: Annotated[
        bool,
        in_tuning("--pilot", help="Choose the factor by tuning at each of --grid, each as long as the run itself."),
    ] = False,
    save_steps: Annotated[
        int | None,
        in_tuning(
            "--save-steps",
            metavar="N",
            min=1,
            help="Write a checkpoint every N steps, for --resume.",
            show_default="none",
        ),
    ] = None,
    resume: Annotated[bool, in_tuning("--resume", help="Continue an interrupted run of the same call.")] = False,
    accuracy_margin: Annotated[
        float, in_statistics("--accuracy-margin", metavar="X", help="Loss of accuracy that is not a failure.")
    ] = 0.02,
    items: ItemFlags,
    run: RunFlags,
    chat: ChatFlags,
    base_revision: Annotated[str | None, revision_of("BASE", "--base-revision")] = None,
    revision: Annotated[str | None, revision_of("INSTRUCT")] = None,
    seed: Annotated[
        int, in_statistics("--seed", metavar="N", min=0, help="Seed of the training, the halves and the ECE floor.")
    ] = 0,
    page: PageFlags,
    session: SessionFlags,
) -> None:
    """Repair a tuned checkpoint, and prove that it helped.

    The proof is made on held-out items; exit 1 when it fails. A temperature and merged weights cost no training, a
    smoothed run does; without --data nothing is trained. DIR gets the checkpoint, a model card and fix.json.
    """
    from calibaudit.cli import inputs

    levers.check()
    recipe.reporters()
    _check_there((base, instruct), (base_revision, revision), data, offline=run.offline)
    inputs.load_numpy()
    from calibaudit.advice.pilot import PRIORS, read_grid
    from calibaudit.cli.outputs import deliver, portable
    from calibaudit.cli.progress.reporter import reporter
    from calibaudit.errors import CalibauditError, Interrupted, OutputError
    from calibaudit.files.paths import expanded
    from calibaudit.files.write import write_whole
    from calibaudit.models.distributed import rank
    from calibaudit.repair.fix import fix as fixed
    from calibaudit.repair.licence import licence_of
    from calibaudit.repair.settings import FixSettings
    from calibaudit.repair.sides import Listener
    from calibaudit.repair.workspace import settle
    from calibaudit.report.model_card import model_card
    from calibaudit.report.repair_json import repair_dict
    from calibaudit.report.result_json import result_text
    from calibaudit.training.data.kinds import read_columns
    from calibaudit.training.retune import check_folder, worth_resuming
    from calibaudit.training.settings import FSDP_VARIABLE, LoraSettings, launched

    if chat.chat_template == "both":
        raise CalibauditError("--chat-template both: a repair is proven with one prompt; give auto or off")
    training = inputs.training_settings(data or "", tuning, batch_size, seed, lora=lora)
    sharded = launched(FSDP_VARIABLE) if sharding is ShardingChoice.auto else sharding is ShardingChoice.fsdp
    training = replace(
        inputs.with_recipe(inputs.with_levers(training, levers), recipe),
        accumulation=gradient_accumulation,
        gradient_checkpointing=gradient_checkpointing,
        lora=LoraSettings(rank=lora_rank, alpha=2 * lora_rank) if lora else None,
        save_steps=save_steps,
        sharding="fsdp" if sharded else "none",
        optim=optim.value,
        compiled=compile,
    )
    if run.offline and "trackio" in training.report_to:
        raise CalibauditError("--report-to trackio: it may upload data; leave it out under --offline")
    factor = _factor(smoothing)
    if method is None:  # a factor, or a pilot, is of a smoothed run
        method = MethodChoice.auto if factor is None and not pilot else MethodChoice.smooth
    if method not in (MethodChoice.auto, MethodChoice.smooth):
        _refuse_tuning(
            method,
            {
                "--learning-rate": tuning.learning_rate,
                "--epochs": tuning.epochs,
                "--max-steps": tuning.max_steps,
                "--batch-size": batch_size,
                "--gradient-accumulation": gradient_accumulation,
                "--gradient-checkpointing": "" if gradient_checkpointing else None,
                "--save-steps": save_steps,
                "--start": None if start is StartChoice.auto else start.value,
                "--prior": None if prior is PriorChoice.auto else prior.value,
                "--sharding": sharding.value if sharding is ShardingChoice.fsdp else None,
                "--optim": None if optim is OptimChoice.adamw else optim.value,
                "--compile": "" if compile else None,
                **_changed(recipe),
                **_changed(levers),
            },
        )
    settings = FixSettings(
        method=method.value,
        start=start.value,
        smoothing=factor,
        prior=prior.value,
        training=training,
        max_length=tuning.max_length,
        split=tuning.split,
        columns=read_columns(tuning.columns),
        accuracy_margin=accuracy_margin,
        pilot=read_grid(tuning.grid, PRIORS if prior is PriorChoice.auto else [prior.value]) if pilot else (),
    )
    out = expanded(out, OutputError)
    settle(out)
    check_folder(out, resume=resume)
    options = inputs.run_options(run, chat)
    loaded = inputs.tasks_of(inputs.split_names(items.tasks), items, [instruct, base], offline=run.offline)
    with reporter(silent=page.quiet or session.no_progress) as report:
        report.warnings_of(loaded)
        base, instruct = inputs.on_its_base((base, instruct), report, offline=run.offline)

        said: list[Mapping[str, Any]] = []

        def describe(repair: Repair, folder: Path) -> None:
            said[:] = [portable(repair_dict(repair), page)]
            write_whole(model_card(repair, out, licence_of(repair)), folder / "README.md")
            write_whole(result_text(said[0]), folder / "fix.json")

        try:
            repair = fixed(
                instruct, base, data, out, loaded, settings,
                revisions=(base_revision, revision),
                options=options,
                audit=inputs.settings_of(StatisticsFlags(seed=seed)),
                resume=resume,
                listener=Listener(report.progress, report.trained, report.notice),
                describe=describe,
            )  # fmt: skip
        except KeyboardInterrupt:
            if worth_resuming(out):
                raise Interrupted("the same command with --resume continues from its last checkpoint") from None
            raise
    if rank() > 0:  # torchrun's first process speaks for all
        return
    from calibaudit.report.terminal.repair import render_repair

    result = said[0] if said else portable(repair_dict(repair), page)
    deliver(result, (), page, lambda console: render_repair(repair, console, quiet=page.quiet))
    sys.stdout.flush()
    raise typer.Exit(repair.verdict.exit_code)


def _check_there(
    models: tuple[str, str], revisions: tuple[str | None, str | None], data: str | None, *, offline: bool
) -> None:
    """What is missing is told before PyTorch is imported, which takes seconds. Raises CalibauditError."""
    from calibaudit.models.checkpoints import base_beside, find_checkpoint
    from calibaudit.scoring.engines.address import refuse_served
    from calibaudit.training.data.sources import check_source

    refuse_served(models, "a repair tunes and compares them")
    if data is not None:
        check_source(data)
    tuned, _ = base_beside(*models, offline=offline)
    for name, revision in zip((models[0], tuned), revisions, strict=True):
        find_checkpoint(name, revision=revision, offline=offline)


def _changed(flags: Any) -> dict[str, Any]:
    """What of a group of flags is not as its default has it; a switch's value is empty."""
    changed = {}
    for field in fields(flags):
        value = getattr(flags, field.name)
        if value != field.default:
            changed["--" + field.name.replace("_", "-")] = "" if value is True else getattr(value, "value", value)
    return changed


def _refuse_tuning(method: MethodChoice, given: dict[str, object]) -> None:
    """Raises CalibauditError for the first flag of a smoothed run that has a value, where none is made."""
    from calibaudit.errors import CalibauditError

    for flag, value in given.items():
        if value is not None:
            told = f"{value:g}" if isinstance(value, float) else str(value)
            raise CalibauditError(f"{f'{flag} {told}'.strip()}: only --method smooth trains, not {method.value}")


def _factor(text: str) -> float | None:
    """--smoothing: None for auto. Raises CalibauditError for what is neither auto nor a number."""
    from calibaudit.errors import CalibauditError

    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise CalibauditError(f"--smoothing {text}: give a factor between 0 and 1, or auto") from None
