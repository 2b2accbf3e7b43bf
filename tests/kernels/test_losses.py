"""The losses on the chunked path: against the float64 reference, torch's own loss, and the laws they obey.

Where the options of a head meet sizes, scratch, smoothing, reductions or ignored rows, they are crossed pairwise and
not in full (TestPaths.test_head and test_anchored, test_public_loss_and_gradients, test_at_once.py):
each option is one line of the loop over chunks, so a fault needs two of them together, and every two are. The
specification itself (TestReference) is crossed in full, as its cases take milliseconds.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pairwise import pairwise
from torch.autograd import forward_ad
from torch.profiler import ProfilerActivity, profile

from calibaudit.errors import CalibauditError
from calibaudit.kernels import anchored_cross_entropy, linear_cross_entropy, reference
from calibaudit.kernels.chunked.anchored import anchored_backward, anchored_forward
from calibaudit.kernels.chunked.backward import head_backward
from calibaudit.kernels.chunked.forward import head_forward
from calibaudit.kernels.heads import Head, Needs

OPTIONS: dict[str, tuple[Any, ...]] = {
    "bias": (False, True), "softcap": (None, 4.0), "logit_scale": (1.0, 0.3), "padded": (0, 3),
}  # fmt: skip
HEADS = [dict(zip(OPTIONS, values, strict=True)) for values in itertools.product(*OPTIONS.values())]
SMALLEST = (1, 1, 5)
SIZES = [(7, 5, 131), (33, 17, 257)]
SCRATCH = [64 << 20, 20_000, 64]


def with_heads(*factors: Any) -> list[tuple[Any, ...]]:
    """Pairwise rows of the factors and of a head's options; these come last, as one dict."""
    rows = pairwise(*factors, *OPTIONS.values())
    return [(*row[: len(factors)], dict(zip(OPTIONS, row[len(factors) :], strict=True))) for row in rows]


PATHS = with_heads([SMALLEST], SCRATCH) + with_heads(SIZES, SCRATCH)  # one row in one chunk proves no pair


