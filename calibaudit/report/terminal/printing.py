"""How a page reaches a terminal: nothing in it acts there, whatever a task, a model or a file is called.

The only place that prints on a rich Console. Texts are made visible where they are laid out, since that needs their
final width; here again, so that none is missed.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Span, Text

from calibaudit.files.text import log_line, screen_text

ASCII = str.maketrans(
    {"→": "->", "−": "-", "–": "-", "…": "~", "─": "-", "█": "#", "░": ".", "▓": "+", "│": "|", "⟨": "<", "⟩": ">"}
    | {"≤": "<"}
)
"""What stands for a character where the stream's encoding cannot say it."""


def print_line(console: Console, line: Text) -> None:
    """A line of a page, or several, as long as they are; ASCII where the console's encoding cannot say more."""
    console.print(_sayable(_seen(line), console), soft_wrap=True, highlight=False)


def print_blank(console: Console) -> None:
    """A blank line."""
    console.print()


def print_table(console: Console, heads: list[str], rows: list[list[str]], *, right: int) -> None:
    """Aligned columns; the last folds where it is too long. right: the column that is aligned to the right."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    for i, head in enumerate(heads):
        last = i == len(heads) - 1
        table.add_column(
            head, justify="right" if i == right else "left", no_wrap=not last, overflow="fold" if last else "ellipsis"
        )
    for row in rows:
        table.add_row(*(_sayable(Text(log_line(text)), console) for text in row))
    console.print(table)


def says(console: Console, characters: str) -> bool:
    """Whether the console's encoding has them."""
    try:
        characters.encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _seen(line: Text) -> Text:
    plain = screen_text(line.plain)
    if plain == line.plain:
        return line
    at = {end: len(screen_text(line.plain[:end])) for span in line.spans for end in (span.start, span.end)}
    return Text(plain, style=line.style, spans=[Span(at[s.start], at[s.end], s.style) for s in line.spans])


def _sayable(line: Text, console: Console) -> Text:
    if says(console, "".join(map(chr, ASCII)) + line.plain):
        return line
    plain = line.plain.translate(ASCII).encode(console.encoding, "replace").decode(console.encoding)
    return Text(plain, style=line.style, spans=line.spans if len(plain) == len(line) else [])
