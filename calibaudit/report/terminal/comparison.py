"""The page that `compare` and `score` print: the sentence that matters, the table, the diagram, the warnings.

Lines never exceed the console's width (50 at least), carry no colour unless the console is a terminal, and are ASCII
where its encoding knows no more.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from calibaudit.advice.recommendation import Recommendation
from calibaudit.analysis.audit import ModelAudit, Reliability
from calibaudit.analysis.compare import Comparison
from calibaudit.files.shown.card import count
from calibaudit.files.text import shortened
from calibaudit.report.terminal.diagram import diagram
from calibaudit.report.terminal.expert import expert_audit_tables, expert_tables
from calibaudit.report.terminal.layout import name_shown, styled
from calibaudit.report.terminal.levels import level_table
from calibaudit.report.terminal.page import (
    command_lines,
    note_lines,
    page_width,
    pair_lines,
    print_parts,
    trade_lines,
    warning_lines,
)
from calibaudit.report.terminal.tables import audit_table, changes, comparison_table
from calibaudit.report.words.findings import advice, audit_headline, headline
from calibaudit.report.words.models import run_facts
from calibaudit.report.words.prompts import asked_facts
from calibaudit.report.words.reach import reach_sentences
from calibaudit.report.words.text import short_names, wrapped
from calibaudit.report.words.thinking import thinking_sentences


def render_comparison(
    comparison: Comparison,
    console: Console,
    recommendation: Recommendation | None = None,
    *,
    quiet: bool = False,
    expert: bool = False,
) -> None:
    """Print the page of two models. quiet: only the sentence, the advice and the table. expert: more tables."""
    width = page_width(console)
    parts = [comparison_header(comparison, width), styled(wrapped(headline(comparison), width - 1), "bold")]
    if recommendation is not None:
        parts[-1] += styled(wrapped(advice(recommendation, comparison), width - 1), "")
        parts[-1] += command_lines(recommendation, comparison, width)
    parts += [_sentences(reach_sentences(comparison), width), _sentences(thinking_sentences(comparison), width)]
    parts.append(comparison_table(comparison, width))
    if expert:
        parts.append(expert_tables(comparison, width))
    if not quiet:
        parts.append(level_table(comparison, width))
        parts.append(changes(comparison, width))
        pooled = comparison.pooled
        names = short_names(comparison.before.name, comparison.after.name)
        sides = [(names[0], pooled.before.reliability), (names[1], pooled.after.reliability)]
        parts.append(_reliability(pooled.n_items, sides, width))
        about_advice = () if recommendation is None else recommendation.warnings
        parts.append(warning_lines((*comparison.warnings, *(f"advice: {text}" for text in about_advice)), width))
        if recommendation is not None:
            parts.append(trade_lines(recommendation, width) + note_lines(recommendation, width))
    print_parts(parts, console)


def render_audit(audit: ModelAudit, console: Console, *, quiet: bool = False, expert: bool = False) -> None:
    """Print the page of one model. quiet: only the sentence and the table. expert: more tables."""
    width = page_width(console)
    parts = [_audit_header(audit, width), styled(wrapped(audit_headline(audit), width - 1), "bold")]
    parts += [_sentences(reach_sentences(audit), width), _sentences(thinking_sentences(audit), width)]
    parts.append(audit_table(audit, width))
    if expert:
        parts.append(expert_audit_tables(audit, width))
    if not quiet:
        parts.append(level_table(audit, width))
        sides = [(short_names(audit.model.name, "")[0], audit.pooled.reliability)]
        parts.append(_reliability(audit.pooled.n_items, sides, width))
        parts.append(warning_lines(audit.warnings, width))
    print_parts(parts, console)


def _sentences(texts: Sequence[str], width: int) -> list[Text]:
    return [line for text in texts for line in styled(wrapped(text, width - 1), "")]


def _reliability(n_items: int, sides: Sequence[tuple[str, Reliability | None]], width: int) -> list[Text]:
    lines = diagram(sides, width)
    n = next((int(side.count.sum()) for _, side in sides if side is not None), n_items)
    title = f"Reliability of {count(n, 'item' if n == n_items else 'answer')}: accuracy at each confidence"
    return [*styled(wrapped(title, width - 1), "bold"), *lines] if lines else []


def comparison_header(comparison: Comparison, width: int) -> list[Text]:
    """Which models, on what."""
    before, after = comparison.before, comparison.after
    lines = pair_lines(before.name, after.name, width)
    facts = [count(len(comparison.tasks), "task"), count(comparison.pooled.n_items, "item"), *asked_facts(comparison)]
    facts.append(f"{before.dtype}" if before.dtype == after.dtype else f"{before.dtype} → {after.dtype}")
    facts += run_facts(comparison)
    facts.append(f"seed {comparison.settings.seed}")
    return [*styled(lines, "bold"), *styled(wrapped(", ".join(facts), width - 4), "dim")]


def _audit_header(audit: ModelAudit, width: int) -> list[Text]:
    facts = [count(len(audit.tasks), "task"), count(audit.pooled.n_items, "item"), *asked_facts(audit)]
    facts += [audit.model.dtype, *run_facts(audit), f"seed {audit.settings.seed}"]
    name = f" {shortened(name_shown(audit.model.name), width - 2)}"
    return [Text(name, style="bold"), *styled(wrapped(", ".join(facts), width - 4), "dim")]
