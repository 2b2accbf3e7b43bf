"""The head's losses on one GPU: time and memory as ratios to the products alone, beside peers, in one process.

    python benchmarks/kernels.py [--sections forward step anchored rows] [--shapes A B] [--runs 5]
    python benchmarks/kernels.py --cpu

Shapes: A (Gemma-2-2B: D 2304, V 256,000) and B (Llama-3-8B: D 4096, V 128,256), N = 8192, bfloat16, smoothing 0.1, rows
peaked at their target by a random amount. "products" are cuBLAS's own: one for a forward pass, three for a step
(logits, dH, dW). Peers run when they can be imported: torch, torch.compile, liger-kernel, cut-cross-entropy (the last
knows no smoothing). A side is checked before it is timed: 64 rows of dH and 64 of dW against float64, error at most
twice that of materialised bfloat16 + 1e-6, else no speed. Memory is the peak beyond inputs and gradients; the queue is
kept full while timing. --cpu runs benchmarks/kernels_cpu.py.
"""

from __future__ import annotations

import argparse
import math
import runpy
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SHAPES = {"A": (8192, 2304, 256000), "B": (8192, 4096, 128256)}
EPS, MIB, WATCHED = 0.1, 1 << 20, 64
Step = Callable[[], tuple[Tensor, Tensor, Tensor]]


class World:
    """Inputs of one shape, and float64 rows of both gradients of the mean smoothed loss."""

    def __init__(self, n: int, d: int, v: int, most: float = 30.0, eps: float = EPS) -> None:
        g = torch.Generator("cuda").manual_seed(0)
        made: dict[str, Any] = {"device": "cuda", "generator": g}
        self.weight = torch.cat([(torch.randn(k, d, **made) / math.sqrt(d)).bfloat16() for k in _parts(v)])
        self.targets = torch.randint(v, (n,), **made)
        peak = most * torch.rand(n, 1, **made) * F.normalize(self.weight[self.targets].float(), dim=-1)
        self.hidden = (torch.randn(n, d, **made) * 1.5 + peak).bfloat16()
        self.eps, self.n, self.v = eps, n, v
        self.upstream = torch.full((n,), 1.0 / n, device="cuda")

    def exact(self) -> tuple[float, Tensor, Tensor]:
        """Loss, dH of the first rows, dW of the first targets' rows, in float64."""
        hidden = self.hidden.double()
        top = torch.full((self.n,), -torch.inf, dtype=torch.float64, device="cuda")
        mean = torch.zeros_like(top)
        for part in self.weight.split(8192):
            z = hidden @ part.double().T
            top = torch.logaddexp(top, z.logsumexp(1))
            mean += z.sum(1) / self.v
        lse = top
        target = (hidden * self.weight[self.targets].double()).sum(1)
        loss = (lse - (1 - self.eps) * target - self.eps * mean).mean()
        dh = torch.zeros(WATCHED, hidden.shape[1], dtype=torch.float64, device="cuda")
        for first, part in zip(range(0, self.v, 8192), self.weight.split(8192), strict=False):
            p = (hidden[:WATCHED] @ part.double().T - lse[:WATCHED, None]).exp() - self.eps / self.v
            hit = self.targets[:WATCHED, None] == torch.arange(first, first + part.shape[0], device="cuda")
            dh += (p - (1 - self.eps) * hit) @ part.double() / self.n
        rows = self.targets[:WATCHED]
        p = (hidden @ self.weight[rows].double().T - lse[:, None]).exp() - self.eps / self.v
        dz = (p - (1 - self.eps) * (self.targets[:, None] == rows)) / self.n
        return loss.item(), dh, dz.T @ hidden

    @property
    def head(self) -> Any:
        from calibaudit.kernels.heads import Head

        return Head(self.weight, None, None, 1.0, self.v)

    def leaves(self) -> tuple[Tensor, Tensor]:
        return self.hidden.detach().requires_grad_(), self.weight.detach().requires_grad_()


def _parts(v: int) -> list[int]:
    return [min(16384, v - first) for first in range(0, v, 16384)]


def backward_of(loss: Callable[[Tensor, Tensor], Tensor], world: World) -> Step:
    def step() -> tuple[Tensor, Tensor, Tensor]:
        leaves = world.leaves()
        value = loss(*leaves)
        value.backward()
        return value.detach(), leaves[0].grad, leaves[1].grad  # type: ignore[return-value]

    return step


