"""What audits and comparisons say of themselves at a Python prompt and in a notebook, from their metrics alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from calibaudit.analysis.estimates import Change, Interval
from calibaudit.errors import ScoresError
from calibaudit.files.shown.card import Card, count, figure, said
from calibaudit.files.shown.numbers import NOTHING, bounds, number, p_text, signed

_FIRST = {"accuracy": "accuracy", "ece": "ECE", "gap": "gap"}
METRIC_TITLES = {
    "accuracy": "Accuracy",
    "confidence": "Confidence",
    "gap": "Gap",
    "ece": "ECE",
    "ece_plugin": "Plug-in ECE",
    "ece_floor": "ECE floor",
    "ece_debiased": "Debiased ECE",
    "ece_adaptive": "Equal-mass ECE",
    "smooth_ece": "Smooth ECE",
    "smooth_ece_plugin": "Plug-in smooth ECE",
    "rms_ce": "RMS calibration error",
    "mce": "MCE",
    "brier": "Brier",
    "nll": "NLL (nats)",
    "auroc": "AUROC",
    "aurc": "AURC",
    "temperature": "Temperature",
    "option_mass": "Option mass",
    "classwise_ece": "Classwise ECE",
    "brier_reliability": "Brier: reliability",
    "brier_resolution": "Brier: resolution",
    "brier_uncertainty": "Brier: uncertainty",
    "risk_80": "Risk 80 %",
}
"""What each metric is called, here and on every page."""

_SHOWN = (
    *("accuracy", "confidence", "gap", "ece", "ece_plugin", "ece_floor", "brier", "nll", "auroc", "temperature"),
    "option_mass",
)
"""Metrics of a small table, in its order."""

CHANGE_HEADS = ("before", "after", "change", "interval", "p")
SIDE_HEADS = ("task", "items", "accuracy", "interval", "ECE", "interval", "gap", "interval")
Metrics = Mapping[str, Interval]
Changes = Mapping[str, Change]


def metric_name(key: str) -> str:
    """`ECE`, `gap`, `NLL (nats)`."""
    return _FIRST.get(key) or METRIC_TITLES[key]


def side_facts(metrics: Metrics) -> tuple[str, ...]:
    """`accuracy .641 [.580, .697]`, `ECE ...`, `gap ...`."""
    found = ((name, metrics[key], key == "gap") for key, name in _FIRST.items())
    return said(figure(name, at.value, at.low, at.high, sign=sign) for name, at, sign in found)


def change_facts(before: Metrics, after: Metrics, change: Changes) -> tuple[str, ...]:
    """`accuracy .641 -> .586`, `ECE -.009 -> .117 (+.126 [.096, .156], p < .001)`, `gap .001 -> +.119`."""
    found = []
    for key, name in _FIRST.items():
        form = signed if key == "gap" else number
        pair = before[key].value, after[key].value
        if None in pair:
            continue
        text = f"{name} {form(pair[0])} -> {form(pair[1])}"
        moved = change[key]
        if key == "ece":
            text += f" ({figure('', moved.value, moved.low, moved.high, sign=True)}, {p_text(moved.p_value)})"
        found.append(text)
    return tuple(found)


def side_rows(metrics: Metrics) -> tuple[tuple[str, ...], ...]:
    """(metric, value, interval) of those that exist."""
    found = []
    for key in _SHOWN:
        at = metrics[key]
        if at.value is not None:
            form = signed if key == "gap" else number
            found.append((METRIC_TITLES[key], form(at.value), bounds(at.low, at.high) or NOTHING))
    return tuple(found)


def change_rows(before: Metrics, after: Metrics, change: Changes) -> tuple[tuple[str, ...], ...]:
    """(metric, before, after, change, interval, p) of those that exist."""
    found = []
    for key in _SHOWN:
        sides = before[key].value, after[key].value
        if sides != (None, None):
            form, moved = (signed if key == "gap" else number), change[key]
            test = NOTHING if moved.p_value is None else p_text(moved.p_value).removeprefix("p ").removeprefix("= ")
            interval = bounds(moved.low, moved.high) or NOTHING
            found.append((METRIC_TITLES[key], *map(form, sides), signed(moved.value), interval, test))
    return tuple(found)


def side_row(name: str, n_items: int, metrics: Metrics) -> tuple[str, ...]:
    """A task's row of a model's table, under SIDE_HEADS."""
    cells = [name, f"{n_items:,}"]
    for key in _FIRST:
        at = metrics[key]
        cells += [(signed if key == "gap" else number)(at.value), bounds(at.low, at.high) or NOTHING]
    return tuple(cells)


def task_heads(level: float) -> tuple[str, ...]:
    """Of `task_row`: a comparison's table, a task a row."""
    ece = ("ECE before", "ECE after", "ECE change", f"{level * 100:g} % interval")
    return ("task", "items", "accuracy before", "accuracy after", *ece, "gap before", "gap after")


def task_row(name: str, part: Paired, p_value: float | None, alpha: float) -> tuple[str, ...]:
    """p_value: of the change of the ECE; below alpha it has a star."""
    before, after, ece = part.before.metrics, part.after.metrics, part.change["ece"]
    return (
        name,
        f"{part.n_items:,}",
        *(number(side["accuracy"].value) for side in (before, after)),
        *(number(side["ece"].value) for side in (before, after)),
        f"{signed(ece.value)}{'*' if p_value is not None and p_value < alpha else ''}",
        bounds(ece.low, ece.high) or NOTHING,
        *(signed(side["gap"].value) for side in (before, after)),
    )


def paired_card(kind: str, subject: str, part: Paired) -> Card:
    """Of two models on one task, or on all. The intervals' level is not known here."""
    sides = part.before.metrics, part.after.metrics, part.change
    items = count(part.n_items, "item")
    return Card(kind, subject, (items, *change_facts(*sides)), (items, *CHANGE_HEADS), change_rows(*sides))


class Side(Protocol):
    """One model's metrics."""

    @property
    def metrics(self) -> Metrics: ...


class Paired(Protocol):
    """Two models on the same items."""

    @property
    def n_items(self) -> int: ...
    @property
    def before(self) -> Side: ...
    @property
    def after(self) -> Side: ...
    @property
    def change(self) -> Changes: ...


Part = TypeVar("Part", bound="Named")


class Named(Protocol):
    """One task of a result."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...


def named(tasks: Sequence[Part], name: str) -> Part:
    """The task of this label, else the first of this name. Raises ScoresError where there is none."""
    for found in (*(task for task in tasks if task.label == name), *(task for task in tasks if task.name == name)):
        return found
    raise ScoresError(f"no task {name!r}; there are {', '.join(task.label for task in tasks)}")
