"""One model on several GPUs, several copies of it, and both, against the same checkpoint's whole rows on the CPU.

A test that wants more GPUs than there are is skipped; each makes its own tiny checkpoint.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import save_tiny, tiny_network
from whole_rows import assert_equal, make_task, whole_rows

from calibaudit.models import load
from calibaudit.models.head import Head
from calibaudit.models.model import load_model
from calibaudit.models.parallel import split
from calibaudit.models.parallel.layout import Layout
from calibaudit.models.parallel.split import SplitHead
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
    monkeypatch.setattr(load, "memory_of", lambda _: {0: 3 * size // 4, 1: 1 << 30, "cpu": 1 << 30})
    model, task = load_model(folder), make_task()
    assert model.info.device == "cuda:0 + cuda:1"
    assert (model.shares_prefix, model.copies_cache) == (one.shares_prefix, one.copies_cache), model.warnings
    expected = whole_rows(task, one)
    for batch_size in (1, None):
        assert_equal(score(task, model, batch_size=batch_size), expected)


RUN = """
import sys, numpy as np
from calibaudit.models.model import load_model
from calibaudit.models.distributed import local_rank, rank
from calibaudit.scoring.score import score
from whole_rows import make_task
folder, place, parallel, device = sys.argv[1:]
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
        [*launcher, str(tmp_path / "run.py"), str(folder), str(tmp_path), parallel, device],
        env=with_path(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    check_saved(tmp_path, folder, n_processes)


STAGED = """
import torch
import torch.distributed as dist
import transformers.distributed.tensor_parallel as plan
from calibaudit.models import distributed
distributed._backend = lambda: "cpu:gloo,cuda:gloo"
all_reduce, all_gather = dist.all_reduce, dist.all_gather

def reduced(tensor, op=dist.ReduceOp.SUM, group=None, async_op=False):
    host = tensor.cpu()
    all_reduce(host, op, group)
    tensor.copy_(host)

def gathered(parts, tensor, group=None, async_op=False):
    hosts = [part.cpu() for part in parts]
    all_gather(hosts, tensor.cpu(), group)
    for part, host in zip(parts, hosts, strict=True):
        part.copy_(host)

dist.all_reduce, dist.all_gather = reduced, gathered
behind = plan.ColwiseParallel.transform_output_post_forward

def whole(self, module, output, mesh):
    if not isinstance(self.output_layouts, plan.Replicate):
        return behind(self, module, output, mesh)
    parts = [torch.empty_like(output) for _ in range(2)]
    gathered(parts, output.contiguous())
    return torch.cat(parts, dim=-1)

plan.ColwiseParallel.transform_output_post_forward = whole
"""


def test_a_model_split_over_two_processes_of_one_gpu(tmp_path: Path) -> None:
    """What processes tell each other goes through the host: NCCL wants a GPU for each, and Gloo's own way fails."""
    pytest.importorskip("transformers.distributed.mixin", reason="this transformers splits no model")
    folder = save_tiny(tmp_path / "model", "llama", network=splittable())
    (tmp_path / "run.py").write_text(STAGED + RUN)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    arguments = [sys.executable, str(tmp_path / "run.py"), str(folder), str(tmp_path), "tensor", "2 x cuda"]
    processes = []
    for rank in range(2):
        env = with_path() | here | {"RANK": str(rank), "LOCAL_RANK": "0"}
        processes.append(subprocess.Popen(arguments, env=env, stderr=subprocess.PIPE, text=True))
    for process in processes:
        try:
            _, errors = process.communicate(timeout=90)
        finally:
            process.kill()  # where one has failed the other waits for it
        assert process.returncode == 0, errors[-3000:]
    check_saved(tmp_path, folder, 2)


class Threads:
    """What a split head asks of torch.distributed, among threads of this process: NCCL wants a GPU for each process."""

    def __init__(self, n: int) -> None:
        self._n, self._here, self._barrier = n, threading.local(), threading.Barrier(n, timeout=60)
        self._given: list[Any] = [None] * n

    def run(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        def call(rank: int) -> Any:
            self._here.rank = rank
            return calls[rank]()

        with ThreadPoolExecutor(self._n) as pool:
            return list(pool.map(call, range(self._n)))

    def _exchanged(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        self._given[self._here.rank] = tensor.clone()
        self._barrier.wait()
        found = list(self._given)
        self._barrier.wait()
        return found

    def get_world_size(self) -> int:
        return self._n

    def all_reduce(self, tensor: torch.Tensor) -> None:
        tensor.copy_(torch.stack(self._exchanged(tensor)).sum(dim=0))

    def all_gather(self, parts: Sequence[torch.Tensor], tensor: torch.Tensor) -> None:
        for part, given in zip(parts, self._exchanged(tensor), strict=True):
            part.copy_(given)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("n_parts", [2, 3])
def test_a_split_head_gives_what_the_whole_head_gives(
    n_parts: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As good as the whole head's kernel: float64 lies as near. 20,011 rows cannot be shared evenly."""
    torch.manual_seed(0)
    vocab_size, device = 20_003, "cuda"
    weight = (torch.randn(20_011, 256, device=device) / 16).to(dtype)
    hidden = torch.randn(301, 256, device=device).to(dtype)
    targets = torch.randint(vocab_size, (301, 5), device=device)
    targets[::7, 1:] = -100
    whole = Head(weight, None, 30.0, 1.0, vocab_size).logprobs(hidden, targets)
    threads, rows = Threads(n_parts), -(-len(weight) // n_parts)
    monkeypatch.setattr(split, "dist", threads)
    parts = [
        SplitHead(weight[first : first + rows], None, 30.0, 1.0, vocab_size, first=first)
        for first in range(0, len(weight), rows)
    ]
    z = 30 * torch.tanh(hidden.double() @ weight[:vocab_size].double().T / 30)
    exact = torch.where(targets == -100, 0.0, z.log_softmax(dim=-1).gather(1, targets.clamp(min=0)))
    off = (whole.logprob.double() - exact).abs().max()
    for found in threads.run([lambda part=part: part.logprobs(hidden, targets) for part in parts]):  # type: ignore[misc]
        assert (found.logprob.double() - exact).abs().max() <= 2 * off + 1e-5
        torch.testing.assert_close(found.lse, whole.lse, atol=2e-5, rtol=1e-6)
        torch.testing.assert_close(found.top_logprob, whole.top_logprob, atol=2e-5, rtol=1e-6)
        assert torch.equal(found.top_token, z.argmax(dim=-1))


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
