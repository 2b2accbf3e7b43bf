"""Items -> every metric with its interval, and every change with its interval and p-value: the one place for all.

`compare`, its stars, `fix` and the gate read the numbers of this module. The null of every test is that the two
models' *true* values are equal, whatever else differs between them; nothing is drawn at random.

- ece, smooth_ece: without the noise's share (metrics.inference.split_ece, split_smooth).
- the metrics of metrics.sample.LINEAR: their value, with the variance that the items' influences have over units.
- the plug-in calibration errors, as papers print them: values only, since noise lifts them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np

from calibaudit.analysis.estimates import METRICS, Change, Interval, finite
from calibaudit.analysis.samples import Items, Row, items_of
from calibaudit.analysis.settings import Settings
from calibaudit.metrics.calibration_error import ece_floor_interval
from calibaudit.metrics.inference.abs_gap import AbsGapChange, abs_gap_change_of
from calibaudit.metrics.inference.calibration_test import calibration_p_value_of
from calibaudit.metrics.inference.estimate import MIN_UNITS, Estimate, mean_of
from calibaudit.metrics.inference.influence import Influence
from calibaudit.metrics.inference.proportion import accuracy_interval, unseen_share
from calibaudit.metrics.inference.split_ece import split_ece_change_of, split_ece_of
from calibaudit.metrics.inference.split_smooth import smooth_ece_change_of
from calibaudit.metrics.sample import LINEAR

_RANGES = {
    "gap": (-1.0, 1.0),
    "brier": (0.0, 2.0),
    "nll": (0.0, math.inf),
    "ece": (-math.inf, math.inf),  # below 0: less error than noise alone gives
    "smooth_ece": (-math.inf, math.inf),
}
_SPANS = {"brier": 2.0, "nll": math.inf, "temperature": math.inf}
"""How far a metric can change; 1 unless named here."""
_SCALES = {"temperature": math.inf, "aurc": math.inf, "auroc": 1.0}
"""Metrics above 0, and what they stay below: their logarithm or log-odds are nearer to normal than they are."""
_WITHOUT_ANSWERS = frozenset({"confidence", "option_mass"})
_MOST_DRAWS, _DRAWN_ANSWERS = 1000, 20_000_000
"""Draws of the floor, fewer when there are many items: its spread is then a small part of it."""
_FLOORS: WeakKeyDictionary[Row, dict[Settings, Interval]] = WeakKeyDictionary()
"""Of single rows, drawn once: it is the same in the task, in the mean of the tasks, and where there is one task."""


@dataclass(frozen=True, eq=False)
class Levels:
    """One side: metric -> Interval, for every key of METRICS. calibrated_p: of `this model is calibrated`; None where
    there is too little evidence, and for a mean over tasks. n_tasks_with: metric -> of how many tasks it is the value.
    """

    metrics: dict[str, Interval]
    calibrated_p: float | None
    n_tasks_with: dict[str, int]


def levels(items: Items, settings: Settings, names: Sequence[str] = METRICS) -> Levels:
    """The named metrics of one model."""
    found, n_tasks_with = {}, {}
    for name in names:
        if name in LINEAR:
            (part,), n_tasks_with[name] = _influences([items], name)
            found[name] = _level(name, _estimate(name, items, part, settings.level), items, settings.level)
        elif name == "smooth_ece":
            estimate = _smooth(items, items)[0].widened(_unseen(name, items, settings.level))
            found[name], n_tasks_with[name] = _level(name, estimate, items, settings.level), len(items.rows)
        else:
            found[name], n_tasks_with[name] = _other_level(name, items, settings), len(items.rows)
    return Levels(found, _calibrated_p(items), n_tasks_with)


def compared(
    before: Items, after: Items, settings: Settings, names: Sequence[str] = METRICS
) -> tuple[Levels, Levels, dict[str, Change]]:
    """The named metrics of both models on the same items, and their changes, after less before."""
    sides, level = (before, after), settings.level
    found: list[dict[str, Interval]] = [{}, {}]
    changes, n_tasks_with = {}, {}
    for name in names:
        if name in LINEAR:
            parts, n_tasks_with[name] = _influences(sides, name)
            for i, (side, part) in enumerate(zip(sides, parts, strict=True)):
                found[i][name] = _level(name, _estimate(name, side, part, level), side, level)
            changes[name] = _change(name, _linear_change(name, sides, parts, level), sides, level)
            continue
        n_tasks_with[name] = len(before.rows)
        if name == "smooth_ece":
            extra = [_unseen(name, side, level) for side in sides]
            *ends, change = _smooth(before, after)
            for i, side in enumerate(sides):
                found[i][name] = _level(name, ends[i].widened(extra[i]), side, level)
            changes[name] = _change(name, change.widened(max(extra)), sides, level)
            continue
        for i, side in enumerate(sides):
            found[i][name] = _other_level(name, side, settings)
        if name == "ece":
            changes[name] = _change(name, ece_change(before, after, level), sides, level)
        else:
            was, now = (one[name].value for one in found)
            changes[name] = Change(None if was is None or now is None else now - was, None, None, None)
    left, right = (Levels(one, _calibrated_p(side), n_tasks_with) for one, side in zip(found, sides, strict=True))
    return left, right, changes


def ece_of(items: Items, level: float) -> Estimate:
    """ECE of one model, without the noise's share."""
    sample = items.whole
    found = split_ece_of(sample.confidence, sample.hits, items.design, macro=items.macro, n_bins=sample.n_bins)
    return found.widened(_unseen("ece", items, level))


