"""`calibaudit fix` on the bundled pair, in short runs: what it writes, what it refuses, how it goes on."""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import time
from pathlib import Path

import jsonschema
import pytest
import referencing
import torch
import yaml
from transformers import AutoModelForCausalLM

import calibaudit
from calibaudit.training.held_out import halves
from tests.command import command_to, processes
from tests.families import save_tiny

DOCS = Path(__file__).resolve().parents[2] / "docs"
TASKS = ("-t", "arithmetic,reading", "--limit", "30")
SHORT = (*TASKS, "--max-steps", "2", "--batch-size", "4", "--gradient-accumulation", "1")
PAIR = ("fix", "demo:instruct", "--base", "demo:base", "--data", "demo:sft")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    """One cache for the module, the bundled pair's scores being the same in every test; workers would wait in one."""
    monkeypatch.setenv("CALIBAUDIT_CACHE", str(tmp_path_factory.getbasetemp() / "fix-cache"))


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
def few(tmp_path_factory):
    """The command with 32 of the pair's rows: every checkpoint's fit to them is looked at."""
    path = tmp_path_factory.getbasetemp() / "fix-rows.jsonl"
    rows = (Path(calibaudit.__file__).parent / "demo" / "sft.jsonl").read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(rows[::72]), "utf-8")
    return (*PAIR[:-1], path)


@pytest.fixture
def tempered(made, few, cli, tmp_path_factory):
    """A temperature: its folder, exit code and page."""
    if "tempered" not in made:
        out = tmp_path_factory.mktemp("tempered") / "fixed"
        code, page, _ = cli(*few, "--out", out, *TASKS, "--method", "temperature")
        made["tempered"] = out, code, page
    return made["tempered"]


@pytest.fixture
def merged(made, few, cli, tmp_path_factory):
    """Weights merged: its folder, exit code and page."""
    if "merged" not in made:
        out = tmp_path_factory.mktemp("merged") / "fixed"
        code, page, _ = cli(*few, "--out", out, *TASKS, "--method", "merge")
        made["merged"] = out, code, page
    return made["merged"]


@pytest.fixture
def smoothed(made, few, cli, tmp_path_factory):
    """Smoothed runs that are too short to keep anything: the last one's folder, exit code and page."""
    if "smoothed" not in made:
        out = tmp_path_factory.mktemp("smoothed") / "fixed"
        code, page, _ = cli(*few, "--out", out, *SHORT, "--method", "smooth", "--full-paths")
        made["smoothed"] = out, code, page
    return made["smoothed"]


@pytest.fixture
def unmeasured(made, cli, tmp_path_factory):
    """Weights merged without rows: its folder, exit code and page."""
    if "unmeasured" not in made:
        out = tmp_path_factory.mktemp("unmeasured") / "fixed"
        code, page, _ = cli(*PAIR[:4], "--out", out, *TASKS, "--method", "merge")
        made["unmeasured"] = out, code, page
    return made["unmeasured"]


@pytest.fixture
def unchanged(made, few, cli, tmp_path_factory):
    """A run from instruct that moves no weight: its folder, of an odd name, exit code and page."""
    if "unchanged" not in made:
        out = tmp_path_factory.mktemp("unchanged") / "my model: 1"
        code, page, _ = cli(*few, "--out", out, *SHORT, "--smoothing", "0.5", "--start", "instruct",
                            "--learning-rate", "1e-12", "--quiet")  # fmt: skip
        made["unchanged"] = out, code, page
    return made["unchanged"]


def saved(out):
    return json.loads((out / "fix.json").read_text("utf-8"))


@pytest.mark.parametrize("name", ["tempered", "merged", "smoothed"])
def test_from_models_to_verdict(name, request):
    out, code, page = request.getfixturevalue(name)
    result = saved(out)
    assert schema_errors(result) == []
    assert code == (0 if result["verdict"]["outcome"] == "helped" else 1)
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= set(names(out))
    assert names(out.parent) == ["fixed"]
    assert all(len(line) <= 80 for line in page.splitlines())
    assert " ".join(page.split()).count(result["verdict"]["sentence"]) == 1
    n_items = 2 * 30
    proven = result["proof"]["repair"]["overall"]["pooled"]["n_items"]
    assert result["n_advice_items"] + proven == n_items
    assert abs(result["n_advice_items"] - proven) <= 10  # whole passages stay together
    (candidate,) = result["candidates"]
    assert candidate["chosen"]
    assert candidate["verdict"]["faults"] == result["verdict"]["faults"]
    kept = candidate["retention"]
    share = (kept["after"]["top1"] - kept["base"]["top1"]) / (kept["before"]["top1"] - kept["base"]["top1"])
    assert kept["kept"] == pytest.approx(share)
    assert ("kept" in result["verdict"]["faults"]) == (share < 0.95)


