"""The result as JSON (docs/result.schema.json): made, written whole or not at all, and read back."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from calibaudit.advice.recommendation import Recommendation
from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.worst_errors import ConfidentError
from calibaudit.errors import OutputError, ScoresError

SCHEMA_VERSION = 1


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
    return json.dumps(result, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def write_result(result: Mapping[str, Any], path: Path) -> None:
    """Write the result as JSON, whole or not at all: an older file at `path` stays until the new one is complete.

    Raises OutputError when the folder is missing, cannot be written or is full.
    """
    write_whole(result_text(result), path)


def write_whole(content: str | bytes, path: Path) -> None:
    """Write text (as UTF-8) or bytes beside `path`, flush it to the disk, and put it in place in one step.

    A link stays a link: its target is replaced. An existing file's permissions are kept. What is no file (a pipe,
    a terminal, /dev/null) is written to directly.
    Raises OutputError when that cannot be done; nothing half-written is left.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    target = path.resolve()
    if target.is_dir():
        raise OutputError(f"{path}: cannot be written: it is a folder; name a file")
    temporary: Path | None = None
    try:
        if _is_stream(path):
            path.write_bytes(data)
            return
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {_reason(error, target)}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # gone already when it was put in place
                temporary.unlink()


def check_writable(path: Path) -> None:
    """Raise OutputError now if `path` could not be written later: before an hour of scoring, not after it."""
    target = path.resolve()
    if target.is_dir():
        raise OutputError(f"{path}: cannot be written: it is a folder; name a file")
    if _is_stream(path):
        return
    try:
        with tempfile.TemporaryFile(prefix=f".{target.name}.", dir=target.parent):
            pass
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {_reason(error, target)}") from error


def read_result(path: Path) -> dict[str, Any]:
    """The JSON that `write_result` wrote, of a comparison or of one model; of `fix` the comparison before and after.

    Raises ScoresError when the file cannot be read, is not such a result, or has another schema version.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise ScoresError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ScoresError(f"{path}: not JSON: {error}") from error
    if not isinstance(result, dict) or "schema_version" not in result:
        raise ScoresError(f"{path}: not a calibaudit result: no schema_version; make one with `calibaudit compare -o`")
    if result["schema_version"] != SCHEMA_VERSION:
        raise ScoresError(
            f"{path}: schema_version {result['schema_version']!r}; this version of calibaudit reads {SCHEMA_VERSION}"
        )
    if result.get("kind") == "fix":
        if not isinstance(result.get("proof"), dict) or not isinstance(result["proof"].get("repair"), dict):
            raise ScoresError(f"{path}: a `fix` that trained nothing has no comparison to show")
        return dict(result["proof"]["repair"])
    return result


def _is_stream(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _reason(error: OSError, target: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return f"the folder {target.parent} does not exist; make it first"
    return f"{error.strerror or error} (folder {target.parent}); free it or name another file with -o"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
