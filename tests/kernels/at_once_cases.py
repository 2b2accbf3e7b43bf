"""The public losses on the Triton path under the interpreter; run by test_at_once.py in a process of its own.

Gradients may be off by twice what the materialised path in the inputs' own dtype is.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from calibaudit.kernels import anchored_cross_entropy, dispatch, kernel_path, linear_cross_entropy
from calibaudit.kernels.triton_kernels.scale import scale_by

N, D, V, EPS = 17, 16, 33, 0.3
BF16 = torch.bfloat16


@pytest.fixture(autouse=True)
def _on_triton() -> None:
    assert kernel_path("cpu")[0] == "triton", "these cases need TRITON_INTERPRET=1 and CALIBAUDIT_KERNELS=triton"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Triton functions that run."""
    names: list[str] = []
    own = dispatch._triton_function

    def watched(name: str) -> Any:
        names.append(name)
        return own(name)

    monkeypatch.setattr(dispatch, "_triton_function", watched)
    return names


def made(dtype: torch.dtype = BF16, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    hidden = torch.randn(N, D, generator=g).to(dtype).requires_grad_()
    weight = (torch.randn(V, D, generator=g) * 3 / D**0.5).to(dtype).requires_grad_()
    targets = torch.randint(V, (N,), generator=g)
    targets[::7] = -100
    return hidden, weight, targets


def materialised(hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, eps: float = EPS) -> Any:
    """Loss and gradients of torch's own path in dtype."""
    leaves = [tensor.detach().to(dtype).requires_grad_() for tensor in (hidden, weight)]
    z = leaves[0] @ leaves[1].T
    z = z if dtype == torch.float64 else z.float()
    loss = F.cross_entropy(z, targets, label_smoothing=eps)
    return loss.detach(), torch.autograd.grad(loss, leaves)


def assert_as_good_as_naive(found: Any, hidden: Tensor, weight: Tensor, targets: Tensor, factor: float = 1.0) -> None:
    exact, naive = (materialised(hidden, weight, targets, dtype)[1] for dtype in (torch.float64, hidden.dtype))
    for value, right, other in zip(found, exact, naive, strict=True):
        allowed = 2 * float((other.double() - right).norm() / right.norm()) + 1e-6
        assert float((value.double() / factor - right).norm() / right.norm()) <= allowed


def test_one_pass_and_anew(ran: list[str]) -> None:
    hidden, weight, targets = made()
    loss = linear_cross_entropy(hidden, weight, targets, label_smoothing=EPS, scratch_bytes=1 << 21)
    assert loss.item() == pytest.approx(materialised(hidden, weight, targets, torch.float64)[0].item(), abs=1e-5)
    for factor in (-2.0, 3.5):
        found = torch.autograd.grad(loss, (hidden, weight), torch.tensor(factor), retain_graph=True)
        assert_as_good_as_naive(found, hidden, weight, targets, factor)
    assert ran.count("head_loss_gradients") == 1
    assert ran.count("head_backward") == 1


@pytest.mark.parametrize("factor", [1.0, 65536.0])
def test_an_upstream_and_a_divisor(factor: float, ran: list[str]) -> None:
    hidden, weight, targets = made()
    options: dict[str, Any] = {"label_smoothing": EPS, "reduction": "sum", "n_items": torch.tensor(14)}
    loss = linear_cross_entropy(hidden, weight, targets, scratch_bytes=1 << 21, **options)
    found = torch.autograd.grad(loss, (hidden, weight), torch.tensor(factor))
    assert_as_good_as_naive(found, hidden, weight, targets, factor)  # 14 rows count
    assert "head_backward" not in ran
    assert "scale_by" in ran


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_frozen_input(frozen: int, ran: list[str]) -> None:
    leaves = list(made())
    exact = materialised(*leaves, torch.float64)[1][1 - frozen]
    naive = materialised(*leaves, BF16)[1][1 - frozen]
    leaves[frozen].requires_grad_(False)
    loss = linear_cross_entropy(*leaves, label_smoothing=EPS, scratch_bytes=1 << 21)
    (found,) = torch.autograd.grad(loss, leaves[1 - frozen])
    assert (found.double() - exact).norm() <= 2 * (naive.double() - exact).norm() + 1e-6
    assert "head_backward" not in ran


def test_a_float32_weight_under_autocast(ran: list[str]) -> None:
    """Rounded for the products; its gradient is float32 and nearer to the truth than a rounded one."""
    hidden, weight, targets = made(torch.float32)
    options: dict[str, Any] = {"label_smoothing": EPS, "compute_dtype": BF16, "scratch_bytes": 1 << 21}
    loss = linear_cross_entropy(hidden, weight, targets, **options)
    for _ in range(2):
        found = torch.autograd.grad(loss, (hidden, weight), retain_graph=True)
        assert [value.dtype for value in found] == [torch.float32, torch.float32]
        assert_as_good_as_naive(found, hidden.bfloat16(), weight.bfloat16(), targets)
    assert ran.count("head_loss_gradients") == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_other_dtypes_take_both_passes(dtype: torch.dtype, ran: list[str]) -> None:
    """float16 is scaled before it is rounded."""
    hidden, weight, targets = made(dtype)
    loss = linear_cross_entropy(hidden, weight, targets, label_smoothing=EPS)
    found = torch.autograd.grad(loss, (hidden, weight), torch.tensor(1024.0))
    assert_as_good_as_naive(found, hidden, weight, targets, 1024.0)
    assert "head_loss_gradients" not in ran


@pytest.mark.parametrize("mixed", [False, True])
def test_anchored(mixed: bool, ran: list[str]) -> None:
    """At its own distribution the anchored loss has the gradient of (1 - eps) times the plain loss."""
    hidden, weight, targets = made(torch.float32 if mixed else BF16)
    options: dict[str, Any] = {"compute_dtype": BF16} if mixed else {}
    options |= {"label_smoothing": EPS, "scratch_bytes": 1 << 21}
    loss = anchored_cross_entropy(hidden, weight, hidden, weight, targets, **options)
    rounded = (hidden.bfloat16(), weight.bfloat16())
    exact, naive = (materialised(*rounded, targets, dtype, 0.0)[1] for dtype in (torch.float64, BF16))
    for _ in range(2):
        found = torch.autograd.grad(loss, (hidden, weight), torch.tensor(2.0), retain_graph=True)
        for value, right, other in zip(found, exact, naive, strict=True):
            wanted = 2.0 * (1 - EPS) * right
            allowed = 2 * float((other.double() - right).norm() / right.norm()) + 1e-6
            assert float((value.double() - wanted).norm() / wanted.norm()) <= allowed
    assert ran.count("anchored_loss_gradients") == 1
    assert ran.count("anchored_backward") == 1


def test_no_row_counts() -> None:
    hidden, weight, _ = made()
    loss = linear_cross_entropy(hidden, weight, torch.full((N,), -100), label_smoothing=EPS, scratch_bytes=1 << 21)
    assert loss == 0
    assert all((value == 0).all() for value in torch.autograd.grad(loss, (hidden, weight)))


@pytest.mark.parametrize("dtype", [torch.float32, BF16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", [(7, 3), (50, 257), (1,), (0,)], ids=str)
def test_scale_by(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = torch.randn(shape).to(dtype)
    before = tensor.clone()
    scale_by((tensor, None), torch.tensor(1.0))
    assert torch.equal(tensor, before)
    scale_by((tensor,), torch.tensor(-2.7))
    assert torch.equal(tensor, (before.float() * torch.tensor(-2.7)).to(dtype))
