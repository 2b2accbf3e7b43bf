"""Log-probabilities and smoothed losses out of a linear head without the N x V logits."""

from __future__ import annotations

from torch import Tensor

from calibaudit.kernels import dispatch
from calibaudit.kernels.chunked import forward
from calibaudit.kernels.chunked.forward import logprobs_from_logits
from calibaudit.kernels.dispatch import kernel_path
from calibaudit.kernels.losses import anchored_cross_entropy, linear_cross_entropy
from calibaudit.kernels.validation import IGNORE_INDEX, KernelArgumentError, LinearLogprobs, check_head, check_targets

__all__ = [
    "IGNORE_INDEX",
    "KernelArgumentError",
    "LinearLogprobs",
    "anchored_cross_entropy",
    "kernel_path",
    "linear_cross_entropy",
    "linear_logprobs",
    "logprobs_from_logits",
]


def linear_logprobs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None = None,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    vocab_size: int | None = None,
    known: bool = False,
) -> LinearLogprobs:
    """Log-softmax of a linear head at the targets, and its top token, in nats.

    z = (W h + bias) * logit_scale, then softcap * tanh(z / softcap): what Cohere (scale), Granite (scale
    1 / logits_scaling), Falcon-H1 (scale lm_head_multiplier) and Gemma 2 and 3 (softcap) do.

    hidden: (N, D). weight: (V, D). bias: (V,). float32, bfloat16, float16 or float64; sums are in float32, and so are
    products, which are exact for bfloat16 and float16.
    targets: (N,) or (N, K) int64 token ids; -100 marks padding, whose logprob is 0, so that it adds nothing to a sum.
    vocab_size: how many rows of weight count; rows past it are padding and never seen. None: all.
    known: the targets are in the vocabulary, so their values are not looked at, for which the host would wait.
    Returns float32 tensors on hidden's device. Deterministic; not differentiable.
    Memory beyond inputs and results: about 64 MiB of scratch; with Triton about 2 MiB.
    Raises KernelArgumentError (a ValueError), which names the argument.
    """
    head = check_head(hidden, weight, bias, softcap, logit_scale, vocab_size)
    if not known:
        check_targets(targets, hidden.shape[0], head.n_vocab, hidden.device)
    if kernel_path(hidden.device)[0] == "chunked":
        return forward.linear_logprobs(hidden, head, targets)
    return dispatch.linear_logprobs(hidden, head, targets)
