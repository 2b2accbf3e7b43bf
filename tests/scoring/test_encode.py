"""Boundaries are checked against a second way of finding them: decoding the tokens and looking at the text."""

from __future__ import annotations

from typing import Any

import pytest
from families import byte_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from calibaudit.errors import ModelError, TaskError
from calibaudit.scoring.encode import Encoder
from calibaudit.scoring.prompts import PlainPrompts, Prompt, plain_prompt
from calibaudit.tasks.items import Item

TEXT = ["the cat sat on the mat. Answer: yes, no. A B C D", "Question: what is it?\nAnswer: a cat, the mat, a dog"] * 4


def make_tokenizer(**options: bool) -> PreTrainedTokenizerFast:
    return byte_tokenizer(TEXT, 400, **options)


def item(**changes: Any) -> Item:
    fields: dict[str, Any] = {
        "id": "q",
        "context": "Question: what is it?\nAnswer:",
        "choices": ("a cat", "the mat"),
        "answer": 0,
    }
    return Item(**{**fields, **changes})


def encode(tokenizer: Any, prompt: Prompt, max_length: int = 512, prefix: int | None = 0) -> Any:
    (encoded,) = Encoder(tokenizer, prefix, max_length).encode([prompt])
    return encoded


@pytest.mark.parametrize("bos", [False, True])
def test_context_and_continuations_are_the_texts(bos: bool) -> None:
    tokenizer = make_tokenizer(bos=bos)
    encoded = encode(tokenizer, plain_prompt(item(system="Think.\n\n"), "t"))
    (row,) = encoded.rows
    assert tokenizer.decode(row.context, skip_special_tokens=True) == "Think.\n\nQuestion: what is it?\nAnswer:"
    assert [tokenizer.decode(c) for c in row.continuations] == [" a cat", " the mat"]
    assert row.choices == (0, 1)
    assert (row.context[0] == 0) is bos
    assert not encoded.truncated
    assert not encoded.healed
    assert encoded.n_tokens == tuple(len(c) for c in row.continuations)


def test_whitespace_at_the_end_of_a_context_moves_to_the_continuation() -> None:
    tokenizer = make_tokenizer()
    encoded = encode(tokenizer, Prompt("t", (("Answer: \n", "a cat"),)))
    (row,) = encoded.rows
    assert tokenizer.decode(row.context) == "Answer:"
    assert tokenizer.decode(row.continuations[0]) == " \na cat"


def test_a_text_that_starts_with_bos_gets_no_second_one() -> None:
    tokenizer = make_tokenizer(bos=True)
    encoded = encode(tokenizer, Prompt("t", (("<s>Answer:", " yes"),)))
    assert encoded.rows[0].context.count(0) == 1


def test_special_tokens_after_a_text_do_not_cut_it_from_its_continuation() -> None:
    plain = encode(make_tokenizer(bos=True), plain_prompt(item(), "t"))
    appended = encode(make_tokenizer(bos=True, eos_after=True), plain_prompt(item(), "t"))
    assert appended == plain


def test_empty_context_is_the_prefix_token() -> None:
    tokenizer = make_tokenizer(bos=True)
    encoded = encode(tokenizer, PlainPrompts().unconditional(item(), "t"), prefix=1)
    (row,) = encoded.rows
    assert row.context == (1,)
    assert [tokenizer.decode(c) for c in row.continuations] == [" a cat", " the mat"]


def test_empty_context_without_special_tokens_is_an_error_that_names_the_item() -> None:
    with pytest.raises(ModelError, match=r"t: the context is empty and the tokenizer has neither a BOS nor an EOS"):
        encode(make_tokenizer(), Prompt("t", (("", "yes"),)), prefix=None)


def test_a_token_across_the_boundary_is_scored_with_the_continuation() -> None:
    tokenizer = make_tokenizer(merge_spaces=True)
    whole = tokenizer("the cat sat on the mat.", add_special_tokens=False)["input_ids"]
    assert len(whole) < 6, "the trained tokens must cross words for this test to mean anything"
    for cut in range(1, len("the cat sat on the mat.")):
        text = "the cat sat on the mat."
        encoded = encode(tokenizer, Prompt("t", ((text[:cut], text[cut:]),)))
        (row,) = encoded.rows
        assert row.continuations[0], "a continuation is never empty"
        if encoded.healed:
            (shared,) = encoded.shared
            assert tokenizer.decode(shared.context + shared.continuations[0], skip_special_tokens=True) == text
            if row.context == shared.context:
                assert row.continuations == shared.continuations


def test_healed_choices_have_their_own_row() -> None:
    tokenizer = make_tokenizer(merge_spaces=True)
    start, end = "the cat s", "at on the mat."
    encoded = encode(tokenizer, Prompt("t", ((start, end), (start, "zq"))))
    assert encoded.healed
    assert sorted(choice for row in encoded.rows for choice in row.choices) == [0, 1]
    assert len(encoded.rows) == 2


