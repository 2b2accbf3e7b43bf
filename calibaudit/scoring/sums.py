"""Ragged token lists as tensors, and what is read of the columns of a batch that predict them, summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from calibaudit.models.model import Model
from calibaudit.models.prefix_cache import common_length
from calibaudit.scoring.encode import Tokens

T = TypeVar("T")

LEAST_COMMON_PREFIX = 16
"""Tokens that must be common to a batch before they are run apart."""

NO_TARGET = -100


def common_prefix(contexts: Sequence[Tokens]) -> int:
    """Tokens that all contexts start with, where a pass of their own pays; each keeps a token after them."""
    n = common_length(min(contexts), max(contexts))  # what the extremes share, all share
    n = min(n, min(map(len, contexts)) - 1)
    return n if len(contexts) > 1 and n >= LEAST_COMMON_PREFIX else 0


def parts(values: Sequence[T], step: int) -> list[Sequence[T]]:
    return [values[start : start + step] for start in range(0, len(values), step)]


def pad(sequences: Sequence[Sequence[int]], width: int, filler: int, device: torch.device) -> Tensor:
    """(sequences, width), with `filler` behind the shorter ones."""
    return integers([[*sequence, *[filler] * (width - len(sequence))] for sequence in sequences], device)


def integers(values: Sequence[Any], device: torch.device) -> Tensor:
    """int64, by way of NumPy, which reads lists five times faster."""
    return torch.from_numpy(np.array(values, dtype=np.int64)).to(device)


class Span(NamedTuple):
    """Tokens to be summed: `columns` of the batch's row `row` predict them, one each."""

    row: int
    columns: Sequence[int]
    tokens: Tokens


class Summed(Protocol):
    """What can be added up: numbers, and tuples, one behind the other."""

    def __add__(self, other: Any, /) -> Any: ...


V = TypeVar("V", bound=Summed)


class Reader(Protocol[V]):
    """What is made of a batch's features where tokens are scored: log-probabilities, or what gives them later.

    The value of a continuation is the sum of its parts' values.
    """

    def each(self, features: Tensor, targets: Sequence[Sequence[int]]) -> list[list[V]]:
        """features (rows, width), each of which predicts all of its targets, ragged token ids -> a value a target."""
        ...

    def sums(self, features: Tensor, spans: Sequence[Span]) -> list[V]:
        """features (rows, columns, width) -> a value a span."""
        ...


def in_order(totals: Sequence[dict[int, V]]) -> tuple[tuple[V, ...], ...]:
    """Of each row the values of its continuations 0, 1, ..."""
    return tuple(tuple(values[c] for c in range(len(values))) for values in totals)


class Logprobs:
    """Reads log-probabilities, in nats."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def each(self, features: Tensor, targets: Sequence[Sequence[int]]) -> list[list[float]]:
        padded = pad(targets, max(map(len, targets)), NO_TARGET, features.device)
        logprobs = self._model.target_logprobs(features, padded).logprob.double().tolist()
        return [values[: len(t)] for values, t in zip(logprobs, targets, strict=True)]

    def sums(self, features: Tensor, spans: Sequence[Span]) -> list[float]:
        if not spans:
            return []
        owner, chosen, targets = scored_columns(features, spans)
        logprob = self._model.target_logprobs(chosen, targets).logprob.double()
        totals = torch.zeros(len(spans), dtype=torch.float64, device=features.device)
        return totals.index_add_(0, owner, logprob).tolist()


def scored_columns(features: Tensor, spans: Sequence[Span]) -> tuple[Tensor, Tensor, Tensor]:
    """Of every token of the spans, one behind the other: (n,) its span, (n, width) what predicts it, (n,) its id."""
    device = features.device
    lengths = integers([len(span.tokens) for span in spans], device)
    owner = torch.repeat_interleave(torch.arange(len(spans), device=device), lengths)
    rows = integers([span.row for span in spans], device)[owner]
    columns = integers([column for span in spans for column in span.columns], device)
    targets = integers([token for span in spans for token in span.tokens], device)
    return owner, features[rows, columns], targets
