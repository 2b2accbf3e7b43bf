"""Whether a repair leaves answers what they were, counted: the first token on real prompts, the choices of items."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from calibaudit.errors import ModelError
from calibaudit.models.model import Model
from calibaudit.scores.align import paired
from calibaudit.scores.scores import Scores
from calibaudit.scoring.batches import batch_size_for, read_rows
from calibaudit.scoring.encode import Encoder, Row, Tokens
from calibaudit.scoring.evaluate import RunOptions
from calibaudit.scoring.prompts import prompts_for, prompts_of
from calibaudit.scoring.sums import NO_TARGET, Late, Span, fetched, integers, pad
from calibaudit.tasks.items import Task


@dataclass(frozen=True)
class SameChoices:
    """How often a choice stayed the same: what was chosen, on how many of what."""

    n: int
    n_same: int
    what: str = "the likeliest next token"
    among: str = "prompts"

    @property
    def described(self) -> str:
        among = f"all {self.n:,}" if self.n_same == self.n else f"{self.n_same:,} of {self.n:,}"
        return f"{self.what} stayed the same on {among} {self.among}"


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


def same_first_choices(
    before: Model, after: Model, contexts: Sequence[Tokens], batch_size: int | None = None
) -> SameChoices:
    """How often both models' likeliest next token is the same. Raises ModelError without a context."""
    if not contexts:
        raise ModelError(f"{after.info.name}: there is no prompt to compare answers on")
    return counted_same(*(greedy_tokens(model, contexts, batch_size) for model in (before, after)))


def counted_same(before: Sequence[int], after: Sequence[int]) -> SameChoices:
    """Of two models' `greedy_tokens` on the same contexts."""
    return SameChoices(len(before), sum(a == b for a, b in zip(before, after, strict=True)))


def same_answers(before: Sequence[Scores], after: Sequence[Scores]) -> SameChoices:
    """On how many items the first choice is the same.

    A temperature changes none of one token, but for near ties; a longer choice's score sums log-probabilities that it
    changes each in its own way, so there some do change. Raises ScoresError where the sides hold other items.
    """
    pairs = paired(before, after)
    n_same = sum(int((old.choice_scores().argmax(1) == new.choice_scores().argmax(1)).sum()) for old, new in pairs)
    return SameChoices(sum(old.n_items for old, _ in pairs), n_same, "the first choice", "items")
