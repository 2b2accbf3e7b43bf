"""Where documents come from, and what is told when they do not."""

from __future__ import annotations

import gzip
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibaudit.errors import TaskError
from calibaudit.tasks.documents import Documents, load_documents, read_json_documents
from calibaudit.tasks.items import Item
from calibaudit.tasks.library import quiet_datasets
from calibaudit.tasks.load import load_task
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


def put(path: Path, content: bytes) -> None:
    """Every time with the same time of change, as `cp -p` and rsync may leave it."""
    path.write_bytes(content)
    os.utime(path, (1e9, 1e9))


def marked(suffix: str, mark: str) -> bytes:
    """One row, whose text is `mark`, as a file of that kind holds it."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"text": [mark]})
    sink = pa.BufferOutputStream()
    if suffix == "parquet":
        parquet.write_table(table, sink)
        return bytes(sink.getvalue())
    if suffix == "arrow":
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())
    texts = {"jsonl": lines([{"text": mark}]), "csv": f"text\n{mark}\n", "txt": mark}
    text = texts[suffix.removesuffix(".gz")].encode()
    return gzip.compress(text) if suffix.endswith(".gz") else text


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
        ("d.jsonl", '{"q": 1}\n[1]\n', "d.jsonl:2: expected an object, found a list"),
        ("d.jsonl", '{"q": 1}\n{"q": 1, "q": 2}\n', "d.jsonl:2: key 'q' occurs twice"),
        ("d.jsonl", "\n \n", "there are no documents"),
        ("d.json", "[]", "there are no documents"),
        ("d.json", '{"q": 1}', "must hold a list of objects"),
        ("d.json", '[{"q": 1}, 3]', "d.json, row 1: expected an object, found a number"),
        ("d.json", '[\n{"q": 1},\n', "d.json:3: not valid JSON"),
        ("d.json", "[" * 100_000, "d.json: nested too deeply"),
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


FORMATS = {"jsonl": "json", "jsonl.gz": "json", "csv": "csv", "parquet": "parquet", "arrow": "arrow", "txt": "text"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_folder_changed_in_place_is_read_anew(suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "someone" / "set"
    folder.mkdir(parents=True)
    for time in ("first", "second"):
        for split in ("train", "test"):
            put(folder / f"{split}.{suffix}", marked(suffix, f"{time} {split}"))
        found = documents(tmp_path, tmp_path / "mirror", dataset_path="someone/set")
        for split in ("train", "test"):
            assert [row["text"] for row in found.split(split, "").rows] == [f"{time} {split}"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("pattern", [False, True], ids=["named", "pattern"])
def test_data_files_changed_in_place_are_read_anew(suffix: str, pattern: bool, tmp_path: Path) -> None:
    files = {"test": "rows.*" if pattern else f"rows.{suffix}"}
    for time in ("first", "second"):
        put(tmp_path / f"rows.{suffix}", marked(suffix, time))
        found = documents(tmp_path, dataset_path=FORMATS[suffix], dataset_kwargs={"data_files": files})
        assert [row["text"] for row in found.split("test", "").rows] == [time]


def test_two_mirrors_of_one_name_give_each_its_own_rows(tmp_path: Path) -> None:
    for mirror in ("a", "b"):
        folder = hub_folder(tmp_path / mirror / "someone" / "set")
        put(folder / "main" / "test.jsonl", marked("jsonl", mirror))
    keys = {"dataset_path": "someone/set", "dataset_name": "main"}
    found = [documents(tmp_path, tmp_path / mirror, **keys) for mirror in ("a", "b")]
    assert [each.split("test", "").rows[0]["text"] for each in found] == ["a", "b"]


def test_a_changed_mirror_changes_items_and_examples(tmp_path: Path) -> None:
    folder = hub_folder(tmp_path / "mirror" / "someone" / "set")
    readme = folder / "README.md"
    train = "  - split: train\n    path: main/train.jsonl\n"
    readme.write_text(readme.read_text().replace("  - split", train + "  - split", 1))
    keys = {"dataset_path": "someone/set", "dataset_name": "main", "fewshot_split": "train"}

    def items(question: str, example: str) -> tuple[Item, ...]:
        put(folder / "main" / "test.jsonl", lines([{**ROWS[0], "q": question}]).encode())
        put(folder / "main" / "train.jsonl", lines([{**ROWS[1], "q": example}]).encode())
        documents(tmp_path, tmp_path / "mirror", **keys)  # writes t.yaml
        return load_task(str(tmp_path / "t.yaml"), num_fewshot=1, mirror=tmp_path / "mirror", offline=True).items

    assert [item.context for item in items("one?", "two?")] == ["two? d\n\none?"]
    assert [item.context for item in items("one?", "new?")] == ["new? d\n\none?"]
    assert [item.context for item in items("new?", "new?")] == ["new? d\n\nnew?"]


def test_local_rows_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    hub_folder(tmp_path / "set")
    (tmp_path / "bad.jsonl").write_text("{not json")
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found = documents(tmp_path, dataset_path="set", dataset_name="main")
    assert not list((tmp_path / "temp").iterdir())
    assert [row["q"] for row in found.split("test", "").rows] == ["one?", "two?"]
    with pytest.raises(TaskError):
        documents(tmp_path, dataset_path="json", dataset_kwargs={"data_files": "bad.jsonl"})

    def stop(path: str, name: str | None, cache_dir: str, **kwargs: Any) -> None:
        (Path(cache_dir) / "half").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "load_dataset", stop)
    with pytest.raises(KeyboardInterrupt):
        documents(tmp_path, dataset_path="set", dataset_name="main")
    assert not list((tmp_path / "temp").iterdir())
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("files", "cached"),
    [
        (["hf://datasets/a/b/c.csv", "hf://datasets/a/b/d.csv"], True),
        ("https://host/a.csv", False),
        (["hf://datasets/a/b/c.csv", "zip://a.csv::https://host/b.zip"], False),
        ({"train": "https://host/a.csv", "test": ["d.csv"]}, False),
        ("file:///d.csv", False),
        ("zip://a.csv::/b.zip", False),
    ],
)
def test_only_files_of_the_hub_go_through_the_cache(
    files: Any, cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    seen: dict[str, Any] = {}

    def load(path: str, name: str | None, **kwargs: Any) -> Any:
        seen.update(kwargs)
        return datasets.DatasetDict({"test": datasets.Dataset.from_list(ROWS)})

    monkeypatch.setattr(datasets, "load_dataset", load)
    (tmp_path / "d.csv").write_text("q\n1\n")
    documents(tmp_path, dataset_path="csv", dataset_kwargs={"data_files": files}, offline=False)
    assert ("cache_dir" not in seen) == cached


def test_a_url_whose_content_changed_gives_the_new_rows(tmp_path: Path) -> None:
    """datasets 5.2 keeps them by the URL alone. Here it is one of a file system in memory, which needs no network."""
    import fsspec

    memory = fsspec.filesystem("memory")
    for time in ("first", "second"):
        memory.pipe_file("/rows.csv", marked("csv", time))
        files = {"test": "memory://rows.csv"}
        found = documents(tmp_path, offline=False, dataset_path="csv", dataset_kwargs={"data_files": files})
        assert [row["text"] for row in found.split("test", "").rows] == [time]


def test_the_librarys_folders_are_this_test_runs_own() -> None:
    import datasets
    from huggingface_hub import constants

    home = Path(os.environ["HF_HOME"])
    assert home.name.startswith("calibaudit-tests-")
    for folder in (datasets.config.HF_DATASETS_CACHE, datasets.config.HF_MODULES_CACHE, constants.HF_HUB_CACHE):
        assert Path(folder).is_relative_to(home)


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
        ({"dataset_path": "pandas"}, "'pandas' is not a supported file format: use one of json, csv, parquet"),
        ({"dataset_path": "imagefolder", "dataset_kwargs": {"data_files": "d.txt"}}, "is not a supported file format"),
        ({"dataset_path": "d.txt"}, "d.txt is neither .jsonl nor .json"),
        (
            {"dataset_path": "d.jsonl", "dataset_kwargs": {"data_files": "d.jsonl"}},
            "so remove dataset_kwargs.data_files",
        ),
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
        (ConnectionError("no\nroute"), "the hub cannot be reached (no route)"),
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
    monkeypatch.setattr("calibaudit.tasks.documents.out_of_reach", lambda: None)
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
        # Older releases know HF_DATASETS_OFFLINE alone.
        offline = getattr(datasets.config, "HF_HUB_OFFLINE", datasets.config.HF_DATASETS_OFFLINE)
        return datasets.is_progress_bar_enabled(), offline, constants.HF_HUB_OFFLINE, *levels

    before = state()
    with quiet_datasets(offline=True):
        assert state()[:3] == (False, True, True)
    assert state() == before
    with pytest.raises(KeyError), quiet_datasets(offline=True):
        raise KeyError
    assert state() == before
