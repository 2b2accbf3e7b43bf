"""Tokens as text, some of them marked: by colour, or by brackets where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from calibaudit.files.text import screen_text, spaces_shown

_STYLE = "bold green"
_OPEN, _CLOSE = "⟦", "⟧"
_OTHER_BRACKETS = str.maketrans({_OPEN: "[", _CLOSE: "]"})
_MOST_IN_A_CHARACTER = 8
"""Tokens: four bytes and what a tokenizer may put between; then a character that is not whole is shown as such."""


class Marks:
    """How a console shows what is marked. Spaces are shown as ·, tabs as →, line ends as ⏎, control characters as
    pictures."""

    def __init__(self, console: Console) -> None:
        self._coloured = console.is_terminal and console.color_system is not None and not console.no_color

    def legend(self, what: str) -> Text:
        """`what` is like this, or in brackets."""
        return Text.assemble(f"{what} is ", ("like this", _STYLE) if self._coloured else "in ⟦⟧", style="dim")

    def shown(self, text: str, *, marked: bool) -> Text:
        shown = spaces_shown(screen_text(text))
        if self._coloured:
            return Text(shown, style=_STYLE if marked else "")
        shown = shown.translate(_OTHER_BRACKETS)
        return Text(f"{_OPEN}{shown}{_CLOSE}" if marked else shown)


def pieces(tokenizer: Any, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """(number of tokens, their text) from the first token to the last; several tokens where they share a character.

    Each text is what the token adds to the one before it, since some tokenizers leave out a text's first space.
    """

    def said(start: int, end: int) -> str:
        text = tokenizer.decode(ids[start:end], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return str(text)

    before = start = 0
    for end in range(1, len(ids) + 1):
        told, whole = said(before, start), said(before, end)
        if whole.endswith("\N{REPLACEMENT CHARACTER}") and end < len(ids) and end - start < _MOST_IN_A_CHARACTER:
            continue
        yield end - start, whole[len(told) :] if whole.startswith(told) else said(start, end)
        before, start = start, end
