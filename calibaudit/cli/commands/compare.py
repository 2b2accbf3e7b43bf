"""The command `compare`. Only Typer is imported at the top; the rest when it runs."""

from __future__ import annotations

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
)
from calibaudit.cli.options import Base, BatchSize, Expert, Instruct


def compare(
    base: Base = None,
    instruct: Instruct = None,
    *,
    items: ItemFlags,
    run: RunFlags,
    engines: EngineFlags,
    chat: ChatFlags,
    batch_size: BatchSize = "auto",
    pair: PairFlags,
    statistics: StatisticsFlags,
    files: FileFlags,
    page: PageFlags,
    expert: Expert = False,
    session: SessionFlags,
) -> None:
    """Audit a base checkpoint and its tuned sibling.

    Shows accuracy, ECE, Brier score and overconfidence of both, and what tuning changed. Without models: of the bundled
    pair, on the bundled tasks.
    """
    from calibaudit.cli import inputs

    inputs.load_numpy()
    from calibaudit.cli.outputs import checked_outputs, deliver
    from calibaudit.cli.progress.reporter import reporter
    from calibaudit.models.distributed import rank

    models = inputs.pair_of(base, instruct)
    paths = checked_outputs(files)
    options = inputs.run_options(run, chat, batch_size, engines)
    asked = inputs.asked(models, items, offline=run.offline)
    with reporter(silent=page.quiet or session.no_progress) as report:
        report.warnings_of(asked.loaded())
        models = inputs.on_its_base(models, report, offline=run.offline)
        sides = inputs.score_all(models, pair.both(), asked, options, report, engines)
    if rank() > 0:  # torchrun's first process speaks for all
        return
    from calibaudit.advice.head_bound import head_of
    from calibaudit.advice.recommend import recommend as recommended
    from calibaudit.advice.tuning_signs import sign_of_model
    from calibaudit.analysis.compare import compare as compared
    from calibaudit.analysis.worst_errors import worst_new_errors
    from calibaudit.report.result_json import comparison_dict
    from calibaudit.report.terminal.comparison import render_comparison
    from calibaudit.scores.align import without_doubles

    before, after = without_doubles(*sides)
    comparison = compared(before, after, inputs.settings_of(statistics))
    head = head_of(*models, pair.both(), offline=run.offline, kept_in=options.cache)
    sign = sign_of_model(models[1], pair.both()[1], comparison.after.name)
    advice = recommended(before, after, comparison, head=head, sign=sign)
    result = comparison_dict(comparison, advice, errors=worst_new_errors(before, after, asked.loaded()))
    deliver(
        result,
        paths,
        page,
        lambda console: render_comparison(comparison, console, advice, quiet=page.quiet, expert=expert),
    )
