"""The tables of a report, as text: HTML and Markdown lay out the same cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calibaudit.advice.options.option import RepairOption
from calibaudit.advice.recommendation import PilotPoint
from calibaudit.analysis.audit import Audit, ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.estimates import METRICS, Change, Interval
from calibaudit.report.words.text import NOTHING, bounds, number, p_text, signed

NAMES = {
    "accuracy": "Accuracy",
    "confidence": "Mean confidence",
    "gap": "Gap (confidence − accuracy)",
    "ece": "ECE",
    "ece_plugin": "ECE, plug-in",
    "ece_floor": "ECE floor",
    "ece_debiased": "ECE, debiased",
    "ece_adaptive": "ECE, equal-mass bins",
    "smooth_ece": "Smooth ECE",
    "smooth_ece_plugin": "Smooth ECE, plug-in",
    "rms_ce": "RMS calibration error",
    "mce": "Largest bin error",
    "brier": "Brier score",
    "nll": "NLL (nats)",
    "auroc": "AUROC",
    "aurc": "AURC",
    "temperature": "Fitted temperature",
    "option_mass": "Option mass",
    "classwise_ece": "Classwise ECE",
    "brier_reliability": "Brier: reliability",
    "brier_resolution": "Brier: resolution",
    "brier_uncertainty": "Brier: uncertainty",
    "risk_80": "Errors among the surest 80 %",
}
assert tuple(NAMES) == METRICS
_TWO_DIGITS = frozenset({"accuracy", "gap", "brier"})


@dataclass(frozen=True)
class Head:
    """A group of a table's columns."""

    title: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """cells: as many as the heads have columns. whole: an overall row, not a task's."""

    name: str
    cells: tuple[str, ...]
    whole: bool = False


@dataclass(frozen=True)
class Table:
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]


def comparison_rows(comparison: Comparison) -> Table:
    """One row a task, then all items pooled and the mean of the tasks, as on the terminal's widest page."""
    settings = comparison.settings
    heads = (
        Head("", ("Items",)),
        Head("Accuracy", ("was", "now", "change")),
        Head("ECE", ("was", "now", "change", f"{settings.level * 100:g} % interval", "p (Holm)", "plug-in")),
        Head("Gap", ("was", "now", "change")),
        Head("Brier", ("was", "now")),
    )
    rows = [
        _row(task.label, f"{task.n_items:,}", task.before, task.after, task.change, task.ece_p_holm, settings.alpha)
        for task in comparison.tasks
    ]
    if len(rows) > 1:
        for name, overall in (("all (pooled)", comparison.pooled), ("all (macro)", comparison.macro)):
            n = f"{overall.n_items:,}"
            p_value = overall.change["ece"].p_value
            rows.append(
                _row(name, n, overall.before, overall.after, overall.change, p_value, settings.alpha, whole=True)
            )
    return Table(heads, tuple(rows))


def audit_rows(audit: ModelAudit) -> Table:
    """One row a task, then all items pooled and the mean of the tasks; intervals of what an audit is about."""
    intervals, values = ("accuracy", "ece", "gap"), ("ece_plugin", "ece_floor", "brier", "auroc", "temperature")
    heads = (
        Head("", ("Items",)),
        *(Head(NAMES[key].partition(" (")[0], ("value", "interval")) for key in intervals),
        Head("", tuple(NAMES[key] for key in values)),
    )
    entries = [(task.label, task.n_items, task.audit, False) for task in audit.tasks]
    if len(entries) > 1:
        entries += [
            ("all (pooled)", audit.pooled.n_items, audit.pooled, True),
            ("all (macro)", audit.pooled.n_items, audit.macro, True),
        ]
    rows = []
    for name, n_items, row, whole in entries:
        cells = [f"{n_items:,}"]
        for key in intervals:
            metric = row.metrics[key]
            cells += [_shown(key, metric.value), bounds(metric.low, metric.high, _digits(key)) or "–"]
        cells += [_shown(key, row.metrics[key].value) for key in values]
        rows.append(Row(name, tuple(cells), whole))
    return Table(heads, tuple(rows))


def level_rows(result: Comparison | ModelAudit) -> Table:
    """One row a level of difficulty, the easiest first; of two models with the interval of the gap's change."""
    if isinstance(result, Comparison):
        heads = (
            Head("", ("Items",)),
            Head("Accuracy", ("was", "now", "change")),
            Head("Gap", ("was", "now", "change", f"{result.settings.level * 100:g} % interval")),
        )
    else:
        heads = (Head("", ("Items",)), Head("Accuracy", ("value", "interval")), Head("Gap", ("value", "interval")))
    rows = []
    for row in result.by_level:
        cells = [f"{row.n_items:,}"]
        for key in ("accuracy", "gap"):
            sides = [side[key] for side in row.sides]
            cells += [_shown(key, side.value) for side in sides]
            if row.change is None:
                cells.append(bounds(sides[0].low, sides[0].high, 2) or NOTHING)
            else:
                cells.append(signed(row.change[key].value, 2))
        if row.change is not None:
            cells.append(bounds(row.change["gap"].low, row.change["gap"].high, 2) or NOTHING)
        rows.append(Row(str(row.level), tuple(cells)))
    return Table(heads, tuple(rows))


