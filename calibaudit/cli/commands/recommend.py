"""The command `recommend`. Only Typer is imported at the top; the rest when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Annotated

from calibaudit.cli.groups import (
    ChatFlags,
    EngineFlags,
    FileFlags,
    ItemFlags,
    PageFlags,
    PairFlags,
    RunFlags,
    SessionFlags,
    StatisticsFlags,
    TuningFlags,
)
from calibaudit.cli.help.completion import complete_rows
from calibaudit.cli.help.panels import in_statistics, in_tuning
from calibaudit.cli.options import Base, BatchSize, Instruct, Output

if TYPE_CHECKING:
    from calibaudit.advice.recommendation import GridPoint, PilotRun
    from calibaudit.cli.progress.reporter import Reporter
    from calibaudit.scoring.evaluate import RunOptions
    from calibaudit.training.prepare import Prepared
    from calibaudit.training.settings import TrainingSettings


class PilotPriorChoice(str, Enum):
    both = "both"
    uniform = "uniform"
    base = "base"


def recommend(
    base: Base = None,
    instruct: Instruct = None,
    *,
    margin: Annotated[
        float | None,
        in_statistics(
            "--margin",
            metavar="X",
            min=0,
            max=1,
            help="Gap, to either side, that may stay.",
            show_default="as little as BASE allows; .03 in a pilot",
        ),
    ] = None,
    pilot: Annotated[bool, in_tuning("--pilot", help="Tune BASE briefly at several factors, and compare.")] = False,
    data: Annotated[
        str | None,
        in_tuning(
            "--data",
            metavar="DATA",
            autocompletion=complete_rows,
            help="Tuning rows of the pilot: a JSONL, CSV or Parquet file, a folder, a hub id, or demo:sft.",
            show_default="none",
        ),
    ] = None,
    prior: Annotated[
        PilotPriorChoice, in_tuning("--prior", help="What the pilot smooths towards.")
    ] = PilotPriorChoice.both,
    tuning: TuningFlags,
    train_batch_size: Annotated[
        int | None,
        in_tuning("--train-batch-size", metavar="N", min=1, help="Rows per step of the pilot.", show_default="8"),
    ] = None,
    items: ItemFlags,
    run: RunFlags,
    engines: EngineFlags,
    chat: ChatFlags,
    batch_size: BatchSize = "auto",
    pair: PairFlags,
    seed: Annotated[
        int, in_statistics("--seed", metavar="N", min=0, help="Seed of the pilot and of the ECE floor.")
    ] = 0,
    output: Output = None,
    page: PageFlags,
    session: SessionFlags,
) -> None:
    """Say what would repair calibration, and what is advised.

    The repairs that could serve are ranked by what they would give. Without models: for the bundled pair. Nothing is
    trained without --pilot, and the other options under Tuning count only with it.
    """
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.cli.outputs import checked_outputs, deliver
    from calibaudit.cli.progress.reporter import reporter
    from calibaudit.errors import CalibauditError
    from calibaudit.models.distributed import rank
    from calibaudit.scores.saved import is_saved_scores
    from calibaudit.scoring.engines.address import refuse_served

    models = inputs.pair_of(base, instruct)
    paths = checked_outputs(FileFlags(output=output))
    options = inputs.run_options(run, chat, batch_size, engines)
    settings = inputs.settings_of(StatisticsFlags(seed=seed))
    if data is not None and not pilot:
        raise CalibauditError(f"--data {data}: only a pilot trains; add --pilot")
    if pilot:
        from calibaudit.advice.pilot import PRIORS, read_grid
        from calibaudit.training.data.sources import check_source

        if data is None:
            raise CalibauditError("--pilot tunes BASE: name the tuning rows with --data")
        if chat.chat_template == "both":
            raise CalibauditError("--chat-template both: a pilot is scored with one prompt; give auto or off")
        for name in filter(is_saved_scores, models):
            raise CalibauditError(f"{name}: saved scores cannot be tuned; --pilot needs checkpoints")
        refuse_served(models, "--pilot tunes them")
        check_source(data)
        points = read_grid(tuning.grid, [one for one in PRIORS if prior.value in ("both", one)])
        training = inputs.training_settings(data, tuning, train_batch_size, seed)
    asked = inputs.asked(models, items, offline=run.offline)
    runs: Sequence[PilotRun] = ()
    with reporter(silent=page.quiet or session.no_progress) as report:
        report.warnings_of(asked.loaded())
        models = inputs.on_its_base(models, report, offline=run.offline)
        if pilot:
            from calibaudit.models.formats.digests import Digests
            from calibaudit.training.data.kinds import read_columns
            from calibaudit.training.prepare import prepare

            assert data is not None
            plan = prepare(
                *models, data, asked.loaded(),
                max_length=tuning.max_length, split=tuning.split, columns=read_columns(tuning.columns),
                revisions=pair.both(), offline=run.offline,
                chat=options.chat.for_rows(), digests=Digests(options.cache, options.verify),
            )  # fmt: skip
            assert plan.data is not None  # there are rows
            report.notices(plan.data.notices())
            asked = replace(asked, tasks=plan.tasks)
        sides = inputs.score_all(models, pair.both(), asked, options, report, engines)
        if pilot:
            runs = _run_pilot(plan, points, training, options, sides[1][0].model.dtype, report)
    if rank() > 0:  # torchrun's first process speaks for all
        return
    from calibaudit.advice.head_bound import head_of
    from calibaudit.advice.recommend import MARGIN, recommend_from_pilot
    from calibaudit.advice.recommend import recommend as recommended
    from calibaudit.advice.tuning_signs import sign_of_model
    from calibaudit.analysis.compare import compare
    from calibaudit.analysis.worst_errors import worst_new_errors
    from calibaudit.report.result_json import comparison_dict
    from calibaudit.report.terminal.advice import render_advice
    from calibaudit.scores.align import without_doubles

    before, after = without_doubles(*sides)
    comparison = compare(before, after, settings)
    head = head_of(*models, pair.both(), offline=run.offline, kept_in=options.cache)
    if runs:
        gap = comparison.pooled.after.metrics["gap"]
        allowed = MARGIN if margin is None else margin
        advice = recommend_from_pilot(runs, allowed, settings=settings, head=head, tuned_gap=gap)
    else:
        sign = sign_of_model(models[1], pair.both()[1], comparison.after.name)
        advice = recommended(before, after, comparison, margin=margin, head=head, sign=sign)
    result = comparison_dict(comparison, advice, errors=worst_new_errors(before, after, asked.loaded()))
    deliver(result, paths, page, lambda console: render_advice(comparison, advice, console, quiet=page.quiet))


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
        report.trained(f"tuning, {label}", step, n_steps, loss, speed)

    return pilot(
        plan.base, plan.base, plan.tokenizer, plan.examples, plan.tasks, training,
        grid=points, options=options, dtype=dtype,
        listener=PilotListener(training=trained, progress=report.progress, notice=report.notice),
    )  # fmt: skip
