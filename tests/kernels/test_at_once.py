"""Loss and gradients made in one go: against float64 autograd, and what autograd and compilers may do with them."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pairwise import pairwise
from torch import Tensor

from calibaudit.errors import CalibauditError
from calibaudit.kernels import anchored_cross_entropy, direct, linear_cross_entropy, reference
from calibaudit.kernels.chunked import at_once
from calibaudit.kernels.heads import Head, Needs

ALL = Needs(True, True, True)


class Case:
    """A head of v rows, the last `padded` past the vocabulary; a prior of another width; every fifth row ignored."""

    def __init__(self, n: int, d: int, v: int, *, padded: int = 0, scale: float = 1.0, seed: int = 0) -> None:
        g = torch.Generator().manual_seed(seed)
        self.n_vocab, self.scale = v - padded, scale
        self.hidden = torch.randn(n, d, generator=g)
        self.weight = torch.randn(v, d, generator=g) * 3 / d**0.5
        self.weight[self.n_vocab :] = 50.0
        self.bias = torch.randn(v, generator=g)
        self.targets = torch.randint(self.n_vocab, (n,), generator=g)
        self.targets[1::5] = -100
        self.prior_hidden, self.prior_weight = torch.randn(n, 6, generator=g), torch.randn(v, 6, generator=g)

    def leaves(self, needs: tuple[bool, ...] = ALL) -> list[Tensor]:
        given = zip((self.hidden, self.weight, self.bias), needs, strict=True)
        return [tensor.clone().requires_grad_(need) for tensor, need in given]

    def loss(self, leaves: list[Tensor], eps: float = 0.1, *, anchored: bool = False, **options: Any) -> Tensor:
        options |= {"label_smoothing": eps, "logit_scale": self.scale, "vocab_size": self.n_vocab, "bias": leaves[2]}
        if anchored:
            prior = (self.prior_hidden, self.prior_weight)
            return anchored_cross_entropy(*leaves[:2], *prior, self.targets, **options)
        return linear_cross_entropy(*leaves[:2], self.targets, **options)

    def exact(self, eps: float = 0.1, *, anchored: bool = False, mean: bool = True) -> tuple[Tensor, list[Tensor]]:
        """Loss and gradients in float64: the definition, differentiated by torch."""
        leaves = [tensor.detach().double().requires_grad_() for tensor in (self.hidden, self.weight, self.bias)]
        z = reference.logits(leaves[0], Head(leaves[1], leaves[2], None, self.scale, self.n_vocab))
        q = None
        if anchored:
            prior = Head(self.prior_weight, None, None, 1.0, self.n_vocab)
            q = reference.logits(self.prior_hidden, prior).softmax(1)
        loss = reference.losses(z, self.targets, eps, q).sum()
        if mean:
            loss = loss / max(1, int((self.targets != -100).sum()))
        return loss.detach(), list(torch.autograd.grad(loss, leaves))


def assert_close(found: Any, exact: Any, tolerance: float = 2e-5) -> None:
    for value, wanted in zip(found, exact, strict=True):
        torch.testing.assert_close(value.double(), wanted.double(), atol=tolerance, rtol=tolerance)


CHOICES = list(itertools.product((0, 1), repeat=3))[1:]
HOMES = {"in the gradient": (13, 17, 61), "gradient, then scratch": (150, 24, 301), "in the scratch": (150, 6, 4501)}


@pytest.mark.parametrize(
    ("home", "eps", "anchored", "scale", "padded", "needs"),
    pairwise(list(HOMES), [0.0, 0.1, 1.0], [False, True], [1.0, 0.3], [0, 3], CHOICES),
    ids=str,
)
def test_gradients(
    home: str, eps: float, anchored: bool, scale: float, padded: int, needs: tuple[int, ...], ran: list[str]
) -> None:
    """Logits kept in every place that there is for them, spans of several widths, each choice of frozen inputs."""
    n, d, v = HOMES[home]
    case = Case(n, d, v, padded=padded, scale=scale)
    wanted = tuple(map(bool, needs))
    leaves = case.leaves(wanted)
    loss = case.loss(leaves, eps, anchored=anchored, scratch_bytes=4 * 4 * 64 * v)
    exact, gradients = case.exact(eps, anchored=anchored)
    assert_close([loss], [exact])
    found = torch.autograd.grad(loss, [leaf for leaf in leaves if leaf.requires_grad], torch.tensor(3.5))
    assert_close(found, [3.5 * value for value, need in zip(gradients, wanted, strict=True) if need])
    assert "head_backward" not in ran
    assert "anchored_backward" not in ran


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("softcap", [None, 4.0])
@pytest.mark.parametrize("scratch", [4096, 1 << 20])
def test_where_nothing_can_be_kept_both_passes_run(dtype: torch.dtype, softcap: float | None, scratch: int) -> None:
    case = Case(15, 12, 61)
    head = Head(case.weight.to(dtype), case.bias.to(dtype), softcap, 1.0, 61)
    hidden, weights = case.hidden.to(dtype), torch.rand(15).masked_fill(case.targets == -100, 0.0)
    options = {"label_smoothing": 0.1, "needs": ALL, "scratch_bytes": scratch}
    found, gradients = at_once.head_loss_gradients(hidden, head, case.targets, weights, **options)
    exact = reference.head_forward(hidden, head, case.targets[:, None], top=False, mean=True)
    assert_close([found.lse, found.target_logit, found.mean_logit], [exact.lse, exact.target_logit, exact.mean_logit])
    tolerance = max(2e-5, torch.finfo(dtype).eps)
    wanted = reference.head_gradients(hidden, head, case.targets, weights, label_smoothing=0.1)
    assert_close(gradients, wanted, tolerance)
    prior = Head(case.prior_weight, None, 3.0, 1.0, 61)
    given = (hidden, head, case.prior_hidden, prior, case.targets)
    found, gradients = at_once.anchored_loss_gradients(*given, weights, **options)
    assert_close(found, reference.anchored_forward(*given))
    q = reference.logits(case.prior_hidden, prior).softmax(1)
    wanted = reference.head_gradients(hidden, head, case.targets, weights, label_smoothing=0.1, prior=q)
    assert_close(gradients, wanted, tolerance)


@pytest.mark.parametrize("anchored", [False, True], ids=["uniform", "anchored"])
def test_a_float32_weight_is_rounded_and_its_gradient_is_not(anchored: bool) -> None:
    """What autocast does, but for the gradient's rounding: against float64 of the rounded inputs."""
    case = Case(15, 12, 61)
    hidden, rounded = case.hidden.bfloat16(), case.weight.bfloat16()
    head, weights = Head(case.weight, None, None, 1.0, 61), torch.rand(15).masked_fill(case.targets == -100, 0.0)
    options = {"label_smoothing": 0.1, "needs": Needs(True, True, False), "scratch_bytes": 1 << 20, "rounded": True}
    q = None
    if anchored:
        prior = Head(case.prior_weight, None, None, 1.0, 61)
        given = (hidden, head, case.prior_hidden, prior, case.targets, weights)
        _, gradients = at_once.anchored_loss_gradients(*given, **options)
        q = reference.logits(case.prior_hidden, prior).softmax(1)
    else:
        _, gradients = at_once.head_loss_gradients(hidden, head, case.targets, weights, **options)
    exact = reference.head_gradients(
        hidden, head._replace(weight=rounded), case.targets, weights, label_smoothing=0.1, prior=q
    )
    assert (gradients.hidden.dtype, gradients.weight.dtype) == (torch.bfloat16, torch.float32)
    assert_close(gradients[:2], exact[:2], 2**-8)


