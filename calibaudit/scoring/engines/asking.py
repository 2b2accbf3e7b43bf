"""Token rows to a server, in the mode that it was found to serve, and its reply held against the local tokenizer."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calibaudit.scoring.encode import Tokens
from calibaudit.scoring.engines.connection import Connection
from calibaudit.scoring.engines.replies import (
    Reply,
    Token,
    Unreadable,
    differing,
    read_echo,
    read_next,
    read_prompt_logprobs,
)

Reading = Literal["prompt_logprobs", "echo", "next"]


@dataclass(frozen=True)
class Mode:
    """How a server is asked.

    reading: where its log-probabilities stand; `next`: the next token's most probable ones, nothing of the prompt.
    as_text: prompts go as text, else as token ids. max_tokens: 0 or 1, to be generated. n_next: how many of the next
    token are asked for. adds_bos: the server puts a BOS before a text. hides_bos: and its reply leaves it out.
    names_ids: the next token's are asked for by id, as vLLM can; strict servers refuse such a request.
    """

    reading: Reading
    as_text: bool = False
    max_tokens: int = 1
    n_next: int = 1
    adds_bos: bool = False
    hides_bos: bool = False
    names_ids: bool = False

    def __str__(self) -> str:
        sent = "prompts as text" if self.as_text else "prompts as token ids"
        if self.adds_bos:
            sent += " without the BOS that it adds"
        if self.reading == "next":
            return f"{sent}, the next token's {self.n_next} most probable"
        return f"{sent}, {'prompt_logprobs' if self.reading == 'prompt_logprobs' else 'echo with logprobs'}"

    def of_next(self, n: int) -> Mode:
        """The same prompts, asked for the next token."""
        return dataclasses.replace(self, reading="next", max_tokens=1, n_next=n)


class Asker:
    """One model of a server and the local tokenizer. Used by many threads at once."""

    def __init__(self, connection: Connection, model: str, tokenizer: Any) -> None:
        self._connection = connection
        self._model = model
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self._texts: dict[int, str] = {}
        self._anchor = self.plain_ids("a")[-1:]
        self._before = self._decode(self._anchor)

    def ask(self, mode: Mode, ids: Tokens, stop: threading.Event | None = None, *, probing: bool = False) -> Reply:
        """The reply to a prompt of these tokens; its `prompt` has one entry a token, or none where `mode` reads none.

        Raises Unreadable where the reply is not about these tokens, or they cannot be sent; Refused and ModelError as
        the connection does.
        """
        body = {"model": self._model, "prompt": self._prompt(mode, ids), "max_tokens": mode.max_tokens}
        body |= {"temperature": 0, **({"return_tokens_as_token_ids": True} if mode.names_ids else {})}
        shown = ids[1:] if mode.adds_bos and mode.hides_bos else ids
        asked: dict[str, Any] = {
            "prompt_logprobs": {"prompt_logprobs": 0},
            "echo": {"echo": True, "logprobs": 1},
            "next": {"logprobs": mode.n_next},
        }[mode.reading]
        answer = self._connection.post("completions", {**body, **asked}, stop, probing=probing)
        if mode.reading == "prompt_logprobs":
            reply = read_prompt_logprobs(answer)
        else:
            reply = read_echo(answer, len(shown)) if mode.reading == "echo" else read_next(answer)
        self._check_count(mode, ids, reply)
        if mode.reading == "next":
            return reply
        self._check_prompt(shown, reply)
        return dataclasses.replace(reply, prompt=(Token(None, None, None),) * (len(ids) - len(shown)) + reply.prompt)

    def can_send(self, mode: Mode, ids: Tokens) -> bool:
        """Whether there is a prompt of these tokens."""
        try:
            self._prompt(mode, ids)
        except Unreadable:
            return False
        return True

    def plain_ids(self, text: str) -> Tokens:
        """The text's own tokens."""
        with self._lock:
            return tuple(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def text_of(self, id_: int) -> str:
        """What the token adds to a text, its space included."""
        if id_ not in self._texts:
            whole = self._decode((*self._anchor, id_))
            alone = self._decode((id_,))
            self._texts[id_] = whole[len(self._before) :] if whole.startswith(self._before) else alone
        return self._texts[id_]

    def _decode(self, ids: Sequence[int]) -> str:
        with self._lock:
            return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _prompt(self, mode: Mode, ids: Tokens) -> str | list[int]:
        if not mode.as_text:
            return list(ids)
        if mode.adds_bos and ids[:1] != (self._tokenizer.bos_token_id,):
            raise Unreadable("the server puts a BOS before every text, and the local tokenizer none before this one")
        rest = ids[1:] if mode.adds_bos else ids
        text = self._decode(rest)
        again = self.plain_ids(text)
        if again != rest:
            place = next((i for i, (a, b) in enumerate(zip(rest, again, strict=False)) if a != b), len(rest))
            raise Unreadable(
                "the prompt goes as text, and no text has these tokens: read again, "
                f"token {place + len(ids) - len(rest)} is another"
            )
        return text

    def _check_count(self, mode: Mode, ids: Tokens, reply: Reply) -> None:
        n = reply.n_prompt
        if n is not None and n != len(ids):
            raise Unreadable(f"the server counts {n} tokens in a prompt of {len(ids)}{self._bos_too(mode, ids, n)}")
        if n is None and (mode.as_text or mode.reading == "next"):
            raise Unreadable("usage.prompt_tokens is missing, so whether its tokens are the local ones cannot be told")

    def _bos_too(self, mode: Mode, ids: Tokens, n: int) -> str:
        has = ids[:1] == (self._tokenizer.bos_token_id,)
        if not mode.as_text or mode.adds_bos or n != len(ids) + 1:
            return ""
        return ": it adds a token, as if a second BOS" if has else ": it adds a token, as if a BOS, which ours has not"

    def _check_prompt(self, shown: Tokens, reply: Reply) -> None:
        if len(reply.prompt) != len(shown):
            raise Unreadable(f"it has {len(reply.prompt)} tokens where the prompt has {len(shown)}")
        found = differing(reply.prompt, shown, [self.text_of(id_) for id_ in shown])
        if found is not None:
            place, ours, theirs = found
            raise Unreadable(f"token {place} of the prompt is {ours} here and {theirs} there: another tokenizer")
        if reply.prompt[0].logprob is not None:
            raise Unreadable("its first token has a log-probability, so its numbers are not where they belong")
        missing = next((i for i, token in enumerate(reply.prompt) if i and token.logprob is None), None)
        if missing is not None:
            raise Unreadable(f"token {missing} of the prompt has no log-probability")
