"""What merging two checkpoints on disk takes: peak memory against one checkpoint's size, and seconds.

    python benchmarks/repair/merge.py [--hidden 2048 --layers 12 --vocab 128256 --intermediate 8192] [--folder DIR]

A pair of random Llamas in bfloat16, in shards of different sizes, is written shard by shard below DIR (below the
temporary folder without it) and deleted at the end; the default size is 1.25 billion numbers, 2.5 GB each. Merging runs
in a process of its own; its peak is VmHWM of Linux's /proc, which counts pages of mapped files too. Some tensors are
then compared with the rule, and no figure is printed where one differs.
The bar: a peak of 1.2 checkpoints at most. Expected before it was run: .15, nearly all of it the libraries themselves,
since no more than half a million numbers are computed with at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

SIDES = ("base", "instruct")
WEIGHT = 0.3
MERGE = """
import re, sys, time
from pathlib import Path
from calibaudit.models.checkpoints import Checkpoint
from calibaudit.repair.merge import write_merged

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10

folder, weight = Path(sys.argv[1]), float(sys.argv[2])
before, start = peak(), time.perf_counter()
write_merged(*(Checkpoint(side, folder / side, "") for side in ("base", "instruct")), weight, folder / "out")
print(before, peak(), time.perf_counter() - start)
"""


def shapes_of(config: LlamaConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in LlamaForCausalLM(config).state_dict().items()}


def write_random(folder: Path, config: LlamaConfig, seed: int, shard_bytes: float) -> int:
    """A checkpoint of random numbers, one shard in memory at a time; its size in bytes."""
    folder.mkdir()
    config.save_pretrained(folder)
    generator = torch.Generator().manual_seed(seed)
    places: dict[str, str] = {}
    shard: dict[str, torch.Tensor] = {}

    def close() -> None:
        name = f"part-{len(set(places.values())):03d}.safetensors"
        save_file(shard, folder / name, {"format": "pt"})
        places.update(dict.fromkeys(shard, name))
        shard.clear()

    for name, shape in shapes_of(config).items():
        shard[name] = torch.empty(shape, dtype=torch.bfloat16).normal_(std=0.02, generator=generator)
        if sum(tensor.nbytes for tensor in shard.values()) > shard_bytes:
            close()
    if shard:
        close()
    n_bytes = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    index = {"metadata": {"total_size": n_bytes}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return n_bytes


def tensor_of(folder: Path, name: str) -> torch.Tensor:
    places = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    with safe_open(folder / places[name], "pt") as opened:
        return opened.get_tensor(name)


def check(folder: Path, names: list[str]) -> None:
    for name in names:
        base, instruct, out = (tensor_of(folder / side, name) for side in (*SIDES, "out"))
        one, other = instruct.float(), base.float()
        expected = torch.where(one == other, instruct, ((1 - WEIGHT) * one + WEIGHT * other).bfloat16())
        if not torch.equal(out, expected):
            raise SystemExit(f"{name} is not what it should be; no figures")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("hidden", 2048), ("layers", 12), ("vocab", 128_256), ("intermediate", 8192)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    config = LlamaConfig(
        vocab_size=asked.vocab,
        hidden_size=asked.hidden,
        intermediate_size=asked.intermediate,
        num_hidden_layers=asked.layers,
        num_attention_heads=max(1, asked.hidden // 64),
        num_key_value_heads=max(1, asked.hidden // 256),
        tie_word_embeddings=False,
    )
    with tempfile.TemporaryDirectory(dir=asked.folder) as place:
        folder = Path(place)
        size = [
            write_random(folder / side, config, seed, shard_bytes)
            for seed, (side, shard_bytes) in enumerate(zip(SIDES, (1e9, 5e8), strict=True))
        ][1]
        start = time.perf_counter()
        run = subprocess.run(
            [sys.executable, "-c", MERGE, str(folder), str(WEIGHT)],
            capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        whole = time.perf_counter() - start
        before, peak, seconds = map(float, run.stdout.split())
        check(folder, ["model.embed_tokens.weight", "model.layers.0.mlp.down_proj.weight", "model.norm.weight"])
    print(f"checkpoint {size / 1e9:.2f} GB; peak {peak / 1e9:.2f} GB, {peak / size:.3f} of it")
    print(f"the libraries alone {before / 1e9:.2f} GB; merging {seconds:.1f} s, {whole:.1f} s with starting Python")


if __name__ == "__main__":
    main()
