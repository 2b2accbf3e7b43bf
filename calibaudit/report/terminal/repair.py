"""The page of a repair, fresh or saved: whether it helped, base, before and after, what was tried and done."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from calibaudit.repair.candidates import Repair
from calibaudit.report.document.tables import Table
from calibaudit.report.repair_page import KEPT_NOTE, repair_page
from calibaudit.report.terminal.layout import styled
from calibaudit.report.terminal.page import page_width, pair_lines, print_parts, warning_lines
from calibaudit.report.words.text import wrapped

_STYLES = {"better": "bold green", "worse": "bold red", "neutral": "bold yellow"}


def render_repair(repair: Repair, console: Console, *, quiet: bool = False) -> None:
    """Print the page. quiet: only the sentence and the tables."""
    width, page = page_width(console), repair_page(repair)
    style = "bold green" if repair.verdict.outcome == "not_needed" else _STYLES[page.tone]
    parts = [
        styled(pair_lines(*page.models, width), "bold"),
        styled(wrapped(page.sentence, width - 1), style),
    ]
    if page.measures is not None:
        parts.append(_blocks(page.measures, width))
    if page.candidates is not None:
        parts.append([*_one_table(page.candidates, "method", width), *_lines([f"{KEPT_NOTE}."], width, "dim")])
    if not quiet:
        parts.append(_lines(page.choice, width))
        parts.append(_lines(page.how, width))
        parts.append(warning_lines(page.warnings, width))
        parts.append(_lines([page.saved] if page.saved else [], width, "dim"))
    print_parts(parts, console)


def _lines(texts: tuple[str, ...] | list[str], width: int, style: str = "") -> list[Text]:
    return [line for text in texts for line in styled(wrapped(text, width - 1, rest="   "), style)]


def _blocks(table: Table, width: int) -> list[Text]:
    """The table, in blocks below each other where it is too wide."""
    heads = [column for head in table.heads for column in head.columns]
    blocks: list[list[int]] = [[]]
    for i in range(len(heads)):
        if blocks[-1] and len(_grid(table, "", [*blocks[-1], i])[0]) > width:
            blocks.append([])
        blocks[-1].append(i)
    lines: list[Text] = []
    for columns in blocks:
        if lines:
            lines.append(Text(""))
        lines += _dim_first(_grid(table, "", columns))
    return lines


def _one_table(table: Table, first: str, width: int) -> list[Text]:
    """The table, or where it is too wide a sentence a row."""
    heads = [column for head in table.heads for column in head.columns]
    grid = _grid(table, first, list(range(len(heads))))
    if max(map(len, grid)) <= width:
        return _dim_first(grid)
    texts = [
        f"{row.name}: {', '.join(f'{head} {cell}' for head, cell in zip(heads, row.cells, strict=True))}"
        for row in table.rows
    ]
    return _lines(texts, width)


def _dim_first(lines: list[str]) -> list[Text]:
    return [Text(line.rstrip(), style="" if i else "dim") for i, line in enumerate(lines)]


def _grid(table: Table, first: str, columns: list[int]) -> list[str]:
    """Aligned lines of one width, the heads first."""
    heads = [column for head in table.heads for column in head.columns]
    marked = any(row.name.startswith("* ") for row in table.rows)
    indent = "  " if marked else ""
    rows = [[f"{indent}{first}", *(heads[i] for i in columns)]]
    for row in table.rows:
        name = row.name if row.name.startswith("* ") else f"{indent}{row.name}"
        rows.append([name, *(row.cells[i] for i in columns)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        " " + "  ".join([name.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True))])
        for name, *cells in rows
    ]
