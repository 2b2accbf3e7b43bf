"""Scores: what one model gave to the choices of one task, and the file they are kept in."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError

Scoring = Literal["letter", "cloze", "cloze_token", "cloze_byte", "cloze_char", "pmi"]
SCORINGS: tuple[Scoring, ...] = get_args(Scoring)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ModelInfo:
    """Which checkpoint gave the scores, and how it was run. `revision`: hub commit, or sha256 of a folder's files."""

    name: str
    revision: str
    dtype: str
    device: str
    family: str
    n_parameters: int
    vocab_size: int
    head: str
    """`separated` (hidden states and head apart, no N x V logits) or `own logits` (fallback)."""

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, eq=False)
class Scores:
    """One model on one task.

    logprobs: (items, choices) sum of token log-probabilities in nats; -inf pads ragged rows.
    answer: (items,) index of the right choice.
    n_tokens, n_bytes, n_chars: (items, choices) lengths of each choice, 0 in the padding.
    option_mass: (items,) full-vocabulary probability on the options, in [0, 1]; None unless scoring is `letter`.
    unconditional: (items, choices) log-probability of each choice without its context; None unless scoring is `pmi`.
    groups: a name per item (passage, subject) where items are not independent, else None.
    n_truncated: items whose context lost tokens on the left; n_healed: choices that shared a token with the context.
    Arrays are locked. Raises ScoresError when the shapes or values do not fit together.
    """

    task: str
    version: str
    scoring: Scoring
    fingerprint: str
    model: ModelInfo
    chat_template: bool
    item_ids: tuple[str, ...]
    groups: tuple[str, ...] | None
    logprobs: FloatArray
    answer: IntArray
    n_tokens: IntArray
    n_bytes: IntArray
    n_chars: IntArray
    option_mass: FloatArray | None = None
    unconditional: FloatArray | None = None
    n_truncated: int = 0
    n_healed: int = 0
