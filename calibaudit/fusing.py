"""A loaded causal LM made to compute its training loss from hidden states, smoothed, without ever making logits."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutputWithPast

from calibaudit.errors import ModelError
from calibaudit.heads import N_PROBE, TOLERANCE, find_head, probe_ids
from calibaudit.kernels import IGNORE_INDEX, linear_cross_entropy

_SETTINGS = "_calibaudit_fused_loss"
_FIELDS = frozenset(field.name for field in fields(CausalLMOutputWithPast)) - {"loss", "logits"}
_FOR_THE_LOSS = ("labels", "shift_labels", "num_items_in_batch", "ignore_index", "logits_to_keep", "return_dict")


@dataclass(frozen=True)
class _Settings:
    """What a fused network's forward needs; names rather than modules, so that a copied network uses its own."""

    decoder: str
    shape: tuple[int, int]
    vocab_size: int
    softcap: float | None
    logit_scale: float
    label_smoothing: float
    scratch_bytes: int | None


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


def use_fused_loss(model: Any, label_smoothing: float = 0.0, *, scratch_bytes: int | None = None) -> FusedLoss:
    """From now on the model, given labels, computes its loss with `linear_cross_entropy`, and no logits.

    model: a transformers causal LM in memory, or a PEFT model around one. Call it before the Trainer is made.
    Given labels, forward returns CausalLMOutputWithPast with loss and logits None; without, it is unchanged. The loss
    is the network's own (labels shifted by one, -100 ignored, divided by num_items_in_batch where Trainer passes it,
    else by the labels that count), smoothed by label_smoothing in 0..1; autocast acts on the head as it would.
    Under Trainer leave label_smoothing_factor at 0: with it Trainer keeps the labels and smooths logits itself, over
    all of N x V; such a call is refused when it comes.
    Proven on the loaded weights: the head apart gives the network's logits, and the loss is the network's own.
    Raises ModelError, with the reason, for a network whose head or loss is not of that kind: adapters, hooks or
    quantisation on the head, a router's extra loss.
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ModelError(f"label_smoothing must be in 0..1, not {label_smoothing}")
    network = _causal_lm(model)
    own_class = type(network)
    name = own_class.__name__
    if hasattr(network, _SETTINGS):
        raise ModelError(f"{name} computes a fused loss already; restore() that one first")
    if reason := _why_not_plain(network.get_output_embeddings()):
        raise ModelError(f"{name}: its loss cannot be fused: {reason}")
    if getattr(network.config.get_text_config(), "output_router_logits", False):
        raise ModelError(f"{name}: its loss cannot be fused: it adds a router's loss (output_router_logits)")
    with _in_eval_mode(network):
        settings = _proven(network, label_smoothing, scratch_bytes)
    setattr(network, _SETTINGS, settings)
    network.accepts_loss_kwargs = True  # what Trainer asks before it passes num_items_in_batch
    network.__class__ = _fused_class(own_class)
    return FusedLoss(network, own_class)


def _causal_lm(model: Any) -> Any:
    network = model.get_base_model() if hasattr(model, "get_base_model") else model
    wrapped = not hasattr(network, "get_output_embeddings") or hasattr(model, "_orig_mod")
    if wrapped or not isinstance(network, nn.Module):
        raise ModelError(
            f"{type(model).__name__} is no transformers causal LM; pass the network itself, before torch.compile or DDP"
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
        return _fused_forward(self, settings, arguments, set(names))

    names = [name for name in inspect.signature(own.forward).parameters if name != "self"]
    namespace = {"forward": forward, "__module__": own.__module__, "__qualname__": own.__qualname__}
    return type(own.__name__, (own,), namespace)


def _fused_forward(network: Any, settings: _Settings, arguments: dict[str, Any], named: set[str]) -> Any:
    if arguments.get("output_router_logits"):
        raise ModelError("output_router_logits: a fused loss adds no router's loss; leave it out")
    kept = arguments.get("logits_to_keep")
    if kept is not None and not (isinstance(kept, int) and kept == 0):
        raise ModelError("logits_to_keep: a fused loss is over all positions; leave it out, or mask labels with -100")
    decoder = network.get_submodule(settings.decoder)
    output = decoder(**_for_decoder(decoder, arguments, named))
    hidden = output[0]
    labels, shift_labels = arguments.get("labels"), arguments.get("shift_labels")
    ignore_index = arguments.get("ignore_index", IGNORE_INDEX)
    if shift_labels is None:
        assert labels is not None
        shift_labels = F.pad(labels, (0, 1), value=ignore_index)[..., 1:]
    loss = _loss(network, settings, hidden, shift_labels, arguments.get("num_items_in_batch"), ignore_index)
    others = {name: output[name] for name in _FIELDS & set(output.keys())} if isinstance(output, dict) else {}
    result = CausalLMOutputWithPast(loss=loss, **others)
    as_dict = arguments.get("return_dict")
    return result if (network.config.return_dict if as_dict is None else as_dict) else result.to_tuple()


def _for_decoder(decoder: nn.Module, arguments: dict[str, Any], named: set[str]) -> dict[str, Any]:
    """What the network's own forward would hand on. An argument that only the head knows of is refused."""
    parameters = inspect.signature(decoder.forward).parameters
    passed = {name: value for name, value in arguments.items() if name not in _FOR_THE_LOSS}
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return passed
    unknown = [name for name, value in passed.items() if name not in parameters and name in named and value is not None]
    if unknown:
        raise ModelError(f"{unknown[0]}: a fused loss cannot take it; the decoder does not")
    return {name: value for name, value in passed.items() if name in parameters}


