"""A repair as JSON (docs/fix.schema.json)."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from typing import Any

from calibaudit.repair.fix import Repair
from calibaudit.report.result_json import comparison_dict, envelope
from calibaudit.report.words.repair import repair_sentence, repair_warnings


def repair_dict(repair: Repair, *, created: datetime | None = None) -> dict[str, Any]:
    """What `fix` saves; each comparison of the proof is a result of its own. created: now when left out."""
    moment = created or datetime.now(timezone.utc)
    proof = None
    if repair.proof is not None:
        sides = (("tuning", repair.proof.tuning), ("repair", repair.proof.repair), ("left", repair.proof.left))
        proof = {name: comparison_dict(comparison, created=moment) for name, comparison in sides}
    return {
        **envelope(moment),
        "kind": "fix",
        "models": {"base": repair.base.to_dict(), "instruct": repair.instruct.to_dict()},
        "settings": repair.settings.to_dict(),
        "data": repair.data.to_dict(),
        "advice": None if repair.advice is None else repair.advice.to_dict(),
        "n_advice_items": repair.n_advice_items,
        "training": None if repair.training is None else dataclasses.asdict(repair.training),
        "fits": None if repair.fits is None else {name: fit.to_dict() for name, fit in repair.fits.items()},
        "proof": proof,
        "verdict": {**repair.verdict.to_dict(), "sentence": repair_sentence(repair)},
        "warnings": repair_warnings(repair),
    }
