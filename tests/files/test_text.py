"""Text of others is shown as a reader can see it."""

from __future__ import annotations

import json
import unicodedata
from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_results import HOSTILE

from calibaudit.files.text import (
    cell,
    file_name,
    json_text,
    json_value,
    log_line,
    one_line,
    screen_text,
    shortened,
    visible,
    yaml_text,
)

BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
READABLE = (
    "می\u200cخواهم، نه؟ ۱۲۳",  # Persian, with the joiner that its spelling needs
    "שָׁלוֹם עולם",  # Hebrew with points
    "مرحبا بالعالم",
    "क्\u200dष क्\u200cष हिन्दी",
    "ക്\u200d",  # an old chillu: a joiner at a word's end
    "🏳️\u200d🌈 👩🏽\u200d💻 1️⃣ ❤️ 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "葛\U000e0100飾 日本語 한국어",
    "é e\u0301 ñ ﬁ Å",
    "std::vector::size() # a ## b | 50 % [x] {y}",
)


def test_visible():
    assert visible("a\x00\x1b\x7f\u202eb\ud800\n\tc", 50) == "a␀␛␡⟨U+202E⟩b⟨U+D800⟩\n\tc"
    assert visible("x" * 100, 11) == "xxxxx…xxxxx"
    assert one_line(" a\n b\t c ", 50) == "a b c"
    assert one_line("مرحبا", 50) == "مرحبا"
    assert all(len(visible(text, 60)) <= 60 for text in HOSTILE)


@pytest.mark.parametrize("text", READABLE)
def test_every_script_stays_itself(text):
    assert visible(text, 100) == log_line(text) == text
    assert json.loads(json_text(text)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pay\u200bpal", "pay⟨U+200B⟩pal"),
        ("pay\u200dpal", "pay⟨U+200D⟩pal"),
        ("\u200d", "⟨U+200D⟩"),
        ("a\ufe0f\ufe0e", "a\ufe0f⟨U+FE0E⟩"),  # bytes can hide in a row of them
        ("a\U000e0041", "a⟨U+E0041⟩"),  # tags, that only machines read
        ("\ufeffa\u2060\u00ad", "⟨U+FEFF⟩a⟨U+2060⟩⟨U+00AD⟩"),
        ("\u2066a\u2069\u200f", "⟨U+2066⟩a⟨U+2069⟩⟨U+200F⟩"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("a\r\nb", "a␍\nb"),
        ("\ufffe\uffff\U0010ffff", "⟨U+FFFE⟩⟨U+FFFF⟩⟨U+10FFFF⟩"),
    ],
)
def test_what_hides_or_acts_is_shown(text, shown):
    assert visible(text, 100) == shown


@given(st.text(st.characters(), max_size=40), st.integers(1, 30))
def test_nothing_shown_acts(text, most):
    shown = visible(text, most)
    assert len(shown) <= most
    assert not {unicodedata.category(c) for c in shown if c not in "\n\t"} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(c) for c in shown} & BIDI_CONTROLS
    assert visible(shown, most) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("::error::x", "⟨U+003A⟩:error::x"),
        (" \u3000 ::add-mask::x", " \u3000 ⟨U+003A⟩:add-mask::x"),  # the runner trims a line first
        ("a ##[error]x", "a ⟨U+0023⟩#[error]x"),  # its older form, anywhere in a line
        ("a ##vso[task.setvariable variable=x]y", "a ⟨U+0023⟩#vso[task.setvariable variable=x]y"),
        ("##teamcity[x]", "⟨U+0023⟩#teamcity[x]"),
        ("a ::error::x", "a ::error::x"),
        ("## title", "## title"),
    ],
)
def test_no_line_is_a_command_of_a_ci_system(line, shown):
    assert screen_text(f"first\n{line}") == f"first\n{shown}"


def test_a_number_is_never_cut():
    for most in range(3, 40):
        shown = shortened(visible("ab\u202e\u202e\u202ecd", 100), most)
        assert len(shown) <= most
        assert shown.count("⟨") == shown.count("⟩") == shown.count("U+202E")


def test_a_cell_is_no_formula():
    assert [cell(text) for text in ("=1", " +1", "-1", "@a", "\t=1", "＝1", "a=1", "::error::x")] == [
        "'=1", "'+1", "'-1", "'@a", "'=1", "'＝1", "a=1", "⟨U+003A⟩:error::x",
    ]  # fmt: skip


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_and_yaml_come_back(text):
    assert json.loads(json_text({text: [text]})) == {text: [text]}
    assert yaml.safe_load(yaml_text({"a": text})) == {"a": text}
    assert "\x7f" not in json_text(text)


def test_no_line_of_yaml_is_a_command():
    value = {
        "a": "words " * 12 + "\n::error::x " + "words " * 40,
        "b": ["::error::x", 1, True, None],
        "::c": 1.5,
        "d": "##[error]",
    }
    text = yaml_text(value)
    assert yaml.safe_load(text) == value
    assert "##[" not in text
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]
    assert yaml_text({"a": "é و", "b": 1}) == "a: é و\nb: 1\n"


def test_json_holds_no_lone_surrogate_and_no_nan():
    assert json_text("\ud800\u202e") == '"⟨U+D800⟩\\u202e"'
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text(float("nan"))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("a/b c,d", "a_b_c_d"),
        ("..", "task"),
        ("a\x00b\x1b[31m", "a_b_[31m"),
        ("CON", "CON_"),
        ("com1.x", "com1.x_"),
        ("ar_نام", "ar_نام"),
        ("mmlu__pro", "mmlu__pro"),
    ],
)
def test_a_file_name_is_one(name, file):
    assert file_name(name) == file


def test_a_long_file_name_is_cut_and_stays_its_own(tmp_path):
    one, other = (file_name("é" * 299 + end) for end in "ab")
    assert one != other
    for name in (one, other):
        assert len(name.encode()) <= 120
        (tmp_path / f"{name}.validation.jsonl").touch()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (False, "false"),
        (3, "3"),
        (float("inf"), "Infinity"),
        ('say "é"', r'"say \"é\""'),
        ([1, [None, "a"]], '[1, [null, "a"]]'),
        (("a", "b"), '["a", "b"]'),
        ({"a": {"b": True}}, '{"a": {"b": true}}'),
        ("a\u202eb\n\x1b", r'"a\u202eb\n\u001b"'),
        ("x" * 100, f'"{"x" * 18}…{"x" * 19}"'),
        (date(2026, 11, 29), "2026-11-29"),
        ({"on": date(2026, 11, 29)}, '{"on": "2026-11-29"}'),
        ({(1, 2): 3}, "an object"),
        ([10**5_000], "a list"),
    ],
)
def test_a_value_of_a_file_is_shown_as_json(value: object, shown: str) -> None:
    assert json_value(value) == shown
    assert len(json_value(value)) <= 40


def test_a_number_too_long_for_python_is_shown_by_its_kind() -> None:
    assert json_value(10**5_000) == "a number"


def test_a_value_without_end_is_shown_by_its_kind() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert json_value(endless) == "a list"
