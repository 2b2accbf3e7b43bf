"""Answers after a thought, as data: how much was allowed, and what a model wrote."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.files.shown.card import Card, Shown, count
from calibaudit.files.text import json_value
from calibaudit.scores.schema import ABOVE, is_whole, rows_of_numbers


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
                raise ScoresError(f"{flag} {value}: give a number of at least 1")

    @property
    def words(self) -> str:
        """`up to 64 tokens, greedy`."""
        how = "greedy" if self.samples == 1 else f"{self.samples} samples, seed {self.seed}"
        return f"up to {self.n_tokens:,} tokens, {how}"


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


@dataclass(frozen=True, eq=False, repr=False)
class Thoughts(Shown):
    """What was thought before the answers: of each item `asked.samples` thoughts, or as many for each context.

    n_thoughts: all of them; n_truncated, n_unclosed: those cut off at the limit, or ended by the end of the turn.
    mean_tokens: of one thought. direct: (items, choices) log-probabilities behind an empty thought, nats; -inf pads.
    texts: of each item, where they were to be kept.
    """

    asked: Thinking
    n_thoughts: int
    n_truncated: int
    n_unclosed: int
    mean_tokens: float
    direct: npt.NDArray[np.float64]
    texts: tuple[tuple[str, ...], ...] | None = None

    def __post_init__(self) -> None:
        self.direct.setflags(write=False)

    def _card(self) -> Card:
        facts = (count(self.n_thoughts, "thought"), self.asked.words, f"{self.mean_tokens:.1f} tokens on average")
        ended = (f"{self.n_truncated:,} cut off", f"{self.n_unclosed:,} never closed")
        return Card("Thoughts", "", (*facts, *ended))

    def in_order(self, order: npt.NDArray[np.int64]) -> Thoughts:
        """The same items in another order."""
        texts = None if self.texts is None else tuple(self.texts[i] for i in order.tolist())
        return dataclasses.replace(self, direct=self.direct[order], texts=texts)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON; ragged rows lose their padding."""
        return {
            **dataclasses.asdict(self.asked),
            "n_thoughts": self.n_thoughts,
            "n_truncated": self.n_truncated,
            "n_unclosed": self.n_unclosed,
            "mean_tokens": self.mean_tokens,
            "direct": [[value for value in row if value > -np.inf] for row in self.direct.tolist()],
            "texts": None if self.texts is None else [list(texts) for texts in self.texts],
        }


def thoughts_from_dict(data: Any) -> Thoughts | None:
    """The inverse of `to_dict`; None for scores without thinking. Raises KeyError, TypeError or ValueError."""
    if data is None:
        return None
    if not isinstance(data, dict):
        raise TypeError(f"thinking: expected an object, found {json_value(data)}")
    for name in ("n_tokens", "samples", "seed", "n_thoughts", "n_truncated", "n_unclosed"):
        if not is_whole(data[name]):
            raise TypeError(f"thinking: {name}: expected a whole number from 0, found {json_value(data[name])}")
    mean = data["mean_tokens"]
    if type(mean) not in (int, float) or not 0 <= mean < float("inf"):
        raise TypeError(f"thinking: mean_tokens: expected a number from 0, found {json_value(mean)}")
    direct = rows_of_numbers(data["direct"], -np.inf)
    if np.isnan(direct).any() or (direct > ABOVE).any():
        raise ValueError("thinking: direct holds a number that is not a log-probability")
    texts = data["texts"]
    if texts is not None and not (
        isinstance(texts, list)
        and set(map(type, texts)) <= {list}
        and all(isinstance(text, str) for entry in texts for text in entry)
    ):
        raise TypeError(f"thinking: texts: expected a list of lists of strings, found {json_value(texts)}")
    return Thoughts(
        Thinking(data["n_tokens"], data["samples"], data["seed"]),
        data["n_thoughts"],
        data["n_truncated"],
        data["n_unclosed"],
        mean,
        direct.astype(np.float64, copy=False),
        None if texts is None else tuple(map(tuple, texts)),
    )
