"""The commands below `calibaudit tasks`. Only Typer is imported at the top; the rest when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibaudit.cli.groups import ChatFlags, ItemFlags, flagged
from calibaudit.cli.options import AnswerPrefix, Debug, FewshotSeed, Mirror, NumFewshot, Offline, System
from calibaudit.cli.outputs import complain, say

tasks_app = typer.Typer(
    help="List the known tasks, show one as a model sees it, check a task file, convert another program's.",
    invoke_without_command=True,
)


@tasks_app.callback()
def list_tasks(context: typer.Context) -> None:
    """List the known tasks; `tasks show NAME` shows one as a model sees it, `tasks check FILE` a task file's faults."""
    if context.invoked_subcommand is None:
        from calibaudit.report.terminal.inputs.tasks import render_task_list
        from calibaudit.tasks.load import list_tasks as known

        render_task_list(known())


@tasks_app.command("show")
@flagged
def show_task(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Task name or YAML file.")],
    *,
    item: Annotated[int, typer.Option("--item", min=0, help="Which item, from 0.")] = 0,
    num_fewshot: NumFewshot = None,
    fewshot_seed: FewshotSeed = 1234,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="M",
            help="Inside the chat template of this model (folder or hub id), the scored tokens marked.",
            show_default=False,
        ),
    ] = None,
    system: System = "",
    answer_prefix: AnswerPrefix = None,
    chat: ChatFlags,
    mirror: Mirror = None,
    offline: Offline = False,
    debug: Debug = False,
) -> None:
    """Show one item exactly as a model sees it: prompt and continuations, with spaces made visible.

    With --model its tokenizer is loaded, no weights.
    """
    from calibaudit.cli import inputs
    from calibaudit.errors import TaskError
    from calibaudit.report.terminal.inputs.tasks import render_item

    asked = ItemFlags(
        num_fewshot=num_fewshot,
        fewshot_seed=fewshot_seed,
        system=system,
        answer_prefix=answer_prefix,
        mirror=mirror,
    )
    (task, *others) = inputs.tasks_of([name], asked, offline=offline)
    if others:
        names = ", ".join(t.name for t in (task, *others))
        raise TaskError(f"{name} is a group of {len(others) + 1} tasks; name one of them: {names}")
    if item >= len(task.items):
        raise TaskError(f"{name}: item {item} does not exist; it has {len(task.items)} items, counted from 0")
    if model is None:
        render_item(task, item)
        return
    from calibaudit.models.checkpoints import context_window, fetch_tokenizer, find_checkpoint
    from calibaudit.models.tokenizer import load_tokenizer, prefix_token_id
    from calibaudit.report.terminal.inputs.scored import render_scored
    from calibaudit.scoring.encode import Encoder
    from calibaudit.scoring.prompts import prompts_for, where_of

    checkpoint = fetch_tokenizer(find_checkpoint(model, offline=offline))
    tokenizer = load_tokenizer(checkpoint)
    prompt = prompts_for(tokenizer, inputs.chat_settings(chat)).prompt(
        task.items[item], where_of(task, task.items[item])
    )
    (encoded,) = Encoder(tokenizer, prefix_token_id(tokenizer), context_window(checkpoint)).encode([prompt])
    render_scored(task, item, encoded, tokenizer)


@tasks_app.command("check")
def check_task(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A task's YAML file.")],
    mirror: Mirror = None,
    offline: Offline = False,
    debug: Debug = False,
) -> None:
    """Check a task file: keys, templates, every item. Prints each fault on a line; exit 2 if there is one."""
    from calibaudit.tasks.load import check_task_file

    faults = check_task_file(file, mirror=mirror, offline=offline)
    for fault in faults:
        complain(fault)
    if faults:
        raise typer.Exit(2)
    say(f"{file}: no fault found")


@tasks_app.command("convert")
def convert_task(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Tasks, groups or tags of lm-evaluation-harness, or YAML files."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the plain task files go.")],
    include_path: Annotated[
        Path | None,
        typer.Option(
            "--include-path", metavar="DIR", help="A folder of further task files of the harness.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=1, metavar="N", help="Only the first N documents of each task.", show_default=False
        ),
    ] = None,
    mirror: Mirror = None,
    offline: Offline = False,
    debug: Debug = False,
) -> None:
    """Write tasks of lm-evaluation-harness as plain task files with their documents. Runs the harness's own code.

    For task files whose `!function`s calibaudit never runs by itself: here the harness, which must be installed in the
    same environment, runs them once. Every written file is read back and held against the harness before it is put in
    place: the same prompts, choices and answers.
    """
    from calibaudit.tasks.convert.write import convert

    done = convert(names, out, include_path=include_path, limit=limit, mirror=mirror, offline=offline)
    for notice in done.notices:
        complain(notice)
    for task in done.tasks:
        equal = ", ".join(f"{n} at {shots} examples" for shots, n in task.n_compared.items() if n)
        say(f"{task.path}: {task.n_documents} documents; equal to the harness: {equal}")
    for path in done.groups:
        say(f"{path}: a group")
