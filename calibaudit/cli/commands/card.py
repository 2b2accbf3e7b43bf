"""The command `card`. Only Typer is imported at the top; the rest when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibaudit.cli.help.panels import in_output
from calibaudit.cli.options import Debug


def card(
    file: Annotated[Path, typer.Argument(metavar="RESULT", help="The .json that compare, score, gate or fix saved.")],
    *,
    output: Annotated[
        Path | None,
        in_output(
            "--output",
            "-o",
            metavar="README.md",
            help="The card to write, or to put the section into; without it, or with -, the section goes to stdout.",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Put a saved result into a model card.

    A section for people, and tags and model-index for the hub. The rest of the card stays byte for byte, or the card
    is refused; the same call again changes nothing. A result of two models makes the second one's card.
    """
    from calibaudit.cli.outputs import say, show_text
    from calibaudit.errors import OutputError
    from calibaudit.files.paths import is_there
    from calibaudit.files.read import read_bytes
    from calibaudit.files.write import check_writable, write_whole
    from calibaudit.report.cards.merge import new_card, with_section
    from calibaudit.report.cards.section import section_of
    from calibaudit.report.result_json import read_result
    from calibaudit.report.words.folders import without_folders

    section = section_of(without_folders(read_result(file)), str(file))
    if output is None or str(output) == "-":
        show_text(new_card(section))
        return
    check_writable(output)
    old = None
    if is_there(output, Path.is_file):
        try:
            old = read_bytes(output, OutputError).decode("utf-8")  # line ends and all: what stands there stays
        except UnicodeDecodeError as error:
            raise OutputError(f"{output}: not UTF-8 (byte {error.start}): save the card as UTF-8") from None
    new = new_card(section) if old is None else with_section(old, section, str(output))
    if new != old:
        write_whole(new, output)
    done = "written" if old is None else "changed nothing" if new == old else "the section is in place"
    say(f"{output}: {done}")
