"""The hostile text as every argument and value of a configuration; in tasks, rows, models and servers' answers."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer.main
from made_scores import INFO, TUNED, made_scores
from task_files import write_task

from calibaudit.cli.app import app
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.scores.baseline import bless
from tests.command import Cli, Ended
from tests.visible.hostile import SEEN, hostile, mark
from tests.visible.sinks import check_errors, check_file, check_text

ARGUMENT = hostile(1).replace("\x00", "")[:300]  # no process can be given more: NUL ends an argument
COMMANDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("score",): ("tuned.json",),
    ("compare",): ("base.json", "tuned.json"),
    ("gate",): ("base.json", "tuned.json"),
    ("bless",): ("tuned.json",),
    ("recommend",): ("base.json", "tuned.json"),
    ("fix",): ("none", "--base", "none", "--out", "out", "--tasks", "task.yaml"),
    ("report",): ("result.json",),
    ("card",): ("result.json",),
    ("import",): ("table.csv",),
    ("tasks", "show"): ("words",),
    ("tasks", "check"): ("task.yaml",),
    ("tasks", "convert"): ("words", "--out", "out"),
    ("data", "show"): ("rows.jsonl", "--model", "demo:instruct"),
}
"""A call of each command that reads little and trains nothing."""


def options_of(command: tuple[str, ...]) -> list[str]:
    """The command's flags that take a value."""
    found: Any = typer.main.get_command(app)
    for name in command:
        found = found.commands[name]
    return [
        next(name for name in parameter.opts if name.startswith("--"))
        for parameter in found.params
        if parameter.param_type_name == "option" and not parameter.is_flag and parameter.name != "help"
    ]


def own_options(command: tuple[str, ...]) -> list[str]:
    """Those that no earlier command of the table has: what is shared is defined once."""
    earlier = list(COMMANDS)[: list(COMMANDS).index(command)]
    known = {option for other in earlier for option in options_of(other)}
    return [option for option in options_of(command) if option not in known]


def n_arguments(command: tuple[str, ...]) -> int:
    return next((i for i, part in enumerate(COMMANDS[command]) if part.startswith("--")), len(COMMANDS[command]))


def check(ended: Ended, codes: tuple[int, ...] = (0, 1, 2)) -> str:
    check_text(ended.out, "stdout")
    check_errors(ended.err, "stderr")
    assert ended.code in codes, ended
    return ended.out + ended.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, info, heat in (("base", INFO, 1.0), ("tuned", TUNED, 2.0)):
        (tmp_path / f"{name}.json").write_text(bless([made_scores(40, heat=heat, model=info)]))
    (tmp_path / "table.csv").write_text("id,A,B,answer\n" + "".join(f"{i},.4,.6,A\n" for i in range(12)))
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    write_task(tmp_path, "task", [{"q": "1?", "options": ["a", "b"], "gold": 0}])
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_argument(cli: Cli, folder: Path, command: tuple[str, ...]) -> None:
    usual = list(COMMANDS[command])
    calls = [[*usual[:i], ARGUMENT, *usual[i + 1 :]] for i in range(n_arguments(command))]
    calls += [[*usual, option, ARGUMENT] for option in own_options(command)]
    calls += [[*usual, f"--{ARGUMENT}"], [*usual, f"-{ARGUMENT}"], [*usual, ARGUMENT, ARGUMENT]]
    shown = [check(cli(*command, *call)) for call in calls]
    if command != ("tasks", "convert"):  # which says first that the harness is missing
        assert any(mark(1) in text and "⟨U+202E⟩" in text for text in shown)


def test_an_unknown_command(cli: Cli) -> None:
    assert mark(1) in check(cli(ARGUMENT), (2,))
    assert mark(1) in check(cli("tasks", ARGUMENT), (2,))