def tensors(n: int, d: int, v: int, option: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """hidden, weight, targets (every fifth ignored), upstream, and the head's options. Logits of a few units."""
    g = torch.Generator().manual_seed(seed)
    n_vocab = v - option["padded"]
    targets = torch.randint(n_vocab, (n,), generator=g)
    targets[4::5] = -100
    upstream = torch.randn(n, generator=g)
    return {
        "hidden": torch.randn(n, d, generator=g),
        "weight": torch.randn(v, d, generator=g) * 3 / d**0.5,
        "targets": targets,
        "upstream": upstream.masked_fill(targets == -100, 0.0),
        "head": {
            "bias": torch.randn(v, generator=g) if option["bias"] else None,
            "softcap": option["softcap"],
            "logit_scale": option["logit_scale"],
            "n_vocab": n_vocab,
        },
    }


def prior_of(n: int, v: int, seed: int = 1) -> dict[str, Any]:
    """A second head, of its own width and scale."""
    g = torch.Generator().manual_seed(seed)
    return {
        "prior_hidden": torch.randn(n, 6, generator=g),
        "prior_weight": torch.randn(v + 2, 6, generator=g),
        "options": {"prior_bias": torch.randn(v + 2, generator=g), "prior_softcap": 3.0, "prior_logit_scale": 0.8},
    }


def head_of(made: dict[str, Any]) -> Head:
    return Head(made["weight"], **made["head"])


def prior_head(prior: dict[str, Any], n_vocab: int) -> Head:
    return Head(prior["prior_weight"], *prior["options"].values(), n_vocab)


def prior_probs(prior: dict[str, Any], n_vocab: int) -> torch.Tensor:
    return reference.logits(prior["prior_hidden"], prior_head(prior, n_vocab)).softmax(dim=1)


def assert_close(found: Any, exact: Any, tolerance: float = 2e-5) -> None:
    for value, wanted in zip(found, exact, strict=True):
        assert (value is None) == (wanted is None)
        if value is not None:
            torch.testing.assert_close(value.double(), wanted.double(), atol=tolerance, rtol=tolerance)


class TestReference:
    """The specification itself against torch and autograd in float64."""

    @pytest.mark.parametrize("option", HEADS, ids=str)
    @pytest.mark.parametrize("eps", [0.0, 0.1, 1.0])
    def test_gradients_equal_autograd(self, option: dict[str, Any], eps: float) -> None:
        made = tensors(7, 5, 31, option)
        prior = prior_probs(prior_of(7, 31), made["head"]["n_vocab"])
        for q in (None, prior):
            leaves = [
                t.double().requires_grad_()
                for t in (made["hidden"], made["weight"], made["head"]["bias"])
                if t is not None
            ]
            bias = leaves[2] if option["bias"] else None
            z = reference.logits(leaves[0], Head(leaves[1], **(made["head"] | {"bias": bias})))
            loss = (reference.losses(z, made["targets"], eps, q) * made["upstream"]).sum()
            wanted = torch.autograd.grad(loss, leaves)
            found = reference.head_gradients(
                made["hidden"], head_of(made), made["targets"], made["upstream"], label_smoothing=eps, prior=q
            )
            assert_close([t for t in found if t is not None], wanted, 1e-12)

    @pytest.mark.parametrize("eps", [0.0, 0.1, 1.0])
    def test_loss_equals_torch(self, eps: float) -> None:
        z = torch.randn(9, 31, dtype=torch.float64)
        y = torch.randint(31, (9,))
        y[3] = -100
        wanted = F.cross_entropy(z, y, label_smoothing=eps, reduction="none")
        torch.testing.assert_close(reference.losses(z, y, eps), wanted, atol=1e-12, rtol=0)
        # towards any q: the cross-entropy against (1 - eps) one-hot + eps q
        q = torch.randn(9, 31, dtype=torch.float64).softmax(1)
        mixed = (1 - eps) * F.one_hot(y.clamp(min=0), 31).double() + eps * q
        wanted = F.cross_entropy(z, mixed, reduction="none").masked_fill(y == -100, 0.0)
        torch.testing.assert_close(reference.losses(z, y, eps, q), wanted, atol=1e-12, rtol=0)

    @pytest.mark.parametrize("softcap", [None, 2.0])
    def test_gradcheck(self, softcap: float | None) -> None:
        hidden = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
        bias = torch.randn(7, dtype=torch.float64, requires_grad=True)
        y = torch.tensor([0, 6, -100, 2])
        q = torch.randn(4, 7, dtype=torch.float64).softmax(1)

        def loss(h: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return reference.losses(reference.logits(h, Head(w, b, softcap, 0.7, 7)), y, 0.3, q)

        assert torch.autograd.gradcheck(loss, (hidden, weight, bias))


class TestPaths:
    """The low-level functions against the reference, every two options together."""

    @pytest.mark.parametrize(("size", "scratch", "option"), PATHS, ids=str)
    def test_head(self, size: tuple[int, int, int], scratch: int, option: dict[str, Any]) -> None:
        made = tensors(*size, option)
        several = torch.stack([made["targets"], made["targets"].clamp(min=0)], dim=1)
        for top, mean in itertools.product((False, True), repeat=2):
            arguments = (made["hidden"], head_of(made), several)
            found = head_forward(*arguments, top=top, mean=mean)
            assert_close(found, reference.head_forward(*arguments, top=top, mean=mean))
        lse = reference.head_forward(*arguments, top=False, mean=False).lse.float()
        for eps in (0.0, 0.1, 1.0):
            found = head_backward(
                made["hidden"], head_of(made), made["targets"], lse, made["upstream"], label_smoothing=eps,
                needs=Needs(True, True, option["bias"]), scratch_bytes=scratch,
            )  # fmt: skip
            exact = reference.head_gradients(
                made["hidden"], head_of(made), made["targets"], made["upstream"], label_smoothing=eps
            )
            assert_close(found, exact)

    @pytest.mark.parametrize(("size", "scratch", "option"), PATHS, ids=str)
    def test_anchored(self, size: tuple[int, int, int], scratch: int, option: dict[str, Any]) -> None:
        made, prior = tensors(*size, option), prior_of(size[0], size[2])
        prior_of_made = prior_head(prior, made["head"]["n_vocab"])
        heads = (made["hidden"], head_of(made), prior["prior_hidden"], prior_of_made, made["targets"])
        exact = reference.anchored_forward(*heads)
        assert_close(anchored_forward(*heads), exact)
        for eps in (0.1, 1.0):
            found = anchored_backward(
                *heads, exact.lse.float(), exact.prior_lse.float(), made["upstream"], label_smoothing=eps,
                needs=Needs(True, True, option["bias"]), scratch_bytes=scratch,
            )  # fmt: skip
            wanted = reference.head_gradients(
                made["hidden"], head_of(made), made["targets"], made["upstream"], label_smoothing=eps,
                prior=prior_probs(prior, made["head"]["n_vocab"]),
            )  # fmt: skip
            assert_close(found, wanted)

    @pytest.mark.parametrize("needs", list(itertools.product((False, True), repeat=3)), ids=str)
    def test_only_what_is_needed_is_made(self, needs: tuple[bool, bool, bool]) -> None:
        made = tensors(7, 5, 31, HEADS[-1])
        lse = torch.zeros(7)
        found = head_backward(
            made["hidden"], head_of(made), made["targets"], lse, made["upstream"], label_smoothing=0.1,
            needs=Needs(*needs), scratch_bytes=1 << 20,
        )  # fmt: skip
        assert [value is not None for value in found] == list(needs)


def reference_loss(made: dict[str, Any], eps: float, reduction: str, prior: dict[str, Any] | None = None) -> Any:
    """Loss and gradients by autograd in float64, reduced as F.cross_entropy does."""
    bias = made["head"]["bias"]
    leaves = [t.detach().double().requires_grad_() for t in (made["hidden"], made["weight"], bias) if t is not None]
    z = reference.logits(leaves[0], Head(leaves[1], **(made["head"] | {"bias": None if bias is None else leaves[2]})))
    q = None if prior is None else prior_probs(prior, made["head"]["n_vocab"])
    loss = reference.losses(z, made["targets"], eps, q)
    if reduction != "none":
        loss = loss.sum()
    if reduction == "mean":
        loss = loss / max(1, int((made["targets"] != -100).sum()))
    upstream = made["upstream"].double() if reduction == "none" else torch.tensor(1.7, dtype=torch.float64)
    return loss, torch.autograd.grad(loss, leaves, upstream)


def public_loss(
    made: dict[str, Any],
    eps: float,
    reduction: str,
    prior: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
    **options: Any,
) -> Any:
    bias = made["head"]["bias"]
    leaves = [t.to(dtype).requires_grad_() for t in (made["hidden"], made["weight"], bias) if t is not None]
    head = {name: value for name, value in made["head"].items() if name != "n_vocab"}
    options |= head | {"bias": None if bias is None else leaves[2], "vocab_size": made["head"]["n_vocab"]}
    options |= {"label_smoothing": eps, "reduction": reduction}
    if prior is None:
        loss = linear_cross_entropy(*leaves[:2], made["targets"], **options)
    else:
        heads = (*leaves[:2], prior["prior_hidden"], prior["prior_weight"], made["targets"])
        loss = anchored_cross_entropy(*heads, **options, **prior["options"])
    upstream = made["upstream"] if reduction == "none" else torch.tensor(1.7)
    return loss, torch.autograd.grad(loss, leaves, upstream)


@pytest.mark.parametrize(
    ("anchored", "eps", "reduction", "option"),
    with_heads([False], [0.0, 0.1, 1.0], ["none", "mean", "sum"])
    + with_heads([True], [0.0, 0.1, 1.0], ["none", "mean", "sum"]),
    ids=str,
)
def test_public_loss_and_gradients(anchored: bool, eps: float, reduction: str, option: dict[str, Any]) -> None:
    made = tensors(11, 6, 61, option)
    prior = prior_of(11, 61) if anchored else None
    loss, gradients = public_loss(made, eps, reduction, prior, scratch_bytes=5000)
    exact, wanted = reference_loss(made, eps, reduction, prior)
    assert loss.dtype == torch.float32
    assert_close([loss], [exact])
    assert_close(gradients, wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("anchored", [False, True], ids=["uniform", "anchored"])
def test_gradients_have_the_inputs_dtype_and_one_rounding(anchored: bool, dtype: torch.dtype) -> None:
    """Sums are float32 whatever the dtype, so a gradient is off by its own rounding and no more."""
    made = tensors(33, 17, 257, HEADS[-1])
    made["hidden"], made["weight"] = made["hidden"].to(dtype), made["weight"].to(dtype)
    made["head"]["bias"] = made["head"]["bias"].to(dtype)
    prior = prior_of(33, 257) if anchored else None
    loss, gradients = public_loss(made, 0.1, "none", prior, dtype, scratch_bytes=20_000)
    exact, wanted = reference_loss(made, 0.1, "none", prior)
    assert_close([loss], [exact])
    for value, right in zip(gradients, wanted, strict=True):
        assert value.dtype == dtype
        torch.testing.assert_close(value.double(), right, atol=2e-5, rtol=max(2e-5, torch.finfo(dtype).eps))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 20), d=st.integers(1, 9), v=st.integers(1, 70), eps=st.floats(0.0, 1.0),
    ignored=st.floats(0.0, 1.0), scratch=st.sampled_from([1, 64, 3000, 1 << 20]), seed=st.integers(0, 1000),
)  # fmt: skip
def test_laws(n: int, d: int, v: int, eps: float, ignored: float, scratch: int, seed: int) -> None:
    """For any size: torch's own loss; gradient rows over the vocabulary sum to zero; ignored rows get none."""
    g = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, d, generator=g, requires_grad=True)
    weight = torch.randn(v, d, generator=g, requires_grad=True)
    bias = torch.randn(v, generator=g, requires_grad=True)
    targets = torch.randint(v, (n,), generator=g)
    targets[torch.rand(n, generator=g) < ignored] = -100
    options = {"bias": bias, "label_smoothing": eps, "scratch_bytes": scratch}
    loss = linear_cross_entropy(hidden, weight, targets, reduction="none", **options)
    z = F.linear(hidden, weight, bias)
    wanted = F.cross_entropy(z.double(), targets, label_smoothing=eps, reduction="none")
    torch.testing.assert_close(loss.double(), wanted, atol=2e-5, rtol=2e-5)
    total = linear_cross_entropy(hidden, weight, targets, reduction="sum", **options)
    by_hidden, by_weight, by_bias = torch.autograd.grad(total, (hidden, weight, bias))
    assert by_bias.sum().item() == pytest.approx(0.0, abs=1e-4)
    assert by_weight.isfinite().all()
    assert (by_hidden[targets == -100] == 0).all()
    exact = torch.autograd.grad(wanted.sum(), (hidden, weight, bias), allow_unused=True)
    assert_close((by_hidden, by_weight, by_bias), exact, 1e-4)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_all_ignored_is_zero_where_torch_says_nan(reduction: str) -> None:
    hidden, weight = torch.randn(2, 3, 4, requires_grad=True), torch.randn(9, 4, requires_grad=True)
    targets = torch.full((2, 3), -100)
    assert F.cross_entropy((hidden @ weight.T).flatten(0, 1), targets.flatten()).isnan()
    loss = linear_cross_entropy(hidden, weight, targets, label_smoothing=0.1, reduction=reduction)
    assert (loss == 0).all()
    loss.sum().backward()
    assert (hidden.grad == 0).all()
    assert (weight.grad == 0).all()


