"""Text from tasks, models and files as a reader can see it: bounded, without characters that hide or reorder."""

from __future__ import annotations

import unicodedata

_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SPACES = str.maketrans({" ": "·", "\t": "→\t", "\n": "⏎\n", "\u00a0": "⍽"})
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def visible(text: object, most: int) -> str:
    """At most `most` characters. Controls become their pictures (␀); lone surrogates and marks of writing direction, �.

    Line ends and tabs stay. Letters of every script stay, and keep their own direction.
    """
    return "".join(map(_shown, shortened(str(text), most)))


def spaces_shown(text: str) -> str:
    """With spaces as ·, tabs as →, line ends as ⏎; tabs and line ends stay behind their signs."""
    return text.translate(_SPACES)


def one_line(text: object, most: int) -> str:
    """The same with every run of white space as one space."""
    return visible(" ".join(str(text).split()), most)


def _shown(c: str) -> str:
    if c in "\n\t":
        return c
    category = unicodedata.category(c)
    if category == "Cc":
        return chr(0x2400 + ord(c)) if ord(c) < 32 else _REPLACED
    return _REPLACED if category == "Cs" or c in _REORDERING else c


def shortened(text: str, width: int) -> str:
    """At most `width` characters, an ellipsis in the middle where some had to go: names differ at both ends."""
    if len(text) <= width:
        return text
    if width < 3:
        return text[:width]
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"
