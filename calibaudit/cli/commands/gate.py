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
    GateFileFlags,
    ItemFlags,
    PageFlags,
    RunFlags,
    SessionFlags,
    StatisticsFlags,
)
from calibaudit.cli.help.completion import complete_models
from calibaudit.cli.help.panels import in_output, in_statistics
from calibaudit.cli.limits import LimitBins, LimitFlags
from calibaudit.cli.options import BatchSize, Seed, revision_of

if TYPE_CHECKING:
    from calibaudit.gating.limits import Rules
    from calibaudit.tasks.items import Task


def gate(
    baseline: Annotated[
        str,
        typer.Argument(
            metavar="BASELINE",
            autocompletion=complete_models,
            help="The baseline: a blessed file, saved scores or a checkpoint.",
        ),
    ],
    candidate: Annotated[
        str,
        typer.Argument(
            metavar="CANDIDATE",
            autocompletion=complete_models,
            help="Candidate to judge: a checkpoint or saved scores.",
        ),
    ],
    *,
    limits: LimitFlags,
    allow_looser: Annotated[
        bool,
        in_statistics("--allow-looser", help="Accept limits looser than the baseline's. Never read from a file."),
    ] = False,
    allow_missing: Annotated[
        bool,
        in_statistics("--allow-missing", help="Judge fewer tasks than the baseline holds. Never read from a file."),
    ] = False,
    items: ItemFlags,
    run: RunFlags,
    engines: EngineFlags,
    chat: ChatFlags,
    batch_size: BatchSize = "auto",
    baseline_revision: Annotated[str | None, revision_of("BASELINE", "--baseline-revision")] = None,
    revision: Annotated[str | None, revision_of("CANDIDATE")] = None,
    seed: Seed = 0,
    bins: LimitBins = 15,
    files: GateFileFlags,
    page: PageFlags,
    session: SessionFlags,
) -> None:
    """Fail when calibration got worse: a check for CI.

    Exit 0 when it did not, 1 when it did, 3 when the verdict is inconclusive and --strict is given. Exit 2 when the two
    sides cannot be compared: other items, scoring or chat template; that is not a regression. The candidate is asked
    what the baseline was asked, in the same way. Its limits can be tightened by options and files, not loosened.
    """
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.cli.limits import rules_of
    from calibaudit.cli.outputs import checked_outputs, complain, deliver, portable
    from calibaudit.cli.progress.reporter import reporter
    from calibaudit.cli.saved_prompts import check_prompts, with_template_of
    from calibaudit.gating.coverage import check_complete, check_source, coverage_of, in_common
    from calibaudit.models.distributed import rank
    from calibaudit.scores.saved import check_there, is_saved_scores, read_saved
    from calibaudit.scoring.engines.address import is_server

    models = (baseline, candidate)
    paths = checked_outputs(files, gated=True)
    check_there(models)
    rules = rules_of(baseline, limits, bins, allow_looser=allow_looser)
    scored = not is_saved_scores(candidate)
    held = read_saved(baseline, None) if is_saved_scores(baseline) and (scored or items.tasks) else None
    options = inputs.run_options(run, with_template_of(held or (), chat) if scored else chat, batch_size, engines)
    asked = inputs.asked(models, items, offline=run.offline)
    if asked.tasks is not None:
        for name in filter(is_saved_scores, models):
            _check_items(name, asked.tasks)
    if held is not None and scored:
        named = {task.name for task in asked.loaded()}
        judged = [part for part in held if part.task in named]
        if not allow_missing:
            check_complete(coverage_of(held, judged), baseline)
        if not is_server(candidate):
            check_prompts(judged, baseline, candidate, replace(options, revision=revision))
    with reporter(silent=page.quiet or session.no_progress) as report:
        report.warnings_of(asked.loaded())
        models = inputs.on_its_base(models, report, offline=run.offline)
        sides = inputs.score_all(models, (baseline_revision, revision), asked, options, report, engines)
    check_source(candidate, *sides)
    if rank() > 0:  # torchrun's first process speaks for all
        return
    from calibaudit.analysis.compare import compare
    from calibaudit.analysis.worst_errors import worst_new_errors
    from calibaudit.gating import gate as gated
    from calibaudit.report import github
    from calibaudit.report.result_json import comparison_dict
    from calibaudit.report.terminal.verdict import render_verdict
    from calibaudit.report.words.prompts import asked_facts
    from calibaudit.report.words.reach import reach_notes
    from calibaudit.scores.align import without_doubles

    before, after = without_doubles(*sides)
    coverage = coverage_of(held or before, after) if is_saved_scores(baseline) else None
    if allow_missing:
        before, after = in_common(before, after)
    elif coverage is not None:
        check_complete(coverage, baseline)
    settings = replace(inputs.settings_of(StatisticsFlags(seed, bins)), n_bins=rules.bins, level=1 - rules.limits.alpha)
    verdict = replace(gated(before, after, rules.limits, settings), in_force=rules.in_force, coverage=coverage)
    summary = github.summary_path()
    comparison = compare(before, after, settings)
    saved = comparison_dict(comparison, errors=worst_new_errors(before, after, asked.loaded()))
    result = {**saved, "verdict": verdict.to_dict()}
    result["warnings"] = [*([] if (text := _of_files(rules)) is None else [text]), *saved["warnings"]]
    warnings = (*reach_notes(comparison), *result["warnings"])
    how = asked_facts(comparison)
    in_log = github.on_actions() and not page.json
    with github.inert_log(in_log):
        deliver(
            result,
            paths,
            page,
            lambda console: render_verdict(verdict, warnings, console, asked=how, quiet=page.quiet),
        )
    if in_log:
        github.annotate(verdict, warnings)
    sys.stdout.flush()
    if summary is not None:
        try:
            github.append_summary(portable(result, page), summary)
        except OSError as error:
            reason = error.strerror or error
            complain(f"the step's summary {summary} cannot be written: {reason}")
    raise typer.Exit(verdict.exit_code)


