"""The commands below `calibaudit tasks`. Only Typer is imported at the top; the rest when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibaudit.cli.groups import ItemFlags
from calibaudit.cli.options import Debug, FewshotSeed, Mirror, NumFewshot, Offline

tasks_app = typer.Typer(
    help="List the known tasks, show one as a model sees it, check a task file.", invoke_without_command=True
)


@tasks_app.callback()
def list_tasks(context: typer.Context) -> None:
    """List the known tasks; `tasks show NAME` shows one as a model sees it, `tasks check FILE` a task file's faults."""
    if context.invoked_subcommand is None:
        from calibaudit.report.terminal.tasks import render_task_list
        from calibaudit.tasks.load import list_tasks as known

        render_task_list(known())


@tasks_app.command("show")
def show_task(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Task name or YAML file.")],
    item: Annotated[int, typer.Option("--item", min=0, help="Which item, from 0.")] = 0,
    num_fewshot: NumFewshot = None,
    fewshot_seed: FewshotSeed = 1234,
    mirror: Mirror = None,
    offline: Offline = False,
    debug: Debug = False,
) -> None:
    """Show one item exactly as a model sees it: prompt and continuations, with spaces made visible."""
    from calibaudit.cli import inputs
    from calibaudit.errors import TaskError
    from calibaudit.report.terminal.tasks import render_item

    asked = ItemFlags(limit=item + 1, num_fewshot=num_fewshot, fewshot_seed=fewshot_seed, mirror=mirror)
    (task, *others) = inputs.tasks_of([name], asked, offline=offline)
    if others:
        names = ", ".join(t.name for t in (task, *others))
        raise TaskError(f"{name} is a group of {len(others) + 1} tasks; name one of them: {names}")
    if item >= len(task.items):
        raise TaskError(f"{name}: item {item} does not exist; it has {len(task.items)} items, counted from 0")
    render_item(task, item)


@tasks_app.command("check")
def check_task(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A task's YAML file.")],
    debug: Debug = False,
) -> None:
    """Check a task file: keys, templates, every item. Prints each fault on a line; exit 2 if there is one."""
    from calibaudit.tasks.load import check_task_file

    faults = check_task_file(file)
    for fault in faults:
        typer.echo(f"calibaudit: {fault}", err=True)
    if faults:
        raise typer.Exit(2)
    typer.echo(f"{file}: no fault found")
