"""Every family of the table: where its answers are scored and what of them is learned.

The table (tests/chat/model_families) was written down from other sources: where calibaudit differs, it is wrong.
"""

from __future__ import annotations

import json
from functools import cache

import pytest

from calibaudit.chat.messages import Conversation, Message
from calibaudit.chat.places import AnswerPlace, PlaceFinder
from calibaudit.chat.settings import AnswerAt, ChatSettings
from calibaudit.chat.template import ChatTemplate
from calibaudit.scoring.encode import Encoder, Row
from calibaudit.scoring.prompts import ChatPrompts
from calibaudit.tasks.items import Item
from calibaudit.training.data.encode import IGNORED, Encoded, Example, encode_rows
from tests.chat.model_families import ANSWERS, SHAPES, SYSTEM, USERS, Family, family, messages, names
from tests.chat.model_families.render import template_text, trl_is_there
from tests.chat.model_families.tokens import runs, shown, twin_runs

pytestmark = pytest.mark.skipif(not trl_is_there(), reason="needs the oracles extra")

OTHER = "red tea"
"""A second choice."""
DRIVEN_OUT = {"mistral_v3_hub": ("system", "system_three")}
"""Rows whose system turn the template writes before a question, and leaves out once there is an answer."""
DATED = {"llama3_2", "gpt_oss", "muse_glimmer", "smollm3", "smollm3_nothink", "granite3_3", "apertus"}
"""Families whose templates write today's date: transformers would have them write another each day."""


def settings(one: Family, answer_at: AnswerAt = "auto") -> ChatSettings:
    return ChatSettings(kwargs=json.dumps(dict(one.kwargs)) if one.kwargs else "", answer_at=answer_at)


def turns(shape: str, *, answered: bool = True) -> tuple[Message, ...]:
    return tuple(Message(turn["role"], turn["content"]) for turn in messages(shape, answered=answered))


def tuned_shapes(name: str) -> list[str]:
    return [shape for shape in family(name).before if shape not in DRIVEN_OUT.get(name, ())]


@cache
def place(name: str, shape: str) -> AnswerPlace:
    one = family(name)
    template = ChatTemplate(one.tokenizer, settings(one))
    return PlaceFinder(template).find(template.fitting(turns(shape, answered=False)))


@cache
def scored(name: str, shape: str, answer_at: AnswerAt = "auto") -> tuple[str, Row]:
    """The text and the row of the shape's last question, the earlier exchanges being its examples."""
    one = family(name)
    has_system, n = SHAPES[shape]
    item = Item(
        "i",
        USERS[-1],
        (ANSWERS[-1], OTHER),
        0,
        system=SYSTEM if has_system else "",
        examples=tuple(zip(USERS, ANSWERS, strict=True))[-n:-1],
    )
    prompt = ChatPrompts(one.tokenizer, settings(one, answer_at)).prompt(item, "t")
    encoded = Encoder(one.tokenizer, one.prefix_id, 4096).encode([prompt])
    return prompt.pairs[0][0], encoded[0].rows[0]


@cache
def tuned(name: str, shape: str) -> Encoded:
    one = family(name)
    row = Conversation(turns(shape), "rows.jsonl:1")
    return encode_rows([row], one.tokenizer, 4096, chat=settings(one), stop_ids=one.stop_ids)


def example(name: str, shape: str) -> Example:
    encoded = tuned(name, shape)
    assert encoded.faults == ()
    return encoded.examples[0]


def learned(found: Example) -> list[list[int]]:
    """The learned tokens, turn by turn."""
    assert all(label in (IGNORED, token) for token, label in zip(found.input_ids, found.labels, strict=True))
    return runs(found.input_ids, [label != IGNORED for label in found.labels])


def left_to_model(one: Family) -> str:
    """Whitespace that alone separates the generation prompt from the answer: the model has to write it."""
    missing = one.tail.removeprefix(one.prompt) if one.tail.startswith(one.prompt) else ""
    return missing if not missing.strip() else ""


