"""Scoring on CUDA against the same checkpoint's whole rows on the CPU, and a real lack of memory."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from families import FAMILIES, save_tiny
from whole_rows import assert_equal, make_task, whole_rows

from calibaudit.models.model import load_model
from calibaudit.scoring import batches
from calibaudit.scoring.score import score


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_what_the_cpu_gives(family: str, tmp_path: Path) -> None:
    folder = str(save_tiny(tmp_path / family, family))
    task = make_task()
    expected = whole_rows(task, load_model(folder, device="cpu"))
    model = load_model(folder, device="cuda")
    for batch_size in (1, None):
        assert_equal(score(task, model, batch_size=batch_size), expected)


def test_bfloat16_on_cuda_stays_near_float32(tmp_path: Path) -> None:
    """Off by three roundings of 2^-8 of its size at most, beside a tenth of a nat."""
    folder = str(save_tiny(tmp_path / "llama", "llama"))
    task = make_task()
    exact = score(task, load_model(folder, device="cpu")).logprobs
    rounded = score(task, load_model(folder, device="cuda", dtype="bfloat16")).logprobs
    real = np.isfinite(exact)
    assert (np.abs(rounded[real] - exact[real]) <= 3 / 256 * np.abs(exact[real]) + 0.1).all()
    assert np.corrcoef(rounded[real], exact[real])[0, 1] > 0.999


def test_a_real_lack_of_memory_halves_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A batch that wants more than the process may take is tried, halved until it fits, and scored the same."""
    folder = str(save_tiny(tmp_path / "llama", "llama"))
    task = make_task(400)
    model = load_model(folder, device="cuda")
    expected = score(task, model).logprobs
    torch.cuda.empty_cache()
    free = torch.cuda.memory_allocated() + (3 << 20)
    monkeypatch.setitem(batches.TOKENS_PER_BATCH, "cuda", 1 << 30)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(free / total)
    try:
        with caplog.at_level(logging.WARNING, "calibaudit"):
            found = score(task, model).logprobs
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "out of memory" in caplog.text
    np.testing.assert_allclose(found[np.isfinite(found)], expected[np.isfinite(expected)], atol=1e-4)
