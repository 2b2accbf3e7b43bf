"""Prompts -> token rows: the text a model sees, cut into contexts and continuations.

Boundaries follow lm-evaluation-harness (0.4.13): whitespace at the end of a context moves to the continuation, context
and continuation are tokenized together, the continuation is what lies beyond the context's own tokens, and what is
longer than the window loses tokens on the left. Where that rule would leave a continuation empty, because one token
spans the boundary, the shared token is scored with the continuation instead. Where a token spans the boundary at all
("healed"), the choices of an item are not scored from one place, and are encoded from a common one too, to compare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from calibaudit.errors import ModelError, TaskError
from calibaudit.scoring.prompts import Prompt

Tokens = tuple[int, ...]

Take = Callable[[int], bool]
"""Whether the row of this number is to be run."""

N_PROBE = 16
"""Texts on which a tokenizer's backend must give what the tokenizer itself gives."""

LEAST_START = 400
"""Characters that texts must start with alike before these are tokenized once for all of them."""

_LEVELS = 3
"""A start may itself have a start: choices share their item's prompt, prompts their examples."""

_LINE = re.compile(r"(?<=\n)[A-Za-z]")
_LETTER = "A"
_AROUND = 64
"""Characters on both sides of a cut that are shown to what cuts text into words."""


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
    """rows: all choices. shared: where a choice is healed, the choices again, all from the one place before the first
    token in which any of them differs from the context; their numbers go on behind the last choice's.
    """

    rows: tuple[Row, ...]
    truncated: bool
    healed: bool
    shared: tuple[Row, ...] = ()

    @property
    def n_tokens(self) -> tuple[int, ...]:
        """Scored tokens of each choice, in the order of the choices."""
        lengths = {c: len(t) for row in self.rows for c, t in zip(row.choices, row.continuations, strict=True)}
        return tuple(lengths[choice] for choice in sorted(lengths))


