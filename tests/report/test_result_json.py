from __future__ import annotations

import errno
import json
import os
import stat
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
from calibaudit.errors import OutputError, ScoresError
from calibaudit.report.result_json import (
    audit_dict,
    check_writable,
    comparison_dict,
    read_result,
    result_text,
    write_result,
    write_whole,
)

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "result.schema.json").read_text(encoding="utf-8"))
FAST = Settings(n_resamples=30, n_permutations=30)


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
@pytest.mark.parametrize("settings", [FAST, Settings(n_resamples=0, n_permutations=0)], ids=["resampled", "plain"])
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
        {**result, "schema_version": 2},
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
    assert ece == pytest.approx(result["tasks"][0]["after"]["ece"]["value"])


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


def test_permissions_and_links_stay(tmp_path):
    old = os.umask(0o027)
    try:
        write_whole("new", tmp_path / "new.json")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o640
    (tmp_path / "new.json").chmod(0o604)
    (tmp_path / "link.json").symlink_to(tmp_path / "new.json")
    write_whole("newer", tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "new.json").read_text() == "newer"
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o604


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_half_one(step, tmp_path, monkeypatch):
    path = tmp_path / "out.json"
    path.write_text("old")

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full) if step == "fsync" else monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"out\.json: cannot be written: No space left on device") as caught:
        write_whole("new", path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_that_is_always_full():
    with pytest.raises(OutputError, match="No space left on device"):
        write_whole("text", Path("/dev/full"))
    assert not Path("/dev/full").is_file()


@pytest.mark.parametrize("act", [check_writable, lambda path: write_whole("text", path)], ids=["check", "write"])
def test_unwritable_places(act, tmp_path):
    with pytest.raises(OutputError, match=r"the folder .*nowhere does not exist; make it first"):
        act(tmp_path / "nowhere" / "out.json")
    with pytest.raises(OutputError, match="it is a folder; name a file"):
        act(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        act(tmp_path / "file" / "out.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("act", [check_writable, lambda path: write_whole("text", path)], ids=["check", "write"])
def test_a_folder_one_may_not_write_to(act, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    try:
        if os.access(locked, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(OutputError, match="Permission denied"):
            act(locked / "out.json")
    finally:
        locked.chmod(0o700)


def test_no_permission_whoever_runs_this(tmp_path, monkeypatch):
    def denied(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", denied)
    with pytest.raises(OutputError, match="Permission denied"):
        write_whole("text", tmp_path / "out.json")


def test_check_writable_leaves_nothing(tmp_path):
    check_writable(tmp_path / "out.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not a calibaudit result"),
        ("{}", "no schema_version"),
        ('{"schema_version": 7}', "schema_version 7"),
        ('{"schema_version": 1, "x": NaN}', "not JSON"),
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
    with pytest.raises(ScoresError, match="not JSON"):
        read_result(tmp_path / "bytes.json")
