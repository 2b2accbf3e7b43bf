"""The command `recommend`. Only Typer is imported at the top; the rest when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from calibaudit.cli.options import (
    AsJson,
    BatchSize,
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
    Output,
    Quiet,
    Resamples,
    Scoring,
    Tasks,
)

if TYPE_CHECKING:
    from calibaudit.advice.head_bound import HeadBound
    from calibaudit.advice.pilot import GridPoint
    from calibaudit.advice.recommendation import PilotRun
    from calibaudit.cli.inputs import Reporter
    from calibaudit.scoring.evaluate import RunOptions
    from calibaudit.training.prepare import Prepared
    from calibaudit.training.settings import TrainingSettings


class PilotPriorChoice(str, Enum):
    both = "both"
    uniform = "uniform"
    base = "base"


def recommend(
    base: Annotated[
        str | None,
        typer.Argument(
            metavar="BASE",
            help="Checkpoint before tuning: folder, hub id or saved scores [default: demo:base].",
            show_default=False,
        ),
    ] = None,
    instruct: Annotated[
        str | None,
        typer.Argument(
            metavar="INSTRUCT", help="Checkpoint after tuning: the same [default: demo:instruct].", show_default=False
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0,
            max=1,
            help="Overconfidence that smoothing need not remove [default: .03, more where base's own is].",
            show_default=False,
        ),
    ] = None,
    pilot: Annotated[bool, typer.Option("--pilot", help="Tune BASE at several factors, briefly, and compare.")] = False,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Pilot: tuning rows: a JSONL or Parquet file, a folder, a hub id, or demo:sft.",
            show_default=False,
        ),
    ] = None,
    grid: Annotated[str, typer.Option(metavar="X,X", help="Pilot: the factors, apart from 0.")] = "0.1,0.3,0.5,0.7",
    prior: Annotated[PilotPriorChoice, typer.Option(help="Pilot: what to smooth towards.")] = PilotPriorChoice.both,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="X", help="Pilot: AdamW's peak [default: 2e-5].", show_default=False)
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(metavar="X", help="Pilot: times through the rows [default: 2].", show_default=False),
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Pilot: stop after N steps instead.", show_default=False)
    ] = None,
    train_batch_size: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Pilot: rows a step [default: 8].", show_default=False)
    ] = None,
    max_length: Annotated[int, typer.Option(metavar="N", min=8, help="Pilot: tokens of a row.")] = 4096,
    split: Annotated[str, typer.Option(metavar="NAME", help="Pilot: which split of a hub data set.")] = "train",
    tasks: Tasks = None,
    limit: Limit = None,
    num_fewshot: NumFewshot = None,
    scoring: Scoring = None,
    chat_template: ChatTemplate = ChatTemplateChoice.auto,
    batch_size: BatchSize = "auto",
    dtype: DType = "auto",
    device: Device = "auto",
    base_revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Hub revision of BASE.", show_default=False)
    ] = None,
    instruct_revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Hub revision of INSTRUCT.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the resampling and of the pilot.")] = 0,
    fewshot_seed: FewshotSeed = 1234,
    resamples: Resamples = 1000,
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    mirror: Mirror = None,
    offline: Offline = False,
    output: Output = None,
    json: AsJson = False,
    quiet: Quiet = False,
    no_progress: NoProgress = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Say how much label smoothing the next tuning needs, towards what, how sure that is, and when not to trust it.

    With no models, for the bundled demo pair. Nothing is trained, except with --pilot.
    """
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.analysis.settings import Settings
    from calibaudit.errors import CalibauditError
    from calibaudit.models.distributed import rank
    from calibaudit.scores.align import without_doubles
    from calibaudit.scores.saved import is_saved_scores

    base, instruct = inputs.pair_of(base, instruct)
    output = inputs.outputs(output, None)
    options = inputs.run_options(chat_template, batch_size, dtype, device, cache_dir, no_cache, offline)
    names = inputs.split_names(tasks) or inputs.saved_task_names((base, instruct))
    if data is not None and not pilot:
        raise CalibauditError(f"--data {data}: only a pilot trains; add --pilot")
    if pilot:
        from calibaudit.advice.pilot import PRIORS, read_grid

        if data is None:
            raise CalibauditError("--pilot tunes BASE: name the tuning rows with --data")
        if chat_template is ChatTemplateChoice.both:
            raise CalibauditError("--chat-template both: a pilot is scored with one prompt; give auto or off")
        for name in filter(is_saved_scores, (base, instruct)):
            raise CalibauditError(f"{name}: saved scores cannot be tuned; --pilot needs checkpoints")
        points = read_grid(grid, [one for one in PRIORS if prior.value in ("both", one)])
        training = _training(data, learning_rate, epochs, max_steps, train_batch_size, seed)
    loaded = None
    if not (is_saved_scores(base) and is_saved_scores(instruct)):
        loaded = inputs.tasks_of(names, num_fewshot, fewshot_seed, limit, mirror, offline, scoring)
    runs: Sequence[PilotRun] = ()
    revisions = (base_revision, instruct_revision)
    with inputs.reporter(silent=quiet or no_progress) as report:
        report.notices(warning for task in loaded or () for warning in task.warnings)
        if pilot:
            from calibaudit.training.prepare import prepare

            assert data is not None
            assert loaded is not None
            plan = prepare(
                base, instruct, data, loaded,
                max_length=max_length, split=split, revisions=revisions, offline=offline,
            )  # fmt: skip
            report.notices(plan.data.notices())
            loaded = plan.tasks
        before, after = (
            inputs.scores_of(name, names, loaded, replace(options, revision=revision), report)
            for name, revision in zip((base, instruct), revisions, strict=True)
        )
        if pilot:
            runs = _run_pilot(plan, points, training, options, after[0].model.dtype, report)
    if rank() > 0:  # torchrun's first process speaks for all
        return
    from calibaudit.advice.recommend import MARGIN, recommend_from_pilot
    from calibaudit.advice.recommend import recommend as recommended
    from calibaudit.analysis.compare import compare
    from calibaudit.analysis.worst_errors import worst_new_errors
    from calibaudit.report.result_json import comparison_dict
    from calibaudit.report.terminal.advice import render_advice

    before, after = without_doubles(before, after)
    settings = Settings(seed=seed, n_resamples=resamples, n_permutations=resamples)
    comparison = compare(before, after, settings)
    head = head_of(base, instruct, revisions, offline=offline)
    if runs:
        gap = comparison.pooled.after.metrics["gap"]
        allowed = MARGIN if margin is None else margin
        advice = recommend_from_pilot(runs, allowed, settings=settings, head=head, tuned_gap=gap)
    else:
        advice = recommended(before, after, comparison, margin=margin, head=head)
    result = comparison_dict(comparison, advice, errors=worst_new_errors(before, after, loaded or ()))
    inputs.deliver(result, output, json, lambda console: render_advice(comparison, advice, console, quiet=quiet))


