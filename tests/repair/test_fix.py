"""`calibaudit fix` on the bundled pair, in short runs: what it writes, what it refuses, how it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
import referencing
import yaml

import calibaudit
from tests.families import save_tiny

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMAND = Path(sys.executable).with_name("calibaudit")
TASKS = ("-t", "arithmetic,reading", "--limit", "60")
SHORT = (*TASKS, "--max-steps", "6", "--batch-size", "16")
PAIR = ("fix", "demo:instruct", "--base", "demo:base", "--data", "demo:sft")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    """One cache for the module: the bundled pair's scores are the same in every test."""
    folder = tmp_path_factory.getbasetemp() / "fix-cache"
    monkeypatch.setenv("CALIBAUDIT_CACHE", str(folder))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def schema_errors(result):
    documents = {
        name: json.loads((DOCS / name).read_text("utf-8")) for name in ("fix.schema.json", "result.schema.json")
    }
    resources = [(name, referencing.Resource.from_contents(schema)) for name, schema in documents.items()]
    registry = referencing.Registry().with_resources(resources)
    validator = jsonschema.Draft202012Validator(documents["fix.schema.json"], registry=registry)
    return [error.message for error in validator.iter_errors(result)]


@pytest.fixture(scope="module")
def made():
    """The runs that several tests look at, by name; none of them changes a file."""
    return {}


@pytest.fixture
def few(few_rows):
    """The command with few of the pair's rows."""
    return (*PAIR[:-1], few_rows)


@pytest.fixture
def repaired(made, cli, tmp_path_factory):
    """A run whose factor comes from the advice: its folder, exit code and page."""
    if "repaired" not in made:
        out = tmp_path_factory.mktemp("repaired") / "fixed"
        code, page, _ = cli(*PAIR, "--out", out, *SHORT)
        made["repaired"] = out, code, page
    return made["repaired"]


@pytest.fixture
def unchanged(made, few, cli, tmp_path_factory):
    """A run from instruct that moves no weight: its folder, of an odd name, exit code and page."""
    if "unchanged" not in made:
        out = tmp_path_factory.mktemp("unchanged") / "my model: 1"
        code, page, _ = cli(*few, "--out", out, *SHORT, "--smoothing", "0.5", "--start", "instruct",
                            "--learning-rate", "1e-12", "--quiet")  # fmt: skip
        made["unchanged"] = out, code, page
    return made["unchanged"]


def test_from_rows_to_verdict(repaired):
    out, code, page = repaired
    result = json.loads((out / "fix.json").read_text("utf-8"))
    assert schema_errors(result) == []
    assert code == (0 if result["verdict"]["outcome"] == "helped" else 1)
    assert {"model.safetensors", "config.json", "tokenizer.json", "training.jsonl", "README.md"} <= set(names(out))
    assert names(out.parent) == ["fixed"]
    assert all(len(line) <= 80 for line in page.splitlines())
    assert " ".join(page.split()).count(result["verdict"]["sentence"]) == 1

    n_items = 2 * 60
    proven = result["proof"]["repair"]["overall"]["pooled"]["n_items"]
    assert result["n_advice_items"] + proven == n_items
    assert abs(result["n_advice_items"] - proven) <= 10  # whole passages stay together
    assert result["settings"]["training"]["label_smoothing"] == result["advice"]["epsilon"]["value"] > 0
    assert result["data"]["n_rows"] == result["data"]["n_examples"] == 2304
    assert result["training"]["n_steps"] == 6


def test_its_figures_are_those_of_the_models(cli, few, tmp_path):
    out = tmp_path / "fixed"
    code, text, _ = cli(*few, "--out", out, *SHORT, "--smoothing", "0.5", "--prior", "uniform", "--json")
    result = json.loads(text)
    assert result == json.loads((out / "fix.json").read_text("utf-8"))
    assert code in (0, 1)
    assert result["advice"] is None
    tasks = calibaudit.load_tasks(["arithmetic", "reading"], limit=60)
    sides = {}
    for name in ("demo:base", "demo:instruct", str(out)):
        model = calibaudit.load_model(name)
        sides[name] = [calibaudit.score(task, model) for task in tasks]
    for part, pair in (("tuning", ("demo:base", "demo:instruct")), ("repair", ("demo:instruct", str(out)))):
        found = calibaudit.compare(*(sides[name] for name in pair)).pooled
        saved = result["proof"][part]["overall"]["pooled"]
        for metric in ("accuracy", "ece", "brier"):
            for side, audit in (("before", found.before), ("after", found.after)):
                assert saved[side][metric]["value"] == pytest.approx(
                    audit.metrics[metric].value, abs=1e-3
                )  # bfloat16, other batches


def test_the_card_is_one_that_the_hub_takes(unchanged):
    out, *_ = unchanged
    _, front, body = (out / "README.md").read_text("utf-8").split("---\n", 2)
    assert yaml.safe_load(front) == {
        "base_model": "demo:instruct",
        "library_name": "transformers",
        "tags": ["calibration", "label-smoothing"],
    }
    assert "# my model: 1" in body
    assert str(out.parent) not in body


def test_a_saved_repair_makes_a_report(cli, repaired, tmp_path):
    out, *_ = repaired
    code, page, err = cli("report", out / "fix.json", "-o", tmp_path / "report.html")
    assert (code, err) == (0, "")
    assert "ECE" in page
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_nothing_is_trained_where_nothing_is_wrong(cli, tmp_path):
    data = tmp_path / "rows.jsonl"
    data.write_text('{"prompt": "Question: What is 2 + 2?\\nAnswer:", "completion": " 4"}\n', encoding="utf-8")
    calibrated = ("-t", "places,calendar")  # of the bundled tasks, two that demo:base is calibrated on
    code, page, err = cli(
        "fix", "demo:base", "--base", "demo:base", "--data", data, "--out", tmp_path / "fixed", *calibrated
    )
    assert (code, err) == (0, "")
    assert "Nothing to repair" in page
    assert names(tmp_path) == ["rows.jsonl"]


