"""Sample files of another harness: real ones against the metrics logged in them, and every older or odder form."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibaudit.analysis.compare import compare
from calibaudit.analysis.samples import Settings
from calibaudit.errors import ScoresError
from calibaudit.models.model import load_model
from calibaudit.scores.align import units
from calibaudit.scores.logs.lm_eval import read_lm_eval
from calibaudit.scores.saved import is_saved_scores, read_saved
from calibaudit.scoring.score import score
from calibaudit.tasks.load import load_task

FILES = {"arc_challenge_local": "arc_challenge.yaml", "openbookqa_letters_local": "openbookqa.yaml"}
WORDS = ["red", "green", "blue", "black", "white"]


def row(doc_id: int = 0, lls: Any = (-1.0, -2.0, -3.0), target: Any = "0", **changes: Any) -> dict[str, Any]:
    """A sample as version 0.4.13 writes it: numbers are strings, requests a mapping."""
    pairs = [(f"Question {doc_id}\nAnswer:", f" {word}") for word, _ in zip(WORDS, lls, strict=False)]
    return {
        "doc_id": doc_id,
        "doc": {"id": f"q{doc_id}"},
        "target": target,
        "arguments": {f"gen_args_{i}": {"arg_0": c, "arg_1": t} for i, (c, t) in enumerate(pairs)},
        "resps": [[[str(float(value)), "False"]] for value in lls],
        "filter": "none",
        **changes,
    }


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: dict[str, Any], name: str = "samples_quiz_2026-11-22T15-54-19.477662.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(entry) + "\n" for entry in rows), encoding="utf-8")
        return path

    return write


@pytest.mark.shared
@pytest.mark.parametrize("model", ["stories260k", "stories260k-hot"])
def test_real_logs_give_the_metrics_that_were_logged(shared: Path, model: str) -> None:
    folder = shared / "data" / "lm_eval_logs" / model
    assert is_saved_scores(str(folder))
    both = read_saved(str(folder), None)
    assert [(part.task, part.scoring, part.n_items) for part in both] == [
        ("arc_challenge_local", "cloze", 300),
        ("openbookqa_letters_local", "letter", 300),
    ]
    for part in both:
        (file,) = folder.glob(f"samples_{part.task}_*.jsonl")
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        correct = part.logprobs.argmax(axis=1) == part.answer
        assert correct.tolist() == [line["acc"] == 1.0 for line in lines]
        assert part.model.n_parameters == 260_032
        assert part.model.dtype == "float32"
    (by_char,) = (part for part in read_lm_eval([folder], "cloze_char") if part.task == "arc_challenge_local")
    (file,) = folder.glob("samples_arc_challenge_local_*.jsonl")
    logged = [json.loads(line)["acc_norm"] == 1.0 for line in file.read_text().splitlines()]
    assert (by_char.choice_scores().argmax(axis=1) == by_char.answer).tolist() == logged


@pytest.mark.shared
def test_logs_compare_like_the_models_they_came_from(shared: Path) -> None:
    """Same items by fingerprint, so the same draws: every metric within what log-likelihoods differ by."""
    names = ("stories260k", "stories260k-hot")
    logs = [read_lm_eval([shared / "data" / "lm_eval_logs" / name]) for name in names]
    tasks = [load_task(str(Path(__file__).parents[2] / "tasks" / file), limit=300) for file in FILES.values()]
    models = [load_model(str(shared / "models" / name)) for name in names]
    scores = [[score(task, model) for task in tasks] for model in models]
    for logged, scored in zip(logs, scores, strict=True):
        assert [part.fingerprint for part in logged] == [part.fingerprint for part in scored]
        assert [part.item_ids for part in logged] == [part.item_ids for part in scored]
    quick = Settings()  # both sides have the same draws, however few
    from_logs, from_models = compare(*logs, quick), compare(*scores, quick)
    for side in ("before", "after"):
        one, other = (getattr(found.pooled, side).metrics for found in (from_logs, from_models))
        for metric in ("accuracy", "confidence", "gap", "brier", "nll", "ece", "option_mass"):
            assert one[metric].value == pytest.approx(other[metric].value, abs=2e-3), metric
    change = [found.pooled.change["ece"] for found in (from_logs, from_models)]
    assert change[0].low == pytest.approx(change[1].low, abs=5e-3)
    assert saved_mix(logs[0][0], scores[1][0])


def saved_mix(logged: Any, scored: Any) -> bool:
    """A log of one model stands beside a run of the other."""
    return compare([logged], [scored], Settings()).tasks[0].n_items == 300


def test_a_question_has_one_document_in_the_logs_of_two_tasks(written: Callable[..., Path]) -> None:
    docs = [{"id": i, "question": f"What is {i} + 1?", "choices": ["red", "green", "blue"]} for i in range(3)]
    cloze = read_lm_eval([written(*(row(i, doc=doc) for i, doc in enumerate(docs)))])
    letters = []
    for i, doc in enumerate(docs[1:]):
        entry = row(i, doc={**doc, "id": f"other {i}"})
        entry["arguments"] = {f"gen_args_{k}": {"arg_0": f"Pick {i}:", "arg_1": f" {c}"} for k, c in enumerate("ABC")}
        letters.append(entry)
    letter = read_lm_eval([written(*letters, name="samples_quiz_letter_2026-11-22T15-54-19.477662.jsonl")])
    assert letter[0].scoring == "letter"
    assert letter[0].documents == cloze[0].documents[1:]
    assert [row.tolist() for row in units([*cloze, *letter])] == [[0, 1, 2], [1, 2]]


def test_logs_that_do_not_hold_the_question(written: Callable[..., Path]) -> None:
    """Of a doc that is an id only the requests tell questions apart; without a doc its hash does, where one is."""
    (part,) = read_lm_eval([written(row(0), row(1))])
    assert len(set(part.documents)) == 2
    hashed = [row(i, doc=None, doc_hash=f"{i % 2:064x}") for i in range(3)]
    (part,) = read_lm_eval([written(*hashed)])
    assert part.documents[0] == part.documents[2] != part.documents[1]
    (part,) = read_lm_eval([written(*({k: v for k, v in row(i).items() if k != "doc"} for i in range(2)))])
    assert len(set(part.documents)) == 2


def test_choices_answers_and_ids(written: Callable[..., Path]) -> None:
    path = written(row(1, (-5, -1, -2), "1"), row(0, (-1.5, -2, -3), "2"))
    (part,) = read_lm_eval([path])
    assert part.task == "quiz"
    assert part.item_ids == ("q0", "q1")  # by document, whatever the order of the lines
    assert part.answer.tolist() == [2, 1]
    assert part.logprobs.tolist() == [[-1.5, -2, -3], [-5, -1, -2]]
    assert part.n_chars.tolist() == [[3, 5, 4]] * 2  # of the choices, not of the space before them


def test_older_logs_with_numbers_and_lists(written: Callable[..., Path]) -> None:
    old = row()
    old["arguments"] = [["Question 0\nAnswer:", f" {word}"] for word in WORDS[:3]]
    old["resps"] = [[[-1.0, True]], [[-2.0, False]], [[-3.0, False]]]
    old["target"] = 0
    assert read_lm_eval([written(old)])[0].logprobs.tolist() == read_lm_eval([written(row())])[0].logprobs.tolist()


def test_more_than_ten_choices_stay_in_order(written: Callable[..., Path]) -> None:
    entry = row(lls=(-1, -2))
    entry["arguments"] = {
        f"gen_args_{i}": {"arg_0": "Q", "arg_1": f" w{i}"} for i in sorted(range(12), key=lambda i: str(i))
    }
    entry["resps"] = [[[str(-float(i + 1)), "False"]] for i in range(12)]
    (part,) = read_lm_eval([written(entry)])
    assert part.n_chars[0].tolist() == [2] * 10 + [3, 3]


def test_a_document_under_several_filters_counts_once(written: Callable[..., Path]) -> None:
    (part,) = read_lm_eval([written(row(0), row(0, filter="remove_whitespace"), row(1))])
    assert part.item_ids == ("q0", "q1")


def test_ragged_choices(written: Callable[..., Path]) -> None:
    (part,) = read_lm_eval([written(row(0, (-1, -2)), row(1, (-1, -2, -3, -4, -5), "4"))])
    assert np.isfinite(part.logprobs).sum(axis=1).tolist() == [2, 5]


def test_mutual_information_logs_serve_cloze_and_pmi(written: Callable[..., Path]) -> None:
    entry = row(0, (-1, -2, -3))
    entry["arguments"] |= {f"gen_args_{i + 3}": {"arg_0": "", "arg_1": f" {word}"} for i, word in enumerate(WORDS[:3])}
    entry["resps"] += [[[value, "False"]] for value in ("-0.5", "-4.0", "-2.5")]
    path = written(entry)
    (plain,) = read_lm_eval([path])
    assert plain.logprobs.tolist() == [[-1, -2, -3]]
    assert plain.unconditional is None
    (pmi,) = read_lm_eval([path], "pmi")
    assert pmi.choice_scores().tolist() == [[-0.5, 2.0, -0.5]]
    with pytest.raises(ScoresError, match="acc_mutual_info"):
        read_lm_eval([written(row())], "pmi")


def test_choices_before_a_shared_continuation(written: Callable[..., Path]) -> None:
    """WinoGrande's form: the contexts differ, the continuation does not, and the target is a number."""
    entry = row(lls=(-3.0, -1.0), target="1")
    entry["arguments"] = {f"gen_args_{i}": {"arg_0": f"Then {n}", "arg_1": " ran."} for i, n in enumerate(("A", "B"))}
    (part,) = read_lm_eval([written(entry)])
    assert part.answer.tolist() == [1]
    assert part.scoring == "cloze"


