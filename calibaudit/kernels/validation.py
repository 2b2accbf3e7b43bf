"""The public functions' arguments, checked in one place."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from calibaudit.errors import CalibauditError
from calibaudit.kernels.heads import Head

IGNORE_INDEX = -100
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
REDUCTIONS = ("none", "mean", "sum")


class KernelArgumentError(CalibauditError, ValueError):
    """An argument of a kernel has the wrong shape, dtype, device or range."""


class LinearLogprobs(NamedTuple):
    """Log-probabilities in nats of a linear head's softmax, row by row.

    logprob: the shape of targets; at most 0; exactly 0 where the target is -100.
    lse: (N,) log-sum-exp of the row's logits.
    top_logprob: (N,) log-probability of the likeliest token. top_token: (N,) its id; the lowest id wins a tie.
    A row whose logits hold a NaN or +inf, or are all -inf, has NaN for logprob and top_logprob, and no meaning in
    top_token.
    """

    logprob: Tensor
    lse: Tensor
    top_logprob: Tensor
    top_token: Tensor


def check_head(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    softcap: float | None,
    logit_scale: float,
    vocab_size: int | None,
    *,
    prefix: str = "",
) -> Head:
    """The head that these describe; no tensor's values are read, so that a compiler can trace this.

    prefix: what stands before the arguments' names, as in prior_hidden.
    Raises KernelArgumentError, which names the argument.
    """
    for name, tensor in ((f"{prefix}hidden", hidden), (f"{prefix}weight", weight)):
        if tensor.ndim != 2:
            raise KernelArgumentError(f"{name} must have 2 dimensions, not shape {tuple(tensor.shape)}")
        _check_float(name, tensor)
    if hidden.shape[1] != weight.shape[1]:
        raise KernelArgumentError(
            f"{prefix}weight has rows of {weight.shape[1]}, but {prefix}hidden has rows of {hidden.shape[1]}"
        )
    n_rows = weight.shape[0]
    n_vocab = n_rows if vocab_size is None else vocab_size
    if not 1 <= n_vocab <= n_rows:
        raise KernelArgumentError(f"vocab_size must be in 1..{n_rows} (the rows of {prefix}weight), not {n_vocab}")
    if weight.device != hidden.device:
        raise KernelArgumentError(f"{prefix}weight is on {weight.device}, but {prefix}hidden is on {hidden.device}")
    if bias is not None:
        if bias.shape != (n_rows,):
            raise KernelArgumentError(f"{prefix}bias must have shape ({n_rows},), not {tuple(bias.shape)}")
        _check_float(f"{prefix}bias", bias)
        if bias.device != hidden.device:
            raise KernelArgumentError(f"{prefix}bias is on {bias.device}, but {prefix}hidden is on {hidden.device}")
    if softcap is not None and not 0.0 < softcap < math.inf:
        raise KernelArgumentError(f"{prefix}softcap must be a finite number above 0 or None, not {softcap}")
    if not 0.0 < abs(logit_scale) < math.inf:
        raise KernelArgumentError(f"{prefix}logit_scale must be a finite number other than 0, not {logit_scale}")
    return Head(weight, bias, softcap, logit_scale, n_vocab)


def check_targets(targets: Tensor, n_rows: int, n_vocab: int, device: torch.device) -> None:
    """Raises KernelArgumentError unless targets are (N,) or (N, K) int64 on `device`, in 0..n_vocab-1 or -100."""
    check_target_shape(targets, n_rows, device)
    if targets.ndim > 2:
        raise KernelArgumentError(_target_shape_rule(targets, n_rows))
    check_target_values(targets, n_vocab)


def check_target_shape(targets: Tensor, n_rows: int, device: torch.device) -> None:
    """What can be said of targets without reading them."""
    if targets.dtype != torch.int64:
        raise KernelArgumentError(f"targets must be int64, not {targets.dtype}")
    if targets.ndim == 0 or targets.shape[0] != n_rows:
        raise KernelArgumentError(_target_shape_rule(targets, n_rows))
    if targets.device != device:
        raise KernelArgumentError(f"targets is on {targets.device}, but hidden is on {device}")


def check_target_values(targets: Tensor, n_vocab: int, ignore_index: int = IGNORE_INDEX) -> int:
    """How many targets are ignored; waits once for the device.

    Raises KernelArgumentError for a target outside the vocabulary.
    """
    ignored = targets == ignore_index
    wrong = ((targets < 0) | (targets >= n_vocab)) & ~ignored
    n_wrong, n_ignored = torch.stack([wrong.sum(), ignored.sum()]).tolist()
    if n_wrong:
        value = int(targets[wrong][0])
        raise KernelArgumentError(
            f"targets has {value}, outside 0..{n_vocab - 1} (the vocabulary) and not {ignore_index} (ignored)"
        )
    return int(n_ignored)


def _target_shape_rule(targets: Tensor, n_rows: int) -> str:
    return f"targets must have shape ({n_rows},) or ({n_rows}, K), a row per row of hidden, not {tuple(targets.shape)}"


def check_loss(
    label_smoothing: float, reduction: str, scratch_bytes: int | None, compute_dtype: torch.dtype | None
) -> None:
    """Raises KernelArgumentError, which names the argument."""
    if not 0.0 <= label_smoothing <= 1.0:
        raise KernelArgumentError(f"label_smoothing must be in 0..1, not {label_smoothing}")
    if reduction not in REDUCTIONS:
        raise KernelArgumentError(f"reduction must be one of {', '.join(REDUCTIONS)}, not {reduction!r}")
    if scratch_bytes is not None and not (isinstance(scratch_bytes, int) and scratch_bytes >= 1):
        raise KernelArgumentError(f"scratch_bytes must be 1 or more (a whole number), or None, not {scratch_bytes!r}")
    if compute_dtype is not None and compute_dtype not in FLOATS:
        raise KernelArgumentError(
            f"compute_dtype must be float32, bfloat16, float16 or float64, or None, not {compute_dtype}"
        )


def check_no_forward_mode(*tensors: Tensor | None) -> None:
    """Raises KernelArgumentError for a forward-mode tangent: the derivative would be lost in silence."""
    if torch.compiler.is_compiling():
        return
    given = [tensor for tensor in tensors if tensor is not None]
    if any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in given):  # type: ignore[no-untyped-call]
        raise KernelArgumentError("forward-mode derivatives (jvp, dual tensors) are not there; use the backward pass")


def check_divisor(n_items: Tensor | float | None, reduction: str, device: torch.device) -> Tensor | None:
    """n_items as () float32 on the device; a tensor's value is not read.

    Raises KernelArgumentError, which names the argument.
    """
    if n_items is None:
        return None
    if reduction != "sum":
        raise KernelArgumentError(f"n_items divides a sum; with reduction {reduction!r} leave it out")
    if isinstance(n_items, Tensor):
        if n_items.numel() != 1:
            raise KernelArgumentError(f"n_items must be one number, not shape {tuple(n_items.shape)}")
        return n_items.detach().reshape(()).to(device=device, dtype=torch.float32)
    if isinstance(n_items, bool | str) or not 0.0 < n_items < math.inf:
        raise KernelArgumentError(f"n_items must be a finite number above 0, not {n_items!r}")
    return torch.full((), float(n_items), dtype=torch.float32, device=device)


def _check_float(name: str, tensor: Tensor) -> None:
    if tensor.dtype not in FLOATS:
        raise KernelArgumentError(f"{name} must be float32, bfloat16, float16 or float64, not {tensor.dtype}")
