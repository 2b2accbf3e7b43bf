"""`calibaudit gate` and `bless`: exit codes, pages, files. test_ci_surfaces.py has each code from a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from made_scores import TUNED, made_scores, save
from test_cli import write_task

from calibaudit.scores.baseline import bless
from calibaudit.scores.scores import Scores
from tests.command import Cli, Ended, check_refused, signalled
from tests.families import save_tiny

COMMAND = Path(sys.executable).with_name("calibaudit")


def environment() -> dict[str, str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    return outside | {"COLUMNS": "80", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1"}


def calibaudit(*arguments: object, cwd: Path) -> Ended:
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        env=environment(),
        timeout=180,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base.json (calibrated), blessed as baseline.json, as free.json without limits; same.json, worse.json."""
    found = tmp_path_factory.mktemp("gate")
    (found / "free.json").write_text(bless(two(heat=1.0)), encoding="utf-8")
    save(found / "base.json", two(heat=1.0))
    save(found / "same.json", two(heat=1.03, model=TUNED))
    save(found / "worse.json", two(heat=2.0, model=TUNED))
    ended = calibaudit("bless", "base.json", "-o", "baseline.json", cwd=found)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("baseline.json: 2 tasks, 1,800 items, ")
    assert (
        "Limits that it holds: margin .020, alpha .050, tasks from 100 items, strict off, 15 bins (default)"
        in ended.out
    )
    return found


def two(**fields: Any) -> list[Scores]:
    return [made_scores(900, task=name, seed=i, **fields) for i, name in enumerate(("sums", "maps"))]


def test_exit_1_when_it_regressed(folder: Path, here: Cli) -> None:
    ended = here("gate", "baseline.json", "worse.json", cwd=folder)
    assert (ended.code, ended.err) == (1, "")
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= 80
    first = next(i for i, line in enumerate(lines) if line.startswith(" Regressed: tuned is worse calibrated"))
    assert first <= 3  # after the two models and what was done, the sentence that matters
    assert "at most +.020" in ended.out
    assert "BROKEN" in ended.out
    assert "sums" in ended.out
    assert "Tasks that regressed: sums, maps." in " ".join(ended.out.split())


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--strict",), 3)])
def test_inconclusive_is_0_and_3_under_strict(folder: Path, flags: tuple[str, ...], code: int, here: Cli) -> None:
    ended = here("gate", "baseline.json", "same.json", "--margin", ".01", *flags, cwd=folder)
    assert (ended.code, ended.err) == (code, "")
    text = " ".join(ended.out.split())
    assert "Inconclusive: no regression found, but 1,800 items cannot rule out a worsening of .010" in text
    assert "items would settle it." in text


@pytest.mark.parametrize("flags", [(), ("--strict",)])
def test_exit_0_when_it_passed(folder: Path, flags: tuple[str, ...], here: Cli) -> None:
    ended = here("gate", "free.json", "same.json", "--margin", ".2", *flags, cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    assert " Passed: the calibration of tuned is no worse" in ended.out


def test_exit_1_over_a_limit(folder: Path, here: Cli) -> None:
    flags = ("--margin", ".5", "--max-gap", ".05", "--max-brier", "1.9")
    ended = here("gate", "free.json", "worse.json", *flags, cwd=folder)
    assert ended.code == 1
    assert " Over a limit: |gap| ." in ended.out
    assert "at most .050" in ended.out
    assert "at most 1.900" in ended.out


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"chat_template": True}, ("the chat template differs", "the baseline was scored without one")),
        ({"scoring": "cloze_byte"}, ("scoring differs: cloze before, cloze_byte after",)),
        ({"fingerprint": "changed"}, ("another content (fingerprint", "changed after")),
    ],
)
def test_exit_2_says_what_differs(
    folder: Path, tmp_path: Path, fields: dict[str, Any], said: tuple[str, ...], here: Cli
) -> None:
    other = save(tmp_path / "other.json", [made_scores(900, task="sums", heat=3, model=TUNED, **fields)])
    check_refused(
        here("gate", folder / "baseline.json", other, "-t", "sums", "--allow-missing", cwd=tmp_path), "'sums'", *said
    )


def test_exit_2_for_what_cannot_be_used(folder: Path, here: Cli) -> None:
    check_refused(here("gate", "baseline.json", "nowhere.json", cwd=folder), "nowhere.json: no such file")
    check_refused(here("gate", "baseline.json", "same.json", "--margin", "2", cwd=folder), "margin is 2.0")
    check_refused(here("gate", "baseline.json", cwd=folder), "CANDIDATE")
    check_refused(here("bless", "base.json", "-o", "baseline.txt", cwd=folder), "must end in .json")
    spoilt = json.loads((folder / "baseline.json").read_text())
    spoilt["tasks"][0]["items"][7][2] = "?"
    (folder / "spoilt.json").write_text(json.dumps(spoilt))
    check_refused(here("gate", "spoilt.json", "same.json", cwd=folder), "spoilt.json", "item 'sums-7'")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process has loaded is read from /proc")
def test_exit_130_when_interrupted(folder: Path) -> None:
    ended = signalled(
        [COMMAND, "bless", "demo:base", "-o", "new.json", "--no-cache"], signal.SIGINT, folder, environment()
    )
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.startswith("calibaudit: interrupted")
    assert not (folder / "new.json").exists()