@pytest.mark.parametrize(
    ("target", "lls", "acc", "answer"),
    [
        ("blue", (-1, -2, -3), 0.0, 2),  # a choice's text
        (" green ", (-2, -1, -3), 1.0, 1),
        ("2", (-1, -2, -3), 0.0, 2),  # an index
        (1, (-2, -1, -3), 1.0, 1),
    ],
)
def test_targets(target: Any, lls: Any, acc: float, answer: int, written: Callable[..., Path]) -> None:
    (part,) = read_lm_eval([written(row(0, lls, target, acc=acc))])
    assert part.answer.tolist() == [answer]


def test_digits_that_are_choices_are_settled_by_the_logged_accuracy(written: Callable[..., Path]) -> None:
    entry = row(0, (-1, -2, -3), "1", acc=1.0)
    entry["arguments"] = {f"gen_args_{i}": {"arg_0": "1 + 0 =", "arg_1": f" {i + 1}"} for i in range(3)}
    (part,) = read_lm_eval([written(entry)])
    assert part.answer.tolist() == [0]  # the choice "1", which stands first and was answered rightly
    (part,) = read_lm_eval([written({**entry, "acc": 0.0})])
    assert part.answer.tolist() == [1]


def test_the_latest_run_of_a_task_counts_and_folders_are_one_models(
    written: Callable[..., Path], tmp_path: Path
) -> None:
    written(row(lls=(-9, -9, -9)), name="samples_quiz_2025-01-01T00-00-00.000001.jsonl")
    written(row())
    (part,) = read_lm_eval([tmp_path])
    assert part.logprobs[0, 0] == -1
    other = tmp_path / "other"
    other.mkdir()
    (other / "samples_quiz_2026-11-23T15-54-19.477662.jsonl").write_text(json.dumps(row()) + "\n")
    with pytest.raises(ScoresError, match="two folders"):
        read_lm_eval([tmp_path, other])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resps": [["some text"], ["other"], ["third"]]}, "generated"),
        ({"resps": [[["-1.0", "False"]]]}, "damaged"),
        ({"resps": [[["nan", "False"]]] * 3}, "log-likelihood is nan"),
        ({"target": "purple"}, "purple"),
        ({"target": "0", "acc": 0.0}, "accuracy"),
        ({"target": "7"}, "'7'"),
        ({"doc_id": None}, ":1:"),
        ({"arguments": {"gen_args_0": {"arg_0": "x"}}}, "arg_1"),
    ],
)
def test_faults_name_file_line_and_value(change: dict[str, Any], said: str, written: Callable[..., Path]) -> None:
    path = written(row(**change))
    with pytest.raises(ScoresError, match=str(path)) as raised:
        read_lm_eval([path])
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_that_are_no_logs(tmp_path: Path) -> None:
    empty, text = tmp_path / "samples_a.jsonl", tmp_path / "samples_b.jsonl"
    empty.write_text("")
    text.write_text("not json\n")
    for path, said in ((empty, "no samples"), (text, "samples_b.jsonl:1"), (tmp_path / "none.jsonl", "cannot be read")):
        with pytest.raises(ScoresError, match=said):
            read_lm_eval([path])
    with pytest.raises(ScoresError, match="--log_samples"):
        read_lm_eval([tmp_path / "empty_folder"] if (tmp_path / "empty_folder").mkdir() is None else [])
    with pytest.raises(ScoresError, match="cloze_token"):
        read_lm_eval([text], "cloze_token")
