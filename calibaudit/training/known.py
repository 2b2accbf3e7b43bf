"""Which tuning rows a model knows before it is tuned: those that tuning makes overconfident.

CogCalib (Wang et al., ACL 2025, arXiv 2505.20903) found that tuning on what a model knows already makes it
overconfident while new facts do not, and smooths the known rows only. It tells them by the loss of their answers, under
a model that was adapted to the answers' style. Here nothing is tuned and no threshold set: a row is known where every
token of its answer is the model's first choice, given those before it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from typing import Any

import torch

from calibaudit.errors import TrainingError
from calibaudit.kernels import IGNORE_INDEX
from calibaudit.models.distributed import gathered, own_share, world_size
from calibaudit.models.head import N_PROBE, find_head, probe_ids
from calibaudit.training.data.encode import Example
from calibaudit.training.fit import token_batches


def marks_of(tokenizer: Any) -> frozenset[int]:
    """The ids that no answer consists of: special and added tokens, such as a template's end of turn."""
    return frozenset([*tokenizer.added_tokens_decoder, *tokenizer.all_special_ids])


@torch.no_grad()
def known_rows(network: Any, examples: Sequence[Example], marks: Collection[int] = ()) -> tuple[bool, ...]:
    """Of each example, whether the network's first choice is right at every token that is learned, but for `marks`.

    network: a transformers causal LM in eval mode, on its device; a GPU that has bfloat16 computes in it, as in
    training. marks: ids that do not count, since a model that was never tuned cannot know a template's end of turn. A
    row with nothing else to learn is not known. Of equal logits the lowest id is the first choice.
    Under torchrun each process looks at its share, and all return the same.
    Raises TrainingError where the network has no place for a token, or its head stands not apart.
    """
    name = type(network).__name__
    highest = max((max(example.input_ids) for example in examples), default=0)
    if highest >= (n_ids := network.get_input_embeddings().weight.shape[0]):
        raise TrainingError(f"known rows: an example has token {highest}, {name} only {n_ids}; smooth all rows")
    n_vocab = network(input_ids=probe_ids(network, N_PROBE), use_cache=False).logits.shape[-1]
    found = find_head(network, int(n_vocab))
    if isinstance(found, str):
        raise TrainingError(f"known rows: {name}: {found}; smooth all rows")
    body, head = found
    device = network.device
    uncounted = torch.tensor(sorted(marks), dtype=torch.long)
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    own = own_share(examples)
    known = [False] * len(own)
    for rows, ids, targets in token_batches(own):
        counts = (targets != IGNORE_INDEX) & ~torch.isin(targets, uncounted)
        if not bool(counts.any()):
            continue
        with torch.autocast("cuda", dtype=torch.bfloat16) if bf16 else nullcontext():
            hidden = body(input_ids=ids.to(device), use_cache=False)[0]
        wanted = targets[counts].to(device)
        states = hidden[counts.to(hidden.device)].to(head.weight.dtype)
        choices = head.logprobs(states, wanted).top_token.cpu()
        right = torch.ones_like(counts)
        right[counts] = choices == targets[counts]
        for row, is_known in zip(rows, (right.all(dim=1) & counts.any(dim=1)).tolist(), strict=True):
            known[row] = is_known
    return _in_order(gathered(known), len(examples))


def _in_order(dealt: Sequence[bool], n: int) -> tuple[bool, ...]:
    """All processes' shares, one behind the other, as the examples stand."""
    places = [place for first in range(world_size()) for place in range(first, n, world_size())]
    found = dict(zip(places, dealt, strict=True))
    return tuple(found[place] for place in range(n))
