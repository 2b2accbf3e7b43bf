"""Which items are asked where the command does not say: by the models, and by the file of saved scores beside one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from task_files import write_task

from calibaudit.cli.groups import ItemFlags
from calibaudit.cli.inputs import DEFAULT_PER_LEVEL, tasks_of
from calibaudit.tasks.load import load_tasks, member_names
from tests.command import Cli
from tests.families import save_tiny

MOST = 2600


@pytest.mark.parametrize("models", [("demo:base", "demo:instruct"), ("demo:base",), ("somewhere/tuned", "demo:base")])
def test_the_demo_pair_is_asked_what_it_read(models: tuple[str, ...]) -> None:
    tasks = tasks_of(None, ItemFlags(), models, offline=True)
    assert [task.name for task in tasks] == list(member_names("bundled"))
    assert {len(task.items) for task in tasks} == {256}


def test_other_models_are_asked_easy_and_hard_levels_in_the_same_time() -> None:
    tasks = tasks_of(None, ItemFlags(), ("lab/base", "lab/tuned"), offline=True)
    assert [task.name for task in tasks] == [*member_names("bundled"), *member_names("bundled_hard")]
    n_items = sum(len(task.items) for task in tasks)
    assert 0.95 * 9 * 256 <= n_items <= MOST
    for task in tasks:
        levels = Counter(item.level for item in task.items)
        assert len(levels) == 5
        assert set(levels.values()) == {DEFAULT_PER_LEVEL}, task.name
    levels = Counter(item.level for task in tasks for item in task.items)
    assert sorted(levels) == list(range(1, 11))
    texts = [
        sum(len(item.context) + sum(map(len, item.choices)) for task in part for item in task.items)
        for part in (tasks, tasks_of(None, ItemFlags(), ("demo:base",), offline=True))
    ]
    assert texts[0] / texts[1] == pytest.approx(1.6, abs=0.05)  # as inputs.DEFAULT_PER_LEVEL says


def test_a_limit_or_a_number_a_level_takes_the_place_of_the_default_s() -> None:
    assert {len(task.items) for task in tasks_of(None, ItemFlags(limit=7), ("lab/base",), offline=True)} == {7}
    assert {len(task.items) for task in tasks_of(None, ItemFlags(per_level=3), ("lab/base",), offline=True)} == {15}
    assert {len(task.items) for task in tasks_of(["bundled"], ItemFlags(), ("lab/base",), offline=True)} == {256}
    assert {
        len(task.items) for task in tasks_of(["bundled"], ItemFlags(per_level=2), ("demo:base",), offline=True)
    } == {10}


def test_groups_hold_what_their_names_say() -> None:
    easy, hard = member_names("bundled"), member_names("bundled_hard")
    assert len(hard) >= 6
    assert not set(easy) & set(hard)
    assert member_names("bundled_all") == (*easy, *hard)
    for group in ("bundled", "bundled_hard", "bundled_all"):
        assert member_names(f"{group}_letter") == tuple(f"{name}_letter" for name in member_names(group))
    for task in load_tasks(["bundled_hard", "bundled_hard_letter"]):
        assert {item.level for item in task.items} == {6, 7, 8, 9, 10}, task.name


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny", "llama")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    rows = [
        {"id": f"i{n}", "q": f"Question {n}?", "options": ["yes", "no"], "gold": n % 2, "level": n % 3}
        for n in range(30)
    ]
    return write_task(tmp_path, "quiz", rows, doc_to_level="level")


def test_a_candidate_is_asked_the_items_of_the_baseline(cli: Cli, model: Path, task: Path, tmp_path: Path) -> None:
    baseline, out = tmp_path / "baseline.json", tmp_path / "result.json"
    limits = ("--min-items", 5)
    assert cli("bless", model, "-t", task, "--per-level", 4, *limits, "-o", baseline, "--no-cache", "-q").code == 0
    ended = cli("gate", baseline, model, "-t", task, "-o", out, "--no-cache", "--no-progress")
    assert ended.code == 0, ended.err
    result = json.loads(out.read_text())
    assert result["tasks"][0]["n_items"] == 12
    assert [(row["level"], row["n_items"]) for row in result["by_level"]] == [(0, 4), (1, 4), (2, 4)]
    # The levels are the baseline's own: they stand in the committed file.
    assert json.loads(baseline.read_text())["tasks"][0]["levels"] == [n % 3 for n in range(12)]


def test_a_number_that_is_given_is_obeyed_and_a_mismatch_told(
    cli: Cli, model: Path, task: Path, tmp_path: Path
) -> None:
    baseline = tmp_path / "baseline.json"
    assert cli("bless", model, "-t", task, "--per-level", 4, "-o", baseline, "--no-cache", "-q").code == 0
    ended = cli("gate", baseline, model, "-t", task, "--limit", 20, "--no-cache", "--no-progress")
    assert ended.code == 2
    assert "--per-level" in ended.err
    assert "Traceback" not in ended.err


def test_a_flag_that_says_nothing_to_saved_scores_alone_is_refused(
    cli: Cli, model: Path, task: Path, tmp_path: Path
) -> None:
    saved, out = tmp_path / "scores.json", tmp_path / "out.json"
    assert cli("score", model, "-t", task, "-o", saved, "--no-cache", "-q").code == 0
    commands = (("compare", saved, saved), ("score", saved), ("bless", saved), ("gate", saved, saved))
    flags = ("--limit 2", "--per-level 2", "--scoring letter", "--num-fewshot 3", "--chat-template off")
    for command in commands:
        for flag in map(str.split, flags):
            ended = cli(*command, *flag, "-o", out)
            assert (ended.code, ended.out) == (2, "")
            (line,) = ended.err.splitlines()
            assert line.startswith(f"calibaudit: {flag[0]}: no effect: {saved} ")
            assert not out.exists()


def test_a_number_of_items_in_a_file_is_for_other_calls_too_and_said(
    cli: Cli, model: Path, task: Path, tmp_path: Path
) -> None:
    saved, out, settings = tmp_path / "scores.json", tmp_path / "out.json", tmp_path / "settings.toml"
    assert cli("score", model, "-t", task, "-o", saved, "--no-cache", "-q").code == 0
    settings.write_text("limit = 2\nscoring = 'letter'\n")
    ended = cli("score", saved, "--config", settings, "-o", out)
    assert ended.code == 0
    assert "--limit 2: saved scores are taken with all their items" in ended.err
    assert json.loads(out.read_text())["tasks"][0]["n_items"] == 30


def test_a_baseline_of_another_version_of_the_task_is_named(cli: Cli, model: Path, task: Path, tmp_path: Path) -> None:
    baseline, text = tmp_path / "baseline.json", task.read_text()
    assert cli("bless", model, "-t", task, "-o", baseline, "--no-cache", "-q").code == 0
    changed = json.loads(text) | {"metadata": {"version": 2}, "doc_to_text": "{{q}} Now:"}
    task.write_text(json.dumps(changed))
    ended = cli("gate", baseline, model, "-t", task, "--no-cache", "--no-progress")
    assert ended.code == 2
    assert "its items changed: version 0 in" in ended.err
    assert "2 now; bless again" in ended.err


def test_saved_scores_keep_the_levels(cli: Cli, model: Path, task: Path, tmp_path: Path) -> None:
    saved, out = tmp_path / "scores.json", tmp_path / "audit.json"
    assert cli("score", model, "-t", task, "-o", saved, "--no-cache", "-q").code == 0
    assert json.loads(saved.read_text())["scores"][0]["levels"] == [n % 3 for n in range(30)]
    ended = cli("score", saved, "-o", out)
    assert ended.code == 0
    assert [row["level"] for row in json.loads(out.read_text())["by_level"]] == [0, 1, 2]
    assert "By level of difficulty" in ended.out


@pytest.mark.parametrize("value", ["0", "-3", "x"])
def test_a_number_a_level_below_one_is_refused(cli: Cli, value: str) -> None:
    ended = cli("compare", "--per-level", value)
    assert ended.code == 2
    assert "--per-level" in ended.err
