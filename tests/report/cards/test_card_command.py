"""`calibaudit card`: a section in a card that is there. All else stays, twice is once, it is whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from made_results import audit_result, comparison_result, hostile_result
from markdown_it import MarkdownIt

from calibaudit.report.cards.section import BEGIN, END, section_of
from calibaudit.report.repair_json import repair_dict
from calibaudit.report.result_json import result_text
from tests.report.repairs.made_repairs import made
from tests.visible.sinks import check_markdown, check_text

FRONT = """---
# which of ours it is
license: apache-2.0   # as the base
tags:
- chat
- "calibration"
# how it is found
language: [en, de]
base_model: lab/base
model-index:
- name: tuned
  results:
  - task: {type: text-generation}
    dataset: {type: lab/other, name: Other}
    metrics:
    - {type: accuracy, value: 0.5}
widget:
- text: |
    tags: none

    of these
---
"""
BODY = """
# Tuned

Words, `code`, and a <b>tag</b>.   

## Use

```python
print("---")
```
"""  # noqa: W291  a line break of Markdown's


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    path.write_text(result_text(comparison_result()), encoding="utf-8")
    return path


def parts(card: str) -> tuple[dict[str, Any], str]:
    _, front, body = re.split(r"^---\r?\n", card.removeprefix("\ufeff"), maxsplit=2, flags=re.MULTILINE)
    found = yaml.safe_load(front) or {}
    assert isinstance(found, dict)
    return found, body


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_all_else_stays(cli: Callable[..., Any], tmp_path: Path, result: Path, newline: str, mark: str) -> None:
    card = tmp_path / "README.md"
    before = (mark + FRONT + BODY).replace("\n", newline).encode()
    card.write_bytes(before)
    assert cli("card", result, "-o", card)[:2] == (0, f"{card}: the section is in place\n")
    text = card.read_bytes().decode()
    assert text.startswith(mark)
    assert re.sub(r"\r\n", "", text).count("\n" if newline == "\r\n" else "\r") == 0
    metadata, body = parts(text)
    old, old_body = parts(before.decode())
    assert {key: value for key, value in metadata.items() if key not in ("tags", "model-index")} == {
        key: value for key, value in old.items() if key not in ("tags", "model-index")
    }
    assert metadata["tags"] == ["chat", "calibration", "calibaudit"]
    (model,) = metadata["model-index"]
    assert model["name"] == "tuned"
    assert model["results"][0] == old["model-index"][0]["results"][0]
    assert len(model["results"]) == 1 + 4 + 1
    for line in (
        "# which of ours it is",
        "license: apache-2.0   # as the base",
        "# how it is found",
        "language: [en, de]",
    ):
        assert line + newline in text
    assert body.startswith(old_body.rstrip() + 2 * newline + BEGIN)
    assert body.endswith(END + newline)

    assert cli("card", result, "-o", card)[:2] == (0, f"{card}: changed nothing\n")
    assert card.read_bytes().decode() == text


COMMENTED = """---
license: mit
tags:
  - foo # why
  # and
  - |
    of two

    lines

# behind the tags
model-index:
  # whose
  - name: tuned # ours
    # results below
    results:
      - task: {type: text-generation}
        dataset: {type: lab/other, name: &n Other}
        metrics:
          - type: accuracy
            value: 1 # perfect
      # no more
    extra: 1
