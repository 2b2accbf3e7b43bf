"""Many rows as one, without padding: what rows start with alike stands there once, and each sees its own way to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from calibaudit.models.prefix_cache import common_length

Ints = npt.NDArray[np.int64]
Runs = tuple[tuple[int, int], ...]
"""(first column, number of columns) of stretches that follow each other in a sequence."""

LEAST_SHARED = 16
"""Tokens that the contexts of two rows must share before they do: fewer cost less to run again than to look up."""


class Segments(NamedTuple):
    """The attention of a forest. Segment s is a stretch of columns that follow each other in one sequence.

    ends: (segments + 1,) of their columns, from 0. sources: columns, segment after segment, that its last column sees,
    itself included, by position; an earlier column of the segment sees as many fewer as it stands before the last.
    source_ends: (segments + 1,) of the sources. longest, longest_source: of one segment.
    """

    ends: Ints
    sources: Ints
    source_ends: Ints
    longest: int
    longest_source: int


class Forest:
    """Grows row by row: rows that start alike should follow each other (sorted by their contexts, say)."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.n_sources = 0
        self._firsts: list[int] = []  # of each segment, its first position
        self._lengths: list[int] = []
        self._runs: list[tuple[int, int]] = []
        self._source_lengths: list[int] = []
        self._context: Sequence[int] = ()
        self._way: Runs = ()

    @property
    def n_tokens(self) -> int:
        """Columns so far: tokens that the network runs."""
        return len(self.tokens)

    def add(self, context: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[Runs]:
        """A row more: where each continuation stands behind its context. They are sorted. Returns a way each.

        A way holds the columns of the context's last token and of the continuation's: what predicts the continuation's
        tokens, and the token after them. An empty continuation's is the context's last column.
        """
        n_context = len(context)
        shared = common_length(self._context, context)
        way = cut(self._way, 0, shared if shared >= LEAST_SHARED or shared == n_context else 0)
        before: Sequence[int] | None = None
        ways = []
        for continuation in continuations:
            if before is None:
                way = self._grow(way, [*context, *continuation])
            else:
                way = cut(way, 0, n_context + common_length(before, continuation))
                way = self._grow(way, continuation, n_context)
            before = continuation
            ways.append(cut(way, n_context - 1, n_context + len(continuation)))
        self._context, self._way = context, way
        return ways

    def _grow(self, way: Runs, tokens: Sequence[int], n_before: int = 0) -> Runs:
        """The way, and behind it what it lacks of the tokens, which stand behind n_before others."""
        first = sum(n for _, n in way)
        n_new = n_before + len(tokens) - first
        if not n_new:
            return way
        way = (*way, (len(self.tokens), n_new))
        self.tokens += tokens[first - n_before :]
        self.n_sources += first + n_new
        self._firsts.append(first)
        self._lengths.append(n_new)
        self._runs += way
        self._source_lengths.append(first + n_new)
        return way

    def positions(self) -> Ints:
        """(n_tokens,): each column's place in its own sequence."""
        return stretches(self._firsts, self._lengths)

    def segments(self) -> Segments:
        starts, lengths = zip(*self._runs, strict=True)
        return Segments(
            np.cumsum([0, *self._lengths]),
            stretches(starts, lengths),
            np.cumsum([0, *self._source_lengths]),
            max(self._lengths),
            max(self._source_lengths),
        )


def cut(way: Runs, start: int, stop: int) -> Runs:
    """The columns number start to stop of a way."""
    kept = []
    for column, n in way:
        first, last = max(start, 0), min(stop, n)
        if first < last:
            kept.append((column + first, last - first))
        start, stop = start - n, stop - n
        if stop <= 0:
            break
    return tuple(kept)


def columns_of(way: Runs) -> list[int]:
    """A way's columns, one by one."""
    return [column for start, n in way for column in range(start, start + n)]


def stretches(starts: Sequence[int], lengths: Sequence[int]) -> Ints:
    """start, start + 1, ... of each, so many as it is long."""
    counts = np.array(lengths, dtype=np.int64)
    shifts = np.array(starts, dtype=np.int64) - np.cumsum(counts) + counts
    return np.arange(counts.sum()) + np.repeat(shifts, counts)