def own_steps(world: World) -> dict[str, tuple[Step, float]]:
    """Name to (forward and backward, the smoothing it does)."""
    from calibaudit.kernels import linear_cross_entropy
    from calibaudit.kernels.heads import Needs
    from calibaudit.kernels.triton_kernels.retained import head_loss_gradients

    targets, eps = world.targets, world.eps

    def at_once(scratch: int) -> Step:
        def step() -> tuple[Tensor, Tensor, Tensor]:
            found, (dh, dw, _) = head_loss_gradients(
                world.hidden, world.head, targets, world.upstream, label_smoothing=eps,
                needs=Needs(True, True, False), scratch_bytes=scratch,
            )  # fmt: skip
            loss = found.lse - (1 - eps) * found.target_logit[:, 0]
            assert dh is not None
            assert dw is not None
            return (loss if found.mean_logit is None else loss - eps * found.mean_logit).mean(), dh, dw

        return step

    def ours(scratch: int) -> Step:
        return backward_of(
            lambda h, w: linear_cross_entropy(h, w, targets, label_smoothing=eps, scratch_bytes=scratch), world
        )

    found: dict[str, tuple[Step, float]] = {}
    for mib in (512, 160):
        found[f"calibaudit, {mib} MiB, logits kept"] = at_once(mib * MIB), eps
        found[f"calibaudit, {mib} MiB, linear_cross_entropy"] = ours(mib * MIB), eps
    return found


def peer_steps(world: World) -> dict[str, tuple[Step, float]]:
    """The same of the peers at hand."""
    targets, eps = world.targets, world.eps
    found: dict[str, tuple[Step, float]] = {}

    def plain(h: Tensor, w: Tensor) -> Tensor:
        return F.cross_entropy((h @ w.T).float(), targets, label_smoothing=eps)

    found["torch"] = backward_of(plain, world), eps
    found["torch.compile"] = backward_of(torch.compile(plain), world), eps
    try:
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

        liger = LigerFusedLinearCrossEntropyLoss(label_smoothing=eps)
        found["liger-kernel"] = backward_of(lambda h, w: liger(w, h, targets), world), eps
    except ImportError as error:
        print(f"liger-kernel: not here ({error})")
    try:
        from cut_cross_entropy import linear_cross_entropy as cce

        found["cut-cross-entropy (no smoothing)"] = backward_of(lambda h, w: cce(h, w, targets), world), 0.0
    except ImportError as error:
        print(f"cut-cross-entropy: not here ({error})")
    return found