def test_every_value_of_a_configuration(cli: Cli, folder: Path) -> None:
    command, usual = "gate", COMMANDS["gate",]
    config = folder / "c.toml"
    values: dict[str, Any] = {option[2:]: hostile(2, surrogate=False) for option in options_of((command,))}
    values.pop("config")
    for name, value in [*values.items(), (hostile(3, surrogate=False), "x")]:
        config.write_text(f"[tool.calibaudit]\n{json.dumps(name)} = {json.dumps(value)}\n")
        found = check(cli(command, *usual, "--config", config))
    assert mark(3) in found
    config.write_text(f"x = {hostile(3, surrogate=False)}\n")
    check(cli(command, *usual, "--config", config), (2,))
    # help quotes the defaults that a file has set
    config.write_text(f"device = {json.dumps(values['device'])}\n")
    assert mark(2) in check(cli(command, "--config", config, "--help"), (0,))


def test_a_task_file(cli: Cli, tmp_path: Path) -> None:
    def text(n: int) -> str:
        return hostile(n, surrogate=False)

    documents = [
        {"q": text(10 + i), "options": [text(20 + i), text(30 + i)], "gold": i % 2, "id": text(40 + i)}
        | {"group": text(50 + i // 2), "level": text(60 + i // 3)}
        for i in range(6)
    ]
    keys = {"metadata": {"version": text(2)}, "doc_to_id": "id", "doc_to_group": "group"}
    path = write_task(tmp_path, "odd", documents, **keys)
    show = [("tasks", "show", path, "--item", i) for i in range(2)]
    for call in (*show, (*show[0], "--model", "demo:instruct"), ("tasks", "check", path)):
        check(cli(*call), (0,))
    assert mark(10) in cli(*show[0]).out
    assert "␛[31m" in cli(*show[0]).out
    files = [tmp_path / f"x.{ending}" for ending in ("json", "html", "csv")]
    flags = [part for file in files for part in ("-o", file)]
    check(cli("score", "demo:instruct", "-t", path, *flags), (0,))
    found = "".join(map(check_file, files))
    for n in (10, 20, 40):  # question, choice, id
        assert f"{mark(n)}{SEEN[:8]}" in found, n
    # what is wrong with it
    faults: list[dict[str, Any]] = [{name: text(5)} for name in ("task", "output_type", "doc_to_text", "doc_to_choice")]
    faults += [{name: text(5)} for name in ("doc_to_target", "dataset_path", "test_split", "fewshot_split", text(5))]
    faults += [{name: "{{ " + json.dumps(text(5)) + " | nothing }}"} for name in ("doc_to_text", "doc_to_target")]
    faults += [{name: "!function " + text(5)} for name in ("doc_to_text", "process_docs")]
    faults += [{"dataset_kwargs": {text(5): text(6)}}, {"metadata": {text(5): text(6)}}, {"include": text(5)}]
    for fault in faults:
        bad = write_task(tmp_path, "bad", documents, **fault)
        check(cli("tasks", "check", bad))
        check(cli("tasks", "show", bad))
    (tmp_path / "broken.yaml").write_text(f"task: {text(5)}\n  x: [{text(6)}\n")
    check(cli("tasks", "check", tmp_path / "broken.yaml"), (2,))


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "@", "completion": "@", "@": "@"},
        {"messages": [{"role": "user", "content": "@", "@": 1}, {"role": "assistant", "content": "@"}]},
        {"messages": [{"role": "@", "content": "@"}]},
        {"messages": "@"},
        {"text": "@"},
        {"@": "@"},
    ],
    ids=str,
)
def test_a_row_of_tuning_data(cli: Cli, tmp_path: Path, row: dict[str, Any]) -> None:
    path = tmp_path / f"{ARGUMENT.replace('/', '')[:60]}.jsonl"
    path.write_text(json.dumps(row).replace('"@"', json.dumps(hostile(7, surrogate=False))) + "\n")
    for flags in ((), ("--columns", f"{ARGUMENT}=prompt"), ("--split", ARGUMENT)):
        found = check(cli("data", "show", path, "--model", "demo:instruct", *flags))
        assert mark(7) in found or mark(1) in found


@pytest.fixture(scope="module")
def plain_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's tuned model in a folder of a hostile name."""
    folder = tmp_path_factory.mktemp("models") / ARGUMENT.replace("/", "")[:120]
    shutil.copytree(find_checkpoint("demo:instruct").path, folder)
    return folder