def test_a_run_that_keeps_too_little_is_tried_with_half_the_factor(smoothed):
    out, code, page = smoothed
    result = saved(out)
    (candidate,) = result["candidates"]
    assert [trial["value"] for trial in candidate["trials"]] == [0.5, 0.25, 0.125]
    assert all("kept" in trial["rejected"] and trial["kept"] < 0.95 for trial in candidate["trials"])
    assert candidate["setting"] == {
        "method": "smooth",
        "value": 0.125,
        "prior": "base",
        "start": "base",
        "temperature": None,
    }
    assert result["settings"]["training"]["label_smoothing"] == 0  # what was asked; what was done is in the setting
    assert result["training"]["n_steps"] == 2
    assert (out / "training.jsonl").is_file()
    assert code == 1
    assert "preference" in page  # tuning again from base gives no preference tuning back


def scored(name, tasks):
    model = calibaudit.load_model(name)
    return [calibaudit.score(task, model) for task in tasks]


@functools.cache
def pair_scores(half):
    """Base and INSTRUCT, scored again. half: of the items, the one that proves (1), or both (None)."""
    tasks = calibaudit.load_tasks(["arithmetic", "reading"], limit=30)
    tasks = tasks if half is None else halves(tasks, 0)[half]
    return tasks, {name: scored(name, tasks) for name in ("demo:base", "demo:instruct")}


@pytest.mark.parametrize("name", ["tempered", "merged"])
def test_the_saved_checkpoint_gives_the_proven_numbers(name, request):
    out, _, _ = request.getfixturevalue(name)
    proof = saved(out)["proof"]
    tasks, pair = pair_scores(1)
    sides = {**pair, str(out): scored(str(out), tasks)}
    tuned, here = "demo:instruct", str(out)
    for part, pair in (("tuning", ("demo:base", tuned)), ("repair", (tuned, here)), ("left", ("demo:base", here))):
        found = calibaudit.compare(*(sides[name] for name in pair)).pooled
        for metric in ("accuracy", "ece", "nll"):
            for side, audit in (("before", found.before), ("after", found.after)):
                value = proof[part]["overall"]["pooled"][side][metric]["value"]
                assert value == pytest.approx(audit.metrics[metric].value, abs=2e-3)  # bfloat16, other batches


def logits_of(name):
    folder = Path(calibaudit.__file__).parent / "demo" / name.removeprefix("demo:") if "demo:" in str(name) else name
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        return network(torch.arange(40, 80)[None]).logits[0]


def test_a_temperature_is_in_the_weights_for_everyone(tempered):
    out, _, page = tempered
    setting = saved(out)["candidates"][0]["setting"]
    before, after = logits_of("demo:instruct"), logits_of(out)
    ratio = (before * after).sum() / (after * after).sum()
    assert setting["value"] > 1.1
    assert float(ratio) == pytest.approx(setting["value"], rel=2e-3)  # the gain's rounding to bfloat16
    assert float((before - ratio * after).abs().max() / before.abs().max()) < 0.02
    assert "the likeliest next token is the same on" in " ".join(page.split())


def test_merged_weights_are_in_the_files_for_everyone(merged):
    from safetensors.torch import load_file

    out, _, _ = merged
    weight = saved(out)["candidates"][0]["setting"]["value"]
    demo = Path(calibaudit.__file__).parent / "demo"
    base, tuned, found = (load_file(f / "model.safetensors") for f in (demo / "base", demo / "instruct", out))
    assert 0 < weight < 1
    for key, tensor in tuned.items():
        mixed = ((1 - weight) * tensor.float() + weight * base[key].float()).to(tensor.dtype)
        assert torch.equal(found[key], mixed), key
    assert torch.isfinite(logits_of(out)).all()


def test_what_undoes_the_tuning_did_not_help(few, cli, tmp_path):
    # one step of a run that is nothing but smoothing towards base: base, as it was
    code, page, err = cli(*few, "--out", tmp_path / "fixed", "-t", "bundled", "--limit", "32", "--smoothing", "1",
                          "--max-steps", "1")  # fmt: skip
    result = saved(tmp_path / "fixed")
    pooled = result["proof"]["repair"]["overall"]["pooled"]
    assert pooled["change"]["ece"]["value"] < 0
    assert pooled["change"]["ece"]["p_value"] < 0.05  # by the error alone it would have helped
    assert result["candidates"][0]["retention"]["kept"] < 0.05
    assert (code, err) == (1, "")
    assert " ".join(page.split()).startswith("demo:instruct → ")
    assert "Better calibrated, but undid the tuning" in " ".join(page.split())
    code, again, _ = cli("report", tmp_path / "fixed" / "fix.json")
    assert "Better calibrated, but undid the tuning" in " ".join(again.split())


