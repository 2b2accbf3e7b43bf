"""Results out: what can be written is checked before anything is scored; files are written whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from calibaudit.cli.groups import FileFlags, PageFlags


def checked_outputs(files: FileFlags, *, two_models: bool = True, gated: bool = False) -> list[Path]:
    """The files of -o and of --plot. Raises OutputError now for what could not be written after an hour of scoring."""
    from calibaudit.files.write import check_writable
    from calibaudit.report.formats import check_format, check_picture

    for path in files.plot or ():
        check_picture(path)
    paths = [*(files.output or ()), *(files.plot or ())]
    for path in paths:
        check_format(path, two_models=two_models, gated=gated)
        check_writable(path)
    return paths


def portable(result: Mapping[str, Any], page: PageFlags) -> Mapping[str, Any]:
    """The result as it is saved: without the folders of this machine, unless they were asked for."""
    from calibaudit.report.words.folders import without_folders

    return result if page.full_paths else without_folders(result)


def deliver(
    result: Mapping[str, Any], paths: Sequence[Path], page: PageFlags, render: Callable[[Console], None]
) -> None:
    """Saves the result, then prints it (the JSON alone, or the page): a reader that leaves early loses no file."""
    result = portable(result, page)
    from rich.console import Console

    from calibaudit.files.write import write_whole
    from calibaudit.report.formats import content
    from calibaudit.report.result_json import result_text

    for data, path in [(content(result, path), path) for path in paths]:
        write_whole(data, path)
    if page.json:
        sys.stdout.write(result_text(result))
        return
    console = Console()
    with console.capture() as shown:  # rich itself would end a closed pipe with exit code 1
        render(console)
    sys.stdout.write(shown.get())
