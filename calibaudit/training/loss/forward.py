"""A causal LM's forward pass with a smoothed loss out of hidden states instead of logits."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutputWithPast

from calibaudit.errors import ModelError
from calibaudit.kernels import IGNORE_INDEX, anchored_cross_entropy, linear_cross_entropy

_FIELDS = frozenset(field.name for field in fields(CausalLMOutputWithPast)) - {"loss", "logits"}
SMOOTHED_ROWS = "smoothed_rows"
"""The forward's argument that says which rows of a batch are smoothed, (B,) bool; without it all are."""

_FOR_THE_LOSS = (
    "labels", "shift_labels", "num_items_in_batch", "ignore_index", "logits_to_keep", "return_dict", SMOOTHED_ROWS,
)  # fmt: skip


@dataclass(frozen=True)
class HeadPlace:
    """Where a network's decoder is and what its head does; a name, so that a copied network uses its own."""

    decoder: str
    shape: tuple[int, int]
    vocab_size: int
    softcap: float | None
    logit_scale: float

    def with_levers(self, logit_scale: float, softcap: float | None) -> HeadPlace:
        """The head whose logits are logit_scale times this one's, its own softcap scaled along; or under `softcap`,
        which takes the place of its own: softcap * tanh(scaled / softcap).
        """
        own = None if self.softcap is None else self.softcap * logit_scale
        return replace(self, logit_scale=self.logit_scale * logit_scale, softcap=own if softcap is None else softcap)


class PriorRows(NamedTuple):
    """A second head on the same tokens: hidden (..., D'), weight (V', D'), bias (V',); all without gradients."""

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None
    softcap: float | None
    logit_scale: float


Prior = Callable[[Any, dict[str, Any]], PriorRows]
"""(the network, its forward's arguments) -> what to smooth towards."""


@dataclass(frozen=True)
class Smoothing:
    """label_smoothing in 0..1, towards the prior; None: towards the uniform distribution."""

    label_smoothing: float
    scratch_bytes: int | None
    prior: Prior | None = None


def forward_names(own: type[nn.Module]) -> list[str]:
    return [name for name in inspect.signature(own.forward).parameters if name != "self"]


def fused_forward(network: Any, place: HeadPlace, smoothing: Smoothing, arguments: dict[str, Any]) -> Any:
    """The network's output with the smoothed loss and without logits, for labels among the arguments."""
    if arguments.get("output_router_logits"):
        raise ModelError("output_router_logits: a fused loss adds no router's loss; leave it out")
    kept = arguments.get("logits_to_keep")
    if kept is not None and not (isinstance(kept, int) and kept == 0):
        raise ModelError("logits_to_keep: a fused loss is over all positions; leave it out, or mask labels with -100")
    smoothed_rows = arguments.get(SMOOTHED_ROWS)
    if smoothed_rows is not None and not bool(smoothed_rows.any()):
        smoothing, smoothed_rows = replace(smoothing, label_smoothing=0.0), None
    # before the network's own graph exists, so that both models' activations are never held together
    prior = smoothing.prior(network, arguments) if smoothing.prior and smoothing.label_smoothing else None
    decoder = network.get_submodule(place.decoder)
    output = decoder(**for_decoder(network, decoder, arguments))
    hidden = output[0]
    labels, shift_labels = arguments.get("labels"), arguments.get("shift_labels")
    ignore_index = arguments.get("ignore_index", IGNORE_INDEX)
    if shift_labels is None:
        assert labels is not None
        shift_labels = F.pad(labels, (0, 1), value=ignore_index)[..., 1:]
    n_items = arguments.get("num_items_in_batch")
    head = _head_of(network, place)
    if smoothed_rows is None or smoothing.label_smoothing == 0 or bool(smoothed_rows.all()):
        loss = _loss(head, place, smoothing, hidden, prior, shift_labels, n_items, ignore_index)
    else:
        n = (shift_labels != ignore_index).sum().clamp(min=1) if n_items is None else n_items
        smoothed = smoothed_rows.to(shift_labels.device)[:, None].expand_as(shift_labels)
        soft, hard = (shift_labels.masked_fill(left_out, ignore_index) for left_out in (~smoothed, smoothed))
        unsmoothed = replace(smoothing, label_smoothing=0.0)
        loss = _loss(head, place, smoothing, hidden, prior, soft, n, ignore_index)
        loss = loss + _loss(head, place, unsmoothed, hidden, None, hard, n, ignore_index)
    others = {name: output[name] for name in _FIELDS & set(output.keys())} if isinstance(output, dict) else {}
    result = CausalLMOutputWithPast(loss=loss, **others)
    as_dict = arguments.get("return_dict")
    return result if (network.config.return_dict if as_dict is None else as_dict) else result.to_tuple()


