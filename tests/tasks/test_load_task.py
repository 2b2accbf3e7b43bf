"""Items, tasks, and finding tasks by name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import task_files
from hypothesis import given
from hypothesis import strategies as st

from calibaudit.errors import TaskError
from calibaudit.tasks.items import SCORINGS, Item, Task
from calibaudit.tasks.load import check_task_file, list_tasks, load_task, load_tasks

ITEM = Item("a", "Q:", ("x", "y"), 0)
texts = st.text(max_size=8)
items = st.builds(
    Item,
    id=texts,
    context=texts,
    choices=st.tuples(texts, texts),
    answer=st.integers(0, 1),
    group=st.none() | texts,
    system=texts,
    delimiter=texts,
    leads=st.just(()) | st.tuples(texts, texts),
)


def write_task(folder: Path, name: str = "tiny", n: int = 4, **keys: object) -> Path:
    """A task file with n JSONL documents beside it."""
    rows = [{"q": f"{name} {i}?", "options": ["yes", "no", "both"][: 2 + i % 2], "gold": i % 2} for i in range(n)]
    return task_files.write_task(folder, name, rows, **keys)


def test_key_is_the_hash_of_what_the_model_sees() -> None:
    seen = {"choices": ["x", "y"], "context": "Q:", "delimiter": " ", "leads": [], "system": ""}
    text = json.dumps(seen, separators=(",", ":"))
    assert ITEM.key == hashlib.sha256(text.encode()).hexdigest()


@given(items, items)
def test_keys_agree_exactly_when_the_model_sees_the_same(one: Item, other: Item) -> None:
    def seen(item: Item) -> Item:
        return dataclasses.replace(item, id="", answer=0, group=None)

    assert (one.key == other.key) == (seen(one) == seen(other))
    assert one.key == seen(one).key


def test_key_takes_lone_surrogates_and_any_script() -> None:
    assert len({Item("a", text, ("x", "y"), 0).key for text in ("\ud800", "ü", "u\u0308", "漢")}) == 4


@given(st.lists(items, min_size=1, max_size=3), st.lists(items, min_size=1, max_size=3))
def test_fingerprints_agree_exactly_when_the_items_do(one: list[Item], other: list[Item]) -> None:
    def fingerprint(name: str, content: list[Item]) -> str:
        return Task(name, "0", "cloze", tuple(content)).fingerprint

    assert (fingerprint("a", one) == fingerprint("b", other)) == (one == other)


def test_fingerprint_holds_the_scoring_family_only() -> None:
    prints = {scoring: Task("a", "0", scoring, (ITEM,)).fingerprint for scoring in SCORINGS}
    assert len(set(prints.values())) == 3
    assert prints["cloze"] == prints["cloze_token"] == prints["cloze_byte"] == prints["cloze_char"]


def test_items_made_by_hand_have_a_document_too() -> None:
    assert dataclasses.replace(ITEM, id="b", document="").document == ITEM.document
    changes = {"context": "R:", "choices": ("x", "z"), "answer": 1, "group": "g", "leads": ("a", "b")}
    others = {dataclasses.replace(ITEM, document="", **{name: value}).document for name, value in changes.items()}
    assert len(others | {ITEM.document}) == 6
    told = dataclasses.replace(ITEM, document="mine")
    assert dataclasses.replace(told, context="another wording").document == "mine"
    prints = {Task("a", "0", "cloze", (item,)).fingerprint for item in (ITEM, told)}
    assert (told.key, len(prints), told) == (ITEM.key, 1, ITEM)


def test_limited_keeps_the_first_items() -> None:
    task = Task("a", "0", "cloze", tuple(dataclasses.replace(ITEM, id=str(i)) for i in range(5)))
    assert [item.id for item in task.limited(2).items] == ["0", "1"]
    assert task.limited(None) is task.limited(9) is task
    with pytest.raises(TaskError, match="limit 0 is below 1"):
        task.limited(0)


def test_scorings_of_one_family_replace_one_another() -> None:
    for before in SCORINGS:
        for after in SCORINGS:
            task = Task("a", "0", before, (ITEM,))
            if (before == "letter") == (after == "letter"):
                assert task.with_scoring(after).scoring == after
                assert task.with_scoring(after).items == task.items
            else:
                with pytest.raises(TaskError, match=f"task a: scoring {before} cannot become {after}.*possible: "):
                    task.with_scoring(after)
    with pytest.raises(TaskError, match="scoring 'clozee' is unknown"):
        Task("a", "0", "cloze", (ITEM,)).with_scoring("clozee")  # type: ignore[arg-type]


def test_load_task_from_a_file(tmp_path: Path) -> None:
    task = load_task(str(write_task(tmp_path, metadata={"version": 1.5})))
    assert (task.name, task.version, task.scoring, task.n_fewshot, task.warnings) == ("tiny", "1.5", "cloze", 0, ())
    assert task.items[3] == Item("3", "tiny 3?", ("yes", "no", "both"), 1)
    assert [len(item.choices) for item in task.items] == [2, 3, 2, 3]


def test_load_tasks_from_a_folder_drops_duplicates(tmp_path: Path) -> None:
    path = write_task(tmp_path, "b")
    write_task(tmp_path, "a")
    (tmp_path / "_part.yaml").write_text("doc_to_text: q\n")
    tasks = load_tasks([str(path), str(tmp_path), str(tmp_path)])
    assert [task.name for task in tasks] == ["b", "a"]


def test_two_files_with_one_task_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    one, other = write_task(tmp_path), write_task(tmp_path / "x")
    with pytest.raises(TaskError, match="two tasks are named tiny"):
        load_tasks([str(one), str(other)])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("arc_chalenge", "task 'arc_chalenge' is unknown.*did you mean arc_challenge"),
        ("mmlu_anatomi", "did you mean mmlu_anatomy"),
        ("zzzzqqq", "`calibaudit tasks` lists"),
        ("nowhere/none.yaml", "nowhere/none.yaml: there is no such task file"),
    ],
)
def test_unknown_names_get_the_nearest(name: str, told: str) -> None:
    with pytest.raises(TaskError, match=told):
        load_tasks([name])


def test_calls_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no task is named"):
        load_tasks([])
    with pytest.raises(TaskError, match="num_fewshot -1"):
        load_tasks(["arc_easy"], num_fewshot=-1)
    with pytest.raises(TaskError, match="limit -3"):
        load_tasks(["arc_easy"], limit=-3)
    with pytest.raises(TaskError, match="there is no task file"):
        load_tasks([str(tmp_path)])
    with pytest.raises(TaskError, match="mmlu is a group of 57 tasks"):
        load_task("mmlu")


def test_scoring_argument_replaces_the_tasks_own(tmp_path: Path) -> None:
    path = str(write_task(tmp_path))
    assert load_task(path, scoring="pmi").scoring == "pmi"
    with pytest.raises(TaskError, match="cannot become letter"):
        load_task(path, scoring="letter")


def test_list_tasks_names_the_hub_tasks_without_their_data() -> None:
    found = {summary.name: summary for summary in list_tasks()}
    hub = (
        "mmlu arc_easy arc_challenge hellaswag openbookqa commonsense_qa "
        "truthfulqa_mc1 winogrande piqa boolq social_iqa medqa"
    )
    assert set(hub.split()) <= set(found)
    assert list(found) == sorted(found)
    assert len(found["mmlu"].members) == 57
    assert found["mmlu"].scoring == found["medqa"].scoring == found["commonsense_qa"].scoring == "letter"
    assert found["boolq"].scoring == found["winogrande"].scoring == "cloze"
    assert found["piqa"].source == "baber/piqa"
    assert all(summary.description for summary in found.values())


def test_import_and_listing_stay_light() -> None:
    code = (
        "import sys, calibaudit.tasks.load as t; heavy = {'datasets', 'jinja2', 'pydantic', 'yaml', 'torch', 'numpy'};"
        "print(sorted(heavy & set(sys.modules))); t.list_tasks();"
        "print(sorted({'datasets', 'torch', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "[]"]


def test_check_finds_nothing_in_a_sound_file(tmp_path: Path) -> None:
    assert check_task_file(write_task(tmp_path)) == ()


def test_check_lists_every_fault_of_the_items(tmp_path: Path) -> None:
    path = write_task(tmp_path, n=6)
    rows = [json.loads(line) for line in (tmp_path / "tiny.jsonl").read_text().splitlines()]
    rows[1]["gold"], rows[3]["options"], rows[4]["options"] = 7, ["yes", " "], ["yes"]
    (tmp_path / "tiny.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    faults = check_task_file(path)
    assert len(faults) == 3
    assert "tiny.jsonl:2" in faults[0]
    assert "answer 7 is outside its 3 choices" in faults[0]
    assert "choice 1 is empty" in faults[1]
    assert "1 choice(s): at least 2" in faults[2]
    assert check_task_file(path, data=False) == ()
    with pytest.raises(TaskError, match=r"task tiny .*tiny\.yaml\).*item 1 .*answer 7"):
        load_task(str(path))


def test_check_lists_every_fault_of_the_file(tmp_path: Path) -> None:
    path = write_task(tmp_path, doc_to_choices="x", process_docs="f", doc_to_text="{{q", repeats=2, doc_to_target=...)
    faults = check_task_file(path)
    assert len(faults) == 5
    for told in ("doc_to_choices", "process_docs", "Jinja template", "repeats", "'doc_to_target' is missing"):
        assert sum(told in fault for fault in faults) == 1, told
    with pytest.raises(TaskError, match="and 4 more"):
        load_task(str(path))
