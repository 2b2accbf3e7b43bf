"""The commands `gate` and `bless`. Only Typer is imported at the top; the rest when a command runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibaudit.cli.groups import (
    ChatFlags,
    EngineFlags,
    FileFlags,
    ItemFlags,
    PageFlags,
    RunFlags,
    SessionFlags,
    StatisticsFlags,
)
from calibaudit.cli.options import BatchSize, revision_of

if TYPE_CHECKING:
    from calibaudit.tasks.items import Task


def gate(
    baseline: Annotated[
        str, typer.Argument(metavar="BASELINE", help="What was good: a blessed file, saved scores, or a checkpoint.")
    ],
    candidate: Annotated[
        str, typer.Argument(metavar="CANDIDATE", help="What is to be merged: a checkpoint or saved scores.")
    ],
    *,
    margin: Annotated[
        float, typer.Option("--margin", metavar="X", help="Worsening of ECE or |gap| that is no alarm.")
    ] = 0.02,
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="X", help="Rate of false alarms, all tasks together.")
    ] = 0.05,
    max_ece: Annotated[
        float | None, typer.Option("--max-ece", metavar="X", help="Limit on the candidate's ECE.", show_default=False)
    ] = None,
    max_gap: Annotated[
        float | None,
        typer.Option("--max-gap", metavar="X", help="Limit on its |confidence - accuracy|.", show_default=False),
    ] = None,
    max_brier: Annotated[
        float | None, typer.Option("--max-brier", metavar="X", help="Limit on its Brier score.", show_default=False)
    ] = None,
    min_items: Annotated[
        int, typer.Option("--min-items", metavar="N", help="Items a task needs to be judged on its own.")
    ] = 100,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 when inconclusive.")] = False,
    items: ItemFlags,
    run: RunFlags,
    engines: EngineFlags,
    chat: ChatFlags,
    batch_size: BatchSize = "auto",
    baseline_revision: Annotated[str | None, revision_of("BASELINE", "--baseline-revision")] = None,
    revision: Annotated[str | None, revision_of("CANDIDATE")] = None,
    statistics: StatisticsFlags,
    files: FileFlags,
    page: PageFlags,
    session: SessionFlags,
) -> None:
    """Fail when calibration regressed: exit 1; 0 when it did not; 3 when that is open, under --strict.

    Exit 2 when the two sides cannot be compared: other items, scoring or chat template. That is never a regression.
    """
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.cli.outputs import checked_outputs, complain, deliver
    from calibaudit.cli.progress import reporter
    from calibaudit.gating import Limits
    from calibaudit.models.distributed import rank
    from calibaudit.scores.saved import is_saved_scores

    limits = Limits(margin, alpha, max_ece, max_gap, max_brier, min_items, strict)
    models = (baseline, candidate)
    paths = checked_outputs(files, gated=True)
    options = inputs.run_options(run, chat, batch_size, engines)
    asked = inputs.asked(models, items, offline=run.offline)
    if asked.tasks is not None:
        for name in filter(is_saved_scores, models):
            _check_items(name, asked.tasks)
    with reporter(silent=page.quiet or session.no_progress) as report:
        report.warnings_of(asked.loaded())
        models = inputs.on_its_base(models, report, offline=run.offline)
        sides = inputs.score_all(models, (baseline_revision, revision), asked, options, report, engines)
    if rank() > 0:  # torchrun's first process speaks for all
        return
    from calibaudit.analysis.compare import compare
    from calibaudit.analysis.worst_errors import worst_new_errors
    from calibaudit.gating import gate as gated
    from calibaudit.report import github
    from calibaudit.report.result_json import comparison_dict
    from calibaudit.report.terminal.verdict import render_verdict
    from calibaudit.report.words.reach import reach_notes
    from calibaudit.scores.align import without_doubles

    before, after = without_doubles(*sides)
    settings = replace(inputs.settings_of(statistics), level=1 - alpha)
    verdict = gated(before, after, limits, settings)
    summary = github.summary_path()
    comparison = compare(before, after, settings)
    saved = comparison_dict(comparison, errors=worst_new_errors(before, after, asked.loaded()))
    result = {**saved, "verdict": verdict.to_dict()}
    warnings = (*reach_notes(comparison), *comparison.warnings)
    in_log = github.on_actions() and not page.json
    with github.inert_log(in_log):
        deliver(
            result,
            paths,
            page,
            lambda console: render_verdict(verdict, warnings, console, quiet=page.quiet),
        )
    if in_log:
        github.annotate(verdict, warnings)
    sys.stdout.flush()
    if summary is not None:
        try:
            github.append_summary(result, summary)
        except OSError as error:
            reason = error.strerror or error
            complain(f"the step's summary {summary} cannot be written: {reason}")
    raise typer.Exit(verdict.exit_code)


def bless(
    candidate: Annotated[str, typer.Argument(metavar="CANDIDATE", help="Checkpoint or saved scores.")],
    *,
    items: ItemFlags,
    run: RunFlags,
    engines: EngineFlags,
    chat: ChatFlags,
    batch_size: BatchSize = "auto",
    revision: Annotated[str | None, revision_of("CANDIDATE")] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The baseline, to be committed.")
    ] = Path("baseline.json"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing.")] = False,
    session: SessionFlags,
) -> None:
    """Write the baseline that `gate` holds later candidates against: small, one line an item, meant to be committed."""
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.cli.outputs import say
    from calibaudit.cli.progress import reporter
    from calibaudit.errors import OutputError
    from calibaudit.files.write import check_writable, write_whole
    from calibaudit.models.distributed import rank
    from calibaudit.scores.align import without_doubles
    from calibaudit.scores.baseline import bless as blessed

    if output.suffix != ".json":
        raise OutputError(f"{output}: a baseline's name must end in .json: that is how `gate` tells it from a model")
    check_writable(output)
    options = inputs.run_options(run, chat, batch_size, engines)
    asked = inputs.asked([candidate], items, offline=run.offline)
    with reporter(silent=quiet or session.no_progress) as report:
        report.warnings_of(asked.loaded())
        (scores,) = inputs.score_all([candidate], [revision], asked, options, report, engines)
    if rank() > 0:  # torchrun's first process speaks for all
        return
    scores, _ = without_doubles(scores, scores)
    text = blessed(scores)
    write_whole(text, output)
    if not quiet:
        n_items = sum(part.n_items for part in scores)
        size = len(text.encode())
        say(
            f"{output}: {len(scores)} task{'s' * (len(scores) != 1)}, {n_items:,} items, {size / 1000:,.0f} kB "
            f"({size / n_items:.0f} bytes an item). Commit it, then: calibaudit gate {output} CANDIDATE"
        )


def _check_items(name: str, tasks: Sequence[Task]) -> None:
    """Raise ScoresError before anything is scored when saved scores are of other items than the tasks'."""
    from calibaudit.errors import ScoresError
    from calibaudit.scores.saved import read_saved

    held = read_saved(name, [task.name for task in tasks])
    for task in tasks:
        for entry in (entry for entry in held if entry.task == task.name):
            if entry.scoring != task.scoring:
                raise ScoresError(
                    f"task {task.name!r}: scoring differs: {entry.scoring} in {name}, {task.scoring} now; give "
                    f"--scoring {entry.scoring}, or bless a new baseline"
                )
            if entry.fingerprint != task.fingerprint and entry.version != task.version:
                raise ScoresError(
                    f"task {task.name!r}: its items changed: version {entry.version} in {name}, {task.version} now; "
                    "bless again"
                )
            if entry.fingerprint != task.fingerprint:
                raise ScoresError(
                    f"task {task.name!r}: {name} holds other items, or the same in another prompt ({entry.n_items} "
                    f"items, fingerprint {entry.fingerprint[:12]}; now {len(task.items)}, {task.fingerprint[:12]}); "
                    "use the same task file, --num-fewshot, --fewshot-seed, --limit and --per-level, or bless a new "
                    "baseline"
                )
