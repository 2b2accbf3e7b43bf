"""The command to copy: a real shell hands calibaudit the names as they are, whatever stands in them."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest
from made_results import HOSTILE, comparison_result
from made_scores import INFO, TUNED
from report.pages.parsed_page import Page

from calibaudit.report.document.html import html_page
from calibaudit.report.saved import comparison_of
from calibaudit.report.saved_advice import recommendation_of
from calibaudit.report.terminal.page import command_lines
from calibaudit.report.words.commands import advised_command

NAMES = [
    "demo:base",
    "lab/it's a model",
    "$(touch owned)",
    "`id`; echo x",
    "a b",
    "été",
    "*",
    "~/x",
    "a\\b",
    '"x"',
    "!!",
]


def advised(action="temperature", **fields):
    found = recommendation_of(comparison_result())
    return dataclasses.replace(found, action=action, **fields)


def words_of(command, tmp_path):
    """What the shell would hand on, one word a line."""
    script = f"calibaudit() {{ printf '%s\\n' \"$@\"; }}\n{command}\n"
    run = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert list(tmp_path.iterdir()) == []
    return run.stdout.split("\n")[:-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_takes_it(name, tmp_path):
    base, instruct = (dataclasses.replace(info, name=name + end) for info, end in ((INFO, ""), (TUNED, "2")))
    command = advised_command(advised(), base, instruct)
    expected = ["fix", f"{name}2", "--base", name, "--method", "temperature", "--out", "fixed"]
    assert words_of(command, tmp_path) == expected


@pytest.mark.parametrize("name", [*HOSTILE[2:], "", "-rf", "two\nlines"])
def test_what_nobody_can_type_is_a_placeholder(name, tmp_path):
    command = advised_command(advised(), INFO, dataclasses.replace(TUNED, name=name))
    assert words_of(command, tmp_path)[:4] == ["fix", "INSTRUCT", "--base", "lab/base"]


@pytest.mark.parametrize(
    "how",
    [{"engine": "server http://127.0.0.1/v1"}, {"adapter": "lora 1a2b"}, {"head": "logged by lm-evaluation-harness"}],
)
def test_a_name_that_fix_cannot_load_is_a_placeholder(how):
    assert " fix INSTRUCT --base lab/base " in advised_command(advised(), INFO, dataclasses.replace(TUNED, **how))


def test_the_advised_method_and_the_data_that_it_needs():
    assert advised_command(advised("smooth"), INFO, TUNED).endswith("--method smooth --data DATA --out fixed")
    demo = [dataclasses.replace(INFO, name=f"demo:{side}") for side in ("base", "instruct")]
    assert "--data demo:sft" in advised_command(advised("smooth"), *demo)
    assert advised_command(advised("none_needed"), INFO, TUNED) is None
    assert advised_command(advised("nothing_known"), INFO, TUNED) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [50, 80, 200])
def test_the_terminals_lines_can_be_pasted(name, width, tmp_path):
    models = (dataclasses.replace(INFO, name=name), dataclasses.replace(TUNED, name="some-lab/tuned-on-rows"))
    pair = dataclasses.replace(comparison_of(comparison_result()), before=models[0], after=models[1])
    lines = [line.plain for line in command_lines(advised("smooth"), pair, width)]
    assert max(map(len, lines)) < width
    assert len(lines) > 1 if width < 200 else len(lines) == 1
    asked = ["--base", name, "--method", "smooth", "--data", "DATA", "--out", "fixed"]
    given = "\n".join(lines).removeprefix(" Run: ")
    assert words_of(given, tmp_path) == ["fix", "some-lab/tuned-on-rows", *asked]


def test_no_option_is_broken_in_html():
    result = comparison_result()
    result["after"] = {**result["after"], "name": "a/" + "long-name-" * 9}
    page = html_page(result)
    code = page.split('class="run"')[1].split("</p>")[0]
    assert all(f"<span>{word}</span>" in code for word in ("--base", "lab/base", "--method", "--out", "fixed"))
    assert f"<span>{result['after']['name']}" not in code  # longer than a narrow page
    models = INFO, dataclasses.replace(TUNED, name=result["after"]["name"])
    shown = next(e["text"] for e in Page(page).all("code") if "p" in e["inside"] and "calibaudit fix" in e["text"])
    assert shown == advised_command(recommendation_of(result), *models)
