"""What a repair of the scores gives on the audited items: another temperature, or base's probabilities mixed in.

All numbers are those of analysis.inference, as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibaudit.advice.options.option import Changes, Ensemble, Figures
from calibaudit.analysis.estimates import Change
from calibaudit.analysis.inference import Levels, compared
from calibaudit.analysis.samples import Items, Row
from calibaudit.analysis.settings import Settings
from calibaudit.metrics.sample import Sample
from calibaudit.metrics.temperature import temperature_of
from calibaudit.metrics.validation import BoolArray, FloatArray, IntArray

_FIGURES = ("accuracy", "ece", "nll")
_GOLDEN = (5**0.5 - 1) / 2
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class Sides:
    """Both models on the same items in the same order. base: None where there is none (`pilot`)."""

    base: Items | None
    tuned: Items
    settings: Settings

    def figures(self, items: Items) -> tuple[Figures, Changes, Change | None]:
        """Of these scores on the same items: the figures, the change from the tuned model, the ECE less base's."""
        _, levels, change = compared(self.tuned, items, self.settings, _FIGURES)
        above = None if self.base is None else compared(self.base, items, self.settings, ("ece",))[2]["ece"]
        return _figures(levels), _changes(change), above

    def changes(self, before: Items, after: Items) -> Changes:
        return _changes(compared(before, after, self.settings, _FIGURES)[2])

    def ensemble(self) -> Ensemble | None:
        """Both models' probabilities in equal parts; None where there is no base."""
        if self.base is None:
            return None
        half = mixed(self.base, self.tuned, 0.5)
        base, mixture, from_base = compared(self.base, half, self.settings, _FIGURES)
        instruct, _, from_instruct = compared(self.tuned, half, self.settings, _FIGURES)
        return Ensemble(
            _figures(base), _figures(instruct), _figures(mixture), _changes(from_base), _changes(from_instruct)
        )


def tempered(items: Items, temperature: FloatArray | float) -> Items:
    """Every choice's score divided by the temperature, or (answers,) by each item's own."""
    by_item = np.broadcast_to(np.asarray(temperature, dtype=np.float64), items.n_answers)
    ends = np.cumsum([row.sample.n_items for row in items.rows])[:-1]
    return _with_scores(
        items,
        [row.sample.scores / own[:, None] for row, own in zip(items.rows, np.split(by_item, ends), strict=True)],
    )


def cross_fitted(items: Items) -> Items | None:
    """Each half of the items at the temperature that fits the other half, so that no item is judged by its own choice.

    None where a half has no temperature that fits it best.
    """
    whole, first = items.whole, halves(np.concatenate([row.unit for row in items.rows]))
    if first.all() or not first.any():
        return None
    of_first, of_second = (temperature_of(whole.scores[part], whole.answer[part]) for part in (first, ~first))
    if not np.isfinite([of_first, of_second]).all():
        return None
    return tempered(items, np.where(first, of_second, of_first))


def halves(unit: IntArray) -> BoolArray:
    """(items,) Whether an item is of the first half. unit: from 0; a unit's items stay together.

    By the multiples of the golden ratio: any stretch of units is halved nearly evenly, so every task is, and there is
    no period that the order of a task's items could share. Nothing is drawn at random.
    """
    return np.asarray((unit * _GOLDEN) % 1.0 < 0.5)


def mixed(base: Items, tuned: Items, weight: float) -> Items:
    """(1 - weight) of the tuned model's option probabilities and weight of base's."""
    found = []
    for old, new in zip(base.rows, tuned.rows, strict=True):
        real = np.isfinite(new.sample.scores)
        probs = weight * old.sample.probs + (1 - weight) * new.sample.probs
        found.append(np.where(real, np.log(np.maximum(probs, _TINY)), -np.inf))
    return _with_scores(tuned, found)


def _with_scores(items: Items, scores: list[FloatArray]) -> Items:
    rows = [_row(row, own) for row, own in zip(items.rows, scores, strict=True)]
    return replace(items, rows=tuple(rows))


def _row(row: Row, scores: FloatArray) -> Row:
    sample = row.sample
    return replace(row, sample=Sample(scores, sample.answer, sample.option_mass, sample.n_bins))


def _figures(levels: Levels) -> Figures:
    return Figures(*(levels.metrics[name] for name in _FIGURES))


def _changes(changes: dict[str, Change]) -> Changes:
    return Changes(*(changes[name] for name in _FIGURES))
