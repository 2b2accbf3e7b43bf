"""Odd forms of sample files: what is read, what is passed over with its reason, what is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calibaudit.errors import ScoresError
from calibaudit.scores.logs.lm_eval import is_log_folder, read_lm_eval
from calibaudit.tasks.items import scoring_of_choices

DATE = "2026-11-22T15-54-19.477662"


def row(doc_id: int, choices: str = "red green blue", lls: Any = (-1.0, -2.0, -3.0), **changes: Any) -> dict[str, Any]:
    return {
        "doc_id": doc_id,
        "doc": {"question": f"Which, {doc_id}?"},
        "target": "0",
        "arguments": [[f"Question {doc_id}\nAnswer:", f" {word}"] for word in choices.split()],
        "resps": [[[str(float(value)), "False"]] for value in lls],
        **changes,
    }


def inputs(doc_id: int, names: str, lls: Any, acc: float | None, gold: int | None = None) -> dict[str, Any]:
    """WinoGrande's form."""
    arguments = [[f"Then {name}", " ran off."] for name in names]
    made = row(doc_id, lls=lls, arguments=arguments, target="ran off.")
    made["doc"] |= {} if gold is None else {"gold": gold}
    return made if acc is None else {**made, "acc": acc}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: dict[str, Any], task: str = "quiz", config: dict[str, Any] | None = None, into: str = "") -> Path:
        folder = tmp_path / into
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"samples_{task}_{DATE}.jsonl"
        path.write_text("".join(json.dumps(entry) + "\n" for entry in rows), encoding="utf-8")
        if config is not None:
            results = {"configs": {task: config}, "config": {"model_args": {"pretrained": "lab/one"}}}
            (folder / f"results_{DATE}.json").write_text(json.dumps(results))
        return path

    return write


def answers(path: Path) -> list[int]:
    found: list[int] = read_lm_eval([path])[0].answer.tolist()
    return found


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"target": ["2"]}, 2),
        ({"target": [1]}, 1),
        ({"target": "2", "acc_norm": 0.0}, 2),
        # -1/3, -2/5, -3/4: divided by their characters the first is the likeliest
        ({"target": "0", "acc_norm": 1.0}, 0),
        ({"target": "green", "exact_match": 0}, 1),
    ],
)
def test_targets_and_metrics(changes: dict[str, Any], answer: int, written: Callable[..., Path]) -> None:
    assert answers(written(row(0, **changes))) == [answer]


def test_a_digit_that_is_a_choice_is_settled_by_whichever_metric_there_is(written: Callable[..., Path]) -> None:
    """Choices 1, 2, 3: target 1 is the first by its text and the second by its index."""
    assert answers(written(row(0, "1 2 3", target="1", acc_norm=1.0))) == [0]
    assert answers(written(row(0, "1 2 3", target="1", acc_norm=0.0))) == [1]
    greedy = [[["-1.0", "True"]], [["-2.0", "False"]], [["-3.0", "False"]]]
    assert answers(written(row(0, "1 2 3", target="1", resps=greedy, exact_match=1))) == [0]


def test_filtered_responses_alone_are_enough(written: Callable[..., Path]) -> None:
    entry = row(0)
    del entry["resps"]
    for responses in (
        [["-1.5", "True"], ["-2.5", "False"], ["-3.5", "False"]],
        [[-1.5, True], [-2.5, False], [-3.5, 0]],
    ):
        (part,) = read_lm_eval([written({**entry, "filtered_resps": responses})])
        assert part.logprobs.tolist() == [[-1.5, -2.5, -3.5]]


def test_two_contexts_before_one_text(written: Callable[..., Path]) -> None:
    """By hand: right where the likelier one has accuracy 1, else the other one."""
    path = written(inputs(0, "AB", (-3, -1), 1.0), inputs(1, "AB", (-3, -1), 0.0), inputs(2, "AB", (-1, -3), 0.0))
    assert answers(path) == [1, 0, 1]


def test_three_contexts_need_more_than_the_accuracy(written: Callable[..., Path]) -> None:
    rows = [inputs(0, "ABC", (-3, -1, -2), 1.0, gold=1), inputs(1, "ABC", (-3, -1, -2), 0.0, gold=2)]
    path = written(*rows)
    with pytest.raises(ScoresError, match=r"target 'ran off\.' fits neither"):
        read_lm_eval([path])
    assert answers(written(*rows, config={"doc_to_text": "gold"})) == [1, 2]
    assert answers(written(*rows, config={"doc_to_text": "{{gold}}"})) == [1, 2]
    with pytest.raises(ScoresError, match="fits neither"):  # it must agree with what was logged
        read_lm_eval([written(rows[0], {**rows[1], "acc": 1.0}, config={"doc_to_text": "gold"})])


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (row(0, acc=0.37), "its accuracy is 0.37, neither 0 nor 1"),
        (row(0, target=[0, 2]), "several right answers"),
        (row(0, target="[0, 2]"), "several right answers"),
        (row(0, arguments=[["Q", {"until": ["\n"]}]], resps=[[" an answer"]]), "generated"),
        (row(0, arguments=[["A whole text."]], resps=[["-55.9"]]), "there are no choices"),
        (row(0, "one", lls=(-1.0,)), "1 choice"),
        (row(0, target="purple"), "purple"),
        (row(0, target="-1"), "'-1'"),
    ],
)
def test_what_holds_no_question_is_passed_over_beside_others(
    entry: dict[str, Any], reason: str, written: Callable[..., Path], tmp_path: Path
) -> None:
    path = written(entry, task="odd")
    with pytest.raises(ScoresError, match=r"samples_odd_.*:1: ") as caught:  # alone it is an error
        read_lm_eval([path])
    assert reason in str(caught.value)
    written(row(0), task="quiz")
    told: list[str] = []
    (part,) = read_lm_eval([tmp_path], notice=told.append)
    assert part.task == "quiz"
    assert len(told) == 1
    assert reason in told[0]


