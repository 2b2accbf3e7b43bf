"""Whether a network keeps rows apart that share a line, shown on rows of the run itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from calibaudit.models.head import decoders, probe_ids
from calibaudit.models.sharing import TOLERANCE
from calibaudit.training.data.encode import Example
from calibaudit.training.loss.forward import in_eval_mode
from calibaudit.training.packed.lines import ON_CPU, PackedBatches
from calibaudit.training.schedule import Plan

logger = logging.getLogger(__name__)

_APART = 0.1
"""Of the tolerance: what another row beside it may change in a row's states. Masked columns add exact zeros."""


def why_not_packed(network: Any, rows: Sequence[Sequence[int]]) -> str | None:
    """None when the states of rows in one line are those of each row alone, and stay when a row beside them is another
    one; else the reason, for the user.

    rows: token ids, in the order in which they would stand in a line. network: a transformers causal LM. The positions
    that begin anew are all that it is told, as in training: no mask is given, so that attention made for packed rows
    can serve.
    """
    body, device = (*decoders(network), network)[0], network.device
    tolerance = TOLERANCE.get(network.dtype, TOLERANCE[torch.float32])
    positions = torch.tensor([[place for row in rows for place in range(len(row))]], device=device)
    line = torch.tensor([[token for row in rows for token in row]], device=device)
    other = line.clone()
    other[:, : len(rows[0])] = probe_ids(network, len(rows[0]), seed=7)

    def states(ids: Tensor, **options: Any) -> Tensor:
        found: Tensor = body(input_ids=ids, use_cache=False, **options)[0][0]
        return found.float()

    with in_eval_mode(network):
        try:
            together, beside_another = (states(ids, position_ids=positions) for ids in (line, other))
        except (TypeError, ValueError, RuntimeError, IndexError, NotImplementedError):
            return "it takes no positions that restart within a line"
        alone = torch.cat([states(torch.tensor([row], device=device)) for row in rows])
    rest = slice(len(rows[0]), None)
    if (far := _difference(together[rest], beside_another[rest])) > _APART * tolerance:
        return f"a row's states change with the row before it in its line, by {far:.1g} of their size"
    if (far := _difference(together, alone)) > tolerance:
        return f"the states of rows in one line differ from those of each alone by {far:.1g} of their size"
    return None


def in_lines(
    networks: Sequence[Any],
    examples: Sequence[Example],
    plan: Plan,
    pad_id: int,
    batch_size: int,
    n_processes: int,
    smoothed: Sequence[bool] | None,
) -> PackedBatches | None:
    """The plan's rows in lines; None for a single row, or where one of the networks mixes them: that is told.

    networks: that run on the batches; None among them for one that there is not.
    """
    there = [network for network in networks if network is not None]
    batches = PackedBatches(
        examples,
        plan,
        pad_id,
        batch_size=batch_size,
        n_processes=n_processes,
        smoothed=smoothed,
        most_tokens=ON_CPU if there[0].device.type == "cpu" else None,
        hidden=int(getattr(there[0].config.get_text_config(), "hidden_size", 2_048)),
    )
    line = batches.shared_line()
    if len(line) < 2:
        return None
    for network in there:
        if (reason := why_not_packed(network, line)) is not None:
            logger.warning("packing: %s: %s; rows are not packed", type(network).__name__, reason)
            return None
    return batches


def _difference(a: Tensor, b: Tensor) -> float:
    """Largest relative Euclidean distance over positions; infinite where either is not a number."""
    distance = float(((a - b).norm(dim=-1) / a.norm(dim=-1).clamp(min=1e-6)).max())
    return distance if distance == distance else float("inf")
