"""The installed command: what it prints where, its exit codes, and the one line that each fault ends in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import task_files
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel

from calibaudit.models.formats.opened import TOKENIZER_FILES
from calibaudit.models.formats.shards import WEIGHTS
from tests.command import Cli, Ended, forked
from tests.families import VOCAB, save_tiny

COMMAND = [sys.executable, "-m", "calibaudit"]
ANSI = re.compile(r"\x1b\[")
DOCUMENTS = [
    {"q": "the cat sat on", "options": ["the mat", "the red house", "a dog"][: 2 + i % 2], "gold": i % 2}
    for i in range(8)
]
for number, row in enumerate(DOCUMENTS):
    row["q"] = f"{row['q']} {'the red mat ' * (number + 1)}".rstrip()


def write_task(folder: Path, name: str = "tiny", documents: Any = DOCUMENTS, **keys: object) -> Path:
    return task_files.write_task(folder, name, documents, **keys)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base") / "tiny-llama", seed=0)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tuned") / "tiny-llama-tuned", seed=1)


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "model"))


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return write_task(tmp_path)


@pytest.fixture
def unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for a model ends the test: the fault must be told before."""

    def fail(*_: object, **__: object) -> None:
        pytest.fail("a model was looked for")

    monkeypatch.setattr("calibaudit.scoring.evaluate.evaluate", fail)


