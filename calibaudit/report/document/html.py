"""A result as one HTML file that needs nothing else: no network, no script, no font to fetch.

Made from the result alone, so that a saved file gives the same page as a fresh run. Text from tasks and models is
escaped, bounded, and isolated from the text around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calibaudit.analysis.audit import Audit, ModelAudit, Reliability
from calibaudit.analysis.compare import Comparison, TaskComparison
from calibaudit.analysis.estimates import Interval
from calibaudit.analysis.worst_errors import MAX_OPTION, MAX_QUESTION
from calibaudit.figures import draw
from calibaudit.figures.svg import inline_svg
from calibaudit.files.text import one_line, visible
from calibaudit.report.document import first_screen, tables
from calibaudit.report.document.gate import gate_view
from calibaudit.report.figures.choose import CHANGES, change_panels, sides_of
from calibaudit.report.result_json import is_repair, repair_proof
from calibaudit.report.saved import audit_of, comparison_of, errors_of, is_comparison, verdict_of
from calibaudit.report.saved_advice import recommendation_of
from calibaudit.report.words.findings import advice, option_sentences
from calibaudit.report.words.models import run_rows
from calibaudit.report.words.prompts import prompt_facts
from calibaudit.report.words.reach import level_title, reach_sentences
from calibaudit.report.words.text import as_sentence, bounds, number, short_names, signed
from calibaudit.report.words.thinking import thinking_sentences

MAX_DIAGRAMS = 24
"""Tasks with a diagram of their own; of more, those whose ECE changed most (or is largest)."""
_OPEN_ERRORS = 6  # shown at once; the rest unfold
_MAX_NAME = 120
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
        "percent": percent,
        "grouped": grouped,
        "decimal": number,
        "interval": _interval,
        "sides": _on_sides,
    }
    name = "repair.html" if is_repair(result) else "report.html"
    if is_repair(result):
        view = _repair_view(result, source)
    else:
        view = _comparison_view(result, source) if is_comparison(result) else _audit_view(result, source)
    return environment.get_template(name).render(
        **view,
        errors=errors_of(result, source),
        created=str(result.get("created", "")),
        version=str(result.get("calibaudit_version", "")),
        first_version=result.get("schema_version") == 1,
        css=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
        few=draw.FEW,
        n_open=_OPEN_ERRORS,
        max_name=_MAX_NAME,
        max_question=MAX_QUESTION,
        max_option=MAX_OPTION,
    )


def percent(probability: float) -> str:
    """`99.8 %`; never 0 or 100, which a softmax never gives."""
    shown = f"{probability * 100:.1f} %"
    return {"100.0 %": "> 99.9 %", "0.0 %": "< 0.1 %"}.get(shown, shown)


def grouped(count: object) -> str:
    """`2,412`."""
    return f"{count:,}" if isinstance(count, int) else str(count)


def _interval(interval: Interval, digits: int) -> str:
    """`.50 [.34, .66]`."""
    return f"{number(interval.value, digits)} {bounds(interval.low, interval.high, digits)}".strip()


def _on_sides(value: Any, words: Mapping[Any, str] | None = None) -> str:
    """`off → on`, or one word where both sides agree or there is one."""
    pair = value if isinstance(value, tuple) else (value,)
    return " → ".join(dict.fromkeys(words[one] if words else grouped(one) for one in pair))


def _comparison_view(result: Mapping[str, Any], source: str) -> dict[str, Any]:
    comparison, recommendation = comparison_of(result, source), recommendation_of(result, source)
    verdict = verdict_of(result, source)
    gate = None if verdict is None else gate_view(verdict)
    names = short_names(comparison.before.name, comparison.after.name)
    overall = comparison.pooled
    screen = first_screen.comparison_screen(comparison, recommendation, None if gate is None else gate.action)
    sides = sides_of(names, (overall.before, overall.after))
    return {
        "names": names,
        "models": (comparison.before, comparison.after),
        "model_heads": ("Before", "After"),
        "run_rows": run_rows((comparison.before, comparison.after)),
        "settings": comparison.settings,
        "prompts": prompt_facts(comparison),
        "thinking": thinking_sentences(comparison),
        "n_items": overall.n_items,
        "tasks": comparison.tasks,
        "pairs": True,
        "screen": screen,
        "gate": gate,
        "recommendation": recommendation,
        "advice_said": None if recommendation is None else advice(recommendation),
        "option_sentences": option_sentences(recommendation) if recommendation else (),
        "options": tables.option_rows(recommendation.options, recommendation.advised)
        if recommendation and recommendation.options
        else None,
        "pilot": tables.pilot_rows(recommendation.pilot) if recommendation and recommendation.pilot else None,
        "warnings": comparison.warnings,
        "reach": reach_sentences(comparison),
        "table": tables.comparison_rows(comparison),
        "levels": tables.level_rows(comparison),
        "level_title": level_title(comparison),
        "metrics": tables.all_metrics(overall.before.metrics, overall.after.metrics, overall.change),
        "bins": tables.bins_table(names, (overall.before, overall.after)),
        "reliability": _reliability("overall", sides, comparison.settings.level),
        "confidence": _confidence(sides),
        "changes": _changes(comparison),
        "small": _small(
            [(task.label, task.n_items, (task.before, task.after)) for task in _most_changed(comparison.tasks)],
            names,
            comparison.settings.level,
        ),
    }


def _repair_view(result: Mapping[str, Any], source: str) -> dict[str, Any]:
    """What a repair's page holds, and the comparison of before and after, where there is one."""
    from calibaudit.report.repair_page import KEPT_NOTE, repair_page
    from calibaudit.report.saved_repair import repair_of  # brings the packages that train

    repair = repair_of(result, source)
    view = {"page": repair_page(repair), "kept_note": KEPT_NOTE, "proven": repair.proof is not None}
    if repair.proof is None:
        return view
    models = (repair.base, repair.proof.repair.before, repair.proof.repair.after)
    shown = {"models": models, "model_heads": ("Base", "Before", "After"), "run_rows": run_rows(models)}
    return {**_comparison_view(repair_proof(result, source), source), **shown, **view}


