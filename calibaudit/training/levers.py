"""A factor on the logits, and a softcap, in the loss: two of the levers of Huang, Lu, Zeng 2025 (arXiv 2508.00264).

Their code trains with logits / T, T from .05 to .75, and a loss times T; or with softcap * tanh(logits / softcap),
softcap from 32 to 128; with both the division comes first. Here logit_scale is 1 / T. A loss times T has gradients that
are T times as large, which AdamW, whose step does not depend on their size (but for its epsilon of 1e-8), feels only
where they are clipped. So the loss stays in nats, and the gradient is clipped at max_grad_norm / T.

What is trained is the network with those logits. To be that network by itself, it takes the factor into its own weights
afterwards (`models.logit_scale`), and the softcap into its config, where its family has one.
"""

from __future__ import annotations

from typing import Any

import torch

from calibaudit.errors import TrainingError
from calibaudit.models.formats.families import text_config
from calibaudit.models.head import N_PROBE, SOFTCAPS, find_head, probe_ids
from calibaudit.models.logit_scale import ScalePlan, scale_plan
from calibaudit.training.settings import TrainingSettings


def scale_of(network: Any, settings: TrainingSettings) -> ScalePlan | None:
    """Where the factor goes after training; None where there is none to take.

    Raises TrainingError, with the reason, where the network cannot take it.
    """
    if settings.logit_scale == 1:
        return None
    plan = scale_plan(network)
    if isinstance(plan, str):
        raise TrainingError(
            f"logit_scale {settings.logit_scale:g}: {type(network).__name__} cannot take a factor on its logits into "
            f"its weights, so that no plain checkpoint would have what was trained: {plan}; leave it at 1"
        )
    return plan


@torch.no_grad()
def softcap_entry_of(network: Any, softcap: float | None) -> str | None:
    """The entry of the network's (text) config that puts `softcap` around its logits, as a probe of the network shows.

    None without a softcap, and where the network has no such entry or does not obey it: then a softcap acts in
    training only. The network is left as it was.
    """
    config = text_config(network.config)
    name = next((name for name in SOFTCAPS if hasattr(config, name)), None)
    if softcap is None or name is None:
        return None
    own = getattr(config, name)
    _set(network, name, softcap)
    try:
        n_vocab = network(input_ids=probe_ids(network, N_PROBE), use_cache=False).logits.shape[-1]
        found = find_head(network, int(n_vocab))
    finally:
        _set(network, name, own)
    return name if not isinstance(found, str) and found[1].softcap == softcap else None


def take_in(network: Any, settings: TrainingSettings, plan: ScalePlan | None, softcap_entry: str | None) -> None:
    """Make the plain network what was trained: its logits those of the loss. plan: of `scale_of`."""
    if plan is not None:
        plan.apply(network, settings.logit_scale)
    if softcap_entry is not None:
        _set(network, softcap_entry, settings.softcap)


def _set(network: Any, name: str, value: float | None) -> None:
    """In the config, and in the modules that took the number from there when they were made."""
    setattr(text_config(network.config), name, value)
    for module in network.modules():
        if name in vars(module):
            setattr(module, name, value)