def test_a_pilot_chooses_on_the_other_half(cli, few, tmp_path):
    out = tmp_path / "fixed"
    code, text, err = cli(*few, "--out", out, *SHORT, "--pilot", "--grid", "0.5", "--prior", "uniform", "--json")
    assert code in (0, 1), err
    result = json.loads(text)
    assert schema_errors(result) == []
    assert result["advice"]["method"] == "pilot"
    assert [(point["epsilon"], point["prior"]) for point in result["advice"]["pilot"]] == [
        (0, "uniform"),
        (0.5, "uniform"),
    ]
    assert result["settings"]["pilot"] == [{"epsilon": 0, "prior": "uniform"}, {"epsilon": 0.5, "prior": "uniform"}]
    refused(cli(*PAIR, "--out", tmp_path / "no", *SHORT, "--pilot", "--smoothing", "0.5"), "--pilot chooses the factor")


def test_a_run_that_changes_nothing_did_not_help(unchanged):
    _, code, page = unchanged
    assert code == 1
    assert "It did not help" in page


def test_audited_questions_in_the_data_are_left_out(cli, tmp_path):
    task = calibaudit.load_task("arithmetic", limit=60)
    rows = [json.loads(line) for line in (Path(calibaudit.__file__).parent / "demo/sft.jsonl").open(encoding="utf-8")]
    rows = rows[:64] + [
        {"messages": [{"role": "user", "content": item.context}, {"role": "assistant", "content": "42"}]}
        for item in task.items[:7]
    ]
    rows += [{"messages": [{"role": "user", "content": "and then?"}]}, {"messages": "nonsense"}]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    _, text, err = cli("fix", "demo:instruct", "--base", "demo:base", "--data", data, "--out", tmp_path / "fixed",
                       *SHORT, "--smoothing", "0.5", "--json")  # fmt: skip
    result = json.loads(text)
    assert result["data"]["n_items_left_out"] == 7
    assert result["proof"]["repair"]["overall"]["pooled"]["n_items"] == 2 * 60 - 7
    assert (result["data"]["n_rows"], result["data"]["n_examples"], result["data"]["n_faulty"]) == (73, 71, 2)
    assert "2 of 73 rows are left out" in err
    assert "rows.jsonl:72" in err
    assert "7 audited items are left out" in err


def refused(ended, *said):
    code, out, err = ended
    assert (code, out) == (2, ""), err
    (line,) = err.splitlines()
    for text in said:
        assert text in line


def test_what_is_refused(cli, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "keep.txt").write_text("mine")
    out = tmp_path / "out"
    refused(cli(*PAIR, "--out", full, *SHORT), f"{full}: there is something already")
    refused(cli(*PAIR, "--out", tmp_path / "no" / "such", *SHORT), "does not exist; make it first")
    refused(cli(*PAIR, "--out", out, *SHORT, "--smoothing", "lots"), "--smoothing lots: give a factor between 0 and 1")
    refused(cli(*PAIR, "--out", out, *SHORT, "--smoothing", "1.5"), "--smoothing 1.5: give a factor between 0 and 1")
    refused(cli(*PAIR, "--out", out, *SHORT, "--chat-template", "both"), "--chat-template both")
    refused(cli(*PAIR, "--out", out, *SHORT, "--accuracy-margin", "7"), "--accuracy-margin 7")
    refused(cli(*PAIR[:4], "--data", tmp_path / "none.jsonl", "--out", out, *SHORT), "none.jsonl")
    tiny = save_tiny(tmp_path / "tiny")
    refused(cli("fix", "demo:instruct", "--base", tiny, "--data", "demo:sft", "--out", out, *SHORT), "vocabular")
    assert names(tmp_path) == ["full", "tiny"]
    assert names(full) == ["keep.txt"]


def start(*arguments, cwd):
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)], cwd=cwd, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_an_interrupted_run_goes_on(cli, few, tmp_path, monkeypatch):
    arguments = (*few, "--out", "fixed", *TASKS, "--batch-size", "16", "--max-steps", "12", "--save-steps", "3",
                 "--smoothing", "0.5")  # fmt: skip
    process = start(*arguments, cwd=tmp_path)
    checkpoints = tmp_path / "fixed.partial" / "checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("checkpoint-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert (
        err.splitlines()[-1]
        == "calibaudit: interrupted; the same command with --resume goes on from its last checkpoint"
    )
    assert not (tmp_path / "fixed").exists()

    monkeypatch.chdir(tmp_path)
    again = cli(*arguments)
    assert again.code == 2
    assert "go on with --resume" in again.err

    resumed = cli(*arguments, "--resume", "--json")
    assert resumed.code in (0, 1), resumed.err
    result = json.loads(resumed.out)
    assert result["training"]["resumed_from"] >= 3
    assert result["training"]["n_steps"] == 12
    assert names(tmp_path) == ["fixed"]

    # Trained, but cut off before the proof: only the proof is made again. Another factor is another run.
    (tmp_path / "fixed" / "fix.json").unlink()
    trained = (tmp_path / "fixed" / "model.safetensors").read_bytes()
    code, text, _ = cli(*arguments, "--resume", "--json")
    assert code == resumed.code
    assert json.loads(text)["proof"]["repair"]["overall"] == result["proof"]["repair"]["overall"]
    assert (tmp_path / "fixed" / "model.safetensors").read_bytes() == trained
    refused(cli(*arguments, "--resume", "--smoothing", "0.25"), "was trained with label_smoothing 0.5, not 0.25")