def test_without_rows_only_what_changes_no_first_choice_can_be_proven(cli, unmeasured, tmp_path):
    code, text, err = cli("fix", "demo:instruct", "--base", "demo:base", "--out", tmp_path / "fixed", *TASKS, "--json")
    assert code in (0, 1), err
    result = json.loads(text)
    assert schema_errors(result) == []
    assert result["data"] is None
    by_method = {candidate["method"]: candidate for candidate in result["candidates"]}
    same = by_method["temperature"]["retention"]["first_choices"]
    assert same["n_same"] / same["n"] > 0.99
    assert "unmeasured" not in by_method["temperature"]["verdict"]["faults"]
    for method in set(by_method) - {"temperature"}:
        assert "--data" in by_method[method]["impossible"]
    _, code, page = unmeasured
    assert code == 1
    assert "was not measured: give --data" in " ".join(page.split()) or "did not help" in page


def test_without_rows_the_merge_of_least_nll_is_made(unmeasured):
    """What is unmeasured at every weight tells none from another."""
    (candidate,) = saved(unmeasured[0])["candidates"]
    able = [trial for trial in candidate["trials"] if trial["rejected"] in ([], ["not_least"])]
    assert candidate["setting"]["value"] == min(able, key=lambda trial: trial["nll_cooled"])["value"]


def test_without_labels_base_is_asked_the_same_prompts(cli, tmp_path):
    _, page, _ = cli("fix", "demo:instruct", "--base", "demo:base", "--out", tmp_path / "fixed", *TASKS, "--method",
                     "aligned", "--chat-template", "off")  # fmt: skip
    page = " ".join(page.split())
    assert "was chosen without labels" in page
    assert "one side alone" not in page
    setting = json.loads((tmp_path / "fixed" / "fix.json").read_text("utf-8"))["candidates"][0]["setting"]
    assert f"T {setting['value']:.2f} was chosen without labels" in page
    assert f"All logits are divided by {setting['value']:.2f}" in page


def test_a_pair_of_one_checkpoint_has_nothing_between(cli, few, tmp_path):
    _, text, _ = cli("fix", "demo:instruct", "--base", "demo:instruct", *few[4:], "--out", tmp_path / "fixed", *SHORT,
                     "--json")  # fmt: skip
    by_method = {candidate["method"]: candidate for candidate in json.loads(text)["candidates"]}
    for method in set(by_method) - {"temperature"}:
        assert "one checkpoint" in by_method[method]["impossible"]


def test_auto_goes_from_cheap_to_dear(few, cli, tmp_path):
    code, text, _ = cli(*few, "--out", tmp_path / "fixed", *SHORT, "--json")
    result = json.loads(text)
    assert schema_errors(result) == []
    methods = [candidate["method"] for candidate in result["candidates"]]
    assert methods == ["temperature", "merge", "smooth"][: len(methods)]
    assert sum(candidate["chosen"] for candidate in result["candidates"]) == 1
    *earlier, last = result["candidates"]
    assert not any(candidate["enough"] for candidate in earlier)
    assert last["enough"] or methods[-1] == "smooth"
    chosen = next(candidate for candidate in result["candidates"] if candidate["chosen"])
    assert code == (0 if chosen["verdict"]["outcome"] == "helped" else 1)
    assert names(tmp_path) == ["fixed"]


def test_its_figures_are_those_of_the_models(cli, few, tmp_path):
    out = tmp_path / "fixed"
    code, text, _ = cli(*few, "--out", out, *SHORT, "--smoothing", "0.5", "--prior", "uniform", "--json")
    result = json.loads(text)
    assert result == json.loads((out / "fix.json").read_text("utf-8"))
    assert code in (0, 1)
    assert result["advice"] is None
    tasks, pair = pair_scores(None)
    sides = {**pair, str(out): scored(str(out), tasks)}
    tuned, here = "demo:instruct", str(out)
    for part, pair in (("tuning", ("demo:base", tuned)), ("repair", (tuned, here)), ("left", ("demo:base", here))):
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
    metadata = yaml.safe_load(front)
    (index,) = metadata.pop("model-index")
    assert metadata == {  # nothing of the bundled pair is on the hub
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["calibration", "calibaudit", "label-smoothing"],
    }
    after = json.loads((out / "fix.json").read_text("utf-8"))["proof"]["repair"]["overall"]["pooled"]["after"]
    told = {entry["type"]: entry["value"] for entry in index["results"][-1]["metrics"]}
    assert told == {key: pytest.approx(after[key]["value"], abs=5e-5) for key in told}
    assert index["name"] == out.name
    assert "# my model: 1" in body
    assert str(out.parent) not in body


