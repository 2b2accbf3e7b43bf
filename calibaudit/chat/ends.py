"""What a model has to write to end its turn, read off the text that a template puts behind an answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any


def stop_texts(tokenizer: Any, stop_ids: Sequence[int] = ()) -> frozenset[str]:
    """The tokens that generation stops at, as text: the tokenizer's EOS and what the checkpoint's files name."""
    ids = {*stop_ids, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])}
    return frozenset(filter(None, (tokenizer.convert_ids_to_tokens(i) for i in ids if i >= 0)))


def added_texts(tokenizer: Any) -> tuple[str, ...]:
    """The tokens that stand apart from a tokenizer's ordinary ones, the longest first."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values()} | set(tokenizer.all_special_tokens)
    return tuple(sorted(filter(None, added), key=len, reverse=True))


def end_mark(tail: str, added: Sequence[str], stops: Collection[str]) -> str | None:
    """What of the text behind an answer ends the turn: the added tokens up to the first one that stops generation.

    Where none of those that follow at once stops it, the first of them (a turn's mark that its last turn has otherwise,
    as with gpt-oss). None where no added token follows.
    """
    position, first = 0, None
    while True:
        position += len(tail[position:]) - len(tail[position:].lstrip())
        token = next((token for token in added if tail.startswith(token, position)), None)
        if token is None:
            return None if first is None else tail[:first]
        position += len(token)
        first = first or position
        if token in stops:
            return tail[:position]
