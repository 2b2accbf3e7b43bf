"""Scores of made-up models, for tests: calibrated, over- or underconfident by a known temperature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from calibaudit.analysis.audit import audit_model
from calibaudit.analysis.settings import Settings
from calibaudit.report.result_json import audit_dict
from calibaudit.scores.scores import ModelInfo, Scores

INFO = ModelInfo(
    name="lab/base",
    revision="0" * 40,
    dtype="float32",
    device="cpu",
    family="llama",
    n_parameters=1000,
    vocab_size=512,
    head="separated",
)
TUNED = ModelInfo(**{**INFO.to_dict(), "name": "lab/tuned", "revision": "1" * 40})


def made_scores(
    n_items: int = 200,
    *,
    task: str = "quiz",
    seed: int = 0,
    heat: float = 1.0,
    noise: float = 0.0,
    n_choices: int = 4,
    **fields: Any,
) -> Scores:
    """A world with known probabilities: at heat 1 the model is calibrated, above it overconfident.

    The same seed gives the same items and answers, so that two heats are two models on one task.
    noise: added to the scores by the model (from its own stream), which makes it less accurate.
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.3, (n_items, n_choices))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answer = (rng.random((n_items, 1)) > probs.cumsum(axis=1)).sum(axis=1).clip(0, n_choices - 1)
    logits = heat * (logits + noise * np.random.default_rng([seed, 99]).normal(size=logits.shape))
    logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    ones = np.ones((n_items, n_choices), dtype=np.int64)
    values: dict[str, Any] = {
        "task": task,
        "version": "1",
        "scoring": "cloze",
        "fingerprint": f"{task}-{seed}-{n_items}",
        "model": INFO,
        "chat_template": False,
        "item_ids": tuple(f"{task}-{i}" for i in range(n_items)),
        "groups": None,
        "documents": tuple(f"{task}-{seed}-{i}" for i in range(n_items)),
        "logprobs": logprobs,
        "answer": answer.astype(np.int64),
        "n_tokens": ones,
        "n_bytes": ones * 3,
        "n_chars": ones * 2,
    }
    return Scores(**{**values, **fields})


def save(path: Path, scores: list[Scores]) -> Path:
    """What `calibaudit score -o` would write."""
    settings = Settings()
    whole = {**audit_dict(audit_model(scores, settings)), "scores": [part.to_dict() for part in scores]}
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path
