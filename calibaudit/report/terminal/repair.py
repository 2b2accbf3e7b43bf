"""The page that `fix` prints: whether it helped, base, before and after, what was done."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from calibaudit.repair.fix import Repair
from calibaudit.report.terminal.layout import styled
from calibaudit.report.terminal.page import page_width, pair_lines, print_parts, warning_lines
from calibaudit.report.words.repair import MEASURES, how, repair_sentence, repair_warnings, retention, training_facts
from calibaudit.report.words.text import number, signed, wrapped

_STYLES = {
    "helped": "bold green",
    "not_needed": "bold green",
    "not_improved": "bold red",
    "no_factor": "bold red",
    "accuracy_lost": "bold red",
}


def render_repair(repair: Repair, out: str, console: Console, *, quiet: bool = False) -> None:
    """Print the page. out: where the result lies. quiet: only the sentence and the table."""
    width = page_width(console)
    parts = [
        styled(pair_lines(repair.instruct.name, out if repair.proof else "(nothing)", width), "bold"),
        styled(wrapped(repair_sentence(repair), width - 1), _STYLES[repair.verdict.outcome]),
    ]
    if repair.proof is not None:
        parts.append(_table(repair, width))
    if not quiet:
        if repair.training is not None:
            lines = [how(repair), f"Training: {training_facts(repair)}.", retention(repair) or ""]
            parts.append([line for text in lines if text for line in styled(wrapped(text, width - 1), "")])
        parts.append(warning_lines(repair_warnings(repair), width))
        if repair.proof is not None:
            saved = f"Saved in {out}: the model, README.md, fix.json, training.jsonl"
            parts.append(styled(wrapped(saved, width - 1), "dim"))
    print_parts(parts, console)


def _table(repair: Repair, width: int) -> list[Text]:
    assert repair.proof is not None
    sides = {
        "base": repair.proof.tuning.pooled.before,
        "before": repair.proof.repair.pooled.before,
        "after": repair.proof.repair.pooled.after,
    }
    columns = []
    for title, metric, digits in MEASURES:
        form = signed if metric == "gap" else number
        cells = [form(side.metrics[metric].value, digits) for side in sides.values()]
        cells.append(signed(repair.proof.repair.pooled.change[metric].value, digits))
        columns.append([title, *cells])
    lines = [["", *sides, "after - before"], *columns]
    widths = [max(map(len, column)) for column in lines]
    while sum(widths) + 2 * len(widths) > width and len(widths) > 4:  # from the right, what does not fit
        lines.pop()
        widths.pop()
    rows = []
    for i in range(5):
        first, *others = (column[i] for column in lines)
        cells = [first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True))]
        rows.append(Text((" " + "  ".join(cells)).rstrip(), style="dim" if i == 0 else ""))
    return rows