def test_a_saved_repair_makes_a_report(cli, smoothed, tmp_path):
    out, _, printed = smoothed
    code, page, err = cli("report", out / "fix.json", "-o", tmp_path / "report.html")
    assert (code, err) == (0, f"calibaudit: saved {tmp_path / 'report.html'}\n")
    assert page == printed  # a rendering knows what the run did
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
    task = calibaudit.load_task("arithmetic", limit=30)
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
    assert result["proof"]["repair"]["overall"]["pooled"]["n_items"] == 2 * 30 - 7
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
    refused(cli(*PAIR, "--out", full, *SHORT), f"{full}: already exists")
    refused(cli(*PAIR, "--out", tmp_path / "no" / "such", *SHORT), "does not exist; make it first")
    refused(cli(*PAIR, "--out", out, *SHORT, "--smoothing", "lots"), "--smoothing lots: give a factor between 0 and 1")
    refused(cli(*PAIR, "--out", out, *SHORT, "--method", "merge", "--smoothing", ".5"), "only --method smooth")
    for given, told in (
        (("--learning-rate", "1e-4"), "--learning-rate 0.0001"),
        (("--epochs", "1"), "--epochs 1"),
        (("--gradient-checkpointing",), "--gradient-checkpointing"),
        (("--start", "base"), "--start base"),
        (("--sharding", "fsdp"), "--sharding fsdp"),
    ):
        for method in ("temperature", "aligned", "merge"):
            ended = cli(*PAIR, "--out", out, "--method", method, *given)
            refused(ended, f"calibaudit: {told}: only --method smooth trains, not {method}")
    refused(cli(*PAIR[:4], "--out", out, *SHORT, "--method", "smooth"), "--method smooth tunes", "--data")
    refused(cli(*PAIR, "--out", out, *SHORT, "--smoothing", "1.5"), "--smoothing 1.5: give a factor between 0 and 1")
    refused(cli(*PAIR, "--out", out, *SHORT, "--chat-template", "both"), "--chat-template both")
    refused(cli(*PAIR, "--out", out, *SHORT, "--accuracy-margin", "7"), "--accuracy-margin 7")
    refused(cli(*PAIR[:4], "--data", tmp_path / "none.jsonl", "--out", out, *SHORT), "none.jsonl")
    tiny = save_tiny(tmp_path / "tiny")
    refused(
        cli("fix", "demo:instruct", "--base", tiny, "--data", "demo:sft", "--out", out, *SHORT, "--method", "smooth"),
        "vocabular",
    )
    assert names(tmp_path) == ["full", "tiny"]
    assert names(full) == ["keep.txt"]


def command_to_its_end(streams, cwd, *arguments):
    sys.exit(command_to(streams, cwd, {}, *arguments))


def test_an_interrupted_run_goes_on(cli, few, tmp_path, tmp_path_factory, monkeypatch):
    arguments = (*few, "--out", "fixed", *TASKS, "--batch-size", "8", "--max-steps", "12", "--save-steps", "3",
                 "--smoothing", "0.5")  # fmt: skip
    streams = tmp_path_factory.mktemp("streams")
    process = processes().Process(target=command_to_its_end, args=(streams, tmp_path, *arguments))
    process.start()
    checkpoints = tmp_path / "fixed.partial" / "smooth-0.5.partial" / "checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("checkpoint-*")) and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    err = (streams / "err").read_text("utf-8")
    assert process.exitcode == 130, err
    assert (
        err.splitlines()[-1]
        == "calibaudit: interrupted; the same command with --resume continues from its last checkpoint"
    )
    assert not (tmp_path / "fixed").exists()

    monkeypatch.chdir(tmp_path)
    refused(cli(*few, "--out", "fixed", *TASKS, "--method", "temperature", "--resume"), "an interrupted training run")
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
    trained = (tmp_path / "fixed" / "model.safetensors").read_bytes()
    (tmp_path / "fixed" / "fix.json").unlink()
    (tmp_path / "fixed" / "README.md").unlink()
    (tmp_path / "fixed.partial").mkdir()
    (tmp_path / "fixed").rename(tmp_path / "fixed.partial" / "smooth-0.5")
    code, text, _ = cli(*arguments, "--resume", "--json")
    assert code == resumed.code
    assert json.loads(text)["proof"]["repair"]["overall"] == result["proof"]["repair"]["overall"]
    assert (tmp_path / "fixed" / "model.safetensors").read_bytes() == trained
    refused(cli(*arguments, "--resume"), "already exists")
