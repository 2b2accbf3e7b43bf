"""What results say of themselves: a short line as `repr`, and a table in a notebook, whatever their texts hold."""

from __future__ import annotations

import dataclasses
import functools
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from made_results import HOSTILE, sides
from made_scores import INFO, TUNED

import calibaudit
from calibaudit.advice.recommend import recommend
from calibaudit.advice.recommendation import PilotRun, Recommendation
from calibaudit.analysis.audit import audit, audit_model
from calibaudit.analysis.compare import compare
from calibaudit.analysis.in_short import METRIC_TITLES
from calibaudit.files.text import visible
from calibaudit.gating.limits import Limits
from calibaudit.gating.verdict import gate
from calibaudit.models.model import Model
from calibaudit.repair.settings import FixSettings
from calibaudit.report.document.tables import METRIC_NAMES
from calibaudit.scores.scores import ModelInfo
from calibaudit.scores.thinking import Thinking, Thoughts
from calibaudit.tasks.items import Item
from tests.report.repairs.made_repairs import CASES

MOST = 500


def made_model(name: str, warnings: tuple[str, ...] = ()) -> Model:
    fields = dict.fromkeys((field.name for field in dataclasses.fields(Model)), None)
    info = ModelInfo(**{**INFO.to_dict(), "name": name, "n_parameters": 1_234_567})
    return Model(**{**fields, "info": info, "max_length": 2048, "warnings": warnings})


@functools.cache
def results(hostile: bool = False) -> dict[str, Any]:
    """One of each, of usual or of hostile names."""
    infos = (INFO, TUNED)
    if hostile:
        infos = tuple(
            ModelInfo(**{**info.to_dict(), "name": f"lab/{text}", "revision": text, "quantization": text})
            for info, text in ((INFO, HOSTILE[0]), (TUNED, HOSTILE[2]))
        )
    names = {"names": HOSTILE, "n_items": 40} if hostile else {}
    before, after, tasks = sides(infos=infos, **names)
    comparison = compare(before, after)
    found = {
        "Scores": before[-1],
        "Task": tasks[0],
        "Item": tasks[0].items[0],
        "Audit": audit(before[0]),
        "ModelAudit": audit_model(after),
        "Comparison": comparison,
        "Recommendation": recommend(before, after, comparison),
        "Verdict": gate(before, after, Limits(max_ece=0.1)),
        "Model": made_model(infos[1].name, HOSTILE if hostile else ("little memory",)),
    }
    if hostile:
        advice = found["Recommendation"]
        found["Recommendation"] = dataclasses.replace(advice, reason=HOSTILE[1], warnings=HOSTILE)
        found["Task"] = dataclasses.replace(tasks[0], warnings=HOSTILE)
        found["Item"] = Item(HOSTILE[0], HOSTILE[1], HOSTILE, 3)
    return found