def timed(call: Callable[[], Any], runs: int) -> tuple[float, float]:
    """Median milliseconds, and the peak in MiB beyond what was allocated before."""
    call()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() - before
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
    torch.cuda._sleep(20_000_000)  # the host gets ahead
    marks[0].record()
    for mark in marks[1:]:
        call()
        mark.record()
    torch.cuda.synchronize()
    times = sorted(a.elapsed_time(b) for a, b in pairwise(marks))
    return times[len(times) // 2], peak / MIB


def products(world: World, runs: int) -> tuple[float, float]:
    """Milliseconds of cuBLAS's product for the logits, and of all three."""
    logits = torch.empty(world.n, world.v, dtype=torch.bfloat16, device="cuda")
    one, _ = timed(lambda: torch.mm(world.hidden, world.weight.T, out=logits), runs)
    logits.normal_(std=1e-3)
    two, _ = timed(lambda: torch.mm(logits, world.weight), runs)
    three, _ = timed(lambda: torch.mm(logits.T, world.hidden), runs)
    return one, one + two + three


def errors(
    found: tuple[Tensor, Tensor, Tensor], world: World, exact: tuple[float, Tensor, Tensor]
) -> tuple[float, ...]:
    loss, dh, dw = found
    pairs = ((dh[:WATCHED], exact[1]), (dw[world.targets[:WATCHED]], exact[2]))
    return abs(loss.item() - exact[0]), *(float((a.double() - b).norm() / b.norm()) for a, b in pairs)


def step_section(name: str, world: World, runs: int) -> None:
    _, floor = products(world, runs)
    print(f"\n**Forward + backward, {name}** (three products: {floor:.2f} ms)\n")
    print("| | ms | / products | MiB | error dH | error dW |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    gradients = (world.hidden.numel() + world.weight.numel()) * 2 / MIB
    references: dict[float, tuple[Any, tuple[float, ...]]] = {}
    smoothing = world.eps
    for side, (step, eps) in (own_steps(world) | peer_steps(world)).items():
        if eps not in references:
            world.eps = eps
            exact = world.exact()
            naive = backward_of(
                lambda h, w, eps=eps: F.cross_entropy((h @ w.T).float(), world.targets, label_smoothing=eps), world
            )
            references[eps] = exact, errors(naive(), world, exact)
            world.eps = smoothing
        exact, allowed = references[eps]
        try:
            found = errors(step(), world, exact)
        except Exception as error:
            print(f"| {side} | failed: {type(error).__name__}: {str(error)[:100]} | | | | |")
            continue
        right = found[0] <= 1e-3 * abs(exact[0]) and all(
            value <= 2 * bound + 1e-6 for value, bound in zip(found[1:], allowed[1:], strict=True)
        )
        shown = f"{found[1]:.1e} | {found[2]:.1e}"
        if not right:
            print(f"| {side} | no speed: off by {found[0]:.1e}, allowed {allowed[1]:.1e} x 2 | | | {shown} |")
            continue
        ms, mib = timed(step, runs)
        print(f"| {side} | {ms:.2f} | {ms / floor:.3f} | {mib - gradients:,.0f} | {shown} |", flush=True)


def forward_section(name: str, world: World, runs: int) -> None:
    from calibaudit.kernels.triton_kernels.forward import head_forward

    floor, _ = products(world, runs)
    print(f"\n**Forward, {name}** (one product: {floor:.2f} ms)\n")
    print("| | ms | / product | MiB |\n| --- | ---: | ---: | ---: |")
    lse = torch.cat([(part.float() @ world.weight.T.float()).logsumexp(1) for part in world.hidden[:512].split(64)])
    sides: dict[str, Callable[[], Any]] = {}
    for what, options in {
        "loss": {"top": False, "mean": False}, "smoothed loss": {"top": False, "mean": True},
        "log-probabilities and top token": {"top": True, "mean": False},
    }.items():  # fmt: skip
        sides[f"calibaudit, {what}"] = lambda options=options: head_forward(
            world.hidden, world.head, world.targets[:, None], **options
        )

    def plain(h: Tensor, w: Tensor) -> Tensor:
        return F.cross_entropy((h @ w.T).float(), world.targets, label_smoothing=world.eps)

    sides["torch, smoothed"] = lambda: plain(world.hidden, world.weight)
    compiled = torch.compile(plain)
    sides["torch.compile, smoothed"] = lambda: compiled(world.hidden, world.weight)
    with torch.no_grad():
        for side, call in sides.items():
            if side.startswith("calibaudit") and float((call().lse[:512] - lse).abs().max()) > 1e-3:
                print(f"| {side} | no speed: lse is off | | |")
                continue
            ms, mib = timed(call, runs)
            outputs = 4 * world.n * (2 + ("smoothed" in side) + 3 * ("top" in side)) / MIB
            beyond = mib - outputs if side.startswith("calibaudit") else mib
            print(f"| {side} | {ms:.2f} | {ms / floor:.3f} | {beyond:,.1f} |", flush=True)


def anchored_section(name: str, world: World, runs: int) -> None:
    from calibaudit.kernels import anchored_cross_entropy, linear_cross_entropy

    prior = (world.hidden.roll(1, 0), world.weight.roll(1, 0))
    uniform, _ = timed(
        backward_of(lambda h, w: linear_cross_entropy(h, w, world.targets, label_smoothing=EPS), world), runs
    )
    ms, mib = timed(
        backward_of(lambda h, w: anchored_cross_entropy(h, w, *prior, world.targets, label_smoothing=0.5), world), runs
    )
    beyond = mib - (world.hidden.numel() + world.weight.numel()) * 2 / MIB
    print(f"\n**Anchored, {name}**: {ms:.2f} ms = {ms / uniform:.2f} x uniform ({uniform:.2f} ms), {beyond:,.0f} MiB")


def rows_section(name: str, d: int, v: int, runs: int) -> None:
    print(f"\n**Rows, {name}**: microseconds a row\n")
    print("| N | linear_cross_entropy | MiB | logits kept | MiB |\n| ---: | ---: | ---: | ---: | ---: |")
    for n in (512, 2048, 8192, 32768, 65536):
        world = World(n, d, v)
        gradients = (world.hidden.numel() + world.weight.numel()) * 2 / MIB
        sides = own_steps(world)
        ours, mib = timed(sides["calibaudit, 512 MiB, linear_cross_entropy"][0], runs)
        kept, kept_mib = timed(sides["calibaudit, 512 MiB, logits kept"][0], runs)
        print(f"| {n:,} | {1e3 * ours / n:.2f} | {mib - gradients:,.0f} ", end="")
        print(f"| {1e3 * kept / n:.2f} | {kept_mib - gradients:,.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choices = ("forward", "step", "anchored", "rows")
    parser.add_argument("--sections", nargs="*", choices=choices, default=list(choices))
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    if options.cpu:
        script = str(Path(__file__).with_name("kernels_cpu.py"))
        sys.argv = [script]
        runpy.run_path(script, run_name="__main__")
        return
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device: --cpu measures the CPU path")
    import triton

    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, triton {triton.__version__}")
    for shape in options.shapes:
        n, d, v = SHAPES[shape]
        name = f"shape {shape}: N {n:,}, D {d:,}, V {v:,}"
        world = World(n, d, v)
        if "forward" in options.sections:
            forward_section(name, world, options.runs)
        if "step" in options.sections:
            step_section(name, world, options.runs)
        if "anchored" in options.sections:
            anchored_section(name, world, options.runs)
        del world
        if "rows" in options.sections:
            rows_section(f"D {d:,}, V {v:,}", d, v, max(2, options.runs // 2))


if __name__ == "__main__":
    main()
