"""Supervised fine-tuning with a smoothed loss and no logits: transformers' Trainer underneath, resumable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from calibaudit.sftencoding import Example

TrainingProgress = Callable[[int, int, float, float], None]
"""(step, n_steps, loss in nats a target token, tokens a second) after every step."""


@dataclass(frozen=True)
class LoraSettings:
    """A low-rank adapter on every linear layer but the head; needs the `peft` extra. alpha: as lora_alpha."""

    rank: int = 16
    alpha: float = 32
    dropout: float = 0.0


@dataclass(frozen=True)
class TrainingSettings:
    """How to train. label_smoothing: the factor in [0, 1]. prior: what to smooth towards.

    max_steps: instead of epochs. batch_size: rows at a time in each process; accumulation: times so many a step.
    warmup: the share of the steps over which the rate rises; then it falls linearly to 0. max_grad_norm: 0 clips not.
    save_steps: steps between checkpoints; None: a fifth of the run.
    """

    label_smoothing: float
    prior: Literal["uniform", "base"]
    learning_rate: float = 2e-5
    epochs: float = 2.0
    max_steps: int | None = None
    batch_size: int = 8
    accumulation: int = 1
    warmup: float = 0.03
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    seed: int = 0
    gradient_checkpointing: bool = False
    lora: LoraSettings | None = None
    save_steps: int | None = None


@dataclass(frozen=True)
class TrainingRun:
    """What was done. epochs: rows seen / rows there are. loss: nats a target token, mean over the last tenth of steps.

    n_tokens, n_target_tokens: without padding, all processes. seconds: of all its parts, where it was resumed.
    peak_bytes: of the GPU, else of the process; None: unknown. resumed_from: a step; None: from the start.
    """

    n_steps: int
    epochs: float
    loss: float
    n_tokens: int
    n_target_tokens: int
    seconds: float
    tokens_per_second: float
    peak_bytes: int | None
    resumed_from: int | None


def train(
    network: Any,
    tokenizer: Any,
    examples: Sequence[Example],
    folder: Path,
    settings: TrainingSettings,
    *,
    anchor: Any = None,
    resume: bool = False,
    progress: TrainingProgress | None = None,
) -> TrainingRun:
    """Train the network in place."""
    raise NotImplementedError


def save_checkpoint(network: Any, tokenizer: Any, folder: Path, dtype: torch.dtype) -> None:
    """Write a loadable checkpoint folder, whole or not at all."""
    raise NotImplementedError
