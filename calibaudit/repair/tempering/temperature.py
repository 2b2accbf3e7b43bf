"""The temperature of a checkpoint: the one that, written into it, gives its answers the least NLL.

Of choices of one token only the differences of logits count, so the saved scores divided by T are what the checkpoint
gives. A longer choice sums log-probabilities over the whole vocabulary, one a token, which T changes in no such simple
way: there the hidden states at the scored positions are computed once, and each T that is tried is put between them and
the head, rounded as the checkpoint will hold it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from calibaudit.advice.aligned import TEMPERATURES
from calibaudit.errors import ScoresError
from calibaudit.models.devices import dtype_name
from calibaudit.models.model import Model
from calibaudit.repair.tempering.kept_states import KeptStates, Scorer, scorer_at
from calibaudit.repair.tempering.tempered import Placement
from calibaudit.scores.align import paired
from calibaudit.scores.schema import padded_flat
from calibaudit.scores.scores import Scores
from calibaudit.scoring.batches import batch_size_for, read_rows
from calibaudit.scoring.encode import Encoder, Tokens
from calibaudit.scoring.evaluate import RunOptions
from calibaudit.scoring.prompts import Prompt, prompts_for, prompts_of
from calibaudit.tasks.items import Task

MAX_BYTES = 1 << 30
"""Hidden states that are kept at once; of more items an even selection is looked at."""

_SAME, _SAME_PART = 0.05, 0.01
"""Nats, and part of their size, by which the saved scores may differ on average from those of the same network run
again in other batches."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ChosenTemperature:
    """temperature: within TEMPERATURES. loss: the mean NLL of the checkpoint with it, nats; loss_at_one: of the
    checkpoint as it is. For a temperature without labels, both are the cross-entropy against base where both agree.

    n_items: that were looked at. how: a sentence on what the numbers are of.
    """

    temperature: float
    loss: float
    loss_at_one: float
    n_items: int
    how: str

    @property
    def at_bound(self) -> bool:
        """Whether it is an end of the range that was looked at, and not an optimum within it."""
        return self.temperature in TEMPERATURES


@dataclass(frozen=True, eq=False)
class _Aim:
    """What the probabilities are to be: (items, choices), 0 in the padding. counts: (items,) 1, or 0 to leave out."""

    probs: FloatArray
    counts: FloatArray


@dataclass(frozen=True, eq=False)
class _Places:
    """Where the tokens of each item's choices are among the kept ones.

    tokens: (tokens,) their places. owner: (tokens,) the choice, counted through all items. n_choices: (items,).
    """

    tokens: npt.NDArray[np.int64]
    owner: npt.NDArray[np.int64]
    n_choices: npt.NDArray[np.int64]

    @classmethod
    def of(cls, items: Sequence[Sequence[Tokens]]) -> _Places:
        choices = [places for item in items for places in item]
        return cls(
            np.array([place for places in choices for place in places], dtype=np.int64),
            np.repeat(np.arange(len(choices)), [len(places) for places in choices]),
            np.array([len(item) for item in items], dtype=np.int64),
        )

    def summed(self, logprobs: FloatArray) -> FloatArray:
        """(items, choices) the sum over each choice's tokens, -inf pads. logprobs: of every kept token."""
        n = int(self.n_choices.sum())
        sums: FloatArray = np.bincount(self.owner, logprobs[self.tokens], n).astype(np.float64)
        return padded_flat(sums, self.n_choices, -np.inf)


@dataclass(frozen=True, eq=False)
class _Part:
    """A task's items. stand_for: the items that each of them stands for, at least 1.

    asked, alone: the choices behind the prompt, and without it (pmi), among the kept states; None: the saved scores are
    divided.
    """

    scores: Scores
    aim: _Aim
    stand_for: float = 1.0
    asked: _Places | None = None
    alone: _Places | None = None
    states: KeptStates | None = None

    def choice_scores(self, temperature: float, scorer: Callable[[], Scorer]) -> FloatArray:
        """(items, choices), -inf pads."""
        if self.asked is None or self.states is None:
            return np.asarray(self.scores.choice_scores() / temperature)
        logprobs = self.states.logprobs(scorer())
        alone = None if self.alone is None else self.alone.summed(logprobs)
        found = dataclasses.replace(self.scores, logprobs=self.asked.summed(logprobs), unconditional=alone)
        return found.choice_scores()


