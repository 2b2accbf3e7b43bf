from __future__ import annotations

import csv
import io

import pytest
from made_results import audit_result, comparison_result, hostile_result

from calibaudit.analysis.estimates import METRICS
from calibaudit.report.tidy_csv import COLUMNS, tidy_csv


def read(result):
    return list(csv.DictReader(io.StringIO(tidy_csv(result))))


@pytest.mark.parametrize("make", [comparison_result, hostile_result])
def test_every_number_of_a_comparison_in_full(make):
    result = make()
    rows = read(result)
    assert tuple(rows[0]) == COLUMNS
    n_parts = len(result["tasks"]) + 2
    assert len(rows) == n_parts * 3 * len(METRICS)
    parts = [*result["tasks"], result["overall"]["pooled"], result["overall"]["macro"]]
    expected = [
        (side, name, metric["value"], metric["low"], metric["high"], metric.get("p_value"))
        for part in parts
        for side in ("before", "after", "change")
        for name, metric in part[side].items()
    ]
    found = [
        (row["side"], row["metric"], *(float(row[k]) if row[k] else None for k in ("value", "low", "high", "p_value")))
        for row in rows
    ]
    assert found == expected
    assert [row["task"] for row in rows[:: 3 * len(METRICS)]] == [
        *(task["name"] for task in result["tasks"]),
        "all (pooled)",
        "all (macro)",
    ]


def test_an_audit_has_one_side():
    result = audit_result()
    rows = read(result)
    assert {row["side"] for row in rows} == {"model"}
    assert float(rows[0]["value"]) == result["tasks"][0]["metrics"]["accuracy"]["value"]
    assert all(row["p_value"] == "" for row in rows)
