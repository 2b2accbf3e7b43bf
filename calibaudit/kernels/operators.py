"""The losses as torch sees them: custom operators with gradients, so that torch.compile does not look inside.

They take 2-D hidden and 1-D targets and give a loss a row. Only the inputs and the rows' log-sum-exp are kept for the
backward pass, which makes the logits again.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from calibaudit.kernels import dispatch
from calibaudit.kernels.heads import AnchoredForward, Head, HeadForward, Needs
from calibaudit.kernels.validation import IGNORE_INDEX, check_target_values

_MANY_IGNORED = 0.25
"""From this share on ignored rows are left out, which copies the others; below it they are carried along."""

_NUMBERS = "SymInt n_vocab, SymInt ignore_index, int? scratch_bytes"
_HEAD = "float label_smoothing, float? softcap, float logit_scale"
_PRIOR = "Tensor? prior_bias, float? prior_softcap, float prior_logit_scale"
NEEDS = "bool need_hidden, bool need_weight, bool need_bias"
_THREE = "(Tensor, Tensor, Tensor)"
LINEAR = f"Tensor? bias, {_HEAD}, {_NUMBERS}"
ANCHORED = f"Tensor? bias, {_HEAD}, {_PRIOR}, {_NUMBERS}"


def active_rows(targets: Tensor, n_vocab: int, ignore_index: int) -> tuple[Tensor, Tensor | None]:
    """Targets with -100 for ignore_index, and which rows to go over; None: all."""
    n_ignored = check_target_values(targets, n_vocab, ignore_index)
    if ignore_index != IGNORE_INDEX:
        targets = targets.masked_fill(targets == ignore_index, IGNORE_INDEX)
    if n_ignored < max(1.0, _MANY_IGNORED * targets.shape[0]):
        return targets, None
    return targets, (targets != IGNORE_INDEX).nonzero()[:, 0]


def at_rows(rows: Tensor | None, *tensors: Tensor) -> tuple[Tensor, ...]:
    return tensors if rows is None else tuple(tensor.index_select(0, rows) for tensor in tensors)


def spread_rows(values: Tensor, rows: Tensor | None, n_rows: int) -> Tensor:
    """Put values back in their rows; 0 elsewhere."""
    if rows is None:
        return values
    return values.new_zeros((n_rows, *values.shape[1:])).index_copy_(0, rows, values)


def losses_of(found: HeadForward, label_smoothing: float) -> Tensor:
    """Each row's loss; no meaning where it is ignored."""
    loss = found.lse
    if label_smoothing < 1.0:
        loss = loss - (1.0 - label_smoothing) * found.target_logit[:, 0]
    if label_smoothing > 0.0:
        assert found.mean_logit is not None
        loss = loss - label_smoothing * found.mean_logit
    return loss


def anchored_losses_of(found: AnchoredForward, label_smoothing: float) -> Tensor:
    """The same towards a prior."""
    loss = found.lse - label_smoothing * found.prior_mean_logit
    return loss - (1.0 - label_smoothing) * found.target_logit if label_smoothing < 1.0 else loss


def _upstream(upstream: Tensor, targets: Tensor) -> Tensor:
    """Dense float32, 0 where ignored."""
    return upstream.float().masked_fill(targets == IGNORE_INDEX, 0.0).contiguous()


def delivered(gradients: tuple[Tensor | None, ...], rows: Tensor | None, hidden: Tensor) -> tuple[Tensor, ...]:
    """An empty tensor for a gradient that was not made: an operator must give tensors."""
    by_hidden, by_weight, by_bias = (hidden.new_empty(0) if value is None else value for value in gradients)
    return by_hidden if gradients[0] is None else spread_rows(by_hidden, rows, hidden.shape[0]), by_weight, by_bias


def fake_gradients(hidden: Tensor, weight: Tensor, bias: Tensor | None, needs: tuple[bool, ...]) -> tuple[Tensor, ...]:
    return tuple(
        tensor.new_empty(tensor.shape) if tensor is not None and need else hidden.new_empty(0)
        for tensor, need in zip((hidden, weight, bias), needs, strict=True)
    )


def _needed(ctx: Any, bias: Tensor | None, place: int) -> Needs:
    """Which gradients to make: hidden and weight come first among the inputs, the bias at `place`."""
    needed = ctx.needs_input_grad
    return Needs(needed[0], needed[1], bias is not None and needed[place])


