"""A result as one HTML file that needs nothing else: no network, no script, no font to fetch.

Made from the result alone, so that a saved file gives the same page as a fresh run. Text from tasks and models is
escaped, bounded, and isolated from the text around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from calibaudit.analysis.audit import Audit, ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.estimates import Interval
from calibaudit.analysis.worst_errors import MAX_OPTION, MAX_QUESTION
from calibaudit.figures.draw import FEW
from calibaudit.figures.svg import shared_styles
from calibaudit.files.text import one_line, visible
from calibaudit.report.document import diagrams, first_screen, tables, task_tables
from calibaudit.report.document.errors import percent, shared_sentence, shown_errors
from calibaudit.report.document.gate import HEADS, gate_view
from calibaudit.report.figures.choose import sides_of
from calibaudit.report.result_json import is_repair, repair_proof
from calibaudit.report.saved import audit_of, comparison_of, errors_of, is_comparison, verdict_of
from calibaudit.report.saved_advice import recommendation_of
from calibaudit.report.words.commands import method_command
from calibaudit.report.words.findings import advice, option_words, trade_sentences
from calibaudit.report.words.models import run_rows
from calibaudit.report.words.prompts import asked_facts, prompt_facts, row_names
from calibaudit.report.words.reach import level_title, reach_sentences
from calibaudit.report.words.text import as_sentence, bounds, number, short_names
from calibaudit.report.words.thinking import thinking_sentences
from calibaudit.scores.scores import ModelInfo

TITLES = {
    "warnings": "Read this first",
    "gate": "Gate",
    "candidates": "What was tried",
    "how": "How it was done",
    "tasks": "Task by task",
    "recommendation": "Recommendation",
    "confidence": "Confidence",
    "metrics": "All metrics",
    "errors": "The worst confident errors",
    "measured": "How it was measured",
}
"""The sections of a page in their order, by id."""
_OPEN_ERRORS = 6  # shown at once; the rest unfold
_MAX_NAME = 120
_WHOLE_WORD = 32
_MAX_TEXT = 10_000
_TEMPLATES = Path(__file__).parent / "templates"


def html_page(result: Mapping[str, Any], source: str = "the result") -> str:
    """The whole page. Raises ScoresError naming `source` when the result is not a whole one."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_seen,
    )
    environment.filters |= {
        "visible": visible,
        "one_line": one_line,
        "as_sentence": as_sentence,
        "breakable": _breakable,
        "whole_words": _whole_words,
        "percent": percent,
        "grouped": grouped,
        "decimal": number,
        "interval": _interval,
        "drawn": _drawn,
    }
    name = "repair.html" if is_repair(result) else "report.html"
    if is_repair(result):
        view = _repair_view(result, source)
    else:
        view = _comparison_view(result, source) if is_comparison(result) else _audit_view(result, source)
    page = environment.get_template(name).render(
        **view,
        titles=TITLES,
        created=str(result.get("created", "")),
        version=str(result.get("calibaudit_version", "")),
        first_version=result.get("schema_version") == 1,
        css=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
        few=FEW,
        n_open=_OPEN_ERRORS,
        max_name=_MAX_NAME,
        max_question=MAX_QUESTION,
        max_option=MAX_OPTION,
    )
    return shared_styles(page)


def grouped(count: object) -> str:
    """`2,412`."""
    return f"{count:,}" if isinstance(count, int) else str(count)


def _interval(interval: Interval, digits: int) -> str:
    """`.50 [.34, .66]`."""
    return f"{number(interval.value, digits)} {bounds(interval.low, interval.high, digits)}".strip()


def _comparison_view(result: Mapping[str, Any], source: str) -> dict[str, Any]:
    comparison, recommendation = comparison_of(result, source), recommendation_of(result, source)
    verdict = verdict_of(result, source)
    gate = None if verdict is None else gate_view(verdict)
    names = short_names(comparison.before.name, comparison.after.name)
    overall = comparison.pooled
    screen = first_screen.comparison_screen(comparison, recommendation, gate)
    rows = {task.label: name for name, task in zip(row_names(comparison.tasks), comparison.tasks, strict=True)}
    errors = shown_errors(errors_of(result, source), rows, names[0])
    return {
        **_any_view(comparison, names, (overall.before, overall.after)),
        "models": (comparison.before, comparison.after),
        "model_table": _models(("Before", "After"), (comparison.before, comparison.after)),
        "pairs": True,
        "screen": screen,
        "gate": gate,
        "gate_heads": HEADS,
        "recommendation": recommendation,
        "advice_said": advice(recommendation, comparison) if recommendation else None,
        "options": tables.option_rows(recommendation.options, recommendation.advised)
        if recommendation and recommendation.options
        else None,
        "option_words": [(one.method, option_words(one)) for one in recommendation.options] if recommendation else (),
        "trades": trade_sentences(recommendation) if recommendation else (),
        "method_command": method_command("METHOD", comparison.before, comparison.after),
        "pilot": tables.pilot_rows(recommendation.pilot) if recommendation and recommendation.pilot else None,
        "metrics": tables.all_metrics(overall.before.metrics, overall.after.metrics, overall.change),
        "changes": diagrams.changes(comparison),
        "errors": errors,
        "shared_errors": shared_sentence(errors, names[0]),
    }


