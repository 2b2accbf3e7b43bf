"""A loaded causal LM's training loss, smoothed towards a frozen prior model's own distribution, without any logits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from calibaudit.errors import ModelError
from calibaudit.kernels import IGNORE_INDEX
from calibaudit.training.loss.forward import HeadPlace, PriorRows, Smoothing, for_decoder, fused_forward, in_eval_mode
from calibaudit.training.loss.fused import (
    FusedLoss,
    causal_lm,
    fuse,
    loss_tolerance,
    place_head,
    probe_batch,
    prove_loss,
)

_PROOF_SMOOTHING = 0.5
_NOT_FOR_THE_PRIOR = ("output_attentions", "output_hidden_states", "use_cache")
_OF_THE_MODEL_ALONE = ("inputs_embeds", "past_key_values")


def use_anchored_loss(
    model: Any,
    label_smoothing: float,
    anchor: Any = None,
    *,
    logit_scale: float = 1.0,
    softcap: float | None = None,
    scratch_bytes: int | None = None,
) -> FusedLoss:
    """As `use_fused_loss`, smoothed towards what anchor predicts for the same tokens: `anchored_cross_entropy`.

    anchor: a second causal LM in memory with the same vocabulary, on the same device; it is run in eval mode, gets no
    gradient, and its hidden states are gone before the model's own are made. None: `model` is a PEFT model, and the
    prior is its own weights with the adapter off. logit_scale, softcap: of the model that learns; the prior predicts as
    it is.
    Proven on the loaded weights as well: the anchored loss is that of both models' logits.
    Raises ModelError, with the reason, also where the vocabularies differ or the prior would be trained along.
    """
    network = causal_lm(model)
    place = prove_loss(network, label_smoothing)
    prior = _own_weights(network, place) if anchor is None else _other_model(network, place, causal_lm(anchor))
    _prove_anchored(network, place, prior)
    return fuse(network, place.with_levers(logit_scale, softcap), Smoothing(label_smoothing, scratch_bytes, prior))


@dataclass(frozen=True, eq=False)
class _Prior:
    """Runs the prior. anchor: None stands for the trained network itself, its adapters off."""

    anchor: Any
    place: HeadPlace

    def __call__(self, network: Any, arguments: dict[str, Any]) -> PriorRows:
        if getattr(network, "_is_replica", False):
            raise ModelError("an anchored loss does not run under DataParallel; start one process a GPU with torchrun")
        for name in _OF_THE_MODEL_ALONE:
            if arguments.get(name) is not None:
                raise ModelError(f"{name}: an anchored loss needs whole rows of token ids, which the prior reads too")
        source = network if self.anchor is None else self.anchor
        linear = source.get_output_embeddings()
        device = network.get_output_embeddings().weight.device
        if linear.weight.device != device:
            raise ModelError(f"the prior model is on {linear.weight.device}, but the model on {device}; move it there")
        decoder = source.get_submodule(self.place.decoder)
        own = {name: value for name, value in arguments.items() if name not in _NOT_FOR_THE_PRIOR}
        with self.frozen(network):
            hidden = decoder(**for_decoder(source, decoder, own | {"use_cache": False}))[0]
        bias = None if linear.bias is None else linear.bias.detach()
        return PriorRows(hidden, linear.weight.detach(), bias, self.place.softcap, self.place.logit_scale)

    @contextmanager
    def frozen(self, network: Any) -> Iterator[Any]:
        """The model that predicts, without dropout and gradients."""
        source = network if self.anchor is None else self.anchor
        with in_eval_mode(source), _adapters_off(network) if self.anchor is None else nullcontext():
            yield source


def _other_model(network: Any, place: HeadPlace, anchor: Any) -> _Prior:
    own = {id(parameter) for parameter in network.parameters() if parameter.requires_grad}
    if anchor is network or any(id(parameter) in own for parameter in anchor.parameters()):
        raise ModelError("the prior model shares weights with the model that is trained; load it a second time")
    with in_eval_mode(anchor):
        found, _ = place_head(anchor, probe_batch(anchor))
    if found.vocab_size != place.vocab_size:
        raise ModelError(
            f"the prior model's vocabulary has {found.vocab_size:,} tokens, the model's {place.vocab_size:,}: its "
            "distribution is not over the same tokens; smooth towards the uniform one"
        )
    return _Prior(anchor, found)


def _own_weights(network: Any, place: HeadPlace) -> _Prior:
    if not _adapters(network):
        raise ModelError(f"{type(network).__name__} has no adapter to switch off; give the prior as a second model")
    with _adapters_off(network):
        trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    if trained:
        raise ModelError(
            f"{trained[0]} is trained outside the adapter, so the weights without it are not a fixed prior; freeze "
            "it, or give the prior as a second model"
        )
    return _Prior(None, place)


def _prove_anchored(network: Any, place: HeadPlace, prior: _Prior) -> None:
    arguments = probe_batch(network)
    with in_eval_mode(network):
        logits = network(**arguments).logits
        with prior.frozen(network) as source:
            prior_logits = source(**arguments).logits
        ours = fused_forward(network, place, Smoothing(_PROOF_SMOOTHING, None, prior), arguments).loss
    exact = _anchored(logits, prior_logits, arguments["labels"])
    if not abs(ours.item() - exact) <= loss_tolerance(logits) + loss_tolerance(prior_logits):
        raise ModelError(
            f"{type(network).__name__}: its loss cannot be anchored: on a probe it is {ours.item():.4f} from hidden "
            f"states, but {exact:.4f} from logits"
        )


def _anchored(logits: Tensor, prior_logits: Tensor, labels: Tensor) -> float:
    """The definition: -sum_v ((1 - eps) [v = y] + eps q_v) log p_v, mean over the labels that count."""
    targets = labels[:, 1:].flatten()
    keep = targets != IGNORE_INDEX
    logprobs = logits[:, :-1].flatten(0, 1)[keep].float().log_softmax(-1)
    q = prior_logits[:, :-1].flatten(0, 1)[keep].float().softmax(-1)
    hard = -logprobs.gather(1, targets[keep, None])[:, 0]
    soft = -torch.where(q == 0, 0.0, q * logprobs).sum(-1)
    return float(((1 - _PROOF_SMOOTHING) * hard + _PROOF_SMOOTHING * soft).mean())


def _adapters(network: nn.Module) -> list[Any]:
    """The layers that PEFT put into the network, each with a switch."""
    try:
        from peft.tuners.tuners_utils import BaseTunerLayer
        from peft.utils import ModulesToSaveWrapper
    except ImportError:
        return []
    return [module for module in network.modules() if isinstance(module, BaseTunerLayer | ModulesToSaveWrapper)]


@contextmanager
def _adapters_off(network: nn.Module) -> Iterator[None]:
    """PEFT's switch freezes and unfreezes the adapters' weights as it goes; which are trained is restored here."""
    adapters = _adapters(network)
    trained = [(parameter, parameter.requires_grad) for layer in adapters for parameter in layer.parameters()]
    on = [not layer.disable_adapters for layer in adapters]
    for layer in adapters:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer, was_on in zip(adapters, on, strict=True):
            layer.enable_adapters(was_on)
        for parameter, requires_grad in trained:
            parameter.requires_grad_(requires_grad)
