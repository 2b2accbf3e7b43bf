"""How a model was run stands on every page that describes it, and nowhere where there is nothing to say."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pytest
from made_scores import INFO, TUNED, made_scores
from rich.console import Console

from calibaudit.analysis.audit import audit_model
from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.report.document.html import html_page
from calibaudit.report.document.markdown import markdown_page
from calibaudit.report.result_json import audit_dict, comparison_dict
from calibaudit.report.terminal.comparison import render_audit, render_comparison
from calibaudit.report.words.models import run_facts, run_rows
from calibaudit.scores.scores import ModelInfo

PLAIN = dataclasses.replace(INFO, name="org/base")
INT8 = dataclasses.replace(TUNED, name="org/instruct", quantization="int8 (torchao)")
LORA = dataclasses.replace(TUNED, name="org/tuned", adapter="LoRA of rank 8 on org/base")
SERVED = dataclasses.replace(TUNED, name="org/far", engine="server http://127.0.0.1:8000/v1")


def compared(before: ModelInfo, after: ModelInfo) -> Any:
    sides = [[made_scores(60, model=before)], [made_scores(60, model=after, heat=2.0)]]
    return compare(*sides, Settings())


def printed(result: Any) -> str:
    console = Console(file=io.StringIO(), width=100)
    (render_comparison if hasattr(result, "before") else render_audit)(result, console)
    return " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("before", "after", "facts"),
    [
        (PLAIN, dataclasses.replace(PLAIN, name="org/b"), []),
        (PLAIN, INT8, ["instruct: int8 weights (torchao)"]),
        (PLAIN, LORA, ["tuned: LoRA of rank 8 on org/base"]),
        (PLAIN, SERVED, ["far: run by server http://127.0.0.1:8000/v1"]),
        (dataclasses.replace(INT8, name="org/b"), INT8, ["both: int8 weights (torchao)"]),
        (
            dataclasses.replace(PLAIN, quantization="mxfp4"),
            dataclasses.replace(LORA, quantization="nf4 (bitsandbytes)"),
            ["base: mxfp4 weights", "tuned: nf4 weights (bitsandbytes), LoRA of rank 8 on org/base"],
        ),
    ],
)
def test_a_fact_for_each_side_that_has_something_to_say(before: ModelInfo, after: ModelInfo, facts: list[str]) -> None:
    result = compared(before, after)
    assert run_facts(result) == facts
    saved = comparison_dict(result)
    terminal, markdown = printed(result), markdown_page(saved)
    for fact in facts:
        assert fact in terminal
        assert f"- {fact}" in markdown
    page = html_page(saved)
    for title in ("Quantization", "Adapter", "Engine"):
        name = title.lower()
        values = [getattr(model, name) for model in (before, after)]
        assert (f'<th scope="row"><bdi>{title}</bdi></th>' in page) == any(values)
        assert all(f"<bdi>{value}</bdi>" in page for value in values if value)


def test_of_one_model() -> None:
    for model, facts in ((PLAIN, []), (INT8, ["int8 weights (torchao)"])):
        audit = audit_model([made_scores(60, model=model)], Settings())
        assert run_facts(audit) == facts
        assert ("int8 weights (torchao)" in printed(audit)) == bool(facts)
        assert ("- int8 weights (torchao)" in markdown_page(audit_dict(audit))) == bool(facts)
    assert run_rows((PLAIN, INT8)) == [("Quantization", ("–", "int8 (torchao)"))]
    assert run_rows((PLAIN,)) == []


def test_hostile_text_stays_on_its_line() -> None:
    model = dataclasses.replace(INT8, engine="\x1b[31mred\nnext\u202e" + "x" * 500)
    (fact,) = run_facts(audit_model([made_scores(60, model=model)], Settings()))
    assert fact.isprintable()
    assert len(fact) < 200
