"""Logs that other tools wrote (saved/import/SOURCE.md): what is read, against the files and our own scoring."""

from __future__ import annotations

import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calibaudit.errors import ScoresError
from calibaudit.models.model import load_model
from calibaudit.scores.logs.formats import format_of, is_log, read_logs
from calibaudit.scores.logs.settings import ImportSettings
from calibaudit.scores.scores import Scores
from calibaudit.scoring.score import score
from calibaudit.tasks.items import Item, Task

SAVED = Path(__file__).resolve().parents[2] / "saved" / "import"
LIGHTEVAL = SAVED / "lighteval" / "details" / "demo-base" / "run"
INSPECT = SAVED / "inspect_ai" / "words.eval"
PREDICTIONS = SAVED / "opencompass" / "demo-base"
ROWS = [json.loads(line) for line in (SAVED / "questions.jsonl").read_text("utf-8").splitlines()]


def read(path: Path, **settings: Any) -> Scores:
    (found,) = read_logs([path], None, ImportSettings(**settings))
    return found


@pytest.fixture(scope="module")
def own(root: Path) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    """Our own scores of the same prompts by the same checkpoint: prompt form -> id -> (choices,) nats."""
    model = load_model(str(root / "calibaudit" / "demo" / "base"), dtype="float32")
    found = {}
    for form, scoring in (("letter", "letter"), ("cloze", "cloze")):
        choices = [tuple("ABCD") if form == "letter" else tuple(row["choices"]) for row in ROWS]
        items = tuple(
            Item(row["id"], row[f"{form}_prompt"], texts, row["answer"])
            for row, texts in zip(ROWS, choices, strict=True)
        )
        scores = score(Task(form, "", scoring, items), model)  # type: ignore[arg-type]
        found[form] = dict(zip(scores.item_ids, scores.logprobs, strict=True))
    return found


def relative(logprobs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return logprobs - logprobs.max()


@pytest.mark.parametrize("form", ["letter", "cloze"])
def test_lighteval(form: str, own: dict[str, Any]) -> None:
    path = LIGHTEVAL / f"details_words_{form}.parquet"
    assert format_of(path) == "lighteval"
    scores = read(path)
    rows = pq.read_table(path).to_pylist()
    assert (scores.task, scores.scoring, scores.model.name) == (f"words_{form}", form, "demo-base")
    assert scores.logprobs.tolist() == [row["model_response"]["logprobs"] for row in rows]
    right = [float(np.argmax(row["model_response"]["logprobs"]) == row["doc"]["gold_index"]) for row in rows]
    assert [row["metric"]["acc"] for row in rows] == right
    assert (scores.logprobs.argmax(axis=1) == scores.answer).tolist() == [bool(value) for value in right]
    if form == "letter":
        sums = [sum(map(math.exp, row["model_response"]["logprobs"])) for row in rows]
        assert scores.option_mass == pytest.approx(sums, abs=1e-12)
    else:
        assert scores.option_mass is None
    prompts = {row[f"{form}_prompt"]: row["id"] for row in ROWS}
    for row, found in zip(rows, scores.logprobs, strict=True):
        ours = own[form][prompts[row["doc"]["query"]]]
        assert found == pytest.approx(ours, abs=1e-4)


def test_inspect_ai(own: dict[str, Any]) -> None:
    assert format_of(INSPECT) == "inspect-ai"
    scores = read(INSPECT)
    assert (scores.task, scores.scoring, scores.model.name) == ("words_direct", "letter", "hf/demo-base")
    assert scores.item_ids == tuple(row["id"] for row in ROWS)
    assert scores.answer.tolist() == [row["answer"] for row in ROWS]
    for name, found in zip(scores.item_ids, scores.logprobs, strict=True):
        assert found == pytest.approx(own["letter"][name], abs=0.25)  # that run was in bfloat16
    assert scores.option_mass == pytest.approx(np.exp(scores.logprobs).sum(axis=1))


def sample(top: dict[str, float], tokens: tuple[str, ...] = (" B",), **other: Any) -> dict[str, Any]:
    listed = [{"token": token, "logprob": math.log(p)} for token, p in top.items()]
    content = [{"token": token, "logprob": -0.1, "top_logprobs": listed} for token in tokens]
    output = {"choices": [{"logprobs": {"content": content}}]}
    return {"id": 1, "epoch": 1, "input": "Which?", "choices": ["x", "y"], "target": "B", "output": output, **other}


def inspect_log(path: Path, *samples: dict[str, Any], **plan: Any) -> Path:
    log = {"version": 2, "status": "success", "eval": {"task": "t", "model": "m"}, "plan": plan, "samples": samples}
    path.write_text(json.dumps(log))
    return path


def test_inspect_spellings_are_summed_and_an_unseen_option_is_bounded(tmp_path: Path) -> None:
    one = sample({" B": 0.6, "B": 0.3, " A": 0.05, "x": 0.01})
    two = sample({" B": 0.95, "x": 0.004}, id=2)
    notices: list[str] = []
    path = inspect_log(tmp_path / "log.json", one, two, sample({" A": 1.0}, id=1, epoch=2))
    assert format_of(path) == "inspect-ai"
    (scores,) = read_logs([path], notices.append)
    assert np.exp(scores.logprobs) == pytest.approx(np.array([[0.05, 0.9], [0.004, 0.95]]))
    assert scores.option_mass == pytest.approx([0.95, 0.95])
    assert any("1 options are outside the logged tokens" in line and "at most 0.004" in line for line in notices)
    assert any("1 samples of further epochs left out" in line for line in notices)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (sample({" B": 0.5, "x": 0.2}), "option A is outside the 2 logged tokens, and could have 0.2"),
        (sample({" A": 0.5, " B": 0.4}, ("I", " think", " B")), "2 tokens stand before the answer"),
        (sample({}, ()), "no top log-probabilities; run inspect with logprobs and top_logprobs"),
        (sample({" A": 0.5, " B": 0.4}, choices=None), "no choices: only multiple choice"),
        (sample({" A": 0.5, " B": 0.4}, target="C"), "target 'C' is not one of A, B"),
    ],
)
def test_inspect_samples_that_say_too_little(entry: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match=message):
        read(inspect_log(tmp_path / "log.json", entry))


