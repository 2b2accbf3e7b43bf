"""Training on rows of many lengths, with and without `--packing`: tokens a second, forward passes, peak memory.

    python benchmarks/repair/packing.py [--hidden 1024 --layers 16 --vocab 32000] [--batch-size 8] [--steps 10]

One random Llama in float32, bfloat16 autocast on a GPU; 128 rows a step, whose lengths are log-normal (median 120
tokens, a tenth beyond 400, at most 2,048), as instruction data's are; the last third of a row is learned. Each variant
runs in a process of its own. Times are of the steps after the second. The losses of all steps must agree to 1 %, or no
speed is printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

WARM_UP = 2
LONGEST = 2_048


def rows_of(vocab: int, n_rows: int) -> list[Any]:
    from calibaudit.training.data.encode import Example

    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(120), 0.95, n_rows), 8, LONGEST).astype(int)
    examples = []
    for n in lengths:
        ids = rng.integers(5, vocab, n).tolist()
        first = 1 + 2 * n // 3
        examples.append(Example(tuple(ids), (-100,) * first + tuple(ids[first:])))
    return examples


def run(options: argparse.Namespace) -> dict[str, Any]:
    """One variant, here."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from calibaudit.training.packed.lines import ON_CPU, PackedBatches, n_passes
    from calibaudit.training.schedule import plan_steps
    from calibaudit.training.settings import TrainingSettings
    from calibaudit.training.train import train

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=options.vocab,
        hidden_size=options.hidden,
        intermediate_size=4 * options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=max(1, options.hidden // 64),
        num_key_value_heads=max(1, options.hidden // 256),
        max_position_embeddings=LONGEST,
        tie_word_embeddings=True,
    )
    with torch.device(options.device):
        network = LlamaForCausalLM(config)
    examples = rows_of(options.vocab, 128 * options.steps)
    accumulation = 128 // options.batch_size
    settings = TrainingSettings(
        0.1, "uniform", batch_size=options.batch_size, accumulation=accumulation, max_steps=options.steps,
        learning_rate=1e-5, packing=options.variant == "packed", save_steps=10**6,
    )  # fmt: skip
    times: list[float] = []
    losses: list[float] = []

    def progress(_step: int, _n: int, loss: float, _speed: float) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter())
        losses.append(loss)

    plan = plan_steps(
        examples, batch_size=options.batch_size, n_micro=accumulation, epochs=1, max_steps=options.steps, seed=0
    )
    most = ON_CPU if network.device.type == "cpu" else None
    packed = PackedBatches(examples, plan, 0, batch_size=options.batch_size, most_tokens=most, hidden=options.hidden)
    with tempfile.TemporaryDirectory() as folder:
        done = train(network, None, examples, Path(folder), settings, progress=progress)
    timed = sum(plan.tokens[WARM_UP:])
    return {
        "packed": done.packed,
        "losses": losses,
        "tokens_per_second": timed / (times[-1] - times[WARM_UP - 1]),
        "peak_bytes": done.peak_bytes,
        "passes": n_passes(packed) if done.packed else accumulation * len(plan.steps),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("hidden", 1024), ("layers", 16), ("vocab", 32_000), ("batch-size", 8), ("steps", 10)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--variant", choices=("padded", "packed"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(run(options)))
        return
    found = {}
    for variant in ("padded", "packed"):
        ended = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--variant", variant], capture_output=True, text=True
        )
        if ended.returncode:
            sys.exit(f"{variant}: {ended.stderr[-2000:]}")
        found[variant] = json.loads(ended.stdout.splitlines()[-1])
    one, other = found["padded"], found["packed"]
    if not other["packed"]:
        sys.exit("the rows were not packed")
    apart = max(abs(a / b - 1) for a, b in zip(one["losses"], other["losses"], strict=True))
    if not apart < 0.01:
        sys.exit(f"the losses differ by {apart:.1%}: no speed is printed")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(f"{device}, torch {torch.__version__}; losses of {options.steps} steps agree to {apart:.2g}")
    print("| | tokens/s | forward passes | peak GiB |\n| --- | --- | --- | --- |")
    for variant, part in found.items():
        peak = (part["peak_bytes"] or 0) / 2**30
        print(f"| {variant} | {part['tokens_per_second']:,.0f} | {part['passes']} | {peak:.1f} |")
    print(f"packed / padded: {other['tokens_per_second'] / one['tokens_per_second']:.2f}")


if __name__ == "__main__":
    main()
