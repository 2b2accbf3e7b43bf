"""What `calibaudit data show` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from calibaudit.files.text import one_line, spaces_shown, visible
from calibaudit.training.data.encode import IGNORED, Encoded
from calibaudit.training.data.rows import OneRow

_LEARNED = "bold green"
_OPEN, _CLOSE = "⟦", "⟧"
_OTHER_BRACKETS = str.maketrans({_OPEN: "[", _CLOSE: "]"})
_MOST_IN_A_CHARACTER = 8
"""Tokens: four bytes and what a tokenizer may put between; then a character that is not whole is shown as such."""


def render_row(row: OneRow, encoded: Encoded, tokenizer: Any, console: Console | None = None) -> None:
    """The row's text with what is learned of it marked: by colour, or in ⟦⟧ where there is none.

    encoded: of this row alone. Spaces are shown as ·, tabs as →, line ends as ⏎, control characters as pictures.
    """
    console = console or Console()
    coloured = console.is_terminal and console.color_system is not None and not console.no_color
    (example,) = encoded.examples
    learned = [label != IGNORED for label in example.labels]
    through = "through the chat template" if encoded.template else "as plain text"
    head = f"{one_line(row.row.place, 400)}: {row.kind}, {through}: {len(learned):,} tokens, {sum(learned):,} learned"
    _print(console, Text(head + (", cut to fit" if encoded.n_truncated else ""), style="bold"))
    if row.unread:
        _print(console, Text(f"not read: {one_line(', '.join(row.unread), 1000)}", style="dim"))
    _print(console, Text.assemble("what is learned is ", ("like this", _LEARNED) if coloured else "in ⟦⟧", style="dim"))
    text = Text()
    for is_learned, said in _runs(learned, pieces(tokenizer, example.input_ids)):
        shown = spaces_shown(visible(said, len(said)))
        if not coloured:
            shown = shown.translate(_OTHER_BRACKETS)
            shown = f"{_OPEN}{shown}{_CLOSE}" if is_learned else shown
        text.append(shown, style=_LEARNED if is_learned and coloured else "")
    _print(console, text)


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


def _runs(learned: Sequence[bool], texts: Iterator[tuple[int, str]]) -> Iterator[tuple[bool, str]]:
    """Texts joined as long as they are learned, or are not; a text of several tokens is learned if one of them is."""
    run, is_learned, position = "", False, 0
    for n_tokens, text in texts:
        marked = any(learned[position : position + n_tokens])
        if marked is not is_learned:
            if run:
                yield is_learned, run
            run, is_learned = "", marked
        run += text
        position += n_tokens
    if run:
        yield is_learned, run


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
