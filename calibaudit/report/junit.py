"""The gate's verdict as JUnit XML: one test case a check, for the test reports of CI systems.

What CI systems read was never standardised; this keeps to what the schemas of Ant (github.com/windyroad/JUnit-Schema)
and of Jenkins' xUnit plugin (junit-10.xsd) both allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from calibaudit.errors import OutputError
from calibaudit.files.shown.card import count
from calibaudit.files.text import log_line
from calibaudit.gating.verdict import Check, Part, Verdict
from calibaudit.report.saved import verdict_of
from calibaudit.report.words.text import bounds, number, p_text
from calibaudit.report.words.verdict import CHECK_NAMES, expected_found, judged_text, sentence, value_text

ALL = "all items"
_MAX_NAME, _MAX_TEXT = 120, 600
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z?")


def junit_xml(result: Mapping[str, Any], source: str = "the result") -> str:
    """One test suite: the checks of all items, then of each task.

    A broken check is a failure, an undecided one skipped; under strict those of all items are failures, as they are
    what exit code 3 comes from. So there is a failure exactly where the gate's exit code is not 0.
    Raises OutputError when the result holds no verdict, ScoresError naming `source` when it is not a whole one.
    """
    verdict = verdict_of(result, source)
    if verdict is None:
        raise OutputError(f"{source}: no verdict to write as JUnit XML: only `calibaudit gate` gives one")
    cases = [_case(check, part, name, verdict) for part, name in _parts(verdict) for check in part.checks]
    tags = [child.tag for case in cases for child in case]
    names = f"{verdict.before.name} → {verdict.after.name}"
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": _text(f"calibaudit gate: {names}", 2 * _MAX_NAME),
            "id": "0",
            "package": "calibaudit",
            "tests": str(len(cases)),
            "failures": str(tags.count("failure")),
            "errors": "0",
            "skipped": str(tags.count("skipped")),
            "time": "0",
            "hostname": "localhost",
        },
    )
    if moment := _MOMENT.fullmatch(str(result.get("created", ""))):
        suite.set("timestamp", moment[1])
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(verdict, result).items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": _text(value)})
    suite.extend(cases)
    ElementTree.SubElement(suite, "system-out").text = _text(sentence(verdict), 2 * _MAX_TEXT)
    warnings = [_text(text) for text in result.get("warnings") or ()]
    ElementTree.SubElement(suite, "system-err").text = "\n".join(warnings)
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _parts(verdict: Verdict) -> Iterator[tuple[Part, str]]:
    """Each part once, with its name; a task alone is all items."""
    if len(verdict.tasks) > 1:
        yield verdict.overall, ALL
    for task in verdict.tasks:
        yield task, task.name


def _case(check: Check, part: Part, name: str, verdict: Verdict) -> ElementTree.Element:
    # The name holds the task too: the list in a merge request shows it alone.
    title = f"{_text(name, _MAX_NAME)}: {CHECK_NAMES[check.measure]}"
    case = ElementTree.Element("testcase", {"classname": "calibaudit.gate", "name": title, "time": "0"})
    if check.finding == "kept":
        return case
    whole = part is verdict.overall or len(verdict.tasks) == 1
    if check.finding == "broken":
        kind = "over_limit" if check.measure.startswith("max_") else "regressed"
    elif whole and verdict.limits.strict:
        kind = "inconclusive"
    else:
        ElementTree.SubElement(case, "skipped", {"message": _message(check, part)})
        return case
    failure = ElementTree.SubElement(case, "failure", {"type": kind, "message": _message(check, part)})
    failure.text = "\n".join(f"{key}: {value}" for key, value in _details(check, part, verdict).items())
    return case


def _message(check: Check, part: Part) -> str:
    text = expected_found(check)
    return text if check.finding == "broken" else f"{_doubt(check, part)}: {text}"


def _doubt(check: Check, part: Part) -> str:
    if not part.judged:
        return f"not judged, too few items ({part.n_items:,} in {part.n_units:,} independent units)"
    if check.n_to_settle is None:
        return "undecided"
    return f"undecided, about {count(check.n_to_settle, 'item')} would settle it"


def _details(check: Check, part: Part, verdict: Verdict) -> dict[str, str]:
    found = {
        "expected": f"at most {value_text(check, check.allowed)}",
        "found": value_text(check, check.found),
        "interval": bounds(check.low, check.high) or "none",
        "p": "no test" if check.p_value is None else p_text(check.p_value).removeprefix("p ").removeprefix("= "),
        "items": f"{part.n_items:,}",
        "candidate": f"{number(check.after)} ({_text(verdict.after.name)})",
    }
    if not check.measure.startswith("max_"):
        found["baseline"] = f"{number(check.before)} ({_text(verdict.before.name)})"
    if check.finding != "broken":
        found["finding"] = _doubt(check, part)
    return found


def _properties(verdict: Verdict, result: Mapping[str, Any]) -> dict[str, str]:
    limits = {name: value for name, value in verdict.limits.to_dict().items() if value is not None}
    looser = [entry.name for entry in verdict.in_force if entry.is_looser]
    return {
        "outcome": verdict.outcome,
        "exit_code": str(verdict.exit_code),
        "baseline": f"{verdict.before.name}, revision {verdict.before.revision}",
        "candidate": f"{verdict.after.name}, revision {verdict.after.revision}",
        **{name: str(value).lower() for name, value in limits.items()},
        **{f"{entry.name}_from": entry.source for entry in verdict.in_force},
        **{entry.name: str(entry.value) for entry in verdict.in_force if entry.name == "bins"},
        **({"looser_than_baseline": ", ".join(looser)} if looser else {}),
        **({} if verdict.coverage is None else {"judged": judged_text(verdict.coverage)}),
        "calibaudit_version": str(result.get("calibaudit_version", "")),
    }


def _text(text: object, most: int = _MAX_TEXT) -> str:
    """One line; what is visible is what XML 1.0 can hold."""
    return log_line(text, most)
