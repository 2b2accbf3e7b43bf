"""What `calibaudit tasks` and `tasks show` print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from calibaudit.files.text import one_line, screen_text, spaces_shown
from calibaudit.report.terminal.printing import print_blank, print_line, print_table
from calibaudit.tasks.items import Task, TaskSummary

_BY_LETTER = "_letter"


def render_task_list(tasks: Sequence[TaskSummary], matching: str = "", console: Console | None = None) -> None:
    """Groups, tasks whose items come with calibaudit, tasks on the hub: size, scoring and what each asks.

    A task that another also has by letter stands once. matching: what the tasks were chosen by; a group that has it in
    members' names alone says which.
    """
    console = console or Console()
    names = {task.name for task in tasks}
    twins = {f"{name}{_BY_LETTER}" for name in names} & names
    parts = {
        "Groups": [task for task in tasks if task.members],
        "Bundled tasks": [task for task in tasks if not task.members and task.n_items is not None],
        "Public tasks, from the hub": [task for task in tasks if not task.members and task.n_items is None],
    }
    first = True
    for title, its in parts.items():
        rows = [
            _task_row(task, matching, has_twin=task.name + _BY_LETTER in twins)
            for task in its
            if task.name not in twins
        ]
        if rows:
            if not first:
                print_blank(console)
            first = False
            print_line(console, Text(title, style="bold"))
            heads = ["name", "size", "scoring", "what it asks"]
            if not any(row[1] for row in rows):
                heads, rows = heads[:1] + heads[2:], [row[:1] + row[2:] for row in rows]
            print_table(console, heads, rows, right=1 if "size" in heads else -1)
    if twins:
        print_blank(console)
        print_line(console, Text(f"cloze, letter: with {_BY_LETTER} behind the name, the options are in the prompt."))


def _task_row(task: TaskSummary, matching: str, *, has_twin: bool) -> list[str]:
    size = f"{len(task.members)} tasks" if task.members else "" if task.n_items is None else f"{task.n_items:,}"
    asked = task.description
    if not replace(task, members=()).has(matching):
        asked += ": " + ", ".join(name for name in task.members if matching.casefold() in name.casefold())
    if "/" in task.source and "," not in task.source:
        asked += f" ({task.source})"
    return [task.name, size, "cloze, letter" if has_twin else task.scoring or "mixed", asked]


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
