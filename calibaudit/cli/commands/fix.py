"""The command `fix`. Only Typer is imported at the top; the rest when it runs."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from calibaudit.cli.options import (
    AsJson,
    CacheDir,
    ChatTemplate,
    ChatTemplateChoice,
    Config,
    Debug,
    Device,
    DType,
    FewshotSeed,
    Limit,
    Mirror,
    NoCache,
    NoProgress,
    NumFewshot,
    Offline,
    Quiet,
    Resamples,
    Scoring,
    Tasks,
)


class StartChoice(str, Enum):
    base = "base"
    instruct = "instruct"


class PriorChoice(str, Enum):
    auto = "auto"
    uniform = "uniform"
    base = "base"


def fix(
    instruct: Annotated[str, typer.Argument(metavar="INSTRUCT", help="The tuned checkpoint: folder or hub id.")],
    base: Annotated[str, typer.Option(metavar="BASE", help="The checkpoint it was tuned from.")],
    data: Annotated[
        str, typer.Option(metavar="DATA", help="Tuning rows: a JSONL or Parquet file, a folder, a hub id, or demo:sft.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the repaired checkpoint goes.")],
    smoothing: Annotated[
        str, typer.Option(metavar="auto|X", help="Smoothing factor; auto: as recommended, from half of the items.")
    ] = "auto",
    prior: Annotated[
        PriorChoice, typer.Option(help="What to smooth towards; auto: as recommended, base with a given factor.")
    ] = PriorChoice.auto,
    start: Annotated[
        StartChoice, typer.Option(help="base: tune again from BASE. instruct: go on from INSTRUCT.")
    ] = StartChoice.base,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="X", help="Peak of AdamW's [default: 2e-5].", show_default=False)
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(metavar="X", help="Times through the rows [default: 2].", show_default=False)
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after N steps instead.", show_default=False)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Rows a forward pass [default: 8].", show_default=False)
    ] = None,
    gradient_accumulation: Annotated[int, typer.Option(metavar="N", min=1, help="Forward passes a step.")] = 1,
    max_length: Annotated[int, typer.Option(metavar="N", min=8, help="Tokens of a row; longer ones are cut.")] = 4096,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Less memory, more time.")
    ] = False,
    lora: Annotated[
        bool, typer.Option("--lora", help="Train an adapter and merge it (needs calibaudit[peft]).")
    ] = False,
    lora_rank: Annotated[int, typer.Option(metavar="N", min=1, help="The adapter's rank.")] = 16,
    pilot: Annotated[
        bool, typer.Option("--pilot", help="Choose the factor by tuning at each of --grid, as long as the run itself.")
    ] = False,
    grid: Annotated[str, typer.Option(metavar="X,X", help="Pilot: the factors, apart from 0.")] = "0.1,0.3,0.5,0.7",
    split: Annotated[str, typer.Option(metavar="NAME", help="Which split of a hub data set.")] = "train",
    save_steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Keep a checkpoint every N steps for --resume.", show_default=False),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run of the same call.")] = False,
    accuracy_margin: Annotated[float, typer.Option(metavar="X", help="Loss of accuracy that is no failure.")] = 0.02,
    tasks: Tasks = None,
    limit: Limit = None,
    num_fewshot: NumFewshot = None,
    scoring: Scoring = None,
    chat_template: ChatTemplate = ChatTemplateChoice.auto,
    dtype: DType = "auto",
    device: Device = "auto",
    base_revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Hub revision of BASE.", show_default=False)
    ] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Hub revision of INSTRUCT.", show_default=False)
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Seed of the training, the halves and the resampling.")
    ] = 0,
    fewshot_seed: FewshotSeed = 1234,
    resamples: Resamples = 1000,
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    mirror: Mirror = None,
    offline: Offline = False,
    json: AsJson = False,
    quiet: Quiet = False,
    no_progress: NoProgress = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Tune again with label smoothing, and show on held-out items whether it helped: exit 1 when it did not.

    DIR gets the checkpoint, a model card, fix.json and training.jsonl.
    """
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.advice.pilot import PRIORS, read_grid
    from calibaudit.analysis.settings import Settings
    from calibaudit.errors import CalibauditError, Interrupted
    from calibaudit.models.distributed import rank
    from calibaudit.repair.fix import FixSettings, Listener
    from calibaudit.repair.fix import fix as fixed
    from calibaudit.training.retune import check_folder, partial_folder
    from calibaudit.training.settings import LoraSettings, TrainingSettings

    if chat_template is ChatTemplateChoice.both:
        raise CalibauditError("--chat-template both: a repair is proven with one prompt; give auto or off")
    rate, times, rows = recipe_of(data)
    training = TrainingSettings(
        label_smoothing=0.0,
        prior="uniform",
        learning_rate=rate if learning_rate is None else learning_rate,
        epochs=times if epochs is None else epochs,
        max_steps=max_steps,
        batch_size=rows if batch_size is None else batch_size,
        accumulation=gradient_accumulation,
        seed=seed,
        gradient_checkpointing=gradient_checkpointing,
        lora=LoraSettings(rank=lora_rank, alpha=2 * lora_rank) if lora else None,
        save_steps=save_steps,
    )
    settings = FixSettings(
        start=start.value,
        smoothing=_factor(smoothing),
        prior=prior.value,
        training=training,
        max_length=max_length,
        split=split,
        accuracy_margin=accuracy_margin,
        pilot=read_grid(grid, PRIORS if prior is PriorChoice.auto else [prior.value]) if pilot else (),
    )
    check_folder(out, resume=resume)
    options = inputs.run_options(chat_template, "auto", dtype, device, cache_dir, no_cache, offline)
    names = inputs.split_names(tasks)
    loaded = inputs.tasks_of(names, num_fewshot, fewshot_seed, limit, mirror, offline, scoring)
    with inputs.reporter(silent=quiet or no_progress) as report:
        report.notices(warning for task in loaded for warning in task.warnings)

        def trained(step: int, n_steps: int, loss: float, tokens_per_second: float) -> None:
            report.progress("training", step, n_steps, f"loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s")

        try:
            repair = fixed(
                instruct, base, data, out, loaded, settings,
                revisions=(base_revision, revision),
                options=options,
                audit=Settings(seed=seed, n_resamples=resamples, n_permutations=resamples),
                resume=resume,
                listener=Listener(report.progress, trained, report.notice),
            )  # fmt: skip
        except KeyboardInterrupt:
            if partial_folder(out).exists():
                raise Interrupted("the same command with --resume goes on from its last checkpoint") from None
            raise
    if rank() > 0:  # torchrun's first process speaks for all
        return
    from calibaudit.report.model_card import model_card
    from calibaudit.report.repair_json import repair_dict
    from calibaudit.report.result_json import result_text, write_whole
    from calibaudit.report.terminal.repair import render_repair

    result = repair_dict(repair)
    if repair.proof is not None:
        write_whole(model_card(repair, out), out / "README.md")
        write_whole(result_text(result), out / "fix.json")
    inputs.deliver(result, None, json, lambda console: render_repair(repair, str(out), console, quiet=quiet))
    sys.stdout.flush()
    raise typer.Exit(repair.verdict.exit_code)


def recipe_of(data: str) -> tuple[float, float, int]:
    """Learning rate, epochs and rows a batch where no flag gives them: those of Huang, Lu, Zeng 2025 (arXiv 2508.00264)
    and 8 rows; for the bundled data, whose models are a thousandth of the usual size, those of the bundled instruct.
    """
    if data != "demo:sft":
        return 2e-5, 2.0, 8
    from calibaudit.demo.train import Recipe

    recipe = Recipe()
    return recipe.sft_rate, float(recipe.sft_epochs), recipe.sft_rows


def _factor(text: str) -> float | None:
    """--smoothing: None for auto. Raises CalibauditError for what is neither auto nor a number."""
    from calibaudit.errors import CalibauditError

    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise CalibauditError(f"--smoothing {text}: give a factor between 0 and 1, or auto") from None
