"""The gate in a pipeline: the log, the summary and the files, and the recipes of docs/ci.md run as those would."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from ci_readers import Action, job_environment, runner, suite_of
from made_scores import TUNED, made_scores, save
from test_cli_gate import COMMAND, environment, two

from calibaudit.report.github import MAX_SUMMARY
from calibaudit.scores.baseline import bless
from tests.command import Cli, check_refused, in_a_process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """baseline.json, and the candidates same, worse, regrouped (another scoring) and hostile."""
    found = tmp_path_factory.mktemp("ci")
    (found / "baseline.json").write_text(bless(two(heat=1.0)), encoding="utf-8")
    for name, fields in (("same", {"heat": 1.03}), ("worse", {"heat": 2.0}), ("other", {"scoring": "cloze_byte"})):
        save(found / f"{name}.json", two(model=TUNED, **fields))
    return found


class Call(NamedTuple):
    """One of the exit codes, and what leads to it."""

    code: int
    candidate: str
    flags: tuple[str, ...]


CALLS = (
    Call(0, "same.json", ("--margin", ".2")),
    Call(1, "worse.json", ()),
    Call(2, "other.json", ()),
    Call(3, "same.json", ("--margin", ".01", "--strict")),
)
by_code = pytest.mark.parametrize("call", CALLS, ids=lambda call: f"exit {call.code}")


def run(command: list[str | Path], cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=cwd,
        env={**environment(), "PATH": path, **(env or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=180,
    )


def test_xml_is_refused_where_there_is_no_verdict(folder: Path, tmp_path: Path, here: Cli) -> None:
    xml = tmp_path / "result.xml"
    result = tmp_path / "result.json"
    sides = "baseline.json", "worse.json"
    check_refused(here("compare", *sides, "-o", xml, cwd=folder), "result.xml", "only `calibaudit gate` gives")
    check_refused(here("score", "worse.json", "-o", xml, cwd=folder), "result.xml", "only `calibaudit gate` gives")
    assert here("compare", *sides, "-o", result, "-q", cwd=folder).code == 0
    check_refused(here("report", result, "-o", xml, cwd=folder), "result.xml", "only `calibaudit gate` gives")
    assert not xml.exists()


def test_report_makes_the_same_xml_later(folder: Path, tmp_path: Path, here: Cli) -> None:
    now, later, result = tmp_path / "now.xml", tmp_path / "later.xml", tmp_path / "result.json"
    assert here("gate", "baseline.json", "worse.json", "-o", result, "-o", now, cwd=folder).code == 1
    assert here("report", result, "-o", later, cwd=folder).code == 0
    assert later.read_bytes() == now.read_bytes()
    assert suite_of(now.read_text(encoding="utf-8")).get("tests") == "6"


def test_the_log_and_the_summary_on_github(tmp_path: Path, here: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, scores in (("base", {}), ("tuned", {"heat": 3.0, "model": TUNED})):
        save(tmp_path / f"{name}.json", [made_scores(300, task=task, **scores) for task in ("::error::owned", "a%0Ab")])
    summary = tmp_path / "summary.md"
    summary.write_text("before", encoding="utf-8")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    command = "gate", "base.json", "tuned.json"
    done = run([COMMAND, *command, "-o", "page.md"], tmp_path, env)
    assert (done.returncode, done.stderr) == (1, "calibaudit: saved page.md\n")
    assert any(line.startswith(" ⟨U+003A⟩") for line in done.stdout.splitlines())  # on the page, and inert
    commands = runner(done.stdout)
    assert [command.name for command in commands] == ["error"] * 3
    assert commands[0].data.startswith("Regressed: tuned is worse")
    assert commands[1].properties["title"] == "calibaudit gate: ::error::owned"
    assert commands[2].properties["title"] == "calibaudit gate: a%0Ab"
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert summary.read_text(encoding="utf-8") == f"before\n\n{page}"
    assert page.startswith("## Gate: regressed")
    # not on GitHub: no commands
    ended = here(*command, cwd=tmp_path)
    assert " Regressed: " in ended.out
    assert "::stop" not in ended.out
    # a script that reads the JSON gets nothing else
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    ended = here(*command, "--json", cwd=tmp_path)
    assert json.loads(ended.out)["verdict"]["outcome"] == "regressed"


@pytest.mark.parametrize("there", ["no such folder", "a folder", "full"])
def test_a_summary_that_cannot_be_written_changes_no_exit_code(
    folder: Path, tmp_path: Path, there: str, here: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = {"no such folder": tmp_path / "nowhere" / "s.md", "a folder": tmp_path, "full": tmp_path / "full.md"}[there]
    if there == "full":
        path.write_bytes(b"x" * MAX_SUMMARY)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    ended = here("gate", "baseline.json", "same.json", "--margin", ".2", cwd=folder)
    assert ended.code == 0
    assert " Passed: " in ended.out
    (line,) = ended.err.splitlines()
    assert line.startswith(f"calibaudit: the step's summary {path} cannot be written: ")


def test_saved_scores_need_no_torch(folder: Path) -> None:
    code = (
        "import os, sys; from calibaudit.cli.app import main\n"
        "for command in 'gate', 'compare':\n"
        "    sys.argv = [sys.argv[0], command, 'baseline.json', 'worse.json']\n"
        "    try: main()\n"
        "    except SystemExit as end: print('ended with', end.code)\n"
        "    heavy = {'torch', 'transformers', 'datasets', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
        "    assert 'OPENBLAS_NUM_THREADS' not in os.environ\n"
    )
    done = run([sys.executable, "-c", code], folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall("^ended with .*", done.stdout, flags=re.MULTILINE) == ["ended with 1", "ended with 0"]


# The recipes of docs/ci.md, as the CI systems run them


def snippets(root: Path, language: str) -> list[str]:
    text = (root / "docs" / "ci.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def acted(root: Path, inputs: dict[str, str], workspace: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    """The action's gate, with the calibaudit that is installed here."""
    action = Action(root, {"package": "none", **inputs}, workspace, scratch)
    return action.step("gate", job_environment(COMMAND.parent))


