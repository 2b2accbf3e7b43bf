"""Documents into items: rendering, answers, examples, checks. Prompts against lm-eval: test_hub_tasks.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibaudit.errors import TaskError
from calibaudit.tasks.fewshot import ExampleSampler
from calibaudit.tasks.items import Item, Task
from calibaudit.tasks.load import load_task
from calibaudit.tasks.templates import Field, compile_template


def load(
    folder: Path, rows: list[dict[str, Any]], num_fewshot: int | None = None, limit: int | None = None, **keys: Any
) -> Task:
    (folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole = {
        "task": "t",
        "dataset_path": "d.jsonl",
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "q",
        "doc_to_choice": "c",
        "doc_to_target": "gold",
        **keys,
    }
    (folder / "t.yaml").write_text(json.dumps({key: value for key, value in whole.items() if value is not ...}))
    return load_task(str(folder / "t.yaml"), num_fewshot=num_fewshot, limit=limit)


def row(**values: Any) -> dict[str, Any]:
    return {"q": "why?", "c": ["a", "b", "c"], "gold": 1, **values}


@pytest.mark.parametrize(
    ("target", "values", "answer"),
    [
        ("gold", {}, 1),
        ("gold", {"gold": True}, 1),
        ("gold", {"gold": "c"}, 2),
        ("gold", {"gold": " c "}, 2),
        ("gold", {"gold": "2"}, 2),
        ("gold", {"gold": "2", "c": ["1", "2", "3"]}, 1),
        ("{{gold}}", {"gold": "2", "c": ["1", "2", "3"]}, 2),
        ("{{gold}}", {}, 1),
        ("{{c[gold]}}", {}, 1),
        ("{{'abc'.index('c')}}", {}, 2),
        (0, {}, 0),
        ("b", {}, 1),
        ("gold", {"gold": 1.0}, 1),
        ("gold", {"gold": [2]}, 2),
        ("gold", {"gold": ["c"]}, 2),
        ("gold", {"gold": ["2"], "c": ["1", "2", "3"]}, 1),
        ("[{{gold}}]", {}, 1),
        ("['{{c[gold]}}']", {}, 1),
        ("{{gold}}", {"gold": [2]}, 2),
        ("[b", {"c": ["[b", "b", "c"]}, 0),
        ("{{c[0]}}", {"c": ["[b or not]", "b", "c"]}, 0),
        ("gold", {"gold": "b", "c": [" b", "b", "c"]}, 1),
    ],
)
def test_the_right_choice(target: str | int, values: dict[str, Any], answer: int, tmp_path: Path) -> None:
    (item,) = load(tmp_path, [row(**values)], doc_to_target=target).items
    assert item.answer == answer


@pytest.mark.parametrize(
    ("keys", "values", "told"),
    [
        ({}, {"gold": 3}, "answer 3 is outside its 3 choices"),
        ({}, {"gold": -1}, "answer -1 is outside its 3 choices.*hidden"),
        ({}, {"gold": "9"}, "answer 9 is outside its 3 choices"),
        ({}, {"gold": "d"}, "answer 'd' is not one of the choices 'a', 'b', 'c'"),
        ({}, {"gold": ""}, "answer '' is not one of the choices"),
        ({}, {"gold": None}, "expected a choice or its index, found null"),
        ({}, {"gold": 1.5}, "expected a choice or its index, found 1.5"),
        ({}, {"gold": [0, 1]}, r"expected one right answer, found 2: \[0, 1\]"),
        ({}, {"gold": []}, r"expected one right answer, found 0: \[\]"),
        ({"doc_to_target": "[{{gold}}, 0]"}, {}, r"expected one right answer, found 2: \[1, 0\]"),
        ({}, {"c": ["a", None]}, "choice 1: expected text, found null"),
        ({"doc_to_choice": "{{[q, x]}}"}, {"x": None}, "choice 1: expected text, found null"),
        ({}, {"c": ["a", " \t"]}, "choice 1 is empty"),
        ({}, {"c": ["a"]}, r"1 choice\(s\): at least 2"),
        ({}, {"c": "ab"}, 'expected a list of strings, found "ab"'),
        ({}, {"c": ["a", 2]}, "choice 1: expected text, found 2"),
        ({"doc_to_choice": "{{c" + "[0]}}"}, {}, 'expected a list of strings, found "a"'),
        ({"doc_to_text": "{{nope}}"}, {}, r"doc_to_text: 'nope' is undefined \(columns: q, c, gold\)"),
        ({"doc_to_text": "{{c.nope}}"}, {}, "doc_to_text: .*has no attribute 'nope'"),
        ({"doc_to_target": "{{c.index('x')}}"}, {}, "doc_to_target: ValueError: 'x' is not in list"),
        ({"doc_to_text": "{{c.append('x')}}"}, {}, "refused by Jinja's sandbox"),
        ({"doc_to_text": "{{''.__class__.__mro__}}"}, {}, "refused by Jinja's sandbox"),
        ({}, {"q": None}, "doc_to_text: column 'q': expected text, found null"),
        ({"description": "{{who}}"}, {}, "description: 'who' is undefined"),
        ({"doc_to_id": "{{''}}"}, {}, "doc_to_id: the id is empty"),
        ({"doc_to_group": "{{x}}"}, {}, "doc_to_group: 'x' is undefined"),
    ],
)
def test_faulty_items_name_task_file_line_and_rule(
    keys: dict[str, Any], values: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(TaskError, match=told) as caught:
        load(tmp_path, [row(id="first"), row(id="odd", **values)] if not keys else [row(**values)], **keys)
    message = str(caught.value)
    count = "1 of 1 documents cannot be used (100 %" if keys else "1 of 2 documents cannot be used (50 %"
    assert f"task t ({tmp_path / 't.yaml'}): {count}; up to 5 % may be left out); the first: item " in message
    assert f"{tmp_path / 'd.jsonl'}:{1 if keys else 2})" in message
    assert keys or "item 'odd'" in message
    assert "\n" not in message


def test_a_missing_column_of_one_row_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"item 1 \(.*d.jsonl:2\): doc_to_text: column 'q' is missing"):
        load(tmp_path, [row(), {"c": ["a", "b"], "gold": 0}])


def test_ids_come_from_doc_to_id_then_the_id_column_then_the_row(tmp_path: Path) -> None:
    def ids(rows: list[dict[str, Any]], **keys: Any) -> list[str]:
        return [item.id for item in load(tmp_path, rows, **keys).items]

    assert ids([row(), row()]) == ["0", "1"]
    assert ids([row(id=7), row(id="x")]) == ["7", "x"]
    assert ids([row(id=7, n=1), row(id=7, n=2)], doc_to_id="{{id}}-{{n}}") == ["7-1", "7-2"]
    with pytest.raises(TaskError, match=r"item 7 .*d.jsonl:2\): id '7' occurs twice \(first: .*d.jsonl:1\)"):
        ids([row(id=7), row(id=7)])
    with pytest.raises(TaskError, match=r"id 'why.' occurs twice"):
        ids([row(), row()], doc_to_id="q")


def test_repeated_ids_of_a_public_data_set_get_a_number(tmp_path: Path) -> None:
    rows = [row(id=value) for value in ("a", "a", "a#2", "a", "b")]
    task = load(tmp_path, rows, dataset_path="json", dataset_kwargs={"data_files": {"test": "d.jsonl"}})
    assert [item.id for item in task.items] == ["a", "a#2", "a#2#2", "a#3", "b"]
    (warning,) = task.warnings
    assert warning.startswith("task t: 3 item(s) share their id")


def test_identical_choices_are_counted_not_refused(tmp_path: Path) -> None:
    task = load(tmp_path, [row(), row(c=["a", "b", "b"]), row(c=["x", "x"], gold=0)])
    assert task.warnings == ("task t: 2 item(s) have choices that are the same text (first: '1')",)


def test_group_description_and_delimiters(tmp_path: Path) -> None:
    task = load(tmp_path, [row()], doc_to_group="{{q}}!", description="About {{q}}\n", target_delimiter="")
    assert task.items == (Item("0", "why?", ("a", "b", "c"), 1, "why?!", "About why?\n", ""),)


def test_constant_choices_and_dict_choices(tmp_path: Path) -> None:
    assert load(tmp_path, [row()], doc_to_choice=["A", "B"]).items[0].choices == ("A", "B")
    task = load(tmp_path, [row()], doc_to_choice={"x": "yes", "y": "no"})
    assert (task.items[0].choices, task.scoring) == (("yes", "no"), "cloze")


WINO = {"doc_to_text": "{{answer}}", "doc_to_choice": "{{[a, b]}}", "doc_to_target": "{{rest}}"}


def test_multiple_inputs_put_the_choice_before_the_scored_text(tmp_path: Path) -> None:
    rows = [{"a": "Ann", "b": "Bea", "rest": "left.", "answer": 1}, {"a": "A", "b": "A", "rest": "42", "answer": 0}]
    task = load(tmp_path, rows, 1, **WINO)
    assert task.items[0] == Item("0", "A 42\n\n", ("left.", "left."), 1, leads=("Ann", "Bea"))
    assert task.items[1] == Item("1", "Bea left.\n\n", ("42", "42"), 0, leads=("A", "A"))
    with pytest.raises(TaskError, match="the text that follows every choice is empty"):
        load(tmp_path, [{**rows[0], "rest": " "}], **WINO)
    with pytest.raises(TaskError, match='the index of the right choice, as in the first document, found "x"'):
        load(tmp_path, [rows[0], {**rows[0], "answer": "x"}], **WINO)
    with pytest.raises(TaskError, match="answer 2 is outside its 2 choices"):
        load(tmp_path, [{**rows[0], "answer": 2}], **WINO)
    with pytest.raises(TaskError, match="scoring letter needs choices after the prompt"):
        load(tmp_path, rows, **WINO, scoring="letter")


def test_a_question_of_digits_after_one_of_words_stays_a_question(tmp_path: Path) -> None:
    task = load(tmp_path, [row(q="how many?"), row(q="42")], doc_to_text="{{q}}")
    assert task.items[1].context == "42"


def test_examples_stand_before_the_question(tmp_path: Path) -> None:
    rows = [row(q=f"q{i}", gold=i % 3) for i in range(4)]
    task = load(tmp_path, rows, 2, fewshot_split="test", fewshot_config={"sampler": "first_n"})
    assert task.n_fewshot == 2
    assert task.items[0].context == "q1 b\n\nq2 c\n\nq0"
    assert task.items[3].context == "q0 a\n\nq1 b\n\nq3"


def test_number_of_examples(tmp_path: Path) -> None:
    rows = [row(q=f"q{i}") for i in range(6)]
    own = {"fewshot_split": "test"}
    assert load(tmp_path, rows, **own).n_fewshot == 0
    assert load(tmp_path, rows, 3, **own).items[0].context.count("\n\n") == 3
    yaml = json.loads((tmp_path / "t.yaml").read_text())
    for in_file, asked, used, told in ((2, None, 2, ""), (2, 4, 4, ""), (0, 4, 0, "4 is not applied"), (0, 0, 0, "")):
        (tmp_path / "t.yaml").write_text(json.dumps({**yaml, "num_fewshot": in_file}))
        task = load_task(str(tmp_path / "t.yaml"), num_fewshot=asked)
        assert task.n_fewshot == used
        assert task.items[5].context.count("\n\n") == used
        assert told in "".join(task.warnings)
        assert bool(told) == bool(task.warnings)


def test_samples_and_indices(tmp_path: Path) -> None:
    rows = [row(q=f"q{i}") for i in range(6)]
    samples = [row(q="s0"), row(q="s1"), row(q="s2")]
    task = load(tmp_path, rows, 2, fewshot_config={"sampler": "first_n", "samples": samples, "fewshot_indices": [2, 0]})
    assert task.items[0].context == "s2 b\n\ns0 b\n\nq0"
    with pytest.raises(TaskError, match="fewshot_indices: 9 is outside the 3 documents"):
        load(tmp_path, rows, 1, fewshot_config={"samples": samples, "fewshot_indices": [9]})
    with pytest.raises(TaskError, match=r"few-shot example fewshot_config.samples, row 0: answer 5 is outside"):
        load(tmp_path, rows, 1, fewshot_config={"samples": [row(gold=5)]})


def test_too_few_documents_for_the_examples(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="fewshot_split: 3 few-shot examples are asked for, but only 2 documents"):
        load(tmp_path, [row(), row(q="x")], 3, fewshot_split="test")
    with pytest.raises(TaskError, match="only 1 other documents"):
        load(tmp_path, [row(), row(q="x")], 2, fewshot_split="test")


def test_a_document_before_its_own_question_is_counted(tmp_path: Path) -> None:
    task = load(tmp_path, [row(q="x"), row(q="y")], 2)
    assert task.warnings == (
        "task t: 2 item(s) have their own document among their examples: "
        "set fewshot_split to another split (first: '0')",
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(n=st.integers(5, 12), shots=st.integers(0, 4), limit=st.integers(1, 12), first=st.booleans())
def test_prompts_do_not_depend_on_the_limit(tmp_path: Path, n: int, shots: int, limit: int, first: bool) -> None:
    keys = {"fewshot_split": "test", "fewshot_config": {"sampler": "first_n" if first else "default"}}
    rows = [row(q=f"q{i}") for i in range(n)]
    whole = load(tmp_path, rows, shots, **keys)
    part = load(tmp_path, rows, shots, limit, **keys)
    assert part.items == whole.limited(limit).items
    assert part.fingerprint == whole.limited(limit).fingerprint


@given(
    values=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    n=st.integers(0, 4),
    first=st.booleans(),
    seed=st.integers(0, 99),
)
def test_examples_are_distinct_and_never_the_document(values: list[int], n: int, first: bool, seed: int) -> None:
    pool = [{"v": value} for value in values]
    others = [index for index, value in enumerate(values) if value != values[0]]
    if n > len(pool):
        with pytest.raises(TaskError):
            ExampleSampler(pool, n, first=first, exclude=True, seed=seed)
        return
    sampler = ExampleSampler(pool, n, first=first, exclude=True, seed=seed)
    if len(others) < n:
        with pytest.raises(TaskError):
            sampler.choose(pool[0])
        return
    chosen = sampler.choose(pool[0])
    assert len(set(chosen)) == n
    assert set(chosen) <= set(others)
    assert not first or chosen == others[:n]


def test_templates_keep_the_last_line_break_and_know_regex_replace() -> None:
    assert compile_template("{{a}}\n").render(a=1) == "1\n"
    assert compile_template("{{'a1b2' | regex_replace('[0-9]', '#')}}").render() == "a#b#"
    assert compile_template("{{'a1b2' | regex_replace('[0-9]', '#', 1)}}").render() == "a#b2"
    with pytest.raises(TaskError, match=r"not a valid Jinja template: .*its line 2"):
        compile_template("a\n{{")


def test_a_columns_name_stands_for_its_value() -> None:
    assert Field("k", "q", ("q",))({"q": [1]}) == [1]
    assert Field("k", "q", ())({"q": [1]}) == "q"
    assert Field("k", "q", ("q",)).text_of({"q": 3}) == "3"


LETTERS = {"doc_to_text": "{{q}}\nA. {{c[0]}}\nB. {{c[1]}}\nC. {{c[2]}}", "doc_to_choice": ["A", "B", "C"]}


def documents(folder: Path, rows: list[dict[str, Any]], *more: Any, **keys: Any) -> list[str]:
    return [item.document for item in load(folder, rows, *more, **keys).items]


def test_a_document_is_the_row_whatever_the_prompt(tmp_path: Path) -> None:
    rows = [row(q="why?"), row(q="who?", gold=0), row(q="how?", c=["x", "y", "z"], gold=2)]
    plain = documents(tmp_path, rows)
    assert len(set(plain)) == 3
    assert documents(tmp_path, rows, **LETTERS) == plain
    assert documents(tmp_path, rows, doc_to_text="Question: {{q}}\nAnswer:", target_delimiter="") == plain
    assert documents(tmp_path, rows, 1, description="Think.\n") == plain
    assert documents(tmp_path, rows, scoring="pmi") == plain
    assert documents(tmp_path, rows[::-1]) == plain[::-1]
    fingerprints = {load(tmp_path, rows, **keys).fingerprint for keys in ({}, LETTERS)}
    assert len(fingerprints) == 2


def test_a_document_does_not_see_ids_and_comments_unless_the_question_is_made_of_them(tmp_path: Path) -> None:
    (plain,) = documents(tmp_path, [row()])
    assert documents(tmp_path, [row(id="a", level=1), row(id="b", ID=7, Explanation="so", index=None)]) == [plain] * 2
    numbered = documents(tmp_path, [row(index=1), row(index=2)], doc_to_text="What follows {{index}}?")
    assert len({plain, *numbered}) == 3
    grouped = documents(tmp_path, [row(doc_id="a"), row(doc_id="b")], doc_to_group="doc_id")
    assert len({plain, *grouped}) == 3


@pytest.mark.parametrize("change", [{"q": "Why?"}, {"c": ["a", "c", "b"]}, {"gold": 0}, {"subject": "logic"}])
def test_another_question_option_answer_or_group_is_another_document(tmp_path: Path, change: dict[str, Any]) -> None:
    one, other = documents(tmp_path, [row(), row(**change)])
    assert one != other


def test_the_document_of_choices_before_the_scored_text(tmp_path: Path) -> None:
    rows = [
        {"a": "Ann", "b": "Bea", "rest": "left.", "answer": 1},
        {"a": "Bea", "b": "Ann", "rest": "left.", "answer": 1},
    ]
    one, other = documents(tmp_path, rows, **WINO)
    assert one != other
    letters = {"doc_to_text": "{{a}} or {{b}} {{rest}}?", "doc_to_choice": ["A", "B"], "doc_to_target": "answer"}
    assert documents(tmp_path, rows, **letters) == [one, other]


@pytest.mark.parametrize("prefix", ["It is", '{{ x }} {% endraw %} "quoted" \\ \N{SNOWMAN}', "two\nlines "])
def test_an_answer_prefix_is_taken_as_it_is(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "rows.jsonl").write_text('{"q": "What?", "c": ["a", "b"], "a": 0}\n' * 3, encoding="utf-8")
    file = tmp_path / "own.yaml"
    file.write_text(
        "task: own\ndataset_path: rows.jsonl\ntest_split: test\noutput_type: multiple_choice\n"
        "doc_to_text: q\ndoc_to_choice: c\ndoc_to_target: a\ngen_prefix: Mine\n",
        encoding="utf-8",
    )
    from calibaudit.tasks.load import load_task

    assert load_task(str(file)).items[0].answer_prefix == "Mine"
    assert load_task(str(file), answer_prefix=prefix).items[0].answer_prefix == prefix
    assert load_task(str(file), answer_prefix="").items[0].answer_prefix == ""


def test_a_number_of_letters_that_differs_is_letter_and_its_own_scoring_counts(tmp_path: Path) -> None:
    """AQuA's form, beside the same options as texts; the rule is that of `scoring_of_choices`."""
    rows = [{"q": f"Question {n}?", "options": ["x", "y", "z", "v", "w"][: 2 + n], "gold": n} for n in range(4)]
    keys = {"doc_to_text": "q", "doc_to_target": "gold"}
    letters = "{{['A', 'B', 'C', 'D', 'E'][:options | length]}}"
    assert load(tmp_path, rows, **keys, doc_to_choice=letters).scoring == "letter"
    assert load(tmp_path, rows, **keys, doc_to_choice="options").scoring == "cloze"
    assert load(tmp_path, rows, **keys, doc_to_choice=letters, scoring="cloze_char").scoring == "cloze_char"