def changed(plain: Path, to: Path, name: str, **entries: Any) -> Path:
    """A copy with these entries in one of its JSON files."""
    folder = to / plain.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(plain, folder)
    path = folder / name
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **entries}))
    return folder


FEW = [{"q": f"{i}?", "options": ["a", "b"], "gold": i % 2} for i in range(2)]
CONFIGS: list[tuple[str, dict[str, Any]]] = [
    ("config.json", {"model_type": hostile(8)}),
    ("config.json", {"architectures": [hostile(8)]}),
    ("config.json", {"torch_dtype": hostile(8), "dtype": hostile(8)}),
    ("config.json", {"hidden_act": hostile(8)}),
    ("config.json", {"quantization_config": {"quant_method": hostile(8)}}),
    ("config.json", {"auto_map": {"AutoModelForCausalLM": hostile(8)}}),
    ("config.json", {hostile(8): hostile(9)}),
    ("tokenizer_config.json", {"chat_template": "{{ raise_exception(" + json.dumps(hostile(8)) + ") }}"}),
    ("tokenizer_config.json", {"chat_template": "{% " + hostile(8)}),
    ("tokenizer_config.json", {"chat_template": [{"name": hostile(8), "template": "x"}]}),
    ("tokenizer_config.json", {"tokenizer_class": hostile(8)}),
    ("tokenizer_config.json", {"bos_token": hostile(8, surrogate=False)}),
    ("model.safetensors.index.json", {"weight_map": {hostile(8): hostile(9)}}),
    ("adapter_config.json", {"peft_type": hostile(8), "base_model_name_or_path": hostile(9)}),
    ("generation_config.json", {"eos_token_id": hostile(8)}),
]


@pytest.mark.parametrize(("name", "entries"), CONFIGS, ids=map(str, range(len(CONFIGS))))
def test_a_models_files(cli: Cli, plain_model: Path, tmp_path: Path, name: str, entries: dict[str, Any]) -> None:
    folder = changed(plain_model, tmp_path, name, **entries)
    write_task(tmp_path, "few", FEW)
    if name == "tokenizer_config.json":
        check(cli("tasks", "show", tmp_path / "few.yaml", "--model", folder))
        return
    check(cli("score", folder, "-t", tmp_path / "few.yaml", "-o", tmp_path / "x.json"))
    if (tmp_path / "x.json").exists():
        check_file(tmp_path / "x.json")


@pytest.mark.parametrize("how", ["extra", "renamed"])
def test_a_tensors_name(cli: Cli, plain_model: Path, tmp_path: Path, how: str) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = changed(plain_model, tmp_path, "config.json")
    path = folder / "model.safetensors"
    tensors = load_file(path)
    if how == "renamed":
        tensors.pop(next(iter(tensors)))
    save_file({**tensors, hostile(8, surrogate=False): torch.zeros(2, 2)}, path, {"format": "pt"})
    assert mark(1) in check(cli("score", folder, "-t", "words", "--limit", 12), (0 if how == "extra" else 2,))


class _Hostile(BaseHTTPRequestHandler):
    """Answers everything with the text, as each of a server's fields."""

    fails = False

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self._answer(200, {"object": hostile(8), "data": [{"id": hostile(8), "root": hostile(9), "max_model_len": 64}]})

    def do_POST(self) -> None:
        choice = {"text": hostile(8), "finish_reason": hostile(9), "logprobs": {"tokens": [hostile(8)]}}
        if self.fails:
            self._answer(400, {"error": {"message": hostile(8), "type": hostile(9)}})
        else:
            self._answer(200, {"model": hostile(8), "choices": [choice], "usage": hostile(8)})

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[str]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    yield f"server:http://127.0.0.1:{http.server_address[1]}/v1"
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize("fails", [False, True])
def test_a_servers_answers(cli: Cli, server: str, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    monkeypatch.setattr(_Hostile, "fails", fails)
    for name in (server, f"{server}#{ARGUMENT}"):
        found = check(cli("score", name, "-t", "words", "--limit", 12, "--tokenizer", "demo:instruct"), (2,))
        assert mark(8) in found or not fails
