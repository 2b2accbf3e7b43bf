"""The public losses on a GPU: gradients made with the loss, what they cost, what autograd and compilers do with them.

The rule for gradients is that of test_kernels_cuda.py: relative Frobenius error at most twice that of the materialised
path in the inputs' own dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from calibaudit.kernels import anchored_cross_entropy, kernel_path, linear_cross_entropy

BF16, EPS = torch.bfloat16, 0.1
MIB = 1 << 20
Loss = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def _on_triton() -> None:
    assert kernel_path("cuda")[0] == "triton"


class Inputs:
    """Rows of 300 by default, one in eight ignored, peaked at their targets by a random amount."""

    def __init__(self, n: int = 300, d: int = 512, v: int = 50257, dtype: torch.dtype = BF16, seed: int = 0) -> None:
        g = torch.Generator("cuda").manual_seed(seed)
        options: dict[str, Any] = {"device": "cuda", "generator": g}
        self.weight = (torch.randn(v, d, **options) / math.sqrt(d)).to(dtype)
        self.targets = torch.randint(v, (n,), **options)
        peak = torch.rand(n, 1, **options) * 30 * F.normalize(self.weight[self.targets].float(), dim=-1)
        self.hidden = (torch.randn(n, d, **options) * 1.5 + peak).to(dtype)
        self.targets[::8] = -100
        self.n_items = int((self.targets != -100).sum())

    def leaves(self) -> tuple[Tensor, Tensor]:
        return self.hidden.detach().clone().requires_grad_(), self.weight.detach().clone().requires_grad_()

    def plain(self, dtype: torch.dtype, eps: float = EPS) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The materialised path's loss and gradients."""
        leaves = [tensor.detach().to(dtype).requires_grad_() for tensor in (self.hidden, self.weight)]
        z = leaves[0] @ leaves[1].T
        loss = F.cross_entropy(z if dtype == torch.float64 else z.float(), self.targets, label_smoothing=eps)
        return loss.detach(), torch.autograd.grad(loss, leaves)


def error(found: Tensor, exact: Tensor) -> float:
    return float((found.double() - exact.double()).norm() / exact.double().norm())


def assert_as_good_as_naive(found: Any, inputs: Inputs, factor: float = 1.0, eps: float = EPS) -> None:
    exact, naive = inputs.plain(torch.float64, eps)[1], inputs.plain(BF16, eps)[1]
    for name, value, right, other in zip(("hidden", "weight"), found, exact, naive, strict=True):
        assert error(value.double() / factor, right) <= 2 * error(other, right) + 1e-6, name


@pytest.mark.parametrize("scratch", [8 * MIB, None], ids=["8 MiB", "default"])
def test_gradients_are_made_with_the_loss_and_anew(scratch: int | None, ran: list[str]) -> None:
    inputs = Inputs()
    leaves = inputs.leaves()
    loss = linear_cross_entropy(*leaves, inputs.targets, label_smoothing=EPS, scratch_bytes=scratch)
    assert loss.item() == pytest.approx(inputs.plain(torch.float64)[0].item(), rel=1e-5)
    for factor in (1.0, 3.5, 65536.0):
        found = torch.autograd.grad(loss, leaves, torch.tensor(factor, device="cuda"), retain_graph=True)
        assert_as_good_as_naive(found, inputs, factor)
    assert ran.count("head_loss_gradients") == 1
    assert ran.count("head_backward") == 2


@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_divisor_known_before(as_tensor: bool, ran: list[str]) -> None:
    inputs = Inputs()
    leaves = inputs.leaves()
    n_items = torch.tensor(inputs.n_items, device="cuda") if as_tensor else inputs.n_items
    loss = linear_cross_entropy(*leaves, inputs.targets, label_smoothing=EPS, reduction="sum", n_items=n_items)
    loss.backward()
    assert_as_good_as_naive([leaf.grad for leaf in leaves], inputs)
    assert ran == ["head_loss_gradients", "scale_by", "scale_by"]


@pytest.mark.parametrize("frozen", [0, 1], ids=["hidden", "weight"])
def test_a_frozen_input(frozen: int, ran: list[str]) -> None:
    inputs = Inputs()
    leaves = inputs.leaves()
    leaves[frozen].requires_grad_(False)
    loss = linear_cross_entropy(*leaves, inputs.targets, label_smoothing=EPS)
    (found,) = torch.autograd.grad(loss, leaves[1 - frozen])
    exact, naive = (inputs.plain(dtype)[1][1 - frozen] for dtype in (torch.float64, BF16))
    assert error(found, exact) <= 2 * error(naive, exact) + 1e-6
    assert "head_backward" not in ran


def test_the_backward_pass_does_not_wait_for_the_device() -> None:
    inputs = Inputs()
    leaves = inputs.leaves()
    for factor in (1.0, 3.5):
        loss = linear_cross_entropy(*leaves, inputs.targets, label_smoothing=EPS)
        upstream = torch.tensor(factor, device="cuda")
        torch.cuda.set_sync_debug_mode("error")
        try:
            torch.autograd.grad(loss, leaves, upstream)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_float32_weights_under_autocast(ran: list[str]) -> None:
    """As `fix` trains: products in bfloat16, a float32 gradient of the weight that was never rounded to bfloat16."""
    inputs = Inputs()
    hidden, weight = (tensor.detach().float().requires_grad_() for tensor in (inputs.hidden, inputs.weight))
    loss = linear_cross_entropy(hidden, weight, inputs.targets, label_smoothing=EPS, compute_dtype=BF16)
    found = torch.autograd.grad(loss, (hidden, weight))
    assert [value.dtype for value in found] == [torch.float32, torch.float32]
    assert_as_good_as_naive(found, inputs)
    assert "head_backward" not in ran


