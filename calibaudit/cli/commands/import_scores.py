"""The command `import`, and `import-lm-eval` as it was called. Only Typer is imported at the top."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from calibaudit.cli.commands.score import deliver_audit
from calibaudit.cli.groups import FileFlags, PageFlags, StatisticsFlags
from calibaudit.cli.options import Debug, Expert, Scoring


class ValuesChoice(str, Enum):
    probabilities = "probabilities"
    logprobs = "logprobs"
    logits = "logits"


def import_scores(
    logs: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Logs or tables of one model, or their folders.")
    ],
    *,
    task: Annotated[
        str | None, typer.Option("--task", metavar="NAME", help="What to call the one task.", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="What to call the model.", show_default=False)
    ] = None,
    scoring: Scoring = None,
    values: Annotated[
        ValuesChoice | None,
        typer.Option(
            "--values",
            metavar="probabilities|logprobs|logits",
            help="Tables: what the options' numbers are, where it cannot be seen.",
            show_default=False,
        ),
    ] = None,
    answers_from: Annotated[
        int | None,
        typer.Option(
            "--answers-from", metavar="0|1", min=0, max=1, help="Tables: the first option's number.", show_default=False
        ),
    ] = None,
    options: Annotated[
        str,
        typer.Option(
            "--options",
            metavar="NAME,NAME,...",
            help="Tables: the columns of the options' numbers [default: A,B,C,...].",
            show_default=False,
        ),
    ] = "",
    groups: Annotated[
        str | None,
        typer.Option(
            "--groups", metavar="COLUMN", help="Tables: the column of the groups [default: group].", show_default=False
        ),
    ] = None,
    rest_outside: Annotated[
        bool, typer.Option("--rest-outside", help="Tables: what a row lacks of 1 is outside the options.")
    ] = False,
    statistics: StatisticsFlags,
    files: FileFlags,
    page: PageFlags,
    expert: Expert = False,
    debug: Debug = False,
) -> None:
    """Audit what another harness logged, or a table of options' probabilities, and save it (-o) as scores.

    Known by looking: lm-evaluation-harness, lighteval, inspect-ai, OpenCompass, HELM; CSV, JSONL, Parquet.
    """
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.cli.outputs import checked_outputs
    from calibaudit.cli.progress.reporter import reporter
    from calibaudit.scores.logs.formats import read_logs
    from calibaudit.scores.logs.settings import ImportSettings

    paths = checked_outputs(files, two_models=False)
    settings = ImportSettings(
        scoring=None if scoring is None else scoring.value,
        task=task,
        model=model,
        values=None if values is None else values.value,
        answers_from=answers_from,
        options=tuple(name.strip() for name in options.split(",") if name.strip()),
        groups=groups,
        rest_outside=rest_outside,
    )
    with reporter(silent=page.quiet) as report:
        scores = read_logs(logs, report.notice, settings)
    deliver_audit(scores, (), statistics, paths, page, expert)


def import_lm_eval(
    samples: Annotated[
        list[Path], typer.Argument(metavar="SAMPLES...", help="Sample files (.jsonl) of one model, or their folders.")
    ],
    *,
    scoring: Scoring = None,
    statistics: StatisticsFlags,
    files: FileFlags,
    page: PageFlags,
    expert: Expert = False,
    debug: Debug = False,
) -> None:
    """Audit what lm-evaluation-harness logged (--log_samples), and save it (-o) as scores: no model is run."""
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.cli.outputs import checked_outputs
    from calibaudit.cli.progress.reporter import reporter
    from calibaudit.scores.logs.lm_eval import read_lm_eval

    paths = checked_outputs(files, two_models=False)
    with reporter(silent=page.quiet) as report:
        scores = read_lm_eval(samples, None if scoring is None else scoring.value, report.notice)
    deliver_audit(scores, (), statistics, paths, page, expert)