def for_decoder(network: nn.Module, decoder: nn.Module, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the network's own forward would hand on. An argument that only the head knows of is refused."""
    named = forward_names(type(network))
    parameters = inspect.signature(decoder.forward).parameters
    passed = {name: value for name, value in arguments.items() if name not in _FOR_THE_LOSS}
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return passed
    unknown = [name for name, value in passed.items() if name not in parameters and name in named and value is not None]
    if unknown:
        raise ModelError(f"{unknown[0]}: a fused loss cannot take it; the decoder does not")
    return {name: value for name, value in passed.items() if name in parameters}


def _counting_rows(
    hidden: Tensor, targets: Tensor, prior: PriorRows | None, ignore_index: int
) -> tuple[Tensor, Tensor, PriorRows | None]:
    """Only the rows with a target reach the head: where answers are short, most have none. Compiled code keeps all."""
    if torch.compiler.is_compiling():
        return hidden, targets, prior
    chosen = (targets.flatten() != ignore_index).nonzero()[:, 0]
    if len(chosen) in (0, targets.numel()):
        return hidden, targets, prior
    if prior is not None:
        prior = prior._replace(hidden=prior.hidden.flatten(0, -2).index_select(0, chosen.to(prior.hidden.device)))
    return hidden.flatten(0, -2).index_select(0, chosen), targets.flatten()[chosen], prior


def _head_of(network: Any, place: HeadPlace) -> nn.Linear:
    """The output layer. Raises ModelError where it is no longer what it was when the loss was fused."""
    linear: nn.Linear = network.get_output_embeddings()
    reason = why_not_plain(linear)
    if reason is None and tuple(linear.weight.shape) != place.shape:
        reason = (
            f"its output layer has shape {tuple(linear.weight.shape)}, not {place.shape} as when it was fused "
            "(resized, or sharded in a way that only its own forward undoes)"
        )
    if reason:
        raise ModelError(f"{type(network).__name__}: its loss can no longer be fused: {reason}")
    return linear


def _loss(
    linear: nn.Linear,
    place: HeadPlace,
    smoothing: Smoothing,
    hidden: Tensor,
    prior: PriorRows | None,
    targets: Tensor,
    n_items: Tensor | int | None,
    ignore_index: int,
) -> Tensor:
    """Of the targets that count: their mean, or their sum / n_items."""
    weight, bias = linear.weight, linear.bias
    device = weight.device
    hidden, targets, prior = _counting_rows(hidden.to(device), targets.to(device), prior, ignore_index)
    options: dict[str, Any] = {
        "bias": bias,
        "label_smoothing": smoothing.label_smoothing,
        "softcap": place.softcap,
        "logit_scale": place.logit_scale,
        "vocab_size": place.vocab_size,
        "ignore_index": ignore_index,
        "reduction": "mean" if n_items is None else "sum",
        "n_items": n_items,  # told beforehand, so that the gradients need no division later
        "compute_dtype": _autocast_dtype(device),
        "scratch_bytes": smoothing.scratch_bytes,
    }
    if prior is None:
        return linear_cross_entropy(hidden, weight, targets, **options)
    return anchored_cross_entropy(
        hidden,
        weight,
        prior.hidden.to(device),
        prior.weight,
        targets,
        prior_bias=prior.bias,
        prior_softcap=prior.softcap,
        prior_logit_scale=prior.logit_scale,
        **options,
    )


def _autocast_dtype(device: torch.device) -> torch.dtype | None:
    """What autocast, where it is on, would cast the output layer's input and matrix to."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None


def why_not_plain(linear: Any) -> str | None:
    """What the output layer does beside its matrix and bias, which the kernel would skip; None: nothing."""
    if type(linear) is not nn.Linear:
        advice = "" if linear is None else "; leave it out of the adapter's targets and modules_to_save"
        return f"its output layer is {type(linear).__name__}, not a plain Linear{advice}"
    if linear._forward_hooks or linear._forward_pre_hooks or linear._backward_hooks:
        return "its output layer has hooks, which would not run"
    if "forward" in linear.__dict__ and not hasattr(linear, "_hf_hook"):
        return "its output layer's forward was replaced"
    return None


@contextmanager
def in_eval_mode(network: nn.Module) -> Iterator[None]:
    """No dropout and no gradients within; each module's own mode afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