@pytest.mark.parametrize("n_ignored", [0, 1, 5, 20, 23])
def test_leaving_ignored_rows_out_changes_nothing(n_ignored: int) -> None:
    """Few are carried along, many are skipped."""
    made = tensors(24, 6, 61, HEADS[-1])
    made["targets"] = made["targets"].clamp(min=0)
    made["targets"][:n_ignored] = -100
    made["upstream"] = torch.randn(24)
    loss, gradients = public_loss(made, 0.1, "none")
    exact, wanted = reference_loss(made, 0.1, "none")
    assert_close([loss, *gradients], [exact, *wanted])


def test_another_ignore_index() -> None:
    hidden, weight, targets = torch.randn(6, 4), torch.randn(9, 4), torch.tensor([0, 1, 0, 3, 8, 0])
    loss = linear_cross_entropy(hidden, weight, targets, ignore_index=0, label_smoothing=0.2)
    wanted = F.cross_entropy(hidden @ weight.T, targets, ignore_index=0, label_smoothing=0.2)
    torch.testing.assert_close(loss, wanted)
    with pytest.raises(CalibauditError, match=r"targets has -100, outside 0..8 \(the vocabulary\) and not 0"):
        linear_cross_entropy(hidden, weight, torch.tensor([0, 1, -100, 3, 8, 0]), ignore_index=0)