def all_metrics(
    before: Mapping[str, Interval] | None, after: Mapping[str, Interval], change: Mapping[str, Change] | None
) -> Table:
    """Every metric over all items pooled, with intervals; one side only where `before` is None."""
    sides = ("value", "interval")
    heads = [Head("Before", sides), Head("After", sides), Head("Change", (*sides, "p"))]
    rows = []
    for key in METRICS:
        cells: list[str] = []
        form = signed if key == "gap" else number
        for side in (before, after):
            if side is not None:
                cells += [form(side[key].value), bounds(side[key].low, side[key].high) or "–"]
        if change is not None:
            moved = change[key]
            cells += [signed(moved.value), bounds(moved.low, moved.high) or "–", p_cell(moved.p_value)]
        rows.append(Row(NAMES[key], tuple(cells)))
    return Table(tuple(heads) if before is not None else (Head("", sides),), tuple(rows))


def bins_table(names: Sequence[str], audits: Sequence[Audit]) -> Table:
    """The numbers behind a reliability diagram: one row a bin that holds an item."""
    diagrams = [audit.reliability for audit in audits]
    held = [diagram for diagram in diagrams if diagram is not None]
    heads = tuple(Head(name, ("items", "confidence", "accuracy")) for name in names)
    rows = []
    for b in range(len(held[0].count)) if held else ():
        if any(diagram.count[b] for diagram in held):
            cells: list[str] = []
            for diagram in held:
                n = int(diagram.count[b])
                means = (diagram.confidence[b], diagram.accuracy[b])
                cells += [f"{n:,}", *(number(float(mean)) if n else "–" for mean in means)]
            rows.append(Row(f"{number(held[0].edges[b], 2)} to {number(held[0].edges[b + 1], 2)}", tuple(cells)))
    return Table(heads, tuple(rows))


def p_cell(p_value: float | None) -> str:
    """`.032`, `< .001`; a dash where there is no test."""
    return "–" if p_value is None else p_text(p_value).removeprefix("p ").removeprefix("= ")


def _row(
    name: str,
    n: str,
    before: Audit,
    after: Audit,
    change: Mapping[str, Change],
    ece_p: float | None,
    alpha: float,
    *,
    whole: bool = False,
) -> Row:
    def trio(key: str) -> list[str]:
        sides = [_shown(key, side.metrics[key].value) for side in (before, after)]
        return [*sides, signed(change[key].value, _digits(key))]

    star = "*" if ece_p is not None and ece_p < alpha else ""
    moved = change["ece"]
    ece = trio("ece")
    ece = [*ece[:2], ece[2] + star, bounds(moved.low, moved.high) or "–", p_cell(ece_p)]
    plug_in = number(after.metrics["ece_plugin"].value)
    return Row(name, (n, *trio("accuracy"), *ece, plug_in, *trio("gap"), *trio("brier")[:2]), whole)


def _digits(key: str) -> int:
    return 2 if key in _TWO_DIGITS else 3


def _shown(key: str, value: float | None) -> str:
    return (signed if key == "gap" else number)(value, _digits(key))


def option_rows(options: Sequence[RepairOption], advised: RepairOption | None) -> Table:
    """The repairs that could serve, in their order; the advised one says so."""
    heads = ("setting", "ECE", "accuracy", "NLL")
    rows = []
    for option in options:
        figures, setting = option.figures, option.setting
        given = [None] * 3 if figures is None else [figures.ece, figures.accuracy, figures.nll]
        cells = [
            NOTHING if setting is None else _with_bounds(setting, 2),
            *(NOTHING if one is None else _with_bounds(one) for one in given),
        ]
        rows.append(Row(f"{option.method} (advised)" if option is advised else option.method, tuple(cells)))
    return Table((Head("", heads),), tuple(rows))


def _with_bounds(found: Interval, digits: int = 3) -> str:
    return f"{number(found.value, digits)} {bounds(found.low, found.high, digits)}".strip()


def pilot_rows(points: Sequence[PilotPoint]) -> Table:
    """A pilot's runs, hard labels first. What no run has (option mass, outside letter tasks) is left out."""
    heads = ("accuracy", "gap", "ECE", "NLL", "AUROC", "option mass", "learned", "not taken because")
    rows = [
        (
            number(point.accuracy),
            f"{signed(point.gap.value)} {bounds(point.gap.low, point.gap.high)}".strip(),
            number(point.ece),
            number(point.nll),
            number(point.auroc),
            number(point.option_mass, 2),
            number(point.learned, 2),
            _why_not(point.rejected),
        )
        for point in points
    ]
    kept = [i for i in range(len(heads)) if any(row[i] != NOTHING for row in rows)]
    return Table(
        (Head("", tuple(heads[i] for i in kept)),),
        tuple(
            Row(
                f"{number(point.epsilon, 2)} towards {point.prior}" if point.epsilon else "hard labels",
                tuple(row[i] for i in kept),
            )
            for point, row in zip(points, rows, strict=True)
        ),
    )


def _why_not(rejected: str) -> str:
    """`worse accuracy, worse nll` as `worse accuracy, nll`."""
    parts = rejected.split(", ")
    worse = [part.removeprefix("worse ") for part in parts if part.startswith("worse ")]
    others = [part for part in parts if part and not part.startswith("worse ")]
    return "; ".join(([f"worse {', '.join(worse)}"] if worse else []) + others)
