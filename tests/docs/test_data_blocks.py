"""The pages' YAML, TOML and JSON is what the command reads: task files, recipes for CI, settings, rows."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from markdown_pages import ROOT, Block, blocks
from stand_ins import Run, write_rows

from calibaudit.cli.app import app
from calibaudit.cli.settings.files import COMMANDS
from calibaudit.training.data.rows import read_rows

ROWS = [
    {"question": f"What is {i} + 1?", "choices": [str(i + 1), str(i)], "options": [str(i + 1), str(i)], "answer": 0}
    for i in range(4)
]
"""Documents for a task file whose page shows none."""

ARGUMENTS = {"score": ["m"], "gate": ["b.json", "c.json"], "bless": ["m"]}
ARGUMENTS["fix"] = ["m", "--base", "b", "--data", "d", "--out", "o"]


def place(block: Block) -> str:
    return block.place


def parsed(words: list[str]) -> dict[str, Any]:
    group = typer.main.get_command(app)
    command = group.commands[words[0]]  # type: ignore[attr-defined]
    with command.make_context(words[0], words[1:], parent=typer.Context(group, info_name="calibaudit")) as context:
        return dict(context.params)


@pytest.mark.parametrize("block", blocks("yaml"), ids=place)
def test_yaml(block: Block, run: Run, work: Path) -> None:
    content = yaml.safe_load(block.text)
    if "task" in content:
        check_task_file(block, content, run, work)
    elif "jobs" in content:
        check_workflow(content)
    else:  # GitLab: jobs by name
        scripts = [line for job in content.values() for line in (*job["before_script"], *job["script"])]
        own = [shlex.split(line)[1:] for line in scripts if line.startswith("calibaudit ")]
        assert own
        assert all(parsed(words) for words in own)
        assert all(line.startswith(("calibaudit ", "pip install ")) for line in scripts)


def check_task_file(block: Block, content: dict[str, Any], run: Run, work: Path) -> None:
    """As a reader would: the block in a file, documents beside it, `calibaudit tasks check`."""
    shown = [json.loads(line) for found in blocks("json", page=block.page) for line in found.text.splitlines()]
    folder = work / "written"
    write_rows(folder / content["dataset_path"], shown or ROWS)
    (folder / "task.yaml").write_text(block.text, encoding="utf-8")
    checked = run("calibaudit tasks check written/task.yaml")
    assert (checked.code, checked.out, checked.err) == (0, "written/task.yaml: no fault found\n", "")
    item = run("calibaudit tasks show written/task.yaml")
    assert item.code == 0
    assert (shown or ROWS)[0]["question"].replace(" ", "·") in item.out


def check_workflow(content: dict[str, Any]) -> None:
    action = yaml.safe_load((ROOT / ".github/actions/calibaudit/action.yml").read_text(encoding="utf-8"))
    steps = [step for job in content["jobs"].values() for step in job["steps"]]
    assert all("run" not in step for step in steps), "a script: read its calls here"
    (own,) = (step["with"] for step in steps if "calibaudit" in step["uses"])
    assert own.keys() <= action["inputs"].keys()
    flags = [*own["args"].split(), *(["--margin", own["margin"]] if "margin" in own else [])]
    assert parsed(["gate", own["baseline"], own["candidate"], *flags])


@pytest.mark.parametrize("block", blocks("toml"), ids=place)
@pytest.mark.parametrize("through", ["pyproject.toml", "--config"])
def test_toml_is_taken_by_every_command(block: Block, through: str, work: Path) -> None:
    Path("pyproject.toml").unlink()
    name = "pyproject.toml" if through == "pyproject.toml" else "settings.toml"
    Path(name).write_text(block.text, encoding="utf-8")
    option = [] if through == "pyproject.toml" else ["--config", name]
    for command in COMMANDS:
        params = parsed([command, *ARGUMENTS.get(command, []), *option])
        table = re.search(rf"^\[tool\.calibaudit\.{command}\]\n((?:[^\[].*\n?)+)", block.text, flags=re.MULTILINE)
        for key, value in re.findall(r"^([\w-]+) = (.+)$", table[1] if table else "", flags=re.MULTILINE):
            assert params[key.replace("-", "_")] == json.loads(value), key


@pytest.mark.parametrize("block", blocks("json"), ids=place)
def test_json_is_a_document_of_the_page_s_task_file(block: Block) -> None:
    """check_task_file gives it to `tasks check`; here, that there is such a file."""
    assert all(isinstance(json.loads(line), dict) for line in block.text.splitlines())
    assert any("task:" in found.text for found in blocks("yaml", page=block.page))


@pytest.mark.parametrize("block", [block for block in blocks("jsonl") if block.page.name != "import.md"], ids=place)
def test_jsonl_is_tuning_data(block: Block, tmp_path: Path) -> None:
    """None refused, and all of it read; the first block of a page has every kind of row in the page's table."""
    (tmp_path / "rows.jsonl").write_text(block.text, encoding="utf-8")
    rows = read_rows(str(tmp_path / "rows.jsonl"))
    assert len(rows.rows) == rows.n_read == len(block.text.splitlines())
    assert (rows.faults, rows.unread) == ((), ())
    if block != blocks("jsonl", page=block.page)[0]:
        return
    table = block.page.read_text(encoding="utf-8").split("| keys | row |")[1].split("\n\n")[0]
    assert len(rows.rows) == len(table.splitlines()) - 2
