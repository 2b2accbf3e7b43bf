"""Items as prompts, against texts written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from families import byte_tokenizer

from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ModelError
from calibaudit.scoring.prompts import ChatPrompts, PlainPrompts, plain_prompt, prompts_for
from calibaudit.tasks.items import Item, Task

CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CHAT_WITHOUT_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" + CHAT
SPACED = (
    "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}</s>"
    "{% endif %}{% endfor %}"
)


def item(**changes: Any) -> Item:
    fields: dict[str, Any] = {
        "id": "q",
        "context": "Question: what is it?\nAnswer:",
        "choices": ("a cat", "the mat"),
        "answer": 0,
    }
    return Item(**{**fields, **changes})


def chat(template: str, **settings: Any) -> ChatPrompts:
    tokenizer = byte_tokenizer(["the cat"], 300)
    tokenizer.chat_template = template
    found = prompts_for(tokenizer, ChatSettings(**settings))
    assert isinstance(found, ChatPrompts)
    return found


SHOT = item(
    context="Q: one?\nA: 1\n\nQ: two?\nA:",
    examples=(("Q: one?\nA:", "1"),),
    question_start=len("Q: one?\nA: 1\n\n"),
)


def test_both_turns_and_no_delimiter() -> None:
    prompt = chat(CHAT).prompt(item(system="Think.\n\n"), "t")
    assert prompt.pairs[0] == ("<|system|>Think.\n<|user|>Question: what is it?\nAnswer:\n<|assistant|>", "a cat")


def test_without_a_system_turn_its_text_is_in_the_users() -> None:
    prompt = chat(CHAT_WITHOUT_SYSTEM).prompt(item(system="Think. "), "t")
    assert prompt.pairs[0][0] == "<|user|>Think. Question: what is it?\nAnswer:\n<|assistant|>"


def test_a_template_that_drops_the_question_is_refused() -> None:
    with pytest.raises(ModelError, match=r"t: .*lacks the prompt.*--chat-template off"):
        chat("{% for m in messages %}<|{{ m.role }}|>{% endfor %}").prompt(item(), "t")


def test_a_faulty_template_is_one_line_that_names_the_item() -> None:
    with pytest.raises(ModelError, match=r"^t: .*cannot be used \(division by zero\); try --chat-template off$"):
        chat("{{ 1 / 0 }}").prompt(item(), "t")


def test_examples_are_turns_or_stand_in_the_users() -> None:
    turns = chat(CHAT).prompt(SHOT, "t").pairs[0][0]
    assert turns == "<|user|>Q: one?\nA:\n<|assistant|>1\n<|user|>Q: two?\nA:\n<|assistant|>"
    one = chat(CHAT, multiturn=False).prompt(SHOT, "t").pairs[0][0]
    assert one == "<|user|>Q: one?\nA: 1\n\nQ: two?\nA:\n<|assistant|>"


def test_the_space_before_an_answer_is_the_answers_or_left_out() -> None:
    asked = "[INST] Question: what is it?\nAnswer: [/INST]"
    assert chat(SPACED).prompt(item(), "t").pairs[0] == (asked + " ", "a cat")
    at_prompt = chat(SPACED, answer_at="generation-prompt").prompt(item(), "t")
    assert at_prompt.pairs[0] == (asked, "a cat")
    assert chat(SPACED).unconditional(item(), "t").pairs[0] == ("", " a cat")
    assert chat(SPACED, answer_at="generation-prompt").unconditional(item(), "t").pairs[0] == ("", "a cat")


def test_what_an_answer_begins_with_stands_in_the_answer() -> None:
    prefixed = item(answer_prefix="It is")
    assert chat(CHAT).prompt(prefixed, "t").pairs[0] == (
        "<|user|>Question: what is it?\nAnswer:\n<|assistant|>It is",
        " a cat",
    )
    assert plain_prompt(prefixed, "t").pairs[0] == ("Question: what is it?\nAnswer: It is", " a cat")
    spaced = item(answer_prefix="It is ")
    assert chat(CHAT).prompt(spaced, "t").pairs[0][1] == "a cat"


def test_special_tokens_are_the_templates_own_business_unless_asked_at_the_generation_prompt() -> None:
    assert not chat(CHAT).prompt(item(), "t").adds_special
    assert chat(CHAT, answer_at="generation-prompt").prompt(item(), "t").adds_special
    assert plain_prompt(item(), "t").adds_special


def test_the_format_is_recorded() -> None:
    task = Task("t", "1", "cloze", (SHOT,), system="Be brief.")
    prompts = chat(SPACED + "{{ '' if true else strftime_now('%Y') }}", date="2026-01-02")
    prompts.prompt(SHOT, "t")
    found = prompts.format(task)
    assert (found.between, found.date, found.multiturn, found.system) == (" ", "2026-01-02", True, "Be brief.")
    assert PlainPrompts().format(Task("t", "1", "cloze", (item(),))) is None
    others = [chat(SPACED), chat(SPACED, answer_at="generation-prompt"), chat(SPACED, kwargs='{"a": 1}')]
    for other in others:
        other.prompt(SHOT, "t")
    prints = {found.fingerprint, *(other.format(task).fingerprint for other in others)}
    assert len(prints) == 4
