"""The Triton kernels under the interpreter at small odd sizes; run by test_triton_interpreted.py.

The interpreter must be chosen before triton is imported, so these cases have processes of their own. The judge is a
float64 definition in plain torch with autograd; the tolerance comes from the same in the inputs' own dtype.

Size, dtype, softcap, scale, bias, padding, smoothing and scratch are crossed pairwise, not in full, in test_forward,
test_backward, test_loss_and_gradients_at_once and test_anchored: each option is a branch of its own that meets another
in one line at most (the bias is added, then scaled, then capped, then masked), so a fault needs two of them, and every
two values of any two factors stand together in a case. The full cross was 400 cases in an interpreter. A vocabulary of
one has rows of its own: most faults do not show in it, so it must not be where two values meet. Every case that is
there for one trap (rows sure of their target, slots of every kind, blocks of rows, frozen, strided, mixed, ignored,
tied and infinite inputs, two equal runs) stands alone below.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import triton.language as tl
from head_case import HeadCase
from pairwise import pairwise
from torch import Tensor
from triton.runtime import interpreter

from calibaudit.kernels.heads import Head
from calibaudit.kernels.triton_kernels import (
    anchored,
    anchored_retained,
    backward,
    forward,
    packing,
    retained,
    tiles,
)

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
ONE = [(1, 1, 1)]
SIZES = [(7, 5, 67), (17, 24, 75)]
OPTIONS: list[tuple[Any, ...]] = [(None, 4.0), (1.0, 0.3), (False, True), (0, 3)]
"""softcap, logit_scale, bias, rows of weight past the vocabulary."""
EPS = (0.0, 0.3)


def rows(*factors: Any) -> list[tuple[Any, Any, tuple[Any, ...]]]:
    """The pairwise rows, of which the first two values stand alone and the others are a case's options."""
    return [(first, second, tuple(others)) for first, second, *others in pairwise(*factors)]


class Case(HeadCase):
    """Random inputs, and what the definition makes of them in a given dtype."""

    def __init__(
        self,
        size: tuple[int, int, int],
        dtype: torch.dtype,
        softcap: float | None = None,
        scale: float = 1.0,
        bias: bool = False,
        padding: int = 0,
        eps: float = 0.0,
    ) -> None:
        n, d, v = size
        g = torch.Generator().manual_seed(0)
        self.hidden = torch.randn(n, d, generator=g).to(dtype)
        self.weight = (torch.randn(v, d, generator=g) * 3 / d**0.5).to(dtype)
        self.bias = torch.randn(v, generator=g).to(dtype) if bias else None
        self.n_vocab = max(1, v - padding)
        self.weight[self.n_vocab :] = 50.0  # would take over the softmax if it were seen
        self.targets = torch.randint(self.n_vocab, (n,), generator=g)
        self.upstream = torch.rand(n, generator=g)
        if n > 1:
            self.targets[0], self.upstream[0] = -100, 0.0
        self.softcap, self.scale, self.eps = softcap, scale, eps

    def leaves(self, dtype: torch.dtype) -> list[Tensor | None]:
        return [
            None if tensor is None else tensor.detach().to(dtype, copy=True).requires_grad_()
            for tensor in (self.hidden, self.weight, self.bias)
        ]

    def logits(self, leaves: list[Tensor | None]) -> Tensor:
        hidden, weight, bias = leaves
        assert hidden is not None
        assert weight is not None
        return self.logits_of(hidden, weight, bias)

    def gradients(self, dtype: torch.dtype) -> list[Tensor | None]:
        leaves = self.leaves(dtype)
        z = self.logits(leaves)
        loss = F.cross_entropy(z, self.targets, label_smoothing=self.eps, reduction="none")
        (loss * self.upstream.to(z.dtype)).sum().backward()
        return [None if leaf is None else leaf.grad for leaf in leaves]

    def lse(self) -> Tensor:
        return self.logits(self.leaves(torch.float64)).logsumexp(1).detach().float()


