"""What is learned is checked by decoding it, and against the demo's own training recipe."""

from __future__ import annotations

import json
from typing import Any

import pytest
from families import byte_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from calibaudit.chat.messages import Conversation, Message
from calibaudit.demo.train import _example
from calibaudit.errors import SftError
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.tokenizer import load_tokenizer
from calibaudit.training.data.encode import IGNORED, Encoded, Example, encode_rows
from calibaudit.training.data.rows import Completion, PlainText, Row, read_rows

TEXT = [
    "the cat sat on the mat. yes, no, 12 and 345.\n\n",
    "Question: what is it?\nAnswer: a cat: the mat (a dog)\n",
] * 4
MARKS = (
    *("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eot_id|>", "[INST]", "[/INST]", "<start_of_turn>", "<end_of_turn>", "<|user|>", "<|assistant|>", "<|end|>"),
)

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}"
    "{% generation %}{{ m['content'] }}MARK{% endgeneration %}REST{% else %}{{ m['content'] + '<|im_end|>' }}"
    "{% endif %}{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA = (
    "{% for m in messages %}{% set c = '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n'"
    " + m['content'] | trim + '<|eot_id|>' %}{% if loop.first %}{% set c = bos_token + c %}{% endif %}"
    "{{ c }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set head = messages[0]['content'] + '\n\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set head = '' %}{% set turns = messages %}{% endif %}"
    "{% for m in turns %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user and assistant') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' + (head if loop.last or loop.index0 >= turns | length - 2 else '')"
    " + m['content'] + ' [/INST]' }}{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' }}"
    "{{ m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
