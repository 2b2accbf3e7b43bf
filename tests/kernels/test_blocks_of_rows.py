"""dH in blocks of rows: what one block held is given back before the next one is made."""

from __future__ import annotations

import weakref

import pytest
import torch

pytest.importorskip("triton", reason="the blocks are the Triton kernels'")

from calibaudit.kernels.heads import Gradients, Head, Needs
from calibaudit.kernels.triton_kernels.gradients import by_rows


def test_a_block_takes_the_room_of_the_one_before() -> None:
    hidden = torch.arange(48.0).reshape(12, 4).bfloat16()
    alive: list[weakref.ref[torch.Tensor]] = []

    def run(rows: slice, needs: Needs, scratch_bytes: int) -> Gradients:
        assert scratch_bytes > 0
        assert not any(made() is not None for made in alive)
        part = 2 * hidden[rows] if needs.hidden else None
        alive.extend([] if part is None else [weakref.ref(part)])
        return Gradients(part, None, None)

    found = by_rows(hidden, Head(torch.ones(5, 4).bfloat16(), None, None, 1.0, 5), Needs(True, False, False), 64, run)
    assert len(alive) > 1
    assert found.hidden is not None
    assert torch.equal(found.hidden, 2 * hidden)