@by_code
def test_the_action_ends_with_each_exit_code(folder: Path, tmp_path: Path, root: Path, call: Call) -> None:
    inputs = {"baseline": "baseline.json", "candidate": call.candidate, "junit": str(tmp_path / "junit.xml")}
    margin = call.flags[1] if call.flags else ""
    rest = "\n".join(call.flags[2:])
    more = {"margin": margin, "args": f"  {rest} --max-brier   1.9\n"}
    done = acted(root, {**inputs, **more}, folder, tmp_path)
    assert done.returncode == call.code, done
    assert (tmp_path / "OUTPUT").read_text() == f"exit-code={call.code}\n"
    assert (tmp_path / "junit.xml").exists() == (tmp_path / "STEP_SUMMARY").exists() == (call.code != 2)
    if call.code == 2:
        assert done.stderr.startswith("calibaudit: task 'sums': scoring differs: ")
        return
    kind = {0: "notice", 1: "error", 3: "error"}[call.code]
    assert runner(done.stdout)[0].name == kind
    suite = suite_of((tmp_path / "junit.xml").read_text(encoding="utf-8"))
    assert (suite.get("failures") != "0") == (call.code != 0)
    assert suite.get("tests") == "9"


def test_no_input_of_the_action_is_run(folder: Path, tmp_path: Path, root: Path) -> None:
    evil = f"$(touch {tmp_path}/owned); `touch {tmp_path}/owned`\"; touch {tmp_path}/owned; '"
    for name in ("baseline", "baseline-ref", "candidate", "tasks", "margin", "args", "junit"):
        inputs = {"baseline": "baseline.json", "candidate": "worse.json", "junit": "", name: evil}
        done = acted(root, inputs, folder, tmp_path)
        assert done.returncode == 2, (name, done)
        assert done.stderr.startswith("calibaudit: ")
    inputs = {"baseline": "--help", "candidate": "worse.json", "junit": ""}
    assert acted(root, inputs, folder, tmp_path).returncode == 2  # a name, not a flag
    assert not (tmp_path / "owned").exists()
    for step in Action(root, inputs, folder, tmp_path).action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("package", ["", "calibaudit==0.1.0"])