def test_inspect_answer_behind_its_prefix_is_read_and_shuffled_choices_are_not(tmp_path: Path) -> None:
    entry = sample({" A": 0.25, " B": 0.75}, ("ANSWER", ":", " B"))
    assert np.exp(read(inspect_log(tmp_path / "a.json", entry)).logprobs) == pytest.approx(np.array([[0.25, 0.75]]))
    with pytest.raises(ScoresError, match="shuffled"):
        read(
            inspect_log(tmp_path / "b.json", entry, steps=[{"solver": "multiple_choice", "params": {"shuffle": True}}])
        )


@pytest.mark.parametrize("form", ["letter", "cloze"])
def test_opencompass(form: str, own: dict[str, Any]) -> None:
    """Its PPL is a mean over the whole prompt; sums, but for the question's share, come back from BPB."""
    path = PREDICTIONS / f"words_{form}.json"
    assert format_of(path) == "OpenCompass"
    scores = read(path)
    assert (scores.task, scores.scoring, scores.model.name) == (f"words_{form}", form, "demo-base")
    assert scores.option_mass is None
    assert scores.answer.tolist() == [row["answer"] for row in ROWS]
    for row, found in zip(ROWS, scores.logprobs, strict=True):
        assert relative(found) == pytest.approx(relative(own[form][row["id"]]), abs=1e-3)
    data = json.loads(path.read_text("utf-8"))
    means = np.array([[data[k][f"label: {label}"]["PPL"] for label in "ABCD"] for k in data])
    assert np.abs(relative(-means[0]) - relative(scores.logprobs[0])).max() > 0.05  # the mean is something else


def predictions(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text(json.dumps({str(i): row for i, row in enumerate(rows)}, indent=4))
    return path


def test_opencompass_clp_holds_probabilities_of_the_options_alone(tmp_path: Path) -> None:
    """After the code that writes it (0.5.4, CLPInferencerOutputHandler): not run here."""
    row = {"testing input": "q", "prompt": "q", "choices": ["A", "B"], "prediction": [0.25, 0.75], "pred_label": 1}
    scores = read(predictions(tmp_path / "t.json", {**row, "gold": "B"}, {**row, "gold": "A"}))
    assert np.exp(scores.logprobs) == pytest.approx(np.array([[0.25, 0.75]] * 2))
    assert (scores.scoring, scores.option_mass, scores.answer.tolist()) == ("letter", None, [1, 0])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label: A": {"PPL": 1.0}, "label: B": {"PPL": 2.0}, "gold": "A"}, "a mean over the whole prompt's tokens"),
        (
            {"label: A": {"Loglikelihood": -1.0}, "label: B": {"Loglikelihood": -2.0}},
            "a sum under some models and a mean",
        ),
        ({"origin_prompt": "q", "prediction": "A", "gold": "A"}, "holds no probabilities: generated answers have none"),
        ({"choices": ["A", "B"], "prediction": [0.5, 0.5], "gold": "C"}, "gold 'C' is not one of its labels A, B"),
    ],
)
def test_opencompass_files_without_probabilities(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match=message):
        read(predictions(tmp_path / "t.json", row))


