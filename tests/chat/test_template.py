"""A template's faults in one line, its date, its arguments, its choice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from families import byte_tokenizer

from calibaudit.chat.messages import Message
from calibaudit.chat.settings import ChatSettings
from calibaudit.chat.template import ChatTemplate, TemplateFault, template_source
from calibaudit.errors import CalibauditError, ModelError

PLAIN = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}"
ASKED = [Message("user", "what?")]


def tokenizer(template: Any = PLAIN) -> Any:
    made = byte_tokenizer(["the cat"], 300)
    made.chat_template = template
    return made


def render(template: str, **settings: Any) -> str:
    return ChatTemplate(tokenizer(template), ChatSettings(**settings)).render(ASKED, prompt=True)


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages[0].content.nothing.more }}", "has no attribute 'nothing'"),
        ("{{ raise_exception('never\n this') }}", "never this"),
        ("{{ 'x' * 20000000 }}", "20,000,000 characters"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{% if %}", "Expected an expression"),
    ],
)
def test_a_fault_is_one_line(template: str, fault: str) -> None:
    with pytest.raises(TemplateFault, match=re.escape(fault)) as caught:
        render(template)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (LOOPS.replace("x", "{% if j < 0 %}x{% endif %}"), "not finished after 2 seconds"),
        ("{{ 'x' * 10**9 }}", "more than 400 MB of memory"),
    ],
)
def test_a_template_without_end_ends_the_run(template: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calibaudit.files.limits._is_alone", lambda: True)  # as in a command; pytest may have threads
    with pytest.raises(ModelError, match=said):
        render(template)


def test_a_number_instead_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tokenizer()
    monkeypatch.setattr(made, "apply_chat_template", lambda *_, **__: 12, raising=False)
    with pytest.raises(TemplateFault, match="expected it to write text, found a number"):
        ChatTemplate(made).render(ASKED)


def test_the_date_is_the_same_every_day() -> None:
    dated = "{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}"
    assert render(dated) == "26 Jul 2024 what?"
    assert render(dated, date="2026-02-03") == "03 Feb 2026 what?"
    assert ChatTemplate(tokenizer(dated)).is_dated
    assert not ChatTemplate(tokenizer()).is_dated


@pytest.mark.parametrize("date", ["26 Jul 2024", "2024-02-30", ""])
def test_no_date(date: str) -> None:
    with pytest.raises(CalibauditError, match=r"--template-date .*give a day as YYYY-MM-DD"):
        ChatSettings(date=date)


def test_arguments_reach_the_template() -> None:
    assert render("{{ style }} {{ n + 1 }}", kwargs='{"style": "short", "n": 2}') == "short 3"
    assert ChatSettings(kwargs='{"b": 1, "a": 2}') == ChatSettings(kwargs='{"a":2,"b":1}')


@pytest.mark.parametrize("kwargs", ["[1]", "{", "no", "12"])
def test_no_arguments(kwargs: str) -> None:
    with pytest.raises(CalibauditError, match=r"--chat-template-kwargs .*give a JSON object"):
        ChatSettings(kwargs=kwargs)


class TestChoice:
    def test_none(self) -> None:
        assert template_source(tokenizer(None), "auto") is None
        assert template_source(tokenizer(), "off") is None

    def test_named(self) -> None:
        made = tokenizer({"default": "a", "rag": "b"})
        assert template_source(made, "auto") == "a"
        assert template_source(made, "rag") == "b"
        with pytest.raises(ModelError, match=r"rug: neither a file .*nor one of auto, off, both, default, rag"):
            template_source(made, "rug")

    def test_several_without_a_default(self) -> None:
        with pytest.raises(ModelError, match=r"name one of them: one, two"):
            template_source(tokenizer({"one": "a", "two": "b"}), "auto")

    def test_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "own.jinja"
        file.write_text("{{ messages[0].content }}!", encoding="utf-8")
        chosen = ChatSettings(template=str(file))
        assert ChatTemplate(tokenizer(None), chosen).render(ASKED) == "what?!"

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"none\.jinja: neither a file that can be read \(No such file"):
            template_source(tokenizer(), str(tmp_path / "none.jinja"))


class TestSystem:
    TURNS = (Message("system", "Be brief."), *ASKED)

    def test_kept(self) -> None:
        assert ChatTemplate(tokenizer()).fitting(self.TURNS) == self.TURNS

    @pytest.mark.parametrize(
        "template",
        [
            "{% if messages[0].role == 'system' %}{{ raise_exception('none') }}{% endif %}" + PLAIN,
            PLAIN.replace("in messages %}", "in messages if m.role != 'system' %}"),
        ],
    )
    def test_at_the_head_of_the_users_turn(self, template: str) -> None:
        found = ChatTemplate(tokenizer(template))
        assert found.fitting(self.TURNS) == (Message("user", "Be brief.\n\nwhat?"),)
        spaced = (Message("system", "Be brief. "), *ASKED)
        assert found.fitting(spaced) == (Message("user", "Be brief. what?"),)
