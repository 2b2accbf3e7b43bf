"""The chunked head against the float64 reference, and the reference against plain loops."""

from __future__ import annotations

import itertools
import math
import resource
from typing import Any

import pytest
import torch

from calibaudit.errors import CalibauditError
from calibaudit.kernels import LinearLogprobs, linear_logprobs, logprobs_from_logits, reference
from calibaudit.kernels.chunked import forward
from calibaudit.kernels.chunked.forward import logprobs_from_logits as chunked_from_logits
from calibaudit.kernels.heads import Head
from tests.command import in_a_process

SIZES = [(1, 1, 1), (1, 3, 2), (7, 5, 131), (33, 17, 257), (130, 64, 1000)]
OPTIONS = [
    {"bias": bias, "softcap": softcap, "logit_scale": scale, "vocab_size": padded}
    for bias, softcap, scale, padded in itertools.product((False, True), (None, 4.0), (1.0, 0.3), (False, True))
]


def head_of(
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    vocab_size: int | None = None,
) -> Head:
    return Head(weight, bias, softcap, logit_scale, weight.shape[0] if vocab_size is None else vocab_size)


def chunked(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, *, scratch_bytes: int = 64 << 20, **options: Any
) -> LinearLogprobs:
    return forward.linear_logprobs(hidden, head_of(weight, **options), targets, scratch_bytes=scratch_bytes)


def exactly(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, **options: Any) -> LinearLogprobs:
    return reference.linear_logprobs(hidden, head_of(weight, **options), targets)


def inputs(n: int, d: int, v: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """hidden, weight, bias and single targets; logits of a few units."""
    g = torch.Generator().manual_seed(seed)
    hidden, weight = torch.randn(n, d, generator=g), torch.randn(v, d, generator=g) * 3 / d**0.5
    return (
        hidden.to(dtype),
        weight.to(dtype),
        torch.randn(v, generator=g).to(dtype),
        torch.randint(v, (n,), generator=g),
    )


def made(option: dict[str, Any], bias: torch.Tensor, n_vocab: int) -> dict[str, Any]:
    return option | {
        "bias": bias if option["bias"] else None,
        "vocab_size": max(1, n_vocab - 3) if option["vocab_size"] else None,
    }


def assert_matches(found: Any, exact: Any, tolerance: float) -> None:
    for name in ("logprob", "lse", "top_logprob"):
        value, wanted = getattr(found, name), getattr(exact, name)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), wanted, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("option", OPTIONS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_reference_equals_a_loop_over_the_definition(size: tuple[int, int, int], option: dict[str, Any]) -> None:
    n, d, v = size
    hidden, weight, bias, targets = inputs(min(n, 3), d, min(v, 20))
    options = made(option, bias, weight.shape[0])
    targets = targets.clamp(max=(options["vocab_size"] or weight.shape[0]) - 1)
    result = exactly(hidden, weight, targets, **options)
    for row in range(hidden.shape[0]):
        z = []
        for k in range(options["vocab_size"] or weight.shape[0]):
            value = math.fsum(a * b for a, b in zip(hidden[row].tolist(), weight[k].tolist(), strict=True))
            value = (value + (bias[k].item() if option["bias"] else 0.0)) * option["logit_scale"]
            z.append(option["softcap"] * math.tanh(value / option["softcap"]) if option["softcap"] else value)
        lse = math.log(math.fsum(math.exp(value) for value in z))
        assert result.lse[row].item() == pytest.approx(lse, abs=1e-12)
        assert result.logprob[row].item() == pytest.approx(z[targets[row]] - lse, abs=1e-12)
        assert result.top_logprob[row].item() == pytest.approx(max(z) - lse, abs=1e-12)
        assert result.top_token[row].item() == z.index(max(z))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("option", OPTIONS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_the_reference(size: tuple[int, int, int], option: dict[str, Any], dtype: torch.dtype) -> None:
    """Whatever the inputs' dtype the arithmetic is float32, so the tolerance does not grow with it."""
    hidden, weight, bias, targets = inputs(*size, dtype=dtype)
    options = made(option, bias, size[2])
    targets = targets.clamp(max=(options["vocab_size"] or size[2]) - 1)
    exact = exactly(hidden, weight, targets, **options)
    # one block, several, and for the smallest one column at a time
    for scratch in (64 << 20, size[0] * size[2], *((64,) if size[2] <= 3 else ())):
        found = chunked(hidden, weight, targets, scratch_bytes=scratch, **options)
        assert_matches(found, exact, 2e-5)
        assert torch.equal(found.top_token, exact.top_token)


@pytest.mark.parametrize("scratch", [64 << 20, 2048, 64])
def test_several_targets_a_row_and_ignored_ones(scratch: int) -> None:
    hidden, weight, bias, _ = inputs(9, 8, 131)
    targets = torch.randint(131, (9, 4))
    targets[0, 1] = targets[5, 0] = targets[5, 3] = -100
    targets[7] = -100
    targets[8] = targets[8, 0]
    found = chunked(hidden, weight, targets, bias=bias, scratch_bytes=scratch)
    exact = exactly(hidden, weight, targets, bias=bias)
    assert found.logprob.shape == (9, 4)
    assert_matches(found, exact, 2e-5)
    assert (found.logprob[targets == -100] == 0).all()
    assert (found.logprob[targets != -100] < 0).all()
    for k in range(4):
        single = chunked(hidden, weight, targets[:, k], bias=bias, scratch_bytes=scratch)
        assert torch.equal(single.logprob, found.logprob[:, k])


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0)])
def test_no_rows_or_no_targets(shape: tuple[int, ...]) -> None:
    hidden, weight, _, _ = inputs(shape[0], 8, 31)
    for function in (linear_logprobs, exactly):
        result = function(hidden, weight, torch.zeros(shape, dtype=torch.int64))
        assert result.logprob.shape == shape
        assert result.lse.shape == result.top_logprob.shape == result.top_token.shape == shape[:1]


