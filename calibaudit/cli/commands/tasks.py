"""The commands below `calibaudit tasks`. Only Typer is imported at the top; the rest when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibaudit.cli.groups import ItemFlags, TemplateFlags, flagged
from calibaudit.cli.help.completion import complete_models, complete_tasks
from calibaudit.cli.help.page import Command, Group
from calibaudit.cli.help.panels import in_models, in_output, in_tasks
from calibaudit.cli.options import AnswerPrefix, AsJson, Debug, FewshotSeed, Mirror, NumFewshot, Offline, System
from calibaudit.cli.outputs import complain, say, show_text
from calibaudit.errors import TaskError

_MOST_MEMBERS = 12

tasks_app = typer.Typer(
    cls=Group,
    invoke_without_command=True,
)


@tasks_app.callback()
def list_tasks(
    context: typer.Context,
    filter: Annotated[
        str,
        in_tasks(
            "--filter", metavar="TEXT", help="Only those with TEXT in name, description or source.", show_default="all"
        ),
    ] = "",
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the known tasks; show, check or convert one.

    Groups, bundled tasks and public ones, with what each asks. A group stands for its members: -t mmlu is 57 tasks, of
    which one can be named alone.
    """
    if context.invoked_subcommand is not None:
        return
    from calibaudit.report.terminal.inputs.tasks import render_task_list
    from calibaudit.tasks.load import list_tasks as known

    found = [task for task in known() if task.has(filter)]
    if json:
        from calibaudit.files.text import json_text

        show_text(json_text([task.to_dict() for task in found], indent=2))
    elif not found:
        raise TaskError(f"--filter {filter}: in no task's name, description or source; `calibaudit tasks` lists all")
    else:
        render_task_list(found, filter)


@tasks_app.command("show", cls=Command)
@flagged
def show_task(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete_tasks, help="Task or YAML file.")],
    *,
    item: Annotated[int, in_tasks("--item", metavar="N", min=0, help="Which item, counted from 0.")] = 0,
    num_fewshot: NumFewshot = None,
    fewshot_seed: FewshotSeed = 1234,
    model: Annotated[
        str | None,
        in_models(
            "--model",
            metavar="M",
            autocompletion=complete_models,
            help="Show it in the chat template of this model (a folder or hub id), with the scored tokens marked.",
            show_default="as plain text",
        ),
    ] = None,
    system: System = "",
    answer_prefix: AnswerPrefix = None,
    chat: TemplateFlags,
    mirror: Mirror = None,
    offline: Offline = False,
    debug: Debug = False,
) -> None:
    """Show one item exactly as a model sees it.

    Prompt and continuations, with spaces made visible. With --model its tokenizer is loaded, but no weights.
    """
    from calibaudit.cli import inputs
    from calibaudit.report.terminal.inputs.tasks import render_item
    from calibaudit.tasks.load import member_names

    asked = ItemFlags(
        num_fewshot=num_fewshot,
        fewshot_seed=fewshot_seed,
        system=system,
        answer_prefix=answer_prefix,
        mirror=mirror,
    )
    members = member_names(name)
    if len(members) > 1:  # said before any is fetched
        named = ", ".join(members[:_MOST_MEMBERS]) + (", ..." if len(members) > _MOST_MEMBERS else "")
        raise TaskError(f"{name} is a group of {len(members)} tasks; name one of them: {named}")
    (task,) = inputs.tasks_of([name], asked, offline=offline)
    if item >= len(task.items):
        has = f"{len(task.items)} item{'s' * (len(task.items) != 1)}"
        raise TaskError(f"{name}: item {item} does not exist; it has {has}, counted from 0")
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


@tasks_app.command("check", cls=Command)
def check_task(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A task's YAML file.")],
    mirror: Mirror = None,
    offline: Offline = False,
    debug: Debug = False,
) -> None:
    """Check a task file: keys, templates, every item.

    Prints each fault on a line of its own; exit 2 if there is one.
    """
    from calibaudit.tasks.load import check_task_file

    faults = check_task_file(file, mirror=mirror, offline=offline)
    for fault in faults:
        complain(fault)
    if faults:
        raise typer.Exit(2)
    say(f"{file}: no fault found")


@tasks_app.command("convert", cls=Command)
def convert_task(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Tasks, groups or tags of lm-evaluation-harness, or YAML files."),
    ],
    out: Annotated[Path, in_output("--out", "-o", metavar="FOLDER", help="Folder for the plain task files.")],
    include_path: Annotated[
        Path | None,
        in_tasks(
            "--include-path", metavar="DIR", help="Folder of further task files of the harness.", show_default="none"
        ),
    ] = None,
    limit: Annotated[
        int | None,
        in_tasks(
            "--limit", min=1, metavar="N", help="Take only the first N documents of each task.", show_default="all"
        ),
    ] = None,
    mirror: Mirror = None,
    offline: Offline = False,
    debug: Debug = False,
) -> None:
    """Make tasks of lm-evaluation-harness plain task files.

    For task files with code in them (!function), which calibaudit never runs itself: here the harness, which must be
    installed in the same environment, runs it once, and the documents are written beside the task file. Every written
    file is read back and compared with the harness first: the same prompts, choices and answers.
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
