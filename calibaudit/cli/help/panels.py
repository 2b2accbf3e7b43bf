"""The panels of a help page. An option says where it stands by which of these declares it: `in_tasks("--limit", …)`.

They take what `typer.Option` takes.
"""

from __future__ import annotations

from functools import partial

import typer

MODELS = "Models"
TASKS = "Tasks"
PROMPT = "Prompt"
TUNING = "Tuning"
STATISTICS = "Statistics"
OUTPUT = "Output"
RUNNING = "Running"

PANELS = (MODELS, TASKS, PROMPT, TUNING, STATISTICS, OUTPUT, RUNNING)
"""In the order of a page. Tuning: of what trains, or shows what is trained on."""

in_models = partial(typer.Option, rich_help_panel=MODELS)
in_tasks = partial(typer.Option, rich_help_panel=TASKS)
in_prompt = partial(typer.Option, rich_help_panel=PROMPT)
in_tuning = partial(typer.Option, rich_help_panel=TUNING)
in_statistics = partial(typer.Option, rich_help_panel=STATISTICS)
in_output = partial(typer.Option, rich_help_panel=OUTPUT)
in_running = partial(typer.Option, rich_help_panel=RUNNING)
