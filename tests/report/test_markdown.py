from __future__ import annotations

import re

import pytest
from made_results import HOSTILE, audit_result, comparison_result, hostile_result

from calibaudit.report.document.markdown import escaped, markdown_page
from calibaudit.report.words.text import bounds, number, signed


def rows(text):
    """Cells of every table line, split at the bars that are not escaped."""
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize(
    "result", [comparison_result, audit_result, lambda: comparison_result(gated=True), hostile_result]
)
def test_tables_are_rectangles_and_lines_are_whole(result):
    text = markdown_page(result())
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert tables
    for table in tables:
        assert len({len(cells) for cells in rows(table)}) == 1
    assert text.endswith("\n")
    assert "\n\n\n" not in text
    assert text.startswith("## ")


def test_the_numbers():
    result = comparison_result()
    text = markdown_page(result)
    cells = {row[0].strip().replace("\\", ""): [cell.strip() for cell in row] for row in rows(text)}
    for task in result["tasks"]:
        row, change = cells[task["name"]], task["change"]["ece"]
        assert row[5:7] == [number(task["before"]["ece"]["value"]), number(task["after"]["ece"]["value"])]
        assert row[7].rstrip("*") == signed(change["value"])
        assert row[8] == bounds(change["low"], change["high"])
    advice = result["recommendation"]
    found = advice["demand"]["temperature"]
    temperature = f"{number(found['value'], 2)} {bounds(found['low'], found['high'], 2)}"
    plain = text.replace("\\", "")
    assert f"Advice: divide the scores of the choices by a temperature of {temperature}: no training" in plain
    command = "calibaudit fix lab/tuned --base lab/base --method temperature --out fixed"
    assert f"To make the repair and prove it: {command}" in plain
    assert [option["method"] for option in advice["options"]] == ["smooth", "aligned", "temperature", "merge"]
    for option in advice["options"]:
        figures, name = option["figures"], option["method"]
        assert f"- {name}: kept: {option['kept']}; cost: {option['cost']}; {option['basis'][:30]}" in plain
        if figures is None and option["setting"] is None:
            assert name not in cells  # nothing is known of it before it is tried: no row of dashes
            continue
        row = cells[name + " (advised)" * (name == "temperature")]
        for column, key in enumerate(("ece", "accuracy", "nll"), start=2):
            shown = "–" if figures is None else number(figures[key]["value"])
            assert row[column].split(" ")[0] == shown
    for trade in advice["trades"]:
        assert trade[1:60] in plain
    assert "- What now? **Do not ship its confidence as it is**" in text


def test_the_gate_comes_first():
    text = markdown_page(comparison_result(gated=True))
    assert text.startswith("## Gate: regressed: ")
    assert "Regressed: tuned is worse calibrated than the baseline" in text
    assert "### Gate" in text


@pytest.mark.parametrize(
    "text", [*HOSTILE, "a|b", "# not a title", "[x](http://a)", "*b*", "`c`", "@team", "line\n\n- item"]
)
def test_escaped_text_brings_no_markup(text):
    shown = escaped(text)
    assert "\n" not in shown
    assert len(shown) < 1500
    assert not re.search(r"(?<!\\)[|`*_\[\]]", shown)
    assert not re.search(r"[<>@]", shown)


def test_it_fits_a_step_summary():
    names = tuple(f"subject_{i}" for i in range(57))
    assert len(markdown_page(comparison_result(names=names, n_items=30)).encode()) < 1 << 20
    assert len(markdown_page(hostile_result()).encode()) < 1 << 20