PHI = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
PLAIN_MARKS = (
    "{% for m in messages %}{{ m['role'] | upper + ': ' + m['content'] + ' ###\n' }}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
THINKING = """{%- set ns = namespace(last=-1) %}
{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
{%- if m.role == 'assistant' %}
{%- set reason = '' %}{% set said = m.content %}
{%- if '</think>' in said %}
{%- set reason = said.split('</think>')[0].split('<think>')[-1].strip() %}
{%- set said = said.split('</think>')[-1].lstrip() %}
{%- endif %}
{{- '<|im_start|>assistant\\n' }}
{%- if loop.index0 > ns.last %}{{- '<think>\\n' + reason + '\\n</think>\\n\\n' }}{% endif %}
{{- said + '<|im_end|>\\n' }}
{%- else %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}"""
"""Reasoning is kept in the answers to the last question only, and marked as empty where there is none."""
TEMPLATES = {
    "chatml": (CHATML, "<|im_end|>"),
    "llama": (LLAMA, "<|eot_id|>"),
    "mistral": (MISTRAL, "</s>"),
    "gemma": (GEMMA, "<end_of_turn>"),
    "phi": (PHI, "<|end|>"),
    "plain marks": (PLAIN_MARKS, " ###"),
}


def make_tokenizer(template: str | None = None, **options: bool) -> Any:
    made = byte_tokenizer(TEXT, 420, MARKS, **options)
    made.chat_template = template
    return made


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    return {name: make_tokenizer(template, bos=True) for name, (template, _) in TEMPLATES.items()}


def chat(*turns: tuple[str, str], n_given: int = 0) -> Conversation:
    return Conversation(tuple(Message(role, content) for role, content in turns), "rows.jsonl:7", n_given)


def learned(tokenizer: Any, example: Example) -> list[str]:
    """The runs of learned tokens, decoded."""
    runs: list[list[int]] = [[]]
    for index, label in zip(example.input_ids, example.labels, strict=True):
        assert label in (IGNORED, index)
        if label == IGNORED:
            runs.append([])
        else:
            runs[-1].append(index)
    return [tokenizer.decode(run) for run in runs if run]


STOPS = ("</s>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>")
"""What the families' generation configs name."""


def stop_ids(tokenizer: Any) -> list[int]:
    return [tokenizer.get_vocab()[stop] for stop in STOPS if stop in tokenizer.get_vocab()]


def encode_one(row: Row, tokenizer: Any, max_length: int = 4096) -> Example:
    encoded = encode_rows([row], tokenizer, max_length, stop_ids=stop_ids(tokenizer))
    assert encoded.faults == ()
    return encoded.examples[0]


def refused(row: Row, tokenizer: Any) -> str:
    """Why a row is not trained on, beside one that is."""
    encoded = encode_rows([row, chat(("user", "a"), ("assistant", "b"))], tokenizer, 4096)
    assert len(encoded.examples) == len(encoded.faults) == 1
    return encoded.faults[0]


class TestTemplates:
    @pytest.mark.parametrize("name", TEMPLATES)
    @pytest.mark.parametrize(
        "answer",
        ["a cat", "12 (yes)", "(no)", "\N{GRINNING FACE} caf\N{LATIN SMALL LETTER E WITH ACUTE}", "the mat.\n\n- a"],
    )
    def test_each_answer_and_its_end_are_learned_and_nothing_else(
        self, name: str, answer: str, tokenizers: dict[str, Any]
    ) -> None:
        tokenizer, end = tokenizers[name], TEMPLATES[name][1]
        row = chat(("user", "what is it?"), ("assistant", answer), ("user", "(and) then?"), ("assistant", "yes"))
        example = encode_one(row, tokenizer)
        runs = [run.strip() for run in learned(tokenizer, example)]
        assert runs == [f"{answer}{end}", f"yes{end}"]

    @pytest.mark.parametrize("name", TEMPLATES)
    def test_the_tokens_are_those_of_the_template(self, name: str, tokenizers: dict[str, Any]) -> None:
        row = chat(("user", "what is it?"), ("assistant", "a cat"))
        messages = [{"role": m.role, "content": m.content} for m in row.messages]
        ids = tokenizers[name].apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"]
        assert list(encode_one(row, tokenizers[name]).input_ids) == list(ids)
        assert list(ids).count(0) <= 1, "BOS occurs twice"

    @pytest.mark.parametrize("name", ["chatml", "llama", "mistral", "phi"])
    def test_a_system_turn_is_read(self, name: str, tokenizers: dict[str, Any]) -> None:
        row = chat(("system", "sat on"), ("user", "what?"), ("assistant", "a dog"))
        example = encode_one(row, tokenizers[name])
        assert "sat on" in tokenizers[name].decode(example.input_ids)
        assert [run.strip() for run in learned(tokenizers[name], example)] == [f"a dog{TEMPLATES[name][1]}"]

    def test_a_system_turn_behind_other_turns_is_found(self, tokenizers: dict[str, Any]) -> None:
        row = chat(("system", "sat on"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
        example = encode_one(row, tokenizers["mistral"])
        assert tokenizers["mistral"].decode(example.input_ids) == (
            "<s>[INST] a [/INST] b</s>[INST] sat on\n\nc [/INST] d</s>"
        )
        assert learned(tokenizers["mistral"], example) == [" b</s>", " d</s>"]

    def test_turns_of_equal_content_are_told_apart(self, tokenizers: dict[str, Any]) -> None:
        row = chat(("user", "yes"), ("assistant", "yes"), ("user", "yes"), ("assistant", "yes"))
        assert learned(tokenizers["chatml"], encode_one(row, tokenizers["chatml"])) == ["yes<|im_end|>"] * 2

    def test_turns_after_the_last_answer_are_not_kept(self, tokenizers: dict[str, Any]) -> None:
        row = chat(("user", "a"), ("assistant", "b"), ("user", "c"))
        text = tokenizers["chatml"].decode(encode_one(row, tokenizers["chatml"]).input_ids)
        assert text == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"

    def test_turns_that_are_given_are_not_learned(self, tokenizers: dict[str, Any]) -> None:
        row = chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), n_given=3)
        assert learned(tokenizers["chatml"], encode_one(row, tokenizers["chatml"])) == ["d<|im_end|>"]

    def test_a_completion_is_a_chat_of_two_turns(self, tokenizers: dict[str, Any]) -> None:
        encoded = encode_rows([Completion("a cat?", "yes", "f:1", "\n\n")], tokenizers["chatml"], 99)
        assert encoded.template
        expected = encode_one(chat(("user", "a cat?"), ("assistant", "yes")), tokenizers["chatml"])
        assert encoded.examples == (expected,)

    def test_plain_text_does_without_the_template(self, tokenizers: dict[str, Any]) -> None:
        encoded = encode_rows([PlainText("a cat", "f:1")], tokenizers["chatml"], 99)
        assert not encoded.template
        assert tokenizers["chatml"].decode(encoded.examples[0].input_ids) == "<s>a cat</s>"

    @settings(max_examples=60, deadline=None)
    @given(
        contents=st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="<[|")).filter(str.strip), min_size=2, max_size=6
        ),
        name=st.sampled_from(sorted(TEMPLATES)),
    )
    def test_whatever_the_turns_say(self, contents: list[str], name: str, tokenizers: dict[str, Any]) -> None:
        contents = contents[: len(contents) // 2 * 2]
        row = chat(*(("user" if i % 2 == 0 else "assistant", content) for i, content in enumerate(contents)))
        tokenizer, end = tokenizers[name], TEMPLATES[name][1]
        runs = learned(tokenizer, encode_one(row, tokenizer))
        assert [run.strip() for run in runs] == [
            f"{c}{end}".strip() if name not in ("llama", "gemma") else f"{c.strip()}{end}" for c in contents[1::2]
        ]


class TestReasoning:
    """Templates that write reasoning only behind the last question."""

    def test_none(self) -> None:
        tokenizer = make_tokenizer(THINKING)
        row = chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
        example = encode_one(row, tokenizer)
        assert "assistant\n<think>\n\n</think>\n\nd<|im_end|>" in tokenizer.decode(example.input_ids)
        assert [run.strip() for run in learned(tokenizer, example)] == ["b<|im_end|>", "d<|im_end|>"]

    def test_in_the_last_answer_it_is_learned(self) -> None:
        tokenizer = make_tokenizer(THINKING)
        answer = "<think>\nthe mat\n</think>\n\nd"
        row = chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", answer))
        assert learned(tokenizer, encode_one(row, tokenizer)) == ["b<|im_end|>", f"{answer}<|im_end|>"]

    def test_in_another_form_than_the_template_has_it(self) -> None:
        row = chat(("user", "a"), ("assistant", "<think>the mat</think>d"))
        assert refused(row, make_tokenizer(THINKING)) == (
            "rows.jsonl:7: turn 2 (assistant): the chat template cuts or rewrites its content"
        )

    def test_in_an_earlier_answer_it_would_be_lost(self) -> None:
        row = chat(("user", "a"), ("assistant", "<think>\nx\n</think>\n\nb"), ("user", "c"), ("assistant", "d"))
        assert refused(row, make_tokenizer(THINKING)) == (
            "rows.jsonl:7: turn 2 (assistant): the chat template cuts or rewrites its content"
        )


class TestWhatRowsSay:
    def test_turns_that_are_not_to_be_learned(self, tokenizers: dict[str, Any]) -> None:
        turns = (Message("user", "a"), Message("assistant", "b", learned=False), Message("user", "c"))
        row = Conversation((*turns, Message("assistant", "dog")), "rows.jsonl:7")
        assert learned(tokenizers["chatml"], encode_one(row, tokenizers["chatml"])) == ["dog<|im_end|>"]
        cut = Conversation(
            (*turns[:1], Message("assistant", "b"), turns[2], Message("assistant", "dog", learned=False)), ""
        )
        example = encode_one(cut, tokenizers["chatml"])
        assert learned(tokenizers["chatml"], example) == ["b<|im_end|>"]
        assert "dog" not in tokenizers["chatml"].decode(example.input_ids)

    def test_none_to_be_learned(self, tokenizers: dict[str, Any]) -> None:
        row = Conversation((Message("user", "a"), Message("assistant", "b", learned=False)), "rows.jsonl:7")
        assert refused(row, tokenizers["chatml"]) == "rows.jsonl:7: it has no assistant turn to learn from"

    def test_tools_and_arguments_reach_the_template(self) -> None:
        tokenizer = make_tokenizer("{{ tools | tojson if tools }}{{ style }}" + CHATML)
        row = Conversation(
            (Message("user", "a"), Message("assistant", "b")),
            "rows.jsonl:7",
            tools='[{"type": "function", "function": {"name": "look"}}]',
            template_kwargs='{"style": "short"}',
        )
        text = tokenizer.decode(encode_one(row, tokenizer).input_ids)
        assert text.startswith('[{"type": "function", "function": {"name": "look"}}]short<|im_start|>')

    def test_a_thought_that_the_template_writes(self) -> None:
        shown = "{{ '<think>' + m.reasoning_content + '</think>' if m.reasoning_content }}{{ m['content']"
        tokenizer = make_tokenizer(CHATML.replace("m['content']", "'' }}" + shown + " }}{{ ''"))
        row = Conversation((Message("user", "a"), Message("assistant", "dog", "why")), "rows.jsonl:7")
        assert learned(tokenizer, encode_one(row, tokenizer)) == ["<think>why</think>dog<|im_end|>"]

    def test_a_thought_where_the_template_only_opens_one(self) -> None:
        tokenizer = make_tokenizer(CHATML.replace("assistant\n' }}", "assistant\n<think>\n' }}"))
        tokenizer.add_tokens(["<think>", "</think>"])
        row = Conversation((Message("user", "a"), Message("assistant", "dog", "why")), "rows.jsonl:7")
        example = encode_one(row, tokenizer)
        assert learned(tokenizer, example) == ["why\n</think>\n\ndog<|im_end|>"]
        assert "assistant\n<think>\nwhy" in tokenizer.decode(example.input_ids)
        bare = encode_one(chat(("user", "a"), ("assistant", "dog")), tokenizer)
        assert learned(tokenizer, bare) == ["dog<|im_end|>"]
        assert "assistant\n<think>\n\n</think>\n\ndog" in tokenizer.decode(bare.input_ids)

    def test_a_thought_that_has_no_place(self, tokenizers: dict[str, Any]) -> None:
        row = Conversation((Message("user", "a"), Message("assistant", "dog", "why")), "rows.jsonl:7")
        assert "leaves out its reasoning" in refused(row, tokenizers["chatml"])


class TestEnds:
    def test_marks_up_to_the_one_that_stops(self) -> None:
        tokenizer = make_tokenizer(CHATML.replace("'<|im_end|>'", "'<|end|><|im_end|>'"))
        stops = [tokenizer.get_vocab()["<|im_end|>"]]
        (example,) = encode_rows([chat(("user", "a"), ("assistant", "b"))], tokenizer, 99, stop_ids=stops).examples
        assert learned(tokenizer, example) == ["b<|end|><|im_end|>"]

    def test_the_next_turns_mark_where_nothing_else_stops(self) -> None:
        """As GLM-4 has it: its stop tokens are the marks of the turns that are not its own."""
        tokenizer = make_tokenizer(
            "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
            "{% if add_generation_prompt %}<|assistant|>{% endif %}"
        )
        stops = [tokenizer.get_vocab()["<|user|>"]]
        row = chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "dog"))
        encoded = encode_rows([row], tokenizer, 99, stop_ids=stops)
        assert learned(tokenizer, encoded.examples[0]) == ["b<|user|>", "dog<|user|>"]
        assert encoded.n_unstopped == 0

    def test_a_template_without_an_end_is_an_error(self) -> None:
        tokenizer = make_tokenizer(
            "{% for m in messages %}{{ '### ' + m.role + ':\n' + m.content + '\n\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '### assistant:\n' }}{% endif %}"
        )
        with pytest.raises(SftError, match=r"turn 2 \(assistant\): the chat template writes nothing that ends it"):
            encode_rows([chat(("user", "a"), ("assistant", "b"))], tokenizer, 99)

    def test_a_mark_that_does_not_stop_generation_is_counted(self) -> None:
        encoded = encode_rows([chat(("user", "a"), ("assistant", "b"))], make_tokenizer(CHATML), 99)
        assert encoded.n_unstopped == 1


