"""Aligned columns of text that never exceed a width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.text import Text

from calibaudit.files.text import log_line, shortened

_NAME_WIDTH = 14  # narrower names would not be told apart
_MOST_NAME = 400


@dataclass(frozen=True)
class Column:
    """Figures under one title: `heads` and every row of `cells` have the same length."""

    title: str
    heads: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]

    @property
    def widths(self) -> tuple[int, ...]:
        widths = [max(len(cell) for cell in cells) for cells in zip(self.heads, *self.cells, strict=True)]
        widths[-1] += max(0, len(self.title) - sum(widths) - len(widths) + 1)
        return tuple(widths)

    @property
    def width(self) -> int:
        return sum(self.widths) + len(self.heads) - 1

    def line(self, cells: Sequence[str]) -> str:
        return " ".join(cell.rjust(width) for cell, width in zip(cells, self.widths, strict=True))


def tables(
    names: Sequence[str], layouts: Sequence[Sequence[Column]], n_tasks: int, width: int, first: str = "task"
) -> list[Text]:
    """The first layout that fits beside the names; of the last one what does not fit stands in tables of its own below.

    No column is dropped for want of width, except by a later layout that lacks it. n_tasks, first: as in `table_lines`.
    """
    lines: list[Text] = []
    for columns in _blocks(layouts, names, width):
        lines += [Text(""), *table_lines(names, columns, n_tasks, width, first)]
    return lines[1:]


def _blocks(layouts: Sequence[Sequence[Column]], names: Sequence[str], width: int) -> list[Sequence[Column]]:
    longest = max(len(name_shown(name)) for name in names)
    needed = max(_NAME_WIDTH, min(longest, 20))
    for shown in (needed, _NAME_WIDTH):
        for columns in layouts:
            if _total(columns) + shown <= width:
                return [columns]
    blocks: list[list[Column]] = [[]]
    for column in layouts[-1]:
        if blocks[-1] and _total([*blocks[-1], column]) + _NAME_WIDTH > width:
            blocks.append([])
        blocks[-1].append(column)
    return list(blocks)


def table_lines(
    names: Sequence[str], columns: Sequence[Column], n_tasks: int, width: int, first: str = "task"
) -> list[Text]:
    """Heads, one line a name, a rule after the first `n_tasks` of them if more follow. first: what the names are of."""
    names = [name_shown(name) for name in names]
    name_width = max(1, min(max(len(first), *map(len, names)), width - _total(columns)))
    lines = []
    if any(column.title for column in columns):
        titles = "".join("  " + column.title.ljust(column.width) for column in columns)
        lines.append(Text((" " + " " * name_width + titles).rstrip(), style="bold"))
    heads = "".join("  " + column.line(column.heads) for column in columns)
    lines.append(Text((" " + first.ljust(name_width) + heads).rstrip(), style="dim"))
    for i, name in enumerate(names):
        if i == n_tasks:
            lines.append(Text(" " + "─" * (len(lines[-1]) - 1), style="dim"))
        cells = "".join("  " + column.line(column.cells[i]) for column in columns)
        text = " " + shortened(name, name_width).ljust(name_width) + cells
        lines.append(Text(text.rstrip(), style="bold" if i >= n_tasks else ""))
    return lines


def name_shown(name: str) -> str:
    """A name on a page: one line, nothing in it that acts."""
    return log_line(name, _MOST_NAME)


def styled(lines: Iterable[str], style: str) -> list[Text]:
    return [Text(line, style=style) for line in lines]


def _total(columns: Sequence[Column]) -> int:
    return 2 + sum(2 + column.width for column in columns)
