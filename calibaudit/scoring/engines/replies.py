"""What a server's answer to /completions says about the tokens of a prompt, in each of the shapes that servers give.

Shapes: `prompt_logprobs` of vLLM (one dictionary a token, keyed by token id); `echo` with `logprobs`, as OpenAI's API
had it and lm-evaluation-harness's local-completions reads it (`tokens`, `token_logprobs`); the next token's most
probable ones, as `top_logprobs` or, from llama.cpp's own server, as `content`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOTHING = -9999.0
"""What servers write for minus infinity, which JSON has not."""


class Unreadable(Exception):
    """The answer lacks what was asked for; the text says what, without naming the server."""


@dataclass(frozen=True)
class Token:
    """id, text: of the token, None where the answer does not say. logprob: nats; None for one without."""

    id: int | None
    text: str | None
    logprob: float | None


@dataclass(frozen=True)
class Reply:
    """prompt: its tokens. next: the most probable next tokens, the generated one among them. generated: its text.

    n_prompt: tokens of the prompt as the server counted them; None where it does not say.
    """

    prompt: tuple[Token, ...]
    next: tuple[Token, ...]
    generated: str
    n_prompt: int | None


def read_prompt_logprobs(answer: Any) -> Reply:
    """vLLM's shape. The first entry of each dictionary is the prompt's own token; others, asked for or not, follow."""
    choice = _choice(answer)
    entries = choice.get("prompt_logprobs")
    if not isinstance(entries, list):
        raise Unreadable("there are no prompt_logprobs in it")
    tokens = []
    for entry in entries:
        if entry is None:
            tokens.append(Token(None, None, None))
            continue
        if not isinstance(entry, dict) or not entry:
            raise Unreadable("its prompt_logprobs hold something other than dictionaries")
        key, value = next(iter(entry.items()))
        if not key.isdigit() or not isinstance(value, dict):
            raise Unreadable("its prompt_logprobs are not keyed by token id")
        text = value.get("decoded_token")
        tokens.append(Token(int(key), text if isinstance(text, str) else None, _number(value.get("logprob"))))
    return Reply(tuple(tokens), _next_of(choice.get("logprobs")), _text(choice), _usage(answer))


def read_echo(answer: Any, n_prompt: int) -> Reply:
    """The shape of `echo`. n_prompt: entries that the prompt should have; one more is the generated token's."""
    choice = _choice(answer)
    found = choice.get("logprobs")
    if not isinstance(found, dict) or not isinstance(found.get("token_logprobs"), list):
        raise Unreadable("there are no logprobs.token_logprobs in it")
    texts, values = found.get("tokens"), found["token_logprobs"]
    if not isinstance(texts, list) or len(texts) != len(values):
        raise Unreadable("its logprobs.tokens do not match its token_logprobs")
    if len(values) not in (n_prompt, n_prompt + 1):
        raise Unreadable(f"it has {len(values)} tokens where the prompt has {n_prompt}")
    tokens = [Token(*_named(text), None if v is None else _number(v)) for text, v in zip(texts, values, strict=True)]
    rest = tokens[n_prompt:]
    return Reply(tuple(tokens[:n_prompt]), tuple(rest), (rest[0].text or "") if rest else "", _usage(answer))


def read_next(answer: Any) -> Reply:
    """The next token's most probable ones alone."""
    choice = _choice(answer)
    found = _next_of(choice.get("logprobs"))
    if not found:
        raise Unreadable("there are no log-probabilities of the next token in it")
    return Reply((), found, _text(choice), _usage(answer))


def _next_of(logprobs: Any) -> tuple[Token, ...]:
    if not isinstance(logprobs, dict):
        return ()
    tops = logprobs.get("top_logprobs")
    if isinstance(tops, list) and tops and isinstance(tops[0], dict):
        return tuple(Token(*_named(text), _number(value)) for text, value in tops[0].items())
    content = logprobs.get("content")
    if isinstance(content, list) and content and isinstance(content[0], dict):
        tops = content[0].get("top_logprobs")
        listed = tops if isinstance(tops, list) and tops else [content[0]]
        return tuple(
            Token(entry.get("id"), _whole(entry), _number(entry.get("logprob")))
            for entry in listed
            if isinstance(entry, dict)
        )
    return ()


def _whole(entry: Mapping[str, Any]) -> str | None:
    text = entry.get("token")
    return text if isinstance(text, str) else None


def _choice(answer: Any) -> Mapping[str, Any]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Unreadable("there are no choices in it")
    if len(choices) > 1:
        raise Unreadable(f"it has {len(choices)} choices, as if the prompt were several")
    return choices[0]


def _named(text: Any) -> tuple[int | None, str | None]:
    """vLLM writes `token_id:123` where it is asked to."""
    if not isinstance(text, str):
        return None, None
    kind, _, number = text.partition(":")
    return (int(number), None) if kind == "token_id" and number.isdigit() else (None, text)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise Unreadable(f"a log-probability in it is {value!r:.40}")
    if value > 1e-3:
        raise Unreadable(f"a log-probability in it is {value:.4g}, above 0")
    return -math.inf if value <= NOTHING else min(float(value), 0.0)


def _text(choice: Mapping[str, Any]) -> str:
    text = choice.get("text")
    return text if isinstance(text, str) else ""


def _usage(answer: Mapping[str, Any]) -> int | None:
    usage = answer.get("usage")
    found = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def differing(tokens: Sequence[Token], ids: Sequence[int], texts: Sequence[str]) -> tuple[int, str, str] | None:
    """The first token of the prompt that is another there: its place, ours, theirs; None where none is.

    ids, texts: of our tokens. By id where the answer says it; else by the text without the spaces around it, which
    servers write differently, and where neither holds a part of a letter.
    """
    for place, (token, id_, text) in enumerate(zip(tokens, ids, texts, strict=True)):
        if token.id is not None:
            if token.id != id_:
                return place, f"{id_} ({text!r})", str(token.id)
        elif token.text is not None and not alike(token.text, text):
            return place, repr(text), repr(token.text)
    return None


def alike(theirs: str, ours: str) -> bool:
    """Whether a token may be written so there and so here: spaces around it apart, and where one shows nothing."""
    theirs = theirs.replace("Ġ", " ").replace("▁", " ").replace("Ċ", "\n").strip()
    ours = ours.strip()
    partial = "\ufffd" in theirs or "\ufffd" in ours or not theirs or not ours
    return partial or theirs == ours
