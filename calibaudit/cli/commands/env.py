"""The command `env`. Only Typer is imported at the top; the rest when it runs."""

from __future__ import annotations

from calibaudit.cli.groups import PageFlags
from calibaudit.cli.options import AsJson, Debug


def show_environment(json: AsJson = False, debug: Debug = False) -> None:
    """Show versions, devices and kernels, for a bug report.

    Of each device: the kernels that it will run.
    """
    from calibaudit.cli.environment import gather_environment, render_environment
    from calibaudit.cli.outputs import deliver

    found = gather_environment()
    deliver(found.to_dict(), (), PageFlags(json=json), lambda console: render_environment(found, console))
