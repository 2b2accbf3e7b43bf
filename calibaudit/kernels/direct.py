"""Loss and gradients in one operator, where a single number is asked for and each row's share in it is known before.

A backward pass that learns the rows' upstream gradients only when it runs must make the logits again: four products. A
sum or a mean has one upstream for all rows, so the gradients can be made with the loss, while logits are at hand, and
multiplied by it later; where it is 1 that costs nothing. The first backward pass hands these gradients out. One after
it, over a kept graph, makes them anew, and so does one that is to be differentiated, which is then refused.

The weight may be float32 where hidden is bfloat16 here: it is rounded for the products, as autocast does, and its
gradient is float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from calibaudit.kernels import dispatch, operators
from calibaudit.kernels.heads import Head, Needs
from calibaudit.kernels.validation import IGNORE_INDEX

_DIVISOR = "Tensor? n_items, bool mean"
_FIVE = "(Tensor, Tensor, Tensor, Tensor, Tensor)"
_SIX = "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"


def needed(hidden: Tensor, head: Head) -> Needs:
    """Which gradients autograd will ask for; none where it is off."""
    on = torch.is_grad_enabled()
    return Needs(
        on and hidden.requires_grad,
        on and head.weight.requires_grad,
        on and head.bias is not None and head.bias.requires_grad,
    )


def suits(
    rows: tuple[Tensor, ...], heads: tuple[Head, ...], scratch_bytes: int | None, compute_dtype: torch.dtype | None
) -> bool:
    """Whether this way is open and pays for a sum or mean: gradients are wanted, and logits can be kept.

    rows and heads: of what learns, then of the prior if there is one. Not for float16, whose small gradients need the
    upstream gradient, a loss scale, before they are rounded. A compiler, for which nothing may be looked up, is told
    yes wherever there are kernels for it.
    """
    hidden, head = rows[0], heads[0]
    needs = needed(hidden, head)
    mixed = any(h.dtype != one.weight.dtype for h, one in zip(rows, heads, strict=True))
    if not any(needs) or hidden.dtype == torch.float16 or (mixed and compute_dtype is None):
        return False
    if any(h.dtype != hidden.dtype for h in rows):
        return False
    rounded = head.weight.dtype != hidden.dtype
    if rounded and head.weight.dtype != torch.float32:
        return False
    if torch.compiler.is_compiling():
        fast = torch.float32 if hidden.device.type == "cpu" else torch.bfloat16
        return hidden.dtype == fast and head.softcap is None
    return dispatch.keeps(hidden, heads, needs, scratch_bytes, rounded=rounded)


def _weights(targets: Tensor, ignore_index: int, n_items: Tensor | None, mean: bool) -> tuple[Tensor, Tensor | None]:
    """Each row's share in the loss, (N,) float32, and what the sum of losses is divided by; None: nothing."""
    counts = (targets != ignore_index).float()
    divisor = counts.sum().clamp(min=1.0) if mean else n_items
    if divisor is None:
        return counts, None
    return torch.where(counts > 0, 1.0 / divisor, 0.0), divisor


def _loss(loss: Tensor, targets: Tensor, divisor: Tensor | None) -> Tensor:
    total = loss.masked_fill(targets == IGNORE_INDEX, 0.0).sum()
    return total if divisor is None else total / divisor


def _kept(ctx: Any, gradients: tuple[Tensor, ...]) -> None:
    """Detached, or the graph would hold itself."""
    ctx.set_materialize_grads(False)
    ctx.held = tuple(gradient.detach() for gradient in gradients)


def _gradients(
    ctx: Any, upstream: Tensor | None, needs: Needs, anew: Callable[[Any, Tensor, Needs], list[Tensor | None]]
) -> list[Tensor | None]:
    """Those made with the loss, times upstream; anew where they were handed out before, or a graph is asked for."""
    if upstream is None:  # of the loss: only what else the operator gives was used
        return [None, None, None]
    held, ctx.held = ctx.held, None
    if held is None or torch.is_grad_enabled():
        return anew(ctx, upstream, needs)
    factor = upstream.float()
    for gradient, need in zip(held, needs, strict=True):
        if need:
            scale(gradient, factor)
    return operators.given(held, needs)