def _any_view(result: Comparison | ModelAudit, names: Sequence[str], pooled: Sequence[Audit]) -> dict[str, Any]:
    """What pages of one model and of two have in common."""
    sides = sides_of(names, pooled)
    table = task_tables.task_rows(result)
    return {
        "names": names,
        "settings": result.settings,
        "prompts": prompt_facts(result),
        "thinking": thinking_sentences(result),
        "n_items": result.pooled.n_items,
        "tasks": result.tasks,
        "task_table": tables.measured_table(result.tasks),
        "asked": ", ".join(asked_facts(result)),
        "warnings": result.warnings,
        "reach": reach_sentences(result),
        "table": table,
        "wholes": replace(table, rows=tuple(row for row in table.rows if row.whole)),
        "groups": task_tables.groups(result, table),
        "many": task_tables.MANY,
        "levels": task_tables.level_rows(result),
        "level_title": level_title(result),
        "bins": tables.bins_table(names, pooled),
        "reliability": diagrams.reliability("overall", sides, result.settings.level),
        "confidence": diagrams.confidence(sides),
        "small": diagrams.of_tasks(result, names),
    }


def _repair_view(result: Mapping[str, Any], source: str) -> dict[str, Any]:
    """What a repair's page holds, and the comparison of before and after, where there is one."""
    from calibaudit.report.repair_page import KEPT_NOTE, repair_page
    from calibaudit.report.saved_repair import repair_of

    repair = repair_of(result, source)
    view = {"page": repair_page(repair), "kept_note": KEPT_NOTE, "proven": repair.proof is not None}
    if repair.proof is None:
        return view
    models = (repair.base, repair.proof.repair.before, repair.proof.repair.after)
    shown = {"models": models, "model_table": _models(("Base", "Before", "After"), models)}
    return {**_comparison_view(repair_proof(result, source), source), **shown, **view}


def _models(heads: tuple[str, ...], models: tuple[ModelInfo, ...]) -> tables.Table:
    return tables.models_table(models, heads, run_rows(models))


def _audit_view(result: Mapping[str, Any], source: str) -> dict[str, Any]:
    audit = audit_of(result, source)
    rows = {task.label: name for name, task in zip(row_names(audit.tasks), audit.tasks, strict=True)}
    return {
        **_any_view(audit, (short_names(audit.model.name, "")[0],), (audit.pooled,)),
        "models": (audit.model,),
        "model_table": _models(("Model",), (audit.model,)),
        "pairs": False,
        "screen": first_screen.audit_screen(audit),
        "gate": None,
        "recommendation": None,
        "metrics": tables.all_metrics(None, audit.pooled.metrics, None),
        "changes": [],
        "errors": shown_errors(errors_of(result, source), rows, None),
        "shared_errors": "",
    }


def _breakable(text: str) -> Any:
    """A name that may go on the next line after an underscore, a slash or a hyphen."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([_/-])", r"\1<wbr>", str(escape(text))))


def _whole_words(text: str) -> Any:
    """A command that goes on the next line between its words only; a word of more than a narrow page may break."""
    from markupsafe import Markup, escape

    words = (escape(word) for word in text.split(" "))
    return Markup(" ".join(f"<span>{word}</span>" if len(word) <= _WHOLE_WORD else word for word in words))


def _seen(value: Any) -> Any:
    """Of every text on the page, after its filters, before it is escaped. Line ends become references, so that no
    line of the file is a text's own."""
    from markupsafe import Markup, escape

    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    shown = str(escape(visible(value, _MAX_TEXT))).replace("\n", "&#10;")
    return Markup(f"&#58;{shown[1:]}" if shown.startswith("::") else shown)


def _drawn(svg: str) -> Any:
    from markupsafe import Markup

    return Markup(svg)  # made here from numbers; names in it are escaped by ElementTree