def test_healed_choices_are_encoded_from_one_place_too() -> None:
    tokenizer = make_tokenizer(merge_spaces=True)
    start, end = "the cat s", "at on the mat."
    encoded = encode(tokenizer, Prompt("t", ((start, end), (start, "zq"))))
    (shared,) = encoded.shared
    assert shared.choices == (2, 3)
    texts = [tokenizer.decode(shared.context + tokens, skip_special_tokens=True) for tokens in shared.continuations]
    assert texts == [start + end, start + "zq"]
    assert len({tokens[0] for tokens in shared.continuations}) == 2, "they part at once"
    assert encode(tokenizer, Prompt("t", ((start, " zq"), (start, " dog")))).shared == ()


def test_long_contexts_lose_tokens_on_the_left_as_each_choice_needs() -> None:
    tokenizer = make_tokenizer()
    long = item(context="the cat sat on the mat. " * 20 + "Answer:", choices=("a cat, the mat, a dog", "no"))
    full = encode(tokenizer, plain_prompt(long, "t"))
    cut = encode(tokenizer, plain_prompt(long, "t"), max_length=24)
    assert cut.truncated
    assert not full.truncated
    (whole,) = full.rows
    for row in cut.rows:
        for choice, continuation in zip(row.choices, row.continuations, strict=True):
            assert continuation == whole.continuations[choice]
            assert len(row.context) + len(continuation) == 24 + 1  # the last token is never fed
            assert whole.context[-len(row.context) :] == row.context


def test_a_context_that_just_fits_is_not_cut() -> None:
    tokenizer = make_tokenizer()
    prompt = plain_prompt(item(choices=("no",)), "t")
    (row,) = encode(tokenizer, prompt).rows
    needed = len(row.context) + len(row.continuations[0]) - 1  # the last token is never fed
    assert not encode(tokenizer, prompt, max_length=needed).truncated
    assert encode(tokenizer, prompt, max_length=needed - 1).truncated


def test_a_continuation_longer_than_the_window_is_an_error() -> None:
    with pytest.raises(TaskError, match=r"t: choice 1 has \d+ tokens, more than the model's window of 4"):
        encode(make_tokenizer(), plain_prompt(item(choices=("no", "the cat sat on zzzzzz the mat")), "t"), max_length=4)


def test_leads_make_a_context_each() -> None:
    tokenizer = make_tokenizer()
    winograd = item(context="", leads=("the cat", "the mat"), choices=("sat on", "sat on"))
    encoded = encode(tokenizer, plain_prompt(winograd, "t"))
    assert [tokenizer.decode(row.context) for row in encoded.rows] == ["the cat", "the mat"]
    assert [row.choices for row in encoded.rows] == [(0,), (1,)]


def test_keys_tell_texts_apart() -> None:
    a = plain_prompt(item(), "one")
    assert a.key == plain_prompt(item(id="other", answer=1), "two").key
    for changed in (item(context="x"), item(choices=("a cat", "the mat.")), item(delimiter=""), item(system="x")):
        assert plain_prompt(changed, "one").key != a.key


@settings(max_examples=60, deadline=None)
@given(
    context=st.text(st.sampled_from("theca smon.\n:éA"), max_size=30),
    continuation=st.text(st.sampled_from("theca smon.:éA"), min_size=1, max_size=12),
)
def test_tokens_spell_the_text_when_nothing_was_merged(context: str, continuation: str) -> None:
    tokenizer = _PLAIN
    (row,) = encode(tokenizer, Prompt("t", ((context, continuation),))).rows
    tokens = (row.context[1:] if row.context[:1] == (0,) else row.context) + row.continuations[0]
    whole = tuple(tokenizer(context + continuation, add_special_tokens=False)["input_ids"])
    kept = tuple(tokenizer(context.rstrip(), add_special_tokens=False)["input_ids"])
    if whole[: len(kept)] == kept and len(whole) > len(kept):
        assert tokens == whole
    assert row.continuations[0]


_PLAIN = make_tokenizer()


class Wrapped:
    """A tokenizer whose own call does more than its backend: here, it drops the letter z before anything else."""

    def __init__(self, tokenizer: Any) -> None:
        self.backend_tokenizer = tokenizer.backend_tokenizer
        self._tokenizer = tokenizer

    def __call__(self, text: Any, **options: Any) -> Any:
        texts = text.replace("z", "") if isinstance(text, str) else [t.replace("z", "") for t in text]
        return self._tokenizer(texts, **options)

    def decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids))


@pytest.mark.parametrize("bos", [False, True])
def test_the_backend_gives_what_the_tokenizer_itself_gives(bos: bool) -> None:
    tokenizer = make_tokenizer(bos=bos)
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    context, choices = "the cat sat on the mat.\nAnswer:", (" yes", " no, the mat", " a dog")
    (row,) = encode(tokenizer, Prompt("t", tuple((context, choice) for choice in choices))).rows
    plain = make_tokenizer(bos=bos)
    assert row.context == tuple(plain(context)["input_ids"])
    for choice, tokens in zip(choices, row.continuations, strict=True):
        assert row.context + tokens == tuple(plain(context + choice)["input_ids"])


def test_a_tokenizer_that_does_more_than_its_backend_is_asked_itself() -> None:
    prompt = Prompt("t", (("zthe cat", " sat zon"), ("zthe cat", " a mat")))
    plain = Prompt("t", (("the cat", " sat on"), ("the cat", " a mat")))
    assert encode(Wrapped(make_tokenizer()), prompt) == encode(make_tokenizer(), plain)
