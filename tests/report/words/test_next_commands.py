"""What a gate's page and the page of one model say to run: a command that exists, for what was found."""

from __future__ import annotations

import dataclasses
import shlex

import pytest
import typer
from made_results import audit_result, comparison_result
from made_scores import INFO, TUNED
from report.pages.parsed_page import Page

from calibaudit.cli.app import app
from calibaudit.report.document.html import html_page
from calibaudit.report.document.markdown import markdown_page
from calibaudit.report.saved import verdict_of
from calibaudit.report.words.commands import audit_command, gate_command

ASKED = "Add this run's own flags for tasks and prompts, if it had any"
BASE_IS = "BASE: the checkpoint that it was tuned from"


def verdict(outcome, *, only=None, **names):
    """Of a gate that failed, as if it had ended so. only: the one measure that is over its limit."""
    found = verdict_of(comparison_result(gated=True))
    if only:
        parts = [
            dataclasses.replace(
                part,
                checks=tuple(
                    dataclasses.replace(check, finding="broken" if check.measure == only else "kept")
                    for check in part.checks
                ),
            )
            for part in (found.overall, *found.tasks)
        ]
        found = dataclasses.replace(found, overall=parts[0], tasks=tuple(parts[1:]))
    models = {side: dataclasses.replace(getattr(found, side), name=name) for side, name in names.items()}
    return dataclasses.replace(found, outcome=outcome, **models)


GATES = [
    (verdict("passed"), "calibaudit bless lab/tuned -o baseline.json", (ASKED,)),
    (verdict("regressed"), "calibaudit fix lab/tuned --base BASE --out fixed", (BASE_IS, "With --data,")),
    (verdict("over_limit"), "calibaudit fix lab/tuned --base BASE --out fixed", (BASE_IS, "With --data,")),
    (verdict("over_limit", only="max_brier"), "calibaudit recommend BASE lab/tuned", (BASE_IS, ASKED)),
    (verdict("inconclusive"), "calibaudit bless lab/base -t TASKS -o baseline.json", ("TASKS: names or files",)),
    (
        verdict("regressed", after="demo:instruct"),
        "calibaudit fix demo:instruct --base demo:base --out fixed",
        ("With --data,",),
    ),
    (verdict("passed", after="it's; $(x)"), "calibaudit bless 'it'\"'\"'s; $(x)' -o baseline.json", (ASKED,)),
    (verdict("passed", after="\x1b[31m"), "calibaudit bless CANDIDATE -o baseline.json", (ASKED,)),
    (verdict("inconclusive", before="-x"), "calibaudit bless BASELINE -t TASKS -o baseline.json", ("TASKS:",)),
]
AUDITS = [
    (TUNED, {"off": True, "ceiling": False}, "calibaudit compare BASE lab/tuned -o compared.html", (BASE_IS, ASKED)),
    (TUNED, {"off": False, "ceiling": False}, "calibaudit bless lab/tuned -o baseline.json", (ASKED,)),
    (TUNED, {"off": False, "ceiling": True}, "calibaudit score lab/tuned -t TASKS -o harder.html", ("TASKS:",)),
    (
        dataclasses.replace(INFO, engine="server http://127.0.0.1/v1"),
        {"off": True, "ceiling": False},
        "calibaudit compare BASE CHECKPOINT -o compared.html",
        (BASE_IS, ASKED),
    ),
    (
        dataclasses.replace(INFO, name="demo:instruct"),
        {"off": True, "ceiling": False},
        "calibaudit compare demo:base demo:instruct -o compared.html",
        (ASKED,),
    ),
]
FOUND = [(gate_command(found), line, notes) for found, line, notes in GATES]
FOUND += [(audit_command(model, **how), line, notes) for model, how, line, notes in AUDITS]


@pytest.mark.parametrize(("command", "line", "notes"), FOUND, ids=[line for _, line, _ in FOUND])
def test_it_is_what_the_result_asks_for_and_the_parser_takes_it(command, line, notes):
    assert command.line == line
    assert command.lead.endswith(":")
    assert [note.startswith(start) for note, start in zip(command.notes, notes, strict=True)] == [True] * len(notes)
    program, name, *words = shlex.split(command.line)
    assert program == "calibaudit"
    with typer.main.get_command(app).commands[name].make_context(name, words) as made:
        assert made.params


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (comparison_result(gated=True), "calibaudit fix lab/tuned --base BASE --out fixed"),
        (audit_result(), "calibaudit compare BASE lab/tuned -o compared.html"),
    ],
    ids=["gate", "one model"],
)
def test_it_stands_on_the_page_once(result, line):
    page = Page(html_page(result))
    assert [e["text"] for e in page.all("code") if e["text"].startswith("calibaudit ")] == [line]
    assert markdown_page(result).replace("\\", "").count(line) == 1
