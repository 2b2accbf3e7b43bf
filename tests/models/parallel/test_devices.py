"""Where a network runs: on one device if it fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from calibaudit.models import devices
from calibaudit.models.formats.shards import WEIGHTS


def test_auto_spreads_only_what_one_gpu_cannot_hold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [folder / WEIGHTS]
    size = devices.n_bytes(files, torch.float32)
    assert size == files[0].stat().st_size
    assert devices.n_bytes(files, torch.bfloat16) == size // 2
    monkeypatch.setattr(devices, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * size, 2 * size))
    assert devices.placement_of("auto", "cuda:0", files, torch.float32) == "cuda:0"
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (size, 2 * size))
    assert devices.placement_of("auto", "cuda:0", files, torch.float32) == "auto"
    assert devices.placement_of("cuda:0", "cuda:0", files, torch.float32) == "cuda:0"
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    assert devices.placement_of("auto", "cuda:0", files, torch.float32) == "cuda:0"
