"""Answers after a thought, as data: how much was allowed, and what a model wrote."""

from __future__ import annotations

from dataclasses import dataclass

from calibaudit.errors import ScoresError


@dataclass(frozen=True)
class Thinking:
    """n_tokens: how many tokens a thought may have. samples: thoughts of each prompt; 1 is the greedy one, more are
    sampled. seed: of the samples.

    Raises ScoresError for a number that cannot be one.
    """

    n_tokens: int
    samples: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for flag, value in (("--think", self.n_tokens), ("--think-samples", self.samples)):
            if value < 1:
                raise ScoresError(f"{flag} {value}: give a number from 1 on")


@dataclass(frozen=True)
class Thought:
    """What a model wrote before the mark that closes its thought, without that mark.

    n_tokens: tokens written, those of the closing mark or of the end of the turn included.
    truncated: its tokens were used up before it closed. unclosed: the model ended its turn before it closed.
    """

    text: str
    n_tokens: int
    truncated: bool = False
    unclosed: bool = False
