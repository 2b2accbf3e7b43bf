"""Numbers and sentences for people: the same words on every page."""

from __future__ import annotations

import re
import textwrap

from calibaudit.files.shown.numbers import MINUS, NOTHING, bounds, number, p_text, signed
from calibaudit.files.text import visible
from calibaudit.scores.names import short_name, short_names  # here too: words of every page

__all__ = [
    "MINUS",
    "NOTHING",
    "as_sentence",
    "bounds",
    "number",
    "p_text",
    "short_name",
    "short_names",
    "signed",
    "wrapped",
]

_MOST_SENTENCE = 6_000
_KEEP = re.compile(r"\[[^\]]{1,30}\]|\([^()\[]{1,30}\)|\bp [<=] \S+|\S+ → \S+|\S+ %")


def wrapped(text: str, width: int, first: str = " ", rest: str = " ") -> list[str]:
    """Lines of at most `width` characters. Intervals and p-values stay whole; a long word is broken."""
    kept = re.sub(_KEEP, lambda match: match[0].replace(" ", "\xa0"), visible(text, _MOST_SENTENCE))
    lines = textwrap.wrap(kept, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


def as_sentence(text: str) -> str:
    """A clause that findings are kept as, with its capital and its stop."""
    return f"{text[:1].upper()}{text[1:]}."