@pytest.mark.parametrize("mixed", [False, True], ids=["bfloat16", "float32 weights"])
def test_anchored(mixed: bool, ran: list[str]) -> None:
    """At the model's own distribution its gradient is 1 - eps times that of the plain loss."""
    inputs, eps = Inputs(), 0.5
    leaves = [tensor.detach().to(torch.float32 if mixed else BF16).requires_grad_() for tensor in inputs.leaves()]
    prior = [leaf.detach() for leaf in leaves]
    options: dict[str, Any] = {"compute_dtype": BF16} if mixed else {}
    loss = anchored_cross_entropy(*leaves, *prior, inputs.targets, label_smoothing=eps, **options)
    for factor in (1.0, 2.0):
        found = torch.autograd.grad(loss, leaves, torch.tensor(factor, device="cuda"), retain_graph=True)
        assert_as_good_as_naive(found, inputs, factor * (1 - eps), 0.0)
    assert ran.count("anchored_loss_gradients") == 1
    assert ran.count("anchored_backward") == 1


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_no_row_counts(reduction: str) -> None:
    inputs = Inputs()
    leaves = inputs.leaves()
    ignored = torch.full_like(inputs.targets, -100)
    loss = linear_cross_entropy(*leaves, ignored, label_smoothing=EPS, reduction=reduction)
    assert loss == 0
    assert all((value == 0).all() for value in torch.autograd.grad(loss, leaves))


def test_float16_is_scaled_before_it_is_rounded(ran: list[str]) -> None:
    inputs = Inputs(dtype=torch.float16)
    leaves = inputs.leaves()
    loss = linear_cross_entropy(*leaves, inputs.targets, label_smoothing=EPS)
    found = torch.autograd.grad(loss, leaves, torch.tensor(1024.0, device="cuda"))
    exact = inputs.plain(torch.float64)[1]
    assert all(error(value.double() / 1024, right) < 5e-3 for value, right in zip(found, exact, strict=True))
    assert ran == ["head_forward", "head_backward"]


def test_compiled_it_stays_one_pass(ran: list[str]) -> None:
    inputs = Inputs()
    leaves = inputs.leaves()

    def step(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        return linear_cross_entropy(hidden * 1.0, weight, targets, label_smoothing=EPS) * 2.0

    torch._dynamo.reset()
    loss = torch.compile(step, fullgraph=True)(*leaves, inputs.targets)
    assert_as_good_as_naive(torch.autograd.grad(loss, leaves), inputs, 2.0)
    assert ran.count("head_loss_gradients") == 1
    assert "head_backward" not in ran


def peak(call: Callable[[], Any]) -> int:
    """Bytes that a call held at most beyond what was there; once before, so that libraries have their workspace."""
    call()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


@pytest.mark.parametrize(("n", "d", "v"), [(8192, 2304, 256000), (8192, 4096, 128256), (512, 4096, 128256)])
@pytest.mark.parametrize("upstream", [1.0, 0.25])
def test_memory_of_a_step(n: int, d: int, v: int, upstream: float) -> None:
    """Gradients, scratch and a few floats a row: no second copy of a gradient, scaled or not."""
    inputs = Inputs(n, d, v)
    leaves = inputs.leaves()
    gradients = 2 * (n * d + v * d)
    for scratch in (160 * MIB, 512 * MIB):

        def step(scratch: int = scratch) -> None:
            for leaf in leaves:
                leaf.grad = None
            loss = linear_cross_entropy(*leaves, inputs.targets, label_smoothing=EPS, scratch_bytes=scratch)
            (loss * upstream).backward()
            for leaf in leaves:
                leaf.grad = None

        assert peak(step) - gradients <= scratch + MIB


def test_memory_of_an_anchored_step() -> None:
    n, d, v = 8192, 4096, 128256
    inputs, prior = Inputs(n, d, v), Inputs(n, 2048, v, seed=1)
    leaves = inputs.leaves()
    for scratch in (160 * MIB, 512 * MIB):

        def step(scratch: int = scratch) -> None:
            loss = anchored_cross_entropy(
                *leaves, prior.hidden, prior.weight, inputs.targets, label_smoothing=0.5, scratch_bytes=scratch
            )
            loss.backward()
            for leaf in leaves:
                leaf.grad = None

        assert peak(step) - 2 * (n * d + v * d) <= scratch + MIB


def test_memory_of_float32_weights() -> None:
    """Their gradient's own bytes and the scratch: neither a rounded weight nor a second gradient beside it."""
    n, d, v = 8192, 2048, 128256
    inputs = Inputs(n, d, v)
    hidden, weight = inputs.hidden.requires_grad_(), inputs.weight.float().requires_grad_()

    def step() -> None:
        loss = linear_cross_entropy(
            hidden, weight, inputs.targets, label_smoothing=EPS, compute_dtype=BF16, scratch_bytes=512 * MIB
        )
        loss.backward()
        hidden.grad = weight.grad = None

    assert peak(step) - (2 * n * d + 4 * v * d) <= 513 * MIB