def _audit_view(result: Mapping[str, Any], source: str) -> dict[str, Any]:
    audit = audit_of(result, source)
    names = (short_names(audit.model.name, "")[0],)
    sides = sides_of(names, (audit.pooled,))
    return {
        "names": names,
        "models": (audit.model,),
        "model_heads": ("Model",),
        "run_rows": run_rows((audit.model,)),
        "settings": audit.settings,
        "prompts": prompt_facts(audit),
        "thinking": thinking_sentences(audit),
        "n_items": audit.pooled.n_items,
        "tasks": audit.tasks,
        "pairs": False,
        "screen": first_screen.audit_screen(audit),
        "gate": None,
        "recommendation": None,
        "warnings": audit.warnings,
        "reach": reach_sentences(audit),
        "table": tables.audit_rows(audit),
        "levels": tables.level_rows(audit),
        "level_title": level_title(audit),
        "metrics": tables.all_metrics(None, audit.pooled.metrics, None),
        "bins": tables.bins_table(names, (audit.pooled,)),
        "reliability": _reliability("overall", sides, audit.settings.level),
        "confidence": _confidence(sides),
        "changes": [],
        "small": _small(
            [(task.label, task.n_items, (task.audit,)) for task in _largest(audit)], names, audit.settings.level
        ),
    }


def _reliability(name: str, sides: Sequence[tuple[str, Reliability]], level: float, *, small: bool = False) -> Any:
    if not sides:
        return ""
    label = f"Reliability diagram of {_named(sides)}: accuracy at each confidence."
    figure = draw.draw_reliability(sides, level, width=300 if small else 360, legend=not small)
    return _safe(inline_svg(figure, f"reliability-{name}", label))


def _named(sides: Sequence[tuple[str, Reliability]]) -> str:
    return " and ".join(one_line(name, 60) for name, _ in sides)


def _confidence(sides: Sequence[tuple[str, Reliability]]) -> Any:
    if not sides:
        return ""
    label = f"Histograms of the confidence of {_named(sides)}, right and wrong answers apart."
    return _safe(inline_svg(draw.draw_confidence(sides), "confidence", label))


def _changes(comparison: Comparison) -> list[dict[str, Any]]:
    found = []
    for key, (title, rows, digits) in zip(CHANGES, change_panels(comparison), strict=True):
        moved = "; ".join(f"{one_line(name, 40)} {signed(change.value, digits)}" for name, change, _ in rows[:8])
        label = f"{title}, task by task: {moved}{' and more' if len(rows) > 8 else ''}."
        figure = draw.draw_changes(rows, title, digits, width=300)
        found.append({"key": key, "svg": _safe(inline_svg(figure, f"changes-{key}", label))})
    return found


def _small(
    tasks: Sequence[tuple[str, int, Sequence[Audit]]], names: Sequence[str], level: float
) -> list[dict[str, Any]]:
    """A small diagram a task, where there are several; the page's first diagram is the only task's own."""
    if len(tasks) < 2:
        return []
    found = []
    for i, (label, n_items, audits) in enumerate(tasks):
        svg = _reliability(f"task-{i}", sides_of(names, audits), level, small=True)
        eces = " → ".join(number(audit.metrics["ece"].value) for audit in audits)
        found.append({"label": label, "n_items": n_items, "svg": svg, "ece": eces})
    return found


def _most_changed(tasks: Sequence[TaskComparison]) -> list[TaskComparison]:
    chosen = sorted(tasks, key=lambda task: -abs(task.change["ece"].value or 0.0))[:MAX_DIAGRAMS]
    return [task for task in tasks if task in chosen]


def _largest(audit: ModelAudit) -> list[Any]:
    chosen = sorted(audit.tasks, key=lambda task: -(task.audit.metrics["ece"].value or 0.0))[:MAX_DIAGRAMS]
    return [task for task in audit.tasks if task in chosen]


def _breakable(text: str) -> Any:
    """A name that may go on the next line after an underscore, a slash or a hyphen."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([_/-])", r"\1<wbr>", str(escape(text))))


def _seen(value: Any) -> Any:
    """Of every text on the page, after its filters, before it is escaped. Line ends become references, so that no
    line of the file is a text's own."""
    from markupsafe import Markup, escape

    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    shown = str(escape(visible(value, _MAX_TEXT))).replace("\n", "&#10;")
    return Markup(f"&#58;{shown[1:]}" if shown.startswith("::") else shown)


def _safe(svg: str) -> Any:
    from markupsafe import Markup

    return Markup(svg)  # made here from numbers; names in it are escaped by matplotlib and by inline_svg
