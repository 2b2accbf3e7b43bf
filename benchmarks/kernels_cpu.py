"""The smoothed loss on a CPU against F.cross_entropy over materialised logits: time and memory, forward and backward.

    OMP_NUM_THREADS=2 python benchmarks/kernels_cpu.py [--rows 512 --width 1024 --vocabulary 128256]
                                                       [--scratch-mib 12 64] [--runs 5]

Runs alternate, so that what else the machine does falls on all; the best of each counts. One thread is timed in CPU
seconds, which a busy machine distorts least; more threads in wall seconds. Memory is torch's own count of what is
allocated at once, beyond the inputs (peak) and beyond the gradients too. No speed is printed when loss or gradients
are off.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from calibaudit.kernels import linear_cross_entropy

EPS = 0.1
MIB = 1 << 20
TOLERANCE = 1e-5  # relative, Frobenius; float32 products of up to 1,024 and 128,256 terms

Loss = Callable[[], Tensor]


def run(loss: Loss, leaves: tuple[Tensor, ...]) -> float:
    """Seconds, forward and backward, gradients made afresh."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    for leaf in leaves:
        leaf.grad = None
    start = clock()
    loss().backward()
    return clock() - start


def peak(loss: Loss, leaves: tuple[Tensor, ...]) -> int:
    """Bytes allocated at once, inputs not counted."""
    for leaf in leaves:
        leaf.grad = None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        loss().backward()
    now = most = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


def error(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--vocabulary", type=int, default=128_256)
    parser.add_argument("--scratch-mib", type=int, nargs="*", default=[12, 64])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    n, d, v = options.rows, options.width, options.vocabulary
    hidden = torch.randn(n, d, generator=generator).requires_grad_()
    weight = (torch.randn(v, d, generator=generator) * 0.03).requires_grad_()
    targets = torch.randint(v, (n,), generator=generator)
    leaves = (hidden, weight)

    def torchs() -> Tensor:
        return F.cross_entropy(hidden @ weight.T, targets, label_smoothing=EPS)

    def ours(scratch_bytes: int | None) -> Loss:
        return lambda: linear_cross_entropy(hidden, weight, targets, label_smoothing=EPS, scratch_bytes=scratch_bytes)

    losses = {"torch": torchs, "ours": ours(None)}
    losses |= {f"ours, {mib} MiB scratch": ours(mib * MIB) for mib in options.scratch_mib}
    exact_loss = torchs()
    exact = [exact_loss.detach(), *torch.autograd.grad(exact_loss, leaves)]
    for name, loss in losses.items():
        value = loss()
        off = max(map(error, [value.detach(), *torch.autograd.grad(value, leaves)], exact))
        if off > TOLERANCE:
            raise SystemExit(f"{name}: off by {off:.1e}, above {TOLERANCE:.0e}: no speed is printed")
    del exact, exact_loss, value

    seconds: dict[str, list[float]] = {name: [] for name in losses}
    for _ in range(options.runs):
        for name, loss in losses.items():
            seconds[name].append(run(loss, leaves))
    peaks = {name: peak(loss, leaves) for name, loss in losses.items()}
    gradients = sum(leaf.numel() * leaf.element_size() for leaf in leaves)
    beyond = {name: value - gradients for name, value in peaks.items()}

    print(f"N {n}, D {d}, V {v:,}, float32, smoothing {EPS}, {torch.get_num_threads()} threads, {torch.__version__}")
    print(f"{'':22} seconds  / torch  peak MiB  beyond gradients  / torch's peak  / torch's beyond")
    for name in losses:
        best = min(seconds[name])
        print(
            f"{name:22} {best:7.3f} {best / min(seconds['torch']):8.3f} {peaks[name] / MIB:9.1f} "
            f"{beyond[name] / MIB:17.1f} {beyond[name] / peaks['torch']:15.3f} {beyond[name] / beyond['torch']:17.3f}"
        )


if __name__ == "__main__":
    main()
