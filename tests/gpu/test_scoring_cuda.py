"""Scoring on CUDA against the same checkpoint's whole rows on the CPU, and a real lack of memory."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES, save_tiny
from whole_rows import WORDS, assert_equal, make_task, whole_rows

from calibaudit.models import model as models
from calibaudit.models.attention.forest import Segments
from calibaudit.models.attention.segments import flash, one_by_one, placed
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


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3", "mistral", "gpt2", "gpt-neox", "opt", "cohere"])
def test_bfloat16_runs_in_forests_as_near_to_float32_as_whole_rows(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows beyond windows included: at most twice as far off as the network's own whole rows in bfloat16 are."""
    folder = str(save_tiny(tmp_path / family, family))
    model, cpu = (load_model(folder, device=d, dtype=t) for d, t in (("cuda", "bfloat16"), ("cpu", "float32")))
    assert model.forest_length == model.max_length
    tasks = [make_task(), make_task(12, "letter", shots=" ".join(WORDS) + ". ", longest=12)]
    exact = [score(task, cpu).logprobs for task in tasks]
    found = {size: [score(task, model, batch_size=size).logprobs for task in tasks] for size in (1, 7, None)}
    for name, value in (("forest_length", 0), ("shares_prefix", False), ("copies_cache", False)):
        monkeypatch.setattr(model, name, value)
    for t, task in enumerate(tasks):
        real = np.isfinite(exact[t])
        bound = np.abs(score(task, model).logprobs[real] - exact[t][real]).max()
        for ours in found.values():
            assert np.abs(ours[t][real] - exact[t][real]).max() <= 2 * bound + 1e-6
            assert np.corrcoef(ours[t][real], exact[t][real])[0, 1] > 0.99


def test_flash_attention_of_segments_is_what_is_computed_one_by_one() -> None:
    """Ragged segments, fewer heads of keys than of queries, with a window and without; float64 tells the errors."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 150, 40)
    ends, source_ends = (np.cumsum([0, *counts]) for counts in (lengths, lengths + rng.integers(0, 200, 40)))
    found = Segments(ends, np.arange(source_ends[-1]), source_ends, int(lengths.max()), int(np.diff(source_ends).max()))
    query, key, value = (
        torch.randn(n, heads, 64, device="cuda", dtype=torch.bfloat16)
        for n, heads in ((ends[-1], 8), (source_ends[-1], 2), (source_ends[-1], 2))
    )
    for window in (None, 7):
        exact = one_by_one(query.double(), key.double(), value.double(), found, 0.125, window)
        plain = one_by_one(query, key, value, found, 0.125, window)
        ours = flash(query, key, value, placed(found, query.device), found, 0.125, window)
        error, bound = ((part.double() - exact).abs().max() for part in (ours, plain))
        assert error <= 2 * bound + 1e-6


def test_no_batch_waits_for_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch raises where the host would wait while a forest is laid out, run and read."""
    model = load_model(str(save_tiny(tmp_path / "llama", "llama")), device="cuda", dtype="bfloat16")
    task, run_planted, n_run = make_task(40), batches.run_planted, []

    def unwaited(*arguments: Any) -> Any:
        n_run.append(1)
        torch.cuda.set_sync_debug_mode("error")
        try:
            return run_planted(*arguments)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    expected = score(task, model, batch_size=8).logprobs
    monkeypatch.setattr(batches, "run_planted", unwaited)
    assert np.array_equal(score(task, model, batch_size=8).logprobs, expected)
    assert len(n_run) == 5


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_spread_over_two_gpus_shares_contexts(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first layer on one GPU, its second and the head on another: packed rows in float32, forests in bfloat16."""
    if torch.cuda.device_count() < 2:
        pytest.skip(f"{torch.cuda.device_count()} GPU here: this wants two")
    accelerate = pytest.importorskip("accelerate")
    folder, load_network = str(save_tiny(tmp_path / "llama", "llama")), models.load_network

    def spread(*arguments: Any, **options: Any) -> Any:
        loaded = load_network(*arguments, **options)
        places = {"model.embed_tokens": 0, "model.rotary_emb": 0, "model.layers.0": 0}
        places |= {"model.layers.1": 1, "model.norm": 1, "lm_head": 1}
        accelerate.dispatch_model(loaded.network, places)
        return loaded

    monkeypatch.setattr(models, "load_network", spread)
    model = load_model(folder, device="cuda:0", dtype=dtype)
    assert model.info.device == "cuda:0 + cuda:1"
    assert model.shares_prefix
    assert model.warnings == ()
    assert (model.forest_length > 0) == (dtype == "bfloat16")
    monkeypatch.undo()
    one = load_model(folder, device="cuda:1", dtype=dtype)
    for task in (make_task(), make_task(12, shots=" ".join(WORDS) + ". ", longest=12)):
        for batch_size in (1, 7, None):
            ours, theirs = (score(task, m, batch_size=batch_size).logprobs for m in (model, one))
            real = np.isfinite(theirs)
            np.testing.assert_allclose(ours[real], theirs[real], rtol=0, atol=1e-4 if dtype == "float32" else 1e-2)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.1)])
def test_a_real_lack_of_memory_halves_the_batch(
    dtype: str, tolerance: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A batch that wants more than the process may take is tried, halved until it fits, and scored the same."""
    folder = str(save_tiny(tmp_path / "llama", "llama"))
    task = make_task(400 if dtype == "float32" else 1_600)
    model = load_model(folder, device="cuda", dtype=dtype)
    expected = score(task, model).logprobs
    torch.cuda.empty_cache()
    free = torch.cuda.memory_allocated() + (3 << 20)
    monkeypatch.setitem(batches.TOKENS_PER_BATCH, "cuda", 1 << 30)
    monkeypatch.setattr(batches, "TOKENS_PER_FOREST", 1 << 30)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(free / total)
    try:
        with caplog.at_level(logging.WARNING, "calibaudit"):
            found = score(task, model).logprobs
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "out of memory" in caplog.text
    np.testing.assert_allclose(found[np.isfinite(found)], expected[np.isfinite(expected)], atol=tolerance)
