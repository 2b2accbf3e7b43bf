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
    named = [row["task"] for row in rows[:: 3 * len(METRICS)]]
    assert named[-2:] == ["all (pooled)", "all (macro)"]
    if make is comparison_result:
        assert named[:-2] == [task["name"] for task in result["tasks"]]
    assert all(name.isprintable() for name in named)


def test_no_name_is_a_formula_and_numbers_stay_numbers():
    """What a spreadsheet takes for a formula: owasp.org, CSV Injection."""
    names = ("=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)", "\t=1", "＝1", "a=b")
    result = comparison_result(names=names, n_items=30)
    rows = read(result)
    shown = list(dict.fromkeys(row["task"] for row in rows))[: len(names)]
    assert shown == ["'=cmd|' /C calc'!A0", "'+1", "'-2+3", "'@SUM(A1)", "'=1", "'＝1", "a=b"]
    assert any(row["value"].startswith("-") for row in rows)
    assert all(float(row["value"]) is not None for row in rows if row["value"])


def test_an_audit_has_one_side():
    result = audit_result()
    rows = read(result)
    assert {row["side"] for row in rows} == {"model"}
    assert float(rows[0]["value"]) == result["tasks"][0]["metrics"]["accuracy"]["value"]
    assert all(row["p_value"] == "" for row in rows)
