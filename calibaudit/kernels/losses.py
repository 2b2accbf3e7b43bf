"""The losses as a user calls them: arguments checked, leading dimensions flattened, rows reduced."""

from __future__ import annotations

from typing import overload

import torch
from torch import Tensor

from calibaudit.kernels import direct, operators
from calibaudit.kernels.heads import Head
from calibaudit.kernels.validation import (
    IGNORE_INDEX,
    KernelArgumentError,
    check_divisor,
    check_head,
    check_loss,
    check_no_forward_mode,
    check_target_shape,
)


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None = None,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    vocab_size: int | None = None,
    ignore_index: int = IGNORE_INDEX,
    reduction: str = "mean",
    n_items: Tensor | float | None = None,
    compute_dtype: torch.dtype | None = None,
    scratch_bytes: int | None = None,
) -> Tensor:
    """Cross-entropy of a linear head with label smoothing towards the uniform distribution, in nats, without logits.

    With z as in `linear_logprobs`, bias, softcap and logit_scale included, and eps = label_smoothing in 0..1, a row's
    loss is lse(z) - (1 - eps) z_y - eps mean(z), as `F.cross_entropy(z, targets, label_smoothing=eps)`.
    hidden: (..., D). weight: (V, D). bias: (V,). targets: (...) int64 ids below vocab_size, or ignore_index.
    float32, bfloat16, float16 or float64, used as given (autocast changes nothing); sums are in float32.
    reduction: none (0 where ignored), mean over the rows that are not ignored, or sum. When all are ignored the mean
    is 0 and so are its gradients, where F.cross_entropy gives NaN: a batch without a target must not end a training.
    n_items: what a sum is divided by, a number above 0, on any device; as Trainer's num_items_in_batch.
    compute_dtype: what hidden, weight and bias are rounded to for the products, as autocast would; None: as given.
    scratch_bytes: what may be held beyond inputs and gradients; None: 512 MiB, on a CPU 64 MiB.
    A mean or sum that autograd will differentiate makes its gradients with the loss where that saves a product
    (bfloat16 on a GPU with Triton, float32 on a CPU, no softcap) and holds them for the first backward pass; one after
    it, over a kept graph, makes them anew. So a loss that is not trained on is cheaper under torch.no_grad().
    Returns float32. Gradients to hidden, weight and bias, in their dtypes; rows of weight that do not count get 0.
    There is no second derivative and none in forward mode.
    Raises KernelArgumentError (a ValueError), which names the argument.
    """
    check_loss(label_smoothing, reduction, scratch_bytes, compute_dtype)
    items = check_divisor(n_items, reduction, hidden.device)
    check_no_forward_mode(hidden, weight, bias)
    _check_leading("targets", targets, hidden)
    flat, rows = targets.reshape(-1), hidden.reshape(-1, hidden.shape[-1])
    n_vocab = check_head(rows, weight, bias, softcap, logit_scale, vocab_size).n_vocab
    check_target_shape(flat, rows.shape[0], hidden.device)
    rows, bias = _as(compute_dtype, rows), _as(compute_dtype, bias)
    head = Head(weight, bias, softcap, logit_scale, n_vocab)
    settings = (label_smoothing, softcap, logit_scale, n_vocab, ignore_index, scratch_bytes)
    if reduction != "none" and direct.suits((rows,), (head,), scratch_bytes, compute_dtype):
        total: Tensor = direct.linear(
            rows, weight, flat, bias, *settings, items, reduction == "mean", *direct.needed(rows, head)
        )[0]
        return total
    loss, _ = operators.linear(rows, _as(compute_dtype, weight), flat, bias, *settings)
    return _reduced(loss, targets, ignore_index, reduction, items)


