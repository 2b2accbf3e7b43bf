"""What a result can be written as. The ending of a file's name picks the format, in this one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from calibaudit.errors import OutputError

Result = Mapping[str, Any]

DIAGRAMS = ("reliability", "confidence", "changes")
"""Which diagram an .svg or .png file holds: the one that its name begins with. The last needs two models."""

PICTURES = (".svg", ".png")


def content(result: Result, path: Path, source: str = "the result") -> bytes:
    """The result in the format of `path`'s ending. Raises ScoresError naming `source` when it is not a whole one."""
    from calibaudit.report.result_json import is_repair
    from calibaudit.report.saved import audit_of, comparison_of, is_comparison

    if is_repair(result):
        from calibaudit.report.saved_repair import repair_of

        repair_of(result, source)
    else:
        (comparison_of if is_comparison(result) else audit_of)(result, source)  # what a format reads by itself is there
    return FORMATS[path.suffix](result, path, source)


def check_picture(path: Path) -> None:
    """Raises OutputError where --plot names a file that is no picture."""
    if path.suffix not in PICTURES:
        raise OutputError(f"--plot {path}: a diagram is saved as {' or '.join(PICTURES)}; other formats: -o")


def check_format(path: Path, *, two_models: bool = True, gated: bool = False) -> None:
    """Raises OutputError for an ending, or a diagram's name, that is not known for a result of two models, or one.

    gated: the result holds a verdict.
    """
    if path.suffix not in FORMATS:
        raise OutputError(
            f"{path}: cannot write {path.suffix or 'a file without an ending'}; known: {', '.join(FORMATS)}"
        )
    if path.suffix == ".xml" and not gated:
        others = ", ".join(ending for ending in FORMATS if ending != ".xml")
        raise OutputError(f"{path}: JUnit XML holds a verdict, which only `calibaudit gate` gives; choose {others}")
    known = DIAGRAMS if two_models else DIAGRAMS[:-1]
    if path.suffix in PICTURES and not path.stem.startswith(known):
        raise OutputError(
            f"{path}: which diagram? begin the file's name with one of {', '.join(known)}, "
            f"such as reliability{path.suffix}"
        )


def _json(result: Result, _path: Path, _source: str) -> bytes:
    from calibaudit.report.result_json import result_text

    return result_text(result).encode()


def _html(result: Result, _path: Path, source: str) -> bytes:
    from calibaudit.report.document.html import html_page

    return html_page(result, source).encode()


def _markdown(result: Result, _path: Path, source: str) -> bytes:
    from calibaudit.report.document.markdown import markdown_page

    return markdown_page(result, source).encode()


def _csv(result: Result, _path: Path, source: str) -> bytes:
    from calibaudit.report.tidy_csv import tidy_csv

    return tidy_csv(result, source).encode()


def _junit(result: Result, _path: Path, source: str) -> bytes:
    from calibaudit.report.junit import junit_xml

    return junit_xml(result, source).encode()


def _svg(result: Result, path: Path, source: str) -> bytes:
    from calibaudit.figures.svg import svg_file
    from calibaudit.report.figures.choose import diagram_of

    return svg_file(diagram_of(result, _diagram(path), source))


def _png(result: Result, path: Path, source: str) -> bytes:
    from calibaudit.figures.svg import png_file
    from calibaudit.report.figures.choose import diagram_of

    return png_file(diagram_of(result, _diagram(path), source))


def _diagram(path: Path) -> str:
    return next(name for name in DIAGRAMS if path.stem.startswith(name))


FORMATS: dict[str, Callable[[Result, Path, str], bytes]] = {
    ".json": _json,
    ".html": _html,
    ".md": _markdown,
    ".csv": _csv,
    ".xml": _junit,
    ".svg": _svg,
    ".png": _png,
}