@pytest.mark.parametrize("method", ["separate_original", "separate_calibrated"])
def test_helm(method: str, own: dict[str, Any]) -> None:
    path = SAVED / "helm" / method / "scenario_state.json"
    assert format_of(path) == "HELM"
    scores = read(path, scoring="cloze")
    assert (scores.task, scores.model.name) == (f"words:method=multiple_choice_{method}", "demo/base")
    assert scores.answer.tolist() == [row["answer"] for row in ROWS[:3]]
    for name, found in zip(scores.item_ids, scores.logprobs, strict=True):
        assert found == pytest.approx(own["cloze"][name], abs=1e-3)
    state = json.loads(path.read_text("utf-8"))["request_states"][0]
    tokens = state["result"]["completions"][0]["tokens"]
    assert "".join(token["text"] for token in tokens[-3:]) == " vixen"
    assert scores.logprobs[0, 0] == pytest.approx(sum(token["logprob"] for token in tokens[-3:]))
    assert scores.n_tokens[0, 0] == 3
    if method == "separate_calibrated":
        pmi = read(path)
        assert pmi.scoring == "pmi"
        alone = json.loads(path.read_text("utf-8"))["request_states"][1]["result"]["completions"][0]["tokens"][-3:]
        assert pmi.choice_scores()[0, 0] == pytest.approx(
            sum(token["logprob"] for token in tokens[-3:]) - sum(token["logprob"] for token in alone)
        )


def test_helm_joint_says_why_not() -> None:
    with pytest.raises(ScoresError, match="adapter multiple_choice_joint: only what was generated has a log-prob"):
        read(SAVED / "helm" / "joint" / "scenario_state.json")


def test_helm_leaves_perturbed_copies_out(tmp_path: Path) -> None:
    data = json.loads((SAVED / "helm" / "separate_original" / "scenario_state.json").read_text("utf-8"))
    copy = json.loads(json.dumps(data["request_states"][:4]))
    for state in copy:
        state["instance"]["perturbation"] = {"name": "typos"}
    path = tmp_path / "scenario_state.json"
    path.write_text(json.dumps({**data, "request_states": data["request_states"] + copy}))
    notices: list[str] = []
    (scores,) = read_logs([path], notices.append)
    assert scores.n_items == 3
    assert notices == [f"{path}: 4 requests of perturbed copies or further trials left out"]


def test_a_folder_is_read_and_what_holds_nothing_is_passed_over() -> None:
    notices: list[str] = []
    found = read_logs([SAVED / "helm"], notices.append)
    assert [part.scoring for part in found] == ["pmi", "cloze"]
    assert len(notices) == 1
    assert "multiple_choice_joint" in notices[0]
    assert {part.task for part in read_logs([SAVED / "lighteval"])} == {"words_letter", "words_cloze"}
    assert {part.task for part in read_logs([PREDICTIONS])} == {"words_letter", "words_cloze"}
    assert not is_log(SAVED.parents[2] / "calibaudit" / "demo" / "base")


def test_lightevals_earlier_layout_is_named(tmp_path: Path) -> None:
    path = tmp_path / "details_x.parquet"
    old = {"full_prompt": ["q"], "predictions": ["[(-1.0, False)]"], "gold_index": ["0"]}
    pq.write_table(pa.table(old), path)
    with pytest.raises(ScoresError, match=r"an earlier lighteval.*run it again with 0\.13"):
        read(path)


def test_one_bad_item_in_thirty_is_left_out_and_one_in_ten_is_not(tmp_path: Path) -> None:
    row = {"doc": {"query": "q", "choices": [" A", " B"], "gold_index": 0, "task_name": "t|0"}}
    row["model_response"] = {"logprobs": [-1.0, -2.0], "output_tokens": [[1], [2]]}
    two_right = {**row, "doc": {**row["doc"], "gold_index": None}}
    notices: list[str] = []
    for n, path in ((29, tmp_path / "a.parquet"), (9, tmp_path / "b.parquet")):
        rows = [{**row, "doc": {**row["doc"], "query": f"q{i}", "id": str(i)}} for i in range(n)]
        pq.write_table(pa.Table.from_pylist([*rows, two_right]), path)
    assert read_logs([tmp_path / "a.parquet"], notices.append)[0].n_items == 29
    assert "1 of 30 items left out" in notices[0]
    with pytest.raises(ScoresError, match="1 of 10 items cannot be used"):
        read(tmp_path / "b.parquet")


def test_zstd_in_an_eval_log_is_undone_and_other_zips_are_no_logs(tmp_path: Path) -> None:
    with zipfile.ZipFile(INSPECT) as archive:
        assert {info.compress_type for info in archive.infolist()} == {93}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.txt", "b")
    (tmp_path / "x.eval").write_bytes(held.getvalue())
    assert format_of(tmp_path / "x.eval") is None