def test_where_nothing_is_left_every_reason_is_listed(written: Callable[..., Path], tmp_path: Path) -> None:
    written(row(0, acc=0.5), task="many")
    written(row(0, target="purple"), task="odd")
    with pytest.raises(ScoresError) as caught:
        read_lm_eval([tmp_path])
    assert all(part in str(caught.value) for part in ("samples_many_", "0.5, neither", "samples_odd_", "purple"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"doc_id": 0, "target": ', "not valid JSON"),
        (json.dumps(row(0, lls=(-1, float("-inf"), -2))), "-inf"),
        (json.dumps(row(0, lls=(-1, -2))), "3 requests and 2 responses"),
        (json.dumps({key: value for key, value in row(0).items() if key != "arguments"}), "no 'arguments'"),
        (json.dumps([1]), "list"),
    ],
)
def test_a_damaged_file_is_an_error_among_others(
    line: str, said: str, written: Callable[..., Path], tmp_path: Path
) -> None:
    written(row(0), task="quiz")
    (tmp_path / f"samples_broken_{DATE}.jsonl").write_text(json.dumps(row(1)) + "\n" + line + "\n")
    with pytest.raises(ScoresError, match=r"samples_broken_.*:2: ") as caught:
        read_lm_eval([tmp_path])
    assert said in str(caught.value)


def test_the_folder_that_the_harness_was_given(written: Callable[..., Path], tmp_path: Path) -> None:
    """OUTPUT, in which it makes one folder a model."""
    written(row(0), into="lab__one")
    assert is_log_folder(tmp_path)
    assert [part.task for part in read_lm_eval([tmp_path])] == ["quiz"]
    written(row(0), into="lab__two")
    with pytest.raises(ScoresError, match=r"logs of 2 models are in it \(lab__one, lab__two\)"):
        read_lm_eval([tmp_path])
    (tmp_path / "config.json").write_text("{}")  # a checkpoint that somebody keeps logs in
    assert not is_log_folder(tmp_path)


def test_folders_of_two_models_are_not_one_side(written: Callable[..., Path], tmp_path: Path) -> None:
    written(row(0), into="a", task="one", config={})
    written(row(0), into="b", task="two", config={})
    parts = read_lm_eval([tmp_path / "a", tmp_path / "b"])
    assert [part.task for part in parts] == ["one", "two"]
    assert parts[0].model == parts[1].model
    results = tmp_path / "b" / f"results_{DATE}.json"
    results.write_text(results.read_text().replace("lab/one", "lab/two"))
    with pytest.raises(ScoresError, match=r"is of lab/one .* of lab/two"):
        read_lm_eval([tmp_path / "a", tmp_path / "b"])


@pytest.mark.parametrize(
    ("rows", "is_constant", "scoring"),
    [
        (["AB", "ABCDE", "ABC"], False, "letter"),
        (["ab", "abc"], False, "letter"),
        (["AB", "BA"], False, "cloze"),
        (["CD"], False, "cloze"),
        (["123", "123"], False, "cloze"),  # answers to sums may be these
        (["123"], True, "letter"),
        (["TF"], True, "letter"),
        (["AB", "Ab"], False, "cloze"),
    ],
)
def test_which_choices_are_labels(rows: list[str], is_constant: bool, scoring: str) -> None:
    assert scoring_of_choices([list(row) for row in rows], is_constant=is_constant) == scoring
    spaced = [[f" {choice}" for choice in row] for row in rows]
    assert scoring_of_choices(spaced, is_constant=is_constant) == scoring


def test_words_are_no_labels() -> None:
    assert scoring_of_choices([["yes", "no"]], is_constant=True) == "cloze"
    assert scoring_of_choices([["A", "BC"]], is_constant=False) == "cloze"


def test_a_log_has_the_constant_list_of_its_task(written: Callable[..., Path]) -> None:
    rows = [row(i, "1 2 3") for i in range(2)]
    assert read_lm_eval([written(*rows)])[0].scoring == "cloze"
    assert read_lm_eval([written(*rows, config={"doc_to_choice": ["1", "2", "3"]})])[0].scoring == "letter"