x: &t [a, b]
y: *t
---
"""
KEPT = {
    "comments": COMMENTED.replace("&n ", ""),
    "a blank line first": "\n---\nlicense: mit\ntags: [a, b, ]  # two\nreleased: 2026-11-29\n---\n# x\n",
    "flow tags of several lines": "---\ntags: [a, # first\n  b # second\n]\n---\n# x  ",
    "no tags in brackets": "---\ntags: [] # none\nmodel-index:\n---\n",
    "keys that hold nothing": "---\ntags: # none yet\n# c\nmodel-index:\n- name: x\n  results:\n  - task: {type: a}\n"
    "    dataset: {type: b, name: c}\n    metrics: []\nz: 1\n---\n",
    "other anchors": "---\nx: &t [a, b]\ny: *t # again\n---\n# x\n\n\n",
    "nothing but comments": "---\n# none\n---\n# x\n",
    "nothing below": "---\nlicense: mit\ntags:\n- a\nreleased: 2026-11-29\n---\n",
    "line ends of both kinds": "---\nlicense: mit\ntags:\n- a # why\n---\r\n# x\r\nwords\n",
    "two models, ours the last": "---\nmodel-index:\n"
    + "".join(
        f"- name: {name} # {name}\n  results:\n  - task: {{type: a}}\n    dataset: {{type: b, name: c}}\n"
        "    metrics: [{type: d, value: 1}]\n"
        for name in ("other", "lab/MODEL")
    )
    + "---\n",
}


def is_kept(old: str, new: str) -> bool:
    """Whether all characters of the old text stand in the new one, in their order, with whole pieces put between."""
    rest = iter(new)
    return all(sign in rest for sign in old)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", KEPT)
def test_metadata_keep_every_byte(
    cli: Callable[..., Any], tmp_path: Path, result: Path, kind: str, newline: str
) -> None:
    card = tmp_path / "README.md"
    model = section_of(comparison_result()).index[0]["name"]
    old = KEPT[kind].replace("MODEL", model)
    old = old if "\r" in old else old.replace("\n", newline)
    card.write_bytes(old.encode())
    assert cli("card", result, "-o", card)[:2] == (0, f"{card}: the section is in place\n")
    new = card.read_bytes().decode()
    lines, at = new.splitlines(keepends=True), 0
    for line in old.splitlines(keepends=True):  # whole lines, in their order; one of flow tags may have grown
        if line.startswith("tags: [") or line == "  b # second" + newline:
            head = line.split("b")[0].split("]")[0].rstrip()
            at = next(n for n in range(at, len(lines)) if lines[n].startswith(head)) + 1
            assert is_kept(line, lines[at - 1])
        else:
            wanted = line if line.endswith("\n") else line + ("\r\n" if "\r" in old else "\n")
            at = lines.index(wanted, at) + 1
    metadata, body = parts(new.lstrip())
    before, _ = parts(old.lstrip())
    assert metadata.pop("tags") == [*(before.pop("tags", None) or []), "calibration", "calibaudit"]
    index, was = metadata.pop("model-index"), before.pop("model-index", None) or [{"name": model, "results": []}]
    assert metadata == before
    n = len(was[-1]["results"])
    assert index[-1]["results"][:n] == was[-1]["results"]
    assert [{**one, "results": 0} for one in index] == [{**one, "results": 0} for one in was]
    assert index[:-1] == was[:-1]
    found = ModelCard(new).data
    ours = [one for one in found.eval_results or () if "calibaudit" in (one.dataset_args or {})]
    assert (found.model_name, len(ours)) == (was[-1]["name"], 25)
    assert len(index[-1]["results"]) == n + 5
    assert body.count(BEGIN) == body.count(END) == 1

    assert cli("card", result, "-o", card)[1].endswith("changed nothing\n")
    result.write_text(result_text(comparison_result(names=("only", "two"), heat=1.5)), encoding="utf-8")
    assert cli("card", result, "-o", card).code == 0
    newer = parts(card.read_bytes().decode().lstrip())[0]["model-index"][-1]["results"]
    assert [one["dataset"]["name"] for one in newer[n:]] == ["only", "two", "all 2 tasks, pooled"]
    result.write_text(result_text(comparison_result()), encoding="utf-8")
    assert cli("card", result, "-o", card).code == 0
    assert card.read_bytes().decode() == new


def test_results_between_ours_stay(cli: Callable[..., Any], tmp_path: Path, result: Path) -> None:
    card = tmp_path / "README.md"
    assert cli("card", result, "-o", card).code == 0
    other = (
        "  # theirs\n  - task: {type: a}\n    dataset: {type: b, name: Other} # c\n    metrics: [{type: d, value: 1}]\n"
    )
    head, *rest = card.read_text("utf-8").split("  - task:\n")
    card.write_text(head + "  - task:\n".join(["", rest[0] + other, *rest[1:]]), encoding="utf-8")
    result.write_text(result_text(comparison_result(names=("only", "two"), heat=1.5)), encoding="utf-8")
    assert cli("card", result, "-o", card).code == 0
    text = card.read_text("utf-8")
    assert text.count(other) == 1
    names = [one["dataset"]["name"] for one in parts(text)[0]["model-index"][0]["results"]]
    assert sorted(names) == sorted(["Other", "only", "two", "all 2 tasks, pooled"])


def test_marks_in_code_are_text(cli: Callable[..., Any], tmp_path: Path, result: Path) -> None:
    card = tmp_path / "README.md"
    old = (
        f"# x\n\n````md\n```\n{BEGIN}\n## Calibration\n{END}\n```\n````\n\n  ~~~ `a`\n{END}\n~~~\n\n"
        f"`{BEGIN}`\n\n``` `no` ```\n    ```\nwords\n"
    )
    card.write_text(old, encoding="utf-8")
    assert cli("card", result, "-o", card).code == 0
    body = parts(card.read_text("utf-8"))[1]
    assert body.startswith(f"\n{old}\n{BEGIN}\n")
    marks = [
        token.content
        for token in MarkdownIt("commonmark").parse(body)
        if token.type == "html_block" and token.level == 0
    ]
    assert [mark.split("\n")[0] for mark in marks] == [BEGIN, END]
    assert cli("card", result, "-o", card)[1].endswith("changed nothing\n")


def test_a_newer_result_takes_the_place_of_the_older(cli: Callable[..., Any], tmp_path: Path, result: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(FRONT + BODY, encoding="utf-8")
    assert cli("card", result, "-o", card).code == 0
    card.write_text(card.read_text("utf-8") + "\n## After it\n", encoding="utf-8")
    newer = comparison_result(names=("only", "two"), heat=1.5)
    result.write_text(result_text(newer), encoding="utf-8")
    assert cli("card", result, "-o", card).code == 0
    metadata, body = parts(card.read_text("utf-8"))
    names = [one["dataset"]["name"] for one in metadata["model-index"][0]["results"]]
    assert names == ["Other", "only", "two", "all 2 tasks, pooled"]
    head, rest = body.split(BEGIN)
    section, tail = rest.split(END)
    assert (head, tail) == (BODY.rstrip() + "\n\n", "\n\n## After it\n")
    assert "only" in section
    assert "arithmetic" not in section


def test_a_card_without_metadata_gets_it(cli: Callable[..., Any], tmp_path: Path, result: Path) -> None:
    card = tmp_path / "README.md"
    for text in ("# Plain\n", ""):
        card.write_text(text, encoding="utf-8")
        assert cli("card", result, "-o", card).code == 0
        metadata, body = parts(card.read_text("utf-8"))
        assert metadata.keys() == {"tags", "model-index"}
        assert body.lstrip().startswith(text + ("\n" if text else "") + BEGIN)


def test_without_a_file_it_is_printed(cli: Callable[..., Any], tmp_path: Path, result: Path) -> None:
    code, out, err = cli("card", result)
    assert (code, err) == (0, "")
    assert cli("card", result, "-o", "-") == (code, out, err)
    assert sorted(tmp_path.iterdir()) == [result]
    new = tmp_path / "new.md"
    assert cli("card", result, "-o", new)[:2] == (0, f"{new}: written\n")
    assert new.read_text("utf-8") == out


@pytest.mark.parametrize("key", ["accuracy", "ece", "gap", "brier", "nll"])
def test_the_figures_are_the_result_s(key: str) -> None:
    result = comparison_result()
    heads, rows = table(section_of(result).text, "all ")
    column = ["accuracy", "ECE", "gap", "Brier", "NLL"].index(
        heads[["accuracy", "ece", "gap", "brier", "nll"].index(key)]
    )
    pooled = result["overall"]["pooled"]
    wanted = [pooled["before"][key]["value"], pooled["after"][key]["value"]]
    shown = [float(rows[i][column].replace("−", "-")) for i in range(3)]
    assert shown == pytest.approx([*wanted, pooled["change"][key]["value"]], abs=5e-4)


def table(text: str, first: str) -> tuple[list[str], list[list[str]]]:
    """Columns and cells of the table whose first head begins so, by a reader of Markdown."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    rows: list[list[str]] = []
    tables: list[list[list[str]]] = []
    for token, content in pairwise(tokens):
        if token.type == "table_open":
            tables.append(rows := [])
        elif token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append(content.content)
    (found,) = (one for one in tables if one[0][0].startswith(first))
    return found[0][1:], [row[1:] for row in found[1:]]