class TestWhatRuns:
    """One pass where gradients are wanted and known to be multiples of one; else the plain ones."""

    def test_one_pass_and_no_other(self, ran: list[str]) -> None:
        case = Case(9, 12, 31)
        case.loss(case.leaves()).backward()
        assert ran == ["head_loss_gradients", "scale_by", "scale_by", "scale_by"]
        ran.clear()
        case.loss(case.leaves(), anchored=True).backward()
        assert ran[0] == "anchored_loss_gradients"
        ran.clear()
        case.loss(case.leaves(), 0.0, anchored=True).backward()  # no smoothing: the prior is not asked
        assert ran[0] == "head_loss_gradients"

    @pytest.mark.parametrize("anchored", [False, True], ids=["uniform", "anchored"])
    def test_plain_passes(self, ran: list[str], anchored: bool) -> None:
        case = Case(9, 12, 31)
        first = "anchored_forward" if anchored else "head_forward"
        for reduction in ("mean", "sum"):
            with torch.no_grad():
                case.loss(case.leaves(), anchored=anchored, reduction=reduction)
            case.loss(case.leaves((False, False, False)), anchored=anchored, reduction=reduction)
        case.loss(case.leaves(), anchored=anchored, reduction="none")
        case.loss(case.leaves(), anchored=anchored, softcap=4.0)
        case.loss([leaf.half().detach().requires_grad_() for leaf in case.leaves()], anchored=anchored)
        case.loss(case.leaves(), anchored=anchored, compute_dtype=torch.float16)
        assert ran == [first] * 8

    def test_too_little_scratch_for_a_block_of_rows(self, ran: list[str]) -> None:
        case = Case(65, 12, 31)
        case.loss(case.leaves(), scratch_bytes=4 * 2 * 31 * 63).backward()
        assert ran == ["head_forward", "head_backward"]

    @pytest.mark.parametrize("needs", list(itertools.product((False, True), repeat=3))[1:], ids=str)
    def test_only_what_is_needed_is_made(self, needs: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Needs] = []
        own = at_once.head_loss_gradients

        def watched(*arguments: Any, **options: Any) -> Any:
            asked.append(options["needs"])
            return own(*arguments, **options)

        monkeypatch.setattr(at_once, "head_loss_gradients", watched)
        case = Case(9, 12, 31)
        leaves = case.leaves(needs)
        case.loss(leaves).backward()
        assert asked == [Needs(*needs)]
        assert tuple(leaf.grad is not None for leaf in leaves) == needs


