"""A factor on all of a network's logits (1 / temperature), written into its weights and config, and proven there.

Logits are softcap(scale * (W h + bias)) with h = gain * u + shift from the final norm. Multiplying all of them by f is
exact, but for rounding, in each of these places; the first that a probe of the network bears out is taken:

- config: the entry that already scales the family's logits (Cohere's `logit_scale`, Granite's `logits_scaling`);
- norm: the final norm's gain and shift, and the head's bias. Some families store the gain minus one;
- head: weight and bias of a head that is not the embedding too.

A softcap c becomes f c in each: f c tanh(f z / (f c)) = f (c tanh(z / c)).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from calibaudit.errors import ModelError
from calibaudit.models.formats.families import text_config
from calibaudit.models.formats.quantization import is_plain
from calibaudit.models.head import (
    N_PROBE,
    TOLERANCE,
    ConfigNumber,
    agree,
    final_norm,
    probe_ids,
    scale_entry,
    softcap_entry,
)

Place = Literal["config", "norm", "head"]

_PROBED = (16.0, 0.25)
"""Factors of the proof: powers of two, which floating point multiplies by without rounding."""


@dataclass(frozen=True)
class ScalePlan:
    """Where a factor on all logits goes in one network.

    tensors: the network's name of each parameter that changes -> what is added to it before it is multiplied, and taken
    away after: 1 where a gain is stored minus one, else 0. entries: of the (text) config, as they are now.
    """

    place: Place
    tensors: Mapping[str, float]
    entries: tuple[ConfigNumber, ...]

    @property
    def described(self) -> str:
        """What changes, in words: `the final norm (model.norm.weight)`."""
        names = ", ".join([*self.tensors, *(f"{entry.name} of the config" for entry in self.entries)])
        return names if self.place == "config" else f"the {'final norm' if self.place == 'norm' else 'head'} ({names})"

    def changed(self, name: str, value: Tensor, factor: float, stored: torch.dtype | None = None) -> Tensor:
        """What takes the place of the parameter's value, in its dtype; computed in float32 or wider.

        stored: the dtype of the file that it is rounded to on the way; None: its own.
        """
        offset = self.tensors[name]
        wide = value if value.dtype == torch.float64 else value.float()
        return ((wide + offset) * factor - offset).to(stored or value.dtype).to(value.dtype)

    def config(self, factor: float) -> dict[str, float]:
        """The config entries that change, with their new values."""
        return {entry.name: entry.times(factor) for entry in self.entries}

    @torch.no_grad()
    def apply(self, network: Any, factor: float) -> dict[str, float]:
        """Multiply all logits of a loaded network by `factor`, in place. Returns the config entries that changed.

        A `Head` taken from the network before is no longer right where an entry changed. Raises ModelError for a factor
        that is not a positive finite number.
        """
        check_factor(factor)
        parameters = dict(network.named_parameters(remove_duplicate=False))
        for name in self.tensors:
            parameters[name].copy_(self.changed(name, parameters[name], factor))
        entries = self.config(factor)
        _set_entries(network, entries)
        return entries


def check_factor(factor: float) -> None:
    """Raises ModelError unless it is a positive finite number."""
    if not (math.isfinite(factor) and factor > 0):
        raise ModelError(f"logits cannot be multiplied by {factor:g}: expected a positive finite number")


@torch.no_grad()
def scale_plan(network: Any) -> ScalePlan | str:
    """Where a factor on all logits goes, proven: a probe's logits become that many times what they were, for a large
    and a small factor. Or the reason why it goes nowhere. The network is left as it was, to the bit.
    """
    ids = probe_ids(network, N_PROBE)
    before = network(input_ids=ids, use_cache=False).logits[0].float()
    reasons = []
    for plan in _candidates(network):
        if isinstance(plan, str):
            reasons.append(plan)
        elif all(_is_proven(network, plan, ids, before, factor) for factor in _PROBED):
            return plan
        elif plan.place != "config":
            reasons.append(f"its logits do not follow its {'final norm' if plan.place == 'norm' else 'head'}")
    return " and ".join(dict.fromkeys(reasons))


def _candidates(network: Any) -> Iterator[ScalePlan | str]:
    """The plans to try, in order, and the reasons why others need no try."""
    config = text_config(network.config)
    softcap = softcap_entry(config)
    entries = () if softcap is None else (softcap,)
    scale = scale_entry(network, config)
    if scale is not None:
        yield ScalePlan("config", {}, (scale, *entries))
    named = dict(network.named_parameters(remove_duplicate=False))
    uses = Counter(map(id, named.values()))
    names = {id(value): name for name, value in named.items()}
    head, norm = network.get_output_embeddings(), final_norm(network)
    bias = getattr(head, "bias", None)
    beside = [] if bias is None else [bias]
    yield from _norm_plans(norm, beside, names, uses, entries)
    weight = getattr(head, "weight", None)
    if weight is None or id(weight) not in names or not _is_writable(weight, *beside):
        yield "it has no head that is a plain matrix in memory"
    elif uses[id(weight)] > 1 or _is_shared(weight, network.get_input_embeddings()):
        yield "its head is its embedding too"
    else:
        yield ScalePlan("head", {names[id(value)]: 0.0 for value in (weight, *beside)}, entries)


def _norm_plans(
    norm: nn.Module | None,
    beside: list[Tensor],
    names: Mapping[int, str],
    uses: Mapping[int, int],
    entries: tuple[ConfigNumber, ...],
) -> Iterator[ScalePlan | str]:
    """With the gain as it is stored, then with the gain stored minus one. beside: the head's bias."""
    own = {} if norm is None else dict(norm.named_parameters())
    if not own:
        yield "no norm with weights stands right before its head"
    elif not _is_writable(*own.values(), *beside) or any(uses[id(value)] > 1 for value in own.values()):
        yield "the weights of its final norm are not plain numbers of its own in memory"
    else:
        for offset in (0.0, 1.0):
            tensors = {
                names[id(value)]: 0.0 if name.endswith(("bias", "beta", "shift")) else offset
                for name, value in own.items()
            }
            yield ScalePlan("norm", tensors | {names[id(value)]: 0.0 for value in beside}, entries)


