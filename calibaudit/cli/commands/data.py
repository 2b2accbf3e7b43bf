"""The commands below `calibaudit data`. Only Typer is imported at the top; the rest when a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from calibaudit.chat.settings import TEMPLATE_DATE
from calibaudit.cli.help.completion import complete_models, complete_rows
from calibaudit.cli.help.page import Command, Group
from calibaudit.cli.help.panels import in_models, in_prompt, in_tuning
from calibaudit.cli.options import (
    ChatTemplateKwargs,
    Columns,
    Debug,
    MaxLength,
    Offline,
    Split,
    TemplateDate,
)
from calibaudit.cli.outputs import show_help

data_app = typer.Typer(cls=Group, invoke_without_command=True)


@data_app.callback()
def explain(context: typer.Context) -> None:
    """Show a row of tuning data as a model sees it."""
    if context.invoked_subcommand is None:
        show_help(context)


@data_app.command("show", cls=Command)
def show_row(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", autocompletion=complete_rows, help="Tuning rows: a file, a folder, a hub id, or demo:sft."
        ),
    ],
    model: Annotated[
        str,
        in_models(
            "--model",
            metavar="M",
            autocompletion=complete_models,
            help="Model whose tokenizer and template are used: a folder or hub id.",
        ),
    ],
    row: Annotated[int, in_tuning("--row", metavar="N", min=0, max=10**12, help="Which row, counted from 0.")] = 0,
    columns: Columns = "",
    split: Split = "train",
    max_length: MaxLength = 4096,
    chat_template: Annotated[
        str,
        in_prompt(
            "--chat-template",
            metavar="auto|NAME|FILE",
            help="auto: the tokenizer's chat template. NAME: one of its named templates. FILE: a Jinja template.",
        ),
    ] = "auto",
    chat_template_kwargs: ChatTemplateKwargs = "",
    template_date: TemplateDate = TEMPLATE_DATE,
    offline: Offline = False,
    debug: Debug = False,
) -> None:
    """Show one row exactly as a model sees it.

    The tokens that are learned are marked, and spaces made visible. Only the model's tokenizer is loaded. A row that
    cannot be trained on is named, with the reason: exit 2.
    """
    from calibaudit.chat.settings import ChatSettings
    from calibaudit.errors import CalibauditError
    from calibaudit.models.checkpoints import context_window, fetch_tokenizer, find_checkpoint, stop_ids
    from calibaudit.models.tokenizer import load_tokenizer
    from calibaudit.report.terminal.inputs.data import render_row
    from calibaudit.training.data.encode import encode_rows
    from calibaudit.training.data.kinds import read_columns
    from calibaudit.training.data.rows import read_row

    if chat_template in ("off", "both"):
        raise CalibauditError(f"--chat-template {chat_template}: rows always need a template; name one, or a file")
    found = read_row(data, row, split=split, offline=offline, columns=read_columns(columns))
    checkpoint = fetch_tokenizer(find_checkpoint(model, offline=offline))
    tokenizer = load_tokenizer(checkpoint)
    encoded = encode_rows(
        [found.row],
        tokenizer,
        min(max_length, context_window(checkpoint)),
        chat=ChatSettings(chat_template, date=template_date, kwargs=chat_template_kwargs).for_rows(),
        stop_ids=stop_ids(checkpoint),
    )
    render_row(found, encoded, tokenizer)