def test_leading_dimensions() -> None:
    hidden, weight, targets = torch.randn(2, 3, 4), torch.randn(9, 4), torch.randint(9, (2, 3))
    loss = linear_cross_entropy(hidden, weight, targets, reduction="none")
    assert loss.shape == (2, 3)
    flat = linear_cross_entropy(hidden.flatten(0, 1), weight, targets.flatten(), reduction="none")
    assert torch.equal(loss.flatten(), flat)
    prior_hidden, prior_weight = torch.randn(2, 3, 5), torch.randn(9, 5)
    options = {"label_smoothing": 0.3, "reduction": "none"}
    loss = anchored_cross_entropy(hidden, weight, prior_hidden, prior_weight, targets, **options)
    assert loss.shape == (2, 3)


def test_strided_and_expanded_inputs() -> None:
    hidden, weight, targets = torch.randn(24, 20)[::2, 1::2], torch.randn(10, 62)[:, ::2].T, torch.randint(31, (12,))
    hidden.requires_grad_()
    spread = torch.randn(1, 10).expand(12, 10)
    for h in (hidden, spread):
        loss = linear_cross_entropy(h, weight, targets, label_smoothing=0.1)
        wanted = F.cross_entropy(h @ weight.T, targets, label_smoothing=0.1)
        torch.testing.assert_close(loss, wanted)
    loss = linear_cross_entropy(hidden, weight, targets, reduction="none")
    (found,) = torch.autograd.grad(loss, hidden, torch.ones(1).expand(12))
    (right,) = torch.autograd.grad(F.cross_entropy(hidden @ weight.T, targets, reduction="sum"), hidden)
    torch.testing.assert_close(found, right)


