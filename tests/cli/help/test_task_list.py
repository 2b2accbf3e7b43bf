"""`calibaudit tasks`: every task once, with what it asks, in 80 columns; chosen by a text; for programs."""

from __future__ import annotations

import json
import re

import pytest

from calibaudit.tasks.load import list_tasks, member_names
from tests.command import Cli, check_refused

KNOWN = {task.name: task for task in list_tasks()}


def words(text: str) -> str:
    """The last column's text, whose lines are those of a cell: without the spaces between them."""
    return "".join(text.split())


def rows(page: str) -> dict[str, str]:
    """By its first word, each row with the lines that belong to it."""
    found: dict[str, str] = {}
    name = ""
    for line in page.splitlines():
        if line[:1].strip():
            name = line.split()[0]
            assert name not in found or name == "name"
            found[name] = ""
        found[name] = f"{found.get(name, '')} {line.strip()}" if name else ""
    return found


@pytest.mark.parametrize("width", [80, 120])
def test_every_task_stands_once_with_what_it_asks(cli: Cli, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    ended = cli("tasks")
    assert (ended.code, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= width
    assert re.findall(r"^(\w[\w ,]+)\s*\nname ", ended.out, re.MULTILINE) == [
        "Groups", "Bundled tasks", "Public tasks, from the hub",
    ]  # fmt: skip
    page = rows(ended.out)
    for name, task in KNOWN.items():
        plain = name.removesuffix("_letter")
        if plain != name and plain in KNOWN:
            assert name not in page
            assert "cloze, letter" in page[plain]
            continue
        # the columns before it, on the first line, stand between
        assert all(word in page[name] for word in task.description.split())
        assert ".jsonl" not in page[name]
        if task.members:
            assert f"{len(task.members)} tasks" in page[name]
        elif task.n_items is None:
            assert words(f"({task.source})") in words(page[name])
        else:
            assert f" {task.n_items} " in page[name]


def test_a_text_chooses(cli: Cli) -> None:
    def chosen(text: str) -> set[str]:
        return {task["name"] for task in json.loads(cli("tasks", "--filter", text, "--json").out)}

    assert chosen("ALLENAI/ai2_arc") == {"arc_challenge", "arc_easy"}  # the source
    assert chosen("python program") == {"programs", "programs_letter", "traces", "traces_letter"}  # what it asks
    assert {"arithmetic", "computation", "mmlu"} <= chosen("math")
    assert chosen("mmlu_ast") == {"mmlu"}  # a member
    page = cli("tasks", "--filter", "mmlu_ast").out
    assert re.search(r"^mmlu +57 tasks", page, re.MULTILINE)
    assert "mmlu_astronomy" in page
    assert "mmlu_anatomy" not in page
    check_refused(
        cli("tasks", "--filter", "no such"),
        "--filter no such: in no task's name, description or source; `calibaudit tasks` lists all",
    )
    assert cli("tasks", "--filter", "no such", "--json").out == "[]\n"


def test_programs_get_all_of_it(cli: Cli) -> None:
    found = {task["name"]: task for task in json.loads(cli("tasks", "--json").out)}
    assert found == {name: task.to_dict() for name, task in KNOWN.items()}
    assert tuple(found["mmlu"]["members"]) == member_names("mmlu")
    assert found["mmlu"]["is_group"]
    assert (found["words"]["n_items"], found["words"]["scoring"], found["words"]["members"]) == (256, "cloze", [])


def test_a_group_is_not_fetched_to_say_that_it_is_one(cli: Cli) -> None:
    check_refused(cli("tasks", "show", "mmlu", "--offline"), "mmlu is a group of 57 tasks; name one of them: mmlu_abs")