def choose_temperature(
    model: Model,
    tasks: Sequence[Task],
    scores: Sequence[Scores],
    placement: Placement,
    options: RunOptions | None = None,
) -> ChosenTemperature:
    """The temperature at which the checkpoint has the least NLL over all items pooled, each normalised as its task's.

    model: the checkpoint as it is. tasks: whose items are scored. scores: its own, of these items as `options` asks
    them. placement: where its temperature goes. At most MAX_BYTES of hidden states are kept.
    Raises ScoresError where the scores are not of this model and these prompts.
    """
    aims = [_labels(part) for part in scores]
    return _choose(model, tasks, scores, aims, placement, options or RunOptions())


def choose_aligned(
    model: Model,
    tasks: Sequence[Task],
    base: Sequence[Scores],
    scores: Sequence[Scores],
    placement: Placement,
    options: RunOptions | None = None,
) -> ChosenTemperature:
    """The same without labels: the checkpoint's probabilities are to be base's, where both have the same first choice.

    See `advice.aligned`. base: its scores on the same items. Raises ScoresError also where they agree on none.
    """
    pairs = paired(scores, base)
    aims = [_agreement(own, other) for own, other in pairs]
    return _choose(model, tasks, [own for own, _ in pairs], aims, placement, options or RunOptions())


def _labels(scores: Scores) -> _Aim:
    probs = np.zeros(scores.logprobs.shape)
    probs[np.arange(scores.n_items), scores.answer] = 1.0
    return _Aim(probs, np.ones(scores.n_items))


def _agreement(scores: Scores, base: Scores) -> _Aim:
    own, other = scores.choice_scores(), base.choice_scores()
    agree = own.argmax(axis=1) == other.argmax(axis=1)
    return _Aim(np.exp(log_softmax(other, axis=1)), agree.astype(np.float64))


def _choose(
    model: Model,
    tasks: Sequence[Task],
    scores: Sequence[Scores],
    aims: Sequence[_Aim],
    placement: Placement,
    options: RunOptions,
) -> ChosenTemperature:
    by_name = {task.name: task for task in tasks}
    longer = [i for i, part in enumerate(scores) if not _is_exact(part) and part.thinking is None]
    share = _share(model, [scores[i] for i in longer])
    parts = [
        _kept(model, by_name.get(part.task), part, aim, share, options) if i in longer else _Part(part, aim)
        for i, (part, aim) in enumerate(zip(scores, aims, strict=True))
    ]
    if not any(part.aim.counts.any() for part in parts):
        raise ScoresError("base and the tuned model agree on no item, so no temperature can be fitted to base")

    def loss(temperature: float) -> float:
        total = n = 0.0
        scorer = cache(lambda: scorer_at(model, placement, temperature))
        for part in parts:
            found = part.choice_scores(temperature, scorer)
            logprobs = log_softmax(found, axis=1)
            given = (part.aim.probs * np.where(part.aim.probs > 0, logprobs, 0.0)).sum(axis=1)
            total -= part.stand_for * float((given * part.aim.counts).sum())
            n += part.stand_for * float(part.aim.counts.sum())
        return float(total / n)

    at_one = loss(1.0)
    low, high = (math.log(bound) for bound in TEMPERATURES)
    tolerance = 1e-3 if longer else 1e-7
    best = minimize_scalar(
        lambda log: loss(math.exp(log)), bounds=(low, high), method="bounded", options={"xatol": tolerance}
    )
    temperature, least = math.exp(float(best.x)), float(best.fun)
    for bound in TEMPERATURES:  # the search stays inside
        if abs(math.log(bound) - float(best.x)) < 10 * tolerance and (at_end := loss(bound)) <= least:
            temperature, least = bound, at_end
    if at_one <= least:
        temperature, least = 1.0, at_one
    n_items = sum(part.scores.n_items for part in parts)
    return ChosenTemperature(temperature, least, at_one, n_items, _how(model, parts, placement))


def _is_exact(part: Scores) -> bool:
    """Whether the checkpoint's choice scores at T are these, divided by T, up to a number an item."""
    real = np.isfinite(part.logprobs)
    if part.scoring == "pmi" or part.n_healed or (part.n_tokens[real] > 1).any():
        return False
    if part.thinking is not None and part.thinking.asked.samples > 1:  # a mean of probabilities over thoughts
        return False
    units = {"cloze_byte": part.n_bytes, "cloze_char": part.n_chars}.get(part.scoring)
    return units is None or bool((np.where(real, units, units[:, :1]) == units[:, :1]).all())