class TestMarksOfTheTemplate:
    @pytest.mark.parametrize(
        ("mark", "rest", "expected"),
        [
            ("{{ '<|im_end|>' }}", "", "b<|im_end|>"),
            ("", "{{ '<|im_end|>' }}", "b<|im_end|>"),  # the end of a turn is learned even where it is not marked
            ("{{ '<|im_end|>\n' }}", "", "b<|im_end|>"),  # behind its end a turn has nothing left to learn
        ],
    )
    def test_are_followed(self, mark: str, rest: str, expected: str) -> None:
        tokenizer = make_tokenizer(MARKED.replace("MARK", mark).replace("REST", rest))
        row = chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "b"))
        runs = learned(tokenizer, encode_one(row, tokenizer))
        assert runs == [expected] * 2

    def test_reasoning_that_the_template_adds_and_marks_is_learned(self) -> None:
        marked = MARKED.replace("{{ m['content'] }}MARK", "{{ 'mat: ' + m['content'] + '<|im_end|>' }}")
        tokenizer = make_tokenizer(marked.replace("REST", ""))
        assert learned(tokenizer, encode_one(chat(("user", "a"), ("assistant", "b")), tokenizer)) == [
            "mat: b<|im_end|>"
        ]

    def test_marks_around_a_user_are_refused(self) -> None:
        wrong = CHATML.replace("{{ '<|im_start|>'", "{% generation %}{{ '<|im_start|>'", 1)
        wrong = "{{ bos_token }}" + wrong.replace("{% endfor %}", "{% endgeneration %}{% endfor %}", 1)
        with pytest.raises(SftError, match=r"turn 1 \(user\): the chat template marks it as generated"):
            encode_rows([chat(("user", "a cat"), ("assistant", "the mat"))], make_tokenizer(wrong), 99)


