"""The head kernels' specification: float64, nothing chunked, O(N V) memory. For tests and small inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from calibaudit.kernels.heads import AnchoredForward, Gradients, Head, HeadForward
from calibaudit.kernels.validation import IGNORE_INDEX, LinearLogprobs


def logits(hidden: Tensor, head: Head) -> Tensor:
    """(N, D) -> (N, n_vocab): z = (W h + bias) * logit_scale, then softcap * tanh(z / softcap)."""
    z = hidden.double() @ head.weight[: head.n_vocab].double().T
    if head.bias is not None:
        z = z + head.bias[: head.n_vocab].double()
    z = z * head.logit_scale
    return z if head.softcap is None else head.softcap * torch.tanh(z / head.softcap)


def linear_logprobs(hidden: Tensor, head: Head, targets: Tensor) -> LinearLogprobs:
    """As `calibaudit.kernels.linear_logprobs`, in float64."""
    z = logits(hidden, head)
    logprobs = torch.log_softmax(z, dim=1)
    wanted = targets if targets.ndim == 2 else targets[:, None]
    logprob = logprobs.gather(1, wanted.clamp(min=0)).masked_fill(wanted == IGNORE_INDEX, 0.0)
    top_logprob, top_token = logprobs.max(dim=1)
    return LinearLogprobs(logprob.view(targets.shape), torch.logsumexp(z, dim=1), top_logprob, top_token)


def losses(z: Tensor, targets: Tensor, label_smoothing: float, prior: Tensor | None = None) -> Tensor:
    """(N, V) logits -> (N,): lse(z) - (1 - eps) z_y - eps sum_v q_v z_v; 0 where ignored. prior: q; None: uniform."""
    expected = z.mean(dim=1) if prior is None else (prior * z).sum(dim=1)
    target = z.gather(1, targets.clamp(min=0)[:, None])[:, 0]
    loss = torch.logsumexp(z, dim=1) - (1.0 - label_smoothing) * target - label_smoothing * expected
    return loss.masked_fill(targets == IGNORE_INDEX, 0.0)


def head_forward(hidden: Tensor, head: Head, targets: Tensor, *, top: bool, mean: bool) -> HeadForward:
    """As kernels/heads.py says, in float64."""
    z = logits(hidden, head)
    target = z.gather(1, targets.clamp(min=0)).masked_fill(targets == IGNORE_INDEX, 0.0)
    top_logit, top_token = z.max(dim=1)
    return HeadForward(
        torch.logsumexp(z, dim=1),
        target,
        top_logit if top else None,
        top_token if top else None,
        z.mean(dim=1) if mean else None,
    )


def anchored_forward(hidden: Tensor, head: Head, prior_hidden: Tensor, prior: Head, targets: Tensor) -> AnchoredForward:
    """As kernels/heads.py says, in float64."""
    z, u = logits(hidden, head), logits(prior_hidden, prior)
    target = z.gather(1, targets.clamp(min=0)[:, None])[:, 0].masked_fill(targets == IGNORE_INDEX, 0.0)
    expected = (u.softmax(dim=1) * z).sum(dim=1)
    return AnchoredForward(torch.logsumexp(z, dim=1), target, torch.logsumexp(u, dim=1), expected)


def head_gradients(
    hidden: Tensor, head: Head, targets: Tensor, upstream: Tensor, *,
    label_smoothing: float, prior: Tensor | None = None,
) -> Gradients:  # fmt: skip
    """As `head_backward` and `anchored_backward` in kernels/heads.py, by formula, in float64.

    prior: q (N, n_vocab); None: 1 / n_vocab each.
    dz = p - (1 - eps) 1_y - eps q, and through the softcap (1 - (z / softcap)^2) and the scale.
    """
    weight, bias, softcap, logit_scale, n_vocab = head
    z = logits(hidden, head)
    dz = z.softmax(dim=1) - label_smoothing * (torch.ones_like(z) / n_vocab if prior is None else prior)
    known = (targets != IGNORE_INDEX).double()
    dz.scatter_add_(1, targets.clamp(min=0)[:, None], (label_smoothing - 1.0) * known[:, None])
    dz = dz * (upstream.double() * known)[:, None] * logit_scale
    if softcap is not None:
        dz = dz * (1.0 - (z / softcap).square())
    by_weight = torch.zeros(weight.shape, dtype=torch.float64, device=weight.device)
    by_weight[:n_vocab] = dz.T @ hidden.double()
    by_bias = None
    if bias is not None:
        by_bias = torch.zeros(bias.shape, dtype=torch.float64, device=bias.device)
        by_bias[:n_vocab] = dz.sum(dim=0)
    return Gradients(dz @ weight[:n_vocab].double(), by_weight, by_bias)