def _share(model: Model, scores: Sequence[Scores]) -> float:
    """The share of the items whose states MAX_BYTES hold."""
    if not scores:
        return 1.0
    width = model.info.vocab_size if model.head is None else model.head.weight.shape[1]
    n_tokens = sum(int(part.n_tokens.sum()) * (2 if part.scoring == "pmi" else 1) for part in scores)
    return min(1.0, float(MAX_BYTES / (n_tokens * width * model.network.dtype.itemsize)))


def _kept(model: Model, task: Task | None, scores: Scores, aim: _Aim, share: float, options: RunOptions) -> _Part:
    """The task's items, or an even selection of them, with the hidden states behind their choices' scores."""
    n = scores.n_items
    chosen = np.arange(n) if share == 1 else np.unique(np.linspace(0, n - 1, max(1, int(n * share))).astype(np.int64))
    own = scores if len(chosen) == n else scores.in_order(chosen)
    items = {} if task is None else {item.id: item for item in task.items}
    if task is None or not items.keys() >= set(own.item_ids):
        raise ScoresError(f"task {own.task!r}: the scores are of other items than the tasks hold")
    part_task = dataclasses.replace(task, items=tuple(items[name] for name in own.item_ids))
    template = options.chat.template if options.chat.template != "both" else "auto"
    chat = dataclasses.replace(options.chat, template=template if own.chat_template else "off")
    asked, bare = prompts_of(part_task, prompts_for(model.tokenizer, chat))
    states = KeptStates()
    places = _read(model, [*asked, *bare], states, options.batch_size)
    part = _Part(
        own,
        _Aim(aim.probs[chosen], aim.counts[chosen]),
        n / len(chosen),
        _Places.of(places[: len(asked)]),
        _Places.of(places[len(asked) :]) if bare else None,
        states,
    )
    again = part.choice_scores(1.0, lambda: lambda features, targets: model.target_logprobs(features, targets).logprob)
    real = np.isfinite(own.logprobs)
    saved = own.choice_scores()[real]
    away = float(np.abs(again[real] - saved).mean())
    if not away <= _SAME + _SAME_PART * float(np.abs(saved).mean()):
        raise ScoresError(
            f"task {own.task!r}: run again, {model.info.name} gives scores that differ by {away:.2g} nats a choice: "
            "these scores are of another model or other prompts"
        )
    return part


def _read(
    model: Model, prompts: Sequence[Prompt], states: KeptStates, batch_size: int | None
) -> list[Sequence[Tokens]]:
    """Of each prompt's choices the places of their tokens among the states."""
    encoder = Encoder(model.tokenizer, model.prefix_token_id, model.max_length, model.n_embeddings)
    encoded = encoder.encode(prompts)
    owned = [(i, row) for i, prompt in enumerate(encoded) for row in prompt.rows]
    found: list[dict[int, Tokens]] = [{} for _ in prompts]
    rows, names = [row for _, row in owned], [prompts[i].where for i, _ in owned]
    for indices, values in read_rows(model, rows, batch_size_for(model, batch_size), names, states):
        for index, places in zip(indices, values, strict=True):
            i, row = owned[index]
            found[i].update(zip(row.choices, places, strict=True))
    return [tuple(choices[c] for c in sorted(choices)) for choices in found]


def _how(model: Model, parts: Iterable[_Part], placement: Placement) -> str:
    kept = [part for part in parts if part.states is not None]
    thought = [part for part in parts if part.states is None and part.scores.thinking is not None]
    if not kept and not thought:
        return "every choice is one token, so the saved scores divided by T are what the checkpoint gives"
    texts = []
    if kept:
        n, n_all = (sum(f(part) for part in kept) for f in (_n, _n_all))
        size = sum(part.states.n_bytes for part in kept if part.states is not None)
        some = f"{n:,} items of longer choices" if n == n_all else f"{n:,} of {n_all:,} items of longer choices"
        dtypes = sorted({dtype_name(dtype) for dtype in placement.dtypes.values() if dtype.itemsize < 4})
        rounded = f", with {placement.plan.described} rounded to {' and '.join(dtypes)}" if dtypes else ""
        texts.append(f"{some} were scored at each T from hidden states computed once ({size / 1e6:.3g} MB){rounded}")
    for part in thought:
        exact = _is_exact(part.scores)
        texts.append(
            f"{part.scores.label}: answers behind thoughts, which are taken to stay as they were"
            + ("" if exact else "; its saved scores were divided by T, which is an approximation")
        )
    return "; ".join(texts)


def _n(part: _Part) -> int:
    return part.scores.n_items


def _n_all(part: _Part) -> int:
    return round(part.scores.n_items * part.stand_for)
