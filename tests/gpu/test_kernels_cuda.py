"""The head kernels on a GPU against float64 on the same GPU: sizes, options, offsets past 2^31, memory, bit-equality.

The rule for gradients: relative Frobenius error at most twice that of the materialised path in the inputs' own dtype.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from kernels.head_case import HeadCase
from torch import Tensor

VOCABULARIES = [101, 50257, 128257, 151936, 256000]
OPTIONS = {
    "plain": {},
    "smoothed": {"eps": 0.1},
    "everything": {"eps": 0.1, "softcap": 30.0, "scale": 0.7, "bias": True, "padding": 37},
}


@pytest.fixture(autouse=True)
def _nan_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kernel forgets to write is NaN."""
    plain = torch.empty

    def filled(*size: Any, **options: Any) -> Tensor:
        tensor = plain(*size, **options)
        return tensor.fill_(torch.nan if tensor.dtype.is_floating_point else 85)

    monkeypatch.setattr(torch, "empty", filled)


class Case(HeadCase):
    """Rows peaked at their target by a random amount; one row in eight ignored; an upstream gradient for each."""

    def __init__(
        self,
        n: int,
        d: int,
        v: int,
        dtype: torch.dtype = torch.bfloat16,
        *,
        eps: float = 0.0,
        softcap: float | None = None,
        scale: float = 1.0,
        bias: bool = False,
        padding: int = 0,
        seed: int = 0,
    ) -> None:
        g = torch.Generator("cuda").manual_seed(seed)
        options: dict[str, Any] = {"device": "cuda", "generator": g}
        self.n_vocab = v - padding
        self.weight = (torch.randn(v, d, **options) / math.sqrt(d)).to(dtype)
        self.targets = torch.randint(self.n_vocab, (n,), **options)
        self.upstream = torch.rand(n, **options) / n
        peak = torch.rand(n, 1, **options) * 30 * F.normalize(self.weight[self.targets].float(), dim=-1)
        self.hidden = (torch.randn(n, d, **options) * 1.5 + peak).to(dtype)
        self.targets[::8], self.upstream[::8] = -100, 0.0
        self.weight[self.n_vocab :] = 20.0  # would take over the softmax if it were seen
        self.bias = torch.randn(v, **options).to(dtype) if bias else None
        self.eps, self.softcap, self.scale = eps, softcap, scale

    def logits(self, leaves: list[Tensor]) -> Tensor:
        hidden, weight, *bias = leaves
        return self.logits_of(hidden, weight, bias[0] if bias else None)

    def gradients(self, dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
        """Logits and gradients of the materialised path in dtype."""
        tensors = [self.hidden, self.weight, *([] if self.bias is None else [self.bias])]
        leaves = [tensor.detach().to(dtype, copy=True).requires_grad_() for tensor in tensors]
        z = self.logits(leaves)
        loss = F.cross_entropy(z, self.targets, label_smoothing=self.eps, reduction="none")
        (loss * self.upstream.to(z.dtype)).sum().backward()
        return z.detach(), [leaf.grad for leaf in leaves if leaf.grad is not None]


def distance(found: Tensor, exact: Tensor) -> float:
    value = float((found.double() - exact).norm() / exact.norm())
    assert value == value
    return value


def peak(call: Any) -> tuple[int, Any]:
    """Bytes that a call held at most beyond what it was given; once before, so that libraries have their workspace."""
    call()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    result = call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before, result


def assert_as_good_as_naive(found: Any, case: Case, exact: list[Tensor]) -> None:
    naive = case.gradients(case.hidden.dtype)[1]
    for name, value, right, other in zip(("hidden", "weight", "bias"), found, exact, naive, strict=False):
        assert distance(value, right) <= 2 * distance(other, right) + 1e-6, name
    assert (found[0][::8] == 0).all()
    assert (found[1][case.n_vocab :] == 0).all()


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("width", [512, 500], ids=["rows on 16 bytes", "rows not on 16 bytes"])
@pytest.mark.parametrize("v", VOCABULARIES)
def test_forward_and_gradients(v: int, width: int, option: str) -> None:
    from calibaudit.kernels.triton_kernels import backward, forward, retained

    case = Case(300, width, v, **OPTIONS[option])
    z, exact = case.gradients(torch.float64)
    targets = case.targets[:, None]
    found = forward.head_forward(case.hidden, case.head, targets, top=True, mean=True)
    near = {"atol": 2e-5, "rtol": 2e-5}
    torch.testing.assert_close(found.lse.double(), z.logsumexp(1), **near)
    torch.testing.assert_close(found.mean_logit.double(), z.mean(1), **near)
    torch.testing.assert_close(found.top_logit.double(), z.max(1).values, **near)
    wanted = z.gather(1, targets.clamp(min=0)).masked_fill(targets < 0, 0.0)
    torch.testing.assert_close(found.target_logit.double(), wanted, **near)
    top = z.gather(1, found.top_token[:, None])[:, 0]  # float32 may order near ties the other way
    torch.testing.assert_close(top, z.max(1).values, **near)
    del z
    given = (case.hidden, case.head, case.targets)
    for scratch in (4 << 20, 64 << 20):
        gradients = backward.head_backward(*given, found.lse, case.upstream, **case.needs(scratch))
        assert_as_good_as_naive(gradients, case, exact)
        at_once, gradients = retained.head_loss_gradients(*given, case.upstream, **case.needs(scratch))
        assert_as_good_as_naive(gradients, case, exact)
        torch.testing.assert_close(at_once.lse, found.lse, atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
def test_other_dtypes(dtype: torch.dtype) -> None:
    from calibaudit.kernels.triton_kernels import backward, forward

    case = Case(300, 512, 50257, dtype, **OPTIONS["everything"])
    exact = case.gradients(torch.float64)[1]
    found = forward.head_forward(case.hidden, case.head, case.targets[:, None], top=False, mean=True)
    gradients = backward.head_backward(
        case.hidden, case.head, case.targets, found.lse, case.upstream, **case.needs(16 << 20)
    )
    assert_as_good_as_naive(gradients, case, exact)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 129])
