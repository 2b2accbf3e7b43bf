"""The losses as a user calls them: arguments checked, leading dimensions flattened, rows reduced."""

from __future__ import annotations

from torch import Tensor

from calibaudit.kernels import direct, operators
from calibaudit.kernels.validation import IGNORE_INDEX, KernelArgumentError, check_head, check_loss, check_target_shape


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
    scratch_bytes: int | None = None,
) -> Tensor:
    """Cross-entropy of a linear head with label smoothing towards the uniform distribution, in nats, without logits.

    With z as in `linear_logprobs` and eps = label_smoothing in 0..1, a row's loss is
    lse(z) - (1 - eps) z_y - eps mean(z), as `F.cross_entropy(z, targets, label_smoothing=eps)`.
    hidden: (..., D). weight: (V, D). bias: (V,). targets: (...) int64 ids below vocab_size, or ignore_index.
    float32, bfloat16, float16 or float64, used as given (autocast changes nothing); sums are in float32.
    reduction: none (0 where ignored), mean over the rows that are not ignored, or sum. When all are ignored the mean
    is 0 and so are its gradients, where F.cross_entropy gives NaN: a batch without a target must not end a training.
    scratch_bytes: what the backward pass may hold beyond inputs and gradients; None: 512 MiB, on a CPU 64 MiB. On a CPU
    a float32 mean or sum without softcap makes its gradients with the loss where 64 rows of logits fit into
    scratch_bytes (None: 37 MiB), so a loss that is not trained on is cheaper under torch.no_grad().
    Returns float32. Gradients to hidden, weight and bias, in their dtypes; rows of weight that do not count get 0.
    Raises KernelArgumentError (a ValueError), which names the argument.
    """
    check_loss(label_smoothing, reduction, scratch_bytes)
    _check_leading("targets", targets, hidden)
    flat, rows = targets.reshape(-1), hidden.reshape(-1, hidden.shape[-1])
    head = check_head(rows, weight, bias, softcap, logit_scale, vocab_size)
    check_target_shape(flat, rows.shape[0], hidden.device)
    if reduction != "none" and direct.suits(rows, head, scratch_bytes):
        return direct.reduced(rows, head, flat, label_smoothing, ignore_index, scratch_bytes, mean=reduction == "mean")
    loss, _ = operators.linear(
        rows, weight, flat, bias, label_smoothing, softcap, logit_scale, head.n_vocab, ignore_index, scratch_bytes
    )  # fmt: skip
    return _reduced(loss, targets, ignore_index, reduction)


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
    scratch_bytes: int | None = None,
) -> Tensor:
    """Cross-entropy smoothed towards the distribution q of a second, frozen head instead of the uniform one, in nats.

    A row's loss is lse(z) - (1 - eps) z_y - eps sum_v q_v z_v, with q the softmax of the prior's own logits.
    prior_hidden: (..., D'). prior_weight: (V', D'). Both heads have vocab_size columns that count; None: weight's rows.
    The prior gets no gradient. The rest as `linear_cross_entropy`, which this is at label_smoothing 0.
    """
    check_loss(label_smoothing, reduction, scratch_bytes)
    _check_leading("targets", targets, hidden)
    _check_leading("prior_hidden", prior_hidden[..., 0] if prior_hidden.ndim else prior_hidden, hidden)
    flat, rows = targets.reshape(-1), hidden.reshape(-1, hidden.shape[-1])
    prior_rows = prior_hidden.detach().reshape(-1, prior_hidden.shape[-1])
    n_vocab = check_head(rows, weight, bias, softcap, logit_scale, vocab_size).n_vocab
    check_head(prior_rows, prior_weight, prior_bias, prior_softcap, prior_logit_scale, n_vocab, prefix="prior_")
    if prior_rows.device != rows.device:
        raise KernelArgumentError(f"prior_hidden is on {prior_rows.device}, but hidden is on {rows.device}")
    check_target_shape(flat, rows.shape[0], hidden.device)
    if label_smoothing == 0.0:
        loss, _ = operators.linear(
            rows, weight, flat, bias, 0.0, softcap, logit_scale, n_vocab, ignore_index, scratch_bytes
        )
    else:
        loss, _, _ = operators.anchored(
            rows, weight, prior_rows, prior_weight.detach(), flat, bias, label_smoothing, softcap, logit_scale,
            None if prior_bias is None else prior_bias.detach(), prior_softcap, prior_logit_scale, n_vocab,
            ignore_index, scratch_bytes,
        )  # fmt: skip
    return _reduced(loss, targets, ignore_index, reduction)


def _check_leading(name: str, tensor: Tensor, hidden: Tensor) -> None:
    if hidden.ndim < 2:
        raise KernelArgumentError(f"hidden must have 2 dimensions or more, not shape {tuple(hidden.shape)}")
    if tensor.shape != hidden.shape[:-1]:
        raise KernelArgumentError(
            f"{name} must have hidden's leading shape {tuple(hidden.shape[:-1])}, not {tuple(tensor.shape)}"
        )


def _reduced(loss: Tensor, targets: Tensor, ignore_index: int, reduction: str) -> Tensor:
    if reduction == "none":
        return loss.view(targets.shape)
    if reduction == "sum":
        return loss.sum()
    return loss.sum() / (targets != ignore_index).sum().clamp(min=1)
