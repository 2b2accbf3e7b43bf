"""One model on several GPUs, several copies of it, and both, against the same checkpoint's whole rows on the CPU.

A test that wants more GPUs than there are is skipped; each makes its own tiny checkpoint.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import save_tiny, tiny_network
from whole_rows import assert_equal, make_task, whole_rows

from calibaudit.models import load
from calibaudit.models.model import load_model
from calibaudit.models.parallel.layout import Layout
from calibaudit.scoring.score import score


@pytest.mark.parametrize("family", ["llama", "llama-tied", "gemma2", "qwen2-window", "gpt2"])
def test_layers_spread_over_gpus_give_what_the_cpu_gives(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By accelerate, as where a model is larger than a GPU; contexts are shared all the same."""
    pytest.importorskip("accelerate")
    if torch.cuda.device_count() < 2:
        pytest.skip(f"{torch.cuda.device_count()} GPU here: layers spread over two")
    folder = str(save_tiny(tmp_path / family, family))
    one = load_model(folder, device="cpu")
    size = sum(p.numel() * p.itemsize for p in one.network.parameters())
    monkeypatch.setattr(load, "layout_of", lambda *_: Layout("auto", gpus=(0, 1)))
    monkeypatch.setattr(load, "memory_of", lambda _: {0: size // 2, 1: 1 << 30, "cpu": 1 << 30})
    model, task = load_model(folder), make_task()
    assert model.info.device == "cuda:0 + cuda:1"
    assert (model.shares_prefix, model.copies_cache) == (one.shares_prefix, one.copies_cache), model.warnings
    expected = whole_rows(task, one)
    for batch_size in (1, None):
        assert_equal(score(task, model, batch_size=batch_size), expected)


RUN = """
import sys, numpy as np
from calibaudit.models import distributed
from calibaudit.models.model import load_model
from calibaudit.models.distributed import local_rank, rank
from calibaudit.scoring.score import score
from whole_rows import make_task
folder, place, parallel, device, backend = sys.argv[1:]
if backend != "own":
    distributed._backend = lambda: backend
model = load_model(folder, parallel=parallel)
assert model.info.device == device.replace("RANK", str(local_rank())), model.info.device
assert model.shares_prefix, model.warnings
np.save(f"{place}/{rank()}.npy", score(make_task(30), model).logprobs)
"""


@pytest.mark.parametrize(
    ("n_processes", "parallel", "device"),
    [
        (1, "auto", "cuda:RANK"),
        (2, "auto", "cuda:RANK"),
        (4, "data", "cuda:RANK"),
        (2, "tensor", "2 x cuda"),
        (4, "tensor:2", "2 x cuda"),  # two copies
        (4, "tensor:4", "4 x cuda"),
    ],
)
def test_processes_give_what_one_gives(n_processes: int, parallel: str, device: str, tmp_path: Path) -> None:
    if torch.cuda.device_count() < n_processes:
        pytest.skip(f"{torch.cuda.device_count()} GPUs here: {n_processes} processes want one each")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes)]
    network = None
    if "tensor" in parallel:
        pytest.importorskip("transformers.distributed.mixin", reason="this transformers splits no model")
        network = splittable()
    folder = save_tiny(tmp_path / "model", "llama", network=network)
    (tmp_path / "run.py").write_text(RUN)
    done = subprocess.run(
        [*launcher, str(tmp_path / "run.py"), str(folder), str(tmp_path), parallel, device, "own"],
        env=with_path(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    check_saved(tmp_path, folder, n_processes)


def test_a_model_split_over_two_processes_of_one_gpu(tmp_path: Path) -> None:
    """As on two GPUs but for NCCL, which wants one each: Gloo adds up what the processes have on the same one."""
    pytest.importorskip("transformers.distributed.mixin", reason="this transformers splits no model")
    folder = save_tiny(tmp_path / "model", "llama", network=splittable())
    (tmp_path / "run.py").write_text(RUN)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    arguments = [str(tmp_path / "run.py"), str(folder), str(tmp_path), "tensor", "2 x cuda", "gloo"]
    here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, *arguments],
            env=with_path() | here | {"RANK": str(rank), "LOCAL_RANK": "0"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors[-3000:]
    check_saved(tmp_path, folder, 2)


def splittable() -> Any:
    """A network whose heads and rows four processes can share."""
    return tiny_network("llama", 0, vocab_size=132, num_attention_heads=8, num_key_value_heads=4)


def with_path() -> dict[str, str]:
    paths = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def check_saved(place: Path, folder: Path, n_processes: int) -> None:
    """What each process saved against whole rows on the CPU."""
    expected = whole_rows(make_task(30), load_model(str(folder), device="cpu"))
    for rank in range(n_processes):
        for row, values in zip(np.load(place / f"{rank}.npy"), expected, strict=True):
            np.testing.assert_allclose(row[: len(values)], values, atol=1e-4)