@pytest.mark.parametrize("name", names())
class TestScored:
    def test_the_text_before_the_answer(self, name: str) -> None:
        for shape, expected in family(name).before.items():
            assert place(name, shape).before == expected
            assert scored(name, shape)[0] == expected

    def test_the_first_token(self, name: str) -> None:
        one = family(name)
        for shape in one.before:
            tokens = scored(name, shape)[1].continuations[0]
            # Line breaks at the end of a context are scored with the choice: lm-evaluation-harness's rule.
            own = next(token for token in tokens if shown(one, [token]).strip())
            assert shown(one, [own]) == one.first, shape

    def test_at_the_generation_prompt(self, name: str) -> None:
        one = family(name)
        for shape, before in one.before.items():
            assert scored(name, shape, "generation-prompt")[0] == before.removesuffix(one.tail) + one.prompt


class TestTuned:
    @pytest.mark.parametrize("name", names())
    def test_what_is_learned_is_answers_and_what_ends_them(self, name: str) -> None:
        one = family(name)
        space = " " if one.first.startswith(" ") else ""
        for shape in tuned_shapes(name):
            found = [shown(one, run) for run in learned(example(name, shape))]
            answers = ANSWERS[-SHAPES[shape][1] :]
            assert [run.lstrip() for run in found] == [
                answer + end for answer, end in zip(answers, one.ends_of(shape), strict=True)
            ]
            assert {run[: len(run) - len(run.lstrip())] for run in found} <= {space, left_to_model(one)}, shape

    @pytest.mark.parametrize("name", names())
    def test_a_turn_ends_with_what_generation_stops_at(self, name: str) -> None:
        one = family(name)
        stops = {*one.stop_ids, one.tokenizer.eos_token_id}
        for shape in tuned_shapes(name):
            found = learned(example(name, shape))
            assert (tuned(name, shape).n_unstopped == 0) is (found[-1][-1] in stops)
            for run, end in zip(found, one.ends_of(shape), strict=True):
                assert run[-1] in stops or shown(one, run).endswith(end), shape

    @pytest.mark.parametrize("name", names())
    def test_the_tokens_are_the_scored_ones(self, name: str) -> None:
        one = family(name)
        for shape in tuned_shapes(name):
            _, row = scored(name, shape)
            found = example(name, shape)
            whole = row.context + row.continuations[0]
            assert found.input_ids[: len(whole)] == whole, shape
            answer = [token for token in row.continuations[0] if shown(one, [token]).strip()]
            run = [token for token in learned(found)[-1] if shown(one, [token]).strip()]
            assert run[: len(answer)] == answer, shape

    @pytest.mark.parametrize("name", [name for name in names() if name not in DATED])
    def test_the_tokens_are_transformers_own(self, name: str) -> None:
        """So BOS stands where the template has it, once, whatever the tokenizer puts before other texts."""
        one = family(name)
        for shape in tuned_shapes(name):
            if one.text(messages(shape)).startswith(one.before[shape]):  # it closes no thought of its own accord
                encoded = one.tokenizer.apply_chat_template(
                    messages(shape), tokenize=True, return_dict=True, **one.kwargs
                )
                ids = tuple(encoded["input_ids"])
                assert example(name, shape).input_ids[: len(ids)] == ids, shape


def test_which_are_dated() -> None:
    assert {name for name in names() if "strftime_now" in template_text(family(name).template)} == DATED


UNSTOPPED = {"gemma", "ernie4_5"}
"""Families whose templates end a turn with no token of generation_config's eos_token_id."""


def test_stops_are_learned() -> None:
    assert {name for name in names() if tuned(name, "one").n_unstopped} == UNSTOPPED


@pytest.mark.parametrize("name", [name for name in names() if "system" not in family(name).before])
def test_a_system_turn_that_is_refused_opens_the_users(name: str) -> None:
    one = family(name)
    expected = one.before["one"].replace(USERS[-1], f"{SYSTEM}\n\n{USERS[-1]}")
    assert place(name, "system").before == scored(name, "system")[0] == expected
    assert tuned(name, "system").n_merged == 1


@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name, shapes in DRIVEN_OUT.items() for shape in shapes])
def test_a_system_turn_that_an_answer_drives_out_opens_the_users(name: str, shape: str) -> None:
    one = family(name)
    system, asked, *others = turns(shape)
    merged = Message("user", f"{system.content}\n\n{asked.content}")
    assert tuned(name, shape).n_merged == 1
    row = Conversation((merged, *others), "rows.jsonl:1")
    expected = encode_rows([row], one.tokenizer, 4096, chat=settings(one), stop_ids=one.stop_ids)
    assert tuned(name, shape).examples == expected.examples


