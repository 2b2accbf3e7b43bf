"""Answers as servers document them, written by hand: what is read of each, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from calibaudit.scoring.engines.replies import (
    Token,
    Unreadable,
    differing,
    read_echo,
    read_next,
    read_prompt_logprobs,
)


def answer(**choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": " is", **choice}], "usage": {"prompt_tokens": 3}}


def test_vllms_prompt_logprobs() -> None:
    entries = [
        None,
        {"17": {"logprob": -0.5, "rank": 4, "decoded_token": "b"}, "3": {"logprob": -0.1, "rank": 1}},
        {"9": {"logprob": -9999.0, "rank": 100, "decoded_token": "c"}},
    ]
    reply = read_prompt_logprobs(answer(prompt_logprobs=entries))
    assert reply.prompt == (Token(None, None, None), Token(17, "b", -0.5), Token(9, "c", -math.inf))
    assert reply.n_prompt == 3
    assert reply.generated == " is"


def test_echo_as_openai_had_it() -> None:
    logprobs = {"tokens": ["The", " sky", " is"], "token_logprobs": [None, -2.5, -0.25], "text_offset": [0, 3, 7]}
    reply = read_echo(answer(logprobs=logprobs), 2)
    assert reply.prompt == (Token(None, "The", None), Token(None, " sky", -2.5))
    assert reply.next == (Token(None, " is", -0.25),)
    assert len(read_echo(answer(logprobs=logprobs), 3).prompt) == 3
    for n in (1, 4):
        with pytest.raises(Unreadable, match=f"it has 3 tokens where the prompt has {n}"):
            read_echo(answer(logprobs=logprobs), n)


def test_the_next_token_in_three_shapes() -> None:
    legacy = read_next(answer(logprobs={"top_logprobs": [{" is": -0.25, " was": -1.5}]}))
    assert legacy.next == (Token(None, " is", -0.25), Token(None, " was", -1.5))
    by_id = read_next(answer(logprobs={"top_logprobs": [{"token_id:40": -0.25}]}))
    assert by_id.next == (Token(40, None, -0.25),)
    tops = [{"id": 40, "token": " is", "bytes": [32], "logprob": -0.25}]
    llama_cpp = read_next(answer(logprobs={"content": [{**tops[0], "top_logprobs": tops}]}))
    assert llama_cpp.next == (Token(40, " is", -0.25),)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "no choices"),
        ({"choices": [{}, {}]}, "2 choices, as if the prompt were several"),
        (answer(), "no log-probabilities of the next token"),
        (answer(logprobs={"top_logprobs": [{"a": 0.5}]}), "is 0.5, above 0"),
        (answer(logprobs={"top_logprobs": [{"a": "-1"}]}), "is '-1'"),
        (answer(logprobs={"top_logprobs": [{"a": math.nan}]}), "is nan"),
    ],
)
def test_what_is_no_answer(found: Any, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_next(found)


def test_the_first_token_that_differs() -> None:
    ours = ["The", " sky", "\ufffd", "!"]
    tokens = tuple(Token(None, text, -1.0) for text in ("The", "Ġsky", "\ufffd\ufffd", "!"))
    assert differing(tokens, [1, 2, 3, 4], ours) is None
    other = (*tokens[:1], Token(None, " sea", -1.0), *tokens[2:])
    assert differing(other, [1, 2, 3, 4], ours) == (1, "' sky'", "' sea'")
    assert differing((Token(5, None, None),), [6], ["x"]) == (0, "6 ('x')", "5")
