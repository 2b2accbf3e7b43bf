"""What every page in a terminal has: its width, its title, its warnings and notes, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from calibaudit.advice.recommendation import Recommendation
from calibaudit.analysis.compare import Comparison
from calibaudit.files.text import shortened
from calibaudit.report.terminal.layout import name_shown, styled
from calibaudit.report.terminal.printing import ASCII, print_blank, print_line, says
from calibaudit.report.words.commands import advised_parts
from calibaudit.report.words.findings import trade_sentences
from calibaudit.report.words.text import as_sentence, wrapped

_MIN_WIDTH = 50


def pair_lines(before: str, after: str, width: int) -> list[str]:
    """`before → after`, on two lines where one is too short."""
    before, after = name_shown(before), name_shown(after)
    if len(before) + len(after) + 6 <= width:
        return [f" {before} → {after}"]
    return [f" {shortened(before, width - 4)}", f" → {shortened(after, width - 4)}"]


def warning_lines(warnings: Iterable[str], width: int) -> list[Text]:
    """What a reader must know, a ! before each sentence."""
    return [line for text in warnings for line in styled(wrapped(text, width - 1, " ! ", "   "), "yellow")]


def note_lines(recommendation: Recommendation, width: int) -> list[Text]:
    """What stands beside advice, and is no reason to doubt it."""
    found = [
        *(f"Note: {text}." for text in recommendation.notes),
        *(as_sentence(text) for text in (recommendation.of_ensemble, recommendation.evidence) if text),
    ]
    return [line for text in found for line in styled(wrapped(text, width - 1), "")]


def trade_lines(recommendation: Recommendation, width: int) -> list[Text]:
    """How the advised repair stands to the others."""
    return [line for text in trade_sentences(recommendation) for line in styled(wrapped(text, width - 1), "")]


def command_lines(recommendation: Recommendation, comparison: Comparison, width: int) -> list[Text]:
    """What to run, as a shell takes it: a line ends between options, with a backslash."""
    lines: list[str] = []
    for part in advised_parts(recommendation, comparison.before, comparison.after):
        if not lines:
            lines.append(f" Run: {part}")
        elif len(lines[-1]) + len(part) + 4 <= width:  # two blanks, the backslash, and the last column
            lines[-1] += f" {part}"
        else:
            lines[-1] += " \\"
            lines.append(f"   {part}")
    return [line for long in lines for line in styled(_cut(long, width - 1), "")]


def _cut(line: str, width: int) -> list[str]:
    """A name that no line could hold is broken, as everywhere on the page."""
    return [line] if len(line) <= width else wrapped(line.strip(), width, line[: len(line) - len(line.lstrip())], "   ")


def page_width(console: Console) -> int:
    """The console's width, 50 at least."""
    return max(console.width, _MIN_WIDTH)


def sayable(text: str, console: Console) -> str:
    """The text as `print_parts` will show it: what is to be wrapped must have its final length."""
    return text if says(console, "".join(map(chr, ASCII))) else text.translate(ASCII)


def print_parts(parts: Iterable[Sequence[Text]], console: Console) -> None:
    """A blank line between the parts; ASCII where the stream's encoding cannot say more."""
    for i, lines in enumerate(part for part in parts if part):
        if i:
            print_blank(console)
        for line in lines:
            print_line(console, line)
