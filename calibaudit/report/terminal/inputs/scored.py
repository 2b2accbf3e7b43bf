"""What `calibaudit tasks show --model` prints: an item as a model's tokens."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from calibaudit.files.text import one_line
from calibaudit.report.terminal.inputs.marks import Marks, pieces
from calibaudit.report.terminal.printing import print_line
from calibaudit.scoring.encode import EncodedPrompt
from calibaudit.tasks.items import Task


def render_scored(
    task: Task, index: int, encoded: EncodedPrompt, tokenizer: Any, console: Console | None = None
) -> None:
    """One item as this tokenizer's model is given it: each context, and behind it the choices, scored tokens marked."""
    console = console or Console()
    marks = Marks(console)
    item = task.items[index]
    name, named = one_line(task.name, 400), one_line(item.id, 400)
    head = f"{name} item {index}: id {named}, {task.scoring}, {len(item.choices)} choices"
    cut = ", its beginning cut to fit" if encoded.truncated else ""
    print_line(console, Text(head + cut, style="bold"))
    print_line(console, marks.legend("each token that is scored"))
    for row in encoded.rows:
        print_line(console, Text(f"prompt, {len(row.context):,} tokens", style="dim"))
        print_line(console, marks.shown("".join(text for _, text in pieces(tokenizer, row.context)), marked=False))
        print_line(console, Text("choices (the right one is marked >)", style="dim"))
        for choice, tokens in zip(row.choices, row.continuations, strict=True):
            line = Text("> " if choice == item.answer else "  ")
            line.append(f"{choice} ")
            n_seen = 0
            for n_tokens, text in pieces(tokenizer, (*row.context, *tokens)):
                n_seen += n_tokens
                if n_seen > len(row.context):
                    line.append_text(marks.shown(text, marked=True))
            print_line(console, line)