def test_the_action_installs_itself_or_what_is_named(tmp_path: Path, root: Path, package: str) -> None:
    inputs = {"baseline": "b", "candidate": "c", "package": package}
    action = Action(root, inputs, tmp_path, tmp_path)
    # stands for Python, and for the Python of the environment that it is to make
    said, python = tmp_path / "said", tmp_path / "python"
    venv = tmp_path / "temp" / "calibaudit-action" / "venv" / "bin"
    python.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" END >> {said}\n'
        f'[ "$3" = venv ] && mkdir -p {venv} && cp "$0" {venv}/python\nexit 0\n'
    )
    python.chmod(0o755)
    done = action.step("install", job_environment(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    made, installed = (call.split("\n") for call in said.read_text().strip().removesuffix("\nEND").split("\nEND\n"))
    assert made == [str(python), "-I", "-m", "venv", "--clear", str(venv.parent)]
    *flags, requirement = installed
    assert flags[:5] == [str(venv / "python"), "-I", "-m", "pip", "install"]
    assert flags[-1] == "--"
    assert (
        requirement == package if package else (Path(requirement) / "pyproject.toml").samefile(root / "pyproject.toml")
    )
    action.inputs |= {"package": "none", "python-version": ""}
    assert [step["id"] for step in action.action["runs"]["steps"] if action.wanted(step)] == ["gate"]


def test_the_documented_workflow_and_inputs_fit_the_action(root: Path) -> None:
    text = (root / "docs" / "ci.md").read_text(encoding="utf-8")
    action = yaml.safe_load((root / ".github/actions/calibaudit/action.yml").read_text(encoding="utf-8"))
    section = text.split("## GitHub Actions")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \|", section, flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == action["inputs"].keys()
    (workflow,) = (entry for entry in map(yaml.safe_load, snippets(root, "yaml")) if "jobs" in entry)
    (step,) = (s for s in workflow["jobs"]["gate"]["steps"] if "calibaudit" in s["uses"])
    assert step["uses"].endswith("/.github/actions/calibaudit@REF")
    assert step["with"].keys() <= action["inputs"].keys()
    assert all(isinstance(value, str) for value in step["with"].values())
    assert workflow["permissions"] == {"contents": "read"}


@by_code
def test_the_gitlab_job_ends_with_each_exit_code(folder: Path, tmp_path: Path, root: Path, call: Call) -> None:
    (job,) = (entry["calibration"] for entry in map(yaml.safe_load, snippets(root, "yaml")) if "calibration" in entry)
    shutil.copytree(folder, tmp_path / "work")
    (tmp_path / "work" / call.candidate).replace(tmp_path / "work" / "candidate.json")
    if call.flags:
        table = f"[tool.calibaudit.gate]\nmargin = {float(call.flags[1])}\n"
        (tmp_path / "work" / "pyproject.toml").write_text(table)
    pip = tmp_path / "pip"
    pip.write_text('#!/bin/sh\nprintf "%s " "$@" > said\n')
    pip.chmod(0o755)
    # the runner joins both lists into one script that ends at the first failure
    script = "\n".join(["set -eo pipefail", *job["before_script"], *job["script"]])
    path = f"{tmp_path}{os.pathsep}{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    done = run(["bash", "-c", script], tmp_path / "work", {**job["variables"], "PATH": path})
    assert done.returncode == call.code, done
    assert (tmp_path / "work" / "said").read_text() == f"install {job['variables']['CALIBAUDIT']} "
    assert job["allow_failure"] == {"exit_codes": [3]}
    files = [job["artifacts"]["reports"]["junit"], *job["artifacts"]["paths"]]
    assert [(tmp_path / "work" / name).exists() for name in files] == [call.code != 2] * 2
    assert job["artifacts"]["when"] == "always"
    if call.code != 2:
        assert (suite_of((tmp_path / "work" / files[0]).read_text(encoding="utf-8")).get("failures") != "0") == (
            call.code != 0
        )


def pytest_of(work: Path) -> tuple[int, str]:
    """pytest's code and page, of that folder, as run in it."""
    os.chdir(work)
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    os.environ |= environment() | {"PATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the recipes need none
    page = io.StringIO()
    with contextlib.redirect_stdout(page):
        code = pytest.main(["-q", "-p", "no:cacheprovider", "test_calibration.py"])
    return int(code), page.getvalue()


@by_code
@pytest.mark.parametrize("recipe", [0, 1], ids=["command", "functions"])
def test_the_pytest_recipes_tell_each_exit_code(
    folder: Path, tmp_path: Path, root: Path, call: Call, recipe: int
) -> None:
    source = snippets(root, "python")[recipe]
    shutil.copytree(folder, tmp_path / "work")
    work = tmp_path / "work"
    (work / call.candidate).replace(work / "candidate.json")
    margin = float(call.flags[1]) if call.flags else 0.03
    (work / "pyproject.toml").write_text(f"[tool.calibaudit.gate]\nmargin = {margin}\n")
    (work / "test_calibration.py").write_text(source.replace("margin=0.03", f"margin={margin}, strict={recipe == 1}"))
    code, out = in_a_process(pytest_of, work)
    lines = out.splitlines()
    expected = {0: "1 passed", 1: "1 failed", 2: "1 failed", 3: "1 failed" if recipe else "1 skipped"}[call.code]
    assert lines[-1].startswith(expected), out
    assert code == ("failed" in expected)
    if call.code == 1:
        assert re.search("BROKEN" if recipe == 0 else r"<Part all: regressed, .* broken", out)
    if call.code == 2:
        assert "scoring differs: cloze before, cloze_byte after" in out


@pytest.mark.shared
def test_logs_of_another_harness_need_no_conversion(shared: Path, tmp_path: Path, root: Path) -> None:
    logs = shared / "data" / "lm_eval_logs"
    inputs = {"baseline": "stories260k", "candidate": "stories260k-hot", "junit": str(tmp_path / "junit.xml")}
    done = acted(root, inputs, logs, tmp_path)
    assert done.returncode == 1, done
    kinds = [command.name for command in runner(done.stdout)]
    assert kinds == ["error"] * 3 + ["warning"] * 4  # two of them: that a side does not know these questions
    assert suite_of((tmp_path / "junit.xml").read_text(encoding="utf-8")).get("tests") == "6"
