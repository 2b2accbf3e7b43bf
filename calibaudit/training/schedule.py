"""Which rows each training step sees, decided before the first one, and their padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from calibaudit.kernels import IGNORE_INDEX
from calibaudit.training.data.encode import Example
from calibaudit.training.loss.forward import SMOOTHED_ROWS

_STEPS_PER_GROUP = 32

ROWS_PER_STEP = 128
"""As Huang, Lu, Zeng 2025 (arXiv 2508.00264) tune."""

LEAST_STEPS = 100
"""Fewer rows a step where the run would have fewer steps than this: at a given rate it is steps that teach."""


@dataclass(frozen=True)
class Plan:
    """steps[i]: the micro-batches of step i, (accumulation x processes) lists of row numbers, some empty.

    A step's micro-batches stand in the order in which processes take them: all processes' first ones, then their
    second ones. tokens, targets, rows: each step's numbers, all processes together, without padding.
    """

    steps: tuple[tuple[tuple[int, ...], ...], ...]
    tokens: tuple[int, ...]
    targets: tuple[int, ...]
    rows: tuple[int, ...]


def plan_steps(
    examples: Sequence[Example],
    *,
    batch_size: int,
    n_micro: int,
    epochs: float,
    max_steps: int | None,
    seed: int,
) -> Plan:
    """Every row once an epoch, in seeded order; rows of like length share a step.

    n_micro: micro-batches a step, accumulation x processes. max_steps: instead of epochs. The last step of an epoch may
    hold fewer rows, spread evenly. The step with the most tokens comes first: if memory runs out, then at once.
    """
    lengths = np.array([len(example.input_ids) for example in examples])
    targets = np.array([n_targets(example) for example in examples])
    per_step = batch_size * n_micro
    per_epoch = math.ceil(len(examples) / per_step)
    n_steps = max_steps or math.ceil(round(epochs * per_epoch, 6))
    rng = np.random.default_rng(seed)
    order: list[np.ndarray] = []
    while len(order) < n_steps:
        order += _epoch(lengths, per_step, rng)
    order = order[:n_steps]
    longest = max(range(min(n_steps, per_epoch)), key=lambda step: int(lengths[order[step]].sum()))
    order[0], order[longest] = order[longest], order[0]
    return Plan(
        steps=tuple(tuple(tuple(part.tolist()) for part in np.array_split(rows, n_micro)) for rows in order),
        tokens=tuple(int(lengths[rows].sum()) for rows in order),
        targets=tuple(int(targets[rows].sum()) for rows in order),
        rows=tuple(len(rows) for rows in order),
    )


def accumulation_for(n_rows: int, *, epochs: float, batch_size: int, n_processes: int) -> int:
    """Forward passes a step, so that a step has ROWS_PER_STEP rows, or as many as leave LEAST_STEPS steps; 1 or more.

    Never more than that: a batch_size that does not divide it makes steps a little smaller.
    """
    rows = min(ROWS_PER_STEP, math.floor(n_rows * epochs / LEAST_STEPS))
    return max(1, rows // (batch_size * n_processes))


def n_targets(example: Example) -> int:
    """Tokens that are learned. The first cannot be: nothing stands before it."""
    return sum(label != IGNORE_INDEX for label in example.labels[1:])


def _epoch(lengths: np.ndarray, per_step: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Shuffled, sorted by length within a few steps' rows, cut into steps, and the steps shuffled again."""
    shuffled = rng.permutation(len(lengths))
    size = per_step * _STEPS_PER_GROUP
    steps: list[np.ndarray] = []
    for start in range(0, len(shuffled), size):
        group = shuffled[start : start + size]
        group = group[np.argsort(-lengths[group], kind="stable")]
        steps += [group[at : at + per_step] for at in range(0, len(group), per_step)]
    return [steps[index] for index in rng.permutation(len(steps))]


class MicroBatches(Dataset[dict[str, Tensor]]):
    """The plan's micro-batches one after another, padded on the right. smoothed: of each example; None: all are."""

    def __init__(
        self, examples: Sequence[Example], plan: Plan, pad_id: int, smoothed: Sequence[bool] | None = None
    ) -> None:
        self._examples = examples
        self._smoothed = smoothed
        self._batches = [rows for step in plan.steps for rows in step]
        self._pad_id = pad_id

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rows = self._batches[index]
        chosen = [self._examples[row] for row in rows]
        # a process without rows in a short step still takes part: in one token, of which nothing is learned
        width = max((len(example.input_ids) for example in chosen), default=1)
        shape = (max(1, len(chosen)), width)
        ids, labels = torch.full(shape, self._pad_id), torch.full(shape, IGNORE_INDEX)
        mask = torch.zeros(shape, dtype=torch.long)
        mask[:, 0] = 1
        for row, example in enumerate(chosen):
            n = len(example.input_ids)
            ids[row, :n] = torch.tensor(example.input_ids)
            labels[row, 1:n] = torch.tensor(example.labels[1:], dtype=torch.long)
            mask[row, :n] = 1
        batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        if self._smoothed is not None:
            batch[SMOOTHED_ROWS] = torch.tensor([self._smoothed[row] for row in rows] or [False])
        return batch