def head_of(base: str, instruct: str, revisions: Sequence[str | None], *, offline: bool) -> HeadBound | None:
    """How sure the tuned model's head can be, or base's; None where neither is a checkpoint whose head can be read."""
    from calibaudit.advice.head_bound import HeadBound, bound_checkpoint
    from calibaudit.scores.saved import is_saved_scores

    for name, revision in ((instruct, revisions[1]), (base, revisions[0])):
        if not is_saved_scores(name):
            found = bound_checkpoint(name, revision=revision, offline=offline)
            if isinstance(found, HeadBound):
                return found
    return None


def _training(
    data: str,
    learning_rate: float | None,
    epochs: float | None,
    max_steps: int | None,
    train_batch_size: int | None,
    seed: int,
) -> TrainingSettings:
    from calibaudit.cli.commands.fix import recipe_of
    from calibaudit.training.settings import TrainingSettings

    rate, times, rows = recipe_of(data)
    return TrainingSettings(
        label_smoothing=0.0,
        prior="uniform",
        learning_rate=rate if learning_rate is None else learning_rate,
        epochs=times if epochs is None else epochs,
        max_steps=max_steps,
        batch_size=rows if train_batch_size is None else train_batch_size,
        seed=seed,
    )


def _run_pilot(
    plan: Prepared,
    points: Sequence[GridPoint],
    training: TrainingSettings,
    options: RunOptions,
    dtype: str,
    report: Reporter,
) -> Sequence[PilotRun]:
    from calibaudit.advice.pilot import PilotListener, pilot

    def trained(label: str, step: int, n_steps: int, loss: float, speed: float) -> None:
        report.progress(f"tuning, {label}", step, n_steps, f"loss {loss:.3f}, {speed:,.0f} tokens/s")

    return pilot(
        plan.base, plan.base, plan.tokenizer, plan.examples, plan.tasks, training,
        grid=points, options=options, dtype=dtype,
        listener=PilotListener(training=trained, progress=report.progress, notice=report.notice),
    )  # fmt: skip