def installed(*arguments: object, cwd: Path, **environment: str) -> Ended:
    """The command in a process of its own, both streams piped."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        env=os.environ | {"COLUMNS": "80", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"} | environment,
        timeout=120,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def check_refused(ended: Ended, *said: str) -> None:
    """Exit code 2, and on stderr one line that holds everything `said`."""
    assert ended.code == 2, ended
    assert ended.out == ""
    assert ended.err.endswith("\n")
    (line,) = ended.err.splitlines()
    assert line.startswith("calibaudit: ")
    assert len(line) > 20
    assert "Traceback" not in line
    assert "bug in calibaudit" not in line
    for part in said:
        assert part in line


def without_date(text: str | Path) -> dict[str, Any]:
    result = json.loads(text.read_text(encoding="utf-8") if isinstance(text, Path) else text)
    assert result.pop("created").endswith("Z")
    return dict(result)


# --- the call itself


def test_help_and_version_in_processes_of_their_own(tmp_path: Path) -> None:
    shown = installed("compare", "--help", cwd=tmp_path)
    assert (shown.code, shown.err) == (0, "")
    for flag in ("--tasks", "--limit", "--scoring", "--chat-template", "--offline", "--output", "--json", "--config"):
        assert flag in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    version = installed("--version", cwd=tmp_path)
    assert version.code == 0
    assert re.fullmatch(r"calibaudit \d+\.\d+\.\d+\S*\n", version.out)


def test_help_of_every_command_and_of_none(cli: Cli) -> None:
    for words in ([], ["--help"], ["score", "-h"], ["tasks", "-h"], ["tasks", "show", "-h"], ["tasks", "check", "-h"]):
        ended = cli(*words)
        assert ended.code == 0
        assert ended.err == ""
        assert ended.out.startswith("Usage: calibaudit")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score"], ["MODEL"]),
        (["tasks", "show"], ["Missing argument 'NAME'"]),
        (["compar"], ["'compar'", "'compare'"]),
        (["tasks", "chek", "f"], ["'chek'", "'check'"]),
        (["compare", "a", "b", "--limits", "3"], ["--limits", "--limit"]),
        (["compare", "a", "b", "c"], ["c"]),
        (["compare", "a", "b", "-t", "tiny.yaml", "--limit", "0"], ["--limit"]),
        (["compare", "a", "b", "-t", "tiny.yaml", "--limit", "x"], ["--limit"]),
        (["compare", "a", "b", "-t", "tiny.yaml", "--scoring", "clozee"], ["--scoring", "clozee"]),
        (["compare", "a", "b", "-t", "tiny.yaml", "--chat-template", "on.jinja"], ["on.jinja: there is no such file"]),
        (
            ["score", "a", "-t", "tiny.yaml", "--chat-template-kwargs", '{"tools": []}'],
            ["'tools'", "reserved by transformers"],
        ),
        (
            ["score", "a", "-t", "tiny.yaml", "--think", "8", "--chat-template", "off"],
            ["--think 8", "needs a chat template"],
        ),
        (["data", "show", "rows.jsonl", "--model", "a", "--chat-template", "off"], ["--chat-template off", "rows"]),
        (["compare", "a", "b", "-t", "tiny.yaml", "--batch-size", "0"], ["--batch-size 0", "auto"]),
        (["compare", "a", "b", "-t", "tiny.yaml", "--batch-size", "many"], ["--batch-size many", "auto"]),
        (["compare", "a", "b", "-t", "tiny.yaml", "--batch-size", "²"], ["--batch-size ²"]),
        (["compare", "a", "b", "-t", "tiny.yaml", "--resamples", "1"], ["No such option: --resamples"]),
        (["compare", "a"], ["a alone", "INSTRUCT"]),
        (["score", "a", "-t", ","], ["-t", "no task named", "calibaudit tasks"]),
        (["score", "a", "-t", "arc_esy"], ["'arc_esy'", "arc_easy"]),
        (["score", "a", "-t", "tini.yaml"], ["tini.yaml"]),
        (["score", "a", "-t", "tiny.yaml", "-o", "none/x.json"], ["none/x.json", "does not exist"]),
        (["score", "a", "-t", "tiny.yaml", "-o", "x.pdf"], ["x.pdf", ".json", ".html"]),
        (["score", "a", "-t", "tiny.yaml", "-o", "x"], ["x: cannot write", ".json"]),
        (["score", "a", "-t", "tiny.yaml", "-o", "ok.json", "-o", "none/x.json"], ["none/x.json"]),
        (["score", "a", "-t", "tiny.yaml", "-o", "folder.json"], ["folder.json", "is a folder"]),
        (["score", "a", "-t", "tiny.yaml", "--config", "c.toml"], ["c.toml", "'limt'", "'limit'"]),
        (["score", "a", "-t", "tiny.yaml", "--config", "none.toml"], ["none.toml", "No such file"]),
    ],
)
def test_an_unusable_call_is_refused_before_any_model(
    arguments: list[str], said: list[str], cli: Cli, task: Path, unscored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(task.parent)
    Path("c.toml").write_text("limt = 3\n")
    Path("folder.json").mkdir()
    files = sorted(task.parent.iterdir())
    check_refused(cli(*arguments), *said)
    assert sorted(task.parent.iterdir()) == files


def test_defaults_come_from_the_config_file(cli: Cli, base: Path, task: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("limit = 3\njson = true\n[score]\nbins = 4\n")
    ended = cli("score", base, "-t", task, "--config", tmp_path / "c.toml")
    assert len(without_date(ended.out)["scores"][0]["item_ids"]) == 3
    ended = cli("score", base, "-t", task, "--config", tmp_path / "c.toml", "--limit", 2)
    assert len(without_date(ended.out)["scores"][0]["item_ids"]) == 2


# --- models


def t5(folder: Path) -> None:
    settings = {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2, "vocab_size": VOCAB}
    AutoModel.from_config(AutoConfig.for_model("t5", **settings)).save_pretrained(folder)


def bert(folder: Path) -> None:
    settings = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    AutoModel.from_config(AutoConfig.for_model("bert", vocab_size=VOCAB, **settings)).save_pretrained(folder)


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def truncated(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])


def not_a_number(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["model.layers.0.mlp.up_proj.weight"][0, 0] = float("nan")
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def without_tokenizer(folder: Path) -> None:
    for name in (*TOKENIZER_FILES, "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("breaking", "said"),
    [
        (t5, ["not a decoder-only causal LM", "t5"]),
        (bert, ["not a causal LM", "bert"]),
        (pickled, ["only pickle weights (pytorch_model.bin)", "save_pretrained"]),
        (truncated, [WEIGHTS, "truncated or corrupt", "download it again"]),
        (not_a_number, ["NaN", "up_proj.weight", "not finite", "download it again"]),
        (without_tokenizer, ["no tokenizer", "copy the files"]),
        (lambda folder: (folder / "config.json").unlink(), ["no config.json"]),
    ],
)
def test_an_unusable_checkpoint(
    breaking: Callable[[Path], None], said: list[str], cli: Cli, copy: Path, tuned: Path, task: Path, tmp_path: Path
) -> None:
    breaking(copy)
    output = tmp_path / "out.json"
    check_refused(cli("compare", tuned, copy, "-t", task, "-o", output, "--limit", 2), str(copy), *said)
    assert not output.exists()
    assert not list(tmp_path.glob(".*"))


def test_a_missing_folder_and_its_neighbour(cli: Cli, copy: Path, task: Path, tmp_path: Path) -> None:
    check_refused(cli("score", tmp_path / "modl", "-t", task), f"{tmp_path}/modl", "no such folder", f"{copy}?")
    check_refused(cli("score", task, "-t", task), "is a file, not a checkpoint folder")
    check_refused(cli("score", copy, "-t", task, "--revision", "v1"), "--revision v1")
    check_refused(cli("score", copy, "-t", task, "--device", "tpu"), "tpu")
    check_refused(cli("score", copy, "-t", task, "--dtype", "float8"), "--dtype float8", "bfloat16")


def test_a_hub_id_offline(cli: Cli, task: Path) -> None:
    said = ["org/no-such-model", "not in the cache", "without --offline"]
    check_refused(cli("score", "org/no-such-model", "-t", task, "--offline"), *said)


# --- tasks


@pytest.mark.parametrize(
    ("change", "keys", "said"),
    [
        ({}, {"doc_to_txt": "q"}, ["'doc_to_txt'", "'doc_to_text'"]),
        ({}, {"use_prompt": "promptsource:*"}, ["'use_prompt'", "not supported"]),
        ({}, {"dataset_path": "none.jsonl"}, ["none.jsonl"]),
        ({}, {"doc_to_text": "{{ question }}"}, ["question"]),
        ({}, {"doc_to_text": "{{ q "}, ["doc_to_text", "Jinja"]),
        ({"gold": 2}, {}, ["tiny.jsonl:3", "2"]),
        ({"options": ["the mat", ""]}, {}, ["tiny.jsonl:3", "empty"]),
        ({"options": ["the mat"]}, {}, ["tiny.jsonl:3"]),
    ],
)
def test_a_faulty_task_file_is_told_by_check_and_by_a_run(
    change: dict[str, Any], keys: dict[str, Any], said: list[str], cli: Cli, tmp_path: Path, unscored: None
) -> None:
    documents = [dict(row) for row in DOCUMENTS]
    documents[2] |= change
    faulty = write_task(tmp_path, documents=documents, **keys)
    checked = cli("tasks", "check", faulty)
    check_refused(checked, *said)
    ran = cli("score", "model", "-t", faulty)
    check_refused(ran, *said)


def test_duplicate_documents(cli: Cli, tmp_path: Path, unscored: None) -> None:
    documents = [row | {"id": f"n{i % 7}"} for i, row in enumerate(DOCUMENTS)]
    faulty = write_task(tmp_path, documents=documents)
    said = ["tiny.jsonl:8", "'n0'"]
    check_refused(cli("tasks", "check", faulty), *said)
    check_refused(cli("score", "model", "-t", faulty), *said)


def test_check_prints_every_fault_on_a_line(cli: Cli, tmp_path: Path) -> None:
    ended = cli("tasks", "check", write_task(tmp_path, doc_to_txt="q", num_fewshot=-1))
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 2
    assert all(line.startswith("calibaudit: ") for line in ended.err.splitlines())
    sound = cli("tasks", "check", write_task(tmp_path))
    assert (sound.code, sound.out, sound.err) == (0, f"{tmp_path / 'tiny.yaml'}: no fault found\n", "")


def test_the_task_list(cli: Cli) -> None:
    ended = cli("tasks")
    assert (ended.code, ended.err) == (0, "")
    first = [line.split()[0] for line in ended.out.splitlines() if line.strip()]
    names = ["mmlu", "arc_easy", "arc_challenge", "hellaswag", "openbookqa", "commonsense_qa", "truthfulqa_mc1"]
    assert {*names, "winogrande", "piqa", "boolq", "social_iqa", "medqa"} <= set(first)
    assert max(map(len, ended.out.splitlines())) <= 80
    assert not ANSI.search(ended.out)


def test_show_prints_what_the_file_says_with_its_spaces(cli: Cli, task: Path) -> None:
    ended = cli("tasks", "show", task, "--item", 3)
    assert (ended.code, ended.err) == (0, "")
    row = json.loads((task.parent / "tiny.jsonl").read_text().splitlines()[3])
    lines = ended.out.splitlines()
    assert row["q"].replace(" ", "·") in lines
    shown = [line for line in lines if line.endswith("|")]
    expected = [
        f"{'>' if k == row['gold'] else ' '} {k} |·{o.replace(' ', '·')}|" for k, o in enumerate(row["options"])
    ]
    assert shown == expected
    check_refused(cli("tasks", "show", task, "--item", 8), "item 8", "8 items")
    check_refused(cli("tasks", "show", task, "--item", -1), "--item")


# --- results


@pytest.fixture(scope="module")
def compared(base: Path, tuned: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """The folder with task and out.json, and one `compare --json -o` in a process of its own."""
    folder = tmp_path_factory.mktemp("compared")
    arguments = ["compare", base, tuned, "-t", write_task(folder), "--json", "-o", "out.json"]
    return folder, forked(*arguments, cwd=folder, COLUMNS="80", CALIBAUDIT_CACHE=str(folder / "cache"))


def test_json_is_one_document_that_the_schema_takes(compared: tuple[Path, Ended], root: Path) -> None:
    folder, ended = compared
    assert (ended.code, ended.err) == (0, "")
    schema = json.loads((root / "docs" / "result.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(ended.out), schema)
    assert without_date(ended.out) == without_date(folder / "out.json")


def test_a_second_run_takes_the_cache_and_gives_the_same(
    compared: tuple[Path, Ended], base: Path, tuned: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ended = compared
    monkeypatch.chdir(folder)
    call = ["compare", base, tuned, "-t", "tiny.yaml", "--json"]

    def kept() -> dict[Path, bytes]:  # digests of files as young as these may be taken by the second run alone
        return {p: p.read_bytes() for p in (folder / "cache").rglob("*") if p.is_file() and p.name != "revisions.jsonl"}

    files = kept()
    assert files
    again = cli(*call, "--cache-dir", folder / "cache")
    assert without_date(again.out) == without_date(ended.out)
    assert kept() == files
    uncached = cli(*call, "--no-cache")
    assert uncached.code == 0
    assert without_date(uncached.out)["tasks"][0]["n_items"] == 8


def test_saved_scores_compare_like_the_models(
    compared: tuple[Path, Ended], base: Path, tuned: Path, cli: Cli, tmp_path: Path, unscored_later: Callable[[], None]
) -> None:
    folder, ended = compared
    for model, name in ((base, "a.json"), (tuned, "b.json")):
        saved = cli("score", model, "-t", folder / "tiny.yaml", "-o", tmp_path / name, "--cache-dir", folder / "cache")
        assert saved.code == 0
    unscored_later()
    files = cli("compare", tmp_path / "a.json", tmp_path / "b.json", "--json")
    assert (files.code, files.err) == (0, "")
    scored, alone = without_date(ended.out), without_date(files.out)
    asked = [error.pop("question") for error in scored["errors"]]
    assert all(asked)  # the text of the questions is the one thing that saved scores do not hold
    for error in (*scored["errors"], *alone["errors"]):
        error.pop("question", None)
        error["options"] = [{**option, "text": None} for option in error["options"]]
    for advice in (scored["recommendation"], alone["recommendation"]):  # nor do they hold the weights of the head
        assert (advice.pop("head") is None) is (advice is alone["recommendation"])
        advice["warnings"] = [warning for warning in advice["warnings"] if "hidden size" not in warning]
    assert alone == scored
    for name in ("tiny", folder / "tiny.yaml"):
        named = cli("compare", tmp_path / "a.json", tmp_path / "b.json", "--json", "-t", name)
        assert without_date(named.out) == without_date(files.out)
    for name in ("arc_easy", write_task(tmp_path, "other"), "tini", "mmlu"):
        refused = cli("compare", tmp_path / "a.json", tmp_path / "b.json", "-t", name)
        check_refused(refused, "a.json", "no scores of task", "tiny")


def test_a_saved_file_says_what_the_other_model_is_scored_on(
    compared: tuple[Path, Ended], base: Path, tuned: Path, cli: Cli, tmp_path: Path
) -> None:
    folder, _ = compared
    saved = tmp_path / "a.json"
    assert cli("score", base, "-t", folder / "tiny.yaml", "-o", saved, "--no-cache").code == 0
    other = cli("compare", saved, tuned, "--no-cache")
    check_refused(other, "'tiny'")  # a file of the user's own cannot be found again by its name


@pytest.fixture
def unscored_later(request: pytest.FixtureRequest) -> Callable[[], None]:
    return lambda: request.getfixturevalue("unscored")


def test_files_that_are_no_results(cli: Cli, base: Path, task: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    for text in ("", "{", "[]", "{}", '{"schema_version": 99}', "\x00"):
        bad.write_text(text)
        check_refused(cli("compare", bad, bad), str(bad))
        check_refused(cli("score", bad), str(bad))


@pytest.mark.parametrize("width", [80, 160])
def test_the_page_fits_and_has_no_colour_when_piped(
    width: int, compared: tuple[Path, Ended], base: Path, tuned: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = compared
    monkeypatch.setenv("COLUMNS", str(width))
    page = cli("compare", base, tuned, "-t", folder / "tiny.yaml", "--cache-dir", folder / "cache")
    assert page.code == 0
    assert "tiny" in page.out
    assert "ECE" in page.out
    assert max(map(len, page.out.splitlines())) <= width
    assert not ANSI.search(page.out + page.err)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["page", "json"])
def test_a_reader_that_leaves_early(
    form: list[str], compared: tuple[Path, Ended], base: Path, cli: Cli, tmp_path: Path
) -> None:
    """`| head`, made certain: the pipe is closed before anything is written. The saved file is whole all the same."""
    folder, _ = compared
    cli("score", base, "-t", folder / "tiny.yaml", "-o", tmp_path / "a.json", "--cache-dir", folder / "cache")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "compare", "a.json", "a.json", "-o", "out.json", *form],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "" if form else "calibaudit: saved out.json\n")
    assert without_date(tmp_path / "out.json")["tasks"][0]["n_items"] == 8


# --- interruption and faults of our own


def test_debug_shows_the_traceback_before_the_line(cli: Cli, tmp_path: Path) -> None:
    ended = cli("score", tmp_path / "none", "-t", write_task(tmp_path), "--debug")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Traceback (most recent call last):\n")
    assert ended.err.splitlines()[-1].startswith(f"calibaudit: {tmp_path / 'none'}: ")
    assert cli("score", "--help", "--debug").err == ""


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "; finished items are kept; the same command resumes from there"),
        (("--no-cache",), "; nothing is kept under --no-cache; the same command starts over"),
    ],
)
def test_an_interrupt_ends_in_130(
    flags: tuple[str, ...], said: str, cli: Cli, task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("calibaudit.scoring.evaluate.evaluate", interrupt)
    ended = cli("score", "model", "-t", task, *flags)
    assert (ended.code, ended.out) == (130, "")
    assert ended.err == f"calibaudit: interrupted{said}\n"


@pytest.mark.parametrize("where", ["_refuse_kernels_of_the_hub", "steady_streams", "exit_code_of"])
def test_an_interrupt_before_and_after_the_command_is_quiet(
    where: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"calibaudit.cli.app.{where}", pressed)
    assert cli("env") == (130, "", "")


def test_an_interrupt_where_nothing_is_scored_promises_nothing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("calibaudit.report.result_json.read_result", interrupt)
    ended = cli("report", "result.json")
    assert (ended.code, ended.out, ended.err) == (130, "", "calibaudit: interrupted\n")


def test_a_fault_of_our_own_is_one_line_too(cli: Cli, task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("first\nsecond")

    monkeypatch.setattr("calibaudit.scoring.evaluate.evaluate", fail)
    ended = cli("score", "model", "-t", task)
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert "ZeroDivisionError: first second" in line
    assert "report it" in line
