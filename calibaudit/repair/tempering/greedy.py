"""Whether a repair leaves answers what they were, counted: the likeliest first token on real prompts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from torch import Tensor

from calibaudit.models.model import Model
from calibaudit.repair.verdict import FirstChoices
from calibaudit.scoring.batches import batch_size_for, read_rows
from calibaudit.scoring.encode import Encoder, Row, Tokens
from calibaudit.scoring.evaluate import RunOptions
from calibaudit.scoring.prompts import prompts_for, prompts_of
from calibaudit.scoring.sums import NO_TARGET, Late, Span, fetched, integers, pad
from calibaudit.tasks.items import Task


class _TopTokens:
    """A `Reader` of the likeliest token, whatever the targets."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def each(self, features: Tensor, targets: Sequence[Sequence[int]]) -> Late[list[list[int]]]:
        padded = pad(targets, max(map(len, targets)), NO_TARGET, features.device)
        top = fetched(self._model.target_logprobs(features, padded).top_token)
        return lambda: [[token] * len(row) for token, row in zip(top(), targets, strict=True)]

    def sums(self, features: Tensor, spans: Sequence[Span]) -> Late[list[int]]:
        if not spans:
            return list
        rows, columns = integers([[s.row for s in spans], [s.columns[-1] for s in spans]], features.device)
        found = self.each(features[rows, columns], [span.tokens[-1:] for span in spans])
        return lambda: [tokens[0] for tokens in found()]


def contexts_of(model: Model, tasks: Sequence[Task], options: RunOptions | None = None) -> list[Tokens]:
    """What stands before the choices of every item, as tokens, each once: the prompts that `score` uses.

    Of the template `both`, those inside it.
    """
    chat = (options or RunOptions()).chat
    writer = prompts_for(
        model.tokenizer, dataclasses.replace(chat, template="auto") if chat.template == "both" else chat
    )
    encoder = Encoder(model.tokenizer, model.prefix_token_id, model.max_length, model.n_embeddings)
    encoded = encoder.encode([prompt for task in tasks for prompt in prompts_of(task, writer)[0]])
    return list(dict.fromkeys(row.context for prompt in encoded for row in prompt.rows))


def greedy_tokens(model: Model, contexts: Sequence[Tokens], batch_size: int | None = None) -> tuple[int, ...]:
    """The likeliest next token behind each context; of equal ones the lowest id. Raises ModelError."""
    rows = [Row(context, ((0,),), (0,)) for context in contexts]
    found: dict[int, int] = {}
    size, names = batch_size_for(model, batch_size), [f"prompt {i + 1}" for i in range(len(rows))]
    for indices, values in read_rows(model, rows, size, names, _TopTokens(model)):
        found.update(zip(indices, (value for (value,) in values), strict=True))
    return tuple(found[i] for i in range(len(rows)))


def counted_same(before: Sequence[int], after: Sequence[int]) -> FirstChoices:
    """Of two models' `greedy_tokens` on the same contexts."""
    return FirstChoices(len(before), sum(a == b for a, b in zip(before, after, strict=True)))
