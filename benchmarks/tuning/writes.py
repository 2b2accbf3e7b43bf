"""What a checkpoint costs a training run: ours, which is written beside the next steps, and Trainer's own.

    python benchmarks/tuning/writes.py [--rows 4] [--steps 45] [--folder DIR]

The run of benchmarks/fix.py, with one checkpoint (weights and AdamW's state, in float32) after two thirds of the
steps. From the end of a step to the end of the next one is one time; what the checkpoint costs is how much longer than
usual that is after it, and in all steps that follow. Each contender has a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import fix

KINDS = ("ours", "ours-fsdp", "trainer")


def measured(kind: str, n_rows: int, size: fix.Size, where: str | None) -> str:
    assert size.save_at is not None
    network, rows, clock = fix.network_of(size), fix.rows_of(size, n_rows * size.steps), fix.Clock()
    run = fix.run_ours if kind.startswith("ours") else fix.run_trainer
    with tempfile.TemporaryDirectory(dir=where) as folder:
        run(kind, network, rows, n_rows, size, Path(folder), clock)
        n_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    at = size.save_at - 1  # seconds[i]: from the end of step i + 1 to that of the next one
    before, after = clock.seconds[fix.WARM_UP : at], clock.seconds[at:]
    usual = statistics.median(before)
    cost = sum(after) - usual * len(after)
    return (
        f"  {kind:10s} a step {usual:.3f} s (at most {max(before):.3f} before the checkpoint); with it "
        f"{after[0]:.3f} s, then at most {max(after[1:]):.3f} s; {n_bytes / 1e9:.1f} GB cost {cost:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("hidden", 2048), ("layers", 16), ("vocab", 128_256), ("length", 4096), ("steps", 45)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rows", type=int, default=4, help="batch size")
    parser.add_argument("--contenders", default=",".join(KINDS))
    parser.add_argument("--folder", help="where checkpoints go [default: a temporary folder]")
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        size = fix.Size(args.hidden, args.layers, args.vocab, args.length, args.steps, save_at=args.steps * 2 // 3)
        print(measured(args.one, args.rows, size, args.folder), flush=True)
        return
    print(f"{fix.device_name()}: one checkpoint at step {args.steps * 2 // 3} of {args.steps}, {args.rows} rows a step")
    for kind in args.contenders.split(","):
        done = subprocess.run([sys.executable, *sys.argv, "--one", kind], capture_output=True, text=True, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"  {kind} ")]
        print(
            lines[0] if lines else f"  {kind:10s} did not run: {(done.stderr.strip().splitlines() or [''])[-1][:150]}"
        )


if __name__ == "__main__":
    main()
