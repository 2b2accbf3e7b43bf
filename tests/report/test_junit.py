"""JUnit XML: valid by the schemas, a case a limit, a failure exactly where the gate fails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ci_readers import suite_of
from made_results import HOSTILE, comparison_result
from made_scores import INFO, TUNED, made_scores

from calibaudit.analysis.settings import Settings
from calibaudit.errors import OutputError
from calibaudit.gating.verdict import Limits, gate
from calibaudit.report.formats import FORMATS, check_format
from calibaudit.report.junit import junit_xml
from calibaudit.scores.scores import ModelInfo

FAST = Settings()


def test_junit_has_one_case_for_each_limit_of_all_items_and_of_each_task() -> None:
    result = comparison_result(gated=True)
    verdict = result["verdict"]
    suite = suite_of(junit_xml(result))
    expected = [("all items", check) for check in verdict["overall"]["checks"]]
    expected += [(task["name"], check) for task in verdict["tasks"] for check in task["checks"]]
    assert len(expected) == 5 * 3  # four tasks and the whole; ECE, |gap| and --max-brier
    cases = suite.findall("testcase")
    assert len({case.get("name") for case in cases}) == len(cases) == len(expected)
    found = {"kept": 0, "broken": 0, "undecided": 0}
    for case, (name, check) in zip(cases, expected, strict=True):
        assert case.get("name", "").startswith(f"{name}: ")
        found[check["finding"]] += 1
        tags = [child.tag for child in case]
        assert tags == {"kept": [], "broken": ["failure"], "undecided": ["skipped"]}[check["finding"]]
        if tags:
            message = case[0].get("message", "")
            assert f"expected at most {'' if check['measure'].startswith('max_') else '+'}" in message
            assert f"{check['found']:.3f}".lstrip("-0") in message
            assert f"{check['high']:.3f}".lstrip("-0") in message
    assert found["broken"]
    assert found["kept"]
    assert suite.get("tests") == str(len(cases))
    assert suite.get("failures") == str(found["broken"])
    assert suite.get("skipped") == str(found["undecided"])
    failure = next(child for case in cases for child in case if child.tag == "failure")
    assert failure.get("type") == "regressed"
    lines = dict(line.split(": ", 1) for line in (failure.text or "").splitlines())
    assert lines.keys() == {"expected", "found", "interval", "p", "items", "candidate", "baseline"}
    assert lines["items"] == f"{verdict['overall']['n_items']:,}"
    assert {p.get("name"): p.get("value") for p in suite.iter("property")}["margin"] == "0.02"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("n_tasks", [1, 3])
@pytest.mark.parametrize(
    ("heat", "limits"),
    [
        (3.0, {}),
        (1.02, {"margin": 0.5}),
        (1.1, {}),
        (3.0, {"margin": 0.9, "max_ece": 0.05}),
        (3.0, {"min_items": 10_000}),
    ],
    ids=["regressed", "passed", "inconclusive", "over a limit", "too few"],
)
def test_junit_has_a_failure_exactly_where_the_exit_code_is_not_0(
    heat: float, limits: dict[str, Any], n_tasks: int, strict: bool
) -> None:
    names = [f"task-{i}" for i in range(n_tasks)]
    before = [made_scores(400, task=name, seed=i) for i, name in enumerate(names)]
    after = [made_scores(400, task=name, seed=i, heat=heat, model=TUNED) for i, name in enumerate(names)]
    verdict = gate(before, after, Limits(**limits, strict=strict), FAST)
    envelope = {"before": INFO.to_dict(), "after": TUNED.to_dict(), "created": "2026-01-02T03:04:05Z"}
    suite = suite_of(junit_xml({**envelope, "verdict": verdict.to_dict()}))
    assert (int(suite.get("failures", "")) > 0) == (verdict.exit_code != 0)
    kinds = {failure.get("type") for failure in suite.iter("failure")}
    assert kinds <= {"regressed", "over_limit", "inconclusive"}
    assert (verdict.outcome in kinds) == (verdict.exit_code != 0)


def test_junit_of_hostile_names() -> None:
    infos = tuple(
        ModelInfo(**{**info.to_dict(), "name": text}) for info, text in ((INFO, HOSTILE[0]), (TUNED, HOSTILE[5]))
    )
    result = comparison_result(gated=True, names=(*HOSTILE, "]]>\ufffe\udc80\x1f&"), infos=infos)
    result["warnings"] += list(HOSTILE)
    xml = junit_xml(result)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff\u202e]", xml)
    suite = suite_of(xml)
    assert all(len(case.get("name", "")) < 150 for case in suite.iter("testcase"))
    names = [case.get("name", "") for case in suite.iter("testcase")]
    assert any(name.startswith(f"{HOSTILE[0]}: ") for name in names)  # shown as it is, not as markup
    assert "<script>" not in xml


def test_junit_needs_a_verdict() -> None:
    with pytest.raises(OutputError, match=r"^saved\.json: no verdict"):
        junit_xml(comparison_result(), "saved.json")
    with pytest.raises(OutputError, match=r"result\.xml.*only `calibaudit gate`"):
        check_format(Path("result.xml"))
    check_format(Path("result.xml"), gated=True)
    assert ".xml" in FORMATS
