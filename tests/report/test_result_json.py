from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from made_scores import TUNED, made_scores

from calibaudit.analysis.audit import audit_model
from calibaudit.analysis.compare import compare
from calibaudit.analysis.estimates import METRICS
from calibaudit.analysis.settings import Settings
from calibaudit.errors import ScoresError
from calibaudit.report.result_json import audit_dict, comparison_dict, read_result, result_text, write_result

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "result.schema.json").read_text(encoding="utf-8"))
FAST = Settings()


def problems(result):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    part = {"$ref": f"#/$defs/{'comparison' if 'before' in result else 'audit'}", "$defs": SCHEMA["$defs"]}
    text = result_text(result)
    named = [error.message for error in jsonschema.Draft202012Validator(part).iter_errors(json.loads(text))]
    whole = list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(json.loads(text)))
    assert bool(named) == bool(whole)
    return named


def letter(n_items=40, **fields):
    return made_scores(n_items, task="letters", seed=8, scoring="letter", option_mass=np.full(n_items, 0.4), **fields)


def right(n_items=40, **fields):
    answer = made_scores(n_items, task="easy", seed=9).logprobs.argmax(axis=1)
    return made_scores(n_items, task="easy", seed=9, answer=answer, **fields)


CASES = {
    "one task": [made_scores(40)],
    "several, with missing values": [made_scores(40), letter(), right()],
    "both templates": [made_scores(40), made_scores(40, chat_template=True)],
    "one item": [made_scores(1)],
    "ragged": [made_scores(40, n_choices=3), made_scores(40, task="b", n_choices=5)],
}


@pytest.mark.parametrize("scores", CASES.values(), ids=CASES)
@pytest.mark.parametrize("settings", [FAST, Settings(level=0.8, n_bins=5)], ids=["usual", "other"])
def test_every_output_validates(scores, settings):
    assert problems(comparison_dict(compare(scores, scores, settings))) == []
    result = audit_dict(audit_model(scores, settings))
    assert problems(result) == []
    assert problems({**result, "scores": [part.to_dict() for part in scores]}) == []


@pytest.fixture
def result():
    return comparison_dict(compare([made_scores(40)], [made_scores(40, heat=2, model=TUNED)], FAST))


def test_the_schema_is_strict(result):
    broken = [
        {**result, "extra": 1},
        {**result, "schema_version": 1},
        {**result, "created": "yesterday"},
        {**result, "tasks": []},
        {key: value for key, value in result.items() if key != "settings"},
    ]
    task = result["tasks"][0]
    for metric in ({"value": "0.1", "low": None, "high": None}, {"value": 0.1}):
        broken.append({**result, "tasks": [{**task, "before": {**task["before"], "ece": metric}}]})
    missing = {name: metric for name, metric in task["before"].items() if name != "aurc"}
    broken.append({**result, "tasks": [{**task, "before": missing}]})
    for case in broken:
        assert problems(case)


def test_layout(result):
    assert list(result)[:3] == ["schema_version", "calibaudit_version", "created"]
    assert result["recommendation"] is None
    assert result["verdict"] is None
    assert (result["before"]["name"], result["after"]["name"]) == ("lab/base", "lab/tuned")
    assert list(result["tasks"][0]["before"]) == list(METRICS)
    assert set(result["tasks"][0]["change"]["ece"]) == {"value", "low", "high", "p_value"}
    assert set(result["overall"]) == {"pooled", "macro"}
    diagram = result["tasks"][0]["reliability"]["after"]
    assert len(diagram["edges"]) == len(diagram["count"]) + 1 == 16
    assert sum(diagram["count"]) == 40
    ece = sum(
        n / 40 * abs(a - c)
        for n, a, c in zip(diagram["count"], diagram["accuracy"], diagram["confidence"], strict=True)
        if n
    )
    assert ece == pytest.approx(result["tasks"][0]["after"]["ece_plugin"]["value"])


def test_created_is_written_in_utc():
    east = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    comparison = compare([made_scores(20)], [made_scores(20)], FAST)
    assert comparison_dict(comparison, created=east)["created"] == "2026-02-28T23:30:00Z"


def test_no_nan_is_ever_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_result({"value": float("nan")}, tmp_path / "out.json")
    assert list(tmp_path.iterdir()) == []


def test_written_and_read_back(result, tmp_path):
    path = tmp_path / "résultat.json"
    write_result(result, path)
    assert read_result(path) == json.loads(json.dumps(result))
    assert path.read_text(encoding="utf-8").endswith("}\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["résultat.json"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not valid JSON"),
        ("[1]", "not a calibaudit result"),
        ("{}", "no schema_version"),
        ('{"schema_version": 7}', "schema_version 7"),
        ('{"schema_version": 1, "x": NaN}', "not valid JSON"),
    ],
)
def test_files_that_are_no_result(text, reason, tmp_path):
    path = tmp_path / "in.json"
    path.write_text(text)
    with pytest.raises(ScoresError, match=reason):
        read_result(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ScoresError, match="cannot be read: No such file"):
        read_result(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScoresError, match=r"not UTF-8 text but UTF-16"):
        read_result(tmp_path / "bytes.json")
