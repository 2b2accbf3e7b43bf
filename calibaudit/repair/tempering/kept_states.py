"""Hidden states at the scored positions, computed once, and the log-probabilities that they give at any temperature."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from calibaudit.models.devices import own_part
from calibaudit.models.model import Model
from calibaudit.repair.tempering.tempered import Placement
from calibaudit.scoring.encode import Tokens
from calibaudit.scoring.sums import NO_TARGET, Late, Span, pad, scored_columns

Scorer = Callable[[Tensor, Tensor], Tensor]
"""features (n, width) of a model, targets (n, K), -100 pads -> (n, K) log-probabilities, nats."""

_ROWS = 4096


class _Block(NamedTuple):
    """states: (n, width). targets: (n, K), -100 pads. start: the place of the first target; the others follow."""

    states: Tensor
    targets: Tensor
    start: int


class KeptStates:
    """Reads nothing yet: keeps the features of each scored token, and gives the tokens' places among them.

    A `Reader` whose value is the places of a continuation's tokens in what `logprobs` returns. Memory: the network's
    hidden size a position that is read, in its dtype, on the CPU.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, list[_Block]] = {}
        self._n = 0

    @property
    def n_bytes(self) -> int:
        return sum(block.states.nbytes for blocks in self._blocks.values() for block in blocks)

    def each(self, features: Tensor, targets: Sequence[Sequence[int]]) -> Late[list[list[Tokens]]]:
        width = max(map(len, targets))
        start = self._keep(features, pad(targets, width, NO_TARGET, features.device))
        places: list[list[Tokens]] = [
            [(start + r * width + c,) for c in range(len(row))] for r, row in enumerate(targets)
        ]
        return lambda: places

    def sums(self, features: Tensor, spans: Sequence[Span]) -> Late[list[Tokens]]:
        if not spans:
            return list
        _, chosen, targets = scored_columns(features, spans)
        start = self._keep(chosen, targets[:, None])
        ends = np.cumsum([start, *(len(span.tokens) for span in spans)]).tolist()
        places = [tuple(range(a, b)) for a, b in pairwise(ends)]
        return lambda: places

    def logprobs(self, scorer: Scorer) -> npt.NDArray[np.float64]:
        """(places,) of every token that was read."""
        values = np.zeros(self._n)
        for blocks in self._blocks.values():
            for group in _grouped(blocks):
                states, targets = (torch.cat(tensors) for tensors in ([b[0] for b in group], [b[1] for b in group]))
                with torch.no_grad():
                    found = scorer(states, targets).double().cpu().reshape(-1).numpy()
                done = 0
                for block in group:
                    n = block.targets.numel()
                    values[block.start : block.start + n] = found[done : done + n]
                    done += n
        return values

    def _keep(self, features: Tensor, targets: Tensor) -> int:
        """The place of the first target; the others follow, row after row."""
        first, width = self._n, targets.shape[1]
        for states, wanted in zip(torch.split(features.cpu(), _ROWS), torch.split(targets.cpu(), _ROWS), strict=True):
            self._blocks.setdefault(width, []).append(_Block(states, wanted, self._n))
            self._n += wanted.numel()
        return first


def _grouped(blocks: Sequence[_Block]) -> Iterator[list[_Block]]:
    """As many at a time as have about _ROWS rows: many small ones would cost a call each."""
    group: list[_Block] = []
    n = 0
    for block in blocks:
        if group and n + len(block.states) > _ROWS:
            yield group
            group, n = [], 0
        group.append(block)
        n += len(block.states)
    if group:
        yield group


def scorer_at(model: Model, placement: Placement, temperature: float) -> Scorer:
    """What the checkpoint with this temperature in it gives for the features of the model as it is.

    The changed numbers are rounded as they are stored; at 1 nothing changes.
    """
    head, plan, factor = model.head, placement.plan, 1 / temperature
    if head is None:  # the features are the logits
        return lambda features, targets: model.target_logprobs(features.float() * factor, targets).logprob
    if temperature == 1:
        return lambda features, targets: model.target_logprobs(features, targets).logprob
    parameters = {name: own_part(value) for name, value in model.network.named_parameters(remove_duplicate=False)}
    weight, bias, ratio, shifts = head.weight, head.bias, None, None
    for name, offset in plan.tensors.items():
        old = parameters[name]
        new = plan.changed(name, old, factor, placement.dtypes.get(name))
        if old is head.weight:
            weight = new
        elif old is head.bias:
            bias = new
        elif name.endswith(("bias", "beta", "shift")):
            shifts = old.float(), new.float()
        else:
            gain = old.float() + offset
            ratio = torch.where(gain == 0, 0.0, (new.float() + offset) / gain)
    changed = dataclasses.replace(
        head,
        weight=weight,
        bias=bias,
        softcap=None if head.softcap is None else head.softcap * factor,
        logit_scale=head.logit_scale * (factor if plan.place == "config" else 1.0),
    )

    def scorer(features: Tensor, targets: Tensor) -> Tensor:
        states = features
        if ratio is not None:
            wide = features.to(ratio.device).float()
            wide = wide * ratio if shifts is None else (wide - shifts[0]) * ratio + shifts[1]
            states = wide.to(features.dtype)
        return changed.logprobs(states, targets).logprob

    return scorer
