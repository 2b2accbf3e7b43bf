"""The head's losses on one GPU: time and memory as ratios to the products alone, beside peers, in one process.

    python benchmarks/kernels.py [--sections forward step anchored rows] [--shapes A B] [--runs 5] [--save ROWS.jsonl]
    python benchmarks/kernels.py --show ROWS.jsonl [--into docs/kernels.md]
    python benchmarks/kernels.py --cpu

Shapes: A (Gemma-2-2B: D 2304, V 256,000) and B (Llama-3-8B: D 4096, V 128,256), N = 8192, bfloat16, smoothing 0.1, rows
peaked at their target by a random amount. "products" are cuBLAS's own: one for a forward pass, three for a step
(logits, dH, dW). Ours is what a user calls, `calibaudit.kernels.linear_cross_entropy(...).backward()`. Peers run when
they can be imported, and each one that cannot is named: torch, torch.compile, liger-kernel (Triton, CuTe DSL), cut-
cross-entropy, quack-kernels, torch's own linear_cross_entropy (2.13). Those that know no smoothing are compared with
ours without. A side is checked before it is timed: the loss within 0.1 %, 64 rows of dH and 64 of dW against float64,
error at most twice that of materialised bfloat16 + 1e-6, else no speed. Memory is the peak beyond inputs and gradients;
the card is warm and the queue full while timing. The products are timed alone before and after each section, which the
bars are held against, and in turns with each side, as a model's other layers run between its losses: a card that
multiplies without a rest runs at another clock. The claim (at every memory budget faster than any peer that fits in it)
is computed from the rows. --save keeps them, --show prints the tables of such a file. --cpu runs
benchmarks/kernels_cpu.py.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import runpy
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a file, this folder is on the path and the one above is not
    sys.path.append(str(ROOT))

from benchmarks.losses import tables  # noqa: E402
from benchmarks.losses.peers import PEERS, named  # noqa: E402
from benchmarks.losses.world import MIB, Products, Step, World, timed  # noqa: E402

SHAPES = {"A": (8192, 2304, 256000), "B": (8192, 4096, 128256)}
SECTIONS = ("forward", "step", "anchored", "rows")
EPS, ANCHORED_EPS = 0.1, 0.5
BUDGETS = (60, 160, 512, 2252)
"""MiB of scratch: what Liger takes, the small and the usual budget, and 2.2 GiB."""


class Report:
    """Rows as they come: to the screen in short, to a file if one is named."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.rows = path, list[tables.Row]()

    def add(self, kind: str, **row: Any) -> None:
        self.rows.append({"kind": kind} | row)
        print("  ".join(f"{key} {_short(value)}" for key, value in self.rows[-1].items()), flush=True)
        self.keep()

    def keep(self) -> None:
        if self.path is not None:
            self.path.write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")

    def add_floors(self, shape: str, products: Products, runs: int) -> None:
        """Time the products once more; what counts is the median: clocks drift with heat."""
        if not self.has("products", shape):
            self.add("products", shape=shape, size=SHAPES[shape], floors=[])
        row = next(row for row in self.rows if row["kind"] == "products" and row["shape"] == shape)
        row["floors"].append(products.alone(runs))
        row["one"], row["three"] = (statistics.median(values) for values in zip(*row["floors"], strict=True))
        self.keep()

    def has(self, kind: str, shape: str) -> bool:
        return any(row["kind"] == kind and row.get("shape") == shape for row in self.rows)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1 else str(value)


def own_step(world: World, mib: int, eps: float) -> Step:
    from calibaudit.kernels import linear_cross_entropy

    return world.step(
        lambda hidden, weight: linear_cross_entropy(
            hidden, weight, world.targets, label_smoothing=eps, scratch_bytes=mib * MIB
        )
    )


def step_section(shape: str, products: Products, runs: int, report: Report, brief: bool) -> None:
    world = products.world
    for eps in (EPS,) if brief else (EPS, 0.0):
        exact = world.exact(eps)
        naive = world.step(lambda h, w, eps=eps: F.cross_entropy((h @ w.T).float(), world.targets, label_smoothing=eps))
        allowed = world.errors(naive(), exact)

        def measure(
            side: str, step: Step, eps: float = eps, exact: Any = exact, allowed: Any = allowed, **more: Any
        ) -> None:
            row: dict[str, Any] = {"shape": shape, "side": named(side, eps), "eps": eps, **more}
            try:
                loss, *errors = world.errors(step(), exact)
                row |= {"error_hidden": errors[0], "error_weight": errors[1]}
                right = loss <= 1e-3 * abs(exact[0]) and all(
                    error <= 2 * bound + 1e-6 for error, bound in zip(errors, allowed[1:], strict=True)
                )
                if right:
                    found = timed(step, runs, products.three)
                    row |= {"ms": found.ms, "mib": found.mib - world.gradient_mib, "in_turns": found.in_turns}
                else:
                    row["why"] = f"loss off by {loss:.1e}, allowed errors {2 * allowed[1]:.1e} and {2 * allowed[2]:.1e}"
            except Exception as error:  # a peer may fail in any way, and the others are still measured
                row["why"] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
            report.add("step", **row)
            gc.collect()
            torch.cuda.empty_cache()

        for mib in BUDGETS:
            more: dict[str, Any] = {"own": True, "budget": mib}
            if eps:
                more["bar"] = f"step, {mib:,} MiB"
            measure(f"calibaudit, {mib:,} MiB", own_step(world, mib, eps), **more)
        for name, peer in PEERS.items():
            if peer.smooths and not eps and name != "liger-kernel, CuTe DSL":
                continue  # what smooths is compared with smoothing
            if eps and not peer.smooths:
                continue
            try:
                loss = peer.build(world.targets, eps)
            except (ImportError, AttributeError) as error:
                report.add("absent", peer=name, why=" ".join(str(error).split())[:160])
                continue
            measure(name, world.step(loss), own=False)


