"""The command `import`, and `import-lm-eval` as it was called. Only Typer is imported at the top."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from calibaudit.cli.commands.score import deliver_audit
from calibaudit.cli.groups import FileFlags, PageFlags, StatisticsFlags
from calibaudit.cli.help.panels import in_models, in_tasks
from calibaudit.cli.options import Debug, Expert, ScoringChoice, scoring_of


class ValuesChoice(str, Enum):
    probabilities = "probabilities"
    logprobs = "logprobs"
    logits = "logits"


def import_scores(
    logs: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Logs or tables of one model, or folders of them.")
    ],
    *,
    task: Annotated[
        str | None,
        in_tasks("--task", metavar="NAME", help="Name for the one task.", show_default="as the files have it"),
    ] = None,
    model: Annotated[
        str | None,
        in_models("--model", metavar="NAME", help="Name for the model.", show_default="as the files have it"),
    ] = None,
    scoring: Annotated[ScoringChoice | None, scoring_of("as the files have it")] = None,
    values: Annotated[
        ValuesChoice | None,
        in_tasks(
            "--values",
            metavar="probabilities|logprobs|logits",
            help="In tables: what the numbers of the options are.",
            show_default="as the numbers show",
        ),
    ] = None,
    answers_from: Annotated[
        int | None,
        in_tasks(
            "--answers-from",
            metavar="0|1",
            min=0,
            max=1,
            help="In tables: the number of the first option.",
            show_default="as the numbers show",
        ),
    ] = None,
    options: Annotated[
        str,
        in_tasks(
            "--options",
            metavar="NAME,NAME,...",
            help="In tables: the columns with the numbers of the options.",
            show_default="A,B,C,...",
        ),
    ] = "",
    groups: Annotated[
        str | None,
        in_tasks("--groups", metavar="COLUMN", help="In tables: the column with the groups.", show_default="group"),
    ] = None,
    rest_outside: Annotated[
        bool, in_tasks("--rest-outside", help="In tables: count what a row lacks to sum to 1 as outside the options.")
    ] = False,
    statistics: StatisticsFlags,
    files: FileFlags,
    page: PageFlags,
    expert: Expert = False,
    debug: Debug = False,
) -> None:
    """Audit what another harness logged, or a table of probabilities.

    Saved with -o, it can be used in the model's place. Formats are recognised by content: logs of
    lm-evaluation-harness, lighteval, inspect-ai, OpenCompass and HELM; tables in CSV, JSONL and Parquet.
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
        list[Path], typer.Argument(metavar="SAMPLES...", help="Sample files (.jsonl) of one model, or folders of them.")
    ],
    *,
    scoring: Annotated[ScoringChoice | None, scoring_of("as the files have it")] = None,
    statistics: StatisticsFlags,
    files: FileFlags,
    page: PageFlags,
    expert: Expert = False,
    debug: Debug = False,
) -> None:
    """Audit what lm-evaluation-harness logged (--log_samples): import under its older name."""
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.cli.outputs import checked_outputs
    from calibaudit.cli.progress.reporter import reporter
    from calibaudit.scores.logs.lm_eval import read_lm_eval

    paths = checked_outputs(files, two_models=False)
    with reporter(silent=page.quiet) as report:
        scores = read_lm_eval(samples, None if scoring is None else scoring.value, report.notice)
    deliver_audit(scores, (), statistics, paths, page, expert)