def test_any_number_of_rows(n: int) -> None:
    from calibaudit.kernels.triton_kernels import retained

    case = Case(n + 1, 512, 50257, eps=0.1)
    case.hidden, case.targets, case.upstream = case.hidden[1:], case.targets[1:], case.upstream[1:]
    exact = case.gradients(torch.float64)[1]
    naive = case.gradients(torch.bfloat16)[1]
    found = retained.head_loss_gradients(case.hidden, case.head, case.targets, case.upstream, **case.needs(16 << 20))[1]
    for value, right, other in zip(found, exact, naive, strict=False):
        assert distance(value, right) <= 2 * distance(other, right) + 1e-6


def anchored_definition(case: Case, prior: Case, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Both log-sum-exps, sum_v q_v z_v and the gradients by hidden and weight."""
    leaves = [tensor.detach().to(dtype, copy=True).requires_grad_() for tensor in (case.hidden, case.weight)]
    z = case.logits(leaves)
    u = prior.logits([prior.hidden.to(dtype), prior.weight.to(dtype)])
    mean = (u.softmax(1) * z).sum(1)
    target = z.gather(1, case.targets.clamp(min=0)[:, None])[:, 0]
    loss = z.logsumexp(1) - (1 - case.eps) * target - case.eps * mean
    (loss * case.upstream.to(z.dtype)).sum().backward()
    grads = [leaf.grad for leaf in leaves if leaf.grad is not None]
    return z.logsumexp(1).detach(), u.logsumexp(1), mean.detach(), grads


@pytest.mark.parametrize("capped", [False, True], ids=["no softcap", "prior with softcap"])
@pytest.mark.parametrize("v", [50257, 128256])
def test_anchored(v: int, capped: bool) -> None:
    from calibaudit.kernels.triton_kernels import anchored, anchored_retained

    case, prior = Case(300, 512, v, eps=0.5), Case(300, 256, v, seed=1, softcap=30.0 if capped else None)
    given = (case.hidden, case.head, prior.hidden, prior.head, case.targets)
    found = anchored.anchored_forward(*given)
    lse, prior_lse, mean, exact = anchored_definition(case, prior, torch.float64)
    naive = anchored_definition(case, prior, torch.bfloat16)[3]
    made = {
        "two passes": anchored.anchored_backward(
            *given, found.lse, found.prior_lse, case.upstream, **case.needs(16 << 20)
        )
    }
    for scratch in (3 << 20, 16 << 20, 256 << 20):  # dW's storage keeps logits, the scratch some, or all
        at_once, made[f"at once, {scratch >> 20} MiB"] = anchored_retained.anchored_loss_gradients(
            *given, case.upstream, **case.needs(scratch)
        )
        for values in (found, at_once):
            for value, right in ((values.lse, lse), (values.prior_lse, prior_lse), (values.prior_mean_logit, mean)):
                torch.testing.assert_close(value.double(), right, atol=2e-5, rtol=2e-5)
    for name, gradients in made.items():
        for value, right, other in zip(gradients, exact, naive, strict=False):
            assert distance(value, right) <= 2 * distance(other, right) + 1e-6, name


@pytest.mark.parametrize("scratch", [4 << 20, 256 << 20])
def test_a_float32_weight_rounded(scratch: int) -> None:
    """dW is not rounded to bfloat16, and its storage is all that a copy of the weight takes."""
    from calibaudit.kernels.triton_kernels import anchored_retained, retained

    case, prior = Case(300, 512, 50257, eps=0.1), Case(300, 256, 50257, seed=1)
    uniform = case.gradients(torch.float64)[1]
    anchored = anchored_definition(case, prior, torch.float64)[3]
    naive = [case.gradients(torch.bfloat16)[1], anchored_definition(case, prior, torch.bfloat16)[3]]
    case.weight = case.weight.float()
    needs = case.needs(scratch)
    given = (case.hidden, case.head)
    held, (_, first) = peak(
        lambda: retained.head_loss_gradients(*given, case.targets, case.upstream, **needs, rounded=True)
    )
    assert held - 2 * case.hidden.numel() - 4 * case.weight.numel() <= scratch + (1 << 20)
    second = anchored_retained.anchored_loss_gradients(
        *given, prior.hidden, prior.head, case.targets, case.upstream, **needs, rounded=True
    )[1]
    for made, exact, other in ((first, uniform, naive[0]), (second, anchored, naive[1])):
        assert made.weight.dtype == torch.float32
        for value, right, bound in zip(made, exact, other, strict=False):
            assert distance(value, right) <= 2 * distance(bound, right) + 1e-6


def test_dlogits_rows_sum_to_zero() -> None:
    """With a head of equal rows dH is their sum times the row: nought, but for the rounding that the naive path has."""
    from calibaudit.kernels.triton_kernels import backward, retained

    case = Case(300, 512, 50257, eps=0.1)
    case.weight[:] = case.weight[:1]
    lse = case.gradients(torch.float64)[0].logsumexp(1).float()
    naive = case.gradients(torch.bfloat16)[1][0].float().norm()
    given = (case.hidden, case.head, case.targets)
    found = backward.head_backward(*given, lse, case.upstream, **case.needs(16 << 20))
    at_once = retained.head_loss_gradients(*given, case.upstream, **case.needs(64 << 20))[1]
    for gradients in (found, at_once):
        assert gradients[0] is not None
        assert gradients[0].float().norm() <= 2 * naive + 1e-6


@pytest.mark.parametrize("shape", [(16384, 64, 151936), (128, 8704, 256000)], ids=["N V > 2^31", "V D > 2^31"])
def test_offsets_past_two_to_the_31(shape: tuple[int, int, int]) -> None:
    from calibaudit.kernels.triton_kernels import retained

    n, d, v = shape
    case = Case(n, d, v, eps=0.1)
    found, gradients = retained.head_loss_gradients(
        case.hidden, case.head, case.targets, case.upstream, **case.needs(512 << 20)
    )
    rows = torch.tensor([1, 2, n // 2 + 1, n - 1], device="cuda")
    columns = torch.tensor([0, 1, v // 2, v - 2, v - 1], device="cuda")
    z = torch.cat([case.hidden[rows].double() @ part.double().T for part in case.weight.split(16384)], 1)
    torch.testing.assert_close(found.lse[rows].double(), z.logsumexp(1), atol=2e-5, rtol=2e-5)
    hard = F.one_hot(case.targets[rows].clamp(min=0), v) * (1 - case.eps)
    dz = (z.softmax(1) - hard - case.eps / v) * case.upstream[rows, None].double()
    parts = zip(dz.split(16384, 1), case.weight.split(16384), strict=True)
    exact = sum(part @ rows_of.double() for part, rows_of in parts)
    assert distance(gradients[0][rows], exact) < 1e-2
    lse = found.lse.double()
    p = (case.hidden.double() @ case.weight[columns].double().T - lse[:, None]).exp()
    hard = (case.targets[:, None] == columns) * (1 - case.eps)
    dz = (p - hard - case.eps / v) * case.upstream[:, None].double()
    assert distance(gradients[1][columns], dz.T @ case.hidden.double()) < 1e-2


def test_two_runs_are_bit_equal() -> None:
    from calibaudit.kernels.triton_kernels import anchored_retained, backward, retained

    case = Case(1024, 2304, 50257, eps=0.1)
    given = (case.hidden, case.head, case.targets)
    lse = case.logits([case.hidden.float(), case.weight.float()]).logsumexp(1)
    for scratch in (64 << 20, 512 << 20):
        once, twice = (retained.head_loss_gradients(*given, case.upstream, **case.needs(scratch)) for _ in range(2))
        assert torch.equal(once[0].lse, twice[0].lse)
        assert torch.equal(once[1][0], twice[1][0])
        assert torch.equal(once[1][1], twice[1][1])
        once, twice = (backward.head_backward(*given, lse, case.upstream, **case.needs(scratch)) for _ in range(2))
        assert torch.equal(once[0], twice[0])
        assert torch.equal(once[1], twice[1])
        both = (case.hidden, case.head, case.hidden.roll(1, 0), case.head, case.targets, case.upstream)
        once, twice = (anchored_retained.anchored_loss_gradients(*both, **case.needs(scratch)) for _ in range(2))
        for one, other in zip((*once[0], *once[1][:2]), (*twice[0], *twice[1][:2]), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(("n", "d", "v"), [(8192, 2304, 256000), (8192, 4096, 128256), (512, 4096, 128256)])
def test_memory_stays_in_its_bounds(n: int, d: int, v: int) -> None:
    from calibaudit.kernels.triton_kernels import anchored, anchored_retained, backward, forward, retained

    case = Case(n, d, v, eps=0.1)
    targets = case.targets[:, None]
    held, found = peak(lambda: forward.head_forward(case.hidden, case.head, targets, top=False, mean=True))
    assert held - 3 * 4 * n <= 2 << 20
    gradients = 2 * (n * d + v * d)
    given = (case.hidden, case.head, case.targets)
    for scratch in (40 << 20, 60 << 20, 160 << 20, 512 << 20):
        needs = case.needs(scratch)
        held, _ = peak(lambda needs=needs: backward.head_backward(*given, found.lse, case.upstream, **needs))
        assert held - gradients <= scratch
        held, _ = peak(lambda needs=needs: retained.head_loss_gradients(*given, case.upstream, **needs))
        assert held - gradients <= scratch
    prior = Case(n, d, v, seed=1)
    both = (case.hidden, case.head, prior.hidden, prior.head, case.targets)
    held, found = peak(lambda: anchored.anchored_forward(*both))
    assert held - 4 * 4 * n <= 2 << 20
    lses, needs = (found.lse, found.prior_lse), case.needs(512 << 20)
    held, _ = peak(lambda: anchored.anchored_backward(*both, *lses, case.upstream, **needs))
    assert held - gradients <= 512 << 20
    held, _ = peak(lambda: anchored_retained.anchored_loss_gradients(*both, case.upstream, **needs))
    assert held - gradients <= 512 << 20


def test_all_rows_ignored() -> None:
    from calibaudit.kernels.triton_kernels import retained

    case = Case(300, 512, 50257, eps=0.1)
    case.targets[:], case.upstream[:] = -100, 0.0
    gradients = retained.head_loss_gradients(
        case.hidden, case.head, case.targets, case.upstream, **case.needs(64 << 20)
    )[1]
    assert (gradients[0] == 0).all()
    assert (gradients[1] == 0).all()


def test_the_public_losses_take_this_path() -> None:
    from calibaudit.kernels import anchored_cross_entropy, kernel_path, linear_cross_entropy

    assert kernel_path("cuda")[0] == "triton"
    case = Case(300, 512, 50257, eps=0.1)
    exact = [tensor.detach().double().requires_grad_() for tensor in (case.hidden, case.weight)]
    wanted = F.cross_entropy(exact[0] @ exact[1].T, case.targets, label_smoothing=0.1)
    wanted.backward()
    hidden, weight = case.hidden.requires_grad_(), case.weight.requires_grad_()
    loss = linear_cross_entropy(hidden, weight, case.targets, label_smoothing=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-4)
    assert distance(hidden.grad, exact[0].grad) < 1e-2
    assert distance(weight.grad, exact[1].grad) < 1e-2
    own = anchored_cross_entropy(hidden, weight, hidden.detach(), weight.detach(), case.targets, label_smoothing=0.5)
    assert own.item() == own.item()
