"""The head kernels' specification: float64, nothing chunked, O(N V) memory. For tests and small inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from calibaudit.kernels.arguments import IGNORE_INDEX, LinearLogprobs, check_linear


def linear_logprobs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None = None,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    vocab_size: int | None = None,
) -> LinearLogprobs:
    """As `calibaudit.kernels.linear_logprobs`, in float64."""
    n_vocab = check_linear(hidden, weight, targets, bias, softcap, logit_scale, vocab_size)
    z = hidden.double() @ weight[:n_vocab].double().T
    if bias is not None:
        z = z + bias[:n_vocab].double()
    z = z * logit_scale
    if softcap is not None:
        z = softcap * torch.tanh(z / softcap)
    logprobs = torch.log_softmax(z, dim=1)
    wanted = targets if targets.ndim == 2 else targets[:, None]
    logprob = logprobs.gather(1, wanted.clamp(min=0)).masked_fill(wanted == IGNORE_INDEX, 0.0)
    top_logprob, top_token = logprobs.max(dim=1)
    return LinearLogprobs(logprob.view(targets.shape), torch.logsumexp(z, dim=1), top_logprob, top_token)
