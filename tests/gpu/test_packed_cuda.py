"""Packed rows on CUDA, where attention has other kernels: kept apart in both dtypes, and the loss of rows alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from families import VOCAB, tiny_network, tiny_tokenizer

from calibaudit.training.data.encode import Example
from calibaudit.training.packed.proof import why_not_packed
from calibaudit.training.settings import TrainingSettings
from calibaudit.training.train import train

FAMILIES = ("llama", "gemma2", "gemma3", "qwen2-window", "gpt-neox")


def rows(n: int) -> list[Example]:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(4, 60, (n,), generator=generator).tolist()
    ids = [tuple(torch.randint(3, VOCAB, (length,), generator=generator).tolist()) for length in lengths]
    return [Example(row, (-100, -100, *row[2:])) for row in ids]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_a_line_are_kept_apart(family: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network(family).to("cuda", dtype)
    line = [example.input_ids for example in rows(5)]
    assert why_not_packed(network, line) is None
    monkeypatch.setattr("transformers.masking_utils.find_packed_sequence_indices", lambda _: None)
    assert why_not_packed(network, line) is not None


@pytest.mark.parametrize("prior", ["uniform", "base"])
def test_a_packed_run_has_the_losses_of_an_unpacked_one(prior: str, tmp_path: Path) -> None:
    """Under bfloat16 autocast, in which batches of other shapes round otherwise."""
    records = []
    for packing in (False, True):
        anchor = tiny_network("llama", seed=1).cuda() if prior == "base" else None
        settings = TrainingSettings(
            0.3, prior, learning_rate=1e-4, batch_size=4, accumulation=4, max_steps=4, packing=packing
        )
        folder = tmp_path / str(packing)
        run = train(tiny_network("llama").cuda(), tiny_tokenizer(), rows(64), folder, settings, anchor=anchor)
        assert run.packed is (True if packing else None)
        records.append([json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()])
    for one, other in zip(*records, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=5e-3)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=5e-2)
