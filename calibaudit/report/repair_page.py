"""What every page of a repair holds, in order: terminal, HTML, Markdown and model card lay out the same parts."""

from __future__ import annotations

from dataclasses import dataclass

from calibaudit.analysis.audit import Audit
from calibaudit.files.text import one_line
from calibaudit.repair.candidates import Candidate, Repair
from calibaudit.report.document.tables import Head, Row, Table
from calibaudit.report.words.models import facts_of
from calibaudit.report.words.repair import MEASURES, repair_label, repair_sentence
from calibaudit.report.words.repair_how import (
    IN_TEMPLATE,
    choice_sentences,
    cost_text,
    how_sentences,
    kept_text,
    repair_warnings,
    setting_text,
)
from calibaudit.report.words.text import number, signed
from calibaudit.training.watching import WATCHED

NOTHING_SAVED = "(nothing)"
KEPT_NOTE = (
    "kept: share of the right first choices that tuning added on its rows; same: not measured, but the "
    "likeliest next tokens stay; ECE, accuracy and NLL: held-out items; *: the repair that was taken"
)


@dataclass(frozen=True)
class RepairPage:
    """models: INSTRUCT, and the folder of the repaired one. tone, label, sentence: the verdict.

    measures: base, before, after; None where nothing was repaired. candidates: the repairs that were tried; None where
    there was nothing to choose from. choice: why which was taken. how, warnings: a sentence each. saved: where what is.
    facts: how models were run, where that is not plain weights.
    """

    models: tuple[str, str]
    tone: str
    label: str
    sentence: str
    measures: Table | None
    candidates: Table | None
    choice: tuple[str, ...]
    how: tuple[str, ...]
    warnings: tuple[str, ...]
    saved: str | None
    facts: tuple[str, ...] = ()


def repair_page(repair: Repair) -> RepairPage:
    """Made of the repair alone, so that a saved one gives the same page as a fresh one."""
    tone, label = repair_label(repair)
    out = NOTHING_SAVED if repair.proof is None else one_line(repair.proof.repair.after.name, 200)
    tried = [one for one in repair.candidates if not one.impossible]
    choice = choice_sentences(repair)
    models = {"base": repair.base, "before": repair.instruct}
    if repair.proof is not None:
        models["after"] = repair.proof.repair.after
    files = "the model, README.md, fix.json" + (", training.jsonl" if repair.training is not None else "")
    if repair.training is not None and "tensorboard" in repair.settings.training.report_to:
        files += f", {WATCHED}/ (TensorBoard's, unless TENSORBOARD_LOGGING_DIR named another place)"
    return RepairPage(
        models=(one_line(repair.instruct.name, 200), out),
        tone=tone,
        label=label,
        sentence=repair_sentence(repair),
        measures=_measures(repair),
        candidates=_candidates(tried) if choice else None,
        choice=tuple(choice),
        how=tuple(how_sentences(repair)),
        warnings=tuple(repair_warnings(repair)),
        saved=None if repair.proof is None else f"Saved in {out}: {files}",
        facts=tuple(facts_of(models)),
    )


def _measures(repair: Repair) -> Table | None:
    """One row a model, and the change; a column only where a model has the figure."""
    proof = repair.proof
    if proof is None:
        return None
    fixed = proof.repair.pooled
    sides: list[tuple[str, Audit]] = [("base", proof.tuning.pooled.before)]
    if proof.matched is not None:
        sides.append((IN_TEMPLATE, proof.matched.pooled.before))
    sides += [("before", fixed.before), ("after", fixed.after)]
    shown = [(title, key) for title, key in MEASURES if fixed.after.metrics[key].value is not None]
    rows = [
        Row(name, tuple((signed if key == "gap" else number)(side.metrics[key].value) for _, key in shown))
        for name, side in sides
    ]
    rows.append(Row("after - before", tuple(signed(fixed.change[key].value) for _, key in shown), whole=True))
    return Table((Head("", tuple(title for title, _ in shown)),), tuple(rows))


def _candidates(tried: list[Candidate]) -> Table:
    rows = []
    for one in tried:
        metrics = None if one.proven is None else one.proven.after.metrics
        figures = [number(None if metrics is None else metrics[key].value) for key in ("ece", "accuracy", "nll")]
        name = one.method if one.setting is None else setting_text(one.setting)
        cells = (*figures, kept_text(one.retention), cost_text(one))
        rows.append(Row(f"* {name}" if one.chosen else name, cells, one.chosen))
    return Table((Head("", ("ECE", "accuracy", "NLL", "kept", "cost")),), tuple(rows))
