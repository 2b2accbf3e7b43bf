"""Scores: what one model gave to the choices of one task, and the file they are kept in."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.files.shown.card import Card, Shown, count, figure, said
from calibaudit.files.text import json_value
from calibaudit.metrics.temperature import top_choices
from calibaudit.scores.option_values import Answers, Values, checked_answers, checked_values, of_one_kind, rows_of
from calibaudit.scores.prompt_format import PromptFormat
from calibaudit.scores.schema import ROWS, FloatArray, IntArray, check_scores, is_whole, padded
from calibaudit.scores.thinking import Thoughts
from calibaudit.tasks.items import Item, Scoring, Task, document_hash

SCHEMA_VERSION = 2
"""Of results and of saved scores. 2: a result's `ece` is without the noise's share and `ece_plugin` what papers print;
in 1 `ece` was that. Scores are the same in both."""
READABLE_VERSIONS = (1, 2)


@dataclass(frozen=True)
class ModelInfo:
    """Which checkpoint gave the scores, and how it was run.

    revision: the hub's commit, or `sha256:` and the start of a hash over a folder's files.
    head: `separated` (hidden states and head apart, no items x vocabulary logits), `own logits` (the fallback), or
        `logged by` and the name of the tool whose log it was read from.
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

    def __post_init__(self) -> None:
        """Raises ScoresError for values of other kinds."""
        for field in dataclasses.fields(self):
            value, is_count = getattr(self, field.name), field.name in ("n_parameters", "vocab_size")
            if not (is_whole(value) if is_count else isinstance(value, str)):
                expected = "a whole number from 0" if is_count else "text"
                raise ScoresError(f"model: {field.name}: expected {expected}, found {json_value(value, 60)}")

    @property
    def logged_by(self) -> str:
        """The tool that asked the questions, where calibaudit read its log; "" where calibaudit asked."""
        return self.head.removeprefix(_LOGGED).split(" ")[0] if self.head.startswith(_LOGGED) else ""

    @property
    def gave_no_prompts(self) -> bool:
        """Whether numbers are all that is known: of a table, or of arrays."""
        return self.head.startswith(_GIVEN)

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in dataclasses.asdict(self).items() if value or name not in _OPTIONAL}


def unknown_model(name: str, form: str = "numbers") -> ModelInfo:
    """The model of numbers that say its name and nothing else of it. form: what they were given as."""
    return ModelInfo(name, "unknown", "unknown", "unknown", "unknown", 0, 0, _GIVEN + form)


_LOGGED = "logged by "
_GIVEN = "given as "
_OPTIONAL = ("quantization", "adapter", "engine")
"""Entries that a model's dictionary has only where there is something to say, as files before them."""


@dataclass(frozen=True, eq=False, repr=False)
class Scores(Shown):
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
        check_scores(self)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @classmethod
    def from_arrays(
        cls,
        *,
        answer: Answers,
        logprobs: Values | None = None,
        probs: Values | None = None,
        logits: Values | None = None,
        task: str,
        model: str | ModelInfo = "unknown",
        scoring: Scoring = "letter",
        item_ids: Sequence[str | int] | None = None,
        groups: Sequence[str] | None = None,
        documents: Sequence[str] | None = None,
        option_mass: Values | None = None,
        chat_template: bool = False,
    ) -> Scores:
        """Scores of numbers from elsewhere: one of `logprobs`, `probs`, `logits`, each (items, choices).

        A ragged item is a shorter row of a list of rows. logprobs: nats, at most 0; under `letter` their exponentials
        sum to at most 1. probs: above 0, rows sum to 1, or to `option_mass`. logits: finite, of any level.
        answer: (items,) index from 0. scoring: `letter` or `cloze`; what is normalised by length, give as logits.
        item_ids: one name an item, each once; left out, "0", "1", ... documents: a text an item that tells its content:
        items of one text are one piece of evidence; left out, each item of each task is its own. option_mass: (items,)
        in (0, 1], only under `letter`; left out, it is unknown. Half-precision sums are rounded off by up to 1/256.
        Raises ScoresError naming item and value.
        """
        kind, values = of_one_kind(task, logprobs=logprobs, probs=probs, logits=logits)
        rows = rows_of(values, kind, task)
        ids = tuple(map(str, range(len(rows)) if item_ids is None else item_ids))
        given = padded(rows, np.nan)
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        found, mass = checked_values(given, lengths, kind, option_mass, ids, task, scoring)
        right = checked_answers(answer, lengths, ids, task)
        names = None if groups is None else tuple(map(str, groups))
        for what, texts in (("groups", names), ("documents", documents)):
            if texts is not None and len(texts) != len(ids):
                raise ScoresError(f"task {task!r}: {what} has {len(texts)} entries, expected {len(ids)}")
        items = tuple(
            Item(name, content, tuple(map(str, range(k))), index, group)
            for name, content, k, index, group in zip(
                ids,
                [""] * len(ids) if documents is None else documents,
                lengths.tolist(),
                right.tolist(),
                names or [None] * len(ids),
                strict=True,
            )
        )
        own = [document_hash(["numbers", task, i.id, len(i.choices), i.answer, i.group]) for i in items]
        ones = (np.arange(found.shape[1]) < lengths[:, None]).astype(np.int64)
        return cls(
            task=task,
            version="",
            scoring=scoring,
            fingerprint=Task(task, "", scoring, items).fingerprint,
            model=model if isinstance(model, ModelInfo) else unknown_model(model),
            chat_template=chat_template,
            item_ids=ids,
            groups=names,
            logprobs=found,
            answer=right,
            n_tokens=ones,
            n_bytes=ones,
            n_chars=ones,
            option_mass=mass,
            documents=tuple(own if documents is None else documents),
        )

    def _card(self) -> Card:
        confidence, correct = top_choices(self.choice_scores(), self.answer)
        n_choices = np.isfinite(self.logprobs).sum(axis=1)
        most, least = int(n_choices.max()), int(n_choices.min())
        choices = f"{most} choices" if most == least else f"{least} to {most} choices"
        means = [("accuracy", float(correct.mean())), ("mean confidence", float(confidence.mean()))]
        if self.option_mass is not None:
            means.append(("option mass", float(self.option_mass.mean())))
        facts = (self.model.name, count(self.n_items, "item"), choices, self.scoring)
        rows = [
            ("Model", self.model.name),
            ("Weights", ", ".join(said((self.model.revision, self.model.dtype, self.model.quantization)))),
            ("Items", f"{self.n_items:,}, {choices}"),
            ("Scoring", f"{self.scoring}, chat template {'on' if self.chat_template else 'off'}"),
            *((name.capitalize(), figure("", value, None, None)) for name, value in means),
        ]
        rows += [("Truncated contexts", f"{self.n_truncated:,}")] if self.n_truncated else []
        shown = (*facts, *(figure(name, value, None, None) for name, value in means))
        return Card("Scores", self.label, shown, rows=tuple(rows), notes=("Its calibration: audit(scores).",))

    @property
    def n_items(self) -> int:
        """How many items were scored."""
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
        rows = {name: None if getattr(self, name) is None else _unpadded(getattr(self, name), k) for name in ROWS}
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


def _unpadded(array: npt.NDArray[Any], lengths: IntArray) -> list[list[Any]]:
    rows: list[list[Any]] = array.tolist()
    if (lengths == array.shape[1]).all():
        return rows
    return [row[:n] for row, n in zip(rows, lengths.tolist(), strict=True)]