def _loss(
    network: Any,
    settings: _Settings,
    hidden: Tensor,
    targets: Tensor,
    n_items: Tensor | int | None,
    ignore_index: int,
) -> Tensor:
    linear = network.get_output_embeddings()
    reason = _why_not_plain(linear)
    if reason is None and tuple(linear.weight.shape) != settings.shape:
        reason = (
            f"its output layer has shape {tuple(linear.weight.shape)}, not {settings.shape} as when it was fused "
            "(resized, or sharded in a way that only its own forward undoes)"
        )
    if reason:
        raise ModelError(f"{type(network).__name__}: its loss can no longer be fused: {reason}")
    weight, bias = linear.weight, linear.bias
    hidden = hidden.to(weight.device)
    if torch.is_autocast_enabled(weight.device.type):  # as it would for the layer itself
        dtype = torch.get_autocast_dtype(weight.device.type)
        hidden, weight, bias = hidden.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    loss = linear_cross_entropy(
        hidden,
        weight,
        targets.to(weight.device),
        bias=bias,
        label_smoothing=settings.label_smoothing,
        softcap=settings.softcap,
        logit_scale=settings.logit_scale,
        vocab_size=settings.vocab_size,
        ignore_index=ignore_index,
        reduction="mean" if n_items is None else "sum",
        scratch_bytes=settings.scratch_bytes,
    )
    if n_items is None:
        return loss
    return loss / (n_items.to(loss.device) if isinstance(n_items, Tensor) else n_items)


def _why_not_plain(linear: Any) -> str | None:
    """What the output layer does beside its matrix and bias, which the kernel would skip; None: nothing."""
    if type(linear) is not nn.Linear:
        advice = "" if linear is None else "; leave it out of the adapter's targets and modules_to_save"
        return f"its output layer is {type(linear).__name__}, not a plain Linear{advice}"
    if linear._forward_hooks or linear._forward_pre_hooks or linear._backward_hooks:
        return "its output layer has hooks, which would not run"
    if "forward" in linear.__dict__ and not hasattr(linear, "_hf_hook"):
        return "its output layer's forward was replaced"
    return None


def _proven(network: Any, label_smoothing: float, scratch_bytes: int | None) -> _Settings:
    ids = probe_ids(network, 2 * N_PROBE).view(2, N_PROBE)
    mask, labels = torch.ones_like(ids), ids.clone()
    mask[1, -3:], labels[1, -3:], labels[0, :2] = 0, IGNORE_INDEX, IGNORE_INDEX
    own = network(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False)
    name, vocab_size = type(network).__name__, int(own.logits.shape[-1])
    found = find_head(network, vocab_size)
    if isinstance(found, str):
        raise ModelError(f"{name}: its loss cannot be fused: {found}")
    body, head = found
    path = next(path for path, module in network.named_modules() if module is body)
    shape = (head.weight.shape[0], head.weight.shape[1])
    settings = _Settings(path, shape, vocab_size, head.softcap, head.logit_scale, 0.0, scratch_bytes)
    arguments = {"input_ids": ids, "attention_mask": mask, "labels": labels, "use_cache": False, "return_dict": True}
    ours = _fused_forward(network, settings, arguments, set(arguments)).loss
    size = max(1.0, own.logits.abs().where(own.logits.isfinite(), 0.0).max().item())
    tolerance = TOLERANCE.get(own.logits.dtype, TOLERANCE[torch.float32])
    if not abs(ours.item() - own.loss.item()) <= tolerance * size:
        raise ModelError(
            f"{name}: its loss cannot be fused: its own loss, {own.loss.item():.4f} on a probe, is not the shifted "
            f"cross-entropy of its logits, {ours.item():.4f}"
        )
    return _Settings(path, shape, vocab_size, head.softcap, head.logit_scale, label_smoothing, scratch_bytes)


@contextmanager
def _in_eval_mode(network: nn.Module) -> Iterator[None]:
    """No dropout and no gradients within; each module's own mode afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