def anchored_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    prior_hidden: Tensor,
    prior_weight: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None = None,
    prior_bias: Tensor | None = None,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    prior_softcap: float | None = None,
    logit_scale: float = 1.0,
    prior_logit_scale: float = 1.0,
    vocab_size: int | None = None,
    ignore_index: int = IGNORE_INDEX,
    reduction: str = "mean",
    n_items: Tensor | float | None = None,
    compute_dtype: torch.dtype | None = None,
    scratch_bytes: int | None = None,
) -> Tensor:
    """Cross-entropy smoothed towards the distribution q of a second, frozen head instead of the uniform one, in nats.

    A row's loss is lse(z) - (1 - eps) z_y - eps sum_v q_v z_v, with q the softmax of the prior's own logits.
    prior_hidden: (..., D'). prior_weight: (V', D'). Both heads have vocab_size columns that count; None: weight's rows.
    prior_bias, prior_softcap, prior_logit_scale: of the prior's head, as bias, softcap and logit_scale are of the
    first. The prior gets no gradient. The other arguments and errors as for `linear_cross_entropy`, which this is at
    label_smoothing 0.
    """
    check_loss(label_smoothing, reduction, scratch_bytes, compute_dtype)
    items = check_divisor(n_items, reduction, hidden.device)
    check_no_forward_mode(hidden, weight, bias)
    _check_leading("targets", targets, hidden)
    _check_leading("prior_hidden", prior_hidden[..., 0] if prior_hidden.ndim else prior_hidden, hidden)
    flat, rows = targets.reshape(-1), hidden.reshape(-1, hidden.shape[-1])
    prior_rows = _as(compute_dtype, prior_hidden.detach().reshape(-1, prior_hidden.shape[-1]))
    n_vocab = check_head(rows, weight, bias, softcap, logit_scale, vocab_size).n_vocab
    prior_weight, prior_bias = prior_weight.detach(), None if prior_bias is None else prior_bias.detach()
    prior_head = (prior_weight, _as(compute_dtype, prior_bias), prior_softcap, prior_logit_scale)
    prior = check_head(prior_rows, *prior_head, n_vocab, prefix="prior_")
    if prior_rows.device != rows.device:
        raise KernelArgumentError(f"prior_hidden is on {prior_rows.device}, but hidden is on {rows.device}")
    check_target_shape(flat, rows.shape[0], hidden.device)
    if label_smoothing == 0.0:
        return linear_cross_entropy(
            hidden, weight, targets, bias=bias, softcap=softcap, logit_scale=logit_scale, vocab_size=n_vocab,
            ignore_index=ignore_index, reduction=reduction, n_items=n_items, compute_dtype=compute_dtype,
            scratch_bytes=scratch_bytes,
        )  # fmt: skip
    rows, bias = _as(compute_dtype, rows), _as(compute_dtype, bias)
    head = Head(weight, bias, softcap, logit_scale, n_vocab)
    settings = (label_smoothing, softcap, logit_scale, *prior_head[1:], n_vocab, ignore_index, scratch_bytes)
    if reduction != "none" and direct.suits((rows, prior_rows), (head, prior), scratch_bytes, compute_dtype):
        total: Tensor = direct.anchored(
            rows, weight, prior_rows, prior_weight, flat, bias, *settings, items, reduction == "mean",
            *direct.needed(rows, head),
        )[0]  # fmt: skip
        return total
    weights = (_as(compute_dtype, weight), _as(compute_dtype, prior_weight))
    loss, _, _ = operators.anchored(rows, weights[0], prior_rows, weights[1], flat, bias, *settings)
    return _reduced(loss, targets, ignore_index, reduction, items)


@overload
def _as(dtype: torch.dtype | None, tensor: Tensor) -> Tensor: ...
@overload
def _as(dtype: torch.dtype | None, tensor: Tensor | None) -> Tensor | None: ...
def _as(dtype: torch.dtype | None, tensor: Tensor | None) -> Tensor | None:
    return tensor if dtype is None or tensor is None else tensor.to(dtype)


def _check_leading(name: str, tensor: Tensor, hidden: Tensor) -> None:
    if hidden.ndim < 2:
        raise KernelArgumentError(f"hidden must have 2 dimensions or more, not shape {tuple(hidden.shape)}")
    if tensor.shape != hidden.shape[:-1]:
        raise KernelArgumentError(
            f"{name} must have hidden's leading shape {tuple(hidden.shape[:-1])}, not {tuple(tensor.shape)}"
        )


def _reduced(loss: Tensor, targets: Tensor, ignore_index: int, reduction: str, items: Tensor | None) -> Tensor:
    if reduction == "none":
        return loss.view(targets.shape)
    if reduction == "mean":
        return loss.sum() / (targets != ignore_index).sum().clamp(min=1)
    return loss.sum() if items is None else loss.sum() / items