def test_probabilities_sum_to_one_and_the_top_is_the_largest() -> None:
    hidden, weight, bias, _ = inputs(20, 16, 301)
    result = chunked(hidden, weight, torch.arange(301).expand(20, -1), bias=bias, scratch_bytes=4096)
    torch.testing.assert_close(result.logprob.exp().sum(1), torch.ones(20), atol=1e-5, rtol=0)
    assert torch.equal(result.logprob.max(1).values, result.top_logprob)
    assert torch.equal(result.logprob.argmax(1), result.top_token)


@pytest.mark.parametrize("scratch", [64 << 20, 256])
def test_the_first_of_equal_tops_wins(scratch: int) -> None:
    weight = torch.zeros(100, 4)
    weight[[17, 40, 99]] = 1.0
    result = chunked(torch.ones(5, 4), weight, torch.zeros(5, dtype=torch.int64), scratch_bytes=scratch)
    assert result.top_token.tolist() == [17] * 5
    flat = chunked(torch.ones(2, 4), torch.ones(100, 4), torch.zeros(2, dtype=torch.int64), scratch_bytes=scratch)
    assert flat.top_token.tolist() == [0, 0]
    assert flat.logprob.tolist() == pytest.approx([-math.log(100)] * 2, rel=1e-6)


@pytest.mark.parametrize("scratch", [64 << 20, 256])
def test_padded_rows_never_count(scratch: int) -> None:
    hidden, weight, bias, targets = inputs(6, 8, 90)
    weight[80:] = 1e4
    bias[80:] = torch.nan
    targets = targets.clamp(max=79)
    result = chunked(hidden, weight, targets, bias=bias, vocab_size=80, scratch_bytes=scratch)
    cut = chunked(hidden, weight[:80].clone(), targets, bias=bias[:80].clone(), scratch_bytes=scratch)
    assert all(torch.equal(a, b) for a, b in zip(result, cut, strict=True))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("softcap", [None, 30.0])
