"""Scores: what one model gave to the choices of one task, and the file they are kept in."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.scores.prompt_format import PromptFormat, prompt_format_from_dict
from calibaudit.scores.thinking import Thoughts, thoughts_from_dict
from calibaudit.tasks.items import SCORINGS, Scoring

SCHEMA_VERSION = 2
"""Of results and of saved scores. 2: a result's `ece` is without the noise's share and `ece_plugin` what papers print;
in 1 `ece` was that. Scores are the same in both."""
READABLE_VERSIONS = (1, 2)

_LEAST = -1e6
"""Below it a number is no log-probability but a mask (float32's least, -3.4e38, is a usual one)."""

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ModelInfo:
    """Which checkpoint gave the scores, and how it was run.

    revision: the hub's commit, or `sha256:` and the start of a hash over a folder's files.
    head: `separated` (hidden states and head apart, no items x vocabulary logits) or `own logits` (the fallback).
    quantization: how the weights are stored and by what, such as `int8 (torchao)`; "" where they are not quantized.
    adapter: the adapter's name and revision where `name` is its base, "" without one.
    engine: what ran the network, such as `server http://host/v1`; "" where calibaudit did.
    """

    name: str
    revision: str
    dtype: str
    device: str
    family: str
    n_parameters: int
    vocab_size: int
    head: str
    quantization: str = ""
    adapter: str = ""
    engine: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in dataclasses.asdict(self).items() if value or name not in _OPTIONAL}


_OPTIONAL = ("quantization", "adapter", "engine")
"""Entries that a model's dictionary has only where there is something to say, as files before them."""


