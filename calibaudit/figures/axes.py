"""A diagram in a user's own axes: drawn by `draw`, in the style that the axes were made in.

Nothing of matplotlib's global state is changed; pyplot is imported only to make a figure where no axes are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibaudit.errors import CalibauditError, told
from calibaudit.figures.data import Reliability
from calibaudit.figures.draw import MARKS, Changes, Sides, forest, histogram, line, right_and_wrong
from calibaudit.figures.svg import MUTED, PIXELS, SIDES
from calibaudit.files.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAME = 60
_DIAGONAL = "calibaudit: calibrated"
"""The gid of the diagonal, which is drawn once."""
_ROW = "calibaudit: row"
"""What the gids of a forest plot's texts begin with, two in each row."""


def plot_reliability(sides: Sides, level: float, ax: Axes | None = None, *, color: Any = None) -> Axes:
    """Accuracy at each confidence, one line a side with Wilson intervals of `level`, and the diagonal.

    A bin of few items is a hollow mark off the line. color: of the line, where there is one side. Drawn into `ax`, or
    into the axes of a new pyplot figure; returned.
    """
    axes = _axes(ax, 4.8, 4.6)
    if not any(artist.get_gid() == _DIAGONAL for artist in axes.lines):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1, gid=_DIAGONAL)
    for k, (name, diagram) in enumerate(sides):
        line(axes, diagram, k, level, paper=axes.get_facecolor(), color=color)
        colour = SIDES[k] if color is None else color
        axes.plot([], [], color=colour, marker=MARKS[k], markersize=6, linewidth=1.5, label=_label(name))
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="confidence", ylabel="accuracy")
    _as_written(axes.legend(loc="upper left").get_texts())
    return axes


def plot_confidence(diagram: Reliability, ax: Axes | None = None) -> Axes:
    """How often each confidence occurs, right and wrong answers apart. ax: as for `plot_reliability`."""
    axes = _axes(ax, 4.8, 3.2)
    histogram(axes, diagram, 0, paper=axes.get_facecolor())
    axes.set(xlim=(-0.01, 1.01), xlabel="confidence", ylabel="items")
    axes.margins(y=0.15)
    axes.legend(right_and_wrong(), ["right", "wrong"])
    return axes


def plot_changes(rows: Changes, title: str, ax: Axes | None = None) -> Axes:
    """A forest plot: of each row its change with the interval; filled marks are significant. ax: as for
    `plot_reliability`. In axes that hold such a plot its rows come below, and the title names both."""
    axes = _axes(ax, 4.8, 1 + 0.45 * len(rows))
    start = sum((text.get_gid() or "").startswith(_ROW) for text in axes.texts) // 2
    other = axes.get_title("left") if start else title
    n_texts = len(axes.texts)
    pixels = int(axes.get_window_extent().width * PIXELS / axes.figure.dpi)
    forest(axes, rows, 3, max(pixels, 120), paper=axes.get_facecolor(), start=start)
    _as_written(axes.texts[n_texts:])
    for k, text in enumerate(axes.texts[n_texts:]):
        text.set_gid(f"{_ROW} {start}.{k}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title if title == other else f"{other}; {title}", loc="left")
    return axes


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    """`ax`, or without one those of a new pyplot figure. Raises CalibauditError for what is no axes."""
    if ax is not None:
        from matplotlib.axes import Axes

        if not isinstance(ax, Axes):
            raise CalibauditError(f"ax is {told(ax)}; give matplotlib axes, such as Figure().subplots()")
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(width, height), layout="constrained")[1]


def _label(name: str) -> str:
    """A legend leaves out names that begin with an underscore."""
    text = one_line(name, _MOST_NAME)
    return f" {text}" if text.startswith("_") else text or " "


def _as_written(texts: Any) -> None:
    """A dollar sign in a name is a dollar sign."""
    for text in texts:
        text.set_parse_math(False)
