"""The tables of a report, as text: HTML and Markdown lay out the same cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibaudit.advice.options.option import RepairOption
from calibaudit.advice.recommendation import PilotPoint
from calibaudit.analysis.audit import Audit, TaskAudit
from calibaudit.analysis.compare import TaskComparison
from calibaudit.analysis.estimates import METRICS, Change, Interval
from calibaudit.analysis.in_short import METRIC_TITLES
from calibaudit.files.text import one_line
from calibaudit.report.words.text import NOTHING, bounds, number, p_text, signed
from calibaudit.scores.scores import ModelInfo

_WHAT = {
    "accuracy": "share of items answered rightly",
    "confidence": "mean probability of the chosen option",
    "gap": "confidence − accuracy; above 0: surer than right",
    "ece": "how far confidence and accuracy are apart, bin by bin, less what noise alone adds; 0 is best",
    "ece_plugin": "with the noise: the number papers print",
    "ece_floor": "plug-in ECE that a calibrated model with these confidences would show",
    "ece_debiased": "another way to take the noise out (Kumar et al. 2019)",
    "ece_adaptive": "plug-in, in bins of equally many items",
    "smooth_ece": "without bins, less the noise",
    "smooth_ece_plugin": "without bins, with the noise",
    "rms_ce": "as the plug-in ECE, with large errors weighing more",
    "mce": "error of the worst bin",
    "brier": "squared error of all options' probabilities, 0 to 2; lower is better",
    "nll": "surprise at the right answer; lower is better",
    "auroc": "how well confidence tells right from wrong answers; .5 is chance, 1 is best",
    "aurc": "error rate, averaged over answering only the surest 1 %, 2 %, … of the items; lower is better",
    "temperature": "what to divide the scores by for the least NLL; above 1: too sure",
    "option_mass": "probability that falls on the options at all; low: it was not answering",
    "classwise_ece": "of every option's probability, not only the chosen one's",
    "brier_reliability": "its part from miscalibration; lower is better",
    "brier_resolution": "what confidence tells apart; higher is better",
    "brier_uncertainty": "of the items themselves; no model changes it",
    "risk_80": "error rate among the surest 80 % of the items",
}

METRIC_NAMES = {key: (METRIC_TITLES[key], what) for key, what in _WHAT.items()}
"""Of each metric what it is called, as on the terminal, and what it is."""
assert tuple(METRIC_NAMES) == METRICS


_MODEL_FACTS = {
    "name": ("Name", ""),
    "revision": ("Revision", "the hub's commit, or a hash over the folder's files"),
    "dtype": ("Type of weights", "what the network computes in"),
    "device": ("Device", ""),
    "family": ("Family", "of architectures"),
    "n_parameters": ("Parameters", ""),
    "vocab_size": ("Vocabulary", "tokens that the head tells apart"),
    "head": (
        "Output head",
        "separated: run on the places that count alone; own logits: the network's own way, which needs more memory",
    ),
}


@dataclass(frozen=True)
class Head:
    """A group of a table's columns."""

    title: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """cells: as many as the heads have columns. whole: an overall row, not a task's. note: what the name means.

    tone: `worse` or `better` where a change is significant.
    """

    name: str
    cells: tuple[str, ...]
    whole: bool = False
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Table:
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]


def all_metrics(
    before: Mapping[str, Interval] | None, after: Mapping[str, Interval], change: Mapping[str, Change] | None
) -> Table:
    """Every metric that was measured, over all items pooled, with intervals; one side only where `before` is None."""
    sides = ("value", "interval")
    heads = [Head("Before", sides), Head("After", sides), Head("Change", (*sides, "p"))]
    rows = []
    for key in METRICS:
        cells: list[str] = []
        form = signed if key == "gap" else number
        for side in (before, after):
            if side is not None:
                cells += [form(side[key].value), bounds(side[key].low, side[key].high) or NOTHING]
        if change is not None:
            moved = change[key]
            cells += [signed(moved.value), bounds(moved.low, moved.high) or NOTHING, p_cell(moved.p_value)]
        name, note = METRIC_NAMES[key]
        if any(cell != NOTHING for cell in cells):
            rows.append(Row(name, tuple(cells), note=note))
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
                cells += [f"{n:,}", *(number(float(mean)) if n else NOTHING for mean in means)]
            rows.append(Row(f"{number(held[0].edges[b], 2)} to {number(held[0].edges[b + 1], 2)}", tuple(cells)))
    return Table(heads, tuple(rows))


def models_table(models: Sequence[ModelInfo], heads: Sequence[str], runs: Sequence[tuple[str, Sequence[str]]]) -> Table:
    """What was scored: a row a fact that is known of one model at least. runs: of `run_rows`."""
    rows = []
    for key, (name, note) in _MODEL_FACTS.items():
        values = [getattr(model, key) or NOTHING for model in models]
        shown = (f"{value:,}" if isinstance(value, int) else one_line(value, 200) for value in values)
        rows.append(Row(name, tuple(shown), note=note))
    rows += [Row(name, tuple(one_line(cell, 200) for cell in cells)) for name, cells in runs]
    known = tuple(row for row in rows if not set(row.cells) <= {NOTHING, "unknown"})
    return Table(tuple(Head("", (head,)) for head in heads), known)


def measured_table(tasks: Sequence[TaskComparison] | Sequence[TaskAudit]) -> Table:
    """What each task is, and what of it was cut."""
    columns = ("Version", "Items", "Scoring", "Chat template", "Truncated", "Fingerprint")
    rows = [
        Row(
            one_line(task.name, 60),
            (
                one_line(task.version, 30),
                f"{task.n_items:,}",
                task.scoring,
                _on_sides(task.chat_template, {True: "on", False: "off"}),
                _on_sides(task.n_truncated),
                one_line(task.fingerprint[:12], 12),
            ),
        )
        for task in tasks
    ]
    return Table(tuple(Head("", (column,)) for column in columns), tuple(rows))


def _on_sides(value: Any, words: Mapping[Any, str] | None = None) -> str:
    """`off → on`, or one word where both sides agree or there is one."""
    pair = value if isinstance(value, tuple) else (value,)
    return " → ".join(dict.fromkeys(words[one] if words else f"{one:,}" for one in pair))


def p_cell(p_value: float | None) -> str:
    """`.032`, `< .001`; a dash where there is no test."""
    return NOTHING if p_value is None else p_text(p_value).removeprefix("p ").removeprefix("= ")


def option_rows(options: Sequence[RepairOption], advised: RepairOption | None) -> Table:
    """The repairs that could serve and what each would give, in their order; not those of which only a trial tells."""
    heads = ("setting", "ECE", "accuracy", "NLL")
    rows = []
    for option in options:
        figures, setting = option.figures, option.setting
        given = [None] * 3 if figures is None else [figures.ece, figures.accuracy, figures.nll]
        cells = [
            NOTHING if setting is None else _with_bounds(setting, 2),
            *(NOTHING if one is None else _with_bounds(one) for one in given),
        ]
        if option is advised or set(cells) != {NOTHING}:
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
