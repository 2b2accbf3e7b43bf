from __future__ import annotations

import itertools
import json
import re

import pytest
from made_results import audit_result, comparison_result, hostile_result
from report.pages.parsed_page import Page

from calibaudit.analysis.settings import Settings
from calibaudit.report.document.html import html_page, percent
from calibaudit.report.result_json import result_text
from calibaudit.report.words.text import bounds, number, p_text, signed

RESULTS = {
    "comparison": comparison_result,
    "gated": lambda: comparison_result(gated=True),
    "audit": audit_result,
    "one task": lambda: comparison_result(names=("only",), n_items=60),
    "three items": lambda: comparison_result(names=("only",), n_items=3),
    "one item": lambda: audit_result(names=("only",), n_items=1),
    "no resamples": lambda: comparison_result(settings=Settings()),
    "hostile": hostile_result,
}


@pytest.fixture(scope="module", params=RESULTS)
def result(request):
    return RESULTS[request.param]()


@pytest.fixture(scope="module")
def text(result):
    return html_page(result)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_a_saved_file_gives_the_same_page(result, text):
    assert html_page(json.loads(result_text(result))) == text


def test_nothing_is_fetched_and_nothing_runs(result, page):
    tags = {element["tag"] for element in page.elements}
    assert not tags & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "video",
        "audio",
        "form",
        "input",
        "base",
        "foreignobject",
    }
    for element in page.elements:
        for name, value in element["attrs"].items():
            assert not name.startswith("on"), element
            if name in ("src", "href", "data", "action", "srcset", "poster"):
                assert value.startswith("#") or value == "data:,", element
            assert name != "style" or "url(" not in value.replace("url(#", ""), element
    css = "".join(element["text"] for element in page.all("style"))
    assert "url(" not in css
    assert "@import" not in css
    policy = next(e for e in page.all("meta") if e["attrs"].get("http-equiv"))
    assert policy["attrs"]["content"].startswith("default-src 'none'")


def test_a_screen_reader_finds_its_way(page):
    for tag in ("header", "main", "footer", "nav", "h1", "title"):
        assert len(page.all(tag)) == 1 if tag != "nav" else page.all(tag)
    assert page.all("html")[0]["attrs"]["lang"] == "en"
    levels = [int(element["tag"][1]) for element in page.elements if re.fullmatch(r"h[1-6]", element["tag"])]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [element["attrs"]["id"] for element in page.elements if "id" in element["attrs"]]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(element["attrs"].get(name, "").split()) <= set(ids)
        if element["tag"] == "a":
            assert element["attrs"]["href"][1:] in ids
        if element["tag"] == "svg":
            assert element["attrs"]["role"] == "img"
            assert len(element["attrs"]["aria-label"]) > 20
        if element["tag"] == "th":
            assert element["attrs"]["scope"] in ("row", "col", "colgroup", "rowgroup")
            assert element["text"].strip()
        if element["tag"] == "table":
            assert element["attrs"]["aria-labelledby"]


def test_the_tables_are_rectangles(page):
    widths = {}
    row = None
    for element in page.elements:
        if "table" in element["inside"] and element["tag"] == "tr":
            row = id(element)
            widths[row] = 0
        if element["tag"] in ("td", "th"):
            widths[row] += int(element["attrs"].get("colspan", 1))
    assert len(page.all("tr")) == len(widths)


def test_the_first_screen_answers_four_questions(page):
    assert page.text("h1")[0]
    for question in ("By how much?", "How sure is that?", "What now?"):
        assert question in page.text("h2")
    assert all(len(e["text"]) < 80 for e in page.all("p") if e["attrs"].get("class") == "big")


def test_the_figures_on_the_page_are_those_of_the_result():
    result = comparison_result()
    page = Page(html_page(result))
    text = " ".join(page.all("main")[0]["text"].split())
    pooled = result["overall"]["pooled"]
    change = pooled["change"]["ece"]
    assert f"ECE {number(pooled['before']['ece']['value'])} → {number(pooled['after']['ece']['value'])}" in text
    assert f"Change {signed(change['value'])}" in text
    assert f"95 % interval {bounds(change['low'], change['high'])}" in text
    assert p_text(change["p_value"]) in text
    body = [e["text"].split() for e in page.all("tr") if e["inside"][-1] == "tbody"]
    rows = {row[0]: row for row in reversed(body)}  # a task's first row: its last are of how it was measured
    for task in result["tasks"]:
        row = rows[task["name"]]
        assert number(task["before"]["ece"]["value"]) in row
        assert number(task["after"]["accuracy"]["value"], 2) in row
        assert any(cell.rstrip("*") == signed(task["change"]["ece"]["value"]) for cell in row)


def test_the_worst_errors_stand_with_their_options():
    result = comparison_result()
    page = Page(html_page(result))
    articles = page.all("article")
    assert len(articles) == len(result["errors"]) == 20
    for article, error in zip(articles, result["errors"], strict=True):
        text = article["text"]
        assert error["item_id"] in text
        assert error["question"] in text
        for option in error["options"]:
            assert option["text"] in text
            assert percent(option["probability"]) in text
            assert percent(option["before"]) in text
    assert all("✓ right" in article["text"] and "✗ chosen" in article["text"] for article in articles)


def test_without_the_tasks_text_there_are_ids():
    result = comparison_result()
    for error in result["errors"]:
        error["question"] = None
        for option in error["options"]:
            option["text"] = None
    page = Page(html_page(result))
    assert not page.all("blockquote")
    assert "option 1" in page.all("article")[0]["text"]
    assert "Some have no text" in page.all("main")[0]["text"]


def test_a_result_without_errors_or_advice_says_so():
    result = {**comparison_result(), "recommendation": None}
    del result["errors"]
    page = Page(html_page(result))
    assert "No wrong answer is in this result." in page.all("main")[0]["text"]
    assert "Recommendation" not in page.text("h2")


def test_the_verdict_leads_when_there_is_one():
    page = Page(html_page(comparison_result(gated=True)))
    assert page.text("title")[0].startswith("Gate: regressed")
    assert "Do not merge: calibration regressed" in page.text("p")
    assert "Gate: regressed" in page.text("span")


def test_no_interval_is_no_finding():
    page = Page(html_page(comparison_result(names=("only",), n_items=3)))
    assert "Too little evidence" in page.text("span")
    assert "Score more items, then judge" in page.text("p")
    assert "Nothing to repair" not in page.all("main")[0]["text"]


def test_hostile_text_is_text():
    text = html_page(hostile_result())
    page = Page(text)
    shown = page.all("body")[0]["text"]
    assert "<script>document.title='owned'</script>" in shown
    assert "onerror=alert(1)" in shown
    assert "{{ 7*7 }}" in shown
    assert "مرحبا שלום" in shown
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "x" * 900 not in text  # 10,000 characters are cut
    assert len(text) < 400_000
    assert all(len(quote["text"]) <= 800 for quote in page.all("blockquote"))


@pytest.mark.parametrize(
    ("probability", "shown"),
    [
        (1.0, "> 99.9 %"),
        (0.9996, "> 99.9 %"),
        (0.999, "99.9 %"),
        (0.5, "50.0 %"),
        (0.0004, "< 0.1 %"),
        (0.0, "< 0.1 %"),
    ],
)
def test_percent(probability, shown):
    assert percent(probability) == shown