@dataclass(frozen=True, eq=False)
class Scores:
    """One model on one task.

    logprobs: (items, choices) sum of token log-probabilities in nats; -inf pads ragged rows.
    answer: (items,) index of the right choice.
    n_tokens, n_bytes, n_chars: (items, choices) lengths of each choice, 0 in the padding. Bytes and characters are
        those of the choice alone; tokens are those scored, the delimiter's included.
    option_mass: (items,) full-vocabulary probability on the options, in [0, 1]; None unless scoring is `letter`.
    unconditional: (items, choices) log-probability of each choice without its context; None unless scoring is `pmi`.
    groups: a name per item (passage, subject) where items are not independent, else None.
    n_truncated: items whose context lost tokens on the left. n_healed: items with a choice that shares its first token
        with the context, so that its choices are not scored from one place. n_moved: those of them whose first choice
        is another when they are. n_bounded: items with a choice whose log-probability the engine did not give, only a
        number that it does not exceed, which stands in its place.
    documents: of each item a hash of what is asked before any prompt (`Item.document`); None in scores of files that
        were written before there were any.
    prompt: how the prompts were written, as far as it is known. thinking: what was thought before the answers; None
        where they were given directly.
    levels: of each item how hard the task file says it is; None where it says nothing, of an item or of all.
    Arrays are locked. Raises ScoresError when shapes or values do not fit together.
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
    documents: tuple[str, ...] | None = None
    n_moved: int = 0
    prompt: PromptFormat | None = None
    thinking: Thoughts | None = None
    levels: tuple[int | None, ...] | None = None
    n_bounded: int = 0

    def __post_init__(self) -> None:
        _check(self)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @property
    def label(self) -> str:
        """The task's name, with `(chat)` where a chat template stood around the prompt."""
        return f"{self.task} (chat)" if self.chat_template else self.task

    @property
    def chance(self) -> float:
        """The accuracy of guessing, in (0, 1): the mean over the items of one in so many choices."""
        return float((1 / (self.n_tokens > 0).sum(axis=1)).mean())

    def choice_scores(self) -> FloatArray:
        """The score of each choice under `scoring`, (items, choices), nats; -inf pads. Their softmax is the confidence.

        letter, cloze: the log-probability. cloze_token, cloze_byte, cloze_char: divided by the choice's length.
        pmi: minus the unconditional log-probability (Holtzman et al. 2021, arXiv 2104.08315).
        """
        if self.scoring == "pmi":
            assert self.unconditional is not None
            real = np.isfinite(self.logprobs)
            return np.where(real, self.logprobs - np.where(real, self.unconditional, 0.0), -np.inf)
        lengths = {"cloze_token": self.n_tokens, "cloze_byte": self.n_bytes, "cloze_char": self.n_chars}.get(
            self.scoring
        )
        if lengths is None:
            return self.logprobs
        per_unit: FloatArray = self.logprobs / np.maximum(lengths, 1)
        return per_unit

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON; ragged rows lose their padding."""
        k = np.isfinite(self.logprobs).sum(axis=1)
        rows = {name: None if getattr(self, name) is None else _unpadded(getattr(self, name), k) for name in _ROWS}
        return {
            "task": self.task,
            "version": self.version,
            "scoring": self.scoring,
            "fingerprint": self.fingerprint,
            "chat_template": self.chat_template,
            "n_truncated": self.n_truncated,
            "n_healed": self.n_healed,
            "item_ids": list(self.item_ids),
            "groups": None if self.groups is None else list(self.groups),
            "answer": self.answer.tolist(),
            **rows,
            "option_mass": None if self.option_mass is None else self.option_mass.tolist(),
            "documents": None if self.documents is None else list(self.documents),
            "n_moved": self.n_moved,
            "prompt": None if self.prompt is None else self.prompt.to_dict(),
            "thinking": None if self.thinking is None else self.thinking.to_dict(),
            "levels": None if self.levels is None else list(self.levels),
            **({"n_bounded": self.n_bounded} if self.n_bounded else {}),
        }

    def in_order(self, order: IntArray) -> Scores:
        """The same items in another order. order: (items,) the item that comes first, second, ..."""
        fields: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                fields[field.name] = value[order]
            elif isinstance(value, tuple):
                fields[field.name] = tuple(value[i] for i in order.tolist())
            elif isinstance(value, Thoughts):
                fields[field.name] = value.in_order(order)
        return dataclasses.replace(self, **fields)


def _check(scores: Scores) -> None:
    where = f"scores of task {scores.task!r}"
    n = len(scores.item_ids)
    if n == 0:
        raise ScoresError(f"{where}: no items")
    if scores.scoring not in SCORINGS:
        raise ScoresError(f"{where}: scoring {scores.scoring!r} is not one of {', '.join(SCORINGS)}")
    if scores.logprobs.ndim != 2 or len(scores.logprobs) != n:
        raise ScoresError(f"{where}: logprobs has shape {scores.logprobs.shape}, expected ({n}, choices)")
    for name in ("n_tokens", "n_bytes", "n_chars", "unconditional"):
        array = getattr(scores, name)
        if array is not None and array.shape != scores.logprobs.shape:
            raise ScoresError(f"{where}: {name} has shape {array.shape}, expected {scores.logprobs.shape}")
    for name in ("answer", "option_mass", "groups", "documents", "levels"):
        value = getattr(scores, name)
        if value is not None and len(value) != n:
            raise ScoresError(f"{where}: {name} has {len(value)} entries, expected {n}")
    if scores.documents is not None and set(map(type, scores.documents)) != {str}:
        raise ScoresError(f"{where}: documents holds something other than text")
    odd = [level for level in scores.levels or () if level is not None and (type(level) is not int or level < 0)]
    if odd:
        raise ScoresError(f"{where}: levels holds {odd[0]!r:.40}: a whole number from 0 is wanted, or none")
    real = scores.n_tokens > 0
    bad = np.isnan(scores.logprobs) | (scores.logprobs == np.inf) | (real & (scores.logprobs < _LEAST))
    if bad.any():
        i = int(bad.any(axis=1).argmax())
        value = scores.logprobs[i][bad[i]][0]
        rule = "is not finite" if not np.isfinite(value) else f"{value:.3g} is none: it is below {_LEAST:.0e} nats"
        raise ScoresError(f"{where}: item {scores.item_ids[i]!r}: log-probability {rule}")
    outside = ~real[np.arange(n), scores.answer.clip(0, real.shape[1] - 1)] | (scores.answer < 0)
    outside |= scores.answer >= real.sum(axis=1)
    if outside.any():
        i = int(outside.argmax())
        raise ScoresError(
            f"{where}: item {scores.item_ids[i]!r}: answer {scores.answer[i]} is outside its {real[i].sum()} choices"
        )
    if scores.scoring == "pmi" and scores.unconditional is None:
        raise ScoresError(f"{where}: scoring pmi needs the unconditional log-probabilities")


_ROWS = {"logprobs": -np.inf, "n_tokens": 0, "n_bytes": 0, "n_chars": 0, "unconditional": -np.inf}
"""The fields that hold a number a choice, with what pads them."""


def padded(rows: Sequence[Sequence[float]], fill: float) -> FloatArray:
    """Ragged rows as one (rows, longest) array, `fill` in the padding."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    flat = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.float64, count=int(lengths.sum()))
    return padded_flat(flat, lengths, fill)


