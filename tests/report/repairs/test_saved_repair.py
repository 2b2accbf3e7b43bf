"""A saved repair is the repair: what was written is read back, checked against its schema, older files too."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import referencing
from made_repairs import CASES, made

from calibaudit.errors import ScoresError
from calibaudit.report.repair_json import repair_dict
from calibaudit.report.repair_page import repair_page
from calibaudit.report.result_json import read_result, result_text
from calibaudit.report.saved_repair import repair_of
from calibaudit.training.settings import LoraSettings

ROOT = Path(__file__).resolve().parents[3]
OLDER = ROOT / "tests" / "saved" / "v0.1.0" / "fix.json"
ENVELOPE = ("created", "calibaudit_version", "schema_version")


def saved(name):
    return json.loads(result_text(repair_dict(made(name))))


@pytest.fixture(scope="module")
def validator():
    documents = {
        name: json.loads((ROOT / "docs" / name).read_text("utf-8"))
        for name in ("fix.schema.json", "result.schema.json")
    }
    resources = [(name, referencing.Resource.from_contents(schema)) for name, schema in documents.items()]
    jsonschema.Draft202012Validator.check_schema(documents["fix.schema.json"])
    registry = referencing.Registry().with_resources(resources)
    return jsonschema.Draft202012Validator(documents["fix.schema.json"], registry=registry)


@pytest.mark.parametrize("name", CASES)
def test_every_repair_fits_the_schema(validator, name):
    assert [error.message for error in validator.iter_errors(saved(name))] == []


def test_the_schema_is_strict(validator):
    result = saved("best of three")
    for place, value in (
        (("candidates", 0, "method"), "magic"),
        (("candidates", 0, "verdict", "outcome"), "accuracy_lost"),
        (("candidates", 1, "trials", 0, "rejected"), ["bored"]),
        (("retention", "kept"), "much"),
        (("verdict", "faults"), ["ugly"]),
        (("settings", "start"), "auto-magic"),
        (("proof", "matched"), {}),
    ):
        broken = copy.deepcopy(result)
        at = broken
        for step in place[:-1]:
            at = at[step]
        assert at[place[-1]] != value
        at[place[-1]] = value
        assert list(validator.iter_errors(broken)), place


@pytest.mark.parametrize("name", CASES)
def test_what_is_read_is_what_was_written(name):
    result = saved(name)
    again = json.loads(result_text(repair_dict(repair_of(result))))
    assert {key: value for key, value in again.items() if key not in ENVELOPE} == {
        **{key: value for key, value in result.items() if key not in ENVELOPE},
        "proof": result["proof"] and {
            key: part and {**part, **{name: again["proof"][key][name] for name in ENVELOPE}}
            for key, part in result["proof"].items()
        },
    }  # fmt: skip
    assert repair_page(repair_of(result)) == repair_page(made(name))


def test_a_run_with_an_adapter_a_recipe_and_columns_is_read(validator):
    repair = made("smoothed")
    training = replace(
        repair.settings.training, lora=LoraSettings(8, 16), lr_scheduler="cosine", report_to=("wandb", "tensorboard")
    )
    settings = replace(repair.settings, method="smooth", training=training, columns={"q": "prompt"})
    result = json.loads(result_text(repair_dict(replace(repair, settings=settings))))
    assert repair_of(result).settings == settings
    assert [error.message for error in validator.iter_errors(result)] == []


def test_a_file_keeps_its_kind_when_it_is_read(tmp_path):
    path = tmp_path / "fix.json"
    path.write_text(result_text(repair_dict(made("not needed"))), encoding="utf-8")
    assert read_result(path)["kind"] == "fix"
    assert read_result(path)["proof"] is None


def paths_of(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, child in children:
        if key not in ("tuning", "repair", "left", "advice", "proven"):  # tests/report/test_saved.py looks into these
            yield from paths_of(child, (*path, key))


def copied_along(value, path):
    """A copy of what lies on the path, beside the rest itself: copies of a whole result take their time."""
    whole = copy.copy(value)
    if path:
        whole[path[0]] = copied_along(whole[path[0]], path[1:])
    return whole


def test_a_missing_or_odd_entry_is_one_line_that_names_the_file():
    result, told = saved("best of three"), []
    for path in paths_of(result):
        if not path or isinstance(path[-1], int):
            continue
        for value in ("left out", [], "text"):
            broken = copied_along(result, path[:-1])
            at = broken
            for step in path[:-1]:
                at = at[step]
            if value == "left out":
                del at[path[-1]]
            else:
                at[path[-1]] = value
            try:
                repair_page(repair_of(broken, "saved.json"))
            except ScoresError as error:
                told.append(str(error))
    assert len(told) > 80
    assert {text.partition(":")[0] for text in told} == {"saved.json"}
    assert all("\n" not in text and "calibaudit fix" in text for text in told)


def test_a_verdict_that_does_not_fit_its_proof_is_refused():
    helped = {**saved("not needed"), "verdict": saved("helped")["verdict"]}
    with pytest.raises(ScoresError, match="outcome is 'helped', without a proof"):
        repair_of(helped, "saved.json")


def older(outcome: str, **entries):
    """As version 0.2 wrote it: no candidates, `fits`, the outcomes of then; made by hand from its schema."""
    result = saved("smoothed")
    for name in ("candidates", "retention", "notes"):
        del result[name]
    for name in ("matched", "inside"):
        result["proof"].pop(name)
    del result["settings"]["method"]
    result["settings"] |= {"start": "base", "smoothing": 0.5}
    result["settings"]["training"] |= {"label_smoothing": 0.5, "prior": "base"}
    fit = {"nll": 1.0, "n_tokens": 1759}
    result["fits"] = {name: {**fit, "top1": top1} for name, top1 in (("base", 0.5), ("before", 0.9), ("after", 0.89))}
    result["verdict"] = {"outcome": outcome, "accuracy_margin": 0.02, "sentence": "It did something."}
    return {**result, **entries}


def test_an_older_repair_is_judged_by_the_rule_of_today():
    found = repair_of(older("helped"))
    assert (found.verdict.outcome, found.verdict.faults) == ("helped", ())  # it keeps .975
    (only,) = found.candidates
    assert (only.method, only.setting.value, only.setting.prior, only.setting.start) == ("smooth", 0.5, "base", "base")
    assert only.chosen
    assert only.seconds == 184.2
    fits = older("helped")["fits"]
    found = repair_of(older("helped", fits={**fits, "after": {**fits["after"], "top1": 0.508}}))
    assert (found.verdict.outcome, found.verdict.faults) == ("spoiled", ("kept",))
    page = repair_page(found)
    assert page.sentence.startswith("Better calibrated, but undid the tuning (keeps 2 % of what tuning added")
    assert "which judged it 'helped' by calibration error and accuracy alone" in page.warnings[1]
    assert repair_of(older("helped", fits=None)).verdict.faults == ("unmeasured",)


def test_an_older_loss_of_accuracy_is_one_still():
    lost = older("accuracy_lost", proof=saved("less accurate")["proof"])
    assert "accuracy" in repair_of(lost).verdict.faults
    assert repair_of(lost).verdict.outcome == "spoiled"


def test_an_older_run_that_trained_nothing():
    nothing = {"proof": None, "training": None, "fits": None}
    assert repair_of(older("no_factor", **nothing)).verdict.outcome == "nothing_known"
    assert repair_of(older("not_needed", **nothing)).verdict.outcome == "not_needed"


def test_the_file_of_version_0_1():
    found = repair_of(read_result(OLDER), "fix.json")
    assert found.verdict.outcome == "not_improved"
    assert found.verdict.faults == ("kept",)
    assert 0.06 < found.retention.kept < 0.08  # (.9107 - .9039) / (1 - .9039)
    page = repair_page(found)
    assert "keeps 7 % of what tuning added" in page.sentence
    assert len([text for text in page.warnings if "version 0.1" in text]) == 1