def test_extreme_logits(sign: float, softcap: float | None) -> None:
    hidden, weight, _, targets = inputs(40, 8, 300)
    hidden = hidden * 1e4
    weight[:5] = sign * 3
    found = chunked(hidden, weight, targets, softcap=softcap, scratch_bytes=2048)
    exact = exactly(hidden, weight, targets, softcap=softcap)
    size = (hidden.double() @ weight.double().T).abs().max().item()
    # one rounding of a float32 logit of that size
    torch.testing.assert_close(found.logprob.double(), exact.logprob, atol=size * 2**-22, rtol=1e-5)
    assert (found.logprob <= 0).all()
    assert (found.top_logprob <= 0).all()
    # log-probabilities of a common shift of 1e4 keep the digits that z - lse would lose
    shifted = chunked(torch.ones(1, 1), torch.tensor([[1e4], [1e4]]), torch.tensor([1]))
    assert shifted.logprob.item() == pytest.approx(math.log(0.5), rel=1e-6)


def test_minus_infinity_rules_tokens_out() -> None:
    hidden, weight, bias, _ = inputs(6, 8, 50)
    bias[:30] = -torch.inf
    targets = torch.tensor([[3, 40]] * 6)
    found = chunked(hidden, weight, targets, bias=bias, scratch_bytes=128)  # whole chunks are -inf at first
    exact = exactly(hidden, weight[30:], torch.full((6,), 10), bias=bias[30:])
    assert (found.logprob[:, 0] == -torch.inf).all()
    torch.testing.assert_close(found.logprob[:, 1].double(), exact.logprob, atol=2e-5, rtol=0)
    assert torch.equal(found.top_token, exact.top_token + 30)


@pytest.mark.parametrize("scratch", [64 << 20, 128])
@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
def test_rows_without_numbers_give_nan_and_spare_the_others(poison: float, scratch: int) -> None:
    hidden, weight, _, targets = inputs(4, 8, 50)
    clean = chunked(hidden, weight, targets, scratch_bytes=scratch)
    hidden[2, 3] = poison
    found = chunked(hidden, weight, targets, scratch_bytes=scratch)
    assert math.isnan(found.logprob[2])
    assert math.isnan(found.top_logprob[2])
    assert torch.equal(found.logprob[[0, 1, 3]], clean.logprob[[0, 1, 3]])
    dead = chunked(hidden, weight, targets, bias=torch.full((50,), -torch.inf), scratch_bytes=scratch)
    assert dead.logprob.isnan().all()
    assert dead.top_logprob.isnan().all()


def test_inputs_may_be_views_and_are_left_alone() -> None:
    hidden, weight, bias, targets = inputs(12, 10, 77)
    wide, tall, long = torch.randn(24, 20), torch.randn(10, 154), torch.randn(154)
    wide[::2, 1::2], tall[:, ::2], long[::2] = hidden, weight.T, bias
    spread = torch.stack([targets, targets], dim=1)
    views = (wide[::2, 1::2], tall[:, ::2].T, spread[:, 0])
    copies = [view.clone() for view in (*views, long)]
    found = chunked(*views, bias=long[::2], softcap=5.0, logit_scale=0.5, scratch_bytes=2048)
    exact = exactly(hidden, weight, targets, bias=bias, softcap=5.0, logit_scale=0.5)
    assert_matches(found, exact, 2e-5)
    assert all(torch.equal(a, b) for a, b in zip((*views, long), copies, strict=True))


def test_is_deterministic_and_outside_autograd_and_autocast() -> None:
    hidden, weight, bias, targets = inputs(50, 16, 400)
    first = linear_logprobs(hidden, weight.requires_grad_(), targets, bias=bias)
    assert not first.logprob.requires_grad
    with torch.autocast("cpu", dtype=torch.bfloat16):
        second = linear_logprobs(hidden, weight, targets, bias=bias)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_float32_matmul_precision_of_the_caller_is_overruled_and_kept() -> None:
    hidden, weight, _, targets = inputs(64, 256, 512)
    exact = linear_logprobs(hidden, weight, targets)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        found = linear_logprobs(hidden, weight, targets)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(found.logprob, exact.logprob)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("scratch", [64 << 20, 8192])
