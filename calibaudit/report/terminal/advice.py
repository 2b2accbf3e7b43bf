"""The page that `recommend` prints: the advice, its diagnosis, the repairs that could serve, when not to trust it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from calibaudit.advice.options.option import RepairOption
from calibaudit.advice.recommendation import PilotPoint, Recommendation
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.estimates import Interval
from calibaudit.report.terminal.comparison import comparison_header
from calibaudit.report.terminal.layout import styled
from calibaudit.report.terminal.page import (
    command_lines,
    note_lines,
    page_width,
    print_parts,
    trade_lines,
    warning_lines,
)
from calibaudit.report.words.findings import advice, option_words
from calibaudit.report.words.reach import reach_notes
from calibaudit.report.words.text import NOTHING, bounds, number, short_names, signed, wrapped


def render_advice(
    comparison: Comparison, recommendation: Recommendation, console: Console, *, quiet: bool = False
) -> None:
    """Print the page. quiet: only the advice, the diagnosis and the repairs that could serve."""
    width = page_width(console)
    sentence = advice(recommendation, comparison)
    parts = [comparison_header(comparison, width), styled(wrapped(sentence, width - 1), "bold")]
    if recommendation.reason not in sentence:
        parts[-1] += styled(wrapped(f"Why: {recommendation.reason}.", width - 1), "")
    parts[-1] += command_lines(recommendation, comparison, width)
    parts.append([line for text in reach_notes(comparison) for line in styled(wrapped(text, width - 1), "")])
    parts.append(_diagnosis(comparison, recommendation, width))
    parts.append(_options(recommendation, width))
    parts.append(trade_lines(recommendation, width))
    if not quiet:
        parts.append(_pilot(recommendation.pilot, width))
        parts.append(warning_lines((*comparison.warnings, *recommendation.warnings), width))
        parts.append(note_lines(recommendation, width))
    print_parts(parts, console)


def _diagnosis(comparison: Comparison, recommendation: Recommendation, width: int) -> list[Text]:
    demand, name = recommendation.demand, short_names(comparison.before.name, comparison.after.name)[1]
    if recommendation.pilot:
        name = "the pilot run with hard labels"
    rows = [
        ("gap", _with_bounds(signed(demand.gap.value), demand.gap.low, demand.gap.high), "confidence - accuracy"),
        (
            "temperature",
            _with_bounds(number(demand.temperature.value, 2), demand.temperature.low, demand.temperature.high, 2),
            "that fits it best",
        ),
        ("over options", number(demand.option_epsilon, 2), "closes the gap; no factor for a trainer"),
    ]
    if recommendation.nll_weight is not None:
        rows.append(("best by NLL", number(recommendation.nll_weight, 2), "of base in the mixture"))
    head = recommendation.head
    if head is not None:
        cap = f"of {head.vocab_size:,} tokens, half cannot get more (hidden size {head.hidden_size:,})"
        rows.append(("head", _below_one(head.median_prob), cap))
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    lines = styled(wrapped(f"Diagnosis of {name}", width - 1), "bold")
    for label, figures, meaning in rows:
        start = f"  {label.ljust(first)}  {figures.ljust(second)}  "
        lines += styled(wrapped(meaning, width - 1, start, " " * len(start)), "")
    return lines


def _options(recommendation: Recommendation, width: int) -> list[Text]:
    """A line of figures for each repair, the advised one marked; below it what it keeps, costs and rests on."""
    if not recommendation.options:
        return []
    rows = [("", "", "ECE", "accuracy", "NLL"), *(_option_cells(option) for option in recommendation.options)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = styled(wrapped("Possible repairs, lowest NLL first; > is advised", width - 1), "bold")
    for row, option in zip(rows, (None, *recommendation.options), strict=True):
        mark = ">" if option is not None and option is recommendation.advised else " "
        cells = " ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        lines += styled([f" {mark} {cells}".rstrip()], "dim" if option is None else "")
        if option is not None:
            lines += styled(wrapped(option_words(option), width - 1, "     ", "     "), "dim")
    return lines


def _option_cells(option: RepairOption) -> tuple[str, ...]:
    setting = "" if option.setting is None else number(option.setting.value, 2)
    figures = option.figures
    given = (None,) * 3 if figures is None else (figures.ece, figures.accuracy, figures.nll)
    return option.method, setting, *(_figure(one) for one in given)


def _figure(found: Interval | None) -> str:
    return NOTHING if found is None else _with_bounds(number(found.value), found.low, found.high)


def _pilot(points: Sequence[PilotPoint], width: int) -> list[Text]:
    if not points:
        return []
    rows = [("factor", "towards", "accuracy", "gap", "ECE", "NLL", "AUROC", "mass", "learned", "")]
    for point in points:
        rows.append(
            (
                number(point.epsilon, 2),
                point.prior if point.epsilon else "hard labels",
                number(point.accuracy),
                signed(point.gap.value),
                number(point.ece),
                number(point.nll),
                number(point.auroc),
                number(point.option_mass, 2),
                number(point.learned, 2),
                point.rejected or ("ok" if point.epsilon else ""),
            )
        )
    columns = [column for column in zip(*rows, strict=True) if any(cell != NOTHING for cell in column[1:])]
    widths = [max(map(len, column)) for column in columns]
    lines = styled(wrapped(f"Pilot: {len(points)} short runs from base", width - 1), "bold")
    for i in range(len(rows)):
        *cells, judgement = (column[i] for column in columns)
        aligned = [cell.rjust(size) for cell, size in zip(cells, widths, strict=False)]
        aligned[1] = cells[1].ljust(widths[1])
        start = f"  {' '.join(aligned)}"
        shown = wrapped(judgement, width - 1, f"{start}  ", " " * (len(start) + 2)) if judgement else [start]
        lines += styled(shown, "dim" if i == 0 else "")
    return lines


def _with_bounds(value: str, low: float | None, high: float | None, digits: int = 3) -> str:
    return f"{value} {bounds(low, high, digits)}".strip()


def _below_one(prob: float) -> str:
    """A bound that is as good as none is no 1.00."""
    return "> .999" if prob > 0.999 else number(prob, 3)
