"""A network whose layers are split over the processes of a copy: how it is loaded, its own parts, its head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from calibaudit.kernels import IGNORE_INDEX, LinearLogprobs
from calibaudit.models.devices import own_part
from calibaudit.models.distributed import join
from calibaudit.models.head import Head, probe_ids

N_PROBE = 2_048
"""Tokens of the row by which the need of memory is measured."""


def split_options(n_ranks: int) -> dict[str, Any]:
    """What `from_pretrained` is told, once the processes of the copy have their group."""
    from transformers.distributed import DistributedConfig

    join(n_ranks)
    return {"distributed_config": DistributedConfig(tp_size=n_ranks, tp_plan="auto")}


def devices_of(network: Any, n_ranks: int) -> str:
    """cuda:0, `cuda:0 + cuda:1` of spread layers, `2 x cuda` of split ones."""
    if n_ranks > 1:
        return f"{n_ranks} x {network.device.type}"
    devices = {str(parameter.device) for parameter in network.parameters()}
    return str(network.device) if len(devices) == 1 else " + ".join(sorted(devices))


def head_maker(network: Any) -> Callable[..., Head]:
    """What makes the network's head: a SplitHead where the rows of its output layer are split over processes."""
    weight = getattr(network.get_output_embeddings(), "weight", None)
    if weight is None or own_part(weight) is weight or own_part(weight).shape == weight.shape:
        return Head
    rows = -(-weight.shape[0] // dist.get_world_size())  # torch.chunk's share; the last ones are shorter
    return partial(SplitHead, first=min(dist.get_rank() * rows, weight.shape[0]))


@torch.no_grad()
def tokens_that_fit(network: Any, forward: Callable[..., Any], max_length: int) -> int | None:
    """How many tokens a batch of a split network may have, alike on all processes of the copy; None: any, on a CPU.

    Where memory runs out, one process cannot try again with less while the others wait for its part. So what a row of
    N_PROBE tokens takes on top of the weights is measured, and half of what is free is shared out.
    """
    if network.device.type != "cuda":
        return None
    ids = probe_ids(network, min(max_length, N_PROBE))
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(ids.device)
    torch.cuda.reset_peak_memory_stats(ids.device)
    forward(ids)
    taken = torch.cuda.max_memory_allocated(ids.device) - before
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(ids.device)
    fit = torch.tensor([free // 2 * ids.numel() // max(1, taken)], device=ids.device)
    dist.all_reduce(fit, dist.ReduceOp.MIN)
    return max(1, int(fit))


@dataclass(frozen=True, eq=False)
class SplitHead(Head):
    """A Head whose rows are split over the processes of a copy, each of which holds those from `first` on.

    weight: (own rows, D). bias: (own rows,) or None. vocab_size: columns of the model's logits, of all processes.
    All processes of the copy call it together, with the same hidden states and targets, and get the same.
    """

    first: int = 0

    def logprobs(self, hidden: Tensor, targets: Tensor, **checks: bool) -> LinearLogprobs:
        """hidden (N, D), targets (N,) or (N, K) -> log-probabilities in nats.

        Each process has the log-sum-exp of its own rows, and the logits of the targets among them: the softmax over all
        rows is made of these, in float64, so that nothing is lost beyond float32's rounding of a logit. checks: Head's.
        """
        device = self.weight.device
        hidden, targets = hidden.to(device), targets.to(device)
        n_own = max(0, min(self.weight.shape[0], self.vocab_size - self.first))
        own = (targets >= self.first) & (targets < self.first + n_own)
        if n_own:
            inside = torch.where(own, targets - self.first, IGNORE_INDEX)
            found = self.own_rows(n_own).logprobs(hidden, inside, **checks)
            lse, top, token = found.lse.double(), found.top_logprob.double() + found.lse, found.top_token + self.first
            columns = lse if targets.ndim == 1 else lse[:, None]
            logits = torch.where(own, found.logprob.double() + columns, 0.0)
        else:  # rows of padding alone
            lse, top = (torch.full((len(hidden),), -torch.inf, dtype=torch.float64, device=device) for _ in range(2))
            token = torch.zeros(len(hidden), dtype=torch.int64, device=device)
            logits = torch.zeros(targets.shape, dtype=torch.float64, device=device)
        dist.all_reduce(logits)
        tops = torch.stack([lse, top, token.double()])
        parts = [torch.empty_like(tops) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tops)
        every = torch.stack(parts)  # (processes, 3, N); a lower process has lower ids, so a tie goes to the lowest
        lse = every[:, 0].logsumexp(dim=0)
        best = every[:, 1].argmax(dim=0, keepdim=True)
        top, token = (every[:, i].gather(0, best)[0] for i in (1, 2))
        logprob = (logits - (lse if targets.ndim == 1 else lse[:, None])).clamp(max=0.0)
        logprob = torch.where(targets == IGNORE_INDEX, 0.0, logprob)
        return LinearLogprobs(logprob.float(), lse.float(), (top - lse).clamp(max=0.0).float(), token.long())

    def own_rows(self, n_own: int) -> Head:
        """The head of this process's rows alone."""
        return Head(self.weight, self.bias, self.softcap, self.logit_scale, n_own)

    def logits(self, hidden: Tensor) -> Tensor:
        """(N, D) -> (N, vocab_size) in float32: for the probe's few rows only."""
        own = self.own_rows(self.weight.shape[0]).logits(hidden)
        counts = [torch.zeros(1, dtype=torch.int64, device=own.device) for _ in range(dist.get_world_size())]
        dist.all_gather(counts, torch.tensor([own.shape[1]], device=own.device))
        padded = own.new_zeros(len(own), max(int(n) for n in counts))
        padded[:, : own.shape[1]] = own
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:, : int(n)] for part, n in zip(parts, counts, strict=True)], dim=1)[
            :, : self.vocab_size
        ]
