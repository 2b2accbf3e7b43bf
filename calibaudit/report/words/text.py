"""Numbers and sentences for people: the same words on every page."""

from __future__ import annotations

import re
import textwrap

from calibaudit.files.text import visible
from calibaudit.scores.names import short_name as short_name  # here too: words of every page
from calibaudit.scores.names import short_names as short_names

MINUS = "−"
NOTHING = "–"
_MOST_SENTENCE = 6_000
_KEEP = re.compile(r"\[[^\]]{1,30}\]|\([^()\[]{1,30}\)|\bp [<=] \S+|\S+ → \S+|\S+ %")


def number(value: float | None, digits: int = 3) -> str:
    """`.138`, `1.720`, `−.050`: no zero before the point. None is an en dash."""
    if value is None:
        return NOTHING
    text = f"{abs(value):.{digits}f}"
    if text.startswith("0."):
        text = text[1:]
    return MINUS + text if value < 0 and text.strip(".0") else text


def signed(value: float | None, digits: int = 3) -> str:
    """As `number`, with a plus before what is above zero after rounding."""
    text = number(value, digits)
    return text if value is None or value <= 0 or not text.strip(".0") else f"+{text}"


def bounds(low: float | None, high: float | None, digits: int = 3) -> str:
    """`[.098, .131]`; empty where there is no interval."""
    return "" if low is None or high is None else f"[{number(low, digits)}, {number(high, digits)}]"


def p_text(p_value: float | None) -> str:
    """`p < .001`, `p = .032`; never p = 0."""
    if p_value is None:
        return "no test"
    return "p < .001" if p_value < 0.001 else f"p = {number(p_value, 3)}"


def wrapped(text: str, width: int, first: str = " ", rest: str = " ") -> list[str]:
    """Lines of at most `width` characters. Intervals and p-values stay whole; a long word is broken."""
    kept = re.sub(_KEEP, lambda match: match[0].replace(" ", "\xa0"), visible(text, _MOST_SENTENCE))
    lines = textwrap.wrap(kept, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


def as_sentence(text: str) -> str:
    """A clause that findings are kept as, with its capital and its stop."""
    return f"{text[:1].upper()}{text[1:]}."
