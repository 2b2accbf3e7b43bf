"""Every kind of wrong value, of every flag, TOML key and task key: the message speaks no library's language."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from made_results import comparison_result
from made_scores import made_scores, save

from calibaudit.cli.app import app
from calibaudit.cli.refusals import refusal
from calibaudit.cli.settings.files import command_defaults
from calibaudit.errors import CalibauditError
from calibaudit.report.result_json import result_text
from calibaudit.report.terminal.saved import page_of
from calibaudit.scores.saved import read_saved
from calibaudit.tasks.keys import DatasetKwargs
from calibaudit.tasks.load import check_task_file
from calibaudit.tasks.schema import FewshotConfig, GroupSpec, TaskSpec
from tests.command import Cli, check_refused

FOREIGN = re.compile(
    r"[Vv]alue error|[Ii]nput\b|cannot become|\w+Choice\b|pydantic|[Vv]alidation error|unable to parse|\btype=|"
    r"is not a valid|not in the range|valid (string|list|dictionary)|should match|instance of|\bNoneType\b|Traceback"
)
"""Words of pydantic, of Click, of enums and classes."""

COMMAND = typer.main.get_command(app)
TEXTS = ("wrong", "", "-1", "1.5", "nan", "1e400", "9" * 30)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    below = getattr(command, "commands", None)
    if not below:
        yield path, command
    for name, one in (below or {}).items():
        yield from leaves(one, (*path, name))


LEAVES = dict(leaves(COMMAND))


def told(path: tuple[str, ...], arguments: list[str]) -> str | None:
    """What the parser says of the arguments; None where it takes them."""
    try:
        LEAVES[path].make_context(path[-1], arguments)
    except CalibauditError as error:
        return str(error)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return refusal(error)
    return None


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_wrong_flags(path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("{}")
    parameters = LEAVES[path].params
    needed = [
        word for p in parameters if p.required for word in ([f"{p.opts[0]}=x"] if p.opts[0][:1] == "-" else ["x"])
    ]
    for parameter in parameters:
        flag = max(parameter.opts, key=len)
        if not flag.startswith("--") or parameter.is_flag:
            continue
        for value in TEXTS:
            said = told(path, [*needed, f"{flag}={value}"])
            assert said is None or not FOREIGN.search(said), (flag, value, said)
            assert said is None or flag in said or flag == "--config", (flag, value, said)
            if flag in ("--limit", "--bins", "--item", "--row") and value != TEXTS[-1]:
                assert said is not None, (flag, value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score", "m", "--scoring", "lettr"], "'lettr' is not one of 'letter', 'cloze'"),
        (["score", "m", "--limit", "many"], "Invalid value for '--limit': 'many' is not a whole number;"),
        (["score", "m", "--limit", "0"], "0{quote} is too small: give 1 or more"),
        (["score", "m", "--think", "2000000"], "2000000{quote} is too large: give 1000000 or less"),
        (["gate", "a", "b", "--margin", "x"], "'x' is not a number"),
        (["fix", "m", "--base", "b", "--out", "o", "--method", "magic"], "'magic' is not one of 'auto', 'temperature'"),
    ],
)
def test_a_wrong_flag_is_one_line(arguments: list[str], said: str, cli: Cli) -> None:
    ended = cli(*arguments)
    check_refused(ended, said.format(quote="'" if f"'{arguments[-1]}'" in ended.err else ""), "; see --help")
    assert not FOREIGN.search(ended.err)


def test_wrong_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key of every table, with values of every kind of TOML."""
    monkeypatch.chdir(tmp_path)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)  # `offline = true` sets them for good; they go when the test ends
    file = tmp_path / "settings.toml"
    values = ('"wrong"', '""', "-1", "1.5", "true", "[]", '["a"]', "[[1]]", "{}", "2024-01-01", "nan")
    flags = {
        max(p.opts, key=len)[2:]: p.is_flag for p in LEAVES[("score",)].params if max(p.opts, key=len).startswith("--")
    }
    refused = 0
    for key in sorted(flags.keys() - {"config", "help", "install-completion", "show-completion"}):
        for value in values:
            file.write_text(f"[score]\n{key} = {value}\n")
            said = told(("score",), ["m", "--config", str(file)])
            if said is not None:
                refused += 1
                assert not FOREIGN.search(said), (key, value, said)
                assert key in said, (key, value, said)
    assert refused > 100
    file.write_text('[score]\nscoring = "lettr"\n')
    said = told(("score",), ["m", "--config", str(file)]) or ""
    assert "score.scoring is 'lettr'; it takes one of letter, cloze" in said
    file.write_text("scoring = lettr\n")
    with pytest.raises(CalibauditError, match="not valid TOML"):
        command_defaults(file, "score", flags, flags)


SOUND: dict[str, Any] = {
    "task": "t", "dataset_path": "d.jsonl", "test_split": "test", "doc_to_text": "{{q}}", "doc_to_target": "a",
    "doc_to_choice": ["x", "y"], "output_type": "multiple_choice",
}  # fmt: skip
WRONG = (None, True, -1, 1.5, "", "a b", [], [1], ["x"], [None], {}, {"a": 1}, [[1]], "{{", [{"a": 1}])


@pytest.mark.parametrize(
    ("model", "inside"),
    [(TaskSpec, None), (FewshotConfig, "fewshot_config"), (DatasetKwargs, "dataset_kwargs"), (GroupSpec, "group")],
)
def test_wrong_task_keys(model: Any, inside: str | None, tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    n_faults = 0
    for key in model.model_fields:
        for value in WRONG:
            data = {"group": "g", "task": ["a"], key: value} if inside == "group" else {**SOUND, key: value}
            if inside in ("fewshot_config", "dataset_kwargs"):
                data = {**SOUND, inside: {key: value}}
            file.write_text(yaml.safe_dump(data))
            for fault in check_task_file(file, data=False):
                n_faults += 1
                assert not FOREIGN.search(fault), (key, value, fault)
                assert str(file) in fault
    assert n_faults > 20


OF_PYTHON = re.compile(
    FOREIGN.pattern + r"|__\w+__|'\w+' object|\b(Type|Value|Key|Attribute|Scores)Error\b|(is|not) (str|int|list|dict)\b"
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*at, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*at, 0))


@pytest.mark.parametrize("kind", ["scores", "gate"])
def test_wrong_saved_values(kind: str, tmp_path: Path) -> None:
    """Every entry of a saved file, replaced by what it cannot be, or left out."""
    if kind == "gate":
        whole = json.loads(result_text(comparison_result(names=("a",), n_items=30, gated=True)))
    else:
        whole = json.loads(save(tmp_path / "s.json", [made_scores(12)]).read_text())
        whole = {key: whole[key] for key in ("schema_version", "model", "scores")}
    said = {}
    for at in list(places(whole))[:: 1 if kind == "scores" else 6]:
        for wrong in (None, [1], {"a": 1}, ...):
            broken = copy.deepcopy(whole)
            place = functools.reduce(lambda part, step: part[step], at[:-1], broken)
            if wrong is ...:
                del place[at[-1]]
            else:
                place[at[-1]] = wrong
            try:
                if kind == "gate":
                    page_of(broken, "saved.json")
                else:
                    (tmp_path / "t.json").write_text(json.dumps(broken))
                    read_saved(str(tmp_path / "t.json"), None)
            except CalibauditError as error:
                said[at, str(wrong)] = str(error)
    assert len(said) > 50
    assert {place: text for place, text in said.items() if OF_PYTHON.search(text)} == {}
