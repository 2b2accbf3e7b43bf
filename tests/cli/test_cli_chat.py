"""The flags that say how prompts stand in a chat template, as a user calls them on the bundled pair."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from calibaudit.models.checkpoints import find_checkpoint
from tests.command import Cli, forked

FEW = ("-t", "arithmetic", "--limit", "12", "--no-progress")


def with_template(folder: Path, change: Any) -> Path:
    """A copy of demo:instruct whose chat template is another; change: the old one -> the new one."""
    shutil.copytree(find_checkpoint("demo:instruct").path, folder)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["chat_template"] = change(settings["chat_template"])
    file.write_text(json.dumps(settings), encoding="utf-8")
    return folder


def scored(cli: Cli, *arguments: str) -> dict[str, Any]:
    ended = cli("score", *arguments, *FEW, "--no-cache", "--json")
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_a_dated_template_says_the_same_on_two_days(tmp_path: Path) -> None:
    """In time zones 26 hours apart, so that the date is always another."""
    dated = "{{ 'Today: ' + strftime_now('%d %b %Y') + '\\n' }}"
    folder = with_template(tmp_path / "dated", lambda old: old.replace("{{ bos_token }}", "{{ bos_token }}" + dated))
    cache, results = tmp_path / "cache", []
    for zone in ("Etc/GMT+12", "Etc/GMT-14"):
        ended = forked("score", folder, *FEW, "--cache-dir", cache, "--json", cwd=tmp_path, TZ=zone)
        assert ended.code == 0, ended.err
        (file,) = (cache / "scores").iterdir()
        results.append((json.loads(ended.out)["scores"], file.read_bytes()))
    assert results[0] == results[1], "equal numbers and fingerprints, and nothing new in the cache"
    assert results[0][0][0]["prompt"]["date"] == "2024-07-26"


def test_another_date_is_another_prompt(cli: Cli, tmp_path: Path) -> None:
    dated = "{{ strftime_now('%d %b %Y') + '\\n' }}"
    folder = str(with_template(tmp_path / "dated", lambda old: dated + old))
    (old,), (new,) = (scored(cli, folder, "--template-date", day)["scores"] for day in ("2024-07-26", "2026-11-28"))
    assert old["logprobs"] != new["logprobs"]
    assert old["prompt"]["fingerprint"] != new["prompt"]["fingerprint"]


def test_a_thought_that_the_model_does_not_know_changes_no_number(cli: Cli, tmp_path: Path) -> None:
    opened = with_template(
        tmp_path / "thinks", lambda old: old.replace("Assistant:{% endif %}", "Assistant:<think>\n{% endif %}")
    )
    own, changed = (scored(cli, name)["scores"][0]["logprobs"] for name in ("demo:instruct", str(opened)))
    assert changed == own
    ended = cli("score", str(opened), *FEW, "--no-cache")
    assert ended.code == 0
    words = " ".join(ended.out.split())
    assert (
        r'not behind the "<think>\n" of its generation prompt, so this is an audit of answers without thinking' in words
    )


def test_a_named_template_and_a_file(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "own.jinja"
    file.write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}", encoding="utf-8")
    (own,) = scored(cli, "demo:base", "--chat-template", str(file))["scores"]
    assert own["chat_template"] is True
    assert own["prompt"]["named"] == "own.jinja"  # the folder is of this machine alone
    missing = cli("score", "demo:base", "--chat-template", str(tmp_path / "none.jinja"), *FEW)
    assert missing.code == 2
    assert "none.jinja: there is no such file" in missing.err
    assert len(missing.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--template-date", "26 Jul"), "--template-date 26 Jul: give a day as YYYY-MM-DD"),
        (("--chat-template-kwargs", "{"), "--chat-template-kwargs {: give a JSON object"),
    ],
)
def test_a_faulty_flag_is_one_line(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    ended = cli("score", "demo:instruct", *arguments, *FEW)
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.strip().splitlines()) == 1


@pytest.mark.parametrize("template", ["{{ 1 / 0 }}", "{{ messages[9].content }}"])
def test_a_faulty_template_is_one_line_that_names_template_and_item(cli: Cli, tmp_path: Path, template: str) -> None:
    file = tmp_path / "faulty.jinja"
    file.write_text(template, encoding="utf-8")
    ended = cli("score", "demo:instruct", "--chat-template", str(file), *FEW)
    assert ended.code == 2
    (line,) = ended.err.strip().splitlines()
    assert "arithmetic: item 'arithmetic-test-000': the chat template" in line
    assert str(file) in line


def test_system_text_and_answer_prefix_are_recorded(cli: Cli) -> None:
    result = scored(cli, "demo:instruct", "--system", "Be brief.", "--answer-prefix", "It is")
    (scores,) = result["scores"]
    assert scores["prompt"]["system"] == "Be brief."
    assert scores["prompt"]["answer_prefix"] == "It is"
    assert scores["fingerprint"] != scored(cli, "demo:instruct")["scores"][0]["fingerprint"]


def test_the_harnesss_place_is_another_prompt_and_a_gate_refuses_the_two(cli: Cli, tmp_path: Path) -> None:
    own, harness = tmp_path / "own.json", tmp_path / "harness.json"
    assert cli("score", "demo:instruct", *FEW, "-o", str(own), "--quiet").code == 0
    at_prompt = ("--answer-at", "generation-prompt")
    assert cli("score", "demo:instruct", *at_prompt, *FEW, "-o", str(harness), "--quiet").code == 0
    ended = cli("gate", str(own), str(harness))
    assert ended.code == 2
    assert "--answer-at auto before, generation-prompt after" in ended.err
    page = cli("compare", str(own), str(harness))
    assert page.code == 0
    assert "the prompts were written differently (--answer-at auto before" in " ".join(page.out.split())


def test_tasks_show_marks_the_scored_tokens(cli: Cli) -> None:
    ended = cli("tasks", "show", "arithmetic", "--model", "demo:instruct", "--item", "3")
    assert ended.code == 0
    assert "Assistant:\n" in ended.out
    assert "⟦·" in ended.out
    assert "Assistant" not in cli("tasks", "show", "arithmetic", "--model", "demo:base", "--item", "3").out
    bare = cli("tasks", "show", "arithmetic", "--model", "demo:instruct", "--item", "3", "--chat-template", "off")
    assert "Assistant" not in bare.out
