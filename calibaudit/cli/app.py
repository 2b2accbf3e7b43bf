"""The command line: parse, call, render, exit code. Only Typer is imported at the top; the rest when a command runs.

Exit codes: 0 done; 1 the gate or a repair says no; 2 the call, the data or the model is unusable (one line on stderr);
3 inconclusive under --strict; 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibaudit.cli.commands.fix import fix
from calibaudit.cli.commands.gate import bless, gate
from calibaudit.cli.commands.recommend import head_of, recommend
from calibaudit.cli.commands.tasks import tasks_app
from calibaudit.cli.options import (
    AsJson,
    BatchSize,
    Bins,
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
    Plot,
    Quiet,
    Resamples,
    Scoring,
    Seed,
    Tasks,
)

if TYPE_CHECKING:
    from calibaudit.scores.scores import Scores
    from calibaudit.tasks.items import Task

app = typer.Typer(
    name="calibaudit",
    help="Audit what instruction tuning did to a language model's calibration.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(tasks_app, name="tasks")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"calibaudit {installed('calibaudit')}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def compare(
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
    seed: Seed = 0,
    fewshot_seed: FewshotSeed = 1234,
    bins: Bins = 15,
    resamples: Resamples = 1000,
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    mirror: Mirror = None,
    offline: Offline = False,
    output: Output = None,
    plot: Plot = None,
    json: AsJson = False,
    quiet: Quiet = False,
    no_progress: NoProgress = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Audit a base checkpoint and its tuned sibling: accuracy, ECE, Brier, overconfidence, and what tuning changed.

    With no models, the bundled demo pair on the bundled tasks.
    """
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.models.distributed import rank
    from calibaudit.scores.align import without_doubles
    from calibaudit.scores.saved import is_saved_scores

    base, instruct = inputs.pair_of(base, instruct)
    output = inputs.outputs(output, plot)
    options = inputs.run_options(chat_template, batch_size, dtype, device, cache_dir, no_cache, offline)
    names = inputs.split_names(tasks) or inputs.saved_task_names((base, instruct))
    loaded = None
    if not (is_saved_scores(base) and is_saved_scores(instruct)):
        loaded = inputs.tasks_of(names, num_fewshot, fewshot_seed, limit, mirror, offline, scoring)
    with inputs.reporter(silent=quiet or no_progress) as report:
        report.notices(warning for task in loaded or () for warning in task.warnings)
        before = inputs.scores_of(base, names, loaded, replace(options, revision=base_revision), report)
        after = inputs.scores_of(instruct, names, loaded, replace(options, revision=instruct_revision), report)
    if rank() > 0:  # torchrun's first process speaks for all
        return
    from calibaudit.advice.recommend import recommend as recommended
    from calibaudit.analysis.compare import compare as compared
    from calibaudit.analysis.settings import Settings
    from calibaudit.analysis.worst_errors import worst_new_errors
    from calibaudit.report.result_json import comparison_dict
    from calibaudit.report.terminal.comparison import render_comparison

    settings = Settings(seed=seed, n_bins=bins, n_resamples=resamples, n_permutations=resamples)
    before, after = without_doubles(before, after)
    comparison = compared(before, after, settings)
    head = head_of(base, instruct, (base_revision, instruct_revision), offline=offline)
    advice = recommended(before, after, comparison, head=head)
    result = comparison_dict(comparison, advice, errors=worst_new_errors(before, after, loaded or ()))
    inputs.deliver(result, output, json, lambda console: render_comparison(comparison, console, advice, quiet=quiet))


