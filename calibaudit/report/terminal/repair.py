"""The page of a repair, fresh or saved: whether it helped, base, before and after, what was tried and done."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from calibaudit.repair.candidates import Repair
from calibaudit.report.document.tables import Table
from calibaudit.report.repair_page import KEPT_NOTE, repair_page
from calibaudit.report.terminal.layout import styled
from calibaudit.report.terminal.page import page_width, pair_lines, print_parts, sayable, warning_lines
from calibaudit.report.words.text import wrapped

_STYLES = {"better": "bold green", "worse": "bold red", "neutral": "bold yellow"}


def render_repair(repair: Repair, console: Console, *, quiet: bool = False) -> None:
    """Print the page. quiet: only the sentence and the tables."""
    width, page = page_width(console), repair_page(repair)

    def lines(texts: Sequence[str], style: str = "", rest: str = "   ") -> list[Text]:
        said = (sayable(text, console) for text in texts)
        return [line for text in said for line in styled(wrapped(text, width - 1, rest=rest), style)]

    style = "bold green" if repair.verdict.outcome == "not_needed" else _STYLES[page.tone]
    facts = styled(wrapped(sayable(", ".join(page.facts), console), width - 4), "dim") if page.facts else []
    parts = [
        [*styled(pair_lines(*page.models, width), "bold"), *facts],
        lines([page.sentence], style, " "),
    ]
    if page.measures is not None:
        parts.append(_blocks(page.measures, width))
    if page.candidates is not None:
        table = _one_table(page.candidates, "method", width)
        parts.append([*(table or lines(_rows_in_words(page.candidates))), *lines([f"{KEPT_NOTE}."], "dim")])
    if not quiet:
        parts += [lines(page.choice), lines(page.how)]
        parts.append(warning_lines([sayable(text, console) for text in page.warnings], width))
        parts.append(lines([page.saved] if page.saved else [], "dim"))
    print_parts(parts, console)


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
    """The table; nothing where it is too wide."""
    grid = _grid(table, first, list(range(sum(len(head.columns) for head in table.heads))))
    return _dim_first(grid) if max(map(len, grid)) <= width else []


def _rows_in_words(table: Table) -> list[str]:
    """A row each: `merge, .40 of base: ECE .030, accuracy .612, ...`."""
    heads = [column for head in table.heads for column in head.columns]
    return [
        f"{row.name}: {', '.join(f'{head} {cell}' for head, cell in zip(heads, row.cells, strict=True))}"
        for row in table.rows
    ]


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
