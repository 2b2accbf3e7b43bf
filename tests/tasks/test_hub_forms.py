"""The hub tasks whose data sets need more than a column's name: what their templates make of made-up rows."""

from __future__ import annotations

import itertools
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from calibaudit.tasks.items import Task
from calibaudit.tasks.load import load_task, member_names
from calibaudit.tasks.registry import find_definitions
from calibaudit.tasks.templates import Field

COLUMNS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def asked(folder: Path, name: str, path: str, config: str, split: str, rows: list[dict[str, Any]], **how: Any) -> Task:
    """A bundled task on rows that stand where the hub's would."""
    data = folder / path
    data.mkdir(parents=True, exist_ok=True)
    (data / f"{config}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    entry = f"- config_name: {config}\n  data_files:\n  - split: {split}\n    path: {config}.jsonl\n"
    (data / "README.md").write_text(f"---\nconfigs:\n{entry}---\n")
    return load_task(name, mirror=folder, offline=True, **how)


def gpqa_row(texts: tuple[str, ...], index: int = 0) -> dict[str, Any]:
    about = {"Record ID": f"rec{index}", "Subdomain": "Genetics", "Explanation": "so", "Canary String": "x"}
    return {**about, "Question": f" Which of {index}?\n", **dict(zip(COLUMNS, texts, strict=True))}


@pytest.mark.parametrize("name", ["gpqa_main", "gpqa_diamond", "gpqa_extended"])
def test_gpqa_shows_the_options_in_the_order_of_their_texts(name: str, tmp_path: Path) -> None:
    draw = random.Random(4)
    rows = [gpqa_row(tuple(f" {w} {draw.randrange(99)}\n" for w in draw.sample("aBbcÅd1-", 4)), i) for i in range(40)]
    task = asked(tmp_path, name, "Idavidrein/gpqa", name, "train", rows)
    assert (task.scoring, len(task.items), task.warnings) == ("letter", 40, ())
    for row, item in zip(rows, task.items, strict=True):
        texts = sorted(row[column].strip() for column in COLUMNS)
        shown = "".join(f"{letter}. {text}\n" for letter, text in zip("ABCD", texts, strict=True))
        assert item.context == f"{row['Question'].strip()}\n{shown}Answer:"
        assert item.choices == ("A", "B", "C", "D")
        assert texts[item.answer] == row["Correct Answer"].strip()
    assert {item.answer for item in task.items} == {0, 1, 2, 3}


def test_the_order_of_gpqas_options_does_not_depend_on_which_is_right(tmp_path: Path) -> None:
    texts = ("10 m", "9 m", "a metre", "A metre")
    rows = [gpqa_row(order) for order in itertools.permutations(texts)]
    task = asked(tmp_path, "gpqa_main", "Idavidrein/gpqa", "gpqa_main", "train", rows)
    assert len({item.context for item in task.items}) == 1
    answers = [item.answer for item in task.items]
    assert [answers.count(k) for k in range(4)] == [6, 6, 6, 6]
    assert len({item.document for item in task.items}) == 24


def test_gpqas_examples_never_hold_the_question(tmp_path: Path) -> None:
    rows = [gpqa_row((f"a{i}", f"b{i}", f"c{i}", f"d{i}"), i) for i in range(8)]
    task = asked(tmp_path, "gpqa_main", "Idavidrein/gpqa", "gpqa_main", "train", rows, num_fewshot=7)
    assert task.warnings == ()
    for index, item in enumerate(task.items):
        questions = re.findall(r"Which of (\d)\?", item.context)
        assert (len(questions), questions[-1], len(set(questions))) == (8, str(index), 8)


def test_mmlu_pro_has_as_many_letters_as_options(tmp_path: Path) -> None:
    rows = [
        {"question_id": 7, "question": "Q?", "options": ["x"] * n, "answer": "ABCDEFGHIJ"[n - 1], "category": "law"}
        for n in (2, 3, 10)
    ]
    task = asked(tmp_path, "mmlu_pro", "TIGER-Lab/MMLU-Pro", "default", "test", rows)
    assert task.scoring == "letter"
    assert [len(item.choices) for item in task.items] == [2, 3, 10]
    assert [item.answer for item in task.items] == [1, 2, 9]
    assert task.items[1].context == "Q?\nA. x\nB. x\nC. x\nAnswer:"
    assert task.items[2].choices == tuple("ABCDEFGHIJ")


@pytest.mark.parametrize(("group", "n"), [("global_mmlu_full", 42), ("include_base_44", 44)])
def test_groups_have_a_task_a_language(group: str, n: int) -> None:
    definitions = find_definitions([group])
    assert len({definition.spec.dataset_name for definition in definitions}) == n
    assert all(name.startswith(f"{group}_") for name in member_names(group))
    assert {definition.spec.default_scoring for definition in definitions} == {"letter"}


def test_include_names_the_domain_of_each_question(tmp_path: Path) -> None:
    four = {f"option_{letter}": letter for letter in "abcd"}
    rows = [{"domain": domain, "question": "Q?", **four, "answer": 3} for domain in ("STEM", "Driving License")]
    task = asked(tmp_path, "include_base_44_greek", "CohereForAI/include-base-44", "Greek", "test", rows)
    assert [item.system for item in task.items] == [
        "The following is multiple-choice question about STEM.",
        "The following is multiple-choice question about Driving License.",
    ]
    assert [item.answer for item in task.items] == [3, 3]


def test_doc_is_the_whole_document_unless_a_column_is_called_so() -> None:
    field = Field("k", "{{doc['Correct Answer']}} {{doc.id}} {{doc['row id']}} {{q}}", ("q",))
    assert field({"Correct Answer": "yes", "id": 3, "row id": None, "q": "?"}) == "yes 3  ?"
    assert field.names == {"Correct Answer", "row id", "id", "q"}
    named = Field("k", "{{doc}}", ("q", "doc"))
    assert named({"doc": "text", "q": "?"}) == "text"
    assert named.names == {"doc"}
