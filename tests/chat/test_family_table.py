"""The table of families is held against its sources: the templates by Jinja alone, trl's training twins, and the
packages that write a family's text themselves. None of calibaudit takes part.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.chat.model_families import ANSWERS, SHAPES, family, messages, names
from tests.chat.model_families.render import TemplateError, trl_is_there
from tests.chat.model_families.tokens import shown, twin_runs

pytestmark = pytest.mark.skipif(not trl_is_there(), reason="needs the oracles extra")

EMPTY = {
    "qwq": "<think>\n\n</think>\n\n",
    "deepseek_r1": "<think>\n\n</think>\n\n",
    "deepseek_r1_distill": "<think>\n\n</think>\n\n",
    "minimax_m2": "<think>\n\n</think>\n\n",
    "exaone_deep": "<thought>\n\n</thought>\n\n",
}
"""Families whose template writes no thought where there is none: their prompt opens one, and the table closes it."""
LOSES_SYSTEM = "mistral_v3_hub"
"""Its generation prompt has the system text, which mistral-common's text has too; with an answer it is left out."""


@pytest.mark.parametrize("name", names())
class TestText:
    def test_an_answer_stands_behind_its_text_and_is_ended(self, name: str) -> None:
        one = family(name)
        for shape, whole in one.before.items():
            before, end = whole.removesuffix(EMPTY.get(name, "")), one.ends[-1]
            if name == LOSES_SYSTEM:
                before = before.replace("Be brief.\n\n", "")
            # Where nothing ends the last answer, a further turn shows what comes.
            turns = messages(shape)
            is_ended = end in one.text(turns).rpartition(ANSWERS[-1])[2]
            further = [] if is_ended else [{"role": "user", "content": "More?"}]
            assert one.text([*turns, *further]).startswith(before + ANSWERS[-1] + end)

    def test_earlier_answers_are_ended(self, name: str) -> None:
        one = family(name)
        for shape, text in one.before.items():
            for answer, end in list(zip(ANSWERS, one.ends, strict=True))[: SHAPES[shape][1] - 1]:
                assert text.count(answer + end) == 1, shape

    def test_the_generation_prompt(self, name: str) -> None:
        one = family(name)
        for shape, before in one.before.items():
            assert before.endswith(one.tail)
            prompt = one.text(messages(shape, answered=False), prompt=True)
            assert prompt == before.removesuffix(one.tail) + one.prompt

    def test_the_first_token(self, name: str) -> None:
        one = family(name)
        for shape, before in one.before.items():
            text = before + ANSWERS[-1] + one.ends[-1]
            encoded = one.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            index = next(i for i, (_, end) in enumerate(encoded["offset_mapping"]) if end > len(before))
            assert shown(one, [encoded["input_ids"][index]]) == one.first, shape


@pytest.mark.parametrize("name", [name for name in names() if "system" not in family(name).before])
def test_no_system_turn_is_taken(name: str) -> None:
    try:
        text = family(name).text(messages("system"))
    except TemplateError:
        return
    assert "Be brief." not in text


@pytest.mark.parametrize("name", names())
def test_marks_are_tokens_of_their_own(name: str) -> None:
    one = family(name)
    tokenizer = one.tokenizer
    for mark in (*one.special, *one.added, *one.stops, one.eos):
        assert tokenizer.convert_ids_to_tokens(tokenizer(mark, add_special_tokens=False)["input_ids"])[-1] == mark
    assert len(one.stop_ids) == len(one.stops)
    assert tokenizer.unk_token_id not in one.stop_ids


def test_every_stand_in_keeps_its_text() -> None:
    for name in names():
        tokenizer = family(name).tokenizer
        ids = tokenizer(" ".join(ANSWERS), add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids).strip() == " ".join(ANSWERS), name
        plain = tokenizer("blue")["input_ids"]
        assert (plain[0] == tokenizer.bos_token_id) is family(name).adds_bos


@cache
def _made(kind: Any, version: str, **options: bool) -> Any:
    return getattr(kind, version)(**options)


class TestMistral:
    """mistral-common writes the text of its own models; `▁` and `<0x0A>` are how it shows spaces and line breaks."""

    @pytest.mark.parametrize(
        ("name", "version", "options"),
        [
            ("mistral_v1", "v1", {}),
            ("mistral_v3", "v3", {}),
            ("mistral_v3_hub", "v3", {}),
            ("mistral_nemo", "v3", {"is_tekken": True}),
        ],
    )
    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_text(self, name: str, version: str, options: dict[str, bool], shape: str) -> None:
        pytest.importorskip("sentencepiece")
        package = pytest.importorskip("mistral_common.tokens.tokenizers.mistral")
        from mistral_common.protocol.instruct.request import ChatCompletionRequest
        from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy

        tokenizer = _made(package.MistralTokenizer, version, **options)
        turns = messages(shape, answered=False)
        encoded = tokenizer.encode_chat_completion(ChatCompletionRequest(messages=turns))
        text = tokenizer.decode(encoded.tokens, special_token_policy=SpecialTokenPolicy.KEEP)
        # Its text ends where the user's does: a space before the answer is the answer's there too.
        assert text.replace("▁", " ").replace("<0x0A>", "\n") == family(name).before[shape].removesuffix(" ")


HARMONY_HEAD = (
    "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n"
    "Current date: 2024-07-26\n\nReasoning: medium\n\n# Valid channels: analysis, commentary, final. Channel must be "
    "included for every message.<|end|>"
)
HARMONY_SYSTEM = "<|start|>developer<|message|># Instructions\n\nBe brief.<|end|>"
HARMONY_TURNS = (
    "<|start|>user<|message|>One?<|end|><|start|>assistant<|channel|>final<|message|>red sky<|end|>"
    "<|start|>user<|message|>Two?<|end|><|start|>assistant<|channel|>final<|message|>green tea<|end|>",
    "<|start|>user<|message|>Three?<|end|><|start|>assistant<|channel|>final<|message|>blue ink<|return|>",
)
"""What openai-harmony 0.0.8 renders for training, its conversation's date being 2024-07-26. It is not run here: it
loads a vocabulary from the net and takes no other. Its chat template has two line breaks more behind instructions."""


@pytest.mark.parametrize("shape", SHAPES)
def test_harmony(shape: str) -> None:
    has_system, n = SHAPES[shape]
    one = family("gpt_oss")
    text = one.before[shape] + ANSWERS[-1] + one.ends[-1]
    expected = HARMONY_HEAD + (HARMONY_SYSTEM if has_system else "") + "".join(HARMONY_TURNS[-1 if n == 1 else 0 :])
    assert text.replace("Be brief.\n\n", "Be brief.") == expected


@pytest.mark.parametrize("name", [name for name in names() if family(name).twin])
def test_the_twin_marks_answers_and_ends(name: str) -> None:
    one = family(name)
    marked = twin_runs(one, messages("three"))
    assert len(marked) == 3
    for run, answer, end in zip(marked, ANSWERS, one.ends, strict=True):
        assert f"{answer}{end}" in run
