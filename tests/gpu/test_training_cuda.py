"""Training on CUDA: bfloat16 copies of float32 shares, compiled layers, checkpoints beside the next step, two GPUs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from families import VOCAB, tiny_network
from safetensors.torch import load_file

from calibaudit.training.data.encode import Example
from calibaudit.training.settings import TrainingSettings
from calibaudit.training.state import checkpoints
from calibaudit.training.train import train

N_STEPS = 6


def rows(n: int = 32) -> list[Example]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, VOCAB, (n, 24), generator=generator).tolist()
    return [Example(tuple(row), (-100,) * 4 + tuple(row[4:])) for row in ids]


def losses(folder: Path, device: str, **changes: Any) -> list[float]:
    """Of each step, towards another model's own distribution."""
    options = {"learning_rate": 1e-2, "batch_size": 4, "accumulation": 2, "max_steps": N_STEPS, "warmup": 0.0}
    chosen = TrainingSettings(0.3, "base", **(options | changes))
    network, anchor = (tiny_network("llama", seed=seed).to(device) for seed in (0, 1))
    train(network, None, rows(), folder, chosen, anchor=anchor)
    return [json.loads(line)["loss"] for line in (folder / "training.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("how", ["autocast", "shares", "compiled", "compiled shares", "shares, checkpointing"])
def test_on_a_gpu_it_is_the_cpus_training_but_for_bfloat16(tmp_path: Path, how: str) -> None:
    """Bfloat16 has 8 bits: products of this size are off by a fraction of 1 %, and training does not blow that up."""
    exact = losses(tmp_path / "cpu", "cpu")
    found = losses(
        tmp_path / "gpu", "cuda", sharding="fsdp" if "shares" in how else "none", compiled="compiled" in how,
        gradient_checkpointing="checkpointing" in how,
    )  # fmt: skip
    assert exact[-1] < exact[0] - 0.2
    assert found == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize("sharding", ["none", "fsdp"])
def test_a_checkpoint_is_of_its_own_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sharding: str) -> None:
    """16 million weights, so that copying takes longer than reaching the next optimizer step takes the CPU."""
    monkeypatch.setattr(checkpoints, "drop_earlier", lambda _: None)
    network = tiny_network("llama", hidden_size=512, intermediate_size=2048, num_hidden_layers=4).cuda()
    state: dict[int, dict[str, torch.Tensor]] = {}
    own = checkpoints.Checkpoints.save

    def save(self: Any, step: int, model: Any, *arguments: Any) -> None:
        own(self, step, model, *arguments)
        state[step] = {name: tensor.clone() for name, tensor in checkpoints.of_network(model).items()}

    monkeypatch.setattr(checkpoints.Checkpoints, "save", save)
    chosen = TrainingSettings(
        0.3, "uniform", learning_rate=1e-2, batch_size=4, accumulation=1, max_steps=N_STEPS, save_steps=1,
        sharding=sharding,
    )  # fmt: skip
    train(network, None, rows(), tmp_path, chosen)
    name = "model.safetensors" if sharding == "none" else "model-share-1-of-1.safetensors"
    assert len(state) == N_STEPS
    for step, tensors in state.items():
        read = load_file(tmp_path / f"checkpoints/checkpoint-{step}" / name)
        assert all(torch.equal(read[key], tensor.cpu()) for key, tensor in tensors.items())


def test_two_gpus_are_one_with_twice_the_rows(tmp_path: Path, root: Path) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    command = [sys.executable, "benchmarks/tuning/fsdp.py", "--gpus", "1,2", "--small", "tiny", "--large", "tiny"]
    command += ["--length", "64", "--resume", "--folder", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    far = [float(line.split("ours:tiny: ")[1].split()[0]) for line in run.stdout.splitlines() if "farthest" in line]
    assert len(far) == 3, run.stdout
    assert max(far) < 5e-3
