"""A change under test that tries to switch its own gate off: by its settings files, its tasks, its templates.

It controls every file of the checkout but the baseline, which comes from the base branch.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from made_scores import TUNED, made_scores, save
from task_files import write_task

from calibaudit.scores.baseline import bless
from calibaudit.scores.saved import is_saved_scores, read_saved
from calibaudit.scores.scores import Scores
from tests.ci_readers import suite_of
from tests.command import Cli, Ended, check_refused
from tests.families import save_tiny

TASKS = tuple(f"task-{i}" for i in range(9))
CHATTY = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}<assistant>"


def nine(heats: dict[str, float] | None = None, **fields: Any) -> list[Scores]:
    """Nine tasks of 150 items. heats: of the tasks that are not calibrated."""
    heats = heats or {}
    return [made_scores(150, task=name, seed=i, heat=heats.get(name, 1.0), **fields) for i, name in enumerate(TASKS)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base.json, blessed as baseline.json, free.json without limits; bad.json, regressed in eight tasks."""
    from calibaudit.gating.limits import DEFAULTS

    folder = tmp_path_factory.mktemp("made")
    save(folder / "base.json", nine())
    (folder / "baseline.json").write_text(bless(nine(), {**DEFAULTS, "max_ece": 0.3}), encoding="utf-8")
    (folder / "free.json").write_text(bless(nine()), encoding="utf-8")
    save(folder / "bad.json", nine(dict.fromkeys(TASKS[1:], 2.5), model=TUNED))
    save(folder / "one.json", nine(model=TUNED)[:1])
    return folder


