"""One line for whatever is wrong with a file: its name, the place and the fault, as the error that was asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibaudit.errors import ModelError, ScoresError
from calibaudit.files.read import NotJson, decode_json, json_lines, parse_json, read_json, read_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_json_writes_is_read(value: Any) -> None:
    assert decode_json(json.dumps(value), unique_keys=True, finite=True) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "f.json:1: not valid JSON: Expecting property name enclosed in double quotes (column 2)"),
        ('{\n"a": 1,\n}', "f.json:3: not valid JSON: "),
        ("[" * 100_000, "f.json: nested too deeply"),
        ("9" * 6_000, "f.json: not valid JSON: "),
        (b'{"a": "\xff"}', "f.json: not UTF-8 text"),
    ],
)
def test_faults_have_a_place(text: str | bytes, said: str) -> None:
    with pytest.raises(ScoresError) as caught:
        parse_json(text, "f.json", ScoresError)
    if said.endswith(": "):
        assert str(caught.value).startswith(said)
    else:
        assert str(caught.value) == said


def test_what_only_some_files_must_not_hold() -> None:
    twice, infinite = '{"a": 1, "b": 2, "a": 3}', '{"a": -Infinity}'
    assert decode_json(twice) == {"a": 3, "b": 2}
    with pytest.raises(NotJson, match="key 'a' occurs twice in one object"):
        decode_json(twice, unique_keys=True)
    assert decode_json(infinite, finite=False) == {"a": float("-inf")}
    with pytest.raises(NotJson, match="not valid JSON: -Infinity is not a JSON number"):
        decode_json(infinite)


def test_objects_are_compacted_as_soon_as_they_are_complete() -> None:
    seen: list[dict[str, Any]] = []

    def compact(found: dict[str, Any]) -> Any:
        seen.append(found)
        return len(found)

    assert decode_json('[{"a": {"b": 1, "c": 2}}, {}]', compact=compact) == [1, 0]
    assert seen == [{"b": 1, "c": 2}, {"a": 2}, {}]


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(path, ScoresError) == {"a": 1}
    path.write_bytes(b"ab\xff")
    with pytest.raises(ModelError, match=r"^m: config\.json: not UTF-8 text \(byte 2\)$"):
        read_json(path, ModelError, name="m: config.json")
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    with pytest.raises(ScoresError, match=r"f\.json:1: not valid JSON: Unexpected UTF-8 BOM"):
        read_json(path, ScoresError, mark=False)
    with pytest.raises(ScoresError, match=r"none\.json: cannot be read: No such file or directory$"):
        read_text(tmp_path / "none.json", ScoresError)
    with pytest.raises(ScoresError, match="cannot be read: Is a directory"):
        read_text(tmp_path, ScoresError)


def test_lines_keep_their_numbers() -> None:
    assert list(json_lines('{"a": 1}\n\n  \n{"b": "\u2028"}\n')) == [(1, '{"a": 1}'), (4, '{"b": "\u2028"}')]
