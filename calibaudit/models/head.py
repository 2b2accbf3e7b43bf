"""A causal LM's head, taken apart from its decoder and proven on the loaded weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from calibaudit.errors import ModelError
from calibaudit.kernels import LinearLogprobs, linear_logprobs
from calibaudit.models.devices import is_out_of_memory, own_part
from calibaudit.models.formats.families import placeholder_ids, text_config
from calibaudit.models.formats.quantization import is_plain, plain_values

TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 2e-2}
"""Largest |our logit - the network's| over the row's largest |logit|: a few roundings to the dtype."""

N_PROBE = 12
_STRETCH = (1.0, 8.0, 64.0)

_N_NUMBERS = 1 << 24
"""Weights that are taken to float32 at a time."""


@dataclass(frozen=True, eq=False)
class Head:
    """z = (W h + bias) * logit_scale, then softcap * tanh(z / softcap).

    weight: (V, D), shared with the network. bias: (V,). vocab_size: columns of the model's logits.
    """

    weight: Tensor
    bias: Tensor | None
    softcap: float | None
    logit_scale: float
    vocab_size: int

    def logprobs(self, hidden: Tensor, targets: Tensor, *, known: bool = False) -> LinearLogprobs:
        """hidden (N, D), targets (N,) or (N, K) -> log-probabilities in nats. known: the targets are in the vocabulary,
        and are not checked."""
        device = self.weight.device
        return linear_logprobs(
            hidden.to(device),
            self.weight,
            targets.to(device),
            bias=self.bias,
            softcap=self.softcap,
            logit_scale=self.logit_scale,
            vocab_size=self.vocab_size,
            known=known,
        )

    def logits(self, hidden: Tensor) -> Tensor:
        """(N, D) -> (N, vocab_size) in float32, for the probe's few rows: the head is made float32 part by part."""
        wide, step = hidden.float(), max(1, _N_NUMBERS // self.weight.shape[1])
        parts = torch.split(self.weight[: self.vocab_size], step)
        z = torch.cat([wide @ part.float().T for part in parts], dim=-1)
        if self.bias is not None:
            z = z + self.bias[: self.vocab_size].float()
        z = z * self.logit_scale
        return z if self.softcap is None else self.softcap * torch.tanh(z / self.softcap)


def probe_ids(network: Any, n_tokens: int, seed: int = 0) -> Tensor:
    """(1, n_tokens) seeded token ids on the network's first device, none of which stands for an image or a sound."""
    n_rows = network.get_input_embeddings().weight.shape[0]
    ids = torch.randint(n_rows, (1, n_tokens), generator=torch.Generator().manual_seed(seed))
    if banned := placeholder_ids(network.config):
        allowed = torch.tensor([i for i in range(n_rows) if i not in banned])
        ids = torch.where(torch.isin(ids, allowed), ids, allowed[ids % len(allowed)])
    return ids.to(network.device)


@torch.no_grad()
def check_finite(network: Any, name: str) -> int:
    """The number of columns of the network's logits. Raises ModelError when weights or a probe's logits are no numbers.

    The weights are looked at themselves: fused attention may swallow a NaN.
    """
    for key, tensor in network.named_parameters():
        if not _is_sound(own_part(tensor)):
            raise ModelError(f"{name}: the weights give NaN: {key} holds values that are not finite; download it again")
    logits = network(input_ids=probe_ids(network, N_PROBE), use_cache=False).logits
    # -inf is allowed: a bias may rule tokens out.
    if bool((logits.isnan() | (logits == torch.inf)).any() | (logits == -torch.inf).all(dim=-1).any()):
        raise ModelError(
            f"{name}: the logits are NaN or infinite in {str(logits.dtype).removeprefix('torch.')} although all "
            "weights are finite: try --dtype float32"
        )
    return int(logits.shape[-1])


def _is_sound(weight: Tensor) -> bool:
    """Whether a weight holds numbers; a bias may hold -inf. A sum tells in nearly all cases.

    On a CPU in parts, since PyTorch makes a float32 copy there of what it sums.
    """
    weight = plain_values(weight)
    if not weight.is_floating_point() or weight.is_meta:
        return True
    step = max(1, _N_NUMBERS * max(1, len(weight)) // max(1, weight.numel())) if weight.ndim else 1
    parts = torch.split(weight, step) if weight.ndim and weight.device.type == "cpu" else [weight]
    if all(bool(part.sum(dtype=torch.float32).isfinite()) for part in parts):
        return True
    bad = weight.isnan() | (weight == torch.inf)
    return not bool((bad if weight.ndim == 1 else bad | weight.isinf()).any())


def decoders(network: Any) -> list[nn.Module]:
    """The parts of the network that may give its final hidden states, likeliest first.

    In a wrapper the text's own decoder: what stands around it looks for images, and may remember where they were.
    """
    inner = [getattr(network, name, None) for name in ("base_model", "model")]
    if hasattr(network, "get_decoder"):
        inner.insert(0 if text_config(network.config) is not network.config else len(inner), network.get_decoder())
    return [m for m in dict.fromkeys(inner) if isinstance(m, nn.Module) and m is not network]


def final_norm(network: Any) -> nn.Module | None:
    """The last norm of the head's width that is a child of the decoder itself; None where something stands behind it,
    or none is there. Gemma 3n and 4 have a narrower one after it, of what each layer embeds.
    """
    weight = getattr(network.get_output_embeddings(), "weight", None)
    width = weight.shape[1] if is_plain(weight) and weight.ndim == 2 else None
    for decoder in reversed(decoders(network)):
        norms = [
            child
            for child in decoder.children()
            if "norm" in type(child).__name__.lower()
            and (width is None or all(value.shape == (width,) for value in child.parameters()))
        ]
        if norms and getattr(decoder, "project_out", None) is None:
            return norms[-1]
    return None


@torch.no_grad()
def find_head(network: Any, vocab_size: int, make: Callable[..., Head] = Head) -> tuple[nn.Module, Head] | str:
    """Decoder and head, proven: on stretched hidden states their logits equal the network's. Or the reason why not.

    Scale and softcap are read from the config under the names that families give them. Some families carry such a value
    and ignore it, so the plain head is tried as well; what the network computes decides.
    make: of a network that is split over processes, what makes a head of this process's rows.
    """
    linear = network.get_output_embeddings()
    weight = getattr(linear, "weight", None)
    n_rows = 0 if weight is None else weight.shape[0]
    weight = own_part(weight)
    if not is_plain(weight) or weight.ndim != 2 or weight.is_meta:
        return "it has no plain linear output layer in memory"
    if n_rows < vocab_size:
        return f"its logits have {vocab_size} columns but its output layer {n_rows} rows"
    bias = own_part(getattr(linear, "bias", None))
    config = text_config(network.config)
    scales = dict.fromkeys((config_scale(network, config), 1.0))
    softcaps = dict.fromkeys((config_softcap(config), None))
    reason = "its decoder's hidden states do not go straight into the output layer"
    for decoder in decoders(network):
        probed = _stretched_probe(network, decoder)
        if probed is None or probed[0].shape[-1] != weight.shape[1]:
            continue
        hidden, logits = (tensor.to(weight.device) for tensor in probed)
        for scale, softcap in itertools.product(scales, softcaps):
            head = make(weight, bias, softcap, scale, vocab_size)
            if agree(head.logits(hidden), logits.float(), TOLERANCE.get(logits.dtype, TOLERANCE[torch.float32])):
                if _runs_alone(network, decoder):
                    return decoder, head
                reason = "its decoder alone gives other hidden states than within the network"
                break
        else:
            reason = "its logits are not a scaled, soft-capped linear map of its hidden states"
    return reason


def _stretched_probe(network: Any, decoder: nn.Module) -> tuple[Tensor, Tensor] | None:
    """Hidden states (n, D) and the network's logits (n, V) for them; None when the network does not use the decoder so.

    A hook stretches the states between decoder and head by up to 64: at their natural size a softcap, or the order of
    scale and softcap, may hide below the tolerance.
    """
    seen: list[Tensor] = []

    def stretch(_module: nn.Module, _args: Any, output: Any) -> Any:
        hidden = output[0]
        factors = torch.tensor(_STRETCH, device=hidden.device, dtype=hidden.dtype)
        output["last_hidden_state"] = hidden * factors.repeat(hidden.shape[1])[: hidden.shape[1], None]
        seen.append(output["last_hidden_state"][0])
        return output

    hook = decoder.register_forward_hook(stretch)
    try:
        logits = network(input_ids=probe_ids(network, N_PROBE), use_cache=False).logits[0]
    except (TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        return None  # its decoder returns something of its own
    finally:
        hook.remove()
    return (seen[0], logits) if len(seen) == 1 and seen[0].shape[0] == logits.shape[0] else None


def _runs_alone(network: Any, decoder: nn.Module) -> bool:
    """Whether the decoder makes of token ids what it makes within the network, which may embed them in its own way."""
    ids = probe_ids(network, N_PROBE)
    seen: list[Tensor] = []
    hook = decoder.register_forward_hook(lambda _module, _args, output: seen.append(output[0]))
    try:
        network(input_ids=ids, use_cache=False)
        decoder(input_ids=ids, use_cache=False)
    except (TypeError, ValueError, AttributeError):  # it takes embeddings only
        return False
    finally:
        hook.remove()
    within, alone = (states[0].float() for states in (seen[0], seen[-1]))
    return agree(alone, within, TOLERANCE.get(seen[0].dtype, TOLERANCE[torch.float32]))


def agree(ours: Tensor, theirs: Tensor, tolerance: float) -> bool:
    """Where theirs are finite: a bias may be -inf, and float16 overflows on the stretched rows of a large model."""
    finite = theirs.isfinite()
    size = theirs.where(finite, 0.0).abs().amax(dim=1, keepdim=True).clamp(min=1e-3)
    return bool(((ours - theirs).where(finite, 0.0).abs() <= tolerance * size).all())


SOFTCAPS = ("final_logit_softcapping", "logits_soft_cap")
"""What configs call the softcap of all logits: Gemma 2 and 3; RecurrentGemma."""


class ConfigNumber(NamedTuple):
    """An entry of the config that acts on all logits. divides: they are divided by it."""

    name: str
    value: float
    divides: bool = False

    def times(self, factor: float) -> float:
        """The value that multiplies its effect by `factor`."""
        return self.value / factor if self.divides else self.value * factor


def scale_entry(network: Any, config: Any) -> ConfigNumber | None:
    """Cohere multiplies by logit_scale, Falcon-H1 by lm_head_multiplier, Granite divides by logits_scaling."""
    for name, divides in (("logit_scale", False), ("lm_head_multiplier", False), ("logits_scaling", True)):
        value = getattr(network, name, None)
        value = getattr(config, name, None) if value is None else value
        if isinstance(value, int | float) and value:
            return ConfigNumber(name, float(value), divides)
    return None


def config_scale(network: Any, config: Any) -> float:
    """What all logits are multiplied by, as the config says."""
    entry = scale_entry(network, config)
    return 1.0 if entry is None else 1.0 / entry.value if entry.divides else entry.value


def softcap_entry(config: Any) -> ConfigNumber | None:
    for name in SOFTCAPS:
        value = getattr(config, name, None)
        if isinstance(value, int | float) and value > 0:
            return ConfigNumber(name, float(value))
    return None


def config_softcap(config: Any) -> float | None:
    entry = softcap_entry(config)
    return None if entry is None else entry.value
