"""What the HTML report promises its reader, by a real parser: order, names, explanations, nothing twice, size."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from html import escape

import pytest
from made_results import audit_result, comparison_result, piloted_result
from report.pages.parsed_page import Page
from report.repairs.made_repairs import made
from rich.console import Console

from calibaudit.report.document import diagrams
from calibaudit.report.document.html import html_page
from calibaudit.report.repair_json import repair_dict
from calibaudit.report.result_json import result_text
from calibaudit.report.saved import comparison_of
from calibaudit.report.terminal.comparison import render_comparison

NINE = ("arithmetic", "calendar", "categories", "elements", "geography", "orders", "reading", "units", "words")
MANY = tuple(f"suite{i % 8}_subject_{i}" for i in range(57))
SENTENCE = re.compile(r"(?<=[.;:]) ")


def undrawn(result):
    """The page without its diagrams, which take most of the time."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("draw_reliability", "draw_confidence", "draw_changes"):
            patched.setattr(diagrams.draw, name, lambda *_, **__: None)
        patched.setattr(
            diagrams, "inline_svg", lambda figure, name, label: f"<svg><title>{escape(label)}</title></svg>"
        )
        return Page(html_page(result))


RESULTS = {
    "gated": lambda: comparison_result(gated=True),  # checks that are broken, undecided and kept
    "piloted": piloted_result,
    "audit": audit_result,
    "repair": lambda: json.loads(result_text(repair_dict(made("best of three")))),
}


@pytest.fixture(scope="module")
def nine():
    result = comparison_result(names=NINE, n_items=120)
    text = html_page(result)
    return result, text, Page(text)


@pytest.fixture(scope="module", params=["nine", *RESULTS])
def made_page(request, nine):
    return request.param, nine[2] if request.param == "nine" else undrawn(RESULTS[request.param]())


@pytest.fixture(scope="module")
def many():
    result = comparison_result(names=MANY, n_items=40)
    text = html_page(result)
    return result, text, Page(text)


def test_the_contents_are_the_headings_in_their_order(made_page):
    _, page = made_page
    cards = {"By how much?", "How sure is that?", "What now?", "What was done?", "Where is it?"}
    headings = [text for text in page.text("h2") if text not in cards]
    assert [text for e, text in zip(page.all("a"), page.text("a"), strict=True) if "skip" not in str(e)] == headings
    assert len(headings) >= 6


def test_nothing_is_said_twice(made_page):
    """Of sentences and clauses; cells are figures, and what a heading or a label says may be short."""
    _, page = made_page
    said = Counter()
    for tag in ("p", "li", "dd", "figcaption", "summary", "h1", "h3"):
        for element, text in zip(page.all(tag), page.text(tag), strict=True):
            if element["attrs"].get("class") != "said" and "article" not in element["inside"]:
                said.update(part.strip(" .") for part in SENTENCE.split(text) if len(part) > 40)
    assert {text: n for text, n in said.items() if n > 1} == {}


def test_no_row_is_all_dashes_and_all_items_come_first(made_page):
    name, page = made_page
    tables = page.tables()
    assert len(tables) >= 4
    for _, rows in tables:
        assert [row for row in rows if len(row) > 1 and set(row[1:]) <= {"–", ""} and any(row[1:])] == []
    if name != "repair":  # one task
        for first in ("tasks-t", "gate-t")[: 2 if name == "gated" else 1]:
            body = next(rows for label, rows in tables if label == first)
            names = [row[0] for row in body if row[0] not in ("", "Task")]
            assert names[0] == "all (pooled)"


def test_every_metric_and_figure_says_what_it_is(made_page):
    """Where it stands, and not for a mouse that hovers."""
    _, page = made_page
    metrics = dict(page.tables())["metrics-t"][2:]
    explained = page.text("span", class_="what")
    assert len(metrics) > 15
    assert [
        row[0]
        for row in metrics
        if not any(row[0] == f"{row[0].removesuffix(what)}{what}" != what for what in explained)
    ] == []
    labels = [label for label in page.text("dt") if label not in LABELS_THAT_NEED_NONE]
    assert len(page.all("dd", class_="what")) == len(labels)
    assert not any("title" in element["attrs"] for element in page.elements)


LABELS_THAT_NEED_NONE = {
    "Prompts",
    "Thinking",
    "Confidence bins",
    "Interval level",
    "Seed",
    "calibaudit",
    "Created",
}


def test_rows_are_called_as_on_the_terminal(nine):
    result, _, page = nine
    console = Console(file=io.StringIO(), width=200)
    render_comparison(comparison_of(result), console)
    lines = console.file.getvalue().splitlines()
    tables = dict(page.tables())
    rows = [row[0] for row in tables["tasks-t"][2:]]
    assert rows == ["all (pooled)", "all (macro)", *NINE]
    for name in rows:
        assert any(line.startswith(f" {name}  ") for line in lines), name
    start = next(i for i, line in enumerate(lines) if line.startswith(" Change over all"))
    printed = re.findall(
        r"(?:^ |   )([A-Za-z][A-Za-z ()]*?) +[+−]?\.?\d",
        "\n".join(lines[start + 1 : start + 1 + lines[start:].index("")]),
        re.MULTILINE,
    )
    metrics = [row[0].lower() for row in tables["metrics-t"][2:]]
    assert len(printed) > 5
    for name in printed:
        assert any(metric.startswith(name.lower()) for metric in metrics), name


