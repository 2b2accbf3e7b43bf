"""What every page says where a model knows all of a task, or none of it: on made models whose numbers are known."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_scores import TUNED, made_scores
from rich.console import Console

from calibaudit.advice.recommend import recommend
from calibaudit.analysis.audit import audit_model
from calibaudit.analysis.compare import Comparison, compare
from calibaudit.gating.verdict import Limits, gate
from calibaudit.report.document.html import html_page
from calibaudit.report.document.markdown import markdown_page
from calibaudit.report.result_json import audit_dict, comparison_dict
from calibaudit.report.saved import audit_of, comparison_of
from calibaudit.report.terminal.comparison import render_audit, render_comparison
from calibaudit.report.terminal.saved import page_of as page_of_saved
from calibaudit.report.tidy_csv import tidy_csv
from calibaudit.report.words.findings import advice, audit_headline, headline
from calibaudit.report.words.reach import HARD, all_at_ceiling, level_title, reach_notes, reach_sentences
from calibaudit.scores.scores import Scores


def knowing(n_right: int, confidence: float, *, task: str = "quiz", n: int = 400, **fields: Any) -> Scores:
    """Right on the first n_right of n items, always with the same confidence."""
    plain = made_scores(n, task=task, **fields)
    chosen = plain.answer.copy()
    chosen[n_right:] = (chosen[n_right:] + 1) % 4
    probs = np.full((n, 4), (1 - confidence) / 3)
    probs[np.arange(n), chosen] = confidence
    return made_scores(n, task=task, logprobs=np.log(probs), **fields)


def pair(*sides: tuple[int, float], task: str = "quiz", seed: int = 0) -> tuple[Scores, Scores]:
    (right, sure), (after_right, after_sure) = sides
    return (
        knowing(right, sure, task=task, seed=seed),
        knowing(after_right, after_sure, task=task, seed=seed, model=TUNED),
    )


def compared(*pairs: tuple[Scores, Scores]) -> Comparison:
    return compare([before for before, _ in pairs], [after for _, after in pairs])


def ceiling(task: str = "quiz", seed: int = 0) -> tuple[Scores, Scores]:
    return pair((396, 0.98), (394, 0.999), task=task, seed=seed)


def usual(task: str = "usual", seed: int = 9) -> tuple[Scores, Scores]:
    return pair((240, 0.6), (232, 0.8), task=task, seed=seed)


def page_of(comparison: Comparison) -> str:
    console = Console(file=io.StringIO(), width=100)
    render_comparison(comparison, console)
    return " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]


ALL = (
    "At ceiling: accuracy and mean confidence of both models are above .97, so no repair could show here; try -t "
    "bundled_hard."
)


def test_where_all_is_at_ceiling_the_first_sentence_says_only_that() -> None:
    comparison = compared(ceiling())
    assert all_at_ceiling(comparison)
    assert comparison.pooled.change["gap"].p_value is not None
    assert comparison.pooled.change["gap"].p_value < 0.05  # so another first sentence would have been said
    assert headline(comparison).startswith(ALL)
    assert reach_sentences(comparison) == []
    assert page_of(comparison).count("At ceiling") == 1


def test_nothing_leaves_the_numbers() -> None:
    comparison = compared(ceiling(), usual())
    assert comparison.pooled.n_items == 800
    assert [task.name for task in comparison.tasks] == ["quiz", "usual"]
    accuracy = comparison.pooled.before.metrics["accuracy"].value
    assert accuracy == pytest.approx((396 + 240) / 800)


def test_some_tasks_at_ceiling_are_named_and_the_first_sentence_is_the_usual_one() -> None:
    comparison = compared(ceiling(), usual())
    assert not headline(comparison).startswith("At ceiling")
    assert reach_sentences(comparison) == [
        "At ceiling on quiz (accuracy and mean confidence above .97 on both sides): no repair could show there; "
        "try -t bundled_hard."
    ]


def test_one_side_at_ceiling_is_none() -> None:
    assert reach_sentences(compared(pair((399, 0.99), (380, 0.99)))) == []
    assert reach_sentences(compared(pair((399, 0.99), (399, 0.95)))) == []


def test_hard_tasks_at_ceiling_are_not_told_to_try_themselves() -> None:
    for name in ("dates", "dates_letter"):
        assert headline(compared(ceiling(task=name))).startswith(
            ALL.replace("try -t bundled_hard", "harder questions are needed")
        )


def test_a_model_at_chance_is_named_with_its_tasks() -> None:
    comparison = compared(pair((104, 0.6), (200, 0.7), task="dark"), usual())
    assert reach_sentences(comparison) == [
        "base does not know dark: its accuracy is at chance; its confidence is still judged."
    ]
    alone = compared(pair((104, 0.6), (98, 0.7), task="dark"))
    assert reach_sentences(alone) == [
        "base does not know these questions: its accuracy is at chance; its confidence is still judged.",
        "tuned does not know these questions: its accuracy is at chance; its confidence is still judged.",
    ]


def test_one_model_has_the_same_words() -> None:
    high, low = knowing(396, 0.98), knowing(104, 0.6, task="dark", seed=3)
    assert audit_headline(audit_model([high])).startswith(ALL.replace("both models", "the model"))
    assert reach_sentences(audit_model([high, low])) == [
        "At ceiling on quiz (accuracy and mean confidence above .97): no repair could show there; try -t bundled_hard.",
        "base does not know dark: its accuracy is at chance; its confidence is still judged.",
    ]


def test_every_page_says_it_fresh_and_saved() -> None:
    comparison = compared(ceiling(), pair((104, 0.6), (300, 0.8), task="dark", seed=2))
    result = comparison_dict(comparison)
    said = ("At ceiling on quiz", "base does not know dark")
    for text in (page_of(comparison), page_of(comparison_of(result)), html_page(result), markdown_page(result)):
        assert all(words in text for words in said)
    audit = audit_model([knowing(396, 0.98), knowing(104, 0.6, task="dark", seed=2)])
    saved = audit_dict(audit)
    console = Console(file=io.StringIO(), width=100)
    render_audit(audit_of(saved), console)
    for text in (" ".join(console.file.getvalue().split()), html_page(saved), markdown_page(saved)):  # type: ignore[attr-defined]
        assert all(words in text for words in said)


def test_no_page_advises_a_repair_at_ceiling() -> None:
    before, after = ceiling()
    comparison = compare([before], [after])
    advised = recommend([before], [after], comparison)
    assert advised.action == "nothing_known"
    assert advice(advised) == (
        "Advice: nothing measured here would repair it (every task is at ceiling, where no repair could show)."
    )
    page = html_page(comparison_dict(comparison, advised))
    assert "Ask harder questions, then judge" in page
    assert "temperature of" not in page.split("</main>")[0].split("What now?")[1].split("</section>")[0]


def test_a_page_with_another_first_sentence_says_it_too() -> None:
    """The gate's page, fresh and saved, and the advice's."""
    before, after = ceiling()
    comparison = compare([before], [after])
    verdict = gate([before], [after], Limits())
    result = {**comparison_dict(comparison), "verdict": verdict.to_dict()}
    console = Console(file=io.StringIO(), width=100)
    page_of_saved(result, "it")(console)
    assert ALL in " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert reach_notes(comparison) == [ALL]


def test_the_title_counts_items_without_a_level() -> None:
    levels = tuple(1 if i % 2 else None if i % 4 else 2 for i in range(400))
    before, after = (made_scores(400, levels=levels, **how) for how in ({}, {"heat": 2.0, "model": TUNED}))
    comparison = compare([before], [after])
    title = "higher is harder; 100 of 400 items have none"
    assert level_title(comparison).endswith(title)
    assert title in page_of(comparison)
    result = comparison_dict(comparison)
    assert title in html_page(result)
    assert title in markdown_page(result)
    lines = [line for line in tidy_csv(result).splitlines() if line.startswith("level 1,")]
    sides = ("before", "after", "change")
    assert [line.split(",")[1:3] for line in lines] == [
        [side, name] for side in sides for name in ("accuracy", "confidence", "gap")
    ]
    value = comparison.by_level[0].sides[0]["accuracy"].value
    assert float(lines[0].split(",")[3]) == value


def test_the_documentation_shows_these_sentences(root: Path) -> None:
    page = (root / "docs" / "audit.md").read_text(encoding="utf-8")
    comparison = compared(
        ceiling("units"), ceiling("words", 1), usual(), pair((104, 0.6), (300, 0.8), task="traces", seed=2)
    )
    (high, low) = reach_sentences(comparison)
    assert high.replace("harder questions are needed", "try -t bundled_hard") in page
    assert low in page


def test_the_hard_tasks_are_those_of_the_group() -> None:
    from calibaudit.tasks.load import member_names

    assert frozenset(member_names("bundled_hard")) == HARD
