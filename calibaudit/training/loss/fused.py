"""A loaded causal LM made to compute its training loss from hidden states, smoothed, without ever making logits."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from calibaudit.errors import ModelError
from calibaudit.kernels import IGNORE_INDEX
from calibaudit.models.head import N_PROBE, TOLERANCE, find_head, probe_ids
from calibaudit.training.loss.forward import (
    HeadPlace,
    Smoothing,
    forward_names,
    fused_forward,
    in_eval_mode,
    why_not_plain,
)

_SETTINGS = "_calibaudit_fused_loss"


@dataclass(frozen=True)
class _Settings:
    place: HeadPlace
    smoothing: Smoothing


class FusedLoss:
    """Returned by `use_fused_loss`: `restore()`, or the end of a `with` block, gives the network its own loss back."""

    def __init__(self, network: nn.Module, own_class: type[nn.Module]) -> None:
        self._network = network
        self._own_class = own_class

    def restore(self) -> None:
        """Done twice it does nothing."""
        if self._network.__dict__.pop(_SETTINGS, None) is not None:
            self._network.__dict__.pop("accepts_loss_kwargs", None)
            self._network.__class__ = self._own_class

    def __enter__(self) -> FusedLoss:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()


def use_fused_loss(
    model: Any,
    label_smoothing: float = 0.0,
    *,
    logit_scale: float = 1.0,
    softcap: float | None = None,
    scratch_bytes: int | None = None,
) -> FusedLoss:
    """From now on the model, given labels, computes its loss with `linear_cross_entropy`, and no logits.

    model: a transformers causal LM in memory, or a PEFT model around one. Call it before the Trainer is made.
    Given labels, forward returns CausalLMOutputWithPast with loss and logits None; without, it is unchanged. The loss
    is the network's own (labels shifted by one, -100 ignored, divided by num_items_in_batch where Trainer passes it,
    else by the labels that count), smoothed by label_smoothing in 0..1; autocast acts on the head as it would.
    logit_scale: a factor above 0 on all logits in the loss, so that it is that of another model: the one whose logits
    are so much larger. softcap: above 0, put around them then, in the place of the network's own. scratch_bytes: what
    the loss may hold beyond inputs and gradients; None: as `linear_cross_entropy`.
    smoothed_rows among forward's arguments, (B,) bool: the other rows of the batch are learned with hard labels.
    Under Trainer leave label_smoothing_factor at 0: with it Trainer keeps the labels and smooths logits itself, over
    all of N x V; such a call is refused when it comes.
    Proven on the loaded weights: the head apart gives the network's logits, and the loss is the network's own.
    Raises ModelError, with the reason, for a network whose head or loss is not of that kind: adapters, hooks or
    quantisation on the head, a router's extra loss.
    """
    network = causal_lm(model)
    smoothing = Smoothing(label_smoothing, scratch_bytes)
    place = prove_loss(network, label_smoothing)
    return fuse(network, place.with_levers(logit_scale, softcap), smoothing)


def fuse(network: Any, place: HeadPlace, smoothing: Smoothing) -> FusedLoss:
    """Give a network, proven by `prove_loss`, its new loss."""
    own_class = type(network)
    setattr(network, _SETTINGS, _Settings(place, smoothing))
    network.accepts_loss_kwargs = True  # what Trainer asks before it passes num_items_in_batch
    network.__class__ = _fused_class(own_class)
    return FusedLoss(network, own_class)


def causal_lm(model: Any) -> Any:
    """The network itself, out of a PEFT model too. Raises ModelError."""
    network = model.get_base_model() if hasattr(model, "get_base_model") else model
    wrapped = not hasattr(network, "get_output_embeddings") or hasattr(model, "_orig_mod")
    if wrapped or not isinstance(network, nn.Module):
        raise ModelError(
            f"{type(model).__name__} is not a transformers causal LM; pass the network before torch.compile or DDP"
        )
    return network


def _fused_class(own: type[nn.Module]) -> type[nn.Module]:
    """A subclass of the same name: a copy or a replica of the network then calls its own modules."""

    @functools.wraps(own.forward)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        settings = getattr(self, _SETTINGS, None)
        if settings is None:  # restored, while some wrapper still calls this
            return own.forward(self, *args, **kwargs)
        arguments = dict(zip(names, args, strict=False)) | kwargs
        if arguments.get("labels") is None and arguments.get("shift_labels") is None:
            if arguments.get("num_items_in_batch") is not None:
                raise ModelError(
                    "the model's loss is fused, but Trainer kept the labels for a loss of its own: "
                    "set label_smoothing_factor to 0 and give no compute_loss_func"
                )
            return own.forward(self, *args, **kwargs)
        return fused_forward(self, settings.place, settings.smoothing, arguments)

    names = forward_names(own)
    namespace = {"forward": forward, "__module__": own.__module__, "__qualname__": own.__qualname__}
    return type(own.__name__, (own,), namespace)


def prove_loss(network: Any, label_smoothing: float) -> HeadPlace:
    """The head's place, proven on the loaded weights: apart from its decoder it gives the network's logits and loss.

    Raises ModelError with the reason where the loss cannot be made from hidden states.
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ModelError(f"label_smoothing must be in 0..1, not {label_smoothing}")
    name = type(network).__name__
    if hasattr(network, _SETTINGS):
        raise ModelError(f"{name} computes a fused loss already; restore() that one first")
    if getattr(network.config.get_text_config(), "output_router_logits", False):
        raise ModelError(f"{name}: its loss cannot be fused: it adds a router's loss (output_router_logits)")
    arguments = probe_batch(network)
    with in_eval_mode(network):
        place, own = place_head(network, arguments)
        ours = fused_forward(network, place, Smoothing(0.0, None), arguments).loss
    if not abs(ours.item() - own.loss.item()) <= loss_tolerance(own.logits):
        raise ModelError(
            f"{name}: its loss cannot be fused: its own loss, {own.loss.item():.4f} on a probe, is not the shifted "
            f"cross-entropy of its logits, {ours.item():.4f}"
        )
    return place


def place_head(network: Any, arguments: dict[str, Any]) -> tuple[HeadPlace, Any]:
    """The head's place, and the network's own output for the arguments. Raises ModelError."""
    name = type(network).__name__
    if reason := why_not_plain(network.get_output_embeddings()):
        raise ModelError(f"{name}: its loss cannot be fused: {reason}")
    own = network(**arguments)
    vocab_size = int(own.logits.shape[-1])
    found = find_head(network, vocab_size)
    if isinstance(found, str):
        raise ModelError(f"{name}: its loss cannot be fused: {found}")
    body, head = found
    path = next(path for path, module in network.named_modules() if module is body)
    shape = (head.weight.shape[0], head.weight.shape[1])
    return HeadPlace(path, shape, vocab_size, head.softcap, head.logit_scale), own


def probe_batch(network: Any) -> dict[str, Any]:
    """Two rows of random tokens with labels, some ignored; the second row ends in padding."""
    ids = probe_ids(network, 2 * N_PROBE).view(2, N_PROBE)
    mask, labels = torch.ones_like(ids), ids.clone()
    mask[1, -3:], labels[1, -3:], labels[0, :2] = 0, IGNORE_INDEX, IGNORE_INDEX
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "use_cache": False, "return_dict": True}


def loss_tolerance(logits: Tensor) -> float:
    """How far a mean loss may lie from the one of these logits, in nats."""
    size = max(1.0, logits.abs().where(logits.isfinite(), 0.0).max().item())
    return TOLERANCE.get(logits.dtype, TOLERANCE[torch.float32]) * size