class TestFaults:
    @pytest.mark.parametrize(
        "template", [GEMMA, CHATML.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}")]
    )
    def test_a_system_turn_that_the_template_has_not_opens_the_users(self, template: str) -> None:
        tokenizer = make_tokenizer(template)
        with_system = chat(("system", "sat"), ("user", "a"), ("assistant", "b"))
        encoded = encode_rows([with_system], tokenizer, 4096, stop_ids=stop_ids(tokenizer))
        assert encoded.n_merged == 1
        joined = chat(("user", "sat\n\na"), ("assistant", "b"))
        assert encoded.examples[0] == encode_one(joined, tokenizer)

    def test_an_empty_system_turn_is_none_and_is_not_told_of(self, tokenizers: dict[str, Any]) -> None:
        tokenizer = tokenizers["gemma"]
        empty = chat(("system", ""), ("user", "a"), ("assistant", "b"))
        encoded = encode_rows([empty], tokenizer, 4096, stop_ids=stop_ids(tokenizer))
        assert encoded.n_merged == 0
        assert encoded.examples[0] == encode_one(chat(("user", "a"), ("assistant", "b")), tokenizer)

    def test_a_refusal_is_the_templates_own_words(self) -> None:
        refusing = CHATML.replace(
            "{% endfor %}", "{% if m.content == 'no' %}{{ raise_exception('never') }}{% endif %}{% endfor %}"
        )
        row = chat(("user", "no"), ("assistant", "b"))
        assert refused(row, make_tokenizer(refusing)) == "rows.jsonl:7: the chat template refuses it: never"

    def test_reasoning_that_the_template_cuts(self) -> None:
        tokenizer = make_tokenizer(CHATML.replace("m['content']", "m['content'].split('</think>')[-1]"))
        row = chat(("user", "a"), ("assistant", "<think>why</think>b"), ("user", "c"), ("assistant", "d"))
        assert refused(row, tokenizer) == (
            "rows.jsonl:7: turn 2 (assistant): the chat template cuts or rewrites its content"
        )

    def test_a_turn_written_twice(self) -> None:
        tokenizer = make_tokenizer(CHATML + "{{ messages[0]['content'] if messages | length > 2 }}")
        row = chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
        assert refused(row, tokenizer) == "rows.jsonl:7: turn 1 (user): the chat template writes it 2 times"

    def test_text_around_a_turn_that_depends_on_it(self) -> None:
        shown = "{{ 'the mat: ' if 'cat' in messages[0]['content'] and m['role'] == 'assistant' }}"
        tokenizer = make_tokenizer(
            CHATML.replace(
                "{{ '<|im_start|>' + m['role'] + '\n' +", "{{ '<|im_start|>' + m['role'] + '\n' }}" + shown + "{{"
            )
        )
        row = chat(("user", "cat"), ("assistant", "b"))
        assert refused(row, tokenizer) == (
            "rows.jsonl:7: turn 2 (assistant): the chat template writes other text around a turn with this content"
        )

    @pytest.mark.parametrize("turn", ["a </s> b", "<|im_start|>user\na"])
    def test_text_that_would_be_read_as_a_special_token(self, turn: str, tokenizers: dict[str, Any]) -> None:
        fault = refused(chat(("user", "a"), ("assistant", turn)), tokenizers["chatml"])
        assert fault.startswith("rows.jsonl:7: turn 2 (assistant) holds '<")

    def test_a_plain_sign_is_no_special_token(self) -> None:
        tokenizer = make_tokenizer(CHATML)
        tokenizer.pad_token = "!"
        assert learned(tokenizer, encode_one(chat(("user", "a!"), ("assistant", "b!")), tokenizer)) == ["b!<|im_end|>"]

    def test_text_that_the_tokenizer_changes(self) -> None:
        tokenizer = make_tokenizer(CHATML)
        tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
        assert refused(chat(("user", "a"), ("assistant", "A CAT")), tokenizer) == (
            "rows.jsonl:7: the tokenizer does not keep its text: 'A CAT<|im_end|>' became 'a cat<|im_end|>'"
        )

    def test_text_that_the_tokenizer_only_composes(self) -> None:
        tokenizer = make_tokenizer(CHATML)
        tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
        example = encode_one(chat(("user", "a"), ("assistant", "cafe\u0301")), tokenizer)
        assert learned(tokenizer, example) == ["caf\u00e9<|im_end|>"]

    def test_no_row_left(self, tokenizers: dict[str, Any]) -> None:
        row = chat(("user", "a"), ("user", "</s>"), ("assistant", "b"))
        with pytest.raises(SftError, match=r"none of 2 rows can be trained on; the first: .*holds '</s>'"):
            encode_rows([row, row], tokenizers["gemma"], 99)
        with pytest.raises(SftError, match="there are no rows"):
            encode_rows([], tokenizers["gemma"], 99)

    def test_a_chat_without_a_template(self) -> None:
        with pytest.raises(
            SftError, match=r"rows\.jsonl:7: it is a chat, and the tokenizer has no chat template: take"
        ):
            encode_rows([chat(("user", "a"), ("assistant", "b"))], make_tokenizer(), 99)