def _is_writable(*values: Tensor) -> bool:
    return all(is_plain(value) and not value.is_meta for value in values)


def _is_shared(weight: Tensor, embedding: Any) -> bool:
    """Whether two parameters are one piece of memory."""
    other = getattr(embedding, "weight", None)
    return other is not None and other.data_ptr() == weight.data_ptr()


def _is_proven(network: Any, plan: ScalePlan, ids: Tensor, before: Tensor, factor: float) -> bool:
    with _applied(network, plan, factor):
        logits = network(input_ids=ids, use_cache=False).logits[0]
    tolerance = TOLERANCE.get(logits.dtype, TOLERANCE[torch.float32])
    return agree(logits.float() / factor, before, tolerance)


@contextmanager
def _applied(network: Any, plan: ScalePlan, factor: float) -> Iterator[None]:
    """Within it the plan is applied; behind it every number is what it was."""
    parameters = dict(network.named_parameters(remove_duplicate=False))
    kept = {name: parameters[name].detach().to("cpu", copy=True) for name in plan.tensors}
    try:
        plan.apply(network, factor)
        yield
    finally:
        for name, value in kept.items():
            parameters[name].copy_(value)
        _set_entries(network, {entry.name: entry.value for entry in plan.entries})


def _set_entries(network: Any, entries: Mapping[str, float]) -> None:
    """In the config, and in the modules that took the number from there when they were made."""
    config = text_config(network.config)
    for name, value in entries.items():
        setattr(config, name, value)
        for module in network.modules():
            if isinstance(vars(module).get(name), int | float):
                setattr(module, name, value)