class Change:
    """The folder of a change, and the gate as its pipeline calls it there."""

    def __init__(self, cli: Cli, made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._cli, self._made, self.folder = cli, made, folder
        monkeypatch.chdir(folder)

    def gate(self, candidate: str, *flags: object, baseline: str = "baseline.json") -> Ended:
        return self._cli("gate", self._made / baseline, self._made / candidate, *flags)

    def settings(self, text: str) -> None:
        (self.folder / "pyproject.toml").write_text(text)


@pytest.fixture
def change(cli: Cli, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Change:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return Change(cli, made, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("margin = 0.9", "--margin 0.9 (pyproject.toml) is looser than the 0.02 that"),
        ("min-items = 100000", "--min-items 100000 (pyproject.toml) is not the 100 that"),
        ("bins = 1", "--bins 1 (pyproject.toml) is not the 15 that"),
        ("alpha = 1e-9", "--alpha 1e-09 (pyproject.toml) is not the 0.05 that"),
        ("max-ece = 0.9", "--max-ece 0.9 (pyproject.toml) is looser than the 0.3 that"),
        ('tasks = ["task-0"]', "holds 9 tasks and 1,350 items, of which 1 and 150 would be judged"),
        ("allow-looser = true", "'allow-looser' is for the command line alone"),
        ("allow-missing = true", "'allow-missing' is for the command line alone"),
        ('revision = "old"', "'revision' is for the command line alone"),
        ('cache-dir = "kept"', "'cache-dir' is for the command line alone"),
        ('output = "baseline.json"', "'output' is for the command line alone"),
        ('plot = "baseline.json"', "'plot' is for the command line alone"),
    ],
)
@pytest.mark.parametrize("table", ["tool.calibaudit.gate", "tool.calibaudit"])
def test_a_pyproject_cannot_switch_the_gate_off(change: Change, key: str, said: str, table: str) -> None:
    change.settings(f"[{table}]\n{key}\n")
    check_refused(change.gate("bad.json"), said)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("pyproject.toml", "[tool.calibaudit.gate]\nmargin = 0.9\n", "--margin 0.9 (../../pyproject.toml) is looser"),
        ("pyproject.toml", "[tool.calibaudit]\nallow-looser = true\n", "../../pyproject.toml: 'allow-looser' is for"),
        ("calibaudit.toml", "[gate]\ncache-dir = 'kept'\n", "../../calibaudit.toml: 'cache-dir' is for the command"),
        ("calibaudit.toml", "revision = 'old'\n", "../../calibaudit.toml: 'revision' is for the command line alone"),
    ],
)
def test_a_file_found_upwards_cannot_either(
    change: Change, name: str, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (change.folder / name).write_text(text)
    (change.folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(change.folder / "a" / "b")
    check_refused(change.gate("bad.json"), said)
    # nor by a nearer file that hides it: each is held to the same
    Path("calibaudit.toml").write_text("allow-missing = true\n")
    check_refused(change.gate("one.json"), "calibaudit.toml: 'allow-missing' is for the command line alone")


def test_an_environment_cannot_either(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALLOW_LOOSER", "ALLOW_MISSING", "MARGIN", "GATE_MARGIN", "GATE_ALLOW_LOOSER"):
        monkeypatch.setenv(f"CALIBAUDIT_{name}", "1")
    assert change.gate("bad.json", "-q").code == 1
    change.settings("[tool.calibaudit.gate]\nmargin = 0.9\n")
    check_refused(change.gate("bad.json"), "is looser than")


@pytest.mark.parametrize("weights", [True, False], ids=["beside weights", "alone"])
def test_logs_in_a_folder_do_not_speak_for_its_checkpoint(
    cli: Cli, weights: bool, tmp_path: Path, shared: Path
) -> None:
    """A change could put logs of a good run where its workflow names a checkpoint."""
    logs = shared / "data" / "lm_eval_logs" / "stories260k"
    good = [
        dataclasses.replace(entry, model=dataclasses.replace(entry.model, head="separated"))
        for entry in read_saved(str(logs), None)
    ]
    baseline, folder = tmp_path / "baseline.json", tmp_path / "candidate"
    baseline.write_text(bless(good), encoding="utf-8")
    if weights:
        save_tiny(folder, "llama")
    shutil.copytree(logs, folder, dirs_exist_ok=True)
    ended = cli("gate", baseline, folder, "--offline")
    if weights:
        assert is_saved_scores(str(folder)) is False
        assert ended.code == 2
    else:
        check_refused(ended, "a folder of lm-evaluation-harness's logs, but the baseline is a checkpoint that")
    first = next(iter(sorted(folder.glob("**/samples_arc*.jsonl"))))
    assert is_saved_scores(str(first)) is True


def test_tighter_is_allowed_and_each_limit_says_whence(change: Change, tmp_path: Path, root: Path) -> None:
    import jsonschema

    change.settings("[tool.calibaudit.gate]\nmargin = 0.01\nstrict = true\n")
    files = [tmp_path / f"out.{ending}" for ending in ("json", "xml", "md")]
    ended = change.gate("bad.json", "--max-gap", ".25", *(part for file in files for part in ("-o", file)))
    assert ended.code == 1, ended
    page = " ".join(ended.out.split())
    assert "9 of 9 tasks, 1,350 items, cloze, margin .010" in page
    assert "alpha .050, ECE at most .300, tasks from 100 items, 15 bins (baseline)" in page
    assert "margin .010, strict on (pyproject.toml)" in page
    assert "|gap| at most .250 (--max-gap)" in page
    result = json.loads(files[0].read_text())
    jsonschema.validate(result, json.loads((root / "docs" / "result.schema.json").read_text(encoding="utf-8")))
    sources = {entry["name"]: (entry["value"], entry["source"]) for entry in result["verdict"]["in_force"]}
    assert sources["margin"] == (0.01, "pyproject.toml")
    assert sources["max_gap"] == (0.25, "--max-gap")
    assert sources["min_items"] == (100, "baseline")
    assert {task["n_judged"] for task in result["verdict"]["coverage"]["tasks"]} == {150}
    named = {entry.get("name"): entry.get("value") for entry in suite_of(files[1].read_text("utf-8")).iter("property")}
    assert (named["margin"], named["margin_from"]) == ("0.01", "pyproject.toml")
    assert (named["judged"], named["bins_from"]) == ("9 of 9 tasks, 1,350 items", "baseline")
    text = files[2].read_text(encoding="utf-8").replace("\\", "")
    assert "Judged of the baseline: 9 of 9 tasks, 1,350 items." in text
    assert "margin .010, strict on (pyproject.toml)" in text


def test_looser_and_missing_only_as_flags_and_said(change: Change) -> None:
    check_refused(change.gate("one.json"), "9 tasks and 1,350 items, of which 1 and 150", "give --allow-missing")
    check_refused(change.gate("bad.json", "-t", "task-0"), "of which 1 and 150 would be judged")
    check_refused(change.gate("bad.json", "--margin", ".9"), "--margin 0.9 is looser than")
    flags = ("--allow-looser", "--margin", ".9", "--allow-missing", "-t", "task-0", "--json")
    ended = change.gate("bad.json", *flags)
    assert ended.code == 0, ended
    verdict = json.loads(ended.out)["verdict"]
    assert [entry["name"] for entry in verdict["in_force"] if entry["is_looser"]] == ["margin"]
    assert sum(task["n_judged"] for task in verdict["coverage"]["tasks"]) == 150
    page = " ".join(change.gate("bad.json", *flags[:-1]).out.split())
    assert "1 of 9 tasks, 150 of 1,350 items, cloze, margin .900" in page
    assert "left out: task-1, task-2, task-3 and 5 more." in page
    assert "margin .900 (--margin, looser than the baseline's)" in page


def test_a_baseline_without_limits_says_so(change: Change) -> None:
    page = " ".join(change.gate("bad.json", baseline="free.json").out.split())
    assert "15 bins (default); the baseline holds none." in page
    change.settings("[tool.calibaudit.gate]\nmargin = 0.9\n")
    ended = change.gate("bad.json", "--json", baseline="free.json")
    assert ended.code == 0  # as before there were limits in baselines
    (warning,) = (text for text in json.loads(ended.out)["warnings"] if "holds no limits" in text)
    assert "those of pyproject.toml count (margin .900), which a change can set for itself" in warning


def test_bless_takes_the_gates_settings_and_keeps_what_it_replaces(
    cli: Cli, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool.calibaudit.gate]\nmargin = 0.04\nmax-brier = 1.5\n")
    assert cli("bless", made / "base.json", "--strict", "-q").code == 0
    held = json.loads(Path("baseline.json").read_text())["limits"]
    assert (held["margin"], held["max_brier"], held["strict"], held["alpha"]) == (0.04, 1.5, True, 0.05)
    Path("pyproject.toml").unlink()
    ended = cli("bless", made / "base.json")
    assert "Limits that it holds: margin .040" in ended.out
    assert json.loads(Path("baseline.json").read_text())["limits"] == held
    assert cli("bless", made / "base.json", "--margin", ".01", "-q").code == 0
    assert json.loads(Path("baseline.json").read_text())["limits"] == {**held, "margin": 0.01}
    check_refused(cli("bless", made / "base.json", "--margin", "2"), "margin is 2.0")


def test_limits_that_are_not_understood_are_refused(change: Change, made: Path, tmp_path: Path) -> None:
    baseline = json.loads((made / "baseline.json").read_text())
    for limits, said in (
        ({"margin": 0.9}, "its limits lack 'alpha'"),
        ([], "its limits: expected a table, found a list"),
    ):
        path = tmp_path / "odd.json"
        path.write_text(json.dumps({**baseline, "limits": limits}))
        check_refused(change.gate("bad.json", baseline=str(path)), "odd.json", said)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint without a chat template, and the same with one; no network is ever loaded of the second."""
    folder = tmp_path_factory.mktemp("tiny")
    plain = save_tiny(folder / "plain", seed=0)
    chatty = save_tiny(folder / "chatty", seed=0)
    (chatty / "chat_template.jinja").write_text(CHATTY)
    return plain, chatty


def test_another_chat_template_is_refused_before_a_model_is_loaded(
    cli: Cli, tiny: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calibaudit.models import model as models

    monkeypatch.chdir(tmp_path)
    plain, chatty = tiny
    documents = [{"q": f"what is {i}", "options": ["the mat", "a dog"], "gold": i % 2} for i in range(12)]
    write_task(tmp_path, "tiny", documents)
    flags = ("-t", "tiny.yaml", "--no-cache", "--offline", "--device", "cpu", "--no-progress")
    assert cli("bless", plain, *flags, "-o", "plain.json", "-q").code == 0
    assert cli("bless", chatty, *flags, "-o", "chatty.json", "-q").code == 0
    (Path("hint.jinja")).write_text("Be unsure. " + CHATTY)
    assert cli("bless", chatty, *flags, "-o", "hinted.json", "-q", "--chat-template", "hint.jinja").code == 0
    # by default the candidate is asked as the baseline was: a template that came since is left out
    ended = cli("gate", "plain.json", chatty, *flags, "--json")
    assert (ended.code, json.loads(ended.out)["tasks"][0]["chat_template"]) == (0, {"before": False, "after": False})
    ended = cli("gate", "hinted.json", chatty, *flags, "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["tasks"][0]["prompt"]["after"]["named"] == "hint.jinja"

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr(models, "load_model", no_network)
    differs = "the chat template differs"
    check_refused(
        cli("gate", "plain.json", chatty, *flags, "--chat-template", "auto"), differs, "would be scored inside"
    )
    check_refused(cli("gate", "chatty.json", plain, *flags), differs, "would be scored without a chat template")
    Path("pyproject.toml").write_text("[tool.calibaudit]\nchat-template = 'off'\n")
    check_refused(cli("gate", "chatty.json", chatty, *flags), differs, "(--chat-template off of pyproject.toml)")
    Path("pyproject.toml").write_text("[tool.calibaudit]\nchat-template = 'hint.jinja'\n")
    check_refused(cli("gate", "chatty.json", chatty, *flags), differs, "hint.jinja of pyproject.toml gives", "another")
    Path("pyproject.toml").unlink()
    # the file that the baseline was asked in, changed since
    Path("hint.jinja").write_text("Be bold. " + CHATTY)
    check_refused(cli("gate", "hinted.json", chatty, *flags), differs, "another")
    check_refused(
        cli("gate", "chatty.json", chatty, *flags, "--answer-at", "generation-prompt"),
        "--answer-at auto before, generation-prompt after",
    )