class TestWithoutTemplate:
    @pytest.mark.parametrize(("bos", "eos_after"), [(False, False), (True, False), (True, True)])
    @pytest.mark.parametrize(
        ("prompt", "completion", "delimiter", "expected"),
        [
            ("Question: what?\nAnswer:", " a cat", "", " a cat</s>"),
            ("Question: what?\nAnswer: ", "a cat", "", " a cat</s>"),
            ("what is it?", "a cat", "\n\n", "\n\na cat</s>"),
        ],
    )
    def test_completion(
        self, prompt: str, completion: str, delimiter: str, expected: str, bos: bool, eos_after: bool
    ) -> None:
        tokenizer = make_tokenizer(bos=bos, eos_after=eos_after)
        example = encode_one(Completion(prompt, completion, "f:1", delimiter), tokenizer)
        assert learned(tokenizer, example) == [expected]
        assert tokenizer.decode(example.input_ids) == f"{'<s>' if bos else ''}{prompt}{delimiter}{completion}</s>"

    def test_a_token_across_the_boundary_is_learned(self) -> None:
        tokenizer = make_tokenizer()
        assert len(tokenizer("the").input_ids) == 1
        example = encode_one(Completion("th", "e cat", "f:1"), tokenizer)
        # Nothing stands before it, so it cannot be predicted.
        assert learned(tokenizer, example) == [" cat</s>"]
        example = encode_one(Completion("a th", "e cat", "f:1"), tokenizer)
        assert learned(tokenizer, example) == [" the cat</s>"]

    @pytest.mark.parametrize("bos", [False, True])
    def test_plain_text_is_learned_but_for_its_first_token(self, bos: bool) -> None:
        tokenizer = make_tokenizer(bos=bos)
        example = encode_one(PlainText("the cat sat", "f:1"), tokenizer)
        assert learned(tokenizer, example) == ["the cat sat</s>" if bos else " cat sat</s>"]

    def test_bos_and_eos_are_never_doubled(self) -> None:
        tokenizer = make_tokenizer(bos=True)
        example = encode_one(PlainText("<s>the cat</s>", "f:1"), tokenizer)
        assert tokenizer.decode(example.input_ids) == "<s>the cat</s>"


