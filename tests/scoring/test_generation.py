"""What rows write in a batch, against each alone, in every family; and how the next token is drawn."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from families import FAMILIES, WINDOWED, save_tiny
from transformers import GenerationConfig

from calibaudit.models.library import VERSION
from calibaudit.models.model import Model, load_model
from calibaudit.scoring import generation
from calibaudit.scoring.generation import GivenRow, Sampling, own_sampling, pads_truly, write

SAMPLINGS = (None, Sampling(), Sampling(0.8, 20, 0.9, 0.02))


def made_rows(n: int = 6, longest: int = 24) -> list[GivenRow]:
    rng = random.Random(0)
    return [
        GivenRow(
            tuple(rng.randrange(3, 120) for _ in range(rng.randrange(3, 30))), rng.randrange(5, longest), "zz", seed=i
        )
        for i in range(n)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_writes_in_a_batch_what_it_writes_alone(family: str, tmp_path: Path) -> None:
    model, rows = load_model(str(save_tiny(tmp_path, family))), made_rows()
    if not pads_truly(model):
        assert VERSION < (5,), "every family of a current transformers takes padding"
        assert family in WINDOWED
        return
    for sampling in SAMPLINGS:
        together = write(model, rows, sampling)
        assert [len(written.tokens) for written in together] == [row.limit for row in rows]
        assert together == [written for row in rows for written in write(model, [row], sampling)]


def test_close_choices_are_made_by_the_row_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16 a random network often has two nearly equal tokens."""
    model, rows = load_model(str(save_tiny(tmp_path)), dtype="bfloat16"), made_rows(20, 30)

    def differ(sampling: Sampling | None) -> int:
        alone = [written for row in rows for written in write(model, [row], sampling)]
        return sum(a != b for a, b in zip(alone, write(model, rows, sampling), strict=True))

    assert [differ(sampling) for sampling in SAMPLINGS] == [0, 0, 0]
    monkeypatch.setattr(generation, "NEAR", {torch.float32: 0.0, torch.bfloat16: 0.0})
    assert any(differ(sampling) for sampling in SAMPLINGS), "without the rule they do differ, or this means nothing"


def test_few_choices_are_close_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = load_model(str(save_tiny(tmp_path))), made_rows()
    seen: list[int] = []
    alone = generation._Choice._alone

    def watched(self: generation._Choice, tokens: torch.Tensor) -> torch.Tensor:
        seen.append(len(tokens))
        return alone(self, tokens)

    monkeypatch.setattr(generation._Choice, "_alone", watched)
    n_tokens = sum(len(written.tokens) for written in write(model, rows))
    assert len(seen) <= 0.01 * n_tokens


@pytest.mark.parametrize("sampling", [Sampling(1.0, 7), Sampling(0.7, 0, 0.8), Sampling(1.3, 0, 1.0, 0.05)])
def test_what_is_kept_is_what_transformers_keeps(sampling: Sampling) -> None:
    logits = 3 * torch.randn((5, 60), generator=torch.Generator().manual_seed(0))
    kept = sampling.kept(logits)
    for row, values in zip(logits.double(), kept, strict=True):
        probs = (row / sampling.temperature).softmax(-1)
        order = probs.argsort(descending=True)
        before = probs[order].cumsum(0) - probs[order]
        expected = {
            int(token)
            for rank, token in enumerate(order)
            if (not sampling.top_k or rank < sampling.top_k)
            and before[rank] < sampling.top_p
            and probs[token] >= sampling.min_p * probs.max()
        }
        assert set(values.isfinite().nonzero()[:, 0].tolist()) == expected
        torch.testing.assert_close(values[order[0]].double(), row[order[0]] / sampling.temperature)
    finite = [sampling.kept(logits, slack).isfinite() for slack in (-0.5, 0.0, 0.5)]
    assert (finite[0] <= finite[1]).all()
    assert (finite[1] <= finite[2]).all()
    assert finite[0].sum() < finite[1].sum() < finite[2].sum()


def test_sampling_is_read_from_the_generation_config(tmp_path: Path) -> None:
    model: Model = load_model(str(save_tiny(tmp_path)))
    for settings, expected in (
        ({}, Sampling()),
        ({"temperature": 0.6}, Sampling()),
        ({"do_sample": True}, Sampling(1.0, 50)),
        ({"do_sample": True, "temperature": 0.6, "top_k": 0, "top_p": 0.95}, Sampling(0.6, 0, 0.95)),
        ({"do_sample": True, "top_k": 20, "min_p": 0.1}, Sampling(1.0, 20, 1.0, 0.1)),
    ):
        model.network.generation_config = GenerationConfig(**settings)
        assert own_sampling(model) == expected


def test_a_step_after_all_rows_have_ended_changes_nothing(tmp_path: Path) -> None:
    """On a GPU, transformers 5 looks at what has ended a step later."""
    model, rows = load_model(str(save_tiny(tmp_path))), made_rows(2)
    ending = generation._Ending(model.tokenizer, rows, 30)
    choice = generation._Choice(model, rows, [0, 0], ending, Sampling())
    ids = torch.full((2, 30 + max(row.limit for row in rows)), 5)
    assert ending(ids, None).all()
    written = list(ending.written)
    ids = torch.full((2, ids.shape[1] + 1), 6)
    assert choice(ids, torch.zeros((2, 131))).shape == (2, 131)
    assert ending(ids, None).all()
    assert ending.written == written
