"""Thoughts on CUDA: the same in a batch as alone, in bfloat16, greedy and sampled; and a real lack of memory."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import pytest
import torch
from families import FAMILIES, save_tiny

from calibaudit.models.model import load_model
from calibaudit.scores.thinking import Thinking
from calibaudit.scoring import thoughts
from calibaudit.scoring.generation import GivenRow, Sampling, pads_truly, write
from calibaudit.scoring.thoughts import ThoughtPrompt, think

THINKER = Path(__file__).resolve().parents[1] / "saved" / "thinker"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_writes_in_a_batch_what_it_writes_alone(family: str, dtype: str, tmp_path: Path) -> None:
    model, rng = load_model(str(save_tiny(tmp_path, family)), device="cuda", dtype=dtype), random.Random(0)
    assert pads_truly(model)
    rows = [
        GivenRow(tuple(rng.choices(range(3, 120), k=rng.randrange(3, 30))), rng.randrange(5, 30), "zz", seed=i)
        for i in range(16)
    ]
    for sampling in (None, Sampling(), Sampling(0.8, 20, 0.9, 0.02)):
        assert write(model, rows, sampling) == [w for row in rows for w in write(model, [row], sampling)]


@pytest.mark.parametrize("samples", [1, 4])
def test_a_real_lack_of_memory_halves_the_batch(
    samples: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = load_model(str(THINKER), device="cuda")
    prompts = [ThoughtPrompt(f"{i}", f"<|im_start|>user\n{i:05d}<think>\n", "</think>") for i in range(4000)]
    thinking = Thinking(64, samples)
    expected = think(model, prompts[:40], thinking)
    monkeypatch.setitem(thoughts.TOKENS_PER_BATCH, "cuda", 1 << 30)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + (64 << 20)) / total)
    try:
        with caplog.at_level(logging.WARNING, "calibaudit"):
            found = think(model, prompts, thinking)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "out of memory" in caplog.text
    assert found[:40] == expected
