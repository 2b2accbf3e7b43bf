"""Supervised fine-tuning with a smoothed loss and no logits: transformers' Trainer underneath, resumable."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from calibaudit.errors import TrainingError
from calibaudit.models.devices import is_out_of_memory
from calibaudit.models.distributed import gathered, join, rank, world_size
from calibaudit.models.library import quiet
from calibaudit.training.data.encode import Example
from calibaudit.training.levers import scale_of, softcap_entry_of, take_in
from calibaudit.training.loss.anchored import use_anchored_loss
from calibaudit.training.loss.fused import FusedLoss, use_fused_loss
from calibaudit.training.packed.proof import in_lines
from calibaudit.training.results.run import TrainingRun
from calibaudit.training.resume import check_made_from, last_checkpoint, made_from, step_of
from calibaudit.training.schedule import MicroBatches, Plan, accumulation_for, n_targets, plan_steps
from calibaudit.training.settings import DEEPSPEED_VARIABLE, SCHEDULERS, TrainingSettings, launched
from calibaudit.training.state.checkpoints import WRITING
from calibaudit.training.state.compiling import compiled_layers
from calibaudit.training.state.interrupt import interruptible
from calibaudit.training.state.sharding import in_shares, why_not_sharded
from calibaudit.training.state.trainable import trainable
from calibaudit.training.trainer import LEAST_SECONDS, Job, PlannedTrainer, arguments_of, run_trainer
from calibaudit.training.watching import check_reporters, own_wandb_run

CHECKPOINTS = "checkpoints"

TrainingProgress = Callable[[int, int, float, float], None]
"""(step, n_steps, loss in nats a target token, tokens a second) after every step."""


def train(
    network: Any,
    tokenizer: Any,
    examples: Sequence[Example],
    folder: Path,
    settings: TrainingSettings,
    *,
    anchor: Any = None,
    known: Sequence[bool] | None = None,
    resume: bool = False,
    progress: TrainingProgress | None = None,
) -> TrainingRun:
    """Train a transformers causal LM in place; afterwards it is a plain network in eval mode, LoRA merged into it, and
    its logits are those of the loss: settings.logit_scale in its weights, settings.softcap in its config, if it can.

    network: in float32, on its device; a GPU that has bfloat16 computes in it (autocast). tokenizer: gives the id that
    pads. anchor: the frozen model to smooth towards where settings.prior is base; None: with LoRA the network's own
    weights without the adapter. known: of each example whether it is smoothed, where settings.where is known.
    Never makes logits; the loss and its gradient are the mean over a step's target tokens, however it is split into
    micro-batches and processes.
    folder: gets training.jsonl, a line a step, and checkpoints/ with the last checkpoint. Ctrl-C writes one and raises
    KeyboardInterrupt. resume: go on from the last checkpoint, if there is one, to the same weights.
    Under torchrun every process calls it with the same arguments and its own device: DDP, or in shares where
    settings.sharding is fsdp. Then the network may be in any dtype, and the anchor is sharded too, in place; afterwards
    the first process has the weights, on the CPU, and the others have none.
    Raises TrainingError: unusable settings or examples, a loss or gradient that is no number, memory or disk full, a
    checkpoint made otherwise; ModelError where the loss cannot be computed from hidden states.
    """
    settings = resolved(settings, len(examples))
    known = known if smooths_known(settings) else None
    _check(network, examples, settings, anchor, known)
    plan_of_scale, softcap_entry = scale_of(network, settings), softcap_entry_of(network, settings.softcap)
    checkpoints = folder / CHECKPOINTS
    n_processes = world_size()
    identity = made_from(network, anchor, examples, settings, n_processes, known)
    checkpoint = gathered([last_checkpoint(checkpoints)])[0]  # the first process renames and removes them
    if checkpoint is not None and not resume:
        raise TrainingError(f"{checkpoint}: left by another run; resume it, or give another folder")
    if checkpoint is not None:
        check_made_from(checkpoint, identity)
    assert settings.accumulation is not None
    n_micro = settings.accumulation * n_processes
    plan = plan_steps(
        examples,
        batch_size=settings.batch_size,
        n_micro=n_micro,
        epochs=settings.epochs,
        max_steps=settings.max_steps,
        seed=settings.seed,
    )
    save_steps = settings.save_steps or math.ceil(len(plan.steps) / 5)
    clip = settings.max_grad_norm * settings.logit_scale
    sharded = settings.sharding == "fsdp"
    least_seconds = LEAST_SECONDS if settings.save_steps is None else 0.0
    job = Job(checkpoints, plan, identity, len(examples), save_steps, least_seconds, clip, progress, sharded)
    pad_id = getattr(tokenizer, "pad_token_id", None)
    pad_id = 0 if pad_id is None else pad_id
    packed = None
    if settings.packing:
        packed = in_lines([network, anchor], examples, plan, pad_id, settings.batch_size, n_processes, known)
    batches = packed or MicroBatches(examples, plan, pad_id, known)
    n_rounds = settings.accumulation if packed is None else packed.n_rounds
    device = network.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    checkpoints.mkdir(parents=True, exist_ok=True)
    if rank() == 0:
        shutil.rmtree(checkpoints / WRITING, ignore_errors=True)
    gathered([0])
    join(world_size())  # under torchrun the process group is made, and at the end left, by `models.distributed`
    with (
        quiet(),
        interruptible() as interrupt,
        trainable(network, settings) as plain,
        _loss(plain, settings, anchor),
        in_shares(plain, anchor, device) if sharded else nullcontext(plain) as model,
        compiled_layers(model) if settings.compiled else nullcontext(),
        own_wandb_run(settings.report_to),
    ):
        try:
            arguments = arguments_of(replace(settings, accumulation=n_rounds), checkpoints, len(plan.steps), device)
            trainer = PlannedTrainer(model, arguments, batches, job, interrupt)
            done = run_trainer(trainer, checkpoint)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise TrainingError(
                f"out of memory on {device} with {settings.batch_size} rows of up to {_longest(examples)} tokens at a "
                "time: try a smaller batch with more accumulation, gradient checkpointing, LoRA, shorter rows, or "
                "sharding over several GPUs"
            ) from error
        if len(done) < len(plan.steps):
            raise KeyboardInterrupt(f"stopped after step {len(done)} of {len(plan.steps)}; resume from {checkpoints}")
    if not sharded or rank() == 0:
        take_in(network, settings, plan_of_scale, softcap_entry)
    run = _summary(plan, done, len(examples), device, None if checkpoint is None else step_of(checkpoint))
    return replace(
        run,
        rows_per_step=min(settings.batch_size * n_micro, len(examples)),
        n_known=None if known is None else sum(known),
        softcap_kept=None if settings.softcap is None else softcap_entry is not None,
        packed=packed is not None if settings.packing else None,
    )


def resolved(settings: TrainingSettings, n_rows: int) -> TrainingSettings:
    """With the accumulation that is meant for so many rows, where none is given."""
    if settings.accumulation is not None:
        return settings
    if settings.batch_size < 1 or not 0 < settings.epochs < math.inf:  # told so by the checks
        return replace(settings, accumulation=1)
    accumulation = accumulation_for(
        n_rows, epochs=settings.epochs, batch_size=settings.batch_size, n_processes=world_size()
    )
    return replace(settings, accumulation=accumulation)


def smooths_known(settings: TrainingSettings) -> bool:
    """Whether a run has to be told which rows base knows."""
    return settings.where == "known" and settings.label_smoothing > 0


def _check(
    network: Any,
    examples: Sequence[Example],
    settings: TrainingSettings,
    anchor: Any,
    known: Sequence[bool] | None,
) -> None:
    """Raises TrainingError for what cannot be trained, before anything is written."""
    rules = (
        ("label_smoothing", 0 <= settings.label_smoothing <= 1, "in 0..1"),
        ("prior", settings.prior in ("uniform", "base"), "uniform or base"),
        ("learning_rate", 0 < settings.learning_rate < math.inf, "a finite number above 0"),
        ("epochs", 0 < settings.epochs < math.inf, "a finite number above 0"),
        ("max_steps", settings.max_steps is None or settings.max_steps >= 1, "1 or more"),
        ("batch_size", settings.batch_size >= 1, "1 or more"),
        ("accumulation", (settings.accumulation or 0) >= 1, "1 or more"),
        ("warmup", 0 <= settings.warmup < 1, "in 0..1"),
        ("weight_decay", 0 <= settings.weight_decay < math.inf, "a finite number, 0 or more"),
        ("max_grad_norm", 0 <= settings.max_grad_norm < math.inf, "a finite number, 0 or more"),
        ("save_steps", settings.save_steps is None or settings.save_steps >= 1, "1 or more"),
        ("logit_scale", 0 < settings.logit_scale < math.inf, "above 0"),
        ("softcap", settings.softcap is None or 0 < settings.softcap < math.inf, "above 0"),
        ("where", settings.where in ("all", "known"), "all or known"),
        ("lr_scheduler", settings.lr_scheduler in SCHEDULERS, f"one of {', '.join(SCHEDULERS)}"),
        ("neftune_alpha", settings.neftune_alpha is None or 0 < settings.neftune_alpha < math.inf, "above 0"),
        ("sharding", settings.sharding in ("none", "fsdp"), "none or fsdp"),
        ("optim", settings.optim in ("adamw", "adamw-8bit"), "adamw or adamw-8bit"),
    )
    for name, holds, rule in rules:
        if not holds:
            raise TrainingError(f"{name} must be {rule}, not {getattr(settings, name)}")
    check_reporters(settings.report_to)
    if not examples:
        raise TrainingError("there is no example to train on")
    if without := sum(n_targets(example) == 0 for example in examples):
        raise TrainingError(f"{without} of {len(examples)} examples have no token to learn; leave them out")
    if smooths_known(settings):
        if known is None or len(known) != len(examples):
            raise TrainingError(f"where known: say of each of the {len(examples)} examples whether it is known")
        if not any(known):
            raise TrainingError(
                f"where known: base's first choices are the answer in none of the {len(examples):,} rows, so nothing "
                "would be smoothed; smooth all rows"
            )
    config = network.config.get_text_config()
    limit, longest = getattr(config, "max_position_embeddings", None), _longest(examples)
    if isinstance(limit, int) and longest > limit:
        raise TrainingError(f"the longest example has {longest} tokens, the model takes {limit}; encode them shorter")
    n_ids, highest = network.get_input_embeddings().weight.shape[0], max(max(row.input_ids) for row in examples)
    if highest >= n_ids:
        raise TrainingError(f"an example has token {highest}, the model only {n_ids}; use the model's own tokenizer")
    if len(set(map(str, (getattr(network, "hf_device_map", None) or {}).values()))) > 1:
        raise TrainingError("the model is spread over several devices; name one device, or use torchrun")
    if launched(DEEPSPEED_VARIABLE):
        raise TrainingError(
            "DeepSpeed is not supported: the loss needs the head's weight as a plain tensor; start with torchrun, or "
            "accelerate launch --use_fsdp, and --sharding fsdp"
        )
    if settings.sharding == "fsdp":
        if settings.lora is not None:
            raise TrainingError("LoRA is not sharded: each process has the whole model; leave the sharding out")
        if reason := why_not_sharded(network):
            raise TrainingError(f"the model cannot be sharded: {reason}; leave the sharding out")
    elif settings.lora is None and network.dtype != torch.float32:
        raise TrainingError(f"the model is in {str(network.dtype).removeprefix('torch.')}; load it in float32 to train")
    if settings.prior == "base" and settings.label_smoothing and anchor is None and settings.lora is None:
        raise TrainingError("prior base needs a model to smooth towards; only LoRA keeps its own old weights")


def _longest(examples: Sequence[Example]) -> int:
    return max(len(example.input_ids) for example in examples)


def _loss(model: Any, settings: TrainingSettings, anchor: Any) -> FusedLoss:
    factor, scale, softcap = settings.label_smoothing, settings.logit_scale, settings.softcap
    if settings.prior == "uniform" or factor == 0:
        return use_fused_loss(model, factor, logit_scale=scale, softcap=softcap)
    return use_anchored_loss(model, factor, anchor, logit_scale=scale, softcap=softcap)


def _summary(
    plan: Plan, done: Sequence[dict[str, Any]], n_rows: int, device: torch.device, resumed_from: int | None
) -> TrainingRun:
    last = done[-max(1, len(done) // 10) :]
    seconds, n_tokens = done[-1]["seconds"], sum(plan.tokens)
    return TrainingRun(
        n_steps=len(done),
        epochs=sum(plan.rows) / n_rows,
        loss=sum(record["loss"] for record in last) / len(last),
        n_tokens=n_tokens,
        n_target_tokens=sum(plan.targets),
        seconds=seconds,
        tokens_per_second=n_tokens / max(seconds, 1e-9),
        peak_bytes=_peak_bytes(device),
        resumed_from=resumed_from,
    )


def _peak_bytes(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