def distance(found: Tensor, exact: Tensor) -> float:
    """Relative Frobenius distance, absolute where the exact gradient is nought."""
    return float((found.double() - exact).norm() / exact.norm().clamp(min=1e-3))


def assert_as_good_as_naive(found: Any, case: Case) -> None:
    dtype = case.hidden.dtype
    for name, value, exact, naive in zip(
        ("hidden", "weight", "bias"), found, case.gradients(torch.float64), case.gradients(dtype), strict=True
    ):
        if exact is None:
            assert value is None
            continue
        assert naive is not None
        assert value.dtype == dtype
        assert value.shape == exact.shape
        floor = 1e-6 if exact.norm() > 1e-3 else 2e-3  # a vocabulary of one: nought, so 2e-6 absolute
        assert distance(value, exact) <= 2 * distance(naive, exact) + floor, name
    if found[1] is not None:
        assert (found[1][case.n_vocab :] == 0).all()


@pytest.fixture(autouse=True)
def _interpreted() -> None:
    assert tiles.INTERPRETED, "these cases need TRITON_INTERPRET=1"


@pytest.fixture(autouse=True, scope="module")
def _prepared_once() -> Iterator[None]:
    """The interpreter prepares triton.language for each kernel, and again, to no effect, at every call of a function
    in it: a fifth of all the time."""
    plain = interpreter._patch_lang

    def prepared(function: Any) -> Any:
        seen = [one for one in (tl, tl.core) if any(value is one for value in function.__globals__.values())]
        return plain(function) if any(tl.core.is_builtin(one.load) for one in seen) else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "_patch_lang", prepared)
        yield


