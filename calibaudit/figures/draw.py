"""Diagrams drawn with matplotlib: reliability, confidence histograms, changes task by task.

How they become files and parts of a page: `svg`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calibaudit.figures.data import Change, Reliability
from calibaudit.figures.svg import INK, MUTED, PALES, PAPER, PIXELS, SIDES, style
from calibaudit.files.shown.numbers import signed
from calibaudit.files.text import one_line
from calibaudit.metrics.inference.proportion import wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

Sides = Sequence[tuple[str, Reliability]]
Changes = Sequence[tuple[str, Change, bool]]
"""A row a task: its label, its change, and whether that is significant."""


@dataclass(frozen=True)
class Panel:
    """A forest plot. ends: what a change below zero means, and one above."""

    title: str
    rows: Changes
    digits: int = 3
    ends: tuple[str, str] = ("better", "worse")


MARKS = ("o", "s")
FEW = 10
"""A bin with fewer items is hardly evidence."""


def draw_reliability(sides: Sides, level: float, width: int = 360, *, legend: bool = True) -> Figure:
    """Accuracy at each confidence, one line a side with Wilson intervals; below it, how many items each bin holds."""
    with style():
        head = 36 if legend else 10
        height = width + 38 + head
        figure = _figure(width, height)
        top, strip = figure.subplots(2, 1, sharex=True, height_ratios=(4.6, 1))
        figure.subplots_adjust(
            left=46 / width, right=1 - 10 / width, top=1 - head / height, bottom=40 / height, hspace=0.08
        )
        top.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        for k, (_, diagram) in enumerate(sides):
            line(top, diagram, k, level)
            _counts(strip, diagram, k, len(sides))
        top.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), ylabel="accuracy")
        top.set_xticks(_TICKS, labels=_TICK_LABELS)
        top.set_yticks(_TICKS, labels=_TICK_LABELS)
        top.tick_params(axis="x", length=0, labelbottom=False)
        top.annotate("calibrated", (0.03, 0.075), color=MUTED, rotation=45, fontsize=10, rotation_mode="anchor")
        strip.set(xlabel="confidence", ylabel="items")
        strip.grid(visible=False)
        _count_axis(strip, 2)
        if legend:
            _legend(figure, [name for name, _ in sides], width)
    return figure


def draw_confidence(sides: Sides, width: int = 360) -> Figure:
    """How often each confidence occurs, right and wrong answers apart, one panel a side."""
    with style():
        height = 46 + 150 * len(sides)
        figure = _figure(width, height)
        panels = figure.subplots(len(sides), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        figure.subplots_adjust(
            left=50 / width, right=1 - 10 / width, top=1 - 24 / height, bottom=40 / height, hspace=0.3
        )
        for k, (panel, (name, diagram)) in enumerate(zip(panels, sides, strict=True)):
            histogram(panel, diagram, k)
            panel.set_title(one_line(name, width // 9), loc="left", fontsize=11, color=INK, fontweight="bold", pad=6)
            panel.set(xlim=(-0.01, 1.01), ylabel="items")
            panel.set_xticks(_TICKS, labels=_TICK_LABELS)
            panel.grid(visible=False, axis="x")
            _count_axis(panel, 4)
            panel.margins(y=0.12)
        panels[-1].set_xlabel("confidence")
        panels[0].legend(
            right_and_wrong(),
            ["right", "wrong"],
            loc="lower right",
            bbox_to_anchor=(1.0, 0.98),
            ncols=2,
            borderaxespad=0,
            columnspacing=1.2,
        )
    return figure


def draw_changes(panel: Panel, width: int = 360) -> Figure:
    """A forest plot: one line a row with its change and interval, the row's name above it. Filled: significant."""
    with style():
        height = _HEAD + _STEP * len(panel.rows) + _FOOT
        figure = _figure(width, height)
        axes = figure.subplots()
        figure.subplots_adjust(left=8 / width, right=1 - 8 / width, top=1 - _HEAD / height, bottom=_FOOT / height)
        forest(axes, panel.rows, panel.digits, width, panel.ends)
        axes.set_title(panel.title, loc="left", fontsize=11, color=INK, fontweight="bold", pad=10)
    return figure