def given(gradients: tuple[Tensor, ...], needs: tuple[bool, ...]) -> list[Tensor | None]:
    return [value if need else None for value, need in zip(gradients, needs, strict=True)]


@torch.library.custom_op(
    "calibaudit::linear_cross_entropy",
    mutates_args=(),
    schema=f"(Tensor hidden, Tensor weight, Tensor targets, {LINEAR}) -> (Tensor, Tensor)",
)
def linear(
    hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None, label_smoothing: float,
    softcap: float | None, logit_scale: float, n_vocab: int, ignore_index: int, scratch_bytes: int | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """loss and lse, (N,) float32 each; both 0 where ignored rows were left out."""
    targets, rows = active_rows(targets, n_vocab, ignore_index)
    h, y = at_rows(rows, hidden, targets)
    head = Head(weight, bias, softcap, logit_scale, n_vocab)
    found = dispatch.run("head_forward", h, head, y[:, None], top=False, mean=label_smoothing > 0.0)
    loss = losses_of(found, label_smoothing).masked_fill(y == IGNORE_INDEX, 0.0)
    return spread_rows(loss, rows, hidden.shape[0]), spread_rows(found.lse, rows, hidden.shape[0])


@linear.register_fake
def _(hidden: Tensor, *_others: Any) -> tuple[Tensor, ...]:
    return tuple(hidden.new_empty(hidden.shape[0], dtype=torch.float32) for _ in range(2))


@torch.library.custom_op(
    "calibaudit::linear_cross_entropy_backward",
    mutates_args=(),
    schema="(Tensor upstream, Tensor hidden, Tensor weight, Tensor targets, Tensor lse, "
    f"{LINEAR}, {NEEDS}) -> {_THREE}",
)
def linear_backward(
    upstream: Tensor, hidden: Tensor, weight: Tensor, targets: Tensor, lse: Tensor, bias: Tensor | None,
    label_smoothing: float, softcap: float | None, logit_scale: float, n_vocab: int, ignore_index: int,
    scratch_bytes: int | None, need_hidden: bool, need_weight: bool, need_bias: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients by hidden, weight and bias; an empty tensor for one that is not needed."""
    targets, rows = active_rows(targets, n_vocab, ignore_index)
    h, y, lse, upstream = at_rows(rows, hidden, targets, lse, upstream)
    gradients = dispatch.run(
        "head_backward", h, Head(weight, bias, softcap, logit_scale, n_vocab), y, lse, _upstream(upstream, y),
        label_smoothing=label_smoothing, needs=Needs(need_hidden, need_weight, need_bias),
        scratch_bytes=scratch_bytes or dispatch.default_scratch(hidden.device),
    )  # fmt: skip
    return delivered(gradients, rows, hidden)


@linear_backward.register_fake
def _(
    _upstream: Tensor, hidden: Tensor, weight: Tensor, _targets: Tensor, _lse: Tensor, bias: Tensor | None, *others: Any
) -> tuple[Tensor, ...]:
    return fake_gradients(hidden, weight, bias, others[-3:])


def _keep_linear(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    hidden, weight, targets, bias, *ctx.settings = inputs
    ctx.save_for_backward(hidden, weight, targets, output[1], bias)


def _linear_gradient(ctx: Any, upstream: Tensor, _by_lse: Tensor) -> tuple[Tensor | None, ...]:
    hidden, weight, targets, lse, bias = ctx.saved_tensors
    needs = _needed(ctx, bias, 3)
    found = linear_backward(upstream, hidden, weight, targets, lse, bias, *ctx.settings, *needs)
    by_hidden, by_weight, by_bias = given(found, needs)
    return by_hidden, by_weight, None, by_bias, *([None] * len(ctx.settings))


linear.register_autograd(_linear_gradient, setup_context=_keep_linear)


@torch.library.custom_op(
    "calibaudit::anchored_cross_entropy",
    mutates_args=(),
    schema="(Tensor hidden, Tensor weight, Tensor prior_hidden, Tensor prior_weight, Tensor targets, "
    f"{ANCHORED}) -> {_THREE}",
)
def anchored(
    hidden: Tensor, weight: Tensor, prior_hidden: Tensor, prior_weight: Tensor, targets: Tensor, bias: Tensor | None,
    label_smoothing: float, softcap: float | None, logit_scale: float, prior_bias: Tensor | None,
    prior_softcap: float | None, prior_logit_scale: float, n_vocab: int, ignore_index: int, scratch_bytes: int | None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """loss, lse and the prior's lse, (N,) float32 each; all 0 where ignored rows were left out."""
    targets, rows = active_rows(targets, n_vocab, ignore_index)
    h, prior_h, y = at_rows(rows, hidden, prior_hidden, targets)
    head = Head(weight, bias, softcap, logit_scale, n_vocab)
    prior = Head(prior_weight, prior_bias, prior_softcap, prior_logit_scale, n_vocab)
    found = dispatch.run("anchored_forward", h, head, prior_h, prior, y)
    loss = anchored_losses_of(found, label_smoothing).masked_fill(y == IGNORE_INDEX, 0.0)
    n_rows = hidden.shape[0]
    return (
        spread_rows(loss, rows, n_rows),
        spread_rows(found.lse, rows, n_rows),
        spread_rows(found.prior_lse, rows, n_rows),
    )


@anchored.register_fake
def _(hidden: Tensor, *_others: Any) -> tuple[Tensor, ...]:
    return tuple(hidden.new_empty(hidden.shape[0], dtype=torch.float32) for _ in range(3))


@torch.library.custom_op(
    "calibaudit::anchored_cross_entropy_backward",
    mutates_args=(),
    schema="(Tensor upstream, Tensor hidden, Tensor weight, Tensor prior_hidden, Tensor prior_weight, Tensor targets, "
    f"Tensor lse, Tensor prior_lse, {ANCHORED}, {NEEDS}) -> {_THREE}",
)
def anchored_backward(
    upstream: Tensor, hidden: Tensor, weight: Tensor, prior_hidden: Tensor, prior_weight: Tensor, targets: Tensor,
    lse: Tensor, prior_lse: Tensor, bias: Tensor | None, label_smoothing: float, softcap: float | None,
    logit_scale: float, prior_bias: Tensor | None, prior_softcap: float | None, prior_logit_scale: float,
    n_vocab: int, ignore_index: int, scratch_bytes: int | None, need_hidden: bool, need_weight: bool, need_bias: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients by hidden, weight and bias; an empty tensor for one that is not needed."""
    targets, rows = active_rows(targets, n_vocab, ignore_index)
    h, prior_h, y, lse, prior_lse, upstream = at_rows(rows, hidden, prior_hidden, targets, lse, prior_lse, upstream)
    head = Head(weight, bias, softcap, logit_scale, n_vocab)
    prior = Head(prior_weight, prior_bias, prior_softcap, prior_logit_scale, n_vocab)
    gradients = dispatch.run(
        "anchored_backward", h, head, prior_h, prior, y, lse, prior_lse, _upstream(upstream, y),
        label_smoothing=label_smoothing, needs=Needs(need_hidden, need_weight, need_bias),
        scratch_bytes=scratch_bytes or dispatch.default_scratch(hidden.device),
    )  # fmt: skip
    return delivered(gradients, rows, hidden)


@anchored_backward.register_fake
def _(_upstream: Tensor, hidden: Tensor, weight: Tensor, *others: Any) -> tuple[Tensor, ...]:
    return fake_gradients(hidden, weight, others[5], others[-3:])


def _keep_anchored(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, bias, eps, softcap, scale, prior_bias, prior_softcap, prior_scale, n_vocab, ignored, scratch = inputs
    ctx.student = (eps, softcap, scale)
    ctx.settings = (prior_softcap, prior_scale, n_vocab, ignored, scratch)
    ctx.save_for_backward(*tensors, output[1], output[2], bias, prior_bias)


def _anchored_gradient(ctx: Any, upstream: Tensor, *_by_lse: Tensor) -> tuple[Tensor | None, ...]:
    *tensors, bias, prior_bias = ctx.saved_tensors
    needs = _needed(ctx, bias, 5)
    found = anchored_backward(upstream, *tensors, bias, *ctx.student, prior_bias, *ctx.settings, *needs)
    by_hidden, by_weight, by_bias = given(found, needs)
    return by_hidden, by_weight, None, None, None, by_bias, *([None] * 9)


anchored.register_autograd(_anchored_gradient, setup_context=_keep_anchored)
