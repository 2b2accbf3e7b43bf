"""The head is made float32, and weights are summed, a part at a time: never all of a large one at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from calibaudit.models import head as heads
from calibaudit.models.head import Head

V, D = 301, 16


class Watched(TorchDispatchMode):
    """largest: numbers of the largest float32 tensor that an operation made of another type's."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.dtype == torch.float32 and "_to_copy" in str(func):
            self.largest = max(self.largest, result.numel())
        return result


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_logits_in_parts_are_the_logits(monkeypatch: pytest.MonkeyPatch, softcap: float | None) -> None:
    monkeypatch.setattr(heads, "_N_NUMBERS", 50 * D)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(V + 3, D, generator=generator).bfloat16()
    hidden, bias = torch.randn(4, D, generator=generator).bfloat16(), torch.randn(V + 3, generator=generator)
    z = (hidden.double() @ weight[:V].double().T + bias[:V].double()) * 0.5
    expected = z if softcap is None else softcap * (z / softcap).tanh()
    with Watched() as seen:
        found = Head(weight, bias, softcap, 0.5, V).logits(hidden)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    assert found.dtype == torch.float32
    assert 0 < seen.largest <= 50 * D


@pytest.mark.parametrize("shape", [(), (7,), (V, D), (5, V, D)])
@pytest.mark.parametrize("at", [0, -1])
def test_one_bad_number_anywhere_is_found(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], at: int) -> None:
    monkeypatch.setattr(heads, "_N_NUMBERS", 50 * D)
    weight = torch.ones(shape, dtype=torch.bfloat16)
    assert heads._is_sound(weight)
    weight.view(-1)[at] = torch.nan
    assert not heads._is_sound(weight)
