"""How a model was run, where that is not plain weights run here: quantization, adapter, engine."""

from __future__ import annotations

from collections.abc import Mapping

from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.files.text import one_line
from calibaudit.gating.verdict import Verdict
from calibaudit.report.words.text import short_names
from calibaudit.scores.scores import ModelInfo


def run_notes(model: ModelInfo) -> dict[str, str]:
    """Title -> what there is to say, nothing for plain weights that calibaudit ran itself."""
    notes = {"Quantization": model.quantization, "Adapter": model.adapter, "Engine": model.engine}
    return {title: one_line(note, 100) for title, note in notes.items() if note}


def run_facts(result: Comparison | ModelAudit | Verdict) -> list[str]:
    """A fact for each model that there is something to say of: `instruct: int8 weights (torchao), LoRA of rank 8 on
    base`; once for both where it is the same.
    """
    if isinstance(result, ModelAudit):
        return [fact] if (fact := _fact(result.model)) else []
    names = short_names(result.before.name, result.after.name)
    return facts_of(dict(zip(names, (result.before, result.after), strict=True)), "both")


def facts_of(models: Mapping[str, ModelInfo], all_of_them: str = "all") -> list[str]:
    """The same of models by what they are called; all_of_them: what stands for the names where one fact is of all."""
    facts = [_fact(model) for model in models.values()]
    if len(set(facts)) == 1:
        return [f"{all_of_them}: {facts[0]}"] if facts[0] else []
    return [f"{name}: {fact}" for name, fact in zip(models, facts, strict=True) if fact]


def run_rows(models: tuple[ModelInfo, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """(title, a cell for each model), only of what there is something to say on one side at least."""
    notes = [run_notes(model) for model in models]
    titles = dict.fromkeys(title for note in notes for title in note)
    return [(title, tuple(note.get(title, "–") for note in notes)) for title in titles]


def _fact(model: ModelInfo) -> str:
    notes = run_notes(model)
    if "Quantization" in notes:
        stored, _, by = notes["Quantization"].partition(" (")
        notes["Quantization"] = f"{stored} weights ({by}" if by else f"{stored} weights"
    if "Engine" in notes:
        notes["Engine"] = f"run by {notes['Engine']}"
    return ", ".join(notes.values())