@pytest.mark.parametrize("softcap", [None, 4.0])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_graph_may_be_kept_and_a_loss_used_twice(reduction: str, bias: bool, softcap: float | None) -> None:
    made = tensors(7, 5, 31, {"bias": bias, "softcap": softcap, "logit_scale": 0.7, "padded": 3})
    leaves = [t.requires_grad_() for t in (made["hidden"], made["weight"], made["head"]["bias"]) if t is not None]
    options = {name: value for name, value in made["head"].items() if name != "n_vocab"}
    options |= {"vocab_size": 28, "reduction": reduction, "label_smoothing": 0.1}
    loss = linear_cross_entropy(*leaves[:2], made["targets"], **options)
    _, wanted = reference_loss(made, 0.1, reduction)
    for factor in (1.0, 1.0, -2.5, 0.0):
        found = torch.autograd.grad(loss, leaves, torch.tensor(factor), retain_graph=True)
        kept = [value.clone() for value in found]
        again = torch.autograd.grad(loss, leaves, torch.tensor(3.0), retain_graph=True)
        assert all(torch.equal(a, b) for a, b in zip(found, kept, strict=True))  # a later pass leaves them alone
        assert_close(found, [factor / 1.7 * value for value in wanted])
        assert_close(again, [3.0 / 1.7 * value for value in wanted])
    assert_close(torch.autograd.grad(loss * 2.0 + loss, leaves), [3.0 / 1.7 * value for value in wanted])


