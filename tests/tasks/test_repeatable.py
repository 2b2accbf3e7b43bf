"""A task asks the same in every run: what draws, or names a place in memory, is refused; no answer is cut."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from task_files import write_task

from calibaudit.errors import TaskError
from calibaudit.tasks.load import check_task_file, load_task
from calibaudit.tasks.templates import Field

ROWS = [{"q": "why", "options": ["yes", "no", "both"], "gold": 1}]


@pytest.mark.parametrize(
    "template", ["{{ options|random }}", "{{q}}{% set x = options|map('upper')|list|random %}{{x}}", "{{q|random ~ 1}}"]
)
@pytest.mark.parametrize("key", ["doc_to_text", "description", "doc_to_choice", "doc_to_target", "gen_prefix"])
def test_random_is_refused_by_the_names_of_task_and_filter(key: str, template: str, tmp_path: Path) -> None:
    """lm-evaluation-harness would take it, and two runs would have other prompts under one name."""
    path = write_task(tmp_path, "t", ROWS, **{key: template})
    (fault,) = check_task_file(path)
    assert fault.startswith(f"{path}:1: {key}: the filter `random` draws anew in every run")
    with pytest.raises(TaskError, match=rf"{path}.*: the filter `random` draws anew"):
        load_task(str(path))


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ options|map('random')|list }}", "the filter `random` draws anew in every run"),
        ("{{ lipsum(n=1) }}", "'lipsum' is undefined"),
        ("{{ now() }}", "'now' is undefined"),
        ("{{ strftime_now('%d %b %Y') }}", "'strftime_now' is undefined"),
        (
            "{{ options|map('upper') }}",
            "it writes <generator object .* at 0x.*, which differs in every run: end it",
        ),
        ("{{ (options|map('upper'))|string }}", "it writes <generator object"),
        ("{{ [options|reverse] }}", "it writes <.*reverse.* at 0x"),
        ("{{ q.upper }}", "it writes <built-in method upper of str object at 0x"),
        ("{{ cycler(1, 2) }}", "it writes <jinja2.utils.Cycler object at 0x"),
    ],
)
def test_what_would_differ_from_run_to_run_is_refused(template: str, told: str) -> None:
    with pytest.raises(TaskError, match=f"^doc_to_text: {told}"):
        Field("doc_to_text", template, ["q", "options"])(ROWS[0])


def test_a_documents_own_addresses_and_words_stay() -> None:
    row = {"code": "print(<function f at 0x7f00aa>)", "random": "random", "lipsum": "lorem"}
    text = Field("doc_to_text", "{{ code }} {{ random }} {{ lipsum }} 'random'", row)(row)
    assert text == "print(<function f at 0x7f00aa>) random lorem 'random'"


def test_what_repeats_is_taken() -> None:
    template = "{{ options|map('upper')|list }} {{ options|map('upper')|join(', ') }} {{ range(3)|list }} {{ q|upper }}"
    field = Field("doc_to_text", template, ["q", "options"])
    assert field(ROWS[0]) == "['YES', 'NO', 'BOTH'] YES, NO, BOTH [0, 1, 2] WHY"


def test_fingerprints_are_the_same_under_any_hash_seed(tmp_path: Path, root: Path) -> None:
    template = "{{ {'b': 1, 'a': 2} }} {{ options|unique|list }} {{ {'x': q}|tojson }} {{ options|groupby('0')|list }}"
    path = write_task(tmp_path, "t", ROWS, doc_to_text=template)
    code = f"from calibaudit.tasks.load import load_task; print(load_task({str(path)!r}).fingerprint)"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1


@pytest.mark.parametrize(
    ("gold", "target", "told"),
    [
        (1.4, "gold", "doc_to_target: expected a choice or its index, found 1.4"),
        (0.999999, "gold", "doc_to_target: expected a choice or its index, found 0.999999"),
        ([1.4], "gold", "doc_to_target: expected a choice or its index, found 1.4"),
        ("1.4", "gold", "doc_to_target: answer '1.4' is not one of the choices"),
        (1.4, "{{gold}}", "doc_to_target: answer '1.4' is not one of the choices"),
        (1e999, "gold", "doc_to_target: inf|1e999|Infinity"),
    ],
)
def test_an_answer_between_two_choices_is_refused(gold: Any, target: str, told: str, tmp_path: Path) -> None:
    path = write_task(tmp_path, "t", [{**ROWS[0], "gold": gold}], doc_to_target=target)
    with pytest.raises(TaskError, match=told):
        load_task(str(path))


def test_a_whole_number_written_with_a_point_is_that_number(tmp_path: Path) -> None:
    """A table's column of numbers has one empty cell, and all of it becomes floats: 1.0 is 1, exactly."""
    path = write_task(tmp_path, "t", [{**ROWS[0], "gold": 1.0}])
    assert load_task(str(path)).items[0].answer == 1


def test_an_index_in_a_task_file_is_whole(tmp_path: Path) -> None:
    path = write_task(tmp_path, "t", ROWS, doc_to_target=1.4)
    (fault,) = check_task_file(path)
    assert "the index of the right choice, found 1.4" in fault
