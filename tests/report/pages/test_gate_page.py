"""The gate's pages: how it asked, its words, and why its findings can differ from those beside them."""

from __future__ import annotations

import dataclasses
import io

import pytest
from made_scores import TUNED, made_scores
from report.pages.parsed_page import Page
from rich.console import Console

from calibaudit.analysis.compare import compare
from calibaudit.analysis.side_warnings import prompt_warnings
from calibaudit.gating.verdict import Limits, gate
from calibaudit.report.document.gate import gate_view
from calibaudit.report.document.html import html_page
from calibaudit.report.result_json import comparison_dict
from calibaudit.report.terminal.saved import page_of


def gated(names=("one", "two"), *, limits=None, heat=1.05, **fields):
    sides = [
        [made_scores(150, task=name, seed=i, heat=h, **how, **fields) for i, name in enumerate(names)]
        for h, how in ((1.0, {}), (heat, {"model": TUNED}))
    ]
    verdict = gate(*sides, limits or Limits())
    return verdict, {**comparison_dict(compare(*sides)), "verdict": verdict.to_dict()}


def printed(result):
    stream = io.StringIO()
    page_of(result, "x")(Console(file=stream, width=80))
    return " ".join(stream.getvalue().split("\n\n")[0].split())


def of_html(result):
    page = Page(html_page(result))
    return page, page.text("p", class_="facts")[0]


def test_the_header_says_how_it_asked():
    _, plain = gated()
    asked_inside = gated(chat_template=True)[1]
    assert "2 tasks, 300 items, cloze, margin .020" in printed(plain)
    assert "chat template" not in printed(plain) + of_html(plain)[1]
    assert "2 tasks, 300 items, cloze, chat template on, margin .020" in printed(asked_inside)
    assert of_html(asked_inside)[1] == "2 tasks, 300 items, cloze, chat template on, seed 0"


def test_an_open_outcome_has_one_word():
    verdict, result = gated()
    assert verdict.outcome == "inconclusive"
    view = gate_view(verdict)
    assert (view.label, view.action.split(":")[0]) == ("Gate: inconclusive", "Inconclusive")
    assert "Undecided" not in html_page(result)
    many = gate_view(gated([f"t{i}" for i in range(30)])[0])
    assert "Inconclusive: 30 tasks" in [group.title for group in many.groups]


@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_why_the_gate_can_differ_from_the_tasks(alpha):
    _, result = gated(limits=Limits(alpha=alpha, margin=0.03))
    said = [text for text in of_html(result)[0].text("p") if text.startswith("Task by task can look different")]
    assert said == [
        f"Task by task can look different: here tests are one-sided for a worsening, at {alpha * 100:.0f} % over all "
        "items, the tasks and both measures together (Holm), and a change is ok only when its upper bound is below "
        "the margin of .030; there intervals and stars are two-sided, of any change, corrected for the tasks alone."
    ]
    single = gate_view(gated(["one"])[0]).facts[-1]
    assert "over both measures together" in single
    assert single.endswith("two-sided, of any change.")


def warned(*ways):
    pairs = []
    for i, (before, after) in enumerate(ways):
        one = made_scores(20, task=f"t{i}", seed=i, chat_template=before)
        pairs.append((one, dataclasses.replace(one, chat_template=after)))
    return next((text.split(" (")[1].split(")")[0] for text in prompt_warnings(pairs) if "one side only" in text), None)


def test_tasks_that_agree_are_told_once():
    on, off, same = (False, True), (True, False), (True, True)
    assert warned(on) == "t0: off before, on after"
    assert warned(on, on) == "off before, on after, in both tasks"
    assert warned(*[on] * 9) == "off before, on after, in all 9 tasks"
    assert warned(same, on, on) == "off before, on after, in t1, t2"
    assert warned(on, off) == "t0: off before, on after, t1: on before, off after"
    assert warned(same, same) is None
