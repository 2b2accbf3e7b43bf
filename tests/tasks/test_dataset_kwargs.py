"""dataset_kwargs: files in the forms that readers take without code, each with the rows that stand in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calibaudit.errors import TaskError
from calibaudit.tasks.load import load_task

COLUMNS = {"doc_to_text": "{{q}}?", "doc_to_choice": "{{[a, b]}}", "doc_to_target": "{{gold}}"}


def asked(folder: Path, dataset_path: str = "csv", **kwargs: Any) -> list[tuple[str, tuple[str, ...], int]]:
    keys = {
        "task": "t",
        "test_split": "test",
        "output_type": "multiple_choice",
        "dataset_path": dataset_path,
        **COLUMNS,
    }
    (folder / "t.yaml").write_text(json.dumps({**keys, "dataset_kwargs": kwargs}))
    return [(item.context, item.choices, item.answer) for item in load_task(str(folder / "t.yaml"), offline=True).items]


ROWS = [("one?", ("yes", "no, never"), 1), ("two?", ("left", "right"), 0)]
FILES = {"test": "d.csv"}


@pytest.mark.parametrize(
    ("text", "kwargs"),
    [
        ('one,yes,"no, never",1\ntwo,left,right,0\n', {"header": None, "column_names": ["q", "a", "b", "gold"]}),
        ('one,yes,"no, never",1\ntwo,left,right,0\n', {"column_names": ["q", "a", "b", "gold"]}),
        ('x,x,x,x\none,yes,"no, never",1\ntwo,left,right,0\n', {"header": 0, "names": ["q", "a", "b", "gold"]}),
        ("q;a;b;gold\none;yes;no, never;1\ntwo;left;right;0\n", {"sep": ";"}),
        ("q\ta\tb\tgold\none\tyes\tno, never\t1\ntwo\tleft\tright\t0\n", {"delimiter": "\t"}),
        ("# about\nq,a,b,gold\none,yes,'no, never',1\ntwo,left,right,0\n", {"skiprows": 1, "quotechar": "'"}),
        ("q,a,b,gold\none, yes,no\\, never,1\ntwo, left,right,0\n", {"escapechar": "\\", "skipinitialspace": True}),
        ('q,a,b,gold\none,yes,"no, never",1\ntwo,left,right,0\nlast,x,y,1\n', {"nrows": 2}),
    ],
)
def test_csv_in_other_forms(text: str, kwargs: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(text)
    assert asked(tmp_path, data_files=FILES, **kwargs) == ROWS


def test_the_words_none_and_na_of_a_csv_stay_words_where_the_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("q,a,b,gold\none,NA,None,0\n")
    assert asked(tmp_path, data_files=FILES, keep_default_na=False) == [("one?", ("NA", "None"), 0)]
    with pytest.raises(TaskError, match="choice 0: expected text, found null"):
        asked(tmp_path, data_files=FILES)


def test_an_encoding(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes("q,a,b,gold\ncafé,très,peu,1\n".encode("latin-1"))
    assert asked(tmp_path, data_files=FILES, encoding="latin-1") == [("café?", ("très", "peu"), 1)]


DICTS = [{"q": "one", "a": "yes", "b": "no, never", "gold": 1}, {"q": "two", "a": "left", "b": "right", "gold": 0}]


def test_a_list_below_a_key_of_a_json_file(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps({"version": 1, "rows": DICTS, "more": {"x": 1}}))
    assert asked(tmp_path, "json", data_files={"test": "d.json"}, field="rows") == ROWS
    assert asked(tmp_path, "d.json", field="rows") == ROWS
    with pytest.raises(TaskError, match=r"d.json: dataset_kwargs.field: there is no 'row' at the top"):
        asked(tmp_path, "d.json", field="row")
    with pytest.raises(TaskError, match=r"d.json: the key 'more' of a .json file must hold a list"):
        asked(tmp_path, "d.json", field="more")
    with pytest.raises(TaskError, match=r"d.json: a .json file must hold a list.*name the key in dataset_kwargs.field"):
        asked(tmp_path, "d.json")


def test_a_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "test.csv").write_text('q,a,b,gold\none,yes,"no, never",1\ntwo,left,right,0\n')
    assert asked(tmp_path, data_dir="rows") == ROWS
    assert asked(tmp_path, data_dir="rows", data_files={"test": "test.csv"}) == ROWS
    with pytest.raises(TaskError, match=f"dataset_kwargs.data_dir: there is no folder {tmp_path}/gone"):
        asked(tmp_path, data_dir="gone")
    with pytest.raises(TaskError, match=r"name the files in dataset_kwargs.data_files, or their folder in .*data_dir"):
        asked(tmp_path, sep=";")


def test_a_folder_inside_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "set" / "deep").mkdir(parents=True)
    (tmp_path / "set" / "deep" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in DICTS))
    (tmp_path / "set" / "test.jsonl").write_text(json.dumps({**DICTS[0], "q": "another"}) + "\n")
    assert asked(tmp_path, "./set", data_dir="deep") == ROWS
    assert asked(tmp_path, "./set", data_files={"test": "deep/*.jsonl"}) == ROWS


def test_the_options_of_a_csv_reach_a_data_set_of_csv_files(tmp_path: Path) -> None:
    """As MMLU-SR's task files ask its folder of tables without a header."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "physics_test.csv").write_text('one,yes,"no, never",1\ntwo,left,right,0\n')
    files = {"test": "physics_test.csv"}
    assert asked(tmp_path, "./set", data_files=files, header=None, column_names=["q", "a", "b", "gold"]) == ROWS


def test_trust_remote_code_runs_nothing(tmp_path: Path) -> None:
    """The data set's own script would write a file; the folder is read without it, or refused."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "set.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    (tmp_path / "set" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in DICTS))
    try:
        assert asked(tmp_path, "./set", trust_remote_code=True) == ROWS
    except TaskError as error:
        assert "its own loading code, which is never run" in str(error)  # noqa: PT017
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("key", ["data_files", "data_dir", "sep", "encoding"])
def test_a_file_by_name_takes_no_reader_options(key: str, tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in DICTS))
    with pytest.raises(TaskError, match=f"dataset_path names a file, so remove dataset_kwargs.{key}"):
        asked(tmp_path, "d.jsonl", **{key: "x"})
    assert asked(tmp_path, "d.jsonl", trust_remote_code=True, data_files=None) == ROWS