def bless(
    candidate: Annotated[
        str,
        typer.Argument(
            metavar="CANDIDATE", autocompletion=complete_models, help="Checkpoint or saved scores to bless."
        ),
    ],
    *,
    limits: LimitFlags,
    bins: LimitBins = 15,
    items: ItemFlags,
    run: RunFlags,
    engines: EngineFlags,
    chat: ChatFlags,
    batch_size: BatchSize = "auto",
    revision: Annotated[str | None, revision_of("CANDIDATE")] = None,
    output: Annotated[
        Path, in_output("--output", "-o", metavar="FILE", help="The baseline file, to be committed.")
    ] = Path("baseline.json"),
    quiet: Annotated[bool, in_output("--quiet", "-q", help="Print nothing.")] = False,
    session: SessionFlags,
) -> None:
    """Write the baseline that gate holds candidates against.

    A small file, one line per item, meant to be committed. It holds the limits too: those of options and of the gate
    table in a settings file, else those of the baseline that it replaces.
    """
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.cli.limits import rules_to_bless
    from calibaudit.cli.outputs import say
    from calibaudit.cli.progress.reporter import reporter
    from calibaudit.errors import OutputError
    from calibaudit.files.paths import expanded
    from calibaudit.files.write import check_writable, write_whole
    from calibaudit.models.distributed import rank
    from calibaudit.report.words.verdict import limit_texts
    from calibaudit.scores.align import without_doubles
    from calibaudit.scores.baseline import bless as blessed

    output = expanded(output, OutputError)
    if output.suffix != ".json":
        raise OutputError(f"{output}: a baseline's name must end in .json: that is how `gate` tells it from a model")
    check_writable(output)
    rules = rules_to_bless(candidate, output, limits, bins)
    options = inputs.run_options(run, chat, batch_size, engines)
    asked = inputs.asked([candidate], items, offline=run.offline)
    with reporter(silent=quiet or session.no_progress) as report:
        report.warnings_of(asked.loaded())
        (scores,) = inputs.score_all([candidate], [revision], asked, options, report, engines)
    if rank() > 0:  # torchrun's first process speaks for all
        return
    scores, _ = without_doubles(scores, scores)
    text = blessed(scores, rules.values())
    write_whole(text, output)
    if not quiet:
        n_items = sum(part.n_items for part in scores)
        size = len(text.encode())
        say(
            f"{output}: {len(scores)} task{'s' * (len(scores) != 1)}, {n_items:,} item{'s' * (n_items != 1)}, "
            f"{size / 1000:,.0f} kB ({size / n_items:.0f} bytes an item). "
            f"Commit it, then: calibaudit gate {output} CANDIDATE"
        )
        say(f"Limits that it holds: {'; '.join(limit_texts(rules.in_force))}")


def _of_files(rules: Rules) -> str | None:
    """What to know where a settings file decides and the baseline does not."""
    from calibaudit.report.words.verdict import limit_text

    files = {entry.source for entry in rules.in_force} - {"default", "baseline"}
    files = {source for source in files if not source.startswith("--")}
    if rules.from_baseline or not files:
        return None
    named = ", ".join(limit_text(entry) for entry in rules.in_force if entry.source in files)
    return (
        f"the baseline holds no limits, so those of {', '.join(sorted(files))} count ({named}), which a change can set "
        "for itself: bless it again, and it holds them"
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