@pytest.mark.parametrize("kind", ["one model", "a gate", "a repair"])
def test_every_result_has_a_section(kind: str) -> None:
    makes = {
        "one model": audit_result,
        "a gate": lambda: comparison_result(gated=True),
        "a repair": lambda: repair_dict(made("best of three")),
    }
    text = section_of(makes[kind]()).text
    assert ("**Gate: " in text) == (kind == "a gate")
    assert not re.search(r"\*\*Gate: ([\w ]+)\W+\1:", text, re.IGNORECASE)  # the outcome is said once
    assert ("It helped" in text or "Better calibrated" in text) == (kind == "a repair")
    check_markdown(text.replace(BEGIN, "").replace(END, ""))


def test_one_item_is_one() -> None:
    for result in (audit_result(names=("only",), n_items=1), comparison_result(names=("only",), n_items=1)):
        text = section_of(result).text
        assert "| 1 item |" in text
        assert not re.search(r"\b1 items", text)


def test_hostile_names_stay_names(cli: Callable[..., Any], tmp_path: Path) -> None:
    path, card = tmp_path / "hostile.json", tmp_path / "README.md"
    path.write_text(result_text(hostile_result()), encoding="utf-8")
    assert cli("card", path, "-o", card).code == 0
    text = card.read_text("utf-8")
    check_text(text, "the card")
    _, body = parts(text)
    check_markdown(body.replace(BEGIN, "").replace(END, ""))
    assert cli("card", path, "-o", card)[1].endswith("changed nothing\n")
    check_text(cli("card", path)[1], "stdout")