@pytest.fixture(autouse=True)
def _nan_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kernel forgets to write is NaN."""
    plain = torch.empty

    def filled(*size: Any, **options: Any) -> Tensor:
        tensor = plain(*size, **options)
        return tensor.fill_(torch.nan if tensor.dtype.is_floating_point else 85) if tensor.numel() else tensor

    monkeypatch.setattr(torch, "empty", filled)


@pytest.mark.parametrize(
    ("size", "dtype", "option"), rows(ONE, DTYPES, *OPTIONS) + rows(SIZES, DTYPES, *OPTIONS), ids=str
)
def test_forward(size: tuple[int, int, int], dtype: torch.dtype, option: tuple[Any, ...]) -> None:
    case = Case(size, dtype, *option)
    z = case.logits(case.leaves(torch.float64)).detach()
    targets = torch.randint(case.n_vocab, (size[0], 3))
    targets[0, 1] = -100
    found = forward.head_forward(case.hidden, case.head, targets, top=True, mean=True)
    near = {"atol": 2e-5, "rtol": 2e-5}
    torch.testing.assert_close(found.lse.double(), z.logsumexp(1), **near)
    torch.testing.assert_close(found.mean_logit.double(), z.mean(1), **near)
    torch.testing.assert_close(found.top_logit.double(), z.max(1).values, **near)
    assert torch.equal(found.top_token, z.argmax(1))
    wanted = z.gather(1, targets.clamp(min=0)).masked_fill(targets < 0, 0.0)
    torch.testing.assert_close(found.target_logit.double(), wanted, **near)


@pytest.mark.parametrize(
    ("size", "dtype", "option"), rows(ONE, DTYPES, *OPTIONS, EPS) + rows(SIZES, DTYPES, *OPTIONS, EPS), ids=str
)
def test_backward(size: tuple[int, int, int], dtype: torch.dtype, option: tuple[Any, ...]) -> None:
    case = Case(size, dtype, *option)
    found = backward.head_backward(case.hidden, case.head, case.targets, case.lse(), case.upstream, **case.needs(1))
    assert_as_good_as_naive(found, case)


@pytest.mark.parametrize(
    ("size", "scratch", "option"),
    rows(SIZES, [1, (1 << 20) + 60_000, 1 << 22], [None], *OPTIONS[1:], EPS),
    ids=str,
)
def test_loss_and_gradients_at_once(size: tuple[int, int, int], scratch: int, option: tuple[Any, ...]) -> None:
    """No logit kept, some, all."""
    case = Case(size, torch.bfloat16, *option)
    found, gradients = retained.head_loss_gradients(
        case.hidden, case.head, case.targets, case.upstream, **case.needs(scratch)
    )
    assert_as_good_as_naive(gradients, case)
    torch.testing.assert_close(found.lse, case.lse(), atol=2e-5, rtol=2e-5)
    assert (found.mean_logit is not None) == (case.eps > 0)


@pytest.mark.parametrize("eps", [0.0, 0.1])
@pytest.mark.parametrize("peak", [8.0, 14.0, 20.0])
def test_rows_sure_of_their_target_keep_its_small_gradient(peak: float, eps: float) -> None:
    """Where p is near 1, p - 1 is far smaller than a step of a kept logit. (From logits of 100 on float32 ends it.)"""
    case = Case((50, 24, 150), torch.bfloat16, eps=eps)
    towards = F.normalize(case.weight.float(), dim=-1)[case.targets.clamp(min=0)] * peak
    case.hidden = (case.hidden.float() + towards).to(torch.bfloat16)
    found = retained.head_loss_gradients(case.hidden, case.head, case.targets, case.upstream, **case.needs(1 << 22))[1]
    assert_as_good_as_naive(found, case)


class Homes:
    """What homes_of said, with chunks of at most 96 columns and a scratch that holds `slots` slots beside one."""

    def __init__(self, patch: pytest.MonkeyPatch, n: int, d: int, slot: int, slots: int, row_bytes: int) -> None:
        self.found: list[Any] = []
        self.scratch = (1 << 20) + row_bytes * n + n * d + (n * 96 * 2 + slot * slots) * 32 // 31 + 32
        for module in (retained, anchored_retained):
            patch.setattr(retained, "GOOD_CHUNK", 96)
            patch.setattr(module, "homes_of", self.watched(module.homes_of))

    def watched(self, plain: Any) -> Any:
        return lambda *given: self.found.append(plain(*given)) or self.found[-1]

    def check(self, n_slots: int, columns: int, n_vocab: int) -> None:
        """Slots in dW and as many as meant in the scratch, and the border between them inside a chunk."""
        (chunk, homes) = self.found[0]
        in_weight, in_scratch = (-(-(home.stop - home.first) // columns) for home in homes[:2])
        n_tiles = -(-n_vocab // columns)
        assert in_weight > 1
        assert homes[1].first % chunk
        assert in_scratch == min(n_slots, n_tiles - in_weight)
        assert (len(homes) == 2) == (in_weight + in_scratch == n_tiles)


@pytest.mark.parametrize(("n_slots", "rounded"), [(2, False), (20, True)])
def test_kept_logits_of_every_home(n_slots: int, rounded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots in dW, slots in the scratch and recomputed tiles, in chunks that hold more than one of these kinds."""
    case = Case((17, 8, 310), torch.bfloat16, bias=True, padding=9, eps=0.1)
    homes = Homes(monkeypatch, 17, 8, packing.slot_bytes(17, 32, 32), n_slots, 64 + 3 * 8 * 2)
    if rounded:
        case.weight = case.weight.float()
    found = retained.head_loss_gradients(
        case.hidden, case.head, case.targets, case.upstream, **case.needs(homes.scratch), rounded=rounded
    )[1]
    homes.check(n_slots, 32, case.n_vocab)
    if rounded:
        assert found[1].dtype == torch.float32
        found = found._replace(weight=found[1].to(torch.bfloat16))
        case.weight = case.weight.to(torch.bfloat16)
    assert_as_good_as_naive(found, case)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("frozen", ["hidden", "weight", "bias"])
