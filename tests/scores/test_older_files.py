"""What version 0.1.0 saved is read as it was meant: scores, a baseline, results of compare, gate and fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import referencing
from rich.console import Console

from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.gating import Limits, gate
from calibaudit.report.formats import content
from calibaudit.report.result_json import read_result
from calibaudit.report.saved import comparison_of, verdict_of
from calibaudit.report.saved_advice import recommendation_of
from calibaudit.report.terminal.saved import page_of
from calibaudit.scores.saved import read_scores

FOLDER = Path(__file__).resolve().parents[1] / "saved" / "v0.1.0"
DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMAS = {"comparison": "result", "gated": "result", "scores": "result", "fix": "fix", "baseline": "baseline"}


def plain(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize(("name", "schema"), SCHEMAS.items())
def test_the_schemas_still_take_them(name: str, schema: str) -> None:
    found = [*DOCS.glob("*.schema.json"), *(DOCS / "version-1").glob("*.schema.json")]  # the older ones last
    schemas = {path.name: json.loads(path.read_text("utf-8")) for path in found}
    resources = [(file, referencing.Resource.from_contents(found)) for file, found in schemas.items()]
    registry = referencing.Registry().with_resources(resources)
    validator = jsonschema.Draft202012Validator(schemas[f"{schema}.schema.json"], registry=registry)
    assert [error.message for error in validator.iter_errors(plain(name))] == []


def test_scores() -> None:
    saved = plain("scores")
    for entry, scores in zip(saved["scores"], read_scores(FOLDER / "scores.json"), strict=True):
        assert (scores.task, scores.n_items, scores.fingerprint) == (entry["task"], 40, entry["fingerprint"])
        for row, values in zip(scores.logprobs, entry["logprobs"], strict=True):
            assert row[: len(values)].tolist() == values
            assert np.isneginf(row[len(values) :]).all()
        assert scores.answer.tolist() == entry["answer"]
        chosen = [max(range(len(row)), key=row.__getitem__) for row in entry["logprobs"]]
        n_right = sum(one == other for one, other in zip(chosen, entry["answer"], strict=True))
        (task,) = [task for task in saved["tasks"] if task["name"] == scores.task]
        assert task["metrics"]["accuracy"]["value"] == pytest.approx(n_right / 40)


def test_baseline() -> None:
    """Its rows hold square roots of distances in base 64: read here by hand."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for entry, scores in zip(plain("baseline")["tasks"], read_scores(FOLDER / "baseline.json"), strict=True):
        for (identity, answer, packed), item, right, row in zip(
            entry["items"], scores.item_ids, scores.answer, scores.choice_scores(), strict=True
        ):
            assert (identity, answer) == (item, right)
            triples = [packed[i : i + 3] for i in range(0, len(packed), 3)]
            numbers = [sum(digits.index(c) * 64**k for c, k in zip(t, (2, 1, 0), strict=True)) for t in triples]
            wanted = [-((32 * n / (2**18 - 1)) ** 2) for n in numbers]
            assert row[: len(wanted)] == pytest.approx(wanted, abs=1e-9)


def test_a_gate_on_the_two() -> None:
    """The baseline still gates, and says what 0.1.0 said in the same words; its saved verdict is read back."""
    saved = plain("gated")
    baseline = read_scores(FOLDER / "baseline.json")
    verdict = gate(baseline, baseline, Limits(), Settings())
    assert verdict.outcome == "inconclusive"  # 80 items are too few to judge
    assert set(verdict.to_dict()) == {*saved["verdict"], "in_force", "coverage"}
    older = verdict_of(saved)
    assert older is not None
    assert older.to_dict() == {**saved["verdict"], "in_force": [], "coverage": None}
    for entry, scores in zip(saved["tasks"], baseline, strict=True):
        assert entry["name"] == scores.task
        before = entry["before"]["accuracy"]["value"]
        assert before == pytest.approx((scores.choice_scores().argmax(axis=1) == scores.answer).mean())


@pytest.mark.parametrize("name", ["comparison", "gated", "fix", "scores"])
def test_results_make_every_page(name: str) -> None:
    result = read_result(FOLDER / f"{name}.json")
    shown = Console(width=80)
    with shown.capture() as page:
        page_of(result, name, quiet=False)(shown)
    assert "demo:instruct" in page.get()
    assert "words" in page.get()
    html = content(result, Path("out.html"))
    assert "demo:instruct" in (html.decode() if isinstance(html, bytes) else html)
    assert content(result, Path("out.csv"))


def test_a_comparison_and_its_advice() -> None:
    saved = plain("comparison")
    comparison = comparison_of(saved)
    for task, entry in zip(comparison.tasks, saved["tasks"], strict=True):
        assert task.change["ece"].value == entry["change"]["ece"]["value"]
        assert task.before.metrics["brier"].low == entry["before"]["brier"]["low"]
    assert comparison.pooled.change["gap"].p_value == saved["overall"]["pooled"]["change"]["gap"]["p_value"]
    advice = recommendation_of(saved)
    assert advice is not None
    assert advice.epsilon.value == saved["recommendation"]["epsilon"]["value"]
    assert "action" not in saved["recommendation"]
    assert advice.action == "smooth"


def test_older_scores_and_new_ones_compare() -> None:
    scores = read_scores(FOLDER / "scores.json")
    comparison = compare(scores, scores, Settings())
    assert comparison.pooled.change["ece"].value == 0
    then = plain("scores")["overall"]["pooled"]["metrics"]
    now = comparison.pooled.before.metrics
    for name in ("accuracy", "brier", "nll", "auroc"):
        assert now[name].value == pytest.approx(then[name]["value"], abs=1e-12)
    # What version 1 called ece and smooth_ece are the plug-in values.
    assert now["ece_plugin"].value == pytest.approx(then["ece"]["value"], abs=1e-12)
    assert now["smooth_ece_plugin"].value == pytest.approx(then["smooth_ece"]["value"], abs=1e-9)
