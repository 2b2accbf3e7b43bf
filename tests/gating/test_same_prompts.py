"""A candidate asked otherwise than its baseline is not judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibaudit.errors import ScoresError
from calibaudit.gating.same_prompts import check_same_prompts
from calibaudit.scores.prompt_format import PromptFormat, prompt_format_from_dict
from calibaudit.scores.scores import Scores
from tests.made_scores import made_scores

FORMAT = PromptFormat("0123456789abcdef", date="2024-07-26", multiturn=True, between=" ")


def chat(prompt: PromptFormat | None) -> Scores:
    return replace(made_scores(20), chat_template=True, prompt=prompt)


def test_equal_prompts_pass() -> None:
    check_same_prompts(chat(FORMAT), chat(FORMAT))
    check_same_prompts(made_scores(20), made_scores(20))


def test_another_model_may_have_another_template() -> None:
    check_same_prompts(chat(FORMAT), chat(replace(FORMAT, template="fedcba9876543210", between="", date="")))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"answer_at": "generation-prompt"}, "--answer-at auto before, generation-prompt after"),
        ({"date": "2025-01-01"}, "--template-date 2024-07-26 before, 2025-01-01 after"),
        ({"kwargs": '{"a": 1}'}, r'--chat-template-kwargs none before, {"a": 1} after'),
        ({"multiturn": False}, "--fewshot-as-multiturn on before, off after"),
    ],
)
def test_other_settings_are_named(changed: dict[str, object], said: str) -> None:
    with pytest.raises(ScoresError) as caught:
        check_same_prompts(chat(FORMAT), chat(replace(FORMAT, **changed)))
    assert said in str(caught.value)


def test_a_template_on_one_side_only() -> None:
    with pytest.raises(ScoresError, match="the chat template differs"):
        check_same_prompts(made_scores(20), chat(FORMAT))


def test_a_baseline_of_an_earlier_version_stands_where_the_prompts_would_be_the_same() -> None:
    same = PromptFormat("0123456789abcdef")
    check_same_prompts(chat(None), chat(same))
    for changed in ({"between": " "}, {"date": "2024-07-26"}, {"multiturn": True}):
        with pytest.raises(ScoresError, match="bless a new baseline"):
            check_same_prompts(chat(None), chat(replace(same, **changed)))


def test_a_format_comes_back_from_its_dictionary() -> None:
    assert prompt_format_from_dict(FORMAT.to_dict()) == FORMAT
    assert FORMAT.fingerprint != replace(FORMAT, date="2025-01-01").fingerprint
    assert FORMAT.fingerprint == replace(FORMAT, named="rag").fingerprint, "a name says nothing of the text"