def test_what_is_frozen_gets_no_gradient(frozen: str, fused: bool) -> None:
    case = Case((33, 24, 150), torch.bfloat16, bias=True, eps=0.1)
    needs = case.needs(1 << 20)
    needs["needs"] = needs["needs"]._replace(**{frozen: False})
    given = (case.hidden, case.head, case.targets)
    if fused:
        found = retained.head_loss_gradients(*given, case.upstream, **needs)[1]
    else:
        found = backward.head_backward(*given, case.lse(), case.upstream, **needs)
    place = ("hidden", "weight", "bias").index(frozen)
    assert found[place] is None
    exact = case.gradients(torch.float64)
    for index in {0, 1, 2} - {place}:
        assert distance(found[index], exact[index]) < 6e-3


def test_hidden_gradient_in_blocks_of_rows() -> None:
    """Where dH's own sum would not fit in the scratch, rows come in blocks."""
    case = Case((33, 24, 150), torch.bfloat16, eps=0.1)
    found = backward.head_backward(case.hidden, case.head, case.targets, case.lse(), case.upstream, **case.needs(800))
    assert_as_good_as_naive(found, case)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("step", [2, "transposed"])
def test_strided_inputs(step: Any, dtype: torch.dtype) -> None:
    case = Case((33, 24, 150), dtype, bias=True, eps=0.1)
    exact = backward.head_backward(
        case.hidden, case.head, case.targets, case.lse(), case.upstream, **case.needs(1 << 20)
    )
    for name in ("hidden", "weight"):
        tensor = getattr(case, name)
        if step == "transposed":
            strided = tensor.T.contiguous().T
        else:
            strided = torch.zeros(tensor.shape[0], tensor.shape[1], 2, dtype=dtype)[..., 0].copy_(tensor)
        setattr(case, name, strided)
    assert not case.hidden.is_contiguous()
    found = forward.head_forward(case.hidden, case.head, case.targets[:, None], top=True, mean=True)
    torch.testing.assert_close(found.lse, case.lse(), atol=2e-5, rtol=2e-5)
    again = backward.head_backward(
        case.hidden, case.head, case.targets, case.lse(), case.upstream, **case.needs(1 << 20)
    )
    for a, b in zip(exact, again, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5 if dtype == torch.float32 else 1e-2)


def test_mixed_dtypes_multiply_in_float32() -> None:
    case = Case((33, 24, 150), torch.bfloat16, eps=0.1)
    case.weight = case.weight.float() + 1e-4
    found = backward.head_backward(
        case.hidden, case.head, case.targets, case.lse(), case.upstream, **case.needs(1 << 20)
    )
    exact = case.gradients(torch.float64)
    assert found[0].dtype == torch.bfloat16
    assert distance(found[0], exact[0]) < 2.5e-3
    assert found[1].dtype == torch.float32
    assert distance(found[1], exact[1]) < 1e-6


@pytest.mark.parametrize("ignored", ["one", "all but one", "all"])
def test_ignored_rows_get_zero_and_give_nothing(ignored: str) -> None:
    case = Case((33, 24, 150), torch.bfloat16, eps=0.1)
    rows = {"one": slice(0, 1), "all but one": slice(1, None), "all": slice(None)}[ignored]
    case.targets[rows], case.upstream[rows] = -100, 0.0
    for found in (
        backward.head_backward(case.hidden, case.head, case.targets, case.lse(), case.upstream, **case.needs(1 << 20)),
        retained.head_loss_gradients(case.hidden, case.head, case.targets, case.upstream, **case.needs(1 << 21))[1],
    ):
        assert found[0] is not None
        assert found[1] is not None
        assert (found[0][rows] == 0).all()
        if ignored == "all":
            assert (found[1] == 0).all()


def test_two_runs_are_bit_equal_and_no_rows_work() -> None:
    case = Case((33, 24, 150), torch.bfloat16, eps=0.1)
    runs = [
        retained.head_loss_gradients(case.hidden, case.head, case.targets, case.upstream, **case.needs(1 << 21))
        for _ in range(2)
    ]
    assert torch.equal(runs[0][0].lse, runs[1][0].lse)
    assert torch.equal(runs[0][1][0], runs[1][1][0])
    assert torch.equal(runs[0][1][1], runs[1][1][1])
    empty = Case((0, 24, 150), torch.bfloat16, bias=True)
    found = forward.head_forward(empty.hidden, empty.head, empty.targets[:, None], top=True, mean=True)
    assert found.lse.shape == found.top_token.shape == (0,)
    gradients = backward.head_backward(
        empty.hidden, empty.head, empty.targets, found.lse, empty.upstream, **empty.needs(1)
    )
    assert gradients[0].shape == (0, 24)
    assert (gradients[1] == 0).all()