def ece_change(before: Items, after: Items, level: float) -> Estimate:
    """Its change. level: of the interval that is to be read off, for what a sample of one class cannot show."""
    a, b = before.whole, after.whole
    found = split_ece_change_of(
        (a.confidence, b.confidence), (a.hits, b.hits), before.design, macro=before.macro, n_bins=a.n_bins
    )
    return found.widened(max(_unseen("ece", side, level) for side in (before, after)))


def _smooth(before: Items, after: Items) -> tuple[Estimate, Estimate, Estimate]:
    """Smooth ECE of both models, and its change."""
    if not before.macro:
        a, b = before.whole, after.whole
        return smooth_ece_change_of((a.confidence, b.confidence), (a.hits, b.hits), before.design)
    parts = [_smooth(items_of([old]), items_of([new])) for old, new in zip(before.rows, after.rows, strict=True)]
    # Units that stand in several tasks could vary together in all of them.
    alone = sum(len(np.unique(row.unit)) for row in before.rows) == before.n_units
    left, right, change = (mean_of(column, before.design.df, independent=alone) for column in zip(*parts, strict=True))
    return left, right, change


def abs_gap_change(before: Items, after: Items, level: float) -> AbsGapChange:
    """The change of |gap| over all items as one sample. level: as in `ece_change`."""
    excess = [side.whole.confidence - side.whole.hits for side in (before, after)]
    found = abs_gap_change_of((excess[0], excess[1]), before.design)
    extra = max(_unseen("gap", side, level) for side in (before, after))
    return replace(found, difference=found.difference.widened(extra), total=found.total.widened(extra))


def linear_level(name: str, items: Items, level: float) -> Estimate:
    """One of LINEAR, of one model."""
    (part,), _ = _influences([items], name)
    return _estimate(name, items, part, level)


def _influences(sides: Sequence[Items], name: str) -> tuple[list[Influence], int]:
    """Each side's value and influences, and over how many tasks: a mean is of those where every side has a value."""
    if not sides[0].macro:
        with_value = [row for row in sides[0].rows if name != "option_mass" or row.sample.option_mass is not None]
        return [side.whole.influence(name) for side in sides], len(with_value)
    parts = [[sample.influence(name) for sample in side.samples] for side in sides]
    used = [all(math.isfinite(value) for value, _ in task) for task in zip(*parts, strict=True)]
    return [_mean_over_tasks(part, used) for part in parts], sum(used)


def _mean_over_tasks(parts: Sequence[Influence], used: Sequence[bool]) -> Influence:
    n = sum(used)
    influences = [
        influence / n if counts else np.zeros(len(influence))
        for (_, influence), counts in zip(parts, used, strict=True)
    ]
    values = [value for (value, _), counts in zip(parts, used, strict=True) if counts]
    return float(np.mean(values)) if values else math.nan, np.concatenate(influences)


def _other_level(name: str, items: Items, settings: Settings) -> Interval:
    """Of a metric that is not one of LINEAR."""
    if name == "ece":
        return _level(name, ece_of(items, settings.level), items, settings.level)
    if name == "ece_floor":
        return _floor(items, settings)
    samples = items.samples if items.macro else (items.whole,)
    return Interval(finite(float(np.mean([sample.plug_in(name) for sample in samples]))), None, None)


def _calibrated_p(items: Items) -> float | None:
    if items.macro or items.n_units < MIN_UNITS:
        return None
    whole = items.whole
    return calibration_p_value_of(whole.confidence, whole.hits, items.design, whole.n_bins)


