"""The page that `compare` and `score` print: the sentence that matters, the table, the diagram, the warnings.

Lines never exceed the console's width (50 at least), carry no colour unless the console is a terminal, and are ASCII
where its encoding knows no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from calibaudit.advice.recommend import Recommendation
from calibaudit.analysis.audit import ModelAudit, Reliability
from calibaudit.analysis.compare import Comparison
from calibaudit.report.terminal.diagram import BAR, IDEAL, OVER, UNDER, diagram
from calibaudit.report.terminal.layout import styled
from calibaudit.report.terminal.tables import audit_table, changes, comparison_table
from calibaudit.report.words.text import advice, audit_headline, headline, short_names, shortened, wrapped

_MIN_WIDTH = 50
_ASCII = str.maketrans({"→": "->", "−": "-", "–": "-", "…": "~", "─": "-", BAR: "#", OVER: ".", UNDER: "+", IDEAL: "|"})


def render_comparison(
    comparison: Comparison, console: Console, recommendation: Recommendation | None = None, *, quiet: bool = False
) -> None:
    """Print the page of two models. quiet: only the sentence, the advice and the table."""
    width = page_width(console)
    parts = [comparison_header(comparison, width), styled(wrapped(headline(comparison), width - 1), "bold")]
    if recommendation is not None:
        parts[-1] += styled(wrapped(advice(recommendation), width - 1), "")
    parts.append(comparison_table(comparison, width))
    if not quiet:
        parts.append(changes(comparison, width))
        pooled = comparison.pooled
        names = short_names(comparison.before.name, comparison.after.name)
        sides = [(names[0], pooled.before.reliability), (names[1], pooled.after.reliability)]
        parts.append(_reliability(pooled.n_items, sides, width))
        about_advice = () if recommendation is None else recommendation.warnings
        parts.append(warning_lines((*comparison.warnings, *(f"advice: {text}" for text in about_advice)), width))
        if recommendation is not None:
            parts.append(note_lines(recommendation, width))
    print_parts(parts, console)


def render_audit(audit: ModelAudit, console: Console, *, quiet: bool = False) -> None:
    """Print the page of one model. quiet: only the sentence and the table."""
    width = page_width(console)
    parts = [_audit_header(audit, width), styled(wrapped(audit_headline(audit), width - 1), "bold")]
    parts.append(audit_table(audit, width))
    if not quiet:
        sides = [(short_names(audit.model.name, "")[0], audit.pooled.reliability)]
        parts.append(_reliability(audit.pooled.n_items, sides, width))
        parts.append(warning_lines(audit.warnings, width))
    print_parts(parts, console)


def _reliability(n_items: int, sides: Sequence[tuple[str, Reliability | None]], width: int) -> list[Text]:
    lines = diagram(sides, width)
    title = f"Reliability of {n_items:,} items: accuracy at each confidence"
    return [*styled(wrapped(title, width - 1), "bold"), *lines] if lines else []


def comparison_header(comparison: Comparison, width: int) -> list[Text]:
    """Which models, on what."""
    before, after = comparison.before, comparison.after
    lines = pair_lines(before.name, after.name, width)
    scorings = sorted({task.scoring for task in comparison.tasks})
    facts = [_plural(len(comparison.tasks), "task"), f"{comparison.pooled.n_items:,} items", " + ".join(scorings)]
    pairs = {task.chat_template for task in comparison.tasks}
    if pairs != {(False, False)}:
        word = {False: "off", True: "on"}
        facts.append("chat template " + ", ".join(f"{word[b]} → {word[a]}" for b, a in sorted(pairs)))
    facts.append(f"{before.dtype}" if before.dtype == after.dtype else f"{before.dtype} → {after.dtype}")
    facts.append(f"seed {comparison.settings.seed}")
    return [*styled(lines, "bold"), *styled(wrapped(", ".join(facts), width - 4), "dim")]


def pair_lines(before: str, after: str, width: int) -> list[str]:
    """`before → after`, on two lines where one is too short."""
    if len(before) + len(after) + 6 <= width:
        return [f" {before} → {after}"]
    return [f" {shortened(before, width - 4)}", f" → {shortened(after, width - 4)}"]


def _audit_header(audit: ModelAudit, width: int) -> list[Text]:
    scorings = " + ".join(sorted({task.scoring for task in audit.tasks}))
    facts = [_plural(len(audit.tasks), "task"), f"{audit.pooled.n_items:,} items", scorings]
    if any(task.chat_template for task in audit.tasks):
        facts.append("chat template on" if all(t.chat_template for t in audit.tasks) else "chat template on and off")
    facts += [audit.model.dtype, f"seed {audit.settings.seed}"]
    name = f" {shortened(audit.model.name, width - 2)}"
    return [Text(name, style="bold"), *styled(wrapped(", ".join(facts), width - 4), "dim")]


def warning_lines(warnings: Iterable[str], width: int) -> list[Text]:
    """What a reader must know, a ! before each sentence."""
    return [line for text in warnings for line in styled(wrapped(text, width - 1, " ! ", "   "), "yellow")]


def note_lines(recommendation: Recommendation, width: int) -> list[Text]:
    """What stands beside every factor above 0."""
    found = [f"Note: {recommendation.note}." if recommendation.note else "", _sentence(recommendation.evidence)]
    return [line for text in found if text for line in styled(wrapped(text, width - 1), "")]


def _sentence(text: str | None) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _plural(n: int, thing: str) -> str:
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def page_width(console: Console) -> int:
    """The console's width, 50 at least."""
    return max(console.width, _MIN_WIDTH)


def print_parts(parts: Iterable[Sequence[Text]], console: Console) -> None:
    """A blank line between the parts; ASCII where the stream's encoding cannot say more."""
    ascii_only = not _encodes("".join(map(chr, _ASCII)), console.encoding)
    for i, lines in enumerate(part for part in parts if part):
        if i:
            console.print()
        for line in lines:
            shown = _in_ascii(line) if ascii_only else line
            console.print(shown, soft_wrap=True, highlight=False)


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _in_ascii(line: Text) -> Text:
    plain = line.plain.translate(_ASCII).encode("ascii", "replace").decode("ascii")
    spans = line.spans if len(plain) == len(line) else []
    return Text(plain, style=line.style, spans=spans)