def _by_row(upstream: Tensor, targets: Tensor, ignore_index: int, n_items: Tensor | None, mean: bool) -> Tensor:
    """The rows' upstream gradients, (N,) float32."""
    return upstream * _weights(targets, ignore_index, n_items, mean)[0]


@torch.library.custom_op(
    "calibaudit::scale", mutates_args=("gradient",), schema="(Tensor(a!) gradient, Tensor factor) -> ()"
)
def scale(gradient: Tensor, factor: Tensor) -> None:
    """In place, by a single number."""
    dispatch.run("scale_by", (gradient,), factor)


@scale.register_fake
def _(_gradient: Tensor, _factor: Tensor) -> None:
    return None


@torch.library.custom_op(
    "calibaudit::linear_cross_entropy_at_once",
    mutates_args=(),
    schema="(Tensor hidden, Tensor weight, Tensor targets, "
    f"{operators.LINEAR}, {_DIVISOR}, {operators.NEEDS}) -> {_FIVE}",
)
def linear(
    hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None, label_smoothing: float,
    softcap: float | None, logit_scale: float, n_vocab: int, ignore_index: int, scratch_bytes: int | None,
    n_items: Tensor | None, mean: bool, need_hidden: bool, need_weight: bool, need_bias: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The reduced loss, () float32; lse, (N,) float32, 0 where ignored rows were left out; and its gradients."""
    weights, divisor = _weights(targets, ignore_index, n_items, mean)
    targets, rows = operators.active_rows(targets, n_vocab, ignore_index)
    h, y, weights = operators.at_rows(rows, hidden, targets, weights)
    head = Head(weight, bias, softcap, logit_scale, n_vocab)
    found, gradients = dispatch.run(
        "head_loss_gradients", h, head, y, weights, label_smoothing=label_smoothing,
        needs=Needs(need_hidden, need_weight, need_bias), rounded=weight.dtype != h.dtype,
        scratch_bytes=scratch_bytes or dispatch.kept_scratch(h.device),
    )  # fmt: skip
    loss = _loss(operators.losses_of(found, label_smoothing), y, divisor)
    lse = operators.spread_rows(found.lse, rows, hidden.shape[0])
    return loss, lse, *operators.delivered(gradients, rows, hidden)


@linear.register_fake
def _(hidden: Tensor, weight: Tensor, _targets: Tensor, bias: Tensor | None, *others: Any) -> tuple[Tensor, ...]:
    loss, lse = (hidden.new_empty(shape, dtype=torch.float32) for shape in ((), hidden.shape[:1]))
    return loss, lse, *operators.fake_gradients(hidden, weight, bias, others[-3:])


def _keep_linear(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    hidden, weight, targets, bias, *ctx.settings, n_items, ctx.mean, _, _, _ = inputs
    ctx.save_for_backward(hidden, weight, targets, output[1], bias, n_items)
    _kept(ctx, output[2:])


def _linear_gradient(ctx: Any, upstream: Tensor | None, *_others: Any) -> tuple[Tensor | None, ...]:
    needs = Needs(*(ctx.needs_input_grad[place] for place in (0, 1, 3)))
    by_hidden, by_weight, by_bias = _gradients(ctx, upstream, needs, _linear_anew)
    return by_hidden, by_weight, None, by_bias, *([None] * 11)


def _linear_anew(ctx: Any, upstream: Tensor, needs: Needs) -> list[Tensor | None]:
    hidden, weight, targets, lse, bias, n_items = ctx.saved_tensors
    by_row = _by_row(upstream, targets, ctx.settings[-2], n_items, ctx.mean)
    given = (by_row, hidden, weight.to(hidden.dtype), targets, lse, bias, *ctx.settings, *needs)
    return _in_dtype_of(weight, operators.given(operators.linear_backward(*given), needs))


def _in_dtype_of(weight: Tensor, gradients: list[Tensor | None]) -> list[Tensor | None]:
    by_hidden, by_weight, by_bias = gradients
    return [by_hidden, None if by_weight is None else by_weight.to(weight.dtype), by_bias]


linear.register_autograd(_linear_gradient, setup_context=_keep_linear)


@torch.library.custom_op(
    "calibaudit::anchored_cross_entropy_at_once",
    mutates_args=(),
    schema="(Tensor hidden, Tensor weight, Tensor prior_hidden, Tensor prior_weight, Tensor targets, "
    f"{operators.ANCHORED}, {_DIVISOR}, {operators.NEEDS}) -> {_SIX}",
)
def anchored(
    hidden: Tensor, weight: Tensor, prior_hidden: Tensor, prior_weight: Tensor, targets: Tensor, bias: Tensor | None,
    label_smoothing: float, softcap: float | None, logit_scale: float, prior_bias: Tensor | None,
    prior_softcap: float | None, prior_logit_scale: float, n_vocab: int, ignore_index: int, scratch_bytes: int | None,
    n_items: Tensor | None, mean: bool, need_hidden: bool, need_weight: bool, need_bias: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The reduced loss, () float32; lse and the prior's lse, (N,) float32; and the loss's gradients."""
    weights, divisor = _weights(targets, ignore_index, n_items, mean)
    targets, rows = operators.active_rows(targets, n_vocab, ignore_index)
    h, prior_h, y, weights = operators.at_rows(rows, hidden, prior_hidden, targets, weights)
    head = Head(weight, bias, softcap, logit_scale, n_vocab)
    prior = Head(prior_weight.to(prior_h.dtype), prior_bias, prior_softcap, prior_logit_scale, n_vocab)
    found, gradients = dispatch.run(
        "anchored_loss_gradients", h, head, prior_h, prior, y, weights, label_smoothing=label_smoothing,
        needs=Needs(need_hidden, need_weight, need_bias), rounded=weight.dtype != h.dtype,
        scratch_bytes=scratch_bytes or dispatch.kept_scratch(h.device),
    )  # fmt: skip
    loss = _loss(operators.anchored_losses_of(found, label_smoothing), y, divisor)
    lses = (operators.spread_rows(lse, rows, hidden.shape[0]) for lse in (found.lse, found.prior_lse))
    return loss, *lses, *operators.delivered(gradients, rows, hidden)


@anchored.register_fake
def _(hidden: Tensor, weight: Tensor, *others: Any) -> tuple[Tensor, ...]:
    shapes = ((), hidden.shape[:1], hidden.shape[:1])
    found = (hidden.new_empty(shape, dtype=torch.float32) for shape in shapes)
    return *found, *operators.fake_gradients(hidden, weight, others[3], others[-3:])


def _keep_anchored(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    tensors, (bias, *ctx.student), (prior_bias, *ctx.settings) = inputs[:5], inputs[5:9], inputs[9:15]
    n_items, ctx.mean = inputs[15:17]
    ctx.save_for_backward(*tensors, output[1], output[2], bias, prior_bias, n_items)
    _kept(ctx, output[3:])


def _anchored_gradient(ctx: Any, upstream: Tensor | None, *_others: Any) -> tuple[Tensor | None, ...]:
    needs = Needs(*(ctx.needs_input_grad[place] for place in (0, 1, 5)))
    by_hidden, by_weight, by_bias = _gradients(ctx, upstream, needs, _anchored_anew)
    return by_hidden, by_weight, None, None, None, by_bias, *([None] * 14)


def _anchored_anew(ctx: Any, upstream: Tensor, needs: Needs) -> list[Tensor | None]:
    hidden, weight, prior_h, prior_weight, targets, *lses, bias, prior_bias, n_items = ctx.saved_tensors
    by_row = _by_row(upstream, targets, ctx.settings[-2], n_items, ctx.mean)
    heads = (hidden, weight.to(hidden.dtype), prior_h, prior_weight.to(prior_h.dtype))
    given = (by_row, *heads, targets, *lses, bias, *ctx.student, prior_bias, *ctx.settings, *needs)
    return _in_dtype_of(weight, operators.given(operators.anchored_backward(*given), needs))


anchored.register_autograd(_anchored_gradient, setup_context=_keep_anchored)
