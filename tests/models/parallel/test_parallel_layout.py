"""Where a copy of a model lies, by what is asked, its size, the GPUs and the processes; and how items are dealt."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calibaudit.errors import ModelError
from calibaudit.models import distributed
from calibaudit.models.parallel import layout
from calibaudit.models.parallel.layout import Layout, Weights, layout_of
from calibaudit.scoring.evaluate import RunOptions, open_engine

GB = 10**9


@given(st.lists(st.integers(0, 1000), max_size=60), st.integers(1, 6))
def test_items_are_dealt_once_and_evenly(costs: list[int], n_shares: int) -> None:
    shares = distributed.dealt(costs, n_shares)
    assert len(shares) == n_shares
    assert sorted(i for share in shares for i in share) == list(range(len(costs)))
    assert all(share == sorted(share) for share in shares)
    loads = [sum(costs[i] for i in share) for share in shares]
    assert max(loads) - min(loads) <= max(costs, default=0)


def test_long_items_do_not_meet_in_one_share() -> None:
    """Dealt in turn, every second item would be long: one process would have nearly all of the work."""
    costs = [100, 1] * 50
    loads = [sum(costs[i] for i in share) for share in distributed.dealt(costs, 2)]
    assert max(loads) <= min(loads) * 1.05


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine with n GPUs of 80 GB, on which this is one of several processes of torchrun."""

    def made(n_gpus: int, n_processes: int, rank: int = 0) -> None:
        for name, value in (
            ("RANK", rank),
            ("LOCAL_RANK", rank),
            ("WORLD_SIZE", n_processes),
            ("LOCAL_WORLD_SIZE", n_processes),
        ):
            monkeypatch.setenv(name, str(value))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (80 * GB, 80 * GB))
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80 * GB))

    return made


def weights(
    monkeypatch: pytest.MonkeyPatch, gigabytes: int, heads: int = 64, kv_heads: int = 8, **options: Any
) -> Weights:
    monkeypatch.setattr(layout, "n_bytes", lambda *_: gigabytes * GB)
    monkeypatch.setattr("calibaudit.models.devices.n_bytes", lambda *_: gigabytes * GB)
    plan = options.pop("plan", {"layers.*.mlp.up_proj": "colwise"})
    config = SimpleNamespace(
        model_type="made",
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        vocab_size=128_256,
        base_model_tp_plan=plan,
    )
    config.get_text_config = lambda **_: config
    return Weights("M", config, (Path("x"),), torch.bfloat16, **options)


@pytest.mark.parametrize(
    ("gigabytes", "n_gpus", "n_processes", "rank", "parallel", "expected"),
    [
        (16, 0, 1, 0, "auto", Layout("cpu")),
        (16, 0, 4, 3, "auto", Layout("cpu")),
        (16, 0, 4, 3, "tensor", Layout("cpu", n_ranks=2)),
        (16, 1, 1, 0, "auto", Layout("cuda:0")),
        (140, 4, 1, 0, "auto", Layout("auto")),  # one process: accelerate spreads it over all
        (16, 4, 4, 3, "auto", Layout("cuda:3")),
        (70, 4, 4, 3, "auto", Layout("cuda:3", n_ranks=2)),  # beyond 0.8 of 80
        (140, 4, 4, 1, "auto", Layout("cuda:1", n_ranks=4)),
        (140, 4, 4, 1, "data", Layout("cuda:1")),
        (140, 4, 2, 1, "data", Layout("auto", gpus=(1, 3))),
        (140, 8, 2, 1, "auto", Layout("auto", gpus=(1, 3, 5, 7))),  # two processes cannot hold it, eight GPUs can
        (70, 4, 2, 0, "auto", Layout("cuda:0", n_ranks=2)),
        (16, 4, 4, 0, "tensor", Layout("cuda:0", n_ranks=2)),
        (16, 4, 4, 0, "tensor:4", Layout("cuda:0", n_ranks=4)),
        (900, 4, 4, 0, "tensor", Layout("cuda:0", n_ranks=4)),  # asked for: tried on all
    ],
)  # fmt: skip
def test_what_is_left_open_goes_by_size(
    gigabytes: int, n_gpus: int, n_processes: int, rank: int, parallel: str, expected: Layout,
    machine: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pytest.importorskip("accelerate")
    if "tensor" in parallel or expected.n_ranks > 1:
        pytest.importorskip("transformers.distributed.mixin")
    machine(n_gpus, n_processes, rank)
    assert layout_of(weights(monkeypatch, gigabytes), "auto", parallel) == expected


@pytest.mark.parametrize(("name", "engine"), [("server:http://localhost:1/v1#M", "transformers"), ("M", "vllm")])
def test_what_others_run_is_not_split_here(name: str, engine: str) -> None:
    """Refused before anything is asked of them."""
    with pytest.raises(ModelError, match=r"--parallel tensor:2: (a server|vllm) splits its models itself"):
        open_engine(name, RunOptions(parallel="tensor:2", engine=engine), print)


@pytest.mark.parametrize(
    ("options", "n_processes", "device", "parallel", "words"),
    [
        ({}, 1, "auto", "tensor", "start them with torchrun"),
        ({}, 4, "cuda:1", "tensor", "drop --device cuda:1"),
        ({}, 4, "auto", "tensor:3", "4 processes on this machine are not a multiple of 3; possible here: tensor:2, "),
        ({"kv_heads": 2}, 4, "auto", "tensor:4", "2 key-value heads are not a multiple of 4; possible here: tensor:2"),
        ({"heads": 63, "kv_heads": 63}, 2, "auto", "tensor", "63 attention heads are not a multiple of 2"),
        ({"plan": None}, 4, "auto", "tensor", "no tensor-parallel plan for made"),
        ({"whole_only": "its weights are quantized"}, 4, "auto", "tensor", "its weights are quantized"),
        ({}, 4, "auto", "pipeline", "--parallel pipeline: not one of auto, data, tensor, tensor:N"),
        ({}, 4, "auto", "tensor:1", "--parallel tensor:1: not one of"),
        ({}, 8, "auto", "data", "process 7 of 8 on this machine has no GPU of its own, there are 4"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(
    options: dict[str, Any], n_processes: int, device: str, parallel: str, words: str,
    machine: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pytest.importorskip("transformers.distributed.mixin")
    machine(4, n_processes, n_processes - 1)
    with pytest.raises(ModelError) as error:
        layout_of(weights(monkeypatch, 16, **options), device, parallel)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
