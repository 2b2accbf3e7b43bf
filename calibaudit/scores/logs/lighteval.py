"""Details of lighteval (`--save-details`, Parquet) -> Scores.

The layout is the one with the columns `doc`, `model_response` and `metric` (written by 0.13.0): of each choice the
summed log-probability. Its `output_tokens` are not read: they are padded, and fewer than the choices in some items.
Earlier layouts, with `predictions` as text, are refused by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.files.text import json_value
from calibaudit.scores.logs.collected import Logged, are_letters, scores_of, usable, with_mass
from calibaudit.scores.logs.settings import ImportSettings, Notice
from calibaudit.scores.scores import ModelInfo, Scores, unknown_model
from calibaudit.scores.tables.parquet import parquet_columns, parquet_rows
from calibaudit.tasks.items import Scoring

DETAILS = "details_*.parquet"


def is_details(columns: list[str]) -> bool:
    """Whether a Parquet file with these columns is lighteval's, of this layout or an earlier one."""
    return {"doc", "model_response"} <= set(columns) or {"full_prompt", "predictions", "gold_index"} <= set(columns)


def read_lighteval(path: Path, settings: ImportSettings, notice: Notice | None) -> Scores:
    """One task's scores. Raises ScoresError naming file and item."""
    if "doc" not in parquet_columns(path):
        raise ScoresError(
            f"{path}: details of an earlier lighteval, which wrote predictions as text; run it again with 0.13"
        )
    rows = parquet_rows(path, ["doc", "model_response"])
    items = usable(enumerate(rows), lambda entry: _item(*entry), str(path), notice)
    possible: list[Scoring] = ["cloze", "cloze_byte", "cloze_char"]
    if are_letters(items):
        items = [with_mass(item) for item in items]
        possible = ["letter", *possible]
    if all(item.unconditional for item in items):
        possible.append("pmi")
    name = str(rows[0]["doc"].get("task_name") or path.stem.removeprefix("details_"))
    parts = name.split("|")
    task = parts[-2] if len(parts) > 1 else name  # [suite|]task|examples
    return scores_of(items, str(path), task=task, model=_model(path), asked=settings.scoring, possible=possible)


def _item(number: int, row: dict[str, Any]) -> Logged:
    doc, response = row["doc"] or {}, row["model_response"] or {}
    name = f"item {doc.get('id') or number!r}"
    choices = [str(choice) for choice in doc.get("choices") or ()]
    lls = list(response.get("logprobs") or ())
    if not lls or len(lls) != len(choices):
        raise ScoresError(
            f"{name} has {len(choices)} choices and {len(lls)} log-probabilities: generated answers have none to audit"
        )
    gold = doc.get("gold_index")
    golds = gold if isinstance(gold, list) else [gold]
    if len(golds) != 1 or not isinstance(golds[0], int):
        raise ScoresError(f"{name}: gold_index: expected the index of one right choice, found {json_value(gold)}")
    return Logged(
        id=str(doc.get("id") or number),
        question=str(doc.get("query") or ""),
        choices=tuple(choices),
        answer=golds[0],
        lls=tuple(map(float, lls)),
        content=["lighteval", doc.get("query"), choices, golds[0]],
        unconditional=tuple(map(float, response.get("unconditioned_logprobs") or ())),
    )


def _model(path: Path) -> ModelInfo:
    """Named by the folders: details/MODEL/DATE/details_TASK_DATE.parquet."""
    parts = path.resolve().parts[:-2]
    name = "/".join(parts[parts.index("details") + 1 :]) if "details" in parts else path.parent.name
    return unknown_model(name or path.stem, "logged by lighteval")