@app.command()
def score(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Checkpoint (folder or hub id) or saved scores.")],
    tasks: Tasks = None,
    limit: Limit = None,
    num_fewshot: NumFewshot = None,
    scoring: Scoring = None,
    chat_template: ChatTemplate = ChatTemplateChoice.auto,
    batch_size: BatchSize = "auto",
    dtype: DType = "auto",
    device: Device = "auto",
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Hub revision of MODEL.", show_default=False)
    ] = None,
    seed: Seed = 0,
    fewshot_seed: FewshotSeed = 1234,
    bins: Bins = 15,
    resamples: Resamples = 1000,
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    mirror: Mirror = None,
    offline: Offline = False,
    output: Output = None,
    plot: Plot = None,
    json: AsJson = False,
    quiet: Quiet = False,
    no_progress: NoProgress = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Audit one checkpoint, and save its scores (-o) for later comparisons."""
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.models.distributed import rank
    from calibaudit.scores.align import without_doubles
    from calibaudit.scores.saved import is_saved_scores

    output = inputs.outputs(output, plot, two_models=False)
    options = inputs.run_options(chat_template, batch_size, dtype, device, cache_dir, no_cache, offline)
    names = inputs.split_names(tasks)
    loaded = None
    if not is_saved_scores(model):
        loaded = inputs.tasks_of(names, num_fewshot, fewshot_seed, limit, mirror, offline, scoring)
    with inputs.reporter(silent=quiet or no_progress) as report:
        report.notices(warning for task in loaded or () for warning in task.warnings)
        scores = inputs.scores_of(model, names, loaded, replace(options, revision=revision), report)
    if rank() > 0:  # torchrun's first process speaks for all
        return
    scores, _ = without_doubles(scores, scores)
    _deliver_audit(scores, loaded or (), seed, bins, resamples, output, json, quiet)


@app.command("import-lm-eval")
def import_lm_eval(
    samples: Annotated[
        list[Path], typer.Argument(metavar="SAMPLES...", help="Sample files (.jsonl) of one model, or their folders.")
    ],
    scoring: Scoring = None,
    seed: Seed = 0,
    bins: Bins = 15,
    resamples: Resamples = 1000,
    output: Output = None,
    plot: Plot = None,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Audit what lm-evaluation-harness logged (--log_samples), and save it (-o) as scores: no model is run."""
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.scores.lm_eval import read_lm_eval

    output = inputs.outputs(output, plot, two_models=False)
    scores = read_lm_eval(samples, None if scoring is None else scoring.value)
    _deliver_audit(scores, (), seed, bins, resamples, output, json, quiet)


def _deliver_audit(
    scores: Sequence[Scores],
    tasks: Sequence[Task],
    seed: int,
    bins: int,
    resamples: int,
    output: Sequence[Path] | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """One model's audit with its raw scores, saved and shown."""
    from calibaudit.analysis.audit import audit_model
    from calibaudit.analysis.settings import Settings
    from calibaudit.analysis.worst_errors import worst_errors
    from calibaudit.cli import inputs
    from calibaudit.report.result_json import audit_dict
    from calibaudit.report.terminal.comparison import render_audit

    settings = Settings(seed=seed, n_bins=bins, n_resamples=resamples, n_permutations=resamples)
    audit = audit_model(scores, settings)
    saved = audit_dict(audit, errors=worst_errors(scores, tasks))
    result = {**saved, "scores": [entry.to_dict() for entry in scores]}
    inputs.deliver(result, output, as_json, lambda console: render_audit(audit, console, quiet=quiet))


app.command()(recommend)
app.command()(gate)
app.command()(bless)
app.command()(fix)


@app.command()
def report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A result that compare, score or gate saved as .json.")],
    output: Output = None,
    plot: Plot = None,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show a saved result again, or save it in other formats (-o report.html)."""
    from calibaudit.cli import inputs
    from calibaudit.report.result_json import read_result
    from calibaudit.report.saved import is_comparison
    from calibaudit.report.terminal.saved import page_of

    result = read_result(file)
    output = inputs.outputs(output, plot, two_models=is_comparison(result), gated=result.get("verdict") is not None)
    inputs.deliver(result, output, json, page_of(result, str(file), quiet=quiet))


@app.command("env")
def show_environment(
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show versions, devices and the kernels each device will run: what a bug report needs."""
    from calibaudit.cli import inputs
    from calibaudit.cli.environment import gather_environment, render_environment

    found = gather_environment()
    inputs.deliver(found.to_dict(), None, json, lambda console: render_environment(found, console))


def main() -> None:
    """The installed command."""
    import sys

    from calibaudit.cli.inputs import exit_code_of

    sys.exit(exit_code_of(_run, debug="--debug" in sys.argv))


def _run() -> None:
    """Parse sys.argv and run. Not `app()`: that turns an interrupt and a closed pipe into exit codes of its own."""
    import sys

    command = typer.main.get_command(app)
    with command.make_context("calibaudit", sys.argv[1:]) as context:
        command.invoke(context)
