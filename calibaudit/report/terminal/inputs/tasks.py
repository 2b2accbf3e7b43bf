"""What `calibaudit tasks` and `tasks show` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibaudit.files.text import spaces_shown
from calibaudit.report.terminal.inputs.marks import Marks, pieces
from calibaudit.scoring.encode import EncodedPrompt
from calibaudit.tasks.items import Task, TaskSummary


def render_task_list(tasks: Sequence[TaskSummary], console: Console | None = None) -> None:
    """One line a task or group: name, scoring, where its items come from."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("task", no_wrap=True)
    table.add_column("scoring", no_wrap=True)
    table.add_column("items", justify="right", no_wrap=True)
    table.add_column("source", overflow="fold")
    for task in tasks:
        count = f"{task.n_items:,}" if task.n_items is not None else "–"
        table.add_row(task.name, task.scoring, count, task.source)
    (console or Console()).print(table)


def render_item(task: Task, index: int, console: Console | None = None) -> None:
    """One item: the prompt and each continuation, byte for byte, with spaces as ·, tabs as →, line ends as ⏎."""
    console = console or Console()
    item = task.items[index]
    leads = item.leads or ("",) * len(item.choices)
    head = (
        f"{task.name} item {index}: id {item.id}, {task.scoring}, {len(item.choices)} choices, {task.n_fewshot} shots"
    )
    if item.group is not None:
        head += f", group {item.group}"
    _print(console, Text(head, style="bold"))
    _print(console, Text("prompt", style="dim"))
    _print(console, Text(spaces_shown(item.system + item.context)))
    _print(console, Text("continuations (the right one is marked >)", style="dim"))
    for k, (lead, choice) in enumerate(zip(leads, item.choices, strict=True)):
        mark = ">" if k == item.answer else " "
        text = spaces_shown(lead + item.delimiter + choice)
        _print(console, Text(f"{mark} {k} |{text}|", style="bold" if k == item.answer else ""))


def render_scored(
    task: Task, index: int, encoded: EncodedPrompt, tokenizer: Any, console: Console | None = None
) -> None:
    """One item as this tokenizer's model is given it: each context, and behind it the choices, scored tokens marked."""
    console = console or Console()
    marks = Marks(console)
    item = task.items[index]
    head = f"{task.name} item {index}: id {item.id}, {task.scoring}, {len(item.choices)} choices"
    cut = ", its beginning cut to fit" if encoded.truncated else ""
    _print(console, Text(head + cut, style="bold"))
    _print(console, marks.legend("each token that is scored"))
    for row in encoded.rows:
        _print(console, Text(f"prompt, {len(row.context):,} tokens", style="dim"))
        _print(console, marks.shown("".join(text for _, text in pieces(tokenizer, row.context)), marked=False))
        _print(console, Text("choices (the right one is marked >)", style="dim"))
        for choice, tokens in zip(row.choices, row.continuations, strict=True):
            line = Text("> " if choice == item.answer else "  ")
            line.append(f"{choice} ")
            n_seen = 0
            for n_tokens, text in pieces(tokenizer, (*row.context, *tokens)):
                n_seen += n_tokens
                if n_seen > len(row.context):
                    line.append_text(marks.shown(text, marked=True))
            _print(console, line)


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