@pytest.mark.parametrize("anchored", [False, True], ids=["uniform", "anchored"])
class TestAutograd:
    def test_a_kept_graph_and_many_upstreams(self, anchored: bool, ran: list[str]) -> None:
        """The first pass hands out what was made with the loss; those after it leave that alone."""
        case = Case(9, 12, 31)
        leaves = case.leaves()
        loss = case.loss(leaves, anchored=anchored)
        exact = case.exact(anchored=anchored)[1]
        first = torch.autograd.grad(loss, leaves, torch.tensor(3.5), retain_graph=True)
        kept = [value.clone() for value in first]
        for factor in (1.0, -2.0, 0.0):
            again = torch.autograd.grad(loss, leaves, torch.tensor(factor), retain_graph=True)
            assert_close(again, [factor * value for value in exact])
        assert all(torch.equal(a, b) for a, b in zip(first, kept, strict=True))
        assert_close(first, [3.5 * value for value in exact])
        assert ran.count("anchored_backward" if anchored else "head_backward") == 3

    def test_two_losses_of_one_weight_and_accumulation(self, anchored: bool) -> None:
        case = Case(9, 12, 31)
        leaves = case.leaves()
        (case.loss(leaves, anchored=anchored) + 2.0 * case.loss(leaves, anchored=anchored)).backward()
        for _ in range(2):  # micro-batches, as a trainer divides them
            (case.loss(leaves, anchored=anchored) / 4).backward()
        assert_close([leaf.grad for leaf in leaves], [3.5 * value for value in case.exact(anchored=anchored)[1]])

    def test_the_gradient_is_handed_out_without_a_copy(self, anchored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[int] = []
        name = "anchored_loss_gradients" if anchored else "head_loss_gradients"
        own: Callable[..., Any] = getattr(at_once, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            found, gradients = own(*arguments, **options)
            made.append(gradients.weight.data_ptr())
            return found, gradients

        monkeypatch.setattr(at_once, name, watched)
        case = Case(9, 12, 31)
        leaves = case.leaves()
        case.loss(leaves, anchored=anchored).backward(torch.tensor(2.0))
        assert leaves[1].grad is not None
        assert made == [leaves[1].grad.data_ptr()]

    def test_a_loss_scale_comes_out_again(self, anchored: bool) -> None:
        """A power of two: not a bit is lost."""
        case = Case(9, 12, 31)
        plain, scaled = case.leaves(), case.leaves()
        case.loss(plain, anchored=anchored).backward()
        scaler = torch.amp.GradScaler("cpu", init_scale=65536.0)
        optimizer = torch.optim.SGD(scaled, lr=0.0)
        scaler.scale(case.loss(scaled, anchored=anchored)).backward()
        assert torch.equal(scaled[1].grad, 65536.0 * plain[1].grad)
        scaler.unscale_(optimizer)
        assert all(torch.equal(a.grad, b.grad) for a, b in zip(scaled, plain, strict=True))

    def test_no_second_derivative(self, anchored: bool) -> None:
        case = Case(9, 12, 31)
        leaves = case.leaves()
        loss = case.loss(leaves, anchored=anchored) + leaves[0].square().sum()
        (gradient,) = torch.autograd.grad(loss, leaves[:1], create_graph=True)
        assert_close([gradient], [case.exact(anchored=anchored)[1][0] + 2 * case.hidden.double()])
        with pytest.raises(RuntimeError, match="no autograd formula"):
            gradient.square().sum().backward()

    @pytest.mark.parametrize(("n", "ignored"), [(9, 9), (9, 8), (1, 0), (1, 1), (0, 0)])
    def test_ignored_rows_and_few_rows(self, anchored: bool, n: int, ignored: int) -> None:
        case = Case(n, 12, 31)
        case.targets = case.targets.clamp(min=0)
        case.targets[:ignored] = -100
        leaves = case.leaves()
        loss = case.loss(leaves, anchored=anchored)
        exact, gradients = case.exact(anchored=anchored)
        assert_close([loss, *torch.autograd.grad(loss, leaves)], [exact, *gradients])
        assert n != ignored or loss == 0

    def test_a_divisor_known_before(self, anchored: bool, ran: list[str]) -> None:
        case = Case(9, 12, 31)
        exact, gradients = case.exact(anchored=anchored, mean=False)
        for n_items in (40, 2.5, torch.tensor(40), torch.tensor([7])):
            for softcap in (None, 1e9):  # a cap so high that it does nothing takes the other way
                leaves = case.leaves()
                options: dict[str, Any] = {"reduction": "sum", "n_items": n_items, "softcap": softcap}
                loss = case.loss(leaves, anchored=anchored, **options)
                found = torch.autograd.grad(loss, leaves, retain_graph=True)
                again = torch.autograd.grad(loss, leaves)
                wanted = [value / float(n_items) for value in gradients]
                assert_close([loss], [exact / float(n_items)], 1e-4)
                assert_close(found, wanted, 1e-4)
                assert_close(again, wanted, 1e-4)
        assert {"head_loss_gradients", "head_backward"} < {name.replace("anchored", "head") for name in ran}

    def test_compiles_to_the_same_passes(self, anchored: bool, ran: list[str]) -> None:
        """aot_eager traces forward and backward as any compiler must, and needs no C++ compiler."""
        case = Case(9, 12, 31)
        leaves = case.leaves()

        def step(*given: Tensor) -> Tensor:
            return case.loss([torch.tanh(given[0]), *given[1:]], anchored=anchored) * 2.0

        torch._dynamo.reset()
        compiled = torch.compile(step, fullgraph=True, backend="aot_eager", dynamic=anchored)
        found = compiled(*leaves)
        gradients = torch.autograd.grad(found, leaves)
        assert "head_backward" not in ran
        assert "anchored_backward" not in ran
        assert ran.count("anchored_loss_gradients" if anchored else "head_loss_gradients") == 1
        wanted = step(*leaves)
        torch.testing.assert_close(found, wanted)
        assert_close(gradients, torch.autograd.grad(wanted, leaves), 1e-6)


def test_autocast_is_told_by_a_dtype() -> None:
    """compute_dtype rounds as autocast would round for a layer; gradients come back in the parameters' dtype."""
    case = Case(15, 12, 61)
    leaves = case.leaves()
    loss = case.loss(leaves, compute_dtype=torch.bfloat16)
    own = case.leaves()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = F.linear(own[0], own[1], own[2])
    wanted = F.cross_entropy(z.float(), case.targets, label_smoothing=0.1)
    assert loss.item() == pytest.approx(wanted.item(), abs=2**-8 * z.abs().max().item())
    for mine, theirs in zip(torch.autograd.grad(loss, leaves), torch.autograd.grad(wanted, own), strict=True):
        assert mine.dtype == torch.float32
        assert (mine - theirs).norm() <= 2**-6 * theirs.norm()


def test_operators_obey_the_rules_of_custom_operators() -> None:
    """All but test_aot_dispatch, which gives out the gradients beside the loss: the backward pass scales them in place.

    test_compiles_to_the_same_passes is the case of a loss alone.
    """
    case = Case(6, 8, 11)
    hidden, weight, bias = case.leaves()
    operators, rules = torch.ops.calibaudit, ("test_schema", "test_autograd_registration", "test_faketensor")
    numbers = (11, -100, None)
    linear = (hidden, weight, case.targets, bias, 0.1, None, 1.0, *numbers, torch.tensor(3.0), False, *ALL)
    torch.library.opcheck(operators.linear_cross_entropy_at_once.default, linear, test_utils=rules)
    heads = (hidden, weight, case.prior_hidden, case.prior_weight, case.targets, bias)
    anchored = (*heads, 0.1, None, 1.0, None, None, 1.0, *numbers, None, True, *ALL)
    torch.library.opcheck(operators.anchored_cross_entropy_at_once.default, anchored, test_utils=rules)
    torch.library.opcheck(operators.scale.default, (torch.randn(3, 4), torch.tensor(2.0)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_items": 3}, "n_items divides a sum; with reduction 'mean' leave it out"),
        ({"n_items": 0, "reduction": "sum"}, "n_items must be a finite number above 0, not 0"),
        ({"n_items": torch.ones(2), "reduction": "sum"}, r"n_items must be one number, not shape \(2,\)"),
        ({"compute_dtype": torch.int8}, "compute_dtype must be float32, bfloat16, float16 or float64, or None"),
    ],
    ids=str,
)
def test_errors_name_the_argument(options: dict[str, Any], said: str) -> None:
    case = Case(6, 8, 11)
    with pytest.raises(CalibauditError, match=said):
        case.loss(case.leaves(), **options)


def test_needs_follow_the_mode_of_autograd() -> None:
    hidden, weight, bias = Case(6, 8, 11).leaves((True, False, True))
    head = Head(weight, bias, None, 1.0, 11)
    assert direct.needed(hidden, head) == (True, False, True)
    with torch.no_grad():
        assert direct.needed(hidden, head) == (False, False, False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Triton is there for Linux only")
def test_the_same_in_triton_under_its_interpreter(root: Path) -> None:
    """The interpreter must be chosen before triton is imported: a process of its own, with nothing skipped."""
    environment = os.environ | {"TRITON_INTERPRET": "1", "CALIBAUDIT_KERNELS": "triton"}
    environment.pop("PYTEST_ADDOPTS", None)
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # to import the environment's plugins takes a second
    cases = root / "tests" / "kernels" / "at_once_cases.py"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-o", "addopts=", "-p", "no:cacheprovider", str(cases)],
        cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert "skipped" not in run.stdout
