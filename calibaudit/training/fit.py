"""How well a model knows what supervised tuning taught: its fit to the tuning data's own targets."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from calibaudit.kernels import IGNORE_INDEX
from calibaudit.models.model import Model
from calibaudit.training.data.encode import Example
from calibaudit.training.results.fit import Fit

stages = logging.getLogger("calibaudit.stages")

N_EXAMPLES = 512
_TOKENS_PER_BATCH = 4_096


@torch.no_grad()
def fit_of(model: Model, examples: Sequence[Example], n_examples: int = N_EXAMPLES) -> Fit:
    """The model's fit to the examples, or to n_examples of them at even distances."""
    step = max(1, -(-len(examples) // n_examples))
    nll, hits, n_tokens = 0.0, 0, 0
    chosen, n_done = examples[::step], 0
    for rows, ids, targets in token_batches(chosen):
        n_done += len(rows)
        more = {"done": n_done, "total": len(chosen)}
        stages.info("reading %s tuning rows with %s", f"{len(chosen):,}", model.info.name, extra=more)
        features, _ = model.forward(ids.to(model.device))
        counts = targets.reshape(-1) != IGNORE_INDEX
        wanted = targets.reshape(-1)[counts]
        found = model.target_logprobs(features.flatten(0, 1)[counts.to(features.device)], wanted.to(features.device))
        nll -= found.logprob.double().sum().item()
        hits += int((found.top_token.cpu() == wanted).sum())
        n_tokens += len(wanted)
    return Fit(nll / n_tokens, hits / n_tokens, n_tokens)


def token_batches(examples: Sequence[Example]) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """(which examples, their ids, the token that each position should predict), the longest first, padded on the right.

    Both are (rows, width) int64; IGNORE_INDEX where nothing is learned. A batch has about 4,096 tokens.
    """
    order = sorted(range(len(examples)), key=lambda row: -len(examples[row].input_ids))
    start = 0
    while start < len(order):
        width = len(examples[order[start]].input_ids)
        rows = order[start : start + max(1, _TOKENS_PER_BATCH // width)]
        start += len(rows)
        ids, targets = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), IGNORE_INDEX)
        for place, row in enumerate(rows):
            n = len(examples[row].input_ids)
            ids[place, :n] = torch.tensor(examples[row].input_ids)
            targets[place, : n - 1] = torch.tensor(examples[row].labels[1:])
        yield rows, ids, targets
