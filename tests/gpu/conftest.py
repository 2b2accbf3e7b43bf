"""Tests that need a CUDA device: run with `pytest tests/gpu`, and then they fail where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A plain `pytest` leaves this folder alone: only a run that names it has asked for a GPU."""
    return None if any("tests/gpu" in argument for argument in config.args) else True


@pytest.fixture(scope="session", autouse=True)
def _needs_a_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.fail("tests/gpu was asked for, and there is no CUDA device")
