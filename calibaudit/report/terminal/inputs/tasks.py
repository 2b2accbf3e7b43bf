"""What `calibaudit tasks` and `tasks show` print."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from calibaudit.files.text import one_line, screen_text, spaces_shown
from calibaudit.report.terminal.printing import print_line, print_table
from calibaudit.tasks.items import Task, TaskSummary


def render_task_list(tasks: Sequence[TaskSummary], console: Console | None = None) -> None:
    """One line a task or group: name, scoring, where its items come from."""
    rows = [
        [task.name, task.scoring or "", f"{task.n_items:,}" if task.n_items is not None else "–", task.source or ""]
        for task in tasks
    ]
    print_table(console or Console(), ["task", "scoring", "items", "source"], rows, right=2)


def render_item(task: Task, index: int, console: Console | None = None) -> None:
    """One item: the prompt and each continuation, whole, with spaces as ·, tabs as →, line ends as ⏎; controls too."""
    console = console or Console()
    item = task.items[index]
    leads = item.leads or ("",) * len(item.choices)
    head = (
        f"{one_line(task.name, 400)} item {index}: id {one_line(item.id, 400)}, {task.scoring}, "
        f"{len(item.choices)} choices, {task.n_fewshot} shots"
    )
    if item.group is not None:
        head += f", group {one_line(item.group, 400)}"
    print_line(console, Text(head, style="bold"))
    print_line(console, Text("prompt", style="dim"))
    print_line(console, Text(_whole(item.system + item.context)))
    print_line(console, Text("continuations (the right one is marked >)", style="dim"))
    for k, (lead, choice) in enumerate(zip(leads, item.choices, strict=True)):
        mark = ">" if k == item.answer else " "
        text = _whole(lead + item.delimiter + choice)
        print_line(console, Text(f"{mark} {k} |{text}|", style="bold" if k == item.answer else ""))


def _whole(text: str) -> str:
    """Every character to be seen, however many there are."""
    return spaces_shown(screen_text(text))
