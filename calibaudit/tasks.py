from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from calibaudit.scores import Scoring


@dataclass(frozen=True)
class Item:
    """One question.

    context: the prompt, few-shot examples included; without `system`. May be empty.
    choices: what is scored as a continuation, without `delimiter`.
    answer: index into choices.
    group: passage or subject shared with other items, or None.
    system: the task's description; stands before the context, or is the system turn of a chat.
    delimiter: stands between context and choice, except after a chat template.
    leads: for tasks whose choices differ *before* the scored text (winogrande): lead[k] is appended to the
        context of choice k. Empty, or one a choice.
    """

    id: str
    context: str
    choices: tuple[str, ...]
    answer: int
    group: str | None = None
    system: str = ""
    delimiter: str = " "
    leads: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """sha256 (hex) of what the model sees of this item: not its id, answer or group."""
        ...


@dataclass(frozen=True)
class Task:
    """Items with one prompt format. fingerprint: sha256 (hex) of ids, keys and answers, and of the scoring family."""

    name: str
    version: str
    scoring: Scoring
    items: tuple[Item, ...]
    n_fewshot: int = 0

    @cached_property
    def fingerprint(self) -> str: ...

    def limited(self, n_items: int | None) -> Task: ...
