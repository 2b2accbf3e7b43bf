"""Token rows -> log-probabilities: widest first, a context run once, only the positions that count at the head."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, takewhile
from typing import Any, Literal

import torch

from calibaudit.errors import ModelError
from calibaudit.models.devices import is_out_of_memory
from calibaudit.models.model import Model
from calibaudit.scoring.copying import copied, whole
from calibaudit.scoring.encode import Row, Take
from calibaudit.scoring.packing import Planted, packed, pieces_of, plant, run_planted
from calibaudit.scoring.sums import Found, Logprobs, Reader, V

Path = Literal["forest", "packed", "copied", "whole"]

logger = logging.getLogger(__name__)

TOKENS_PER_BATCH = {"cpu": 2_048, "cuda": 65_536}
"""What `--batch-size auto` starts from, padding included; halved whenever memory runs out."""

TOKENS_PER_FOREST = 32_768
"""The same for a forest, which has no padding. More tokens are not faster, and fewer leave less to do meanwhile."""


class BatchSize:
    """How many rows of a given length go into one batch: a fixed count, or as many as a token budget holds.

    rows: a fixed count, or None for `auto`. tokens: the budget of `auto`; of a forest, at most TOKENS_PER_FOREST.
    """

    def __init__(self, rows: int | None, tokens: int) -> None:
        self._rows = rows
        self._tokens = tokens
        self._forest = min(tokens, TOKENS_PER_FOREST)

    def rows_of(self, length: int) -> int:
        """Rows of `length` tokens that one batch takes, at least 1."""
        return self._rows if self._rows is not None else max(1, self._tokens // length)

    def fits(self, n_rows: int, n_tokens: int) -> bool:
        """Whether a forest may have so many rows and tokens."""
        return n_rows <= self._rows if self._rows is not None else n_tokens <= self._forest

    def halve_forest(self, n_rows: int, n_tokens: int) -> None:
        """After memory ran out on a forest of more than one row: from now on half of it."""
        if self._rows is None:
            self._forest = min(self._forest, n_tokens) // 2
        else:
            self._rows = max(1, n_rows // 2)

    def halve(self, length: int) -> None:
        """After memory ran out on rows of `length` tokens: from now on half as many."""
        half = max(1, self.rows_of(length) // 2)
        if self._rows is None:
            self._tokens = half * length
        else:
            self._rows = half


def batch_size_for(model: Model, rows: int | None) -> BatchSize:
    """`rows` a batch; None: by tokens, as the device holds."""
    budget = TOKENS_PER_BATCH.get(model.device.type, TOKENS_PER_BATCH["cpu"])
    return BatchSize(rows, min(budget, model.max_tokens or budget))


@dataclass(frozen=True)
class Batch:
    """Positions in the list of rows, and for each the log-probability of every continuation, nats."""

    indices: tuple[int, ...]
    logprobs: tuple[tuple[float, ...], ...]


def score_rows(
    model: Model, rows: Sequence[Row], size: BatchSize, names: Sequence[str], take: Take | None = None
) -> Iterator[Batch]:
    """The rows' log-probabilities, a batch at a time; see `read_rows`."""
    for indices, logprobs in read_rows(model, rows, size, names, Logprobs(model), take):
        yield Batch(indices, logprobs)


def read_rows(
    model: Model,
    rows: Sequence[Row],
    size: BatchSize,
    names: Sequence[str],
    reader: Reader[V],
    take: Take | None = None,
) -> Iterator[tuple[tuple[int, ...], tuple[tuple[V, ...], ...]]]:
    """What the reader makes of the rows, a batch at a time, widest rows first so that a lack of memory shows at once.

    names: how an error names each row. take: asked of each row when its batch is made up; one that is not taken is left
    out. Yields positions in the list of rows, and for each a value a continuation.
    Raises ModelError when one row alone does not fit in memory.
    """
    kinds = [(rope_side(model, row), path(model, row)) for row in rows]
    pieces = [pieces_of(model, row, r) if kinds[r][1] == "packed" else [] for r, row in enumerate(rows)]
    widths = [max((piece.width for piece in parts), default=rows[r].length - 1) for r, parts in enumerate(pieces)]
    _tell_what_runs_whole(model, rows, kinds)

    def place(i: int) -> tuple[Any, ...]:  # contexts of one length run together where they are copied
        by_length = {"copied": len(rows[i].context), "forest": 0}.get(kinds[i][1], widths[i])
        return (*kinds[i], by_length, rows[i].context, i)

    order = sorted(range(len(rows)), key=place, reverse=True)
    start = 0

    def offered() -> Iterator[int]:  # rows of one kind, the next ones in order
        kind = kinds[order[start]]
        for i in takewhile(lambda i: kinds[i] == kind, islice(order, start, None)):
            if take is None or take(i):
                chosen_from.append(i)
                yield i

    chosen_from: list[int] = []
    before: tuple[tuple[int, ...], Found[V]] | None = None  # while a batch is computed the next one is prepared
    while start < len(order):
        if take is not None and not take(order[start]):
            start += 1
            continue
        kind, rows_of, same = kinds[order[start]], size.rows_of, offered()
        chosen_from.clear()
        try:
            with torch.inference_mode():
                if kind[1] == "forest":
                    planted = plant((rows[i] for i in same), size.fits)
                    indices = tuple(chosen_from[: len(planted.rows)])
                    found = run_planted(model, planted, reader)
                else:
                    if kind[1] == "copied":
                        rows_of = partial(_at_most, model.max_copies, size.rows_of)
                    candidates = list(islice(same, rows_of(widths[order[start]])))
                    width = max(widths[i] for i in candidates)
                    indices = tuple(candidates[: rows_of(width)])
                    batch = [rows[i] for i in indices]
                    if kind[1] == "packed":
                        chosen = [piece._replace(row=r) for r, i in enumerate(indices) for piece in pieces[i]]
                        found = packed(model, batch, chosen, rows_of, reader)
                    else:
                        found = (copied if kind[1] == "copied" else whole)(model, batch, rows_of, reader)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if kind[1] == "forest":
                make_room_for_forest(model, size, planted, names[indices[0]], error)
            else:
                make_room(model, size, width, names[indices[0]], error)
            continue
        if before is not None:
            yield before[0], before[1]()
        before = (indices, found)
        if not is_late(model):
            yield before[0], before[1]()
            before = None
        start = order.index(indices[-1], start) + 1  # those between that were not taken are left out
    if before is not None:
        yield before[0], before[1]()


