"""A network made ready for training and left plain afterwards, with LoRA merged into it where there is some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from calibaudit.errors import TrainingError
from calibaudit.training.settings import LoraSettings, TrainingSettings


@contextmanager
def trainable(network: Any, settings: TrainingSettings) -> Iterator[Any]:
    """The model for Trainer. Afterwards the network is as it was but for its weights; LoRA's are merged into them, or
    dropped where training failed.
    """
    had_gradients = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    use_cache, model, merged = network.config.use_cache, network, False
    network.config.use_cache = False
    try:
        if settings.lora is None:
            network.requires_grad_(True)
        else:
            model = _with_lora(network, settings.lora, settings.seed)
        yield model
        if model is not network:
            model.merge_and_unload()
            merged = True
    finally:
        if model is not network:
            if not merged:
                model.unload()
            network.__dict__.pop("peft_config", None)
        if settings.gradient_checkpointing:
            network.gradient_checkpointing_disable()
        network.config.use_cache = use_cache
        network.zero_grad(set_to_none=True)
        for parameter, had in had_gradients:
            parameter.requires_grad_(had)
        network.eval()


def _with_lora(network: Any, lora: LoraSettings, seed: int) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise TrainingError("LoRA needs peft: pip install 'calibaudit[peft]'") from error
    torch.manual_seed(seed)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(network, config)