class TestLength:
    def test_cut_on_the_right_and_counted(self, tokenizers: dict[str, Any]) -> None:
        row = chat(("user", "a"), ("assistant", "the cat sat on the mat"))
        whole = encode_one(row, tokenizers["chatml"])
        n = len(whole.input_ids) - 3
        encoded = encode_rows([row], tokenizers["chatml"], n, stop_ids=stop_ids(tokenizers["chatml"]))
        assert encoded == Encoded((Example(whole.input_ids[:n], whole.labels[:n]),), 1, 0, (), True)

    def test_no_target_left(self, tokenizers: dict[str, Any]) -> None:
        short = chat(("user", "a"), ("assistant", "b"))
        long = chat(("user", "sat on the mat " * 40), ("assistant", "b"))
        n = len(encode_one(short, tokenizers["chatml"]).input_ids)
        encoded = encode_rows([long, short], tokenizers["chatml"], n)
        assert (len(encoded.examples), encoded.n_truncated, encoded.n_without_target) == (1, 0, 1)
        first = next(i for i, label in enumerate(encode_one(long, tokenizers["chatml"]).labels) if label != IGNORED)
        assert encoded.faults == (
            f"rows.jsonl:7: nothing is left to learn: its first learned token is number {first + 1}, and {n} are kept",
        )

    def test_one_token_is_nothing_to_learn(self) -> None:
        tokenizer = make_tokenizer()
        tokenizer.eos_token = None
        with pytest.raises(SftError, match="there is one token, and nothing before it"):
            encode_rows([PlainText("the", "f:1")], tokenizer, 99)

    def test_a_length_without_room(self, tokenizers: dict[str, Any]) -> None:
        with pytest.raises(SftError, match="max_length 1: give 2 tokens or more"):
            encode_rows([PlainText("the", "f:1")], tokenizers["chatml"], 1)


