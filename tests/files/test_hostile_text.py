"""What no file should hold, given to each reader of text: one line that names the place, never anything raw."""

from __future__ import annotations

import io
import json
import os
import socket
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calibaudit.errors import CalibauditError, ModelError, OutputError, ScoresError, TaskError
from calibaudit.files.paths import files_below, is_there, user_path
from calibaudit.files.read import (
    LONGEST_LINE,
    NotJson,
    as_expected,
    decode_json,
    lines_of,
    open_file,
    read_bytes,
    read_text,
)
from calibaudit.files.tables import NotCsv, csv_rows, unpacked, zip_entries
from calibaudit.files.toml_text import read_toml
from calibaudit.files.write import check_writable, write_whole
from calibaudit.files.yaml_text import NotYaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 101 + "]" * 101, "nested too deeply: more than 100"),
        ('{"a":' * 101 + "1" + "}" * 101, "nested too deeply: more than 100"),
        ('["[[[[\\"", ' * 101 + "1" + "]" * 101, "nested too deeply: more than 100"),
        ("9" * 301, "a whole number of 301 digits; the limit is 300"),
        ("9" * 5_000, "a whole number of 5,000 digits"),
        ("1e999", "1e999 is too large for a number"),
        ("-1e999", "-1e999 is too large"),
        ("9" * 400 + ".5", "is too large for a number"),
        ("NaN", "NaN is not a JSON number"),
        ("[Infinity]", "Infinity is not a JSON number"),
        (r'"\ud800"', r"\ud800 is half a character (a lone surrogate)"),
        (r'{"\udfff": 1}', r"\udfff is half a character"),
        (r'"\ud83d\u0041"', r"\ud83d is half a character"),
        (r'"\\\ud800"', r"\ud800 is half a character"),
        ('"\ud800"', "U+D800 is half a character"),
        (b'"\xff"', "not UTF-8 text"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 text"),
        ("\0" * 10, "Expecting value"),
        ("1 2", "Extra data"),
    ],
)
def test_json(text: str | bytes, said: str) -> None:
    with pytest.raises(NotJson) as caught:
        decode_json(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100 + "]" * 100,
        json.dumps("[" * 500),
        json.dumps(['\\"[{', "]" * 300] * 60),
        "9" * 300,
        "1e308",
        json.dumps("1e999 NaN " + "9" * 5_000),
        r'"\ud83d\ude00 \\ud800"',
        json.dumps([{"a": [0]}] * 5_000),
    ],
)
def test_what_only_looks_like_it_is_read(text: str) -> None:
    assert decode_json(text, unique_keys=True) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 101 + "]" * 101, "nested too deeply"),
        ("- " * 200 + "a", "nested too deeply"),
        ("a: " + "{a: " * 100_000, "nested too deeply"),
        ("a: !!bool foo", "a value does not fit its tag"),
        ("a: !!timestamp foo", "a value does not fit its tag"),
        ("a: !!int foo", "invalid literal"),
        ("a: !!float foo", "could not convert"),
        ("a: !!python/object/apply:os.system [echo]", "could not determine a constructor"),
        ("{[]: 1}", "unhashable"),
        ("{{a: 1}: 1}", "unhashable"),
        ("a: .nan", "nan is not a number"),
        ("a: [-.inf]", "-inf is not a number"),
        ("a: " + "9" * 5_000, "not valid YAML"),
        ("a: 2024-99-99", "not valid YAML"),
        ("&a [*a]", "an alias refers to a value that contains it"),
        ("a: &a {<<: *a}", "an alias refers to a value that contains it"),
        ("a: *nothing", "undefined alias"),
        ('a: "\\ud800"', ""),
        ("a: b: c", "mapping values are not allowed"),
        ("a: \x07", ""),
    ],
)
def test_yaml(text: str, said: str) -> None:
    with pytest.raises(NotYaml) as caught:
        parse_yaml(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 50_000, "nested too deeply"),
        ("a = " + "{a = " * 50_000, "nested too deeply"),
        (".".join("a" * 101) + " = 1", ":1: nested too deeply: a key of more than 100 parts"),
        ("[" + ".".join("a" * 101) + "]", "nested too deeply"),
        ("a = " + "9" * 5_000, "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
        ('a = "\\ud800"', "not valid TOML"),
        ("a = \xff".encode("latin-1"), "not UTF-8 text (byte 4)"),
        ("a = 1".encode("utf-16"), "not UTF-8 text but UTF-16"),
        (b"#" * (2**20 + 1), "more than 1,048,576 bytes"),
        ("a = 0x" + "f" * 5_000, "an integer of more than 64 bits"),
        ("a = [{b = 9223372036854775808}]", "an integer of more than 64 bits"),
    ],
)
def test_toml(text: str | bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    with pytest.raises(CalibauditError) as caught:
        read_toml(path, CalibauditError)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


def test_csv() -> None:
    header = ",".join(f"c{i}" for i in range(10_001))
    with pytest.raises(NotCsv, match="10,001 columns"):
        list(csv_rows([header]))
    with pytest.raises(NotCsv, match="field larger than field limit"):
        list(csv_rows(["a\n", '"', *["x" * (LONGEST_LINE // 4)] * 5]))
    found = list(csv_rows(["a,b\n", '1,"2\n', '3"\n', "\n", "4,5"]))
    assert found == [
        (1, ["a", "b"]),
        (2, ["1", "2\n3"]),
        (5, ["4", "5"]),
    ]


class TestNoFile:
    """What is in a file's place is never waited for."""

    @pytest.fixture
    def places(self, tmp_path: Path) -> dict[str, Path]:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        (tmp_path / "link").symlink_to(tmp_path / "pipe")
        return {
            "Is a directory": tmp_path,
            "a pipe or a device": tmp_path / "pipe",
            "not a file; save it to one": tmp_path / "link",
            "pipe or a device, not a file": Path("/dev/zero"),
            "No such file": tmp_path / "none",
            "levels of symbolic links": tmp_path / "loop",
            "File name too long": tmp_path / ("a" * 300),
            "null byte": tmp_path / "a\0b",
            "surrogates": tmp_path / "\ud800",
        }

    @pytest.mark.parametrize("read", [read_text, read_bytes, open_file])
    def test_is_read(self, read: Callable[..., Any], places: dict[str, Path]) -> None:
        for said, path in places.items():
            with pytest.raises(ModelError) as caught:
                read(path, ModelError)
            assert said in str(caught.value)
            assert "cannot be read: " in str(caught.value)

    def test_a_socket_is_read(self) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as end:
            end.bind(f"{folder}/s")
            with pytest.raises(ModelError, match="cannot be read: "):
                read_text(Path(folder, "s"), ModelError)

    def test_is_written(self, tmp_path: Path) -> None:
        for name in ("a" * 300, "a\0b", "\ud800"):
            for write in (check_writable, lambda path: write_whole("", path)):
                with pytest.raises(OutputError, match=r"cannot be written: .*; name another file"):
                    write(tmp_path / name)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("~nosuchuser/x", "that user has no home folder"),
        ("a" * 300, "cannot be accessed: File name too long"),
        ("a/" * 5_000, "cannot be accessed: File name too long"),
        ("a\0b", "is not a path: embedded null byte"),
        ("\ud800", "is not a path: "),
    ],
)
def test_names_that_are_no_paths(name: str, said: str) -> None:
    with pytest.raises(TaskError) as caught:
        user_path(name, TaskError)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 220
    assert not is_there(name)


def test_a_search_has_an_end(tmp_path: Path) -> None:
    for i in range(30):
        (tmp_path / f"{i}").mkdir()
        (tmp_path / f"{i}" / "a.txt").touch()
    (tmp_path / "up").symlink_to(tmp_path)
    assert len(list(files_below(tmp_path, TaskError, most=61))) == 30
    with pytest.raises(TaskError, match="it holds more than 60 files and folders"):
        list(files_below(tmp_path, TaskError, most=60))


def test_sizes_have_an_end(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(10**13)
    with pytest.raises(ScoresError, match="more than 1,073,741,824 bytes"):
        read_text(path, ScoresError)
    with pytest.raises(ScoresError, match=r"f:2: a line of more than 67,108,864 bytes"):
        list(lines_of(io.BytesIO(b"a\n" + b"x" * (LONGEST_LINE + 1)), "f", ScoresError))


def test_packed_files_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(2_000_000))
        archive.writestr("small", b"abc")
    monkeypatch.setattr("calibaudit.files.tables.MOST_UNPACKED", 1_000_000)
    with zip_entries(path, ScoresError) as (entries, content):
        assert content(entries["small"]) == b"abc"
        with pytest.raises(ScoresError, match="bomb unpacks to more than 1,000,000 bytes"):
            content(entries["bomb"])
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:40] + b"\xff" * 8 + whole[48:]):
        path.write_bytes(damaged)
        with (
            pytest.raises(ScoresError, match=r"a\.zip: (no whole zip file|bomb cannot be unpacked): "),
            zip_entries(path, ScoresError) as (entries, content),
        ):
            content(entries["bomb"])
    with (
        pytest.raises(ScoresError, match="f: not a whole gzip file"),
        unpacked(io.BytesIO(b"abc"), "f", ScoresError) as file,
    ):
        file.read()


@pytest.mark.parametrize(
    "trip", [lambda: {}["a"], lambda: [][1], lambda: None.x, lambda: 1 + "", lambda: int("x"), lambda: float(10**400)]
)
def test_what_a_reader_trips_over_is_the_files_fault(trip: Callable[[], Any]) -> None:
    with pytest.raises(ScoresError, match=r"^f: not as a log is: \S"), as_expected("f: not as a log is", ScoresError):
        trip()