def test_from_logits(dtype: torch.dtype, scratch: int) -> None:
    logits = (torch.randn(23, 301, generator=torch.Generator().manual_seed(1)) * 5).to(dtype)
    kept = logits.clone()
    targets = torch.randint(301, (23, 3))
    targets[4, 2] = -100
    found = chunked_from_logits(logits, targets, scratch_bytes=scratch)
    exact = logits.double().log_softmax(1)
    wanted = exact.gather(1, targets.clamp(min=0)).masked_fill(targets == -100, 0)
    torch.testing.assert_close(found.logprob.double(), wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.lse.double(), logits.double().logsumexp(1), atol=1e-5, rtol=0)
    assert torch.equal(found.top_token, exact.argmax(1))
    assert torch.equal(logits, kept)
    assert logprobs_from_logits(logits[:0], targets[:0]).logprob.shape == (0, 3)


def grown(dtype: torch.dtype) -> int:
    """KiB (ru_maxrss on Linux) by which the peak grows."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    hidden, weight = (torch.randn(n, 64, generator=generator).to(dtype) for n in (2048, 128_256))
    targets = torch.randint(128_256, (2048,), generator=generator)
    linear_logprobs(hidden[:8], weight[:64], targets[:8] % 64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = linear_logprobs(hidden, weight, targets)
    assert result.logprob.isfinite().all()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_no_tensor_of_rows_by_vocabulary(dtype: str) -> None:
    """N 2,048 by V 128,256 in float32 would be 1 GiB; the peak may grow by the scratch and little more."""
    assert in_a_process(grown, getattr(torch, dtype)) < 120 * 1024


HIDDEN, WEIGHT, TARGETS = torch.zeros(4, 8), torch.zeros(10, 8), torch.zeros(4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hidden": torch.zeros(2, 2, 8)}, "hidden must have 2 dimensions"),
        ({"weight": torch.zeros(10)}, "weight must have 2 dimensions"),
        ({"weight": torch.zeros(10, 7)}, "weight has rows of 7, but hidden has rows of 8"),
        ({"hidden": torch.zeros(4, 8, dtype=torch.int64)}, "hidden must be float32.*not torch.int64"),
        ({"weight": torch.zeros(10, 8, dtype=torch.int8)}, "weight must be float32.*not torch.int8"),
        ({"weight": torch.zeros(10, 8, device="meta")}, "weight is on meta, but hidden is on cpu"),
        ({"weight": torch.zeros(0, 8)}, "vocab_size must be in 1..0"),
        ({"targets": torch.zeros(4)}, "targets must be int64"),
        ({"targets": torch.zeros(4, dtype=torch.int32)}, "targets must be int64"),
        ({"targets": torch.zeros(5, dtype=torch.int64)}, r"targets must have shape \(4,\)"),
        ({"targets": torch.zeros((4, 1, 1), dtype=torch.int64)}, r"targets must have shape \(4,\)"),
        ({"targets": torch.tensor([0, 1, 10, 2])}, r"targets has 10, outside 0..9"),
        ({"targets": torch.tensor([0, 1, -1, 2])}, r"targets has -1, outside 0..9"),
        ({"targets": torch.tensor([0, 1, 8, 2]), "vocab_size": 8}, r"targets has 8, outside 0..7"),
        ({"bias": torch.zeros(9)}, r"bias must have shape \(10,\)"),
        ({"bias": torch.zeros(10, dtype=torch.int64)}, "bias must be float32"),
        ({"vocab_size": 0}, "vocab_size must be in 1..10"),
        ({"vocab_size": 11}, "vocab_size must be in 1..10"),
        ({"softcap": 0.0}, "softcap must be a finite number above 0"),
        ({"softcap": math.inf}, "softcap must be a finite number above 0"),
        ({"logit_scale": 0.0}, "logit_scale must be a finite number other than 0"),
        ({"logit_scale": math.nan}, "logit_scale must be a finite number other than 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_name_the_argument(changed: dict[str, Any], said: str) -> None:
    arguments = {"hidden": HIDDEN, "weight": WEIGHT, "targets": TARGETS} | changed
    with pytest.raises(ValueError, match=said) as caught:
        linear_logprobs(**arguments)
    assert isinstance(caught.value, CalibauditError)
