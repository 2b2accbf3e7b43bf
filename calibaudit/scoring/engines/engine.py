"""What scores token rows: a network in this process, or another program that runs it.

`score` knows only this: what it is told about the model, the tokenizer whose rows it makes, and `score_rows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Protocol, cast

from calibaudit.errors import ModelError, told
from calibaudit.scores.scores import ModelInfo
from calibaudit.scoring.cache import ItemCache
from calibaudit.scoring.encode import Row, Take
from calibaudit.scoring.engines.versions import versions_of
from calibaudit.tasks.items import Task

if TYPE_CHECKING:
    from calibaudit.models.model import Model


@dataclass(frozen=True)
class RowResults:
    """Rows that are done.

    indices: positions in the list of rows. logprobs: of each, every continuation's log-probability, nats.
    bounded: of each, positions of the continuations whose number is not their log-probability, but one that it does
    not exceed; empty where all are their own, as in an empty `bounded`.
    """

    indices: tuple[int, ...]
    logprobs: tuple[tuple[float, ...], ...]
    bounded: tuple[tuple[int, ...], ...] = ()


class Engine(Protocol):
    """tokenizer: of the model. max_length: window, tokens. prefix_token_id: what stands for an empty context.

    n_embeddings: the tokens that the model knows; None where nothing says that it lacks some of the tokenizer's.
    """

    @property
    def info(self) -> ModelInfo: ...

    @property
    def tokenizer(self) -> Any: ...

    @property
    def max_length(self) -> int: ...

    @property
    def prefix_token_id(self) -> int | None: ...

    @property
    def n_embeddings(self) -> int | None: ...

    @property
    def n_ranks(self) -> int:
        """Processes that run one copy of the model together, and score the same rows; see `models.distributed`."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """What a kept log-probability depends on besides the text; the text is the key."""
        ...

    def check_task(self, task: Task) -> None:
        """Raises ModelError where the engine cannot give what the task's scoring needs."""
        ...

    def check_kept(self, cache: ItemCache) -> None:
        """Raises ModelError where what is kept cannot be this model's."""
        ...

    def score_rows(self, rows: Sequence[Row], names: Sequence[str], take: Take | None = None) -> Iterator[RowResults]:
        """The rows' log-probabilities, as they are done, in any order. names: how an error names each row. take: asked
        of a row before it is run, perhaps more than once; one that is not taken is left out."""
        ...


class InProcess:
    """A Model run here. batch_size: rows a forward pass, None for as many as fit."""

    def __init__(self, model: Model, batch_size: int | None = None) -> None:
        from calibaudit.scoring.batches import batch_size_for

        self._model = model
        self._size = batch_size_for(model, batch_size)
        self.info = model.info
        self.tokenizer = model.tokenizer
        self.max_length = model.max_length
        self.prefix_token_id = model.prefix_token_id
        self.n_embeddings: int | None = model.n_embeddings
        self.n_ranks = model.n_ranks

    def settings(self) -> dict[str, Any]:
        settings = {
            "revision": self.info.revision,
            "dtype": self.info.dtype,
            "device": self._model.device.type,
            "head": self.info.head,
            "max_length": self.max_length,
            "versions": versions_of(self.info),
        }
        return settings if self.n_ranks == 1 else {**settings, "split over": self.n_ranks}

    def check_task(self, task: Task) -> None:
        pass

    def check_kept(self, cache: ItemCache) -> None:
        pass

    def score_rows(self, rows: Sequence[Row], names: Sequence[str], take: Take | None = None) -> Iterator[RowResults]:
        from calibaudit.scoring.batches import score_rows

        for batch in score_rows(self._model, rows, self._size, names, take):
            yield RowResults(batch.indices, batch.logprobs)


def engine_of(model: Model | Engine, batch_size: int | None) -> Engine:
    """A Model as an engine; an engine as it is, and then batch_size says nothing. Raises ModelError for a name, or a
    batch_size that is no whole number from 1.
    """
    given: Any = batch_size
    if given is not None and (not isinstance(given, Integral) or given is True or given < 1):
        way = "give a whole number of rows from 1, or None for as many as fit"
        raise ModelError(f"batch_size is {told(batch_size)}; {way}")
    if isinstance(model, str):
        raise ModelError(f"{model!r:.80} is a name; expected a model: use load_model({model!r:.80})")
    if hasattr(model, "score_rows"):
        return cast("Engine", model)
    return InProcess(model, batch_size)
