"""What a result can be written as. The ending of a file's name picks the format, in this one place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibaudit.errors import OutputError, ScoresError
from calibaudit.files.paths import user_path

if TYPE_CHECKING:
    from calibaudit.advice.recommendation import Recommendation
    from calibaudit.analysis.audit import ModelAudit
    from calibaudit.analysis.compare import Comparison
    from calibaudit.gating.verdict import Verdict
    from calibaudit.repair.candidates import Repair
    from calibaudit.scores.scores import Scores

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


def save(
    result: Scores | Sequence[Scores] | ModelAudit | Comparison | Repair,
    path: str | os.PathLike[str],
    *,
    recommendation: Recommendation | None = None,
    verdict: Verdict | None = None,
) -> None:
    """Save a result as the commands do, whole or not at all; the ending of `path` picks the format.

    result: scores, with the audit of them (`read_scores` reads their .json back); an audit of one model; a comparison;
    a repair. path: .json, .html, .md, .csv; .svg or .png, whose name begins with reliability, confidence or changes;
    .xml, of a comparison with a verdict. recommendation, verdict: of a comparison, to stand beside it.
    Raises OutputError for another ending, or where it cannot be written; ScoresError for another kind of result.
    """
    from calibaudit.files.write import write_whole

    place, data = user_path(path, OutputError), _dictionary(result, recommendation, verdict)
    check_format(place, two_models="before" in data or "kind" in data, gated=data.get("verdict") is not None)
    write_whole(content(data, place), place)


_SAVED = "Scores, a Comparison, a Repair or a ModelAudit"


def _dictionary(result: object, recommendation: Recommendation | None, verdict: Verdict | None) -> dict[str, Any]:
    from calibaudit.analysis.audit import Audit, ModelAudit, audit_model
    from calibaudit.analysis.compare import Comparison
    from calibaudit.report.result_json import audit_dict, comparison_dict
    from calibaudit.scores.align import score_list
    from calibaudit.scores.scores import Scores

    if isinstance(result, Comparison):
        found = comparison_dict(result, recommendation)
        return found if verdict is None else {**found, "verdict": verdict.to_dict()}
    if recommendation is not None or verdict is not None:
        raise ScoresError("save: a recommendation or a verdict stands beside a Comparison; give that first")
    if isinstance(result, ModelAudit):
        return audit_dict(result)
    if type(result).__name__ == "Repair":  # the rest go without its modules
        from calibaudit.repair.candidates import Repair
        from calibaudit.report.repair_json import repair_dict

        if isinstance(result, Repair):
            return repair_dict(result)
    if isinstance(result, Audit):
        raise ScoresError(f"save: Audit in the place of {_SAVED}; audit_model(scores) gives one of one task too")
    if not isinstance(result, Scores | Iterable):
        raise ScoresError(f"save: {type(result).__name__} in the place of {_SAVED}")
    scores = score_list(result, "save")
    return {**audit_dict(audit_model(scores)), "scores": [entry.to_dict() for entry in scores]}


def check_picture(path: Path) -> None:
    """Raises OutputError where --plot names a file that is no picture."""
    if path.suffix not in PICTURES:
        raise OutputError(f"--plot {path}: a diagram is saved as {' or '.join(PICTURES)}; other formats: -o")


def check_format(path: Path, *, two_models: bool = True, gated: bool = False) -> None:
    """Raises OutputError for an ending, or a diagram's name, that is not known for a result of two models, or one.

    gated: the result holds a verdict.
    """
    known = ", ".join(ending for ending in FORMATS if gated or ending != ".xml")
    if path.suffix not in FORMATS:
        raise OutputError(f"{path}: cannot write {path.suffix or 'a file without an ending'}; known: {known}")
    if path.suffix == ".xml" and not gated:
        raise OutputError(f"{path}: JUnit XML holds a verdict, which only `calibaudit gate` gives; choose {known}")
    diagrams = DIAGRAMS if two_models else DIAGRAMS[:-1]
    if path.suffix in PICTURES and not path.stem.startswith(diagrams):
        raise OutputError(
            f"{path}: which diagram? begin the file's name with one of {', '.join(diagrams)}, "
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