def forward_section(shape: str, products: Products, runs: int, report: Report, brief: bool) -> None:
    from calibaudit.kernels import linear_cross_entropy, linear_logprobs

    world = products.world
    given = (world.hidden, world.weight, world.targets)
    lse = torch.cat([(part.float() @ world.weight.T.float()).logsumexp(1) for part in world.hidden[:512].split(64)])
    wrong = float((linear_logprobs(*given).lse[:512] - lse).abs().max())
    exact = {eps: world.exact(eps)[0] for eps in (0.0, EPS)}
    del lse

    def plain(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy((hidden @ weight.T).float(), world.targets, label_smoothing=EPS)

    compiled = torch.compile(plain)
    sides: dict[str, tuple[Callable[[], Any], float | None]] = {
        "calibaudit, loss": (lambda: linear_cross_entropy(*given), 0.0),
        "calibaudit, smoothed loss": (lambda: linear_cross_entropy(*given, label_smoothing=EPS), EPS),
        "calibaudit, log-probabilities and top token": (lambda: linear_logprobs(*given), None),
    }
    if not brief:
        sides["torch, smoothed loss"] = (lambda: plain(*given[:2]), EPS)
        sides["torch.compile, smoothed loss"] = (lambda: compiled(*given[:2]), EPS)
    for side, (call, eps) in sides.items():
        row: dict[str, Any] = {"shape": shape, "side": side}
        if side == "calibaudit, smoothed loss":
            row["bar"] = "forward, smoothed"
        with torch.no_grad():
            off = wrong if eps is None else abs(float(call()) - exact[eps])
            if off > 1e-3 * (abs(exact[eps]) if eps is not None else 1.0):
                report.add("forward", **row, why=f"off by {off:.1e}")
                continue
            found = timed(call, runs, products.one)
            # its results: four float32 and an int64 a row, less one float
            mib = found.mib - (5 * 4 * world.n / MIB if eps is None else 0)
        report.add("forward", **row, ms=found.ms, mib=mib, in_turns=found.in_turns)


def anchored_section(shape: str, products: Products, runs: int, report: Report, _brief: bool) -> None:
    from calibaudit.kernels import anchored_cross_entropy

    world = products.world
    prior = (world.hidden.roll(1, 0), world.weight.roll(1, 0))
    exact, naive = (world.anchored_rows(prior, ANCHORED_EPS, dtype) for dtype in (torch.float64, torch.bfloat16))
    allowed = 2 * float((naive - exact).norm() / exact.norm()) + 1e-6
    for mib in (512, 2252):
        step = world.step(
            lambda hidden, weight, mib=mib: anchored_cross_entropy(
                hidden, weight, *prior, world.targets, label_smoothing=ANCHORED_EPS, scratch_bytes=mib * MIB
            )
        )
        rows = step()[1][: len(exact)].double()
        error = float((rows - exact).norm() / exact.norm())
        if not error <= allowed:
            raise ArithmeticError(f"dH is off by {error:.1e}, allowed {allowed:.1e}, at {mib} MiB")
        found = timed(step, runs, products.three)
        row = {"budget": mib, "ms": found.ms, "mib": found.mib - world.gradient_mib, "in_turns": found.in_turns}
        row |= {"error_hidden": error, "allowed": allowed}
        report.add("anchored", shape=shape, bar=f"anchored step, {mib:,} MiB", **row)


def rows_section(shape: str, runs: int, report: Report) -> None:
    _, d, v = SHAPES[shape]
    for n in (512, 2048, 8192, 32768, 65536):
        world = World(n, d, v)
        found = timed(own_step(world, 512, EPS), runs)
        report.add("rows", shape=shape, n=n, ms=found.ms, mib=found.mib - world.gradient_mib)
        del world
        torch.cuda.empty_cache()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--brief", action="store_true", help="steps with smoothing alone, forward passes without peers")
    parser.add_argument("--save", type=Path, metavar="ROWS.jsonl", help="keep the rows in this file")
    parser.add_argument("--show", type=Path, metavar="ROWS.jsonl", help="print the tables of a run's rows")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="with --show: put them into this page instead")
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    if options.show:
        text = tables.page(tables.read(options.show))
        if options.into:
            options.into.write_text(tables.put(options.into.read_text("utf-8"), text), encoding="utf-8")
        else:
            print(text)
        return
    if options.cpu:
        script = str(Path(__file__).with_name("kernels_cpu.py"))
        sys.argv = [script]
        runpy.run_path(script, run_name="__main__")
        return
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device: --cpu measures the CPU path, --show prints the tables of a run elsewhere")
    import triton

    report = Report(options.save)
    today = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    report.add(
        "machine", card=torch.cuda.get_device_name(), torch=torch.__version__, triton=triton.__version__, date=today
    )
    sections = {"forward": forward_section, "step": step_section, "anchored": anchored_section}
    for shape in options.shapes:
        products = Products(World(*SHAPES[shape]))
        report.add_floors(shape, products, options.runs)
        for name, section in sections.items():
            if name not in options.sections:
                continue
            try:
                section(shape, products, options.runs, report, options.brief)
            except Exception as error:  # the others are still measured
                report.add("failed", shape=shape, section=name, why=f"{type(error).__name__}: {error}"[:300])
            report.add_floors(shape, products, options.runs)
        del products
        torch.cuda.empty_cache()
        if "rows" in options.sections:
            rows_section(shape, max(2, options.runs // 2), report)
    print("\n" + tables.page(report.rows))
    if any(row["kind"] == "failed" for row in report.rows):
        raise SystemExit("a section failed: see above")


if __name__ == "__main__":
    main()
