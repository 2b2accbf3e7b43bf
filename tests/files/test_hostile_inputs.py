"""The same hostile bytes as each file that a user can name: exit code 2 and one line, from the command and Python."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from calibaudit.cli.settings.files import command_defaults
from calibaudit.errors import CalibauditError
from calibaudit.models.checkpoints import find_checkpoint, read_settings
from calibaudit.report.result_json import read_result
from calibaudit.report.saved import audit_of
from calibaudit.scores.logs.formats import read_logs
from calibaudit.scores.saved import read_scores
from calibaudit.tasks.documents import read_json_documents
from calibaudit.tasks.load import check_task_file, load_task
from calibaudit.training.data.rows import read_rows
from tests.command import Cli

KEYS = ", ".join(f'"k{i}": 1' for i in range(1000))
BYTES = {
    "empty": b"",
    "nested": b'{"a": ' + b"[" * 100_000,
    "nested and closed": b'{"a": ' + b"[" * 9_000 + b"]" * 9_000 + b"}",
    "digits": b'{"a": ' + b"9" * 5_000 + b"}",
    "beyond a float": b'{"a": 1e999}',
    "not a number": b'{"a": NaN}',
    "half a character": b'{"a": "\\ud800"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "no UTF-8": b'{"a": "\xff"}',
    "zeros": bytes(1000),
    "a list": b"[1, [], {}]",
    "a number": b"1",
    "a text": b'"scores"',
    "YAML's tag": b"a: !!bool foo",
    "YAML's key": b"{[]: 1}",
    "a mark and nothing": b"\xef\xbb\xbf",
    "kinds": b'{"scores": [3], "schema_version": 1, "model": [], "tasks": {}, "baseline_version": []}',
}


def task_of(path: Path) -> None:
    task = path.parent / "own.yaml"
    task.write_text(
        f"task: t\ndataset_path: {path.name}\ntest_split: test\ndoc_to_text: q\ndoc_to_choice: c\ndoc_to_target: a\n"
    )
    load_task(str(task))


def faults_of(path: Path) -> None:
    if faults := check_task_file(path):
        raise CalibauditError(faults[0])


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "scores": ("s.json", read_scores),
    "result": ("r.json", lambda path: audit_of(read_result(path), str(path))),
    "log": ("samples_t_2026-01-01T00-00-00.jsonl", lambda path: read_logs([path])),
    "table": ("t.csv", lambda path: read_logs([path])),
    "eval": ("t.eval", lambda path: read_logs([path])),
    "documents": ("d.json", read_json_documents),
    "lines": ("d.jsonl", read_json_documents),
    "task's rows": ("d.jsonl", task_of),
    "task": ("t.yaml", faults_of),
    "tuning rows": ("d.jsonl", lambda path: read_rows(str(path))),
    "tuning list": ("d.json", lambda path: read_rows(str(path))),
    "tuning table": ("d.csv", lambda path: read_rows(str(path))),
    "tuning, packed": ("d.jsonl.gz", lambda path: read_rows(str(path))),
    "tuning, Parquet": ("d.parquet", lambda path: read_rows(str(path))),
    "flags": ("c.toml", lambda path: command_defaults(path, "score", {"limit"}, {"limit"})),
    "config.json": ("config.json", lambda path: read_settings(find_checkpoint(str(path.parent)))),
}
READABLE = {("config.json", "not a number"), ("config.json", "beyond a float"), ("flags", "empty")}
"""What is no fault there: transformers writes Infinity itself, and a file without flags changes none."""
READABLE |= {("flags", "a mark and nothing"), ("lines", "kinds"), ("config.json", "kinds")}


@pytest.mark.parametrize("reader", READERS)
def test_from_python(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    path = tmp_path / name
    for kind, content in BYTES.items():
        path.write_bytes(content)
        if (reader, kind) in READABLE:
            read(path)
            continue
        with pytest.raises(CalibauditError) as caught:
            read(path)
        said = str(caught.value)
        assert "\n" not in said, (reader, kind)
        assert name in said or str(tmp_path) in said, (reader, kind, said)
        assert len(said) < 700, (reader, kind, said)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    path = tmp_path / "f" / name
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(CalibauditError) as caught:
        read(path)
    assert "\n" not in str(caught.value)


COMMANDS = {
    "report": ("report", "{}.json"),
    "bless": ("bless", "{}.json"),
    "gate": ("gate", "{}.json", "{}.json"),
    "import": ("import", "{}.jsonl"),
    "tasks": ("tasks", "check", "{}.yaml"),
    "data": ("data", "show", "{}.jsonl", "--model", "demo:base"),
    "config": ("score", "demo:base", "--config", "{}.toml"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_from_the_command(command: str, cli: Cli, tmp_path: Path) -> None:
    """A handful of the bytes, what is no file, and names that are none."""
    kinds = ("nested", "digits", "half a character", "no UTF-8", "kinds")
    stems = []
    for i, kind in enumerate(kinds):
        stems.append(str(tmp_path / f"{i}"))
        for ending in ("json", "jsonl", "yaml", "toml"):
            Path(f"{stems[-1]}.{ending}").write_bytes(BYTES[kind])
    for ending in ("json", "jsonl", "yaml", "toml"):
        os.mkfifo(tmp_path / f"pipe.{ending}")
    stems += [str(tmp_path / "pipe"), str(tmp_path / "none"), "~nosuchuser/x", "x" * 300]
    for stem in stems:
        ended = cli(*(part.format(stem) for part in COMMANDS[command]))
        assert ended.code == 2, (stem, ended)
        assert ended.err.startswith("calibaudit: "), (stem, ended.err)
        lines = ended.err.splitlines()
        assert len(lines) == 1 or command == "tasks", (stem, ended.err)  # which lists every fault
        assert all(line.startswith("calibaudit: ") for line in lines), (stem, ended.err)
        assert "bug in calibaudit" not in ended.err, (stem, ended.err)


@pytest.mark.parametrize("text", ["tool = 1", "[tool]\ncalibaudit = []", "[tool.calibaudit]\nscore = 3"])
def test_tables_that_are_none(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(CalibauditError, match=r"^pyproject\.toml: "):
        command_defaults(None, "score", {"limit"}, {"limit", "seed"})


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "2024-01-01", "9" * 200, "[nan]", "[[1]]"])
def test_values_that_no_flag_has(value: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f"limit = {value}")
    with pytest.raises(CalibauditError, match=r"c\.toml: (limit |not valid TOML: an integer of more than 64 bits)"):
        command_defaults(tmp_path / "c.toml", "score", {"limit"}, {"limit"})


def test_a_key_that_stands_twice_is_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text("[{" + KEYS + ', "k999": 2}]', encoding="utf-8")
    with pytest.raises(CalibauditError, match="key 'k999' occurs twice"):
        read_json_documents(path)
