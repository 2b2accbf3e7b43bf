"""A repair as JSON (its schema: fix.schema.json, beside the documentation)."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from typing import Any

from calibaudit.repair.candidates import Repair
from calibaudit.report.result_json import comparison_dict, envelope
from calibaudit.report.words.repair import repair_sentence
from calibaudit.report.words.repair_how import repair_warnings


def repair_dict(repair: Repair, *, created: datetime | None = None) -> dict[str, Any]:
    """What `fix` saves; each comparison of the proof is a result of its own. created: now when left out."""
    moment = created or datetime.now(timezone.utc)
    proof = None
    if repair.proof is not None:
        parts = dict.fromkeys(field.name for field in dataclasses.fields(repair.proof))
        found = {name: comparison_dict(part, created=moment) for name, part in repair.proof.parts().items()}
        proof = {**parts, **found}
    return {
        **envelope(moment),
        "kind": "fix",
        "models": {"base": repair.base.to_dict(), "instruct": repair.instruct.to_dict()},
        "settings": repair.settings.to_dict(),
        "data": None if repair.data is None else repair.data.to_dict(),
        "advice": None if repair.advice is None else repair.advice.to_dict(),
        "n_advice_items": repair.n_advice_items,
        "candidates": [candidate.to_dict() for candidate in repair.candidates],
        "training": None if repair.training is None else dataclasses.asdict(repair.training),
        "retention": None if repair.retention is None else repair.retention.to_dict(),
        "proof": proof,
        "verdict": {**repair.verdict.to_dict(), "sentence": repair_sentence(repair)},
        "notes": list(repair.notes),
        "warnings": repair_warnings(repair),
    }