def test_gradients_add_up_in_grad() -> None:
    """The gradients made with the loss become .grad without a copy; the next backward pass must add to them."""
    made = tensors(7, 5, 31, HEADS[0])
    hidden, weight = made["hidden"].requires_grad_(), made["weight"].requires_grad_()
    first = linear_cross_entropy(hidden, weight, made["targets"])
    second = linear_cross_entropy(hidden, weight, made["targets"])
    _, (by_hidden, by_weight) = reference_loss(made, 0.0, "mean")
    first.backward(retain_graph=True)
    second.backward()
    first.backward()
    assert_close((hidden.grad, weight.grad), (3.0 / 1.7 * by_hidden, 3.0 / 1.7 * by_weight))


def test_no_second_derivative() -> None:
    made = tensors(7, 5, 31, HEADS[0])
    hidden = made["hidden"].requires_grad_()
    for reduction in ("sum", "none"):
        loss = linear_cross_entropy(hidden, made["weight"], made["targets"], reduction=reduction).sum()
        (gradient,) = torch.autograd.grad(loss, hidden, create_graph=True)
        with pytest.raises(RuntimeError):
            gradient.square().sum().backward()


@pytest.mark.parametrize("frozen", ["hidden", "weight", "both"])
def test_frozen_inputs_get_no_gradient_and_cost_none(frozen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from calibaudit.kernels.chunked import backward

    asked: list[dict[str, Any]] = []

    def watched(*arguments: Any, **options: Any) -> Any:
        asked.append(options)
        return head_backward(*arguments, **options)

    monkeypatch.setattr(backward, "head_backward", watched)
    hidden, weight = torch.randn(6, 4, requires_grad=frozen == "weight"), torch.randn(9, 4)
    weight.requires_grad_(frozen == "hidden")
    bias = torch.randn(9, requires_grad=True)
    loss = linear_cross_entropy(
        hidden, weight, torch.randint(9, (6,)), bias=bias, label_smoothing=0.1, reduction="none"
    )
    loss.sum().backward()
    assert asked[0]["needs"][:2] == (frozen == "weight", frozen == "hidden")
    assert (hidden.grad is not None, weight.grad is not None) == (frozen == "weight", frozen == "hidden")
    assert bias.grad is not None


def test_prior_gets_no_gradient() -> None:
    hidden, weight = torch.randn(6, 4, requires_grad=True), torch.randn(9, 4, requires_grad=True)
    prior_hidden, prior_weight = torch.randn(6, 3, requires_grad=True), torch.randn(9, 3, requires_grad=True)
    targets = torch.randint(9, (6,))
    anchored_cross_entropy(hidden, weight, prior_hidden, prior_weight, targets, label_smoothing=0.5).backward()
    assert prior_hidden.grad is None
    assert prior_weight.grad is None
    assert hidden.grad is not None


def test_anchored_to_itself_is_a_fixed_point() -> None:
    """At eps 1 with the prior equal to the student the loss is the entropy, and its gradient zero."""
    hidden, weight = torch.randn(6, 4, requires_grad=True), torch.randn(9, 4, requires_grad=True)
    options: dict[str, Any] = {"label_smoothing": 1.0, "reduction": "none"}
    loss = anchored_cross_entropy(hidden, weight, hidden, weight, torch.randint(9, (6,)), **options)
    logprobs = (hidden @ weight.T).log_softmax(1)
    torch.testing.assert_close(loss, -(logprobs.exp() * logprobs).sum(1), atol=1e-5, rtol=1e-5)
    for gradient in torch.autograd.grad(loss.sum(), (hidden, weight)):
        assert gradient.abs().max() < 1e-5


def test_minus_infinity_in_the_bias() -> None:
    """A token that student and prior both rule out adds nothing; uniform smoothing over it is infinite, as torch's."""
    hidden, weight, bias = torch.randn(6, 4, requires_grad=True), torch.randn(40, 4), torch.randn(40)
    bias[:25] = -torch.inf
    targets = torch.randint(25, 40, (6,))
    found = anchored_cross_entropy(
        hidden, weight, hidden, weight, targets, bias=bias, prior_bias=bias, label_smoothing=0.5, scratch_bytes=256
    )
    cut = (hidden, weight[25:])
    wanted = anchored_cross_entropy(*cut, *cut, targets - 25, bias=bias[25:], prior_bias=bias[25:], label_smoothing=0.5)
    torch.testing.assert_close(found, wanted)
    (by_hidden,) = torch.autograd.grad(found, hidden)
    torch.testing.assert_close(by_hidden, torch.autograd.grad(wanted, hidden)[0], atol=1e-6, rtol=1e-5)
    assert linear_cross_entropy(hidden, weight, targets, bias=bias, label_smoothing=0.1) == torch.inf
    hard = linear_cross_entropy(hidden, weight, targets, bias=bias)
    torch.testing.assert_close(hard, F.cross_entropy(F.linear(hidden, weight, bias), targets))


def test_deterministic_and_outside_autocast() -> None:
    made = tensors(33, 17, 257, HEADS[-1])
    first, gradients = public_loss(made, 0.1, "mean")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        second, again = public_loss(made, 0.1, "mean")
    assert torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip(gradients, again, strict=True))


