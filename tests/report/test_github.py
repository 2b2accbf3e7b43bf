"""GitHub's log and summary: annotations that come back as written, a page that keeps to GitHub's limits."""

from __future__ import annotations

import re

import pytest
from ci_readers import runner
from hypothesis import given
from hypothesis import strategies as st
from made_results import comparison_result
from made_scores import TUNED, made_scores

from calibaudit.analysis.settings import Settings
from calibaudit.gating.verdict import Limits, gate
from calibaudit.report import github
from calibaudit.report.document.markdown import markdown_page

FAST = Settings()


@given(st.text(max_size=60).filter(lambda text: text.strip()))
def test_an_annotation_comes_back_as_it_was_written(text: str) -> None:
    line = github._command("error", text, f"{text} 100 %0A, done: yes")
    (command,) = runner(line)
    assert command.name == "error"
    title = command.properties.pop("title")
    assert not command.properties
    assert len(title) <= 120
    assert command.data.endswith(" 100 %0A, done: yes")
    if text.isalnum() and text.isascii():
        assert title == text


def test_annotations_name_the_verdict_and_the_tasks_and_keep_to_githubs_number() -> None:
    names = [f"task-{i}" for i in range(14)]
    before = [made_scores(300, task=name, seed=i) for i, name in enumerate(names)]
    after = [made_scores(300, task=name, seed=i, heat=4.0, model=TUNED) for i, name in enumerate(names)]
    verdict = gate(before, after, Limits(), FAST)
    commands = runner("\n".join(github.annotation_lines(verdict, ["100 % odd"] * 12)))
    errors = [command for command in commands if command.name == "error"]
    assert len(errors) == 10
    assert errors[0].data.startswith("Regressed: ")
    assert errors[1].properties["title"].startswith("calibaudit gate: task-")
    assert "ECE change: expected at most +.020, found +" in errors[1].data
    assert [command.data for command in commands if command.name == "warning"] == ["100 % odd"] * 10


@pytest.mark.parametrize(
    ("heat", "limits", "kind"),
    [
        (1.02, Limits(margin=0.5), "notice"),
        (1.1, Limits(), "warning"),
        (1.1, Limits(strict=True), "error"),
        (3.0, Limits(margin=0.9, max_ece=0.05), "error"),
    ],
)
def test_an_annotation_is_as_grave_as_the_verdict(heat: float, limits: Limits, kind: str) -> None:
    verdict = gate([made_scores(400)], [made_scores(400, heat=heat, model=TUNED)], limits, FAST)
    (command,) = runner("\n".join(github.annotation_lines(verdict)))
    assert command.name == kind


def test_a_summary_of_very_many_tasks_keeps_below_1_mib_and_says_so() -> None:
    """With a fourth of the size, and so of the tasks and the time."""
    assert github.MAX_SUMMARY == 1 << 20
    most = github.MAX_SUMMARY // 4
    result = comparison_result(gated=True)
    for part in (result, result["verdict"]):
        part["tasks"] = [{**part["tasks"][i % 4], "name": f"{i} {'x' * 50}"} for i in range(625)]
    assert len(markdown_page(result).encode()) > most
    page = github.step_summary(result, most)
    assert most * 3 // 4 < len(page) <= most
    text = page.decode()
    assert re.search(r"^[\d,]+ more rows are left out", text, flags=re.MULTILINE)
    assert "| **all (pooled)** |" in text
    assert "### How it was measured" in text


def test_a_summary_of_too_much_text_is_cut_at_a_lines_end() -> None:
    result = comparison_result(gated=True)
    result["warnings"] = ["a warning of some length " * 20] * 2_500
    page = github.step_summary(result)
    assert len(page) <= github.MAX_SUMMARY
    assert page.decode().endswith("over 1 MiB.\n")
    assert github.step_summary(result, 10) == b""
