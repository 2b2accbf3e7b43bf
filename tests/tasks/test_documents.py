"""Where documents come from, and what is told when they do not."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibaudit.errors import TaskError
from calibaudit.tasks.documents import Documents, load_documents, quiet_datasets, read_json_documents
from calibaudit.tasks.registry import definitions_of_file

ROWS = [{"q": "one?", "c": ["a", "b"], "gold": 0}, {"q": "two?", "c": ["c", "d"], "gold": 1}]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def documents(folder: Path, mirror: Path | None = None, *, offline: bool = True, **keys: Any) -> Documents:
    whole = {
        "task": "t",
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "q",
        "doc_to_choice": "c",
        "doc_to_target": "gold",
        **keys,
    }
    (folder / "t.yaml").write_text(json.dumps(whole))
    (definition,) = definitions_of_file(folder / "t.yaml")
    return load_documents(definition, mirror=mirror, offline=offline)


def hub_folder(folder: Path) -> Path:
    """A data set laid out as on the hub, with two configurations."""
    readme = "---\nconfigs:\n"
    for config in ("main", "extra"):
        (folder / config).mkdir(parents=True)
        (folder / config / "test.jsonl").write_text(lines([{**row, "config": config} for row in ROWS]))
        readme += f"- config_name: {config}\n  data_files:\n  - split: test\n    path: {config}/test.jsonl\n"
    (folder / "README.md").write_text(readme + "---\n")
    return folder


@given(st.lists(st.dictionaries(st.text(), st.none() | st.integers() | st.text(), min_size=1), min_size=1, max_size=5))
def test_jsonl_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("j") / "d.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in rows), "utf-8", newline="")
    split = read_json_documents(path)
    assert list(split.rows) == rows
    assert split.lines == tuple(range(1, 2 * len(rows), 2))


def test_jsonl_with_a_byte_order_mark_and_line_separators_inside_strings(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"q": "a\u2028b"}\r\n{"q": "c"}', encoding="utf-8-sig")
    assert [row["q"] for row in read_json_documents(path).rows] == ["a\u2028b", "c"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("d.jsonl", '{"q": 1}\n\n{"q": \n', "d.jsonl:3: not valid JSON"),
        ("d.jsonl", '{"q": 1}\n[1]\n', "d.jsonl:2: an object is wanted, not list"),
        ("d.jsonl", '{"q": 1}\n{"q": 1, "q": 2}\n', "d.jsonl:2: key 'q' stands twice"),
        ("d.jsonl", "\n \n", "there are no documents"),
        ("d.json", "[]", "there are no documents"),
        ("d.json", '{"q": 1}', "must hold a list of objects"),
        ("d.json", '[{"q": 1}, 3]', "d.json, row 1: an object is wanted, not int"),
        ("d.json", '[\n{"q": 1},\n', "d.json:3: not valid JSON"),
        ("d.json", "[" * 100_000, "d.json: not"),
    ],
)
def test_faulty_json_is_told_with_its_line(name: str, text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TaskError) as caught:
        read_json_documents(tmp_path / name)
    assert told in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_bytes(b'{"q": "\xff"}')
    with pytest.raises(TaskError, match="not UTF-8 text"):
        read_json_documents(tmp_path / "d.jsonl")


def test_a_file_has_the_evaluated_split_only(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps(ROWS))
    found = documents(tmp_path, dataset_path="d.json", training_split="train")
    split = found.split("test", "test_split")
    assert list(split.rows) == ROWS
    assert split.columns == ("q", "c", "gold")
    assert split.own
    with pytest.raises(
        TaskError, match=r"task t .*t.yaml\): training_split: there is no split 'train' \(there is: test\)"
    ):
        found.split("train", "training_split")


def test_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def marked(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "d.jsonl").write_text(lines([{"q": folder.name}]))

    def found() -> Any:
        return documents(tmp_path / "yaml", tmp_path / "mirror", dataset_path="d.jsonl").split("test", "").rows[0]["q"]

    (tmp_path / "yaml").mkdir()
    marked(tmp_path / "mirror")
    marked(tmp_path / "cwd")
    monkeypatch.chdir(tmp_path)
    assert found() == "mirror"
    monkeypatch.chdir(tmp_path / "cwd")
    assert found() == "cwd"
    marked(tmp_path / "yaml")
    assert found() == "yaml"


def test_a_path_is_relative_to_the_file_that_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "base.yaml").write_text("dataset_path: d.jsonl\n")
    (tmp_path / "parts" / "d.jsonl").write_text(lines(ROWS))
    assert documents(tmp_path, include="parts/base.yaml").split("test", "").rows[0]["q"] == "one?"


def test_mirror_has_the_hubs_layout(tmp_path: Path) -> None:
    hub_folder(tmp_path / "mirror" / "someone" / "set")
    for config in ("main", "extra"):
        found = documents(tmp_path, tmp_path / "mirror", dataset_path="someone/set", dataset_name=config)
        assert [row["config"] for row in found.split("test", "").rows] == [config] * 2
        assert not found.split("test", "").own


def test_missing_configuration_and_split(tmp_path: Path) -> None:
    hub_folder(tmp_path / "set")
    with pytest.raises(TaskError, match=r"data set set, other: BuilderConfig 'other' not found. Available"):
        documents(tmp_path, dataset_path="set", dataset_name="other")
    with pytest.raises(TaskError, match=r"data set set: Config name is missing"):
        documents(tmp_path, dataset_path="set")
    found = documents(tmp_path, dataset_path="set", dataset_name="main", validation_split="dev")
    with pytest.raises(TaskError, match=r"validation_split: there is no split 'dev' \(there is: test\)"):
        found.split("dev", "validation_split")


@pytest.mark.parametrize(
    "files", ["d.jsonl", ["d.jsonl"], {"test": "d.jsonl"}, {"test": ["d.jsonl"]}, {"test": "*.jsonl"}]
)
def test_builders_take_files_beside_the_task_file(files: Any, tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text(lines(ROWS))
    found = documents(tmp_path, dataset_path="json", dataset_kwargs={"data_files": files})
    name = "test" if isinstance(files, dict) else "train"
    assert list(found.split(name, "").rows) == ROWS


def test_csv_and_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    (tmp_path / "d.csv").write_text("q,gold\none?,0\n")
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "d.parquet")
    found = documents(tmp_path, dataset_path="csv", dataset_kwargs={"data_files": {"test": "d.csv"}})
    assert list(found.split("test", "").rows) == [{"q": "one?", "gold": 0}]
    found = documents(tmp_path, dataset_path="parquet", dataset_kwargs={"data_files": {"test": "d.parquet"}})
    assert list(found.split("test", "").rows) == ROWS


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"dataset_path": "json"}, "name the files in dataset_kwargs.data_files"),
        ({"dataset_path": "json", "dataset_kwargs": {"data_files": "gone.jsonl"}}, "there is no file .*gone.jsonl"),
        ({"dataset_path": "gone.jsonl"}, "dataset_path: there is no .*gone.jsonl"),
        ({"dataset_path": "./gone"}, "dataset_path: there is no"),
        ({"dataset_path": "/gone/away"}, "dataset_path: there is no /gone/away"),
        ({"dataset_path": "d.txt"}, "d.txt is neither .jsonl nor .json"),
        ({"dataset_path": "d.jsonl", "dataset_kwargs": {"data_files": "d.jsonl"}}, "data_files must go"),
        ({"dataset_path": "json", "dataset_kwargs": {"data_files": "d.txt"}}, "data set json: "),
    ],
)
def test_local_faults(keys: dict[str, Any], told: str, tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("{not json")
    (tmp_path / "d.jsonl").write_text(lines(ROWS))
    with pytest.raises(TaskError, match=told) as caught:
        documents(tmp_path, **keys)
    assert "task t (" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_offline_says_how_to_get_the_data(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"no-one/nothing, main: not in the local cache.*--offline.*--mirror"):
        documents(tmp_path, dataset_path="no-one/nothing", dataset_name="main")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionError("no\nroute"), "the hub is out of reach and there is no local copy: no route"),
        (
            RuntimeError("Dataset scripts are no longer supported, but found x.py"),
            "its own loading code, which is never",
        ),
        (FileNotFoundError("Dataset 'a/b' doesn't exist on the Hub"), "doesn't exist on the Hub"),
        (RuntimeError(), "data set a/b: RuntimeError"),
    ],
)
def test_hub_faults_are_one_line(error: Exception, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def fail(*args: object, **kwargs: object) -> None:
        assert "trust_remote_code" not in kwargs
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(TaskError) as caught:
        documents(tmp_path, dataset_path="a/b", offline=False)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_revision_and_data_files_reach_the_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    seen: dict[str, Any] = {}

    def load(path: str, name: str | None, **kwargs: Any) -> Any:
        seen.update(path=path, name=name, **kwargs)
        return datasets.DatasetDict({"test": datasets.Dataset.from_list(ROWS)})

    monkeypatch.setattr(datasets, "load_dataset", load)
    kwargs = {"revision": "abc", "data_files": {"test": "x/*.parquet"}, "trust_remote_code": False}
    documents(tmp_path, dataset_path="a/b", dataset_kwargs=kwargs, offline=False)
    assert seen == {"path": "a/b", "name": None, "revision": "abc", "data_files": {"test": "x/*.parquet"}}


def test_the_librarys_switches_are_put_back() -> None:
    import datasets
    from huggingface_hub import constants

    def state() -> tuple[object, ...]:
        levels = [logging.getLogger(name).level for name in ("datasets", "huggingface_hub")]
        return datasets.is_progress_bar_enabled(), datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE, *levels

    before = state()
    with quiet_datasets(offline=True):
        assert state()[:3] == (False, True, True)
    assert state() == before
    with pytest.raises(KeyError), quiet_datasets(offline=True):
        raise KeyError
    assert state() == before