def test_limits_from_pyproject_and_a_flag_beats_them(folder: Path, tmp_path: Path, here: Cli) -> None:
    table = "[tool.calibaudit.gate]\nmargin = 0.4\nstrict = true\nmax-ece = 0.5\n"
    (tmp_path / "pyproject.toml").write_text(table)
    sides = folder / "free.json", folder / "worse.json"
    kept = here("gate", *sides, "--json", cwd=tmp_path)
    verdict = json.loads(kept.out)["verdict"]
    assert (kept.code, verdict["outcome"]) == (0, "passed")
    assert verdict["limits"]["margin"] == 0.4
    assert verdict["limits"]["max_ece"] == 0.5
    assert verdict["limits"]["strict"] is True
    assert here("gate", *sides, "--margin", ".02", "-q", cwd=tmp_path).code == 1
    (tmp_path / "pyproject.toml").write_text("[tool.calibaudit.gate]\nmargni = 0.4\n")
    check_refused(here("gate", *sides, cwd=tmp_path), "'gate.margni'", "did you mean 'margin'?")


def test_the_saved_result_fits_its_schema_and_json_is_the_same(folder: Path, root: Path, here: Cli) -> None:
    schema = json.loads((root / "docs" / "result.schema.json").read_text(encoding="utf-8"))
    arguments = ("gate", "baseline.json", "worse.json", "--max-ece", ".05", "-o", "verdict.json", "--json")
    ended = here(*arguments, cwd=folder)
    assert ended.code == 1
    result = json.loads(ended.out)
    jsonschema.validate(result, schema)
    held = json.loads((folder / "baseline.json").read_text(encoding="utf-8"))
    jsonschema.validate(held, json.loads((root / "docs" / "baseline.schema.json").read_text(encoding="utf-8")))
    assert json.loads((folder / "verdict.json").read_text(encoding="utf-8")) == result
    verdict = result["verdict"]
    assert (verdict["outcome"], verdict["exit_code"]) == ("regressed", 1)
    assert verdict["overall"]["checks"][0]["found"] == pytest.approx(
        result["overall"]["pooled"]["change"]["ece"]["value"]
    )
    assert result["settings"]["level"] == 0.95


def test_the_baseline_stands_for_the_scores_it_was_made_of(folder: Path, here: Cli) -> None:
    plain, blessed = (
        json.loads(here("gate", name, "worse.json", "--json", cwd=folder).out)["verdict"]["overall"]
        for name in ("base.json", "baseline.json")
    )
    for old, new in zip(plain["checks"], blessed["checks"], strict=True):
        assert new["found"] == pytest.approx(old["found"], abs=5e-4)
    assert (folder / "baseline.json").stat().st_size / 1800 <= 60
    assert here("compare", "baseline.json", "worse.json", "-q", cwd=folder).code == 0
    again = here("bless", "baseline.json", "-o", "again.json", "-q", cwd=folder)
    assert (again.code, again.out) == (0, "")
    assert (folder / "again.json").read_bytes() == (folder / "baseline.json").read_bytes()


def test_git_merges_two_branches_that_blessed_different_tasks(folder: Path, tmp_path: Path, here: Cli) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    path = tmp_path / "baseline.json"
    base = two(heat=1.0)
    sums, maps = made_scores(900, task="sums", seed=0, heat=1.1), made_scores(900, task="maps", seed=1, heat=0.9)

    def commit(scores: list[Scores], branch: str) -> None:
        save(tmp_path / "new.json", scores)
        assert here("bless", "new.json", "-q", cwd=tmp_path).code == 0
        git("add", "baseline.json")
        git("commit", "-m", branch)

    git("init")
    commit(base, "start")
    git("checkout", "-b", "left")
    commit([sums, base[1]], "left")
    git("checkout", "main")
    git("checkout", "-b", "right")
    commit([base[0], maps], "right")
    git("merge", "left", "-m", "both")
    save(tmp_path / "new.json", [sums, maps])
    assert here("bless", "new.json", "-o", "both.json", "-q", cwd=tmp_path).code == 0
    assert path.read_bytes() == (tmp_path / "both.json").read_bytes()


def test_a_model_against_its_baseline(tmp_path: Path, here: Cli) -> None:
    save_tiny(tmp_path / "tiny", seed=0)
    documents = [
        {"q": f"the cat sat on {'the red mat ' * (i % 7)}", "options": ["the mat", "a dog"], "gold": i % 2}
        for i in range(30)
    ]
    write_task(tmp_path, documents=documents)
    flags = ("-t", "tiny.yaml", "--no-cache", "--offline", "--device", "cpu")
    ended = here("bless", tmp_path / "tiny", *flags, "--min-items", "20", cwd=tmp_path)
    assert ended.code == 0, ended
    text = (tmp_path / "baseline.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert json.loads(text)["model"]["name"] == "tiny"
    ended = here("gate", "baseline.json", "tiny", *flags, "--json", cwd=tmp_path)
    assert ended.code == 0, ended
    verdict = json.loads(ended.out)["verdict"]
    assert verdict["outcome"] != "regressed"
    assert abs(verdict["overall"]["checks"][0]["found"]) < 1e-3
    # other items than the baseline's are told before the model is even looked for
    check_refused(
        here("gate", "baseline.json", "no/such/model", *flags, "--limit", "10", cwd=tmp_path),
        "baseline.json holds other items",
        "30 items",
        "now 10",
        "bless a new baseline",
    )
    check_refused(
        here("gate", "baseline.json", "no/such/model", *flags, "--scoring", "cloze_byte", cwd=tmp_path),
        "scoring differs: cloze in baseline.json, cloze_byte now",
    )
