"""What `--columns` may say, and the table of kinds held against itself."""

from __future__ import annotations

import re

import pytest

from calibaudit.errors import SftError
from calibaudit.training.data.kinds import KINDS, KNOWN, Fields, kind_of, kinds_with, names_of, read_columns


def test_columns_are_read() -> None:
    assert read_columns("question=prompt,response=completion") == {"question": "prompt", "response": "completion"}
    assert read_columns(" my column = text ,") == {"my column": "text"}
    assert read_columns("") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question", "--columns question: give COLUMN=KEY, such as question=prompt,response=completion"),
        ("=prompt", "--columns =prompt: give COLUMN=KEY"),
        (",", "--columns ,: give COLUMN=KEY"),
        ("a=prompt,a=completion", "--columns a=prompt,a=completion: column 'a' occurs in it twice"),
        ("a=prompt,b=prompt", "--columns: two columns are to be read as prompt; give one"),
        ("a=promt", "--columns a=promt: no kind of row has a key promt; did you mean prompt? known are messages, "),
        ("a=x", f"--columns a=x: no kind of row has a key x; known are {', '.join(KNOWN)}"),
        ("a=messages,b=text",
         f"--columns: no kind of row has messages and text; the kinds are {names_of(KINDS)}"),
    ],
)  # fmt: skip
def test_columns_that_say_nothing(text: str, message: str) -> None:
    with pytest.raises(SftError, match=f"^{re.escape(message)}"):
        read_columns(text)


def test_each_kind_is_known_by_its_own_keys() -> None:
    for kind in KINDS:
        assert kind_of(dict.fromkeys(kind.keys, "a"), KINDS) is kind
        assert kind_of(dict.fromkeys(kind.keys), KINDS) is kind  # empty cells
        assert set(kind.joined) <= set(kind.also)
        assert kind in kinds_with({f"column {key}": key for key in (*kind.keys, *kind.also)})


def test_fields_remember_what_was_read() -> None:
    fields = Fields({"a": 1, "b": 2, "text": "old", "c": None}, {"a": "text", "gone": "system"})
    assert fields.values == {"b": 2, "text": 1, "c": None}
    assert list(fields.passed) == ["a", "b", "text"]
    assert fields.take("text") == (1, "a")
    assert fields.take("system") == (None, "system")
    assert list(fields.passed) == ["b", "text"]
    fields.leave("text")
    assert list(fields.passed) == ["b", "text", "a"]
