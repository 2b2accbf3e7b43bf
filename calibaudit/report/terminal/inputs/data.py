"""What `calibaudit data show` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from calibaudit.files.text import one_line
from calibaudit.report.terminal.inputs.marks import Marks, pieces
from calibaudit.report.terminal.printing import print_line
from calibaudit.training.data.encode import IGNORED, Encoded
from calibaudit.training.data.rows import OneRow


def render_row(row: OneRow, encoded: Encoded, tokenizer: Any, console: Console | None = None) -> None:
    """The row's text with what is learned of it marked: by colour, or in ⟦⟧ where there is none.

    encoded: of this row alone. Spaces are shown as ·, tabs as →, line ends as ⏎, control characters as pictures.
    """
    console = console or Console()
    marks = Marks(console)
    (example,) = encoded.examples
    learned = [label != IGNORED for label in example.labels]
    through = "through the chat template" if encoded.template else "as plain text"
    head = f"{one_line(row.row.place, 400)}: {row.kind}, {through}: {len(learned):,} tokens, {sum(learned):,} learned"
    print_line(console, Text(head + (", cut to fit" if encoded.n_truncated else ""), style="bold"))
    if row.unread:
        print_line(console, Text(f"not read: {one_line(', '.join(row.unread), 1000)}", style="dim"))
    print_line(console, marks.legend("what is learned"))
    text = Text()
    for is_learned, said in _runs(learned, pieces(tokenizer, example.input_ids)):
        text.append_text(marks.shown(said, marked=is_learned))
    print_line(console, text)


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
