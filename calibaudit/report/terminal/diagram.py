"""The reliability diagram of the terminal page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.text import Text

from calibaudit.analysis.audit import FloatArray, Reliability
from calibaudit.files.text import shortened
from calibaudit.report.terminal.layout import name_shown, styled
from calibaudit.report.words.text import number, wrapped

BAR, OVER, UNDER, IDEAL = "█", "░", "▓", "│"
MAX_LINES = 20


def diagram(sides: Sequence[tuple[str, Reliability | None]], width: int) -> list[Text]:
    """Reliability: a line per confidence bin, a bar of its accuracy for each side, a mark at its mean confidence.

    Bins that are empty on every side are left out; more than MAX_LINES bins are shown joined.
    """
    shown = [(name, _coarser(reliability)) for name, reliability in sides if reliability is not None]
    if not shown:
        return []
    edges = shown[0][1].edges
    bins = [b for b in range(len(edges) - 1) if any(reliability.count[b] for _, reliability in shown)]
    labels = {b: f"{number(edges[b], 2)}–{number(edges[b + 1], 2)}" for b in bins}
    label_width = max(len("confidence"), *map(len, labels.values()))
    count_width = max(len(f"{int(r.count[b]):,}") for _, r in shown for b in bins)
    bar_width = min(40, (width - 2 - label_width) // len(shown) - count_width - 4)
    if bar_width < 8:
        return []
    head = Text(" " + "confidence".ljust(label_width), style="bold")
    for name, _ in shown:
        head.append("  " + shortened(name_shown(name), bar_width).ljust(bar_width) + " " + "n".rjust(count_width) + " ")
    lines = [head]
    for b in bins:
        line = Text(" " + labels[b].rjust(label_width))
        for _, reliability in shown:
            line.append("  ")
            line.append(_bar(reliability, b, bar_width))
            n = int(reliability.count[b])
            line.append(f" {n:>{count_width},} " if n else " " * (count_width + 2), style="dim")
        lines.append(line)
    key = f"{BAR} accuracy  {IDEAL} mean confidence (ideal)  {OVER} overconfident  {UNDER} underconfident"
    lines += styled(wrapped(key, width - 1), "dim")
    for line in lines:
        line.rstrip()
    return lines


def _bar(reliability: Reliability, b: int, width: int) -> Text:
    bar = Text()
    if not reliability.count[b]:
        return Text(" " * width)
    right = round(float(reliability.accuracy[b]) * (width - 1))
    ideal = round(float(reliability.confidence[b]) * (width - 1))
    bar.append(BAR * min(right, ideal))
    bar.append(OVER * (ideal - right), style="red")
    if right > ideal:
        bar.append(IDEAL)
        bar.append(UNDER * (right - ideal), style="blue")
    else:
        bar.append(IDEAL)
    bar.append(" " * (width - len(bar)))
    return bar


def _coarser(reliability: Reliability) -> Reliability:
    n_bins = len(reliability.count)
    factor = -(-n_bins // MAX_LINES)
    if factor == 1:
        return reliability
    starts = np.arange(0, n_bins, factor)
    count = np.add.reduceat(reliability.count, starts)

    def mean(values: FloatArray) -> FloatArray:
        sums = np.add.reduceat(np.where(reliability.count > 0, values, 0.0) * reliability.count, starts)
        means: FloatArray = np.divide(sums, count, out=np.full(len(starts), np.nan), where=count > 0)
        return means

    edges = np.append(reliability.edges[starts], reliability.edges[-1])
    return Reliability(edges, count, mean(reliability.confidence), mean(reliability.accuracy))
