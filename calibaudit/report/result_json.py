"""The result as JSON (result.schema.json): made, written whole or not at all, and read back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from calibaudit.advice.recommendation import Recommendation
from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.worst_errors import ConfidentError
from calibaudit.errors import OutputError, ScoresError
from calibaudit.files.paths import user_path
from calibaudit.files.read import read_json
from calibaudit.files.text import json_text
from calibaudit.files.write import write_whole
from calibaudit.scores.scores import READABLE_VERSIONS, SCHEMA_VERSION


def comparison_dict(
    comparison: Comparison,
    recommendation: Recommendation | None = None,
    *,
    errors: Sequence[ConfidentError] = (),
    created: datetime | None = None,
) -> dict[str, Any]:
    """What `compare` saves. created: now when left out; written in UTC."""
    return {
        **envelope(created),
        **comparison.to_dict(),
        "errors": [error.to_dict() for error in errors],
        "recommendation": None if recommendation is None else recommendation.to_dict(),
        "verdict": None,
    }


def envelope(created: datetime | None = None) -> dict[str, Any]:
    """What every result begins with. created: now when left out; written in UTC."""
    moment = (created or datetime.now(timezone.utc)).astimezone(timezone.utc)
    return {
        "schema_version": SCHEMA_VERSION,
        "calibaudit_version": version("calibaudit"),
        "created": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def audit_dict(
    audit: ModelAudit, *, errors: Sequence[ConfidentError] = (), created: datetime | None = None
) -> dict[str, Any]:
    """What `score` saves, without its raw scores. created: now when left out; written in UTC."""
    return {**envelope(created), **audit.to_dict(), "errors": [error.to_dict() for error in errors]}


def result_text(result: Mapping[str, Any]) -> str:
    """The result as strict JSON text, ending in a newline. ValueError on NaN or infinity: those are ours to prevent."""
    return json_text(result, indent=1) + "\n"


def write_result(result: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the result as JSON, whole or not at all: an older file at `path` stays until the new one is complete.

    Raises OutputError when the folder is missing, cannot be written or is full.
    """
    write_whole(result_text(result), user_path(path, OutputError))


def read_result(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON that `write_result` wrote: of a comparison, of one model, or of a repair.

    Raises ScoresError when the file cannot be read, is not such a result, or has another schema version.
    """
    path = user_path(path, ScoresError)
    result = read_json(path, ScoresError, finite=True)
    if not isinstance(result, dict) or "schema_version" not in result:
        raise ScoresError(f"{path}: not a calibaudit result: no schema_version; make one with `calibaudit compare -o`")
    if result["schema_version"] not in READABLE_VERSIONS:
        raise ScoresError(
            f"{path}: schema_version {result['schema_version']!r}; this version of calibaudit reads 1 and 2"
        )
    return result


def is_repair(result: Mapping[str, Any]) -> bool:
    """What `fix` saved; `report.saved_repair` reads it."""
    return result.get("kind") == "fix"


def repair_proof(result: Mapping[str, Any], source: str = "the result") -> Mapping[str, Any]:
    """Of a repair's result the comparison of before and after. Raises ScoresError where nothing was repaired."""
    proof = result.get("proof")
    if not isinstance(proof, Mapping) or not isinstance(proof.get("repair"), Mapping):
        raise ScoresError(f"{source}: nothing was repaired, so there is no comparison: choose .html, .md or .json")
    return dict(proof["repair"])