RESULTS = "  results:\n  - task: {type: a}\n    dataset: {type: b, name: c}\n    metrics: [{type: d, value: 1}]\n"
REFUSED = {
    "---\ntags: [a\n---\n# x\n": "not valid YAML",
    "---\n- a\n- b\n---\n": "no list of keys",
    "---\ntags: {a: b}\n---\n": "`tags` are no list",
    "---\ntags: a\n---\n": "`tags` are no list; write them as one",
    "---\nmodel-index: 3\n---\n": "`model-index` is no list",
    f"# x\n{BEGIN}\n": "1 marks `calibaudit: begin` and 0 `calibaudit: end`",
    f"# x\n{END}\n{BEGIN}\n": "mend or remove them",
    f"{BEGIN}\n{END}\n{BEGIN}\n{END}": "2 marks",
    "# x\n```\ncode\n": "a code block in it is opened and never closed",
    "---\nlicense: mit\n# x\n": "no line `---` ends the metadata",
    "--- # mine\nlicense: mit\n---\n# x\n": "no line `---` ends the metadata",
    "---\nlicense: mit\n...\n\n# x\n": "no line `---` ends the metadata",
    "---\nlicense: mit\n...\n\n# x\n\n---\nmore\n": "a line `...`",
    "--- \nlicense: mit\n---\n# x\n": "huggingface_hub would not find the numbers",
    "---\n{license: mit, tags: [a, b]}\n---\n": "flow style",
    "---\nx: &t [a, b]\ntags: *t\n---\n": "`tags` have anchors or aliases",
    "---\ntags:\n- &t a\nx: *t\n---\n": "`tags` have anchors or aliases",
    "---\nx: &t {tags: [a]}\n<<: *t\n---\n": "`tags` come from `<<`",
    "---\ntags: [a]\nlicense: mit\n'tags': [b]\n---\n": "has `tags` twice",
    "---\ntags:\n- &t [b, *t]\n---\n": "an alias refers to a value that contains it",
    "---\nmodel-index: [{name: x, results: []}]\n---\n": "`model-index` are not a list with a line",
    "---\nmodel-index:\n- {name: x, results: []}\n---\n": "`model-index` are not a list with a line",
    "---\nmodel-index:\n- name: x\n  results: []\n---\n": "`model-index` are not a list with a line",
    f"---\nmodel-index:\n- other: x\n{RESULTS}---\n": "an entry without `name`",
    "---\nmodel-index:\n- name: x\n---\n": "whose `results` are no list",
    f"---\nmodel-index:\n- name: x\n{RESULTS}- name: y\n{RESULTS}---\n": "takes all numbers for those of the last, y;",
    f"---\nmodel-index:\n- name: x\n{RESULTS.replace(', name: c', '')}---\n": "huggingface_hub cannot read its",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_understood_is_left_alone(
    cli: Callable[..., Any], tmp_path: Path, result: Path, text: str
) -> None:
    card = tmp_path / "README.md"
    card.write_text(text, encoding="utf-8")
    code, out, err = cli("card", result, "-o", card)
    assert (code, out) == (2, "")
    assert err.startswith(f"calibaudit: {card}")
    assert err.count("\n") == 1
    assert REFUSED[text] in err
    assert card.read_text("utf-8") == text
    assert sorted(tmp_path.iterdir()) == [card, result]


def test_more_that_is_refused(cli: Callable[..., Any], tmp_path: Path, result: Path) -> None:
    card = tmp_path / "README.md"
    card.write_bytes(b"# caf\xe9\n")
    assert "not UTF-8 (byte 5)" in cli("card", result, "-o", card).err
    assert "it is a folder" in cli("card", result, "-o", tmp_path).err
    nothing = tmp_path / "fix.json"
    nothing.write_text(result_text(repair_dict(made("not needed"))), encoding="utf-8")
    code, _, err = cli("card", nothing)
    assert code == 2
    assert "nothing was repaired" in err
    assert card.read_bytes() == b"# caf\xe9\n"
