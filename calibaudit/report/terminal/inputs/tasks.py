"""What `calibaudit tasks` and `tasks show` print."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibaudit.files.text import spaces_shown
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


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
