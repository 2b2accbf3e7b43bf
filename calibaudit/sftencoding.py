"""Tuning rows -> token ids and labels: the assistant's tokens only, checked token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calibaudit.sftrows import Row


@dataclass(frozen=True)
class Example:
    """One row's tokens. labels: at each position its own id where it is learned (not shifted), else -100."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Encoded:
    """The examples that can be trained on, in the rows' order.

    n_truncated: examples cut on the right to max_length. n_without_target: rows with nothing left to learn after the
    cut, or none to begin with; not among the examples. faults: one line for each row that is not. template: whether
    the tokenizer's chat template was used.
    """

    examples: tuple[Example, ...]
    n_truncated: int
    n_without_target: int
    faults: tuple[str, ...]
    template: bool


def encode_rows(rows: Sequence[Row], tokenizer: Any, max_length: int) -> Encoded:
    """Tokens and labels of each row."""
    raise NotImplementedError