def test_ties_take_the_lowest_id_and_minus_infinity_is_a_logit() -> None:
    hidden, weight = torch.ones(5, 8), torch.ones(150, 8)
    bias = torch.zeros(150)
    bias[:40] = -torch.inf
    head = Head(weight, bias, None, 1.0, 150)
    targets = torch.full((5, 1), 60)
    found = forward.head_forward(hidden, head, targets, top=True, mean=False)
    assert (found.top_token == 40).all()
    torch.testing.assert_close(found.lse, torch.full((5,), 8.0) + torch.tensor(110.0).log())
    bias.fill_(-torch.inf)
    dead = forward.head_forward(hidden, head, targets, top=True, mean=False)
    assert (dead.lse == -torch.inf).all()
    hidden[2, 3] = torch.nan
    bias.zero_()
    ill = forward.head_forward(hidden, head, targets, top=True, mean=False)
    assert ill.lse.isnan().tolist() == [False, False, True, False, False]


def anchored_definition(
    case: Case, prior: Case, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, list[Tensor | None]]:
    """Both log-sum-exps, sum_v q_v z_v and the gradients, in a dtype."""
    leaves = case.leaves(dtype)
    z, u = case.logits(leaves), prior.logits(prior.leaves(dtype)).detach()
    mean = (u.softmax(1) * z).sum(1)
    target = z.gather(1, case.targets.clamp(min=0)[:, None])[:, 0]
    loss = z.logsumexp(1) - (1 - case.eps) * target - case.eps * mean
    (loss * case.upstream.to(z.dtype)).sum().backward()
    return z.logsumexp(1), u.logsumexp(1), mean, [None if leaf is None else leaf.grad for leaf in leaves]


@pytest.mark.parametrize(
    ("dtype", "option"), [(row[0], row[1:]) for row in pairwise(DTYPES[:2], *OPTIONS, (0.3, 1.0))], ids=str
)
def test_anchored(dtype: torch.dtype, option: tuple[Any, ...]) -> None:
    case = Case((17, 24, 75), dtype, *option)
    prior = Case((17, 16, 80), dtype, softcap=6.0, scale=0.7, bias=not option[2], padding=80 - case.n_vocab)

    given = (case.hidden, case.head, prior.hidden, prior.head, case.targets)
    found = anchored.anchored_forward(*given)
    lse, prior_lse, mean, exact = anchored_definition(case, prior, torch.float64)
    for value, wanted in ((found.lse, lse), (found.prior_lse, prior_lse), (found.prior_mean_logit, mean)):
        torch.testing.assert_close(value.double(), wanted.detach(), atol=2e-5, rtol=2e-5)
    made = anchored.anchored_backward(*given, found.lse, found.prior_lse, case.upstream, **case.needs(1))
    for value, right, naive in zip(made, exact, anchored_definition(case, prior, dtype)[3], strict=True):
        if right is None:
            assert value is None
        else:
            assert distance(value, right) <= 2 * distance(naive, right) + 1e-6


