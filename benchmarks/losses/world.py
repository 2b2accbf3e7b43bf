"""Inputs of a linear head's loss at one shape on a GPU, their exact gradients, and a clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

MIB, WATCHED = 1 << 20, 64
WARM_SECONDS = 0.3
"""A card at rest runs a product up to a tenth faster than one that has been at work for some tenths of a second."""
Step = Callable[[], tuple[Tensor, Tensor, Tensor]]
"""Loss, dH and dW of one forward and backward pass."""


class World:
    """hidden (n, d) and weight (v, d) bfloat16, rows peaked at their target by a random amount up to `most`."""

    def __init__(self, n: int, d: int, v: int, most: float = 30.0) -> None:
        g = torch.Generator("cuda").manual_seed(0)
        made: dict[str, Any] = {"device": "cuda", "generator": g}
        parts = [min(16384, v - first) for first in range(0, v, 16384)]
        self.weight = torch.cat([(torch.randn(k, d, **made) / math.sqrt(d)).bfloat16() for k in parts])
        self.targets = torch.randint(v, (n,), **made)
        peak = most * torch.rand(n, 1, **made) * F.normalize(self.weight[self.targets].float(), dim=-1)
        self.hidden = (torch.randn(n, d, **made) * 1.5 + peak).bfloat16()
        self.n, self.d, self.v = n, d, v

    @property
    def gradient_mib(self) -> float:
        return (self.hidden.numel() + self.weight.numel()) * 2 / MIB

    def exact(self, eps: float) -> tuple[float, Tensor, Tensor]:
        """Mean loss with smoothing eps, dH of the first rows, dW of the first targets' rows, in float64."""
        hidden = self.hidden.double()
        lse = torch.full((self.n,), -torch.inf, dtype=torch.float64, device="cuda")
        mean = torch.zeros_like(lse)
        for part in self.weight.split(8192):
            z = hidden @ part.double().T
            lse = torch.logaddexp(lse, z.logsumexp(1))
            mean += z.sum(1) / self.v
        target = (hidden * self.weight[self.targets].double()).sum(1)
        loss = (lse - (1 - eps) * target - eps * mean).mean()
        dh = torch.zeros(WATCHED, self.d, dtype=torch.float64, device="cuda")
        for first, part in zip(range(0, self.v, 8192), self.weight.split(8192), strict=True):
            p = (hidden[:WATCHED] @ part.double().T - lse[:WATCHED, None]).exp() - eps / self.v
            hit = self.targets[:WATCHED, None] == torch.arange(first, first + part.shape[0], device="cuda")
            dh += (p - (1 - eps) * hit) @ part.double() / self.n
        rows = self.targets[:WATCHED]
        p = (hidden @ self.weight[rows].double().T - lse[:, None]).exp() - eps / self.v
        dz = (p - (1 - eps) * (self.targets[:, None] == rows)) / self.n
        return loss.item(), dh, dz.T @ hidden

    def errors(
        self, found: tuple[Tensor, Tensor, Tensor], exact: tuple[float, Tensor, Tensor]
    ) -> tuple[float, float, float]:
        """How far the loss is off, and the relative Frobenius errors of the watched rows of dH and dW."""
        loss, dh, dw = found
        pairs = ((dh[:WATCHED], exact[1]), (dw[self.targets[:WATCHED]], exact[2]))
        by_hidden, by_weight = (float((a.double() - b).norm() / b.norm()) for a, b in pairs)
        return abs(loss.item() - exact[0]), by_hidden, by_weight

    def anchored_rows(self, prior: tuple[Tensor, Tensor], eps: float, dtype: torch.dtype) -> Tensor:
        """dH of the first rows of the mean loss anchored to the prior, its logits and products in dtype."""

        def softmax(hidden: Tensor, weight: Tensor) -> Tensor:
            rows = hidden[:WATCHED].to(dtype)
            z = torch.cat([rows @ part.to(dtype).T for part in weight.split(8192)], 1)
            return (z if dtype == torch.float64 else z.float()).softmax(1)

        dz = softmax(self.hidden, self.weight) - eps * softmax(*prior)
        dz[torch.arange(WATCHED, device="cuda"), self.targets[:WATCHED]] -= 1 - eps
        parts = zip((dz / self.n).to(dtype).split(8192, 1), self.weight.split(8192), strict=True)
        return torch.stack([part.double() @ rows.double() for part, rows in parts]).sum(0)

    def step(self, loss: Callable[[Tensor, Tensor], Tensor]) -> Step:
        """Forward and backward of loss(hidden, weight)."""

        def run() -> tuple[Tensor, Tensor, Tensor]:
            hidden, weight = self.hidden.detach().requires_grad_(), self.weight.detach().requires_grad_()
            value = loss(hidden, weight)
            value.backward()
            assert hidden.grad is not None
            assert weight.grad is not None
            return value.detach(), hidden.grad, weight.grad

        return run


@dataclass(frozen=True)
class Timing:
    ms: float
    """Median milliseconds of a call."""
    mib: float
    """Peak beyond what was allocated before."""
    in_turns: float | None
    """Median milliseconds of the other call, where one ran between each two."""


def timed(call: Callable[[], Any], runs: int, between: Callable[[], Any] | None = None) -> Timing:
    """`runs` calls on a warm card, one after another, or each with a call of `between` after it."""
    call()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    peak = (torch.cuda.max_memory_allocated() - before) / MIB
    calls = [call] if between is None else [call, between]
    end = time.monotonic() + WARM_SECONDS
    while time.monotonic() < end:
        for one in calls:
            one()
        torch.cuda.synchronize()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(runs * len(calls) + 1)]
    torch.cuda._sleep(20_000_000)  # the host gets ahead
    marks[0].record()
    for i, mark in enumerate(marks[1:]):
        calls[i % len(calls)]()
        mark.record()
    torch.cuda.synchronize()
    times = [a.elapsed_time(b) for a, b in pairwise(marks)]
    own, other = sorted(times[:: len(calls)]), sorted(times[1 :: len(calls)])
    return Timing(own[runs // 2], peak, other[runs // 2] if between is not None else None)


class Products:
    """cuBLAS's products of a loss: the logits, and then dH and dW."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.logits = torch.empty(world.n, world.v, dtype=torch.bfloat16, device="cuda")
        self.gradient = torch.empty_like(self.logits).normal_(std=1e-3)

    def one(self) -> None:
        torch.mm(self.world.hidden, self.world.weight.T, out=self.logits)

    def two(self) -> None:
        torch.mm(self.gradient, self.world.weight)
        torch.mm(self.gradient.T, self.world.hidden)

    def three(self) -> None:
        self.one()
        self.two()

    def alone(self, runs: int) -> tuple[float, float]:
        """Milliseconds of the product for the logits, and of all three, nothing else running between them."""
        one = timed(self.one, runs).ms
        return one, one + timed(self.two, runs).ms