def reached(value: Any, seen: set[int]) -> Iterator[Any]:
    """Every dataclass of calibaudit within a value."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        for entry in value.values():
            yield from reached(entry, seen)
    elif isinstance(value, tuple | list):
        for entry in value:
            yield from reached(entry, seen)
    elif dataclasses.is_dataclass(value) and type(value).__module__.startswith("calibaudit."):
        yield value
        for field in dataclasses.fields(value):
            yield from reached(getattr(value, field.name), seen)


def parsed(result: Any) -> ElementTree.Element:
    """It is XML too: every tag closed, every attribute quoted, every text escaped."""
    return ElementTree.fromstring(result._repr_html_())


def test_every_result_and_all_that_it_holds_is_one_short_line():
    repairs = [CASES[name]() for name in ("smoothed", "helped within, too")]
    asked = Thoughts(Thinking(64), 900, 3, 1, 17.25, np.zeros((900, 4)), (("a" * 999,),) * 900)
    run = PilotRun(0.1, "base", (results()["Scores"],), 0.4, 12)
    seen: set[int] = set()
    kinds = set()
    for value in reached([results(), repairs, asked, run], seen):
        line = repr(value)
        kinds.add(type(value).__name__)
        own = type(value).__repr__.__qualname__ == "Shown.__repr__"
        if own:
            assert line.startswith(f"<{type(value).__name__}"), line
            assert line.isascii(), line  # what no console fails to print
        if not isinstance(value, FixSettings):  # which reads as it is written
            assert len(line) <= MOST, line
            assert "\n" not in line
    public = {name for name in calibaudit.__all__ if name[0].isupper()} - {
        *("CalibauditError", "CalibrationCallback", "ChatSettings", "FixSettings", "Limits")  # settings, and no result
    }
    assert public <= kinds, public - kinds
    assert len(kinds) > 30


@pytest.mark.parametrize("name", results())
def test_hostile_texts_are_seen_and_act_nowhere(name):
    result = results(hostile=True)[name]
    line = repr(result)
    assert len(line) <= MOST
    assert visible(line, 10_000) == line
    assert "\n" not in line
    root = parsed(result)
    text = "".join(root.itertext())
    assert visible(text, 10**7) == text
    assert {element.tag for element in root.iter()} <= {
        *("div", "b", "bdi", "table", "thead", "tbody", "tr", "th", "td")
    }
    assert {key for element in root.iter() for key in element.attrib} <= {"style", "scope"}
    assert len(result._repr_html_()) < 60_000


@pytest.mark.parametrize("name", results())
def test_a_notebooks_table_has_its_headings_and_no_colour(name):
    page = results()[name]._repr_html_()
    assert not re.search(r"color|background|<style|class=|#[0-9a-f]{3}", page)  # light and dark are the notebook's own
    root = parsed(results()[name])
    for table in root.iter("table"):
        rows = [[cell.tag for cell in row] for row in table.iter("tr")]
        assert len({len(row) for row in rows}) == 1
        assert all(row[0] == "th" for row in rows)
        assert all(cell.get("scope") for cell in table.iter("th"))
    assert root.find("table") is not None


def cells(result: Any) -> dict[str, list[str]]:
    return {
        "".join(row[0].itertext()): ["".join(cell.itertext()) for cell in row[1:]] for row in parsed(result).iter("tr")
    }


def test_the_figures_are_the_results_own():
    found = results()
    scores, comparison = found["Scores"], found["Comparison"]
    right = sum(int(np.argmax(row)) == answer for row, answer in zip(scores.logprobs, scores.answer, strict=True))
    shown = f"{right / len(scores.answer):.3f}".lstrip("0")
    assert f"150 items, 4 choices, letter, accuracy {shown}, mean confidence " in repr(scores)
    assert "option mass .900" in repr(scores)
    assert cells(scores)["Accuracy"] == [shown]
    ece = comparison.pooled.change["ece"]
    low, high = (f"{end:.3f}".lstrip("0") for end in (ece.low, ece.high))
    line = repr(comparison)
    assert line.startswith("<Comparison lab/base -> lab/tuned: 4 tasks, 600 items, accuracy ")
    assert f"(+{ece.value:.3f} [{low}, {high}], p < .001)".replace("0.", ".") in line
    assert cells(comparison)["all (pooled)"][6] == f"[{low}, {high}]"
    starred = {task.label for task in comparison.tasks if task.ece_p_holm < 0.05}
    assert {name for name, row in cells(comparison).items() if "*" in row[5] and "all" not in name} == starred
    audited = found["Audit"].metrics["accuracy"]
    bounds = "[" + ", ".join(f"{end:.3f}".lstrip("0") for end in (audited.low, audited.high)) + "]"
    assert cells(found["Audit"])["Accuracy"][1] == bounds
    assert bounds in repr(found["Audit"])
    assert "regressed, 600 items, 4 tasks" in repr(found["Verdict"])
    assert "exit code 1>" in repr(found["Verdict"])
    assert cells(found["Verdict"])["ECE limit"][-2:] == [".100", "broken"]
    advice: Recommendation = found["Recommendation"]
    assert repr(advice).startswith(f"<Recommendation {advice.action}: {advice.action} ")
    assert any("(advised)" in name for name in cells(advice))
    model = "llama, 1,234,567 parameters, float32 on cpu, context 2,048 tokens, vocabulary 512, 1 warning"
    assert repr(found["Model"]) == f"<Model lab/tuned: {model}>"


def test_a_repair_says_what_was_done_and_what_is_left():
    repair = CASES["smoothed"]()
    assert repr(repair).startswith("<Repair lab/tuned: helped, smooth .25 towards base from base, 400 items held out, ")
    assert "keeps 98 % of what tuning added" in repr(repair)
    rows = cells(repair)
    assert rows["smooth .25 towards base from base (chosen)"][0] == "helped"


def test_many_items_and_many_tasks_stay_short():
    task = results()["Task"]
    assert repr(task.items) == "<150 items: 'arithmetic-0', 'arithmetic-1', 'arithmetic-2', ...>"
    assert task.items == tuple(task.items)
    assert hash(task.items) == hash(tuple(task.items))
    comparison = results()["Comparison"]
    many = dataclasses.replace(comparison, tasks=comparison.tasks * 20)
    table = parsed(many).find("table")
    assert table is not None
    assert len(list(table.iter("tr"))) == 25
    assert "58 more rows are not shown" in many._repr_html_()
    assert "all (pooled)" in many._repr_html_()


def test_names_are_those_of_the_reports():
    assert {key: METRIC_NAMES[key][0] for key in METRIC_TITLES} == METRIC_TITLES
