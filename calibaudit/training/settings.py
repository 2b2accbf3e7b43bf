"""How to train: the settings of a run, and of an adapter."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, get_args

Scheduler = Literal["linear", "cosine", "inverse_sqrt", "constant"]
SCHEDULERS: tuple[Scheduler, ...] = get_args(Scheduler)

FSDP_VARIABLE = "ACCELERATE_USE_FSDP"
"""Set by `accelerate launch --use_fsdp`."""

DEEPSPEED_VARIABLE = "ACCELERATE_USE_DEEPSPEED"


@dataclass(frozen=True)
class LoraSettings:
    """A low-rank adapter on every linear layer but the head; needs the `peft` extra. alpha: as lora_alpha."""

    rank: int = 16
    alpha: float = 32
    dropout: float = 0.0


@dataclass(frozen=True)
class TrainingSettings:
    """How to train. label_smoothing: the factor in [0, 1]. prior: what to smooth towards.

    max_steps: instead of epochs. batch_size: rows at a time in each process; accumulation: times so many a step, None:
    as `schedule.accumulation_for` has it.
    warmup: the share of the steps over which the rate rises; then it goes as lr_scheduler says: linearly to 0, along
    half a cosine to 0, with the inverse square root of the step, or stays. max_grad_norm: 0 clips not.
    save_steps: steps between checkpoints; None: a fifth of the run.
    logit_scale: a factor above 0 on the logits in the loss, 1 / T where logits are divided by T; the trained network
    takes it into its weights. softcap: put around them then; above 0, None: as the network has it (`training.levers`).
    sharding: fsdp: weights, gradients and optimizer state in shares over the processes (`training.state.sharding`);
    none: each process has all of them.
    compiled: whether torch.compile runs the layers.
    optim: AdamW with its state in float32, or in 8 bits (torchao, or bitsandbytes where nothing is sharded).
    where: which rows are smoothed; known: those that base knows (`training.known`), the others have hard labels.
    neftune_alpha: above 0, noise on the embeddings of tokens in training (NEFTune, Jain et al. 2023, arXiv 2310.05914);
    None: none. packing: short rows share a line of a batch, where the network keeps them apart (`training.packed`).
    report_to: some of `watching.REPORTERS`, which get each step's record.
    """

    label_smoothing: float
    prior: Literal["uniform", "base"]
    learning_rate: float = 2e-5
    epochs: float = 2.0
    max_steps: int | None = None
    batch_size: int = 8
    accumulation: int | None = None
    warmup: float = 0.03
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    seed: int = 0
    gradient_checkpointing: bool = False
    lora: LoraSettings | None = None
    save_steps: int | None = None
    logit_scale: float = 1.0
    softcap: float | None = None
    where: Literal["all", "known"] = "all"
    lr_scheduler: Scheduler = "linear"
    neftune_alpha: float | None = None
    packing: bool = False
    report_to: tuple[str, ...] = ()
    sharding: Literal["none", "fsdp"] = "none"
    optim: Literal["adamw", "adamw-8bit"] = "adamw"
    compiled: bool = False


def launched(variable: str) -> bool:
    """Whether `accelerate launch` was told so."""
    return os.environ.get(variable, "false").lower() in ("1", "true", "yes", "y", "on")