CONTENTS = ("A", "12 cats", "(no)", "yes.\n\n- no", "Three?", "a  b", "user", "assistant", "Be brief.", "1")
"""Answers that begin with a letter, a figure or a sign, that have blank lines, that other turns say too."""


@pytest.mark.parametrize("name", names())
def test_whatever_is_asked_and_answered(name: str) -> None:
    one = family(name)
    for asked in ("Three?", "What?\n\nA. red\nB. blue\nAnswer:", " blue ink \n"):
        prompt = ChatPrompts(one.tokenizer, settings(one)).prompt(Item("i", asked, CONTENTS, 0), "t")
        wholes = {
            choice: row.context + tokens
            for row in Encoder(one.tokenizer, one.prefix_id, 4096).encode([prompt])[0].rows
            for choice, tokens in zip(row.choices, row.continuations, strict=True)
        }
        rows = [
            Conversation((Message("user", asked), Message("assistant", content)), f"rows.jsonl:{i}")
            for i, content in enumerate(CONTENTS)
        ]
        encoded = encode_rows(rows, one.tokenizer, 4096, chat=settings(one), stop_ids=one.stop_ids)
        assert encoded.faults == ()
        for i, (content, found) in enumerate(zip(CONTENTS, encoded.examples, strict=True)):
            assert found.input_ids[: len(wholes[i])] == wholes[i], (asked, content)
            (run,) = learned(found)
            assert shown(one, run).strip() == f"{content}{one.ends[-1]}".strip()


@pytest.mark.parametrize("lead", [" ", "\n"])
@pytest.mark.parametrize("name", ["phi3", "phi3_5"])
def test_an_answer_that_begins_with_whitespace_behind_a_mark_that_swallows_it(name: str, lead: str) -> None:
    one = family(name)
    row = Conversation((Message("user", USERS[-1]), Message("assistant", lead + ANSWERS[-1])), "rows.jsonl:1")
    found = encode_rows([row], one.tokenizer, 4096, stop_ids=one.stop_ids).examples[0]
    assert shown(one, learned(found)[0]).strip() == ANSWERS[-1] + one.ends[-1]


THOUGHT = "<think>\n\n</think>\n\n"
MORE = {
    # The line break that the template writes behind the end of a turn, where nothing is generated any more.
    **dict.fromkeys(("lfm2", "gemma", "gemma3", "qwen3_2507", "qwen3_vl"), ("", "\n")),
    # That, and the one before the answer, which the generation prompt has.
    "qwen2_5": ("\n", "\n"),
    # That, and the empty thought, which is read and not learned here.
    **dict.fromkeys(("qwen3", "qwen3_nothink", "qwen3_5_think", "qwen3_5_nothink"), (THOUGHT, "\n")),
    **dict.fromkeys(("qwen3_6", "qwen3_6_nothink", "qwen3_8"), (THOUGHT, "\n")),
    **dict.fromkeys(("nemotron_3_nano", "nemotron_3_super", "nemotron_3_ultra"), ("<think></think>", "\n")),
    "nemotron_3_5_lightning": ("<think></think>", "\n"),
    "glm4_5": ("\n<think></think>\n", ""),
    "glm4_5_nothink": ("\n<think></think>", ""),
    # The answer's header, which the generation prompt has, or which is as fixed as an empty thought.
    **dict.fromkeys(("deepseek_r1", "deepseek_r1_distill"), ("<｜Assistant｜>", "")),
    "gpt_oss": ("<|start|>assistant<|channel|>final<|message|>", ""),
    "muse_glimmer": ("<|start|>assistant to=user<|message|>", ""),
    # EOS, which only a finished conversation has.
    **dict.fromkeys(("phi3", "phi3_5"), ("", "<|endoftext|>")),
    **dict.fromkeys(("llama3", "cohere", "cohere2"), ("", "")),
}
"""By family, what trl's training template marks before an answer and behind its end, and is not learned here."""


@pytest.mark.parametrize("name", [name for name in names() if family(name).twin and name != "lfm2_5"])
def test_what_is_learned_is_what_trl_marks_but_for(name: str) -> None:
    one = family(name)
    before, after = MORE[name]
    for shape in one.before:
        found = [shown(one, run) for run in learned(example(name, shape))]
        expected = [before + run + after for run in found]
        if after == "<|endoftext|>":
            expected[:-1] = found[:-1]
        assert twin_runs(one, messages(shape)) == expected, shape
