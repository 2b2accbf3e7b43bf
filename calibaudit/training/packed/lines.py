"""The rows of a step, laid side by side into as few lines and forward passes as memory for the longest rows allows.

A packed step has the rows of the plan's step, and so the same loss and gradient: what changes is into how many forward
passes it is cut. A pass takes no more tokens than one of unpacked rows may, batch_size of the longest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from calibaudit.kernels import IGNORE_INDEX
from calibaudit.training.data.encode import Example
from calibaudit.training.loss.forward import SMOOTHED_ROWS
from calibaudit.training.schedule import Plan

LINE = 1_024
"""Tokens of a line, at most, where no row is longer: attention works through a whole line for each of its tokens."""

_ATTENTION = 1 / 4
"""What attention to one more column costs a token, in units of all else that it costs, times the hidden size. Half of
that where rows do not share lines, since causal attention skips what lies ahead."""

ON_CPU = 2_048
"""Tokens of a pass, at most, on a CPU: more do not fit its caches, and there is no GPU to fill."""

Line = tuple[int, ...]


def lines_of(rows: Sequence[int], lengths: Sequence[int], width: int) -> list[Line]:
    """The rows in lines of at most `width` tokens: the longest first, each into the first line that has room for it.

    lengths: of all rows there are; none of `rows` is longer than width.
    """
    lines: list[list[int]] = []
    room: list[int] = []
    for row in sorted(rows, key=lambda row: (-lengths[row], row)):
        place = next((i for i, left in enumerate(room) if left >= lengths[row]), None)
        if place is None:
            lines.append([])
            room.append(width)
            place = len(lines) - 1
        lines[place].append(row)
        room[place] -= lengths[row]
    return [tuple(line) for line in lines]


def cheapest_lines(
    rows: Sequence[int], lengths: Sequence[int], top: int, hidden: int = 2_048
) -> tuple[list[Line], int]:
    """The lines that cost least of a few widths up to `top`, and their width: of the longest row or more.

    hidden: the network's hidden size. Narrow lines leave room unused, wide ones cost more attention; rows of one length
    are best left alone.
    """
    longest = max(lengths[row] for row in rows)
    found = []
    for width in sorted({min(times * longest, max(top, longest)) for times in (1, 2, 4, top)}):
        lines = lines_of(rows, lengths, width)
        share = _ATTENTION if len(lines) < len(rows) else _ATTENTION / 2
        found.append((len(lines) * width * (1 + share * width / hidden), width, lines))
    _, width, lines = min(found)
    return lines, width


class PackedBatches(Dataset[dict[str, Tensor]]):
    """The plan's steps as micro-batches of lines, one after another, n_rounds x processes a step.

    A step that needs fewer rounds begins with empty ones, of width 0, which no process has to run. batch_size: rows a
    forward pass without packing. smoothed: of each example, which then shares its line with its like; None: all are.
    most_tokens: of a pass, where a line is not longer; None: what batch_size of the longest rows have. hidden: the
    network's hidden size, by which attention is dear or cheap.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        plan: Plan,
        pad_id: int,
        *,
        batch_size: int,
        n_processes: int = 1,
        smoothed: Sequence[bool] | None = None,
        most_tokens: int | None = None,
        hidden: int = 2_048,
    ) -> None:
        self._examples, self._pad_id, self._smoothed = examples, pad_id, smoothed
        lengths = [len(example.input_ids) for example in examples]
        longest = max(lengths)
        steps = []
        for step in plan.steps:
            rows = [row for micro_batch in step for row in micro_batch]
            lines: list[Line] = []
            width = 1
            for own in _alike(rows, smoothed):
                more, wide = cheapest_lines(own, lengths, min(longest, LINE), hidden)
                lines, width = lines + more, max(width, wide)
            n_tokens = batch_size * longest
            per_pass = max(1, (n_tokens if most_tokens is None else min(n_tokens, most_tokens)) // width)
            n_rounds = -(-len(lines) // (per_pass * n_processes))
            n_passes = n_rounds * n_processes
            steps.append([lines[first::n_passes] for first in range(n_passes)])
        self.n_rounds = max(len(passes) for passes in steps) // n_processes
        self._batches: list[list[Line] | None] = []
        for passes in steps:
            self._batches += [None] * (self.n_rounds * n_processes - len(passes))
            self._batches += passes

    def __len__(self) -> int:
        return len(self._batches)

    def lines(self, index: int) -> list[Line]:
        """The rows of a micro-batch, line by line."""
        return self._batches[index] or []

    def shared_line(self) -> list[tuple[int, ...]]:
        """The token ids of the rows of the line that the most rows share; where none do, of the first two rows."""
        every = [line for index in range(len(self)) for line in self.lines(index)]
        most: Sequence[int] = max(every, key=len)
        if len(most) < 2:
            most = range(min(2, len(self._examples)))
        return [self._examples[row].input_ids for row in most]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        lines = self._batches[index]
        if lines is None:
            nothing = torch.zeros(1, 0, dtype=torch.long)
            return {"input_ids": nothing, "position_ids": nothing, "labels": nothing}
        # a process without lines in a round still takes part: in one token, of which nothing is learned
        filled = lines or [()]
        lengths = [[len(self._examples[row].input_ids) for row in line] for line in filled]
        width = max(1, *map(sum, lengths))
        shape = (len(filled), width)
        ids, labels = torch.full(shape, self._pad_id), torch.full(shape, IGNORE_INDEX)
        positions = torch.zeros(shape, dtype=torch.long)
        for place, line in enumerate(filled):
            at = n = 0
            for row in line:
                example, n = self._examples[row], len(self._examples[row].input_ids)
                ids[place, at : at + n] = torch.tensor(example.input_ids)
                labels[place, at + 1 : at + n] = torch.tensor(example.labels[1:], dtype=torch.long)
                positions[place, at : at + n] = torch.arange(n)
                at += n
            positions[place, at:] = torch.arange(n, n + width - at)  # of the last row: nothing begins anew there
        batch = {"input_ids": ids, "position_ids": positions, "labels": labels}
        if self._smoothed is not None:
            batch[SMOOTHED_ROWS] = torch.tensor([bool(line) and self._smoothed[line[0]] for line in filled])
        return batch


def _alike(rows: Sequence[int], smoothed: Sequence[bool] | None) -> list[list[int]]:
    """The rows in groups that may share lines."""
    if smoothed is None:
        return [list(rows)]
    groups = [[row for row in rows if smoothed[row] is kind] for kind in (True, False)]
    return [group for group in groups if group]


def n_passes(batches: PackedBatches) -> int:
    """Forward passes that are run, all processes and steps."""
    return int(np.sum([batches[index]["input_ids"].shape[1] > 0 for index in range(len(batches))]))
