"""The gate's verdict in a saved result, in words: expected against found, check by check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.reporting.page_tables import Head, Row, Table, p_cell
from calibaudit.reporting.wording import bounds, number, signed

_OUTCOMES = {
    "passed": ("better", "Gate: passed", "Accept it: the gate found no regression"),
    "regressed": ("worse", "Gate: regressed", "Do not merge: calibration regressed"),
    "over_limit": ("worse", "Gate: over a limit", "Do not merge: it is over a limit"),
    "inconclusive": ("neutral", "Gate: inconclusive", "Undecided: score more items"),
}
_FINDINGS = {"kept": "kept", "broken": "broken", "undecided": "undecided"}
_MEASURES = {
    "ece": "ECE change",
    "gap": "change of |gap|",
    "max_ece": "ECE",
    "max_gap": "|gap|",
    "max_brier": "Brier",
}


@dataclass(frozen=True)
class GateView:
    """tone: worse, better or neutral. label: the outcome. action: what to do. table: the checks, task by task."""

    tone: str
    label: str
    action: str
    table: Table


def gate_of(result: Mapping[str, Any], source: str = "the result") -> GateView | None:
    """The verdict in a result; None where there is none. Raises ScoresError naming `source` when it is malformed."""
    verdict = result.get("verdict")
    if verdict is None:
        return None
    try:
        tone, label, action = _OUTCOMES[verdict["outcome"]]
        if verdict["outcome"] == "inconclusive" and verdict["n_to_settle"] is not None:
            action = f"Undecided: about {int(verdict['n_to_settle']):,} items would settle it"
        parts = verdict["tasks"] if len(verdict["tasks"]) == 1 else [*verdict["tasks"], verdict["overall"]]
        rows = tuple(row for i, part in enumerate(parts) for row in _rows(part, whole=i == len(verdict["tasks"])))
    except (KeyError, TypeError, ValueError) as error:
        raise ScoresError(f"{source}: its entry 'verdict' is malformed ({error}); run the gate again") from error
    heads = (Head("", ("Check", "Expected", "Found", "Interval", "p", "Finding")),)
    return GateView(tone, label, action, Table(heads, rows))


def _rows(part: Mapping[str, Any], *, whole: bool) -> list[Row]:
    rows = []
    for check in part["checks"]:
        measure = str(check["measure"])
        form = number if measure.startswith("max_") else signed
        finding = _FINDINGS[check["finding"]] if part["judged"] else "too few items"
        cells = (
            _MEASURES[measure],
            f"≤ {form(float(check['allowed']))}",
            form(float(check["found"])),
            bounds(check["low"], check["high"]) or "–",
            p_cell(check["p_value"]),
            finding,
        )
        rows.append(Row("all (pooled)" if whole else str(part["name"]), cells, whole))
    return rows
