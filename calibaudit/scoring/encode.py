"""Items -> token rows: the text a model sees, cut into contexts and continuations.

Boundaries follow lm-evaluation-harness (0.4.13): whitespace at the end of a context moves to the continuation, context
and continuation are tokenized together, the continuation is what lies beyond the context's own tokens, and what is
longer than the window loses tokens on the left. Where that rule would leave a continuation empty, because one token
spans the boundary, the shared token is scored with the continuation instead ("healed").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from calibaudit.errors import ModelError, TaskError
from calibaudit.tasks.items import Item

Tokens = tuple[int, ...]

N_PROBE = 16
"""Texts on which a tokenizer's backend must give what the tokenizer itself gives."""


@dataclass(frozen=True)
class Prompt:
    """The (context, continuation) texts of one item, one pair a choice. where: how errors name it."""

    where: str
    pairs: tuple[tuple[str, str], ...]

    @cached_property
    def key(self) -> str:
        """sha256 (hex) of the texts: equal keys see equal text, whatever task or template they came from."""
        return hashlib.sha256(json.dumps(self.pairs, ensure_ascii=True).encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """One context and the continuations scored after it. choices: which choice of the prompt each one is."""

    context: Tokens
    continuations: tuple[Tokens, ...]
    choices: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens of the context and the longest continuation."""
        return len(self.context) + max(map(len, self.continuations))


@dataclass(frozen=True)
class EncodedPrompt:
    rows: tuple[Row, ...]
    truncated: bool
    healed: bool

    @property
    def n_tokens(self) -> tuple[int, ...]:
        """Scored tokens of each choice, in the order of the choices."""
        lengths = {c: len(t) for row in self.rows for c, t in zip(row.choices, row.continuations, strict=True)}
        return tuple(lengths[choice] for choice in sorted(lengths))


def plain_prompt(item: Item, where: str) -> Prompt:
    """The item as running text: system, context, delimiter, choice."""
    leads = item.leads or ("",) * len(item.choices)
    return Prompt(
        where,
        tuple(
            (item.system + item.context + lead, item.delimiter + choice)
            for lead, choice in zip(leads, item.choices, strict=True)
        ),
    )


def chat_prompt(item: Item, tokenizer: Any, where: str) -> Prompt:
    """The item inside the tokenizer's chat template: a system turn, a user turn, and the start of the answer.

    No delimiter stands before a choice: the template ends where the answer begins. A template that takes no system
    turn gets its text at the head of the user turn. Raises ModelError when the template fails or loses the prompt.
    """
    leads = item.leads or ("",) * len(item.choices)
    contexts = {lead: _chat_context(item.system, item.context + lead, tokenizer, where) for lead in set(leads)}
    return Prompt(where, tuple((contexts[lead], choice) for lead, choice in zip(leads, item.choices, strict=True)))


def _chat_context(system: str, user: str, tokenizer: Any, where: str) -> str:
    from jinja2 import TemplateError

    merged = [{"role": "user", "content": system + user}]
    attempts = [merged]
    if system:
        attempts.insert(0, [{"role": "system", "content": system}, {"role": "user", "content": user}])
    fault = ""
    for messages in attempts:
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except (TemplateError, ValueError) as error:
            fault = str(error)
            continue
        # Templates may trim a turn, but a template that drops one would be audited on another question.
        if all(message["content"].strip() in text for message in messages):
            return str(text)
        fault = "the rendered text lacks the prompt"
    raise ModelError(f"{where}: the tokenizer's chat template cannot be used ({fault}); try --chat-template off")


def unconditional_prompt(item: Item, where: str, *, chat: bool) -> Prompt:
    """Each choice on its own, for the pmi scoring."""
    delimiter = "" if chat else item.delimiter
    return Prompt(where, tuple(("", delimiter + choice) for choice in item.choices))


class Encoder:
    """Text to tokens as this tokenizer and context window want it.

    prefix_token_id: stands for an empty context (BOS, else EOS), or None. max_length: the window, in tokens.
    """

    def __init__(self, tokenizer: Any, prefix_token_id: int | None, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._prefix = prefix_token_id
        self._max_length = max_length
        self._prefix_text = "" if prefix_token_id is None else tokenizer.decode([prefix_token_id])
        self._n_suffix = _appended_tokens(tokenizer)

    def encode(self, prompts: Sequence[Prompt]) -> list[EncodedPrompt]:
        """Tokens of each prompt. Raises TaskError or ModelError naming the prompt that cannot be encoded."""
        texts: dict[str, Tokens] = {}
        bare: dict[str, Tokens] = {}
        for prompt in prompts:
            for pair in prompt.pairs:
                context, continuation = _move_whitespace(*pair)
                if context:
                    texts[context] = texts[context + continuation] = ()
                else:
                    bare[continuation] = ()
        self._fill(texts, special=True)
        self._fill(bare, special=False)
        return [self._prompt_rows(prompt, texts, bare) for prompt in prompts]

    def contexts(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of each whole text, with BOS in front as before any context; not cut to the window."""
        tokens: dict[str, Tokens] = dict.fromkeys(texts, ())
        self._fill(tokens, special=True)
        return [tokens[text] for text in texts]

    def _fill(self, texts: dict[str, Tokens], *, special: bool) -> None:
        """Tokenizes all texts in at most two calls; a text that already starts with BOS gets no second one."""
        with_bos = [t for t in texts if special and not (self._prefix_text and t.startswith(self._prefix_text))]
        without = texts.keys() - set(with_bos) if special else texts.keys()
        for group, add in ((with_bos, True), (sorted(without), False)):
            if group:
                cut = -self._n_suffix if add and self._n_suffix else None
                for text, ids in zip(group, self._ids(group, add), strict=True):
                    texts[text] = tuple(ids[:cut])

    def _ids(self, group: Sequence[str], add_special_tokens: bool) -> list[list[int]]:
        """A fast tokenizer's backend skips the offsets that nobody here reads, in half the time. Some texts go both
        ways: that sets the backend up (no truncation, no padding), and shows that nothing else stands between."""
        backend: Any = getattr(self._tokenizer, "backend_tokenizer", None)
        if hasattr(backend, "encode_batch_fast"):
            expected = self._plain_ids(group[:N_PROBE], add_special_tokens)
            ids = [encoding.ids for encoding in backend.encode_batch_fast(group, add_special_tokens=add_special_tokens)]
            if ids[:N_PROBE] == expected:
                return ids
        return self._plain_ids(group, add_special_tokens)

    def _plain_ids(self, group: Sequence[str], add_special_tokens: bool) -> list[list[int]]:
        encoded = self._tokenizer(
            list(group), add_special_tokens=add_special_tokens, return_attention_mask=False, verbose=False
        )
        return list(encoded["input_ids"])

    def _prompt_rows(self, prompt: Prompt, texts: dict[str, Tokens], bare: dict[str, Tokens]) -> EncodedPrompt:
        by_context: dict[Tokens, tuple[list[Tokens], list[int]]] = {}
        truncated = healed = False
        for choice, pair in enumerate(prompt.pairs):
            context, continuation = _move_whitespace(*pair)
            if context:
                start, whole = texts[context], texts[context + continuation]
                boundary = len(start)
                if len(whole) <= boundary:
                    boundary = _common(start, whole)
                    start, healed = whole[:boundary], True
                tokens = whole[boundary:]
            else:
                start, tokens = (), bare[continuation]
            if not start and tokens:
                start, tokens = self._from_prefix(tokens, prompt.where)
            if not tokens:
                raise TaskError(
                    f"{prompt.where}: choice {choice} ({continuation!r}) is no token of its own for this tokenizer"
                )
            room = self._max_length + 1 - len(tokens)
            if room < 1:
                raise TaskError(
                    f"{prompt.where}: choice {choice} has {len(tokens)} tokens, "
                    f"more than the model's window of {self._max_length}"
                )
            truncated |= len(start) > room
            continuations, choices = by_context.setdefault(start[-room:], ([], []))
            continuations.append(tokens)
            choices.append(choice)
        rows = tuple(Row(start, tuple(conts), tuple(choices)) for start, (conts, choices) in by_context.items())
        return EncodedPrompt(rows, truncated, healed)

    def _from_prefix(self, tokens: Tokens, where: str) -> tuple[Tokens, Tokens]:
        if self._prefix is None:
            raise ModelError(
                f"{where}: the context is empty and the tokenizer has neither a BOS nor an EOS token to stand for it"
            )
        if tokens[0] == self._prefix:
            return tokens[:1], tokens[1:]
        return (self._prefix,), tokens


def _move_whitespace(context: str, continuation: str) -> tuple[str, str]:
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation


def _common(a: Tokens, b: Tokens) -> int:
    """Length of the longest common prefix."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _appended_tokens(tokenizer: Any) -> int:
    """How many special tokens (EOS, say) the tokenizer puts *after* a text, cutting it from its continuation."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    special = tokenizer("a", add_special_tokens=True)["input_ids"]
    for n in range(1, len(special) - len(plain) + 1):
        if special[len(special) - n - len(plain) : len(special) - n] == plain:
            return n
    return 0
