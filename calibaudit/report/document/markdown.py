"""A result as Markdown, for a pull request, a step summary or a wiki."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.files.shown.card import count
from calibaudit.files.text import log_line
from calibaudit.report.document import first_screen, tables, task_tables
from calibaudit.report.document.gate import GateView, gate_view
from calibaudit.report.document.tables import Table
from calibaudit.report.result_json import is_repair
from calibaudit.report.saved import audit_of, comparison_of, is_comparison, verdict_of
from calibaudit.report.saved_advice import recommendation_of
from calibaudit.report.words.commands import method_command
from calibaudit.report.words.findings import advice, option_words, trade_sentences
from calibaudit.report.words.models import run_facts
from calibaudit.report.words.prompts import prompt_facts
from calibaudit.report.words.reach import level_title, reach_sentences
from calibaudit.report.words.text import as_sentence
from calibaudit.report.words.thinking import thinking_sentences

_MAX_NAME = 120
_SPECIAL = re.compile(r"([\\`*_\[\]|~$]|^[-+=]|^\d{1,9}(?=[.)]))")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "#": "&#35;", "{": "&#123;"})
_IN_FIGURES = re.compile(r"([|`\\]|(?<=\])\(|<(?=[A-Za-z/!?]))")


def markdown_page(result: Mapping[str, Any], source: str = "the result", *, most_rows: int | None = None) -> str:
    """The first screen, the tables and how it was measured. Raises ScoresError naming `source`.

    Names are escaped: they bring no markup, no line breaks, no mention of a user. most_rows: of each table only the
    first of the tasks' rows, and a line that says how many are left out.
    """
    if is_repair(result):
        lines = _repair(result, source, most_rows)
    elif is_comparison(result):
        lines = _comparison(result, source, most_rows)
    else:
        lines = _audit(audit_of(result, source), most_rows)
    version, created = (escaped(str(result.get(key, ""))) for key in ("calibaudit_version", "created"))
    lines += ["", f"calibaudit {version}, {created}"]
    return "\n".join(lines) + "\n"


def escaped(text: str, most: int = _MAX_NAME) -> str:
    """Text that Markdown shows as it is, on one line, at most `most` characters of it.

    No markup, no heading, list or rule at a line's beginning, no mention of a user or an issue, no template's braces.
    """
    return _SPECIAL.sub(_escape, log_line(text, most)).translate(_ENTITIES)


def table_cell(text: str) -> str:
    """A cell of figures, whose brackets and stars stay; what would end the cell or begin code or a tag does not."""
    return _IN_FIGURES.sub(r"\\\1", log_line(text, _MAX_NAME * 4)).replace("@", "&#64;")


def _escape(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"


def _comparison(result: Mapping[str, Any], source: str, most_rows: int | None) -> list[str]:
    comparison, recommendation = comparison_of(result, source), recommendation_of(result, source)
    verdict = verdict_of(result, source)
    gate = None if verdict is None else gate_view(verdict)
    screen = first_screen.comparison_screen(comparison, recommendation, gate)
    names = f"{escaped(comparison.before.name)} → {escaped(comparison.after.name)}"
    lines = [*_screen(names, screen, gate), *_reach(comparison)]
    if recommendation is None:
        lines += _command(screen)
    lines += ["", "### Task by task", ""]
    lines += _table(task_tables.comparison_rows(comparison), "task", most_rows)
    lines += _levels(comparison)
    if gate is not None:
        lines += ["", "### Gate", "", *_table(gate.table, "task", most_rows)]
        lines += [line for text in gate.facts for line in ("", escaped(text, 900))]
    lines += _warnings(comparison.warnings, "Warnings")
    if recommendation is not None:
        said = advice(recommendation, comparison)
        lines += ["", "### Recommendation", "", escaped(said, 900)]
        if recommendation.reason not in said:
            lines += ["", f"Why: {escaped(recommendation.reason, 600)}."]
        lines += _command(screen)
        if recommendation.options:
            table = tables.option_rows(recommendation.options, recommendation.advised)
            lines += ["", *_table(table, "possible repair", None), ""]
            for one in recommendation.options:
                command = method_command(one.method, comparison.before, comparison.after)
                lines.append(f"- {escaped(f'{one.method}: {option_words(one)}. {command}', 900)}")
        for text in trade_sentences(recommendation):
            lines += ["", escaped(text, 900)]
        if recommendation.pilot:
            lines += ["", *_table(tables.pilot_rows(recommendation.pilot), "pilot run", None)]
        lines += _warnings(recommendation.warnings, "")
        for text in recommendation.notes:
            lines += ["", f"Note: {escaped(text, 600)}."]
        for beside in (recommendation.of_ensemble, recommendation.evidence):
            lines += ["", escaped(as_sentence(beside), 600)] if beside else []
    return lines + _measured([("before", comparison.before), ("after", comparison.after)], comparison)


def _repair(result: Mapping[str, Any], source: str, most_rows: int | None) -> list[str]:
    from calibaudit.report.repair_page import KEPT_NOTE, repair_page
    from calibaudit.report.saved_repair import repair_of

    repair = repair_of(result, source)
    page = repair_page(repair)
    names = " → ".join(map(escaped, page.models))
    lines = [f"## {page.label}: {names}", "", f"**{escaped(page.sentence, 1500)}**"]
    if page.measures is not None:
        lines += ["", *_table(page.measures, "", None)]
    if page.candidates is not None:
        lines += ["", "### What was tried", "", *_table(page.candidates, "method", None)]
        lines += ["", f"{escaped(KEPT_NOTE, 600)}.", "", *(f"- {escaped(text, 900)}" for text in page.choice)]
    lines += ["", "### How it was done", "", *(f"- {escaped(text, 3000)}" for text in page.how)]
    lines += ["", escaped(page.saved, 600)] if page.saved is not None else []
    lines += _warnings(page.warnings, "Warnings")
    if repair.proof is None:
        return lines
    proof = repair.proof.repair
    lines += [
        "",
        "### Task by task",
        "",
        *_table(task_tables.comparison_rows(proof), "task", most_rows),
        *_levels(proof),
    ]
    sides = [("base", repair.base), ("before", proof.before), ("after", proof.after)]
    return lines + _measured(sides, proof)


def _audit(audit: ModelAudit, most_rows: int | None) -> list[str]:
    screen = first_screen.audit_screen(audit)
    lines = [*_screen(escaped(audit.model.name), screen, None), *_reach(audit), *_command(screen)]
    lines += ["", "### Task by task", "", *_table(task_tables.audit_rows(audit), "task", most_rows), *_levels(audit)]
    return lines + _warnings(audit.warnings, "Warnings") + _measured([("model", audit.model)], audit)


def _screen(names: str, screen: first_screen.FirstScreen, gate: GateView | None) -> list[str]:
    lines = [f"## {(gate or screen).label}: {names}", "", f"**{escaped(screen.sentence, 400)}**", ""]
    if gate is not None:
        lines += [escaped(gate.sentence, 600), ""]
    for card in screen.cards:
        notes = "; ".join(escaped(note, 400).rstrip(".") for note in card.notes)
        lines.append(f"- {card.question} **{escaped(card.answer)}**" + (f" ({notes})" if notes else ""))
    return lines


def _command(screen: first_screen.FirstScreen) -> list[str]:
    """What to run, and what stands in it."""
    command = screen.cards[-1].command
    if command is None:
        return []
    notes = f" ({'; '.join(escaped(note, 400) for note in command.notes)})" if command.notes else ""
    return ["", f"{command.lead} {escaped(command.line, 600)}{notes}"]


def _table(table: Table, first: str, most_rows: int | None) -> list[str]:
    """A pipe table; a column's title has its group's name before it. The rows of all tasks together always stand."""
    heads = [table_cell(f"{head.title} {column}") for head in table.heads for column in head.columns]
    lines = [f"| {first} | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    rows = [row for row in table.rows if not row.whole]
    shown = rows[:most_rows]
    for row in [*shown, *(row for row in table.rows if row.whole)]:
        name = f"**{escaped(row.name, 60)}**" if row.whole else escaped(row.name, 60)
        lines.append(f"| {name} | {' | '.join(map(table_cell, row.cells))} |")
    if len(shown) < len(rows):
        lines += ["", f"{len(rows) - len(shown):,} more rows are left out: the page would be too long."]
    return lines


def _reach(result: Comparison | ModelAudit) -> list[str]:
    return [line for text in reach_sentences(result) for line in ("", escaped(text, 600))]


def _levels(result: Comparison | ModelAudit) -> list[str]:
    if not result.by_level:
        return []
    table = _table(task_tables.level_rows(result), "level", None)
    return ["", "### By level", "", f"{level_title(result)}.", "", *table]


def _warnings(warnings: Sequence[str], title: str) -> list[str]:
    if not warnings:
        return []
    return [*(["", f"### {title}"] if title else []), "", *(f"- {escaped(text, 600)}" for text in warnings)]


def _measured(models: Sequence[tuple[str, Any]], result: Comparison | ModelAudit) -> list[str]:
    settings = result.settings
    lines = ["", "### How it was measured", ""]
    lines += [
        f"- {side}: {escaped(model.name)}, revision {escaped(model.revision)}, "
        f"{escaped(model.dtype)}, {escaped(model.device)}"
        for side, model in models
    ]
    scorings = " + ".join(escaped(name) for name in sorted({task.scoring for task in result.tasks}))
    lines.append(
        f"- {count(len(result.tasks), 'task')}, {count(result.pooled.n_items, 'item')}, {scorings}; "
        f"{settings.n_bins} bins, {settings.level * 100:g} % intervals, seed {settings.seed}"
    )
    if any(_templates(task.chat_template) for task in result.tasks):
        on = [escaped(task.label) for task in result.tasks if _templates(task.chat_template)]
        lines.append(f"- inside a chat template, on one side at least: {', '.join(on)}")
    facts = (*run_facts(result), *prompt_facts(result), *thinking_sentences(result))
    lines += [f"- {escaped(fact, 600)}" for fact in facts]
    return lines


def _templates(value: Any) -> bool:
    return any(value) if isinstance(value, tuple) else bool(value)