class Encoder:
    """Text to tokens as this tokenizer and context window want it.

    prefix_token_id: stands for an empty context (BOS, else EOS), or None. max_length: the window, in tokens.
    n_embeddings: the tokens that the model knows, fewer than the tokenizer's in some checkpoints; None: all.
    """

    def __init__(
        self, tokenizer: Any, prefix_token_id: int | None, max_length: int, n_embeddings: int | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._n_embeddings = n_embeddings
        self._prefix = prefix_token_id
        self._max_length = max_length
        self._prefix_text = "" if prefix_token_id is None else tokenizer.decode([prefix_token_id])
        self._n_suffix = _appended_tokens(tokenizer)

    def encode(self, prompts: Sequence[Prompt]) -> list[EncodedPrompt]:
        """Tokens of each prompt. Raises TaskError or ModelError naming the prompt that cannot be encoded."""
        texts: dict[bool, dict[str, Tokens]] = {True: {}, False: {}}  # with what the tokenizer puts before, without
        for prompt in prompts:
            for pair in prompt.pairs:
                context, continuation = _move_whitespace(*pair)
                found = texts[prompt.adds_special and bool(context)]
                if context:
                    found[context] = ()
                found[context + continuation] = ()
        for special, found in texts.items():
            self._fill(found, special=special)
        return [self._prompt_rows(prompt, texts) for prompt in prompts]

    def contexts(self, texts: Sequence[tuple[str, bool]], places: Sequence[str] = ()) -> list[Tokens]:
        """Tokens of each whole text, not cut to the window. With each text, whether special tokens go before it.

        places: what each text is called in an error. Raises ModelError for a token that the model does not know.
        """
        tokens: dict[bool, dict[str, Tokens]] = {True: {}, False: {}}
        for text, special in texts:
            tokens[special][text] = ()
        for special, found in tokens.items():
            self._fill(found, special=special)
        rows = [tokens[special][text] for text, special in texts]
        for where, row in zip(places, rows, strict=False):
            self._check_known(where, row)
        return rows

    def _fill(self, texts: dict[str, Tokens], *, special: bool) -> None:
        """Tokenizes all texts in at most two calls; a text that already starts with BOS gets no second one."""
        with_bos = [t for t in texts if special and not (self._prefix_text and t.startswith(self._prefix_text))]
        without = texts.keys() - set(with_bos) if special else texts.keys()
        for group, add in ((with_bos, True), (sorted(without), False)):
            if group:
                n_suffix = self._n_suffix if add else 0
                for text, ids in zip(group, self._ids(group, add), strict=True):
                    texts[text] = tuple(ids[:-n_suffix] if n_suffix else ids)

    def _ids(self, group: Sequence[str], add_special_tokens: bool) -> list[list[int]]:
        """A fast tokenizer's backend skips the offsets that nobody here reads, in half the time. Some texts go both
        ways: that sets the backend up (no truncation, no padding), and shows that nothing else stands between."""
        backend: Any = getattr(self._tokenizer, "backend_tokenizer", None)
        if hasattr(backend, "encode_batch_fast"):
            expected = self._plain_ids(group[:N_PROBE], add_special_tokens)
            for levels in dict.fromkeys((_LEVELS if self._cuts_at_lines(backend) else 0, 0)):
                ids = _fast_ids(backend, group, add_special_tokens, levels)
                if ids[:N_PROBE] == expected:
                    return ids
        return self._plain_ids(group, add_special_tokens)

    def _cuts_at_lines(self, backend: Any) -> bool:
        """Whether a text's tokens are those of its start and of its rest, where a word begins with a new line.

        So it is where words are cut apart first and merged from characters each on its own: byte-level BPE, of which
        no normalizer and no added token reaches over a line's end.
        """
        normalizer, words = type(backend.normalizer).__name__, backend.pre_tokenizer
        return (
            type(backend.model).__name__ == "BPE"
            and words is not None
            and normalizer in ("NoneType", "NFC")
            and not self._n_suffix
            and not any("\n" in added.content for added in backend.get_added_tokens_decoder().values())
        )

    def _plain_ids(self, group: Sequence[str], add_special_tokens: bool) -> list[list[int]]:
        encoded = self._tokenizer(
            list(group), add_special_tokens=add_special_tokens, return_attention_mask=False, verbose=False
        )
        return list(encoded["input_ids"])

    def _prompt_rows(self, prompt: Prompt, texts: dict[bool, dict[str, Tokens]]) -> EncodedPrompt:
        cuts: list[tuple[Tokens, Tokens]] = []
        wholes: list[tuple[Tokens, int]] = []
        healed = False
        for choice, pair in enumerate(prompt.pairs):
            context, continuation = _move_whitespace(*pair)
            found = texts[prompt.adds_special and bool(context)]
            whole, given = found[context + continuation], found[context] if context else ()
            common = _common(given, whole)
            healed |= common < len(given)
            wholes.append((whole, common))
            cut = len(given) if len(whole) > len(given) else common
            start, tokens = given[:cut], whole[cut:]
            if not start and tokens:
                start, tokens = self._from_prefix(tokens, prompt.where)
            if not tokens:
                raise TaskError(
                    f"{prompt.where}: choice {choice} ({continuation!r}) is not a token of its own in this tokenizer"
                )
            cuts.append((start, tokens))
        rows, truncated = self._rows(cuts, prompt.where, 0)
        shared: tuple[Row, ...] = ()
        if healed:
            first = min(n for _, n in wholes)
            first = min([first, *(_common(wholes[0][0][:first], whole) for whole, _ in wholes)])
            again = [(whole[:first], whole[first:]) for whole, _ in wholes]
            if not first:
                again = [self._from_prefix(whole, prompt.where) for _, whole in again]
            shared, _ = self._rows(again, prompt.where, len(cuts))
        return EncodedPrompt(rows, truncated, healed, shared)

    def _rows(self, cuts: Sequence[tuple[Tokens, Tokens]], where: str, n_before: int) -> tuple[tuple[Row, ...], bool]:
        """Choices of one context in one row, and whether a context lost tokens. n_before: the first choice's number."""
        by_context: dict[Tokens, tuple[list[Tokens], list[int]]] = {}
        truncated = False
        for choice, (start, tokens) in enumerate(cuts):
            room = self._max_length + 1 - len(tokens)
            if room < 1:
                raise TaskError(
                    f"{where}: choice {choice} has {len(tokens)} tokens, "
                    f"more than the model's window of {self._max_length}"
                )
            truncated |= len(start) > room
            if start[-room:] not in by_context:
                self._check_known(where, start[-room:])
            self._check_known(where, tokens)
            continuations, choices = by_context.setdefault(start[-room:], ([], []))
            continuations.append(tokens)
            choices.append(n_before + choice)
        return tuple(Row(start, tuple(conts), tuple(ids)) for start, (conts, ids) in by_context.items()), truncated

    def _check_known(self, where: str, tokens: Tokens) -> None:
        if self._n_embeddings is None or max(tokens, default=0) < self._n_embeddings:
            return
        token = max(tokens)
        raise ModelError(
            f"{where}: token {self._tokenizer.convert_ids_to_tokens(token)!r} (id {token}) is outside the model's "
            f"{self._n_embeddings:,} embeddings: its tokenizer has more tokens than it; use the tokenizer that it was "
            "trained with"
        )

    def _from_prefix(self, tokens: Tokens, where: str) -> tuple[Tokens, Tokens]:
        if self._prefix is None:
            raise ModelError(
                f"{where}: the context is empty and the tokenizer has neither a BOS nor an EOS token to stand for it"
            )
        if tokens[0] == self._prefix:
            return tokens[:1], tokens[1:]
        return (self._prefix,), tokens


def encoded_blocks(
    encoder: Encoder, prompts: Sequence[Prompt], first: int, most: int
) -> Iterator[tuple[int, list[EncodedPrompt]]]:
    """Where each block of prompts starts, and their tokens: the next block is tokenized while this one is scored.

    Blocks grow from `first` prompts to `most`, so that scoring begins at once. Raises as `Encoder.encode`, at the block
    that holds the prompt.
    """
    stop = min(first, len(prompts))
    with ThreadPoolExecutor(1, "tokenizing") as pool:
        block, start = pool.submit(encoder.encode, prompts[:stop]), 0
        while start < len(prompts):
            encoded = block.result()
            after = min(len(prompts), stop + min(most, 3 * stop))
            block = pool.submit(encoder.encode, prompts[stop:after])
            yield start, encoded
            start, stop = stop, after


def _move_whitespace(context: str, continuation: str) -> tuple[str, str]:
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation


def _common(a: Tokens | str, b: Tokens | str) -> int:
    """Length of the longest common prefix; mostly all of a. By halves: slices compare faster than a loop does."""
    low, high = 0, min(len(a), len(b))
    middle = high
    while low < high:
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
        middle = (low + high + 1) // 2
    return low


def _fast_ids(backend: Any, texts: Sequence[str], add_special_tokens: bool, levels: int) -> list[list[int]]:
    """Each text's tokens. levels: how often texts may be cut into a start, which many have, and their own rest."""
    cuts = _starts(backend, texts) if levels else {}
    starts = list(dict.fromkeys(text[:cut] for text, cut in cuts.items()))
    found: dict[str, list[int]] = {}
    if starts:  # a letter behind each: spaces at the end of a text are cut otherwise than before a word
        n_letter = len(backend.encode(_LETTER, add_special_tokens=False).ids)
        ids = _fast_ids(backend, [start + _LETTER for start in starts], add_special_tokens, levels - 1)
        found = {start: tokens[:-n_letter] for start, tokens in zip(starts, ids, strict=True)}
    whole = [text for text in texts if text not in cuts]
    rests = [text[cuts[text] :] for text in texts if text in cuts]
    alone = iter(backend.encode_batch_fast(whole, add_special_tokens=add_special_tokens))
    behind = iter(backend.encode_batch_fast(rests, add_special_tokens=False))
    return [found[text[: cuts[text]]] + next(behind).ids if text in cuts else next(alone).ids for text in texts]


def _starts(backend: Any, texts: Sequence[str]) -> dict[str, int]:
    """Where texts that start alike are cut: at the last line of what two neighbours share that begins with a letter."""
    order, cuts, start = sorted(texts), {}, ""
    for text, after in zip(order, [*order[1:], ""], strict=True):
        if not (start and text.startswith(start)):
            start = ""
            if (common := _common(text, after)) >= LEAST_START:
                lines = [line.start() for line in _LINE.finditer(text, 0, common)]
                cut = lines[-1] if lines else 0
                if cut >= LEAST_START and _begins_a_word(backend, text, cut):
                    start = text[:cut]
        if start:
            cuts[text] = len(start)
    return cuts


def _begins_a_word(backend: Any, text: str, cut: int) -> bool:
    before = text[max(0, cut - _AROUND) : cut]
    words = backend.pre_tokenizer.pre_tokenize_str(before + text[cut : cut + _AROUND])
    return any(place[0] == len(before) for _, place in words)


def _appended_tokens(tokenizer: Any) -> int:
    """How many special tokens (EOS, say) the tokenizer puts *after* a text, cutting it from its continuation."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    special = tokenizer("a", add_special_tokens=True)["input_ids"]
    for n in range(1, len(special) - len(plain) + 1):
        if special[len(special) - n - len(plain) : len(special) - n] == plain:
            return n
    return 0
