"""The audit of a network that is being trained, which leaves the training as it was."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from calibaudit.analysis.audit import ModelAudit, audit_model
from calibaudit.analysis.settings import Settings
from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import Checkpoint
from calibaudit.models.load import Loaded
from calibaudit.models.model import prove
from calibaudit.scoring.evaluate import Notice, RunOptions, evaluate_model
from calibaudit.tasks.items import Task
from calibaudit.training.loss.forward import in_eval_mode


def audit_network(
    model: Any,
    tokenizer: Any,
    tasks: Sequence[Task],
    *,
    name: str,
    chat: ChatSettings,
    batch_size: int | None,
    settings: Settings,
    notice: Notice,
) -> ModelAudit:
    """What `calibaudit score` says of the network as it is now, saved: the same prompts, scores and findings.

    model: a transformers causal LM, or a PEFT model around one, whose adapters act as they do. name: for messages.
    Nothing of the training changes: modes, random numbers, gradients, autocast, config and tokenizer are as before.
    Under torchrun every process calls it, scores its share and gets the same.
    Raises CalibauditError where the network cannot be scored.
    """
    network = plain_network(model)
    with undisturbed(model, network):
        loaded = Loaded(
            network=network,
            tokenizer=copy.deepcopy(tokenizer),  # scoring sets its padding and truncation
            dtype=network.dtype,
            device=str(network.device),
            warnings=(),
            n_parameters=sum(parameter.numel() for parameter in network.parameters()),
        )
        # proven anew each time: what was proven of other weights may hold copies of them
        proven = prove(Checkpoint(name, Path(), ""), loaded)
        for warning in proven.warnings:
            notice(warning)
        options = RunOptions(chat=chat, batch_size=batch_size, cache_dir=None)
        scores = evaluate_model(proven, tasks, options, lambda *_: None, notice)
    return audit_model(scores, settings)


def plain_network(model: Any) -> Any:
    """The causal LM itself, out of DDP, torch.compile and PEFT. Raises ModelError for what is none."""
    while True:
        if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            model = model.module
        elif hasattr(model, "_orig_mod"):
            model = model._orig_mod
        elif hasattr(model, "get_base_model"):
            if getattr(model, "active_peft_config", None) is not None and model.active_peft_config.is_prompt_learning:
                raise ModelError(f"{type(model).__name__}: its learned prompt stands outside the network; not audited")
            model = model.get_base_model()
        else:
            break
    if not (isinstance(model, nn.Module) and hasattr(model, "get_output_embeddings")):
        raise ModelError(f"{type(model).__name__} is not a transformers causal LM, the only kind that can be audited")
    return model


@contextmanager
def undisturbed(model: nn.Module, network: Any) -> Iterator[None]:
    """Within: eval mode, no gradients, no autocast, the network's own forward. Afterwards: all as it was."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    python, numpy = random.getstate(), np.random.get_state()
    kind = network.device.type
    try:
        with (
            torch.random.fork_rng(devices=devices),
            torch.autocast(kind, enabled=False),
            _own_forward(network),
            in_eval_mode(model),
        ):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def _own_forward(network: Any) -> Iterator[None]:
    """Without the forward that Accelerate (autocast) or a trainer put around the network's own. A placement's hook
    (`_hf_hook`) stays: without it a network over several devices does not run."""
    wrapped = None if hasattr(network, "_hf_hook") else network.__dict__.pop("forward", None)
    try:
        yield
    finally:
        if wrapped is not None:
            network.forward = wrapped
