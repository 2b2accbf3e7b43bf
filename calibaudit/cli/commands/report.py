"""The command `report`. Only Typer is imported at the top; the rest when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibaudit.cli.groups import GateFileFlags, PageFlags
from calibaudit.cli.options import Debug, Expert


def report(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What compare, score, gate, recommend or fix saved as .json.")
    ],
    *,
    files: GateFileFlags,
    page: PageFlags,
    expert: Expert = False,
    debug: Debug = False,
) -> None:
    """Show a saved result again, or save it in another format.

    No model is run and nothing is computed anew.
    """
    from calibaudit.cli.outputs import checked_outputs, deliver
    from calibaudit.report.result_json import is_repair, read_result
    from calibaudit.report.saved import is_comparison
    from calibaudit.report.terminal.saved import page_of

    result = read_result(file)
    repaired = is_repair(result)
    gated = not repaired and result.get("verdict") is not None
    paths = checked_outputs(files, two_models=repaired or is_comparison(result), gated=gated)
    deliver(result, paths, page, page_of(result, str(file), quiet=page.quiet, expert=expert))