def is_late(model: Model) -> bool:
    """Whether a batch's values are read while the next one is computed: a CPU has no time to prepare that meanwhile."""
    return model.device.type == "cuda"


def _at_most(limit: int, rows_of: Callable[[int], int], length: int) -> int:
    return min(limit, rows_of(length))


def path(model: Model, row: Row) -> Path:
    """`forest`: the context runs once, without padding, and what it starts with once for several rows. `packed`: once,
    its continuations side by side behind it. `copied`: once, each continuation behind a copy of its cache. `whole`:
    once with each continuation."""
    side = rope_side(model, row)
    if side != 1 and row.length - 1 <= model.forest_length:
        return "forest"
    if model.shares_prefix and side != 1 and row.length - 1 <= model.max_packed_length:
        return "packed"
    return "copied" if model.copies_cache and side == 0 else "whole"


def rope_side(model: Model, row: Row) -> int:
    """Where LongRoPE changes its factors: 0 for rows below that length, 2 for contexts above it, 1 across it."""
    if model.rope_switch is None or row.length - 1 <= model.rope_switch:
        return 0
    return 2 if len(row.context) > model.rope_switch else 1


def _tell_what_runs_whole(model: Model, rows: Sequence[Row], kinds: Sequence[tuple[int, Path]]) -> None:
    """Of a network that shares contexts, the rows that cannot, where it costs; loading tells of one that never does."""
    if not (model.forest_length or model.shares_prefix or model.copies_cache):
        return
    whole_rows = [
        (side, row)
        for (side, kind), row in zip(kinds, rows, strict=True)
        if kind == "whole" and len({tokens[:-1] for tokens in row.continuations}) > 1
    ]
    for crossing, why in (
        (False, f"they are longer than the model's window of {model.sliding_window} tokens"),
        (True, f"they are longer than {model.rope_switch} tokens, where the model's rotary factors change"),
    ):
        if n := sum((side > 0) == crossing for side, _ in whole_rows):
            logger.warning("%d of %d rows ran whole, once a choice, which is slower: %s", n, len(rows), why)


def make_room(model: Model, size: BatchSize, length: int, name: str, error: BaseException) -> None:
    """After memory ran out on rows of `length` tokens: fewer a batch. Raises ModelError, naming `name`, at one row."""
    n_rows = size.rows_of(length)
    if model.n_ranks > 1:
        raise ModelError(
            f"{name}: out of memory with {n_rows} rows of {length} tokens on {model.device}: processes that share a "
            "model cannot try again with fewer; give --batch-size, or split it over more (--parallel tensor:N)"
        ) from error
    if n_rows == 1:
        raise ModelError(
            f"{name}: {length} tokens do not fit in memory even alone on {model.device}; "
            "try --dtype bfloat16, fewer shots (--num-fewshot) or a device with more memory"
        ) from error
    size.halve(length)
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
    logger.warning("out of memory with %d rows of %d tokens; going on with %d", n_rows, length, size.rows_of(length))


def make_room_for_forest(model: Model, size: BatchSize, planted: Planted, name: str, error: BaseException) -> None:
    """As `make_room`, after memory ran out on a forest."""
    n_rows, n_tokens = len(planted.rows), planted.forest.n_tokens
    if n_rows == 1 or getattr(model, "n_ranks", 1) > 1:
        make_room(model, BatchSize(1, 1), n_tokens, name, error)
    size.halve_forest(n_rows, n_tokens)
    torch.cuda.empty_cache()
    logger.warning("out of memory with %d rows of %d tokens in all; going on with half of them", n_rows, n_tokens)