def padded_flat(flat: FloatArray, lengths: IntArray, fill: float) -> FloatArray:
    """The same of rows that stand one behind the other; lengths: (rows,)."""
    longest = int(lengths.max(initial=0))
    if (lengths == longest).all():
        return flat.reshape(len(lengths), longest)
    array = np.full((len(lengths), longest), fill, dtype=np.float64)
    array[np.arange(longest) < lengths[:, None]] = flat
    return array


def _unpadded(array: npt.NDArray[Any], lengths: IntArray) -> list[list[Any]]:
    rows: list[list[Any]] = array.tolist()
    if (lengths == array.shape[1]).all():
        return rows
    return [row[:n] for row, n in zip(rows, lengths.tolist(), strict=True)]


def compacted(data: dict[str, Any]) -> dict[str, Any]:
    """The dictionary of one task's scores with arrays in place of its lists of lists; any other as it is.

    For a JSON reader, object by object: of a file of millions of numbers only one task's ever stand there as Python
    objects. What does not fit stays as it is, for `scores_from_dict` to name.
    """
    if "item_ids" in data and "logprobs" in data:
        for name, fill in _ROWS.items():
            if isinstance(data.get(name), list):
                with contextlib.suppress(TypeError, ValueError):
                    rows = padded(data[name], fill)
                    data[name] = rows if np.isinf(fill) else rows.astype(np.int64)
    return data


def scores_from_dict(data: Mapping[str, Any], model: ModelInfo, source: str) -> Scores:
    """The inverse of `Scores.to_dict`, `compacted` or not. Raises ScoresError naming `source` and what is at fault."""

    def rows(name: str) -> FloatArray:
        return data[name] if isinstance(data[name], np.ndarray) else padded(data[name], _ROWS[name])

    def texts(value: Sequence[str] | None) -> tuple[str, ...] | None:
        return None if value is None else tuple(value)

    try:
        mass = data["option_mass"]
        return Scores(
            task=data["task"],
            version=data["version"],
            scoring=data["scoring"],
            fingerprint=data["fingerprint"],
            model=model,
            chat_template=data["chat_template"],
            item_ids=tuple(data["item_ids"]),
            groups=texts(data["groups"]),
            logprobs=rows("logprobs"),
            answer=np.array(data["answer"], dtype=np.int64),
            n_tokens=rows("n_tokens").astype(np.int64, copy=False),
            n_bytes=rows("n_bytes").astype(np.int64, copy=False),
            n_chars=rows("n_chars").astype(np.int64, copy=False),
            option_mass=None if mass is None else np.array(mass, dtype=np.float64),
            unconditional=None if data["unconditional"] is None else rows("unconditional"),
            n_truncated=data["n_truncated"],
            n_healed=data["n_healed"],
            documents=texts(data.get("documents")),
            n_moved=data.get("n_moved", 0),
            prompt=prompt_format_from_dict(data.get("prompt")),
            thinking=thoughts_from_dict(data.get("thinking")),
            levels=None if data.get("levels") is None else tuple(data["levels"]),
            n_bounded=data.get("n_bounded", 0),
        )
    except KeyError as error:
        raise ScoresError(f"{source}: scores without the field {error.args[0]!r}") from error
    except (TypeError, ValueError) as error:
        raise ScoresError(f"{source}: scores of task {data.get('task')!r} are malformed: {error}") from error
