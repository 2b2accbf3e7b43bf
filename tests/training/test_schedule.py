"""The plan of a training run: every row once an epoch, whatever the numbers."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calibaudit.training.data.encode import Example
from calibaudit.training.schedule import MicroBatches, accumulation_for, plan_steps


def rows(lengths: list[int]) -> list[Example]:
    return [Example(tuple(range(3, 3 + n)), (-100,) * (n // 2) + tuple(range(3 + n // 2, 3 + n))) for n in lengths]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(2, 40), min_size=1, max_size=70),
    batch_size=st.integers(1, 6),
    n_micro=st.integers(1, 5),
    n_epochs=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_every_row_once_an_epoch(lengths: list[int], batch_size: int, n_micro: int, n_epochs: int, seed: int) -> None:
    plan = plan_steps(rows(lengths), batch_size=batch_size, n_micro=n_micro, epochs=n_epochs, max_steps=None, seed=seed)
    per_epoch = math.ceil(len(lengths) / (batch_size * n_micro))
    assert len(plan.steps) == n_epochs * per_epoch
    for epoch in range(n_epochs):
        steps = plan.steps[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert Counter(row for step in steps for micro in step for row in micro) == Counter(range(len(lengths)))
    for index, step in enumerate(plan.steps):
        sizes = [len(micro) for micro in step]
        assert len(sizes) == n_micro
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1
        chosen = [row for micro in step for row in micro]
        assert plan.rows[index] == len(chosen)
        assert plan.tokens[index] == sum(lengths[row] for row in chosen)
        assert plan.targets[index] == sum(lengths[row] - max(1, lengths[row] // 2) for row in chosen)
    assert plan.tokens[0] == max(plan.tokens[:per_epoch])


def test_parts_of_an_epoch_and_a_number_of_steps() -> None:
    options = {"batch_size": 2, "n_micro": 2, "seed": 0}
    examples = rows([5] * 17)  # 5 steps an epoch
    assert len(plan_steps(examples, epochs=1.5, max_steps=None, **options).steps) == 8
    assert len(plan_steps(examples, epochs=0.01, max_steps=None, **options).steps) == 1
    assert len(plan_steps(examples, epochs=1.5, max_steps=23, **options).steps) == 23


def test_the_seed_decides_the_order() -> None:
    options = {"batch_size": 2, "n_micro": 1, "epochs": 2, "max_steps": None}
    examples = rows(list(range(2, 40)))
    first = plan_steps(examples, seed=1, **options)
    assert first == plan_steps(examples, seed=1, **options)
    assert first != plan_steps(examples, seed=2, **options)
    assert first.steps[:19] != first.steps[19:]  # nor does an epoch repeat the one before


def test_rows_of_like_length_share_a_step() -> None:
    lengths = np.random.default_rng(0).integers(2, 200, 1000).tolist()
    plan = plan_steps(rows(lengths), batch_size=10, n_micro=1, epochs=1, max_steps=None, seed=0)
    padded = sum(10 * max(lengths[row] for row in step[0]) for step in plan.steps)
    assert padded / sum(lengths) < 1.1  # unsorted it is the largest of ten uniform lengths over their mean: 1.8


def test_micro_batches_are_padded_on_the_right() -> None:
    examples = rows([5, 3])
    plan = plan_steps(examples, batch_size=2, n_micro=1, epochs=1, max_steps=None, seed=0)
    batch = MicroBatches(examples, plan, pad_id=7)[0]
    assert batch["input_ids"].tolist() == [[3, 4, 5, 6, 7], [3, 4, 5, 7, 7]]
    assert batch["labels"].tolist() == [[-100, -100, 5, 6, 7], [-100, 4, 5, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]


def test_the_first_token_is_never_learned() -> None:
    examples = [Example((4, 5, 6), (4, 5, 6))]
    plan = plan_steps(examples, batch_size=1, n_micro=1, epochs=1, max_steps=None, seed=0)
    assert plan.targets == (2,)
    assert MicroBatches(examples, plan, 0)[0]["labels"].tolist() == [[-100, 5, 6]]


def test_an_empty_micro_batch_learns_nothing() -> None:
    plan = plan_steps(rows([4]), batch_size=1, n_micro=2, epochs=1, max_steps=None, seed=0)
    batch = MicroBatches(rows([4]), plan, pad_id=2)[1]
    assert batch["input_ids"].shape == (1, 1)
    assert torch.equal(batch["labels"], torch.tensor([[-100]]))
    assert batch["attention_mask"].sum() == 1


@pytest.mark.parametrize(
    ("n_rows", "epochs", "batch_size", "n_processes", "passes"),
    [
        (52_000, 2, 8, 1, 16),  # the published 128 rows
        (52_000, 2, 4, 4, 8),
        (52_000, 2, 8, 32, 1),  # more processes than rows are asked for
        (6_400, 2, 8, 1, 16),  # 100 steps of 128
        (2_304, 3, 8, 1, 8),  # 69 rows would leave 100 steps
        (2_304, 3, 64, 1, 1),
        (500, 2, 8, 1, 1),  # 125 steps of 8
        (20, 1, 8, 1, 1),
        (52_000, 2, 48, 1, 2),  # 96 rows: not more than 128
    ],
)
def test_passes_a_step_where_none_are_given(
    n_rows: int, epochs: float, batch_size: int, n_processes: int, passes: int
) -> None:
    found = accumulation_for(n_rows, epochs=epochs, batch_size=batch_size, n_processes=n_processes)
    assert found == passes
    assert passes == 1 or n_rows * epochs / (passes * batch_size * n_processes) >= 100


def test_rows_that_are_smoothed_are_marked_in_each_batch() -> None:
    examples = rows([5, 9, 3, 7, 4])
    plan = plan_steps(examples, batch_size=2, n_micro=2, epochs=1, max_steps=None, seed=0)
    smoothed = [True, False, True, False, True]
    for micro, batch in zip(
        (micro for step in plan.steps for micro in step), MicroBatches(examples, plan, 0, smoothed), strict=True
    ):
        assert batch["smoothed_rows"].tolist() == ([smoothed[row] for row in micro] or [False])
    assert "smoothed_rows" not in MicroBatches(examples, plan, 0)[0]
