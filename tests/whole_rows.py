"""Made tasks, and their scores choice by choice from whole rows through the network's own logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from calibaudit.chat.settings import ChatSettings
from calibaudit.models.model import Model
from calibaudit.scores.scores import Scores
from calibaudit.scoring.encode import Encoder
from calibaudit.scoring.prompts import prompts_for
from calibaudit.tasks.items import Item, Task

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "ate",
    "rat",
    "while",
    "we",
    "ran",
    "far",
    "away",
    "to",
    "see",
    "it",
]


def make_task(n_items: int = 24, scoring: Any = "cloze", *, shots: str = "", longest: int = 40) -> Task:
    """Ragged contexts (1 to `longest` words) and choices (1 to 6 words), 2 to 5 choices."""
    rng = np.random.default_rng(7)
    items = []
    for i in range(n_items):
        words = [str(w) for w in rng.choice(WORDS, rng.integers(1, longest))]
        choices = tuple(f"{' '.join(rng.choice(WORDS, rng.integers(1, 7)))} {k}" for k in range(rng.integers(2, 6)))
        if scoring == "letter":
            choices = tuple("ABCDE"[: len(choices)])
        items.append(Item(f"i{i}", shots + " ".join(words), choices, int(rng.integers(len(choices)))))
    return Task("made", "1", scoring, tuple(items))


def whole_rows(task: Task, model: Model, *, chat: bool = False) -> list[list[float]]:
    """Each choice as one unpadded row through the network itself, log-softmax and sum in float64."""
    encoder = Encoder(model.tokenizer, model.prefix_token_id, model.max_length)
    writer = prompts_for(model.tokenizer, ChatSettings("auto" if chat else "off"))
    results = []
    for encoded in encoder.encode([writer.prompt(item, "t") for item in task.items]):
        values: dict[int, float] = {}
        for row in encoded.rows:
            for choice, tokens in zip(row.choices, row.continuations, strict=True):
                ids = torch.tensor([row.context + tokens[:-1]])
                with torch.no_grad():
                    logits = model.network(ids, use_cache=False).logits[0, len(row.context) - 1 :]
                logprobs = logits.double().log_softmax(-1)
                values[choice] = float(logprobs.gather(1, torch.tensor(tokens)[:, None]).sum())
        results.append([values[choice] for choice in sorted(values)])
    return results


def assert_equal(scores: Scores, expected: list[list[float]], tolerance: float = 1e-4) -> None:
    for row, values in zip(scores.logprobs, expected, strict=True):
        assert np.isneginf(row[len(values) :]).all()
        np.testing.assert_allclose(row[: len(values)], values, rtol=0, atol=tolerance)
