"""Documents that cannot be asked, up to 5 % of a task; and empty cells, which are no text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined
from task_files import write_task

from calibaudit.errors import TaskError
from calibaudit.tasks.items import Task
from calibaudit.tasks.load import check_task_file, load_task
from calibaudit.tasks.templates import Field, nulls_written


def rows(n: int, **wrong: dict[str, Any]) -> list[dict[str, Any]]:
    """n documents; `_3={...}` changes the one in row 3."""
    made = [{"q": f"q{i}?", "options": ["a", "b", f"c{i}"], "gold": i % 3} for i in range(n)]
    for index, change in wrong.items():
        made[int(index[1:])].update(change)
    return made


def load(folder: Path, documents: list[dict[str, Any]], shots: int = 0, limit: int | None = None, **keys: Any) -> Task:
    return load_task(str(write_task(folder, "t", documents, **keys)), num_fewshot=shots, limit=limit)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"gold": 7}, "answer 7 is outside its 3 choices, which count from 0"),
        ({"gold": "z"}, "doc_to_target: answer 'z' is not one of the choices 'a', 'b', 'c4'"),
        ({"gold": [0, 1]}, "doc_to_target: expected one right answer, found 2: [0, 1]"),
        ({"options": ["a"]}, "doc_to_choice: 1 choice(s): at least 2 are needed"),
        ({"options": ["a", " "]}, "doc_to_choice: choice 1 is empty"),
        ({"q": None}, "doc_to_text: column 'q': expected text, found null"),
        ({"q": ["x"]}, "doc_to_text: column 'q': expected text, found a list"),
    ],
)
def test_one_of_twenty_is_left_out_counted_and_named(wrong: dict[str, Any], reason: str, tmp_path: Path) -> None:
    task = load(tmp_path, rows(20, _4=wrong))
    assert [item.id for item in task.items] == [str(i) for i in range(20) if i != 4]
    assert task.warnings == (
        "task t: 1 of 20 documents (5 %) cannot be used and are left out; "
        f"the first: item 4 ({tmp_path / 't.jsonl'}:5): {reason}",
    )
    assert check_task_file(tmp_path / "t.yaml") == (
        f"task t ({tmp_path / 't.yaml'}): item 4 ({tmp_path / 't.jsonl'}:5): {reason}",
    )


@pytest.mark.parametrize(("n", "n_wrong", "ends"), [(20, 1, False), (19, 1, True), (40, 2, False), (40, 3, True)])
def test_the_bound_is_five_percent(n: int, n_wrong: int, ends: bool, tmp_path: Path) -> None:
    documents = rows(n, **{f"_{2 * i + 1}": {"gold": 9} for i in range(n_wrong)})
    if not ends:
        assert len(load(tmp_path, documents).items) == n - n_wrong
        return
    with pytest.raises(TaskError) as caught:
        load(tmp_path, documents)
    message = str(caught.value)
    assert f"task t ({tmp_path / 't.yaml'}): {n_wrong} of {n} documents cannot be used" in message
    assert f"({100 * n_wrong / n:.3g} %; up to 5 % may be left out); the first: item 1 " in message
    assert ("tasks check" in message) == (n_wrong > 1)


def test_a_prompt_that_fails_in_every_document_is_one_fault(tmp_path: Path) -> None:
    with pytest.raises(
        TaskError, match=r"30 of 30 documents cannot be used \(100 %.*item 0 .*:1\): doc_to_text: 'no' is"
    ):
        load(tmp_path, rows(30), doc_to_text="{{no}}")
    (fault,) = check_task_file(tmp_path / "t.yaml")
    assert "30 of 30 documents" in fault


def test_the_share_is_that_of_the_documents_asked(tmp_path: Path) -> None:
    documents = rows(40, _5={"gold": 9}, _30={"gold": 9})
    assert len(load(tmp_path, documents).items) == 38
    assert len(load(tmp_path, documents, limit=20).items) == 19
    assert len(load(tmp_path, documents, limit=5).items) == 5
    with pytest.raises(TaskError, match=r"1 of 10 documents cannot be used \(10 %"):
        load(tmp_path, documents, limit=10)


@pytest.mark.parametrize("keys", [{}, {"fewshot_config": {"sampler": "first_n"}}])
def test_what_is_left_out_moves_nothing_of_the_others(keys: dict[str, Any], tmp_path: Path) -> None:
    samples = {"fewshot_config": {**keys.get("fewshot_config", {}), "samples": rows(9)}}
    whole = load(tmp_path, rows(60), 3, **samples)
    part = load(tmp_path, rows(60, _0={"gold": 9}, _17={"options": []}, _18={"gold": -1}), 3, **samples)
    assert part.items == tuple(item for item in whole.items if item.id not in {"0", "17", "18"})
    assert [item.document for item in part.items] == [item.document for item in whole.items if item in part.items]


def test_an_example_that_cannot_be_used_ends_the_task(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"item 0 .*few-shot example .*row 0: answer 9 is outside"):
        load(tmp_path, rows(40), 1, fewshot_config={"samples": [rows(1, _0={"gold": 9})[0]]})


def test_an_id_that_stands_twice_ends_the_task(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"^task t .*: item 'x' .*:8\): id 'x' occurs twice"):
        load(tmp_path, rows(40, _3={"id": "x"}, _7={"id": "x"}))


def test_the_first_usable_document_says_whether_choices_stand_before_the_scored_text(tmp_path: Path) -> None:
    documents = [{"a": f"Ann{i}", "b": f"Bea{i}", "rest": "left.", "answer": i % 2} for i in range(20)]
    keys = {"doc_to_text": "{{answer + 0}}", "doc_to_choice": "{{[a, b]}}", "doc_to_target": "{{rest}}"}
    task = load(tmp_path, [{**documents[0], "answer": "?"}, *documents[1:]], **keys)
    assert (task.items[0].id, task.items[0].leads) == ("1", ("Ann1", "Bea1"))
    assert "1 of 20 documents" in task.warnings[0]


NULL_NOTE = "have an empty cell (null) in their prompt, written as no text; lm-evaluation-harness writes `None`"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{passage}}\n{{q}}", "\nq1?"),
        ("{{passage | trim}}{{q}}", "q1?"),
        ("{{passage | upper}}{{q}}", "q1?"),
        ("{{passage | replace('x', 'y')}}{{q}}", "q1?"),
        ("{{passage ~ ' ' ~ q}}", " q1?"),
        ("{{[passage, q] | join('; ')}}", "; q1?"),
        ("{{'%s %s' | format(passage, q)}}", " q1?"),
        ("{{more.deep[1]}}{{q}}", "q1?"),
    ],
)
def test_an_empty_cell_is_no_text_and_is_counted(template: str, text: str, tmp_path: Path) -> None:
    documents = rows(3, _0={"passage": "P"}, _1={"passage": None}, _2={"passage": "P"})
    for index, row in enumerate(documents):
        row["more"] = {"deep": ["x", None if index == 1 else "y"]}
    task = load(tmp_path, documents, doc_to_text=template)
    assert task.items[1].context == text
    assert task.warnings == (f"task t: 1 item(s) {NULL_NOTE} (first: '1')",)
    before = nulls_written()
    assert "none" in Environment().from_string(template).render(documents[1]).lower()
    assert nulls_written() == before


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% if passage is none %}no{% else %}yes{% endif %}", "no"),
        ("{% if passage is not none %}yes{% endif %}", ""),
        ("{% if passage == none %}no{% endif %}", "no"),
        ("{% if passage != none %}yes{% endif %}", ""),
        ("{% if none == passage %}no{% endif %}", "no"),
        ("{% if passage %}{{passage}}{% endif %}", ""),
        ("{{passage or 'nothing'}}", "nothing"),
        ("{{passage | default('nothing', true)}}", "nothing"),
        ("{{passage | int}}", "0"),
        ("{{[passage, 1]}}", "[None, 1]"),
        ("{{more | tojson}}", '{"a": [null, 1]}'),
        ("{{more}}", "{'a': [None, 1]}"),
        ("{{more.a.index(none)}}", "0"),
    ],
)
def test_an_empty_cell_is_none_to_tests_and_lists(template: str, text: str) -> None:
    document = {"passage": None, "more": {"a": [None, 1]}}
    before = nulls_written()
    assert Field("k", template, ())(document) == text == Environment().from_string(template).render(document)
    assert nulls_written() == before


@pytest.mark.parametrize(
    "template",
    [
        "{{passage + 'x'}}",
        "{{passage.strip()}}",
        "{{passage[0]}}",
        "{{passage|length}}",
        "{{passage|regex_replace('a', 'b')}}",
    ],
)
def test_what_none_cannot_do_an_empty_cell_cannot(template: str) -> None:
    with pytest.raises(TaskError, match=r"NoneType|string or bytes-like object"):
        Field("k", template, ())({"passage": None})


def test_empty_cells_elsewhere(tmp_path: Path) -> None:
    empty = {"passage": None, "begin": None, "about": None}
    documents = rows(3, _0=empty, _1=empty, _2={"passage": "P", "begin": "B", "about": "A\n"})
    task = load(tmp_path, documents, doc_to_group="passage", gen_prefix="begin", description="about")
    assert [item.group for item in task.items] == [None, None, "P"]
    assert [item.answer_prefix for item in task.items] == ["", "", "B"]
    assert [item.system for item in task.items] == ["", "", "A\n"]
    assert not task.warnings
    assert [item.group for item in load(tmp_path, documents, doc_to_group="{{passage}}").items] == [None, None, "P"]


def test_an_empty_cell_in_an_example_is_counted_with_every_item_it_stands_before(tmp_path: Path) -> None:
    keys = {"doc_to_text": "{{p}}{{q}}", "fewshot_config": {"sampler": "first_n", "samples": rows(1, _0={"p": None})}}
    task = load(tmp_path, [{**row, "p": "P "} for row in rows(3)], 1, **keys)
    assert task.items[2].context == "q0? a\n\nP q2?"
    assert task.warnings == (f"task t: 3 item(s) {NULL_NOTE} (first: '0')",)


values = st.recursive(
    st.text(max_size=4) | st.integers(0, 9) | st.booleans() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=5,
)


@given(document=st.dictionaries(st.sampled_from(["a", "b", "c"]), values, min_size=3))
def test_documents_without_empty_cells_render_as_plain_jinja_does(document: dict[str, Any]) -> None:
    template = (
        "{{a}} {{b | trim}}{% for x in [a, b, c] %}{{loop.index}}{{x}}{% endfor %} {{c ~ a}} {{[a, b] | join('-')}}"
    )
    plain = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(template)
    assert Field("k", template, ())(json.loads(json.dumps(document))) == plain.render(document)


def test_show_counts_the_items_that_are_asked(tmp_path: Path) -> None:
    """Items are counted in the whole task: the one in row 3 is left out, so item 3 is row 4."""
    from typer.testing import CliRunner

    from calibaudit.cli.app import app

    path = write_task(tmp_path, "t", rows(20, _3={"gold": 9}))
    shown = [CliRunner().invoke(app, ["tasks", "show", str(path), "--item", str(n)]) for n in (2, 3, 18)]
    assert [result.output.splitlines()[0] for result in shown] == [
        f"t item {n}: id {n + (n > 2)}, cloze, 3 choices, 0 shots" for n in (2, 3, 18)
    ]
    assert CliRunner().invoke(app, ["tasks", "show", str(path), "--item", "19"]).exit_code != 0