class TestTokenizers:
    def test_one_without_offsets_finds_the_same_answers(self, tokenizers: dict[str, Any]) -> None:
        class Slow:
            """The same tokenizer, as one that cannot say where its tokens stand."""

            is_fast = False

            def __init__(self, fast: Any) -> None:
                self._fast = fast

            def __getattr__(self, name: str) -> Any:
                return getattr(self._fast, name)

            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                assert not kwargs.pop("return_offsets_mapping", False)
                return self._fast(*args, **kwargs)

        row = chat(("user", "what is it?"), ("assistant", "12 (yes)"), ("user", "and?"), ("assistant", "no"))
        for tokenizer in tokenizers.values():
            fast, slow = encode_one(row, tokenizer), encode_one(row, Slow(tokenizer))
            assert slow.input_ids == fast.input_ids
            # Line breaks at the end of a text can be other tokens than those before a word.
            assert [run.strip() for run in learned(tokenizer, slow)] == [
                run.strip() for run in learned(tokenizer, fast)
            ]

    def test_one_that_marks_spaces_in_its_tokens(self) -> None:
        """As SentencePiece models do: decoding a part of a text loses the space before it."""
        backend = Tokenizer(models.Unigram([("<unk>", 0.0), ("\u2581", -1.0), *((c, -3.0) for c in "abcdeht:?")], 0))
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        backend.decoder = decoders.Metaspace()
        backend.add_special_tokens([AddedToken(m, normalized=False) for m in ("<s>", "</s>", "[INST]", "[/INST]")])
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
        )
        tokenizer.chat_template = MISTRAL
        example = encode_one(chat(("user", "that?"), ("assistant", "a bed")), tokenizer)
        assert [run.split() for run in learned(tokenizer, example)] == [["a", "bed</s>"]]
        assert refused(chat(("user", "a"), ("assistant", "xyz")), tokenizer).startswith(
            "rows.jsonl:7: the tokenizer does not keep its text"
        )

    def test_the_demo_learns_what_its_recipe_learned(self) -> None:
        tokenizer = load_tokenizer(find_checkpoint("demo:instruct"))
        rows = read_rows("demo:sft").rows
        encoded = encode_rows(rows, tokenizer, 4096)
        assert (encoded.n_truncated, encoded.n_without_target, encoded.faults, encoded.template) == (0, 0, (), True)
        for row, example in zip(rows, encoded.examples, strict=True):
            assert isinstance(row, Conversation)
            ids, labels = _example([{"role": m.role, "content": m.content} for m in row.messages], tokenizer)
            assert example == Example(tuple(ids), tuple(labels)), json.dumps(row.messages[0].content)
            assert "".join(learned(tokenizer, example)).strip() == row.messages[-1].content + "</s>"