@pytest.mark.parametrize(("anchored", "dynamic"), [(False, True), (True, False)], ids=["uniform", "anchored"])
def test_compiles_without_a_graph_break(anchored: bool, dynamic: bool) -> None:
    """aot_eager traces forward and backward as any compiler must, and needs no C++ compiler."""
    made, prior = tensors(12, 6, 61, HEADS[-1]), prior_of(12, 61)
    bias = made["head"]["bias"].requires_grad_()
    hidden, weight = made["hidden"].requires_grad_(), made["weight"].requires_grad_()

    def step(h: torch.Tensor, w: torch.Tensor, b: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        options: dict[str, Any] = {"bias": b, "label_smoothing": 0.1, "softcap": 4.0}
        if anchored:
            options |= {"prior_bias": prior["options"]["prior_bias"][: w.shape[0]]}
            heads = (prior["prior_hidden"], prior["prior_weight"][: w.shape[0]])
            return anchored_cross_entropy(torch.tanh(h), w, *heads, y, **options) * 2.0
        return linear_cross_entropy(torch.tanh(h), w, y, **options) * 2.0

    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager", dynamic=dynamic)
    inputs = (hidden, weight, bias, made["targets"])
    found, wanted = compiled(*inputs), step(*inputs)
    torch.testing.assert_close(found, wanted)
    leaves = (hidden, weight, bias)
    assert_close(torch.autograd.grad(found, leaves), torch.autograd.grad(wanted, leaves), 1e-6)


def test_operators_obey_the_rules_of_custom_operators() -> None:
    hidden, weight = torch.randn(6, 4, requires_grad=True), torch.randn(9, 4, requires_grad=True)
    bias, targets = torch.randn(9, requires_grad=True), torch.randint(9, (6,))
    operators = torch.ops.calibaudit
    settings_ = (9, -100, None)
    linear = (hidden, weight, targets, bias, 0.1, None, 1.0, *settings_)
    torch.library.opcheck(operators.linear_cross_entropy.default, linear)
    prior = (hidden.detach(), weight.detach())
    anchored = (hidden, weight, *prior, targets, bias, 0.1, 4.0, 1.0, None, None, 1.0, *settings_)
    torch.library.opcheck(operators.anchored_cross_entropy.default, anchored)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("anchored", [False, True], ids=["uniform", "anchored"])
def test_memory_is_bounded(dtype: torch.dtype, reduction: str, anchored: bool) -> None:
    """What is allocated at once grows by gradients, scratch and little more; the logits alone would be 32 MiB."""
    n, v, scratch = 256, 32_768, 18 << 20  # two blocks of rows, or four of an anchored loss, keep their logits
    g = torch.Generator().manual_seed(0)
    hidden = torch.randn(n, 16, generator=g).to(dtype).requires_grad_()
    weight = torch.randn(v, 16, generator=g).to(dtype).requires_grad_()
    targets = torch.randint(v, (n,), generator=g)
    options: dict[str, Any] = {"label_smoothing": 0.1, "reduction": reduction, "scratch_bytes": scratch}
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        if anchored:
            loss = anchored_cross_entropy(hidden, weight, hidden, weight, targets, **options)
        else:
            loss = linear_cross_entropy(hidden, weight, targets, **options)
        loss.sum().backward()
    now = most = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    gradients = sum(leaf.numel() * leaf.element_size() for leaf in (hidden, weight))
    assert gradients < most < gradients + scratch


HIDDEN, WEIGHT, TARGETS = torch.zeros(4, 8), torch.zeros(10, 8), torch.zeros(4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hidden": torch.zeros(8)}, "hidden must have 2 dimensions or more"),
        ({"hidden": torch.zeros(2, 2, 8)}, r"targets must have hidden's leading shape \(2, 2\), not \(4,\)"),
        ({"weight": torch.zeros(10, 7)}, "weight has rows of 7"),
        ({"weight": torch.zeros(10, 8, dtype=torch.int8)}, "weight must be float32"),
        ({"weight": torch.zeros(10, 8, device="meta")}, "weight is on meta"),
        ({"targets": torch.zeros(4)}, "targets must be int64"),
        ({"targets": torch.tensor([0, 1, 10, 2])}, r"targets has 10, outside 0..9"),
        ({"targets": torch.tensor([0, 1, -1, 2])}, r"targets has -1, outside 0..9"),
        ({"bias": torch.zeros(9)}, r"bias must have shape \(10,\)"),
        ({"vocab_size": 11}, "vocab_size must be in 1..10"),
        ({"softcap": -1.0}, "softcap must be a finite number above 0"),
        ({"logit_scale": math.inf}, "logit_scale must be a finite number other than 0"),
        ({"label_smoothing": -0.1}, "label_smoothing must be in 0..1"),
        ({"label_smoothing": math.nan}, "label_smoothing must be in 0..1"),
        ({"reduction": "average"}, "reduction must be one of none, mean, sum, not 'average'"),
        ({"scratch_bytes": 0}, "scratch_bytes must be 1 or more"),
        ({"scratch_bytes": 1e6}, "scratch_bytes must be 1 or more .*, not 1000000.0"),
        ({"n_items": True, "reduction": "sum"}, "n_items must be a finite number above 0, not True"),
        ({"n_items": "3", "reduction": "sum"}, "n_items must be a finite number above 0, not '3'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_name_the_argument(changed: dict[str, Any], said: str) -> None:
    arguments = {"hidden": HIDDEN, "weight": WEIGHT, "targets": TARGETS} | changed
    with pytest.raises(ValueError, match=said) as caught:
        linear_cross_entropy(**arguments)
    assert isinstance(caught.value, CalibauditError)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prior_hidden": torch.zeros(3, 8)}, r"prior_hidden must have hidden's leading shape \(4,\)"),
        ({"prior_hidden": torch.zeros(4, 7)}, "prior_weight has rows of 8, but prior_hidden has rows of 7"),
        ({"prior_weight": torch.zeros(9, 8)}, r"vocab_size must be in 1..9 \(the rows of prior_weight\), not 10"),
        ({"prior_bias": torch.zeros(3)}, r"prior_bias must have shape \(10,\)"),
        ({"prior_softcap": 0.0}, "prior_softcap must be a finite number above 0"),
        ({"prior_logit_scale": 0.0}, "prior_logit_scale must be a finite number other than 0"),
        ({"hidden": torch.zeros(4, 7)}, "weight has rows of 8, but hidden has rows of 7"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_of_the_prior(changed: dict[str, Any], said: str) -> None:
    arguments = {
        "hidden": HIDDEN, "weight": WEIGHT, "prior_hidden": HIDDEN, "prior_weight": WEIGHT, "targets": TARGETS,
    } | changed  # fmt: skip
    with pytest.raises(CalibauditError, match=said):
        anchored_cross_entropy(**arguments, label_smoothing=0.1)


def test_there_is_no_forward_mode() -> None:
    """A derivative of 0 would be a lie: the operators have none."""
    with pytest.raises(CalibauditError, match="forward-mode derivatives"):
        torch.func.jvp(lambda weight: linear_cross_entropy(HIDDEN, weight, TARGETS), (WEIGHT,), (WEIGHT,))
    with forward_ad.dual_level(), pytest.raises(CalibauditError, match="forward-mode derivatives"):
        linear_cross_entropy(forward_ad.make_dual(HIDDEN, HIDDEN), WEIGHT, TARGETS)