def test_the_template_stands_once_not_in_every_row():
    result = comparison_result(names=NINE[:2], n_items=60)
    for task in result["tasks"]:
        task["chat_template"] = {"before": False, "after": True}
    page = undrawn(result)
    assert "chat template off → on" in page.text("p", class_="facts")[0]
    assert not [text for text in page.text("th") if "(chat)" in text]
    result["tasks"][0]["chat_template"] = {"before": False, "after": False}
    page = undrawn(result)
    assert "chat template off, off → on," in page.text("p", class_="facts")[0]
    assert "calendar (chat)" in page.text("th")


def test_what_now_holds_the_command(nine):
    result, text, page = nine
    method = result["recommendation"]["action"]
    (command,) = page.text("code")[:1]
    assert command == f"calibaudit fix lab/tuned --base lab/base --method {method} --out fixed"
    assert "code" in [e["tag"] for e in page.elements if e["inside"] and "section" in e["inside"]]
    assert page.text("code").count(command) == 1
    assert "INSTRUCT --base" not in text


def test_broken_and_undecided_are_told_apart_without_colour():
    result = comparison_result(gated=True)
    page = undrawn(result)
    findings = {e["attrs"].get("class"): page.text("tr")[i].split()[-2:] for i, e in enumerate(page.all("tr"))}
    assert findings["broken"] == ["✗", "broken"]
    assert findings["undecided"] == ["?", "undecided"]
    assert findings["kept"] == ["✓", "ok"]
    verdict = result["verdict"]
    checks = [check["finding"] for part in (verdict["overall"], *verdict["tasks"]) for check in part["checks"]]
    for name in ("broken", "undecided", "kept"):
        assert len(page.all("tr", class_=name)) == checks.count(name) > 0


def test_the_legend_of_the_forest_plots_says_filled_and_hollow_and_whose_change(nine):
    _, text, page = nine
    assert "Change from base to tuned" in page.text("h3")
    assert "significant: for ECE after Holm's correction" in " ".join(page.text("p"))
    assert [e["attrs"]["class"] for e in page.all("span") if "square" in e["attrs"].get("class", "")] == [
        "key square",
        "key square hollow",
    ]
    assert text.count("worse →") == 1
    assert text.count("surer →") == 1
    assert text.count("better →") == 1


def test_a_page_is_small(nine, many):
    assert len(nine[1].encode()) <= 250_000
    assert len(many[1].encode()) <= 300_000


def test_many_tasks_stand_in_groups_by_finding_the_largest_change_first(many):
    result, _, page = many
    tables = dict(page.tables())
    groups = {label: rows[2:] for label, rows in tables.items() if label.startswith("tasks-g-")}
    names = [row[0] for rows in groups.values() for row in rows]
    assert sorted(names) == sorted(MANY)
    assert [row[0] for row in tables["tasks-t"][2:]] == ["all (pooled)", "all (macro)"]
    change = {task["name"]: task["change"]["ece"]["value"] for task in result["tasks"]}
    for rows in groups.values():
        moved = [abs(change[row[0]]) for row in rows]
        assert moved == sorted(moved, reverse=True)
    stars = {row[0] for rows in groups.values() for row in rows if row[7].endswith("*")}
    held = {task["name"] for task in result["tasks"] if (task["ece_p_holm"] or 1) < 0.05}
    assert stars == held
    titles = page.text("summary", id="tasks-g-1") + page.text("summary", id="tasks-g-2")
    assert any(title.startswith("No detectable change of ECE: ") for title in titles)
    closed = [e for e in page.all("details", class_="group") if "open" not in e["attrs"]]
    assert len(closed) == 1
    assert "The 24 of 57 tasks whose ECE changed most." in " ".join(page.text("p"))
    assert len(page.all("svg")) == 2 + 3 + 24


def test_many_tasks_of_one_model_show_the_worst_first():
    names = tuple(f"topic_{i}" for i in range(40))
    page = undrawn(audit_result(names=names, n_items=20, heat=4.0))
    groups = [(label, rows[2:]) for label, rows in page.tables() if label.startswith("tasks-g-")]
    assert sorted(row[0] for _, rows in groups for row in rows) == sorted(names)
    opened = ["open" in element["attrs"] for element in page.all("details", class_="group")]
    assert len(opened) == len(groups)
    assert all(len(rows) <= 24 for (_, rows), seen in zip(groups, opened, strict=True) if seen)


def test_a_gate_of_many_tasks_folds_away_what_passed():
    names = tuple(f"topic_{i}" for i in range(25))
    result = comparison_result(gated=True, names=names, n_items=120, heat=2.2)
    page = undrawn(result)
    shown = {label: rows for label, rows in page.tables() if label.startswith("gate-")}
    in_groups = [
        row[0] for label, rows in shown.items() if label != "gate-t" for row in rows if row[0].startswith("topic")
    ]
    assert sorted(in_groups) == sorted(names)
    outcomes = Counter(part["outcome"] for part in result["verdict"]["tasks"])
    titles = page.text("summary")
    assert f"Regressed: {outcomes['regressed']} tasks" in titles