def _linear_change(name: str, sides: Sequence[Items], parts: Sequence[Influence], level: float) -> Estimate:
    """The paired change of one of LINEAR, from both sides' influences."""
    (was, left), (now, right) = parts
    value = now - was if math.isfinite(now) and math.isfinite(was) else math.nan
    if name == "accuracy":
        return sides[0].design.linear(value, right - left, _one_more(sides[0]))
    found = sides[0].design.linear(value, right - left)
    return found.widened(max(_unseen(name, side, level, found) for side in sides))


def _estimate(name: str, items: Items, part: Influence, level: float) -> Estimate:
    found = items.design.linear(*part)
    return found if name == "accuracy" else found.widened(_unseen(name, items, level, found))


def _level(name: str, estimate: Estimate, items: Items, level: float) -> Interval:
    value = finite(estimate.value)
    if value is None or not _enough(name, [items]):
        return Interval(value, None, None)
    if name == "accuracy":
        return Interval(value, *accuracy_interval(estimate, items.n_units, level, grouped=_grouped(items)))
    if name in _SCALES and 0 < value < _SCALES[name] and estimate.se > 0 and not estimate.above:
        return Interval(value, *_on_scale(estimate, _SCALES[name], level))
    low, high = estimate.interval(level)
    bottom, top = _RANGES.get(name, (0.0, 1.0))
    return Interval(value, max(low, bottom), min(high, top))


def _on_scale(estimate: Estimate, top: float, level: float) -> tuple[float, float]:
    """The interval of log x, or with a top of log(x / (top - x)), as one of x."""
    value, rest = estimate.value, 1 - estimate.value / top
    low, high = Estimate(math.log(value / rest), estimate.se / (value * rest), df=estimate.df).interval(level)
    low, high = math.exp(min(low, 700.0)), math.exp(min(high, 700.0))
    return (low, high) if math.isinf(top) else (low / (1 + low / top), high / (1 + high / top))


def _change(name: str, estimate: Estimate, sides: Sequence[Items], level: float) -> Change:
    value = finite(estimate.value)
    if value is None or not _enough(name, sides):
        return Change(value, None, None, None)
    low, high = estimate.interval(level)
    span = _SPANS.get(name, 1.0)
    return Change(value, max(low, -span), min(high, span), estimate.p_value())


def _enough(name: str, sides: Sequence[Items]) -> bool:
    """Is there evidence for an interval: ten units, and for AUROC ten items of either kind, right and wrong."""
    counts = [side.n_units for side in sides]
    if name == "auroc":
        counts += [n for side in sides for n in (int(side.whole.correct.sum()), int((~side.whole.correct).sum()))]
    return min(counts) >= MIN_UNITS


def _floor(items: Items, settings: Settings) -> Interval:
    """The plug-in ECE of a calibrated model with these confidences; of a mean over tasks its mean alone."""
    if items.macro:
        parts = [_floor(Items((row,), items.design), settings).value for row in items.rows]
        return Interval(float(np.mean([part for part in parts if part is not None])), None, None)
    known = _FLOORS.setdefault(items.rows[0], {}) if len(items.rows) == 1 else {}
    if settings not in known:
        known[settings] = _drawn_floor(items, settings)
    return known[settings]


def _drawn_floor(items: Items, settings: Settings) -> Interval:
    sample = items.whole
    draws = max(100, min(_MOST_DRAWS, _DRAWN_ANSWERS // sample.n_items))
    rng = np.random.default_rng(items.seed)
    return Interval(
        *ece_floor_interval(
            sample.confidence, settings.n_bins, draws, rng=rng, level=settings.level, document=items.document
        )
    )


def _both_classes(items: Items) -> bool:
    return 0 < int(items.whole.correct.sum()) < items.n_answers


def _grouped(items: Items) -> bool:
    return items.macro or items.n_units < items.n_answers


def _one_more(items: Items) -> float:
    """The variance of accuracy's change that half an item more of each kind gives (Agresti & Min 2005, Statistics in
    Medicine 24): without it, models that never differ would seem surely alike."""
    per_unit = items.n_answers / items.n_units
    if not items.macro:
        return (per_unit / items.n_answers) ** 2
    sizes = items.design.sizes
    return float(((per_unit / (len(sizes) * sizes)) ** 2).sum())


def _unseen(name: str, items: Items, level: float, found: Estimate | None = None) -> float:
    """What items of a kind that the sample does not hold could add to a metric; 0 where both kinds were seen."""
    varied = found is None or found.se > 1e-12
    if name in _WITHOUT_ANSWERS or (varied and _both_classes(items)):
        return 0.0
    share = unseen_share(items.n_units, level)
    if name == "brier":
        return 2 * share
    # A wrong item's right answer has at most 1 - confidence.
    confidence = float(items.whole.confidence.mean())
    return share * max(1.0, -math.log(max(1 - confidence, 1e-12))) if name == "nll" else share
