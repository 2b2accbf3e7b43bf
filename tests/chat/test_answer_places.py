"""Where the answer begins, against places read off each template by eye."""

from __future__ import annotations

from typing import Any

import pytest
from families import byte_tokenizer

from calibaudit.chat.messages import Message
from calibaudit.chat.places import AnswerPlace, PlaceFinder
from calibaudit.chat.settings import ChatSettings
from calibaudit.chat.template import ChatTemplate, TemplateFault

TURN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% if m.role == 'assistant' %}</s>{% endif %}{% endfor %}"
ASKED = [Message("user", "what is it?")]


MARKS = ["<think>", "</think>", "<seed:think>", "[THINK]", "<|START_THINKING|>", "<|think|>"]


def place(template: str, *, marks: bool = True, **settings: Any) -> AnswerPlace:
    """marks: whether the tokenizer knows what opens a thought."""
    tokenizer = byte_tokenizer(["the cat"], 300)
    if marks:
        tokenizer.add_tokens(MARKS)
    tokenizer.chat_template = template
    return PlaceFinder(ChatTemplate(tokenizer, ChatSettings(**settings))).find(ASKED)


def prompt(text: str) -> str:
    return "{% if add_generation_prompt %}" + text + "{% endif %}"


def last_turn(before: str) -> str:
    """A template whose last answer stands behind `before`, as those that write an empty thought there."""
    return TURN.replace(
        "{{ m.content }}", "{% if loop.last and m.role == 'assistant' %}" + before + "{% endif %}{{ m.content }}"
    )


def test_both_places_agree() -> None:
    found = place(TURN + prompt("<assistant>"))
    assert found.before == found.prompt == "<user>what is it?<assistant>"
    assert (found.difference, found.is_closed, found.thought) == ("", False, None)


def test_a_space_that_the_model_writes() -> None:
    found = place(TURN.replace("{{ m.content }}", "{{ ' ' + m.content }}") + prompt("<assistant>"))
    assert found.before == "<user> what is it?<assistant> "
    assert found.difference == " "
    assert not found.is_closed


def test_a_space_that_only_the_generation_prompt_has() -> None:
    found = place(TURN + prompt("<assistant> "))
    assert found.prompt == "<user>what is it?<assistant> "
    assert found.before == "<user>what is it?<assistant>"


def test_a_header_that_the_model_writes() -> None:
    found = place(last_turn("<final>") + prompt("<assistant>"))
    assert found.difference == "<final>"
    assert not found.is_closed, "a template without thoughts leaves none out"


def test_an_empty_thought_that_only_tuning_wrote() -> None:
    thought = "<think>\n{{ m.reasoning_content }}\n</think>\n\n"
    found = place(last_turn(thought) + prompt("<assistant>"))
    assert found.difference == "<think>\n\n</think>\n\n"
    assert found.is_closed
    assert found.thought is not None
    assert found.thought.before == "<user>what is it?<assistant><think>\n"
    assert found.thought.close == "\n</think>\n\n"


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<think>\\n", "\n</think>\n\n"),
        ("<think>", "\n\n</think>\n\n"),
        ("<seed:think>\\n", "\n</seed:think>\n\n"),
        ("[THINK]", "\n\n[/THINK]\n\n"),
        ("<|START_THINKING|>", "\n\n<|END_THINKING|>\n\n"),
    ],
)
def test_an_opened_thought_is_closed_empty(opening: str, closing: str) -> None:
    found = place(TURN + prompt("<assistant>{{ '" + opening + "' }}"))
    assert found.before == found.prompt + closing
    assert found.is_closed
    assert found.thought is not None
    assert found.thought.before == found.prompt
    assert found.thought.close == closing


def test_an_opened_thought_is_closed_as_the_template_writes_an_empty_one() -> None:
    found = place(last_turn("<think>\n\n</think>\n\n") + prompt("<assistant>{{ '<think>\\n' }}"))
    assert found.before == "<user>what is it?<assistant><think>\n\n</think>\n\n"
    other = place(last_turn("<think></think>") + prompt("<assistant>{{ '<think>\\n' }}"))
    assert other.before == "<user>what is it?<assistant><think></think>"
    shown = TURN.replace("{{ m.content }}", "{{ '</think>' if m.role == 'assistant' }}{{ m.content }}")
    marked = place(shown + prompt("<assistant><think>"))
    assert marked.before == "<user>what is it?<assistant></think>", "as DeepSeek-V3.1 writes answers without a thought"
    assert marked.is_closed


def test_a_thought_that_the_caller_turned_off_stays_so() -> None:
    form = TURN + prompt("<assistant>{{ '<think>\\n' if enable_thinking is not defined else '<think></think>' }}")
    found = place(form, kwargs='{"enable_thinking": false}')
    assert found.before == found.prompt == "<user>what is it?<assistant><think></think>"
    assert not found.is_closed, "nothing was closed for the caller"


def test_a_template_that_takes_no_answer_has_its_generation_prompt() -> None:
    refusing = "{% if messages[-1].role == 'assistant' %}{{ raise_exception('no') }}{% endif %}" + TURN
    found = place(refusing + prompt("<assistant>"))
    assert found.written is None
    assert found.before == found.prompt


def test_what_a_question_says_is_no_marker() -> None:
    tokenizer = byte_tokenizer(["the cat"], 300)
    tokenizer.chat_template = last_turn("<think></think>") + prompt("<assistant>")
    asked = [Message("user", "What is an answer0marker, an answer1marker or a thoughtmarker?")]
    assert PlaceFinder(ChatTemplate(tokenizer)).find(asked).difference == "<think></think>"


@pytest.mark.parametrize(
    ("opening", "closing"), [("<|inner|>", "<|outer|>"), ("<|think|>", "<|answer|>"), ("<a><b>", "</b></a>\n")]
)
def test_a_thought_opened_by_any_mark_is_closed_as_the_template_closes_thoughts(opening: str, closing: str) -> None:
    thought = "{% if m.reasoning_content %}" + opening + "{{ m.reasoning_content }}" + closing + "{% endif %}"
    template = TURN.replace("{{ m.content }}", thought + "{{ m.content }}") + prompt("<assistant>" + opening)
    found = place(template)
    assert found.before == found.prompt + closing
    assert found.is_closed


def test_a_thought_opened_by_a_mark_that_nothing_else_knows_is_not_waited_for() -> None:
    """As where <think> is appended to the template of a model that never saw it: its answers stand where they did."""
    spaced = TURN.replace("{{ m.content }}", "{{ ' ' if m.role == 'assistant' }}{{ m.content }}")
    found = place(spaced + prompt("<assistant><think>{{ '\\n' }}"), marks=False)
    assert found.before == "<user>what is it?<assistant> "
    assert (found.difference, found.beyond, found.is_closed) == (" ", "<think>\n", True)
    assert found.thought is not None, "--think may still be asked for"


def test_a_thought_opened_by_a_mark_that_nothing_closes_is_an_error() -> None:
    with pytest.raises(TemplateFault, match=r"opens a thought with '<\|think\|>', and nothing shows what closes one"):
        place(TURN + prompt("<assistant><|think|>"))
