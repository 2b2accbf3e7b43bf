"""`calibaudit data show`: the text is the tokenizer's own, and the marks stand where the labels are."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.tokenizer import load_tokenizer
from calibaudit.report.terminal.inputs.data import pieces, render_row
from calibaudit.training.data.encode import encode_rows
from calibaudit.training.data.rows import OneRow, read_row
from tests.command import Cli

CHAT: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "One\ttwo?"},
        {"role": "assistant", "content": "three\nfour", "weight": 0.5},
    ],
    "label": 1,
}
FOR = ("--model", "demo:instruct")


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(find_checkpoint("demo:instruct"))


def test_a_row_as_it_is_learned(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", {"text": "other"}, CHAT)
    ended = cli("data", "show", path, *FOR, "--row", "1")
    assert (ended.code, ended.err) == (0, "")
    head, unread, legend, *text = ended.out.splitlines()
    assert re.fullmatch(
        re.escape(f"{path}:2: messages, through the chat template: ") + r"\d+ tokens, \d+ learned", head
    )
    assert unread == "not read: label, messages[].weight"
    assert legend == "what is learned is in ⟦⟧"
    assert "\n".join(text) == "<s>User:·One→   two?⏎\nAssistant:⟦·three⏎\nfour</s>⟧"


def test_columns_and_a_base_model(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", {"ask": "a?", "reply": "b"})
    shown = cli("data", "show", path, "--model", "demo:base", "--columns", "ask=prompt,reply=completion")
    head, _, text = shown.out.splitlines()
    assert head.startswith(f"{path}:1: prompt + completion, as plain text: ")
    assert text == "<s>a?⟦b</s>⟧"


def test_a_row_that_is_cut(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", {"text": "one two three four five six seven eight nine ten"})
    ended = cli("data", "show", path, *FOR, "--max-length", "8")
    assert ended.out.startswith(f"{path}:1: text, as plain text: 8 tokens, 7 learned, cut to fit\n")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["f.jsonl", *FOR, "--row", "3"], "f.jsonl: row 3 does not exist; it has 3 rows, counted from 0"),
        (["f.jsonl", *FOR, "--row", "1"], "f.jsonl:2: messages: turn 1: is empty"),
        (["f.jsonl", *FOR, "--row", "2"],
         "f.jsonl:3: turn 1 (user) holds '</s>', a special token of this tokenizer: give the turns themselves, "
         "without a template's marks"),
        (["f.jsonl", *FOR, "--columns", "x=text"],
         "f.jsonl:1: --columns x=text: there is no column 'x'; there is: messages, label"),
        (["f.jsonl", *FOR, "--columns", "x"],
         "--columns x: give COLUMN=KEY, such as question=prompt,response=completion"),
        (["f.jsonl", "--model", "nowhere/at/all"],
         "nowhere/at/all: no such folder, and not a hub id like org/name (nowhere/at does not exist either)"),
        (["g.jsonl", *FOR], "g.jsonl: there is no such file or folder, and it is not a hub id like org/name"),
        (["f.jsonl"], "Missing option '--model'; see --help"),
    ],
)  # fmt: skip
def test_faults_are_one_line(
    call: list[str], message: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    empty = {"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "a"}]}
    marked = {"prompt": "a</s>", "completion": "b"}
    write(tmp_path / "f.jsonl", CHAT, empty, marked)
    ended = cli("data", "show", *call)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("calibaudit: ")
    assert ended.err.endswith(f"{message}\n")
    assert ended.err.count("\n") == 1


def test_no_network_is_loaded(tmp_path: Path, tokenizer: Any) -> None:
    """A folder without weights will do."""
    find = find_checkpoint("demo:instruct").path
    for file in find.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "calibaudit", "data", "show", "demo:sft", "--model", str(tmp_path), "--offline"]
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("demo:sft:1: messages, through the chat template: ")


def rendered(found: OneRow, tokenizer: Any, **settings: Any) -> str:
    out = io.StringIO()
    console = Console(file=out, width=80, legacy_windows=False, **settings)
    render_row(found, encode_rows([found.row], tokenizer, 512), tokenizer, console)
    return out.getvalue()


def test_on_a_terminal_colour_marks(tmp_path: Path, tokenizer: Any) -> None:
    found = read_row(str(write(tmp_path / "f.jsonl", {"prompt": "a", "completion": "⟦b⟧ [bold]c"})), 0)
    coloured = rendered(found, tokenizer, force_terminal=True, color_system="standard", no_color=False)
    assert "\x1b[1;32m·⟦b⟧·[bold]c</s>\x1b[0m" in coloured
    for without in ({"force_terminal": False}, {"force_terminal": True, "no_color": True, "color_system": "standard"}):
        assert "Assistant:⟦·[b]·[bold]c</s>⟧" in rendered(found, tokenizer, **without)


def test_what_would_act_on_the_terminal_does_not(tmp_path: Path, tokenizer: Any) -> None:
    path = write(tmp_path / "f.jsonl", {"text": "a\x1b[31m\u202eb\rc\u00a0d"})
    shown = rendered(read_row(str(path), 0), tokenizer, force_terminal=False)
    assert "⟦a␛[31m⟨U+202E⟩b␍c⍽d</s>⟧" in shown
    assert not {"\x1b", "\r", "\u202e"} & set(shown)


class TestPieces:
    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
    @settings(max_examples=200, deadline=None)
    def test_together_are_the_text(self, text: str) -> None:
        made = load_tokenizer(find_checkpoint("demo:instruct"))
        ids = made(text, add_special_tokens=False)["input_ids"]
        found = list(pieces(made, ids))
        assert "".join(said for _, said in found) == made.decode(ids, clean_up_tokenization_spaces=False)
        assert sum(n for n, _ in found) == len(ids)

    def test_bytes_of_a_character_stay_together(self, tokenizer: Any) -> None:
        ids = tokenizer("🙂é", add_special_tokens=False)["input_ids"]
        assert [said for _, said in pieces(tokenizer, ids)] == ["🙂", "é"]
        assert len(ids) > 2

    def test_a_cut_character_is_shown_as_such(self, tokenizer: Any) -> None:
        ids = tokenizer("a🙂", add_special_tokens=False)["input_ids"][:-1]
        assert [said for _, said in pieces(tokenizer, ids)][-1] == "\ufffd"
