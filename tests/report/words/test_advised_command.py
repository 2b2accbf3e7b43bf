"""The command to copy: a real shell hands calibaudit the names as they are, whatever stands in them."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest
from made_results import HOSTILE, comparison_result
from made_scores import INFO, TUNED

from calibaudit.report.saved_advice import recommendation_of
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