def draw_all_changes(panels: Sequence[Panel], names: tuple[str, str], width: int = 300) -> Figure:
    """The forest plots side by side, as one figure. names: of the models before and after."""
    with style():
        n_rows = max(len(panel.rows) for panel in panels)
        head = _HEAD + 30
        height, whole = head + _STEP * n_rows + _FOOT, width * len(panels)
        figure = _figure(whole, height)
        figure.subplots_adjust(
            left=10 / whole, right=1 - 10 / whole, top=1 - head / height, bottom=_FOOT / height, wspace=0.08
        )
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            forest(axes, panel.rows, panel.digits, width, panel.ends)
            axes.set_title(panel.title, loc="left", fontsize=11, color=INK, fontweight="bold", pad=10)
        room = max(8, (whole - 220) // 16)
        title = " → ".join(one_line(name, room) for name in names)
        figure.text(10 / whole, 1 - 20 / height, title, fontsize=11, color=INK, fontweight="bold")
        _filled_and_hollow(figure)
    return figure


_STEP, _HEAD, _FOOT = 34, 30, 48  # pixels
_TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)
_TICK_LABELS = ("0", ".2", ".4", ".6", ".8", "1")


def _figure(width: int, height: int) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width / PIXELS, height / PIXELS), dpi=PIXELS)


def line(axes: Axes, diagram: Reliability, k: int, level: float, paper: Any = PAPER, color: Any = None) -> None:
    """A side's line, marks and intervals. Bins with fewer than FEW items are hollow marks off the line: they must not
    catch the eye. paper: the colour behind them. color: instead of the side's.
    """
    color = SIDES[k] if color is None else color
    few = np.flatnonzero((diagram.count > 0) & (diagram.count < FEW))
    held = np.flatnonzero(diagram.count >= FEW)
    x, y = diagram.confidence[held], diagram.accuracy[held]
    ends = [wilson(float(a), int(n), level) for a, n in zip(y, diagram.count[held], strict=True)]
    low, high = np.array(ends).reshape(-1, 2).T
    axes.fill_between(x, low, high, color=color, alpha=0.13, linewidth=0, zorder=2)
    axes.vlines(x, low, high, color=color, linewidth=1, alpha=0.75, zorder=3)
    axes.plot(x, y, color=color, linewidth=1.5, zorder=4)
    size = 14 + 56 * np.sqrt(diagram.count[held] / diagram.count.max())
    axes.scatter(x, y, s=size, marker=MARKS[k], color=color, edgecolor=paper, linewidth=0.8, zorder=5)
    x, y = diagram.confidence[few], diagram.accuracy[few]
    axes.scatter(x, y, s=16, marker=MARKS[k], facecolor=paper, edgecolor=color, linewidth=1, zorder=4, clip_on=False)


def histogram(axes: Axes, diagram: Reliability, k: int, paper: Any = PAPER) -> None:
    """Items at each confidence: right answers, and on top of them the wrong ones."""
    right, wrong = _split(diagram)
    left, widths = diagram.edges[:-1], np.diff(diagram.edges)
    axes.bar(left, right, widths, align="edge", color=SIDES[k], edgecolor=paper, linewidth=0.8)
    axes.bar(
        left,
        wrong,
        widths,
        bottom=right,
        align="edge",
        color=PALES[k],
        edgecolor=SIDES[k],
        linewidth=0.8,
        hatch="//",
    )


def _counts(axes: Axes, diagram: Reliability, k: int, n_sides: int) -> None:
    widths = np.diff(diagram.edges) / n_sides
    axes.bar(
        diagram.edges[:-1] + k * widths,
        diagram.count,
        widths * 0.92,
        align="edge",
        color=SIDES[k],
        linewidth=0,
        zorder=2,
    )


def _split(diagram: Reliability) -> tuple[Any, Any]:
    right = np.rint(np.where(diagram.count > 0, diagram.accuracy, 0.0) * diagram.count)
    return right, diagram.count - right


