"""Ragged token lists as tensors, and what is read of the columns of a batch that predict them, summed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

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

ROWS_MULTIPLE = {"cuda": 16}
"""Rows that the head is given: Triton compiles its kernels once for such counts and once more for all others."""


def common_prefix(contexts: Sequence[Tokens]) -> int:
    """Tokens that all contexts start with, where a pass of their own pays; each keeps a token after them."""
    n = common_length(min(contexts), max(contexts))  # what the extremes share, all share
    n = min(n, min(map(len, contexts)) - 1)
    return n if len(contexts) > 1 and n >= LEAST_COMMON_PREFIX else 0


Late = Callable[[], T]
"""What the device computes now, and the host waits for when it calls."""


def fetched(tensor: Tensor) -> Late[Any]:
    """The tensor's values as `tolist` gives them. A GPU copies them in its turn, and goes on meanwhile."""
    if tensor.device.type != "cuda":
        values = tensor.tolist()
        return lambda: values
    host = tensor.to("cpu", non_blocking=True)
    done = torch.cuda.Event()  # type: ignore[no-untyped-call]
    done.record(torch.cuda.current_stream(tensor.device))

    def wait() -> Any:
        done.synchronize()
        return host.tolist()

    return wait


def parts(values: Sequence[T], step: int) -> list[Sequence[T]]:
    return [values[start : start + step] for start in range(0, len(values), step)]


def pad(sequences: Sequence[Sequence[int]], width: int, filler: int, device: torch.device) -> Tensor:
    """(sequences, width), with `filler` behind the shorter ones."""
    return integers([[*sequence, *[filler] * (width - len(sequence))] for sequence in sequences], device)


def integers(values: Sequence[Any], device: torch.device) -> Tensor:
    """int64, by way of NumPy, which reads lists five times faster. The host does not wait for a GPU that works."""
    made = torch.from_numpy(np.array(values, dtype=np.int64))
    return made.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else made.to(device)


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

    The value of a continuation is the sum of its parts' values. Values are late, so that the host can prepare the next
    batch while the device computes them.
    """

    def each(self, features: Tensor, targets: Sequence[Sequence[int]]) -> Late[list[list[V]]]:
        """features (rows, width), each of which predicts all of its targets, ragged token ids -> a value a target."""
        ...

    def sums(self, features: Tensor, spans: Sequence[Span]) -> Late[list[V]]:
        """features (rows, columns, width) -> a value a span."""
        ...


Found = Late[tuple[tuple[V, ...], ...]]
"""Of each row of a batch the values of its continuations 0, 1, ..."""


class Totals(Generic[V]):
    """Adds up the values of a batch's continuations, once they are there."""

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows
        self._waiting: list[tuple[Sequence[tuple[int, int]], Late[list[V]]]] = []

    def add(self, owners: Sequence[tuple[int, int]], values: Late[list[V]]) -> None:
        """owners: (row, continuation) of each value."""
        self._waiting.append((owners, values))

    def add_each(self, owners: Sequence[tuple[int, int]], values: Late[list[list[V]]]) -> None:
        """As `add`, of values list after list."""
        self.add(owners, lambda: [value for row in values() for value in row])

    def __call__(self) -> tuple[tuple[V, ...], ...]:
        totals: list[dict[int, V]] = [{} for _ in range(self._n_rows)]
        for owners, values in self._waiting:
            for (r, c), value in zip(owners, values(), strict=True):
                totals[r][c] = totals[r][c] + value if c in totals[r] else value
        return tuple(tuple(values[c] for c in range(len(values))) for values in totals)


class Logprobs:
    """Reads log-probabilities, in nats."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def each(self, features: Tensor, targets: Sequence[Sequence[int]]) -> Late[list[list[float]]]:
        padded = pad(targets, max(map(len, targets)), NO_TARGET, features.device)
        logprobs = fetched(self._model.target_logprobs(features, padded, known=True).logprob.double())
        return lambda: [values[: len(t)] for values, t in zip(logprobs(), targets, strict=True)]

    def sums(self, features: Tensor, spans: Sequence[Span]) -> Late[list[float]]:
        if not spans:
            return list
        owner, chosen, targets = scored_columns(features, spans, ROWS_MULTIPLE.get(features.device.type, 1))
        logprob = self._model.target_logprobs(chosen, targets, known=True).logprob.double()
        totals = torch.zeros(len(spans), dtype=torch.float64, device=features.device)
        return fetched(totals.index_add_(0, owner, logprob))


def scored_columns(features: Tensor, spans: Sequence[Span], multiple: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Of every token of the spans, one behind the other: (n,) its span, (n, width) what predicts it, (n,) its id.

    Up to a multiple of so many, the last span's first column is repeated, without a token.
    """
    lengths = [len(span.tokens) for span in spans]
    n_more = -sum(lengths) % multiple
    lengths[-1] += n_more
    places = np.repeat(np.array([(s, span.row) for s, span in enumerate(spans)], dtype=np.int64), lengths, axis=0)
    columns = [column for span in spans for column in span.columns] + [spans[-1].columns[0]] * n_more
    targets = [token for span in spans for token in span.tokens] + [NO_TARGET] * n_more
    owner, rows, columns, targets = integers([*places.T, columns, targets], features.device)
    return owner, features[rows, columns], targets