@pytest.mark.parametrize(("n_slots", "rounded"), [(2, True), (20, False)])
def test_anchored_kept_logits_of_every_home(n_slots: int, rounded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case((17, 8, 170), torch.bfloat16, bias=True, padding=9, eps=0.3)
    prior = Case((17, 8, 170), torch.bfloat16, softcap=6.0, padding=9)
    homes = Homes(monkeypatch, 17, 8, 2 * packing.slot_bytes(17, 16, 16), n_slots, 128 + 3 * 20 * 2)
    exact, naive = anchored_definition(case, prior, torch.float64), anchored_definition(case, prior, torch.bfloat16)
    if rounded:
        case.weight = case.weight.float()
    found, made = anchored_retained.anchored_loss_gradients(
        case.hidden, case.head, prior.hidden, prior.head, case.targets, case.upstream, **case.needs(homes.scratch),
        rounded=rounded,
    )  # fmt: skip
    homes.check(n_slots, 16, case.n_vocab)
    for value, right in ((found.lse, exact[0]), (found.prior_lse, exact[1]), (found.prior_mean_logit, exact[2])):
        torch.testing.assert_close(value.double(), right.detach(), atol=2e-5, rtol=2e-5)
    assert made.weight.dtype == (torch.float32 if rounded else torch.bfloat16)
    for value, right, other in zip(made, exact[3], naive[3], strict=True):
        assert distance(value, right) <= 2 * distance(other, right) + 1e-6


def test_two_heads_that_are_sure_of_the_target_keep_its_small_gradient() -> None:
    """p - (1 - eps) - eps q, where p and q are both near 1: neither may be rounded there."""
    case, prior = (Case((17, 16, 40), torch.bfloat16, eps=0.5) for _ in range(2))
    towards = F.normalize(case.weight.float(), dim=-1)[case.targets.clamp(min=0)] * 14.0
    case.hidden = prior.hidden = (case.hidden.float() + towards).to(torch.bfloat16)
    exact, naive = anchored_definition(case, prior, torch.float64), anchored_definition(case, prior, torch.bfloat16)
    given = (case.hidden, case.head, prior.hidden, prior.head, case.targets)
    for scratch in (1, 1 << 22):
        made = anchored_retained.anchored_loss_gradients(*given, case.upstream, **case.needs(scratch))[1]
        for value, right, other in zip(made[:2], exact[3], naive[3], strict=False):
            assert distance(value, right) <= 2 * distance(other, right) + 1e-6


def test_public_functions_on_this_path(monkeypatch: pytest.MonkeyPatch) -> None:
    from calibaudit.kernels import anchored_cross_entropy, kernel_path, linear_cross_entropy, linear_logprobs

    monkeypatch.setenv("CALIBAUDIT_KERNELS", "triton")
    assert kernel_path("cpu")[0] == "triton"
    case = Case((33, 24, 150), torch.float32, bias=True)
    hidden, weight, bias = (leaf for leaf in case.leaves(torch.float32) if leaf is not None)
    exact = case.leaves(torch.float64)
    z = case.logits(exact)
    found = linear_logprobs(hidden, weight, case.targets, bias=bias)
    wanted = z.log_softmax(1).gather(1, case.targets.clamp(min=0)[:, None])[:, 0].masked_fill(case.targets < 0, 0.0)
    torch.testing.assert_close(found.logprob.double(), wanted.detach(), atol=2e-5, rtol=2e-5)
    loss = linear_cross_entropy(hidden, weight, case.targets, bias=bias, label_smoothing=0.1)
    right = F.cross_entropy(z, case.targets, label_smoothing=0.1)
    torch.testing.assert_close(loss.double(), right, atol=2e-5, rtol=2e-5)
    loss.backward()
    right.backward()
    for leaf, other in zip((hidden, weight, bias), exact, strict=True):
        assert other is not None
        torch.testing.assert_close(leaf.grad.double(), other.grad, atol=1e-6, rtol=1e-4)
    own = anchored_cross_entropy(
        hidden, weight, hidden.detach(), weight.detach(), case.targets, bias=bias, label_smoothing=0.3,
        prior_bias=bias.detach(),
    )  # fmt: skip
    z = z.detach()
    q = z.softmax(1)
    rows = case.targets >= 0
    target = z.gather(1, case.targets.clamp(min=0)[:, None])[:, 0]
    wanted = (z.logsumexp(1) - 0.7 * target - 0.3 * (q * z).sum(1))[rows].mean()
    torch.testing.assert_close(own.double(), wanted, atol=2e-5, rtol=2e-5)
