"""Plain tables: each form against numbers written down here, and what is asked instead of guessed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calibaudit.analysis.side_warnings import prompt_warnings
from calibaudit.errors import ScoresError
from calibaudit.gating.same_prompts import check_same_prompts
from calibaudit.scores.align import paired
from calibaudit.scores.logs.formats import format_of, is_log, read_logs
from calibaudit.scores.logs.settings import ImportSettings
from calibaudit.scores.scores import Scores

PLAIN = "id,answer,A,B,C\nq1,A,0.5,0.3,0.2\nq2,B,0.1,0.9,\n"


def read(path: Path, text: str = "", notices: list[str] | None = None, **settings: Any) -> Scores:
    if text:
        path.write_text(text, encoding="utf-8")
    (found,) = read_logs([path], None if notices is None else notices.append, ImportSettings(**settings))
    return found


def probs(scores: Scores) -> list[list[float]]:
    return [[round(math.exp(v), 6) for v in row if v > -math.inf] for row in scores.logprobs.tolist()]


def test_csv_of_probabilities_with_a_ragged_row(tmp_path: Path) -> None:
    scores = read(tmp_path / "base.csv", PLAIN)
    assert probs(scores) == [[0.5, 0.3, 0.2], [0.1, 0.9]]
    assert scores.answer.tolist() == [0, 1]
    assert (scores.item_ids, scores.task, scores.scoring) == (("q1", "q2"), "items", "letter")
    assert (scores.option_mass, scores.model.name, scores.groups) == (None, "base", None)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark(delimiter: str, tmp_path: Path) -> None:
    text = "\ufeff" + PLAIN.replace(",", delimiter)
    assert probs(read(tmp_path / "t.txt", text)) == [[0.5, 0.3, 0.2], [0.1, 0.9]]


def test_jsonl_json_and_parquet_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"id": "q1", "answer": "A", "logits": [2.0, 0.0, -1.0], "group": "g"},
        {"id": "q2", "answer": "B", "logits": [0.0, 1.0], "group": "h"},
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "t.json").write_text(json.dumps(rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    for name in ("t.jsonl", "t.json", "t.parquet"):
        scores = read(tmp_path / name)
        assert format_of(tmp_path / name) == "table"
        total = math.exp(2) + 1 + math.exp(-1)
        assert probs(scores)[0] == pytest.approx([math.exp(2) / total, 1 / total, math.exp(-1) / total], abs=1e-6)
        assert scores.groups == ("g", "h")
        assert scores.scoring == "cloze"


def test_parquet_with_a_column_each(tmp_path: Path) -> None:
    table = {"id": [1, 2], "answer": [0, 1], "A": [-0.1, -2.0], "B": [-3.0, -0.2], "model": ["m", "m"]}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    with pytest.raises(
        ScoresError, match=r":0: the numbers are at most 0, .* sum to 0\.9546: say .* --values logprobs"
    ):
        read(tmp_path / "t.parquet")
    scores = read(tmp_path / "t.parquet", values="logprobs")
    assert scores.logprobs.tolist() == [[-0.1, -3.0], [-2.0, -0.2]]
    assert (scores.model.name, scores.option_mass) == ("m", None)
    outside = read(tmp_path / "t.parquet", values="logprobs", rest_outside=True)
    assert outside.option_mass == pytest.approx([math.exp(-0.1) + math.exp(-3), math.exp(-2) + math.exp(-0.2)])


def test_what_columns_names_say_is_certain(tmp_path: Path) -> None:
    scores = read(tmp_path / "t.csv", "id,answer,logprob_yes,logprob_no\n1,no,-0.5,-0.25\n", scoring="cloze")
    assert scores.logprobs.tolist() == [[-0.5, -0.25]]
    assert scores.answer.tolist() == [1]
    other = read(tmp_path / "u.csv", "id,answer,yes,no,n\n1,no,0.25,0.75,9\n", options=("yes", "no"))
    assert probs(other) == [[0.25, 0.75]]
    with pytest.raises(ScoresError, match="--values logits: its columns are called logprobs"):
        read(tmp_path / "t.csv", values="logits")


def test_normalised_log_probabilities_are_seen(tmp_path: Path) -> None:
    text = f"id,answer,A,B\n1,A,{math.log(0.25)},{math.log(0.75)}\n"
    assert probs(read(tmp_path / "t.csv", text)) == [[0.25, 0.75]]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ("0.5,0.3,0.1", r"t\.csv:2: the numbers lie in 0 to 1 and sum to 0\.9: say what they are with --values prob"),
        ("-1.5,0.3,0.1", r"t\.csv:2: -1\.5 rules out probabilities, and numbers above 0 .* say --values logits"),
        ("5,3,1", r"t\.csv:2: 5 rules out probabilities"),
        ("50,30,20", r"t\.csv:2: its numbers sum to 100, as percentages do: divide by 100"),
        ("-0.1,-0.2,-3", r"t\.csv:2: the exponentials of its numbers sum to 1\.773, above 1: .* --values logits"),
        ("-1,-2,-3", r"t\.csv:2: the numbers are at most 0, and their exponentials sum to 0\.553: say what they are"),
        ("0,1,0", r"t\.csv:2: a probability is 0, .* the least that is not, 1, is too large"),
        ("0,0.9,0.1", r"t\.csv:2: a probability is 0, .* the least that is not, 0\.1, is too large"),
        ("0.5,nan,0.5", r"t\.csv:2: column B: nan is not a finite number"),
        ("0.5,,0.5", r"t\.csv:2: column B is empty before the last option"),
        ("0.5,x,0.5", r't\.csv:2: column B: expected a number, found "x"'),
        ("1,,", r"t\.csv:2: 1 options have a number"),
    ],
)
def test_numbers_are_asked_for_or_named(numbers: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match=message):
        read(tmp_path / "t.csv", f"id,answer,A,B,C\nq1,A,{numbers}\n")


def test_said_kinds_are_held_to_what_they_are(tmp_path: Path) -> None:
    text = "id,answer,A,B\nq1,A,0.5,0.3\n"
    with pytest.raises(ScoresError, match=r":2: the probabilities sum to 0\.8, not to 1; --rest-outside"):
        read(tmp_path / "t.csv", text, values="probabilities")
    scores = read(tmp_path / "t.csv", values="probabilities", rest_outside=True)
    assert probs(scores) == [[0.5, 0.3]]
    assert scores.option_mass == pytest.approx([0.8])
    with pytest.raises(ScoresError, match=r"item 'q1': logprobs: 0\.5 is above 0"):
        read(tmp_path / "t.csv", values="logprobs")
    assert probs(read(tmp_path / "t.csv", values="logits"))[0][0] == pytest.approx(1 / (1 + math.exp(-0.2)), abs=1e-6)
    with pytest.raises(ScoresError, match="--rest-outside: logits leave no rest"):
        read(tmp_path / "t.csv", values="logits", rest_outside=True)
    with pytest.raises(ScoresError, match=r":2: the probabilities sum to 1\.2, not to 1$"):
        read(tmp_path / "u.csv", "id,answer,A,B\nq1,A,0.9,0.3\n", values="probabilities", rest_outside=True)
    with pytest.raises(ScoresError, match=r":2: 1\.9 is not a probability"):
        read(tmp_path / "v.csv", "id,answer,A,B\nq1,A,1.9,0.3\n", values="probabilities")


def test_written_digits_say_how_far_a_sum_may_be(tmp_path: Path) -> None:
    thirds = "id,answer,A,B,C\nq1,A,0.33,0.33,0.33\n"
    assert probs(read(tmp_path / "t.csv", thirds)) == [[0.333333] * 3]
    with pytest.raises(ScoresError, match=r"sum to 0\.98"):
        read(tmp_path / "u.csv", "id,answer,A,B,C\nq1,A,0.330,0.330,0.320\n")


def test_a_probability_of_0_is_said_to_be_taken_as_less_than_all_others(tmp_path: Path) -> None:
    notices: list[str] = []
    scores = read(tmp_path / "t.csv", "id,answer,A,B\nq1,A,1.00,0.00\nq2,B,0.02,0.98\n", notices)
    assert "1 probabilities are 0" in notices[0]
    assert "taken as 0.01, half of the least" in notices[0]
    assert np.exp(scores.logprobs[0, 1]) == pytest.approx(0.01 / 1.01)


def test_a_rest_outside_says_that_they_are_probabilities(tmp_path: Path) -> None:
    scores = read(tmp_path / "t.csv", "id,answer,A,B\nq1,A,0.5,0.3\n", rest_outside=True)
    assert scores.option_mass == pytest.approx([0.8])


def test_a_damaged_line_is_named_by_its_own_number(tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match=r"t\.jsonl:2: not valid JSON"):
        read(tmp_path / "t.jsonl", '{"id": "a", "answer": 0, "probs": [0.7, 0.3]}\n{"id":\n')


@pytest.mark.parametrize("column", ["question", "document"])
def test_other_questions_under_the_same_ids_are_other_items(column: str, tmp_path: Path) -> None:
    def table(name: str, order: Sequence[int], own: str) -> Scores:
        rows = "".join(f"q{i},{'AB'[i % 2]},0.7,0.3,{own} {i}\n" for i in order)
        return read(tmp_path / name, f"id,answer,A,B,{column}\n{rows}")

    one, other = table("a.csv", range(30), "mine"), table("b.csv", range(30), "theirs")
    with pytest.raises(ScoresError, match="the items differ: 'q0' before has another question"):
        paired([one], [other])
    turned = table("c.csv", range(29, -1, -1), "mine")
    ((left, right),) = paired([one], [turned])
    assert left.item_ids == right.item_ids
    check_same_prompts(left, right)  # a table holds no prompts that could differ
    assert prompt_warnings([(left, right)]) == [
        "it is unknown whether both sides were asked in the same words: a table holds no prompts (items)"
    ]


def test_a_column_of_option_mass(tmp_path: Path) -> None:
    scores = read(tmp_path / "t.csv", "id,answer,A,B,option_mass\nq1,A,0.5,0.5,0.25\n")
    assert scores.option_mass == pytest.approx([0.25])
    assert probs(scores) == [[0.125, 0.125]]
    with pytest.raises(ScoresError, match=r":2: column option_mass: '25' is not a probability above 0"):
        read(tmp_path / "u.csv", "id,answer,A,B,option_mass\nq1,A,0.5,0.5,25\n")
    with pytest.raises(ScoresError, match="--rest-outside: there is a column option_mass"):
        read(tmp_path / "t.csv", rest_outside=True)


@pytest.mark.parametrize(
    ("answers", "found"),
    [("AB", [0, 1]), ("01", [0, 1]), ("02", [0, 2]), ("13", [0, 2]), ("A2", None), ("12", None), ("03", None)],
)
def test_numbers_of_answers_count_from_where_it_is_certain(
    answers: str, found: list[int] | None, tmp_path: Path
) -> None:
    rows = "".join(f"q{i},{answer},0.5,0.3,0.2\n" for i, answer in enumerate(answers))
    path = tmp_path / "t.csv"
    path.write_text(f"id,answer,A,B,C\n{rows}")
    if found is not None:
        assert read(path).answer.tolist() == found
        return
    with pytest.raises(ScoresError, match=r"say --answers-from 0|outside its 3 options, counted from 0"):
        read(path)
    if answers == "12":
        assert read(path, answers_from=0).answer.tolist() == [1, 2]
        assert read(path, answers_from=1).answer.tolist() == [0, 1]


def test_an_answer_that_is_nothing_and_one_by_its_text(tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match=r":2: answer 'D' is neither one of its 3 options nor a number"):
        read(tmp_path / "t.csv", "id,answer,A,B,C\nq1,D,0.5,0.3,0.2\n")
    with pytest.raises(ScoresError, match=r":2: answer None is neither"):
        read(tmp_path / "u.csv", "id,answer,A,B,C\nq1,,0.5,0.3,0.2\n")
    row = {"id": 1, "question": "Sky?", "A": "blue", "B": "red", "answer": "red", "probs": [0.75, 0.25]}
    assert read(tmp_path / "t.jsonl", json.dumps(row) + "\n").answer.tolist() == [1]


def test_documents_come_of_a_question_or_their_own_column(tmp_path: Path) -> None:
    text = "id,answer,A,B,question\n1,A,0.5,0.5,one\n2,A,0.5,0.5,one\n3,A,0.5,0.5,two\n"
    one, again, two = read(tmp_path / "t.csv", text).documents or ()
    assert one == again != two
    own = read(tmp_path / "u.csv", "id,answer,A,B,document\n1,A,0.5,0.5,x\n2,A,0.5,0.5,y\n")
    assert own.documents == ("x", "y")


def test_several_tasks_names_groups_and_columns_that_are_not_read(tmp_path: Path) -> None:
    text = "task,id,answer,A,B,subject,note\nb,1,A,0.5,0.5,s,x\na,1,B,0.4,0.6,t,y\n"
    path = tmp_path / "t.csv"
    path.write_text(text)
    notices: list[str] = []
    found = read_logs([path], notices.append, ImportSettings(groups="subject", model="mine"))
    assert [(part.task, part.groups, part.model.name) for part in found] == [
        ("a", ("t",), "mine"),
        ("b", ("s",), "mine"),
    ]
    assert notices == [f"{path}: columns not read: note"]
    with pytest.raises(ScoresError, match="--task x: the column 'task' names the tasks already"):
        read(path, task="x")
    with pytest.raises(ScoresError, match="--groups nothing: no such column; there are task, id"):
        read(path, groups="nothing")
    assert read(tmp_path / "u.csv", PLAIN, task="quiz").task == "quiz"


def test_rows_without_ids_are_numbered_and_it_is_said(tmp_path: Path) -> None:
    notices: list[str] = []
    assert read(tmp_path / "t.csv", "answer,A,B\nA,0.5,0.5\nB,0.5,0.5\n", notices).item_ids == ("0", "1")
    assert "no column id: items are numbered by their rows" in notices[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,answer,A,B\n1,A,0.5,0.5\n1,A,0.5,0.5\n", "item '1' occurs twice"),
        ("id,answer,A,B\n1,A,0.5\n", ":2: 3 cells, and the header has 4"),
        ("id,answer,A,A\n1,A,0.5,0.5\n", ":1: two columns are called 'A'"),
        ("id,answer,A,B\n", "a table without rows"),
        ("id,key,A,B\n1,A,0.5,0.5\n", "no column answer; there are id, key, A, B"),
        (
            "id,answer,x,y\n1,x,0.5,0.5\n",
            "no columns A, B, .* name the options' columns with `calibaudit import --options`",
        ),
        ("id,answer,A,B,model\n1,A,0.5,0.5,m\n2,A,0.5,0.5,n\n", "models m, n: give one model's rows per file"),
        ("id,answer,A,B,group\n1,A,0.5,0.5,g\n2,A,0.5,0.5,\n", ":3: column group: no group"),
    ],
)
def test_tables_that_are_none(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match=message):
        read(tmp_path / "t.csv", text)


def test_lists_that_are_none_and_two_of_them(tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match=r":1: column probs: expected a list, found 0\.5"):
        read(tmp_path / "t.jsonl", '{"id": 1, "answer": 0, "probs": 0.5}\n')
    with pytest.raises(ScoresError, match="columns probs and logits: keep one of them"):
        read(tmp_path / "u.jsonl", '{"id": 1, "answer": 0, "probs": [0.5, 0.5], "logits": [1, 2]}\n')


def test_files_are_known_by_their_content(tmp_path: Path) -> None:
    held = {
        "table.dat": (PLAIN, "table"),
        "sample.log": ('{"doc_id": 0, "arguments": [], "resps": []}\n', "lm-evaluation-harness"),
        "own.json": ('{"schema_version": 2, "scores": []}', None),
        "baseline.json": ('{\n"baseline_version": 1,\n"tasks": []}', None),
        "notes.txt": ("some words, and more\n", None),
        "list.json": ("[1, 2]", None),
    }
    for name, (text, kind) in held.items():
        (tmp_path / name).write_text(text)
        assert format_of(tmp_path / name) == kind, name
        assert is_log(tmp_path / name) == (kind is not None)
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(ScoresError, match=r"cut\.parquet: not a readable Parquet file"):
        format_of(tmp_path / "cut.parquet")
    with pytest.raises(ScoresError, match=r"notes\.txt: no log or table that is known"):
        read(tmp_path / "notes.txt")
    with pytest.raises(ScoresError, match="there is no such file or folder"):
        read(tmp_path / "nothing.csv")


def test_one_task_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(PLAIN)
    with pytest.raises(ScoresError, match="task 'items' is in two of the files"):
        read_logs([tmp_path / "a.csv", tmp_path / "b.csv"])
