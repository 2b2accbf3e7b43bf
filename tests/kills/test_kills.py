"""A few kills of what `python -m tests.kills` does by the hundred; and what its checks would see."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

import pytest

from tests.kills.checks import after_a_kill, at_the_end, cache_lines, computed_twice
from tests.kills.jobs import JOBS, contents
from tests.kills.runs import imported
from tests.kills.trials import killed, killed_beside, out_of_space

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills forked processes, and mounts a small disk")

JOB = {job.name: job for job in JOBS}


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    imported()


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_command_run_again_gives_what_an_undisturbed_one_does(seed: int) -> None:
    trial = killed(JOB["score"], Random(f"score:{seed}"))
    assert trial.faults == ()
    assert trial.twice == 0


def test_a_killed_import_leaves_no_half_file() -> None:
    assert killed(JOB["import"], Random("import")).faults == ()


def test_a_full_disk_leaves_no_half_file_and_loses_nothing() -> None:
    assert out_of_space(JOB["score"], Random("space:1")).faults == ()


def test_two_commands_on_one_cache_share_it_and_one_may_be_killed() -> None:
    assert killed_beside(JOB["bless"], JOB["score"], Random("beside")).faults == ()


def test_the_checks_see_what_is_half_written_left_behind_or_other(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "cache").mkdir()
    (out / "a.json").write_text(json.dumps({"created": "now", "x": [1, 2.5], "where": str(tmp_path)}))
    whole = contents(out)
    assert whole == {"a.json": {"x": [1, 2.5], "where": "TOP"}}
    assert list(at_the_end(tmp_path, whole)) == list(after_a_kill(tmp_path, whole)) == []
    (out / ".a.json.x.part").write_text("")
    assert list(after_a_kill(tmp_path, whole)) == []  # the next run may tidy it up
    assert list(at_the_end(tmp_path, whole)) == [".a.json.x.part is left behind"]
    (out / ".a.json.x.part").unlink()
    (out / "a.json").write_text('{"x": [1, 2.4], "where": "TOP"}')
    assert list(at_the_end(tmp_path, whole)) == ["a.json differs at .x[1]: 2.5 and 2.4"]
    (out / "a.json").write_text('{"x": [1, ')
    assert "half-written" in next(after_a_kill(tmp_path, whole))
    (out / "a.json").unlink()
    assert list(at_the_end(tmp_path, whole)) == ["a.json is missing"]


def test_the_checks_see_what_is_computed_twice(tmp_path: Path) -> None:
    file = tmp_path / "scores" / "one.jsonl"
    file.parent.mkdir()
    file.write_bytes(b'{"format": 2}\n{"key": "a"}\n{"key": "b"}\n{"key": "c')
    before = cache_lines(tmp_path)
    assert before == [("one.jsonl", "a"), ("one.jsonl", "b")]
    assert computed_twice(before, [*before, ("one.jsonl", "c")]) == 0
    assert computed_twice(before, [*before, ("one.jsonl", "b"), ("one.jsonl", "c")]) == 1
