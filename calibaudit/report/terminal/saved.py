"""A saved result -> the page that the command which made it printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console

from calibaudit.report.result_json import is_repair
from calibaudit.report.saved import audit_of, comparison_of, is_comparison, verdict_of
from calibaudit.report.saved_advice import recommendation_of
from calibaudit.report.terminal.comparison import render_audit, render_comparison
from calibaudit.report.terminal.verdict import render_verdict
from calibaudit.report.words.prompts import asked_facts
from calibaudit.report.words.reach import reach_notes


def page_of(
    result: Mapping[str, Any], source: str, *, quiet: bool = False, expert: bool = False
) -> Callable[[Console], None]:
    """What prints the page on a console. Raises ScoresError naming `source` when the result is not a whole one."""
    if is_repair(result):
        from calibaudit.report.saved_repair import repair_of
        from calibaudit.report.terminal.repair import render_repair

        repair = repair_of(result, source)
        return lambda console: render_repair(repair, console, quiet=quiet)
    if not is_comparison(result):
        audit = audit_of(result, source)
        return lambda console: render_audit(audit, console, quiet=quiet, expert=expert)
    comparison, verdict = comparison_of(result, source), verdict_of(result, source)
    if verdict is not None:
        warnings = (*reach_notes(comparison), *comparison.warnings)
        asked = asked_facts(comparison)
        return lambda console: render_verdict(verdict, warnings, console, asked=asked, quiet=quiet)
    advice = recommendation_of(result, source)
    return lambda console: render_comparison(comparison, console, advice, quiet=quiet, expert=expert)