def forest(
    axes: Axes,
    rows: Changes,
    digits: int,
    width: int,
    ends: tuple[str, str] = ("", ""),
    paper: Any = PAPER,
    start: int = 0,
) -> None:
    """A forest plot into these axes, `width` pixels wide. ends: what a change below zero means, and one above.

    paper: the colour behind hollow marks and names. start: how many rows the axes hold already, which
    stay in sight above these."""
    from matplotlib.ticker import MaxNLocator

    n = start + len(rows)
    drawn = [
        *(axes.get_xlim() if start else ()),
        *(x for _, change, _ in rows for x in (change.value, change.low, change.high) if x is not None),
    ]
    low, high = min([0.0, *drawn]), max([0.0, *drawn])
    room = (high - low or 1.0) * 0.05
    axes.set(xlim=(low - room, high + room), ylim=(n - 0.35, -0.8))
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
    behind = {"facecolor": paper, "edgecolor": "none", "pad": 1}  # the zero line stops where it would cross a word
    for i, (name, change, significant) in enumerate(rows, start):
        for x, side, text in ((0, "left", one_line(name, width // 11)), (1, "right", signed(change.value, digits))):
            axes.text(
                x, i - 0.3, text, transform=axes.get_yaxis_transform(), ha=side, fontsize=11, bbox=behind, zorder=1.5
            )
        if change.value is None:
            continue
        if change.low is not None and change.high is not None:
            axes.hlines(i, change.low, change.high, color=SIDES[1], linewidth=2.5, alpha=0.55, zorder=2)
        face = SIDES[1] if significant else paper
        axes.scatter([change.value], [i], s=42, marker="s", facecolor=face, edgecolor=SIDES[1], linewidth=1.5, zorder=3)
    # Only where something is drawn: at the very edge a label would not fit.
    axes.set_xticks([x for x in MaxNLocator(4).tick_values(low, high) if low - 1e-12 <= x <= high + 1e-12])
    axes.xaxis.set_major_formatter(lambda x, _: signed(x, digits).rstrip("0") if abs(x) > 1e-12 else "0")
    for x, side, text in ((0, "left", f"← {ends[0]}"), (1, "right", f"{ends[1]} →")):
        if any(ends):
            axes.annotate(
                text, (x, 0), (0, -30), "axes fraction", "offset points", ha=side, color=MUTED, annotation_clip=False
            )


def _filled_and_hollow(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {
        "marker": "s",
        "markersize": 6.5,
        "markeredgecolor": SIDES[1],
        "markeredgewidth": 1.5,
        "linewidth": 0,
    }
    figure.legend(
        [Line2D([], [], markerfacecolor=face, **look) for face in (SIDES[1], PAPER)],
        ["significant", "not"],
        loc="upper right",
        ncols=2,
        borderaxespad=0.4,
        handletextpad=0.2,
        columnspacing=1.4,
    )


def _legend(figure: Figure, names: Sequence[str], width: int) -> None:
    from matplotlib.lines import Line2D

    room = max(8, (width - 40) // (8 * len(names)) - 3)
    legend = figure.legend(
        [Line2D([], [], color=SIDES[k], marker=MARKS[k], markersize=6, linewidth=1.5) for k in range(len(names))],
        ["name"] * len(names),
        loc="upper left",
        ncols=len(names),
        borderaxespad=0.4,
        columnspacing=1.4,
    )
    for entry, name in zip(legend.get_texts(), names, strict=True):
        entry.set_text(one_line(name, room))  # as a label, one that begins with an underscore would be left out


def right_and_wrong() -> list[Patch]:
    """A histogram's legend: what right answers look like, and what wrong ones."""
    from matplotlib.patches import Patch

    return [Patch(facecolor=SIDES[0], edgecolor=SIDES[0]), Patch(facecolor=PALES[0], edgecolor=SIDES[0], hatch="///")]


def _count_axis(axes: Axes, most: int) -> None:
    """Whole numbers, thousands as `1.5k`: the labels' room is fixed."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(most, integer=True))
    axes.yaxis.set_major_formatter(lambda x, _: f"{x:g}" if x < 1000 else f"{x / 1000:g}k")
