"""`calibaudit tasks convert`: what it wrote asks what the harness asks; what it refuses, and what it leaves."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from calibaudit.cli.app import app
from calibaudit.errors import TaskError
from calibaudit.scoring.prompts import plain_prompt
from calibaudit.tasks.convert.harness import gold_of
from calibaudit.tasks.convert.rows import function_name
from calibaudit.tasks.convert.write import convert, file_name
from calibaudit.tasks.items import Item
from calibaudit.tasks.load import load_task

ORACLES = Path(__file__).resolve().parents[1] / "oracles"
sys.path.insert(0, str(ORACLES))
from cases import item_hash  # noqa: E402

WRITTEN = ORACLES / "converted"
FOREIGN = ORACLES / "foreign"
PROMPTS: dict[str, dict[str, list[str]]] = json.loads((WRITTEN / "prompts.json").read_text("utf-8"))

needs_harness = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-evaluation-harness is not installed (pip install lm_eval)"
)


@pytest.mark.parametrize("shots", ["0", "2"])
@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_written_tasks_ask_what_the_harness_asks(name: str, shots: str) -> None:
    """prompts.json holds the requests of the harness itself (tests/oracles/make_converted.py)."""
    task = load_task(str(WRITTEN / f"{name}.yaml"), num_fewshot=int(shots), offline=True)
    found = [item_hash(plain_prompt(item, "").pairs, item.answer) for item in task.items]
    assert found == PROMPTS[name][shots]
    assert len(found) >= 10
    assert len(set(found)) == len(found)


def test_written_tasks_say_where_they_come_from_and_name_no_folder_of_a_machine() -> None:
    task = (WRITTEN / "foreign_letters.yaml").read_text("utf-8")
    assert "doc_to_text: made.lettered" in task
    assert "lm_eval: 0.4.13" in task
    for path in WRITTEN.iterdir():
        assert str(ORACLES) not in path.read_text("utf-8")
        assert not any(start in path.read_text("utf-8") for start in ("/tmp", "/home", "/root", "!function"))


def test_scoring_is_the_prompts_own() -> None:
    assert load_task(str(WRITTEN / "foreign_letters.yaml"), offline=True).scoring == "letter"
    assert load_task(str(WRITTEN / "foreign_inputs.yaml"), offline=True).items[0].leads


@pytest.mark.parametrize(
    ("item", "first"),
    [
        (Item("a", "Q", ("x", "y"), 0, system="S ", answer_prefix="It is"), ("S Q It is", " x")),
        (Item("b", "Q ", ("x", "y"), 0, answer_prefix="It is", delimiter="\n"), ("Q It is", "\nx")),
        (Item("c", "", ("end", "end"), 1, leads=("one", "two"), answer_prefix="so"), ("oneso", " end")),
    ],
    ids=["prefix", "delimiter", "leads"],
)
def test_what_is_compared_with_the_harness(item: Item, first: tuple[str, str]) -> None:
    assert item.plain_pairs[0] == first
    assert len(item.plain_pairs) == 2


@pytest.mark.parametrize(
    ("target", "answer"),
    [(1, 1), ("b", 1), ([0], 0), (1.0, 1), (-1, None), (2, None), ("B", None), ([0, 1], None), (None, None)],
)
def test_the_right_choice_by_the_harness_rule(target: Any, answer: int | None) -> None:
    assert gold_of(target, ["a", "b"]) == answer


def test_names_become_file_names() -> None:
    assert file_name("group::my task/x,y") == "group_my_task_x_y"
    assert function_name(json.loads) == "json.loads"


def test_without_the_harness_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval.tasks", None)
    ran = CliRunner().invoke(app, ["tasks", "convert", "hellaswag", "-o", str(tmp_path / "out")])
    assert isinstance(ran.exception, TaskError) or ran.exit_code == 2
    told = str(ran.exception) + ran.output
    assert "pip install lm_eval" in told
    assert not (tmp_path / "out").exists()


def test_nothing_but_the_command_reaches_foreign_code() -> None:
    root = Path(__file__).resolve().parents[2] / "calibaudit"
    users = {
        path.relative_to(root).as_posix() for path in root.rglob("*.py") if "tasks.convert" in path.read_text("utf-8")
    }
    inside = {user for user in users if user.startswith("tasks/convert/")}
    assert users - inside == {"cli/commands/tasks.py"}
    importers = {path.parent for path in root.rglob("*.py") if "import lm_eval" in path.read_text("utf-8")}
    importers |= {path.parent for path in root.rglob("*.py") if "from lm_eval" in path.read_text("utf-8")}
    assert importers == {root / "tasks" / "convert"}


@needs_harness
def test_a_group_of_foreign_tasks_becomes_the_committed_files(tmp_path: Path) -> None:
    done = convert(["foreign"], tmp_path / "out", include_path=FOREIGN, mirror=FOREIGN / "mirror", offline=True)
    assert {task.name for task in done.tasks} == set(PROMPTS)
    for path in WRITTEN.iterdir():
        if path.name != "prompts.json":
            assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name
    told = "\n".join(done.notices)
    assert "foreign_several: its doc_to_target is always 0, and its own process_results (made.metrics)" in told
    assert "foreign_letters: its process_results is not kept" in told
    (group,) = done.groups
    assert "foreign_several" not in group.read_text("utf-8")
    for name in PROMPTS:
        assert load_task(str(tmp_path / "out" / f"{name}.yaml"), offline=True).items
    with pytest.raises(TaskError, match="process_results"):
        convert([str(FOREIGN / "foreign_several.yaml")], tmp_path / "none", mirror=FOREIGN / "mirror", offline=True)
    assert not (tmp_path / "none").exists()
