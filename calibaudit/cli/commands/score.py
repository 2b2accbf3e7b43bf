"""The command `score`. Only Typer is imported at the top; the rest when it runs."""

from __future__ import annotations

from collections.abc import Sequence
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
from calibaudit.cli.help.completion import complete_models
from calibaudit.cli.options import BatchSize, Expert, SaveThoughts, revision_of

if TYPE_CHECKING:
    from calibaudit.scores.scores import Scores
    from calibaudit.tasks.items import Task


def score(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=complete_models,
            help="A checkpoint (folder, hub id or server:URL#MODEL) or saved scores.",
        ),
    ],
    *,
    items: ItemFlags,
    run: RunFlags,
    engines: EngineFlags,
    chat: ChatFlags,
    save_thoughts: SaveThoughts = False,
    batch_size: BatchSize = "auto",
    revision: Annotated[str | None, revision_of("MODEL")] = None,
    statistics: StatisticsFlags,
    files: FileFlags,
    page: PageFlags,
    expert: Expert = False,
    session: SessionFlags,
) -> None:
    """Audit one checkpoint, and keep its scores (-o).

    Saved scores stand for the model in every later call, and nothing is run again.
    """
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.cli.outputs import checked_outputs
    from calibaudit.cli.progress.reporter import reporter
    from calibaudit.models.distributed import rank
    from calibaudit.scores.align import without_doubles

    paths = checked_outputs(files, two_models=False)
    options = inputs.run_options(run, chat, batch_size, engines, save_thoughts=save_thoughts)
    asked = inputs.asked([model], items, offline=run.offline)
    with reporter(silent=page.quiet or session.no_progress) as report:
        report.warnings_of(asked.loaded())
        (scores,) = inputs.score_all([model], [revision], asked, options, report, engines)
    if rank() > 0:  # torchrun's first process speaks for all
        return
    scores, _ = without_doubles(scores, scores)
    deliver_audit(scores, asked.loaded(), statistics, paths, page, expert)


def deliver_audit(
    scores: Sequence[Scores],
    tasks: Sequence[Task],
    statistics: StatisticsFlags,
    paths: Sequence[Path],
    page: PageFlags,
    expert: bool,
) -> None:
    """One model's audit with its raw scores, saved and shown."""
    from calibaudit.analysis.audit import audit_model
    from calibaudit.analysis.worst_errors import worst_errors
    from calibaudit.cli.inputs import settings_of
    from calibaudit.cli.outputs import deliver
    from calibaudit.report.result_json import audit_dict
    from calibaudit.report.terminal.comparison import render_audit

    audit = audit_model(scores, settings_of(statistics))
    saved = audit_dict(audit, errors=worst_errors(scores, tasks))
    result = {**saved, "scores": [entry.to_dict() for entry in scores]}
    deliver(result, paths, page, lambda console: render_audit(audit, console, quiet=page.quiet, expert=expert))
