from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from made_results import audit_result, comparison_result, hostile_result, piloted_result

from calibaudit.errors import CalibauditError
from calibaudit.report.formats import FORMATS, content
from calibaudit.report.result_json import result_text
from calibaudit.report.saved import audit_of, comparison_of, errors_of, verdict_of
from calibaudit.report.saved_advice import recommendation_of

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "result.schema.json").read_text(encoding="utf-8"))
RESULTS = {
    "comparison": lambda: comparison_result(n_items=60),
    "gated": lambda: comparison_result(n_items=60, gated=True),
    "piloted": lambda: piloted_result(n_items=60),
    "audit": lambda: audit_result(n_items=60),
    "one item": lambda: comparison_result(names=("only",), n_items=1),
    "one item, one model": lambda: audit_result(names=("only",), n_items=1),
}


@pytest.fixture(scope="module", params=RESULTS)
def result(request):
    return json.loads(result_text(RESULTS[request.param]()))


def test_results_with_errors_validate(result):
    jsonschema.Draft202012Validator(SCHEMA).validate(result)
    assert result["errors"] or result["overall"]["pooled"]["n_items"] == 1


def test_older_results_without_errors_validate(result):
    jsonschema.Draft202012Validator(SCHEMA).validate({k: v for k, v in result.items() if k != "errors"})


@pytest.mark.parametrize(
    "change",
    [{"question": "x" * 801}, {"options": []}, {"extra": 1}, {"answer": -1}, {"item_id": None}],
    ids=["long", "no options", "extra", "answer", "id"],
)
def test_the_schema_holds_errors_to_their_bounds(change):
    result = comparison_result(n_items=40)
    result["errors"][0] |= change
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(result))


def test_what_is_read_is_what_was_written(result):
    made = comparison_of(result) if "before" in result else audit_of(result)
    for key, value in made.to_dict().items():
        assert json.loads(json.dumps(value)) == result[key], key
    assert [error.to_dict() for error in errors_of(result)] == result["errors"]
    if "before" in result:
        recommendation, verdict = recommendation_of(result), verdict_of(result)
        assert (recommendation and json.loads(json.dumps(recommendation.to_dict()))) == result["recommendation"]
        assert (verdict and json.loads(json.dumps(verdict.to_dict()))) == result["verdict"]


def paths_of(value, path=()):
    """Every place in nested dictionaries and lists, the first two entries of a list."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths_of(child, (*path, key))


OPTIONAL = {
    ("recommendation", "head"),
    ("recommendation", "pilot"),
    ("errors",),
    ("recommendation",),
    ("verdict",),
    ("created",),
    ("calibaudit_version",),
    ("schema_version",),
}


@pytest.mark.parametrize("kind", ["comparison", "gated", "piloted", "audit"])
def test_a_missing_entry_is_one_line_that_names_the_file(kind):
    whole = json.loads(result_text(RESULTS[kind]()))
    named = 0
    for path in list(paths_of(whole)):
        if not path or path in OPTIONAL or isinstance(path[-1], int) or path[-1] == "reliability":
            continue
        place = whole
        for step in path[:-1]:
            place = place[step]
        if not isinstance(place, dict):
            continue
        entries = dict(place)
        del place[path[-1]]
        told = refusal(whole, Path("out.md"))
        told = told or refusal(whole, Path("out.errors"), read=errors_of)
        place.clear()
        place.update(entries)
        assert told is None or told.startswith("saved.json: not a whole result")
        named += told is not None
    assert named > 50


def refusal(result, path, read=None):
    """What a person is told when the result cannot be used; None when it can. A crash is a crash."""
    try:
        content(result, path, "saved.json") if read is None else read(result, "saved.json")
    except CalibauditError as error:
        return str(error)
    return None


@pytest.mark.parametrize("value", ["text", [], {}, 3], ids=repr)
@pytest.mark.parametrize("entry", ["tasks", "overall", "settings", "errors", "warnings", "recommendation", "verdict"])
@pytest.mark.parametrize("ending", [ending for ending in FORMATS if ending not in (".json", ".png")])
def test_entries_of_another_kind_never_crash(entry, value, ending):
    told = refusal({**BASE, entry: value}, Path(f"reliability{ending}"))
    assert told is None or (told.startswith("saved.json: ") and "\n" not in told)


BASE = comparison_result(names=("only",), n_items=20, gated=True)


@pytest.mark.parametrize("checks", [[], [0], [1, 0]], ids=["none", "one", "turned round"])
def test_a_verdict_has_the_checks_that_the_rule_makes(checks):
    """Pages take a part's checks by their place."""
    broken = copy.deepcopy(BASE)
    part = broken["verdict"]["tasks"][0]
    part["checks"] = [part["checks"][i] for i in checks]
    assert "expected checks of ece, gap, max_brier; found " in refusal(broken, Path("out.md"))


@pytest.mark.parametrize("value", [{"a": 1}, [], "bayes", None], ids=repr)
@pytest.mark.parametrize("entry", ["prior", "method"])
def test_how_a_factor_was_found_is_one_of_the_known_ways(entry, value):
    broken = copy.deepcopy(RESULTS["piloted"]())
    broken["recommendation"][entry] = value
    told = refusal(broken, Path("out.md"))
    assert f"{entry} is {str(value)[:40]!r}" in told
    assert told.startswith("saved.json: ")


@pytest.mark.parametrize("value", ["x" * 70_000, {"a": 1}], ids=["a text", "an object"])
def test_texts_are_a_list(value):
    """Of a text, each letter was a warning: a page of 70,000 lines."""
    assert "expected a list of strings, found " in refusal({**BASE, "warnings": value}, Path("out.md"))


@pytest.mark.parametrize("key", ["accuracy", "confidence", "gap"])
def test_what_every_audit_has_is_a_number(key):
    broken = copy.deepcopy(BASE)
    broken["overall"]["pooled"]["before"][key]["value"] = None
    assert "expected a number, found null" in refusal(broken, Path("out.md"))


def test_a_file_of_hostile_texts_is_read():
    result = hostile_result()
    assert comparison_of(result).before.name.startswith("lab/<script>")
    assert len(errors_of(result)) == len(result["errors"])
