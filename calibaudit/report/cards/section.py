"""A result as a section of a model card: the sentence, all items, task by task, how it was measured, the warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.analysis.audit import Audit, ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.files.paths import is_there
from calibaudit.files.shown.card import all_of
from calibaudit.files.text import one_line
from calibaudit.report.cards.metadata import measured
from calibaudit.report.document.first_screen import audit_screen, comparison_screen
from calibaudit.report.document.gate import gate_view
from calibaudit.report.document.markdown import escaped, table_cell
from calibaudit.report.document.tables import Head, Row, Table
from calibaudit.report.result_json import is_repair
from calibaudit.report.saved import audit_of, comparison_of, is_comparison, verdict_of
from calibaudit.report.words.text import bounds, number, p_text, signed
from calibaudit.scores.scores import ModelInfo

BEGIN = "<!-- calibaudit: begin. `calibaudit card` replaces what stands between these two marks -->"
END = "<!-- calibaudit: end -->"

COLUMNS = {"accuracy": "accuracy", "ece": "ECE", "gap": "gap", "brier": "Brier", "nll": "NLL"}
_MOST_NAME, _MOST_SENTENCE = 200, 3_000


@dataclass(frozen=True)
class Section:
    """text: Markdown between its two marks. index: the same for the hub, as `model-index`."""

    text: str
    index: list[dict[str, Any]]


def section_of(result: Mapping[str, Any], source: str = "the result") -> Section:
    """Of what compare, score, gate or fix saved. Raises ScoresError naming `source` where it is no whole result."""
    extra: list[str] = []
    found: Comparison | ModelAudit
    if is_repair(result):
        from calibaudit.report.repair_page import repair_page
        from calibaudit.report.result_json import repair_proof
        from calibaudit.report.saved_repair import repair_of

        repair_proof(result, source)  # said here where nothing was repaired
        repair = repair_of(result, source)
        assert repair.proof is not None
        found, sentence = repair.proof.repair, repair_page(repair).sentence
    elif is_comparison(result):
        found = comparison_of(result, source)
        sentence, verdict = comparison_screen(found, None).sentence, verdict_of(result, source)
        if verdict is not None:
            view = gate_view(verdict)
            said = view.sentence.partition(": ")[2]  # behind the outcome, which the label names
            extra = [f"**{view.label}**: {escaped(said, _MOST_SENTENCE)}", ""]
    else:
        found = audit_of(result, source)
        sentence = audit_screen(found).sentence
    by = one_line(str(result.get("calibaudit_version", "")), 20)
    made = f"calibaudit {by}, {str(result.get('created', ''))[:10]}"
    model = found.after if isinstance(found, Comparison) else found.model
    lines = [
        BEGIN,
        "## Calibration",
        "",
        f"**{escaped(_short(sentence, _names(found)), _MOST_SENTENCE)}**",
        "",
        *extra,
        *all_items(found),
        "",
        *by_task(found),
        "",
        f"{explained(found)} Measured by {escaped(made)}, revision {escaped(model.revision)}, {escaped(model.dtype)}.",
        "",
        *(f"- {escaped(_short(text, _names(found)), _MOST_SENTENCE)}" for text in found.warnings),
    ]
    return Section("\n".join([*lines, *([""] if found.warnings else []), END]), measured(found, shown_name(model), by))


def shown_name(model: ModelInfo) -> str:
    """A hub id as it is; of a folder or file only the last part: a card is published, a disk's layout is not."""
    return one_line(Path(model.name).name if is_there(model.name) else model.name, _MOST_NAME)


def all_items(found: Comparison | ModelAudit) -> list[str]:
    """Of one model its numbers with their intervals; of two both, the change, its interval and its p-value."""
    keys = [key for key in COLUMNS if _pooled(found).metrics[key].value is not None]
    head = Head("", tuple(COLUMNS[key] for key in keys))
    if isinstance(found, ModelAudit):
        metrics = found.pooled.metrics
        intervals = tuple(bounds(metrics[key].low, metrics[key].high, 3) or "–" for key in keys)
        rows = [Row(shown_name(found.model), _values(found.pooled, keys)), Row(_level(found), intervals)]
    else:
        change = found.pooled.change
        intervals = tuple(bounds(change[key].low, change[key].high, 3) or "–" for key in keys)
        rows = [
            Row(shown_name(found.before), _values(found.pooled.before, keys)),
            Row(shown_name(found.after), _values(found.pooled.after, keys)),
            Row("change", tuple(signed(change[key].value) for key in keys)),
            Row(_level(found), intervals),
            Row("p", tuple(p_text(change[key].p_value).removeprefix("p = ").removeprefix("p ") for key in keys)),
        ]
    return _lines(f"{all_of(found.pooled.n_items, 'item')}", Table((head,), tuple(rows)))


def by_task(found: Comparison | ModelAudit) -> list[str]:
    """Of the model, of two the one after."""
    if isinstance(found, Comparison):
        parts = [(task.label, task.n_items, task.after) for task in found.tasks]
    else:
        parts = [(task.label, task.n_items, task.audit) for task in found.tasks]
    head = Head("", ("items", "accuracy", "ECE", f"ECE, {_level(found)}", "gap"))
    rows = []
    for name, n_items, audit in parts:
        ece = audit.metrics["ece"]
        cells = (bounds(ece.low, ece.high, 3) or "–", signed(audit.metrics["gap"].value))
        accuracy = number(audit.metrics["accuracy"].value)
        rows.append(Row(name, (f"{n_items:,}", accuracy, number(ece.value), *cells)))
    return _lines("task", Table((head,), tuple(rows)))


def explained(found: Comparison | ModelAudit) -> str:
    """What the columns are, and what the numbers hold for."""
    scorings = " + ".join(escaped(name) for name in sorted({task.scoring for task in found.tasks}))
    if isinstance(found, Comparison):
        chats = {task.chat_template[1] for task in found.tasks}
    else:
        chats = {task.chat_template for task in found.tasks}
    where = "with and without" if len(chats) > 1 else "inside the" if chats == {True} else "without a"
    return (
        f"ECE: the distance between confidence and accuracy over {found.settings.n_bins} bins, without the part that "
        "is noise (below 0: none to be seen). Gap: mean confidence minus accuracy, positive where the model is surer "
        f"than right. Scoring: {scorings}, {where} chat template."
    )


def _pooled(found: Comparison | ModelAudit) -> Audit:
    return found.pooled.after if isinstance(found, Comparison) else found.pooled


def _values(audit: Audit, keys: list[str]) -> tuple[str, ...]:
    return tuple((signed if key == "gap" else number)(audit.metrics[key].value) for key in keys)


def _level(found: Comparison | ModelAudit) -> str:
    return f"{found.settings.level * 100:g} % interval"


def _names(found: Comparison | ModelAudit) -> list[ModelInfo]:
    return [found.before, found.after] if isinstance(found, Comparison) else [found.model]


def _short(text: str, models: list[ModelInfo]) -> str:
    """A sentence whose models are called as the tables call them."""
    for model in sorted(models, key=lambda model: len(model.name), reverse=True):
        text = text.replace(model.name, shown_name(model)) if model.name else text
    return text


def _lines(first: str, table: Table) -> list[str]:
    heads = [column for head in table.heads for column in head.columns]
    return [
        f"| {first} | {' | '.join(heads)} |",
        f"| --- |{' ---: |' * len(heads)}",
        *(f"| {escaped(row.name)} | {' | '.join(map(table_cell, row.cells))} |" for row in table.rows),
    ]
