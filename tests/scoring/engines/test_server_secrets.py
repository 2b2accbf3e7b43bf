"""The key goes to the server and nowhere else; and what the commands do with served models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from completions_server import CompletionsServer

from calibaudit.errors import ModelError
from calibaudit.models.model import Model, load_model
from calibaudit.scoring.engines.address import Address, address_of
from calibaudit.scoring.engines.connection import Retries
from calibaudit.scoring.engines.server import open_server
from tests.command import Cli

Serve = Callable[..., CompletionsServer]
KEY = "sk-Very-Secret-0123456789"
FEW = ("-t", "words", "--limit", 4, "--no-progress")


def test_names_of_served_models() -> None:
    assert address_of("server:http://h:1/v1/#org/x#y") == Address("http://h:1/v1", "org/x#y")
    assert address_of("server:https://h/v1/completions") == Address("https://h/v1", "")
    assert address_of("server:http://[::1]:8/v1#a").is_local
    assert not address_of("server:http://example.org/v1#a").is_local
    for name in ("server:h:1/v1#x", "server:ftp://h/v1", "server:http:///v1", "server:http://h:x/v1"):
        with pytest.raises(ModelError, match="write server:http://HOST:PORT/v1#MODEL"):
            address_of(name)


@pytest.mark.parametrize("url", [f"http://me:{KEY}@h:1/v1", f"http://h:1/v1?api_key={KEY}"])
def test_a_url_that_holds_a_secret_is_refused_without_repeating_it(url: str, cli: Cli) -> None:
    ended = cli("score", f"server:{url}#x", *FEW, "--debug")
    assert ended.code == 2
    assert "the URL holds a" in ended.err
    assert KEY not in ended.err + ended.out


def files_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_key_is_in_no_file_page_or_log(
    serve: Serve, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALIBAUDIT_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
    server = serve(key=KEY)
    arguments = (server.name(), "--tokenizer", "demo:base", *FEW, "--debug", "--cache-dir", tmp_path / "kept")
    ended = cli(
        "score", *arguments, *(x for end in ("json", "html", "md", "csv") for x in ("-o", tmp_path / f"s.{end}"))
    )
    assert ended.code == 0, ended.err
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    printed = ended.out + ended.err
    monkeypatch.setenv("CALIBAUDIT_API_KEY", KEY + "-wrong")
    refused = cli("score", *arguments)
    assert refused.code == 2
    assert "HTTP 401: Incorrect API key provided: [key] (the key is not accepted" in refused.err
    monkeypatch.delenv("CALIBAUDIT_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    missing = cli("score", *arguments)
    assert "the key is missing: it is read from CALIBAUDIT_API_KEY or OPENAI_API_KEY" in missing.err
    monkeypatch.setenv("CALIBAUDIT_API_KEY", KEY + "\nX: y")
    odd = cli("score", *arguments)
    assert "CALIBAUDIT_API_KEY: holds spaces or characters that no key has" in odd.err
    written = files_below(tmp_path)
    assert len(written) > 1000
    for text in (printed, *(e.out + e.err for e in (refused, missing, odd)), written.decode("utf-8", "replace")):
        assert "Very-Secret" not in text
        assert "sk-another" not in text


def test_a_redirect_takes_the_key_nowhere(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    other = serve()
    server = serve(fault=lambda n: (307, {"Location": f"{other.url}/completions"}, b""))
    with pytest.raises(ModelError, match=r"no way was found .*HTTP 307"):
        open_server(server.name(), tokenizer="demo:base", retries=Retries(2, 0.01, 0.01))
    assert other.requests == []


def test_a_key_on_an_open_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    said: list[str] = []
    with pytest.raises(ModelError):
        open_server("server:http://host.invalid/v1#x", notice=said.append, retries=Retries(1, 0.01, 0.01))
    assert said == ["http://host.invalid/v1: no TLS: the key in the environment travels unencrypted"]


def test_compare_mixes_servers_and_checkpoints(serve: Serve, cli: Cli, tmp_path: Path) -> None:
    instruct: Model = load_model("demo:instruct", dtype="float32")
    base, tuned = serve(names=("base",)), serve(model=instruct, names=("tuned",))
    pairs = {
        "both": (base.name("base"), tuned.name("tuned"), "--tokenizer", "demo:base", "--tokenizer", "demo:instruct"),
        "one": ("demo:base", tuned.name("tuned"), "--tokenizer", "demo:instruct"),
        "none": ("demo:base", "demo:instruct"),
    }
    found: dict[str, Any] = {}
    for name, models in pairs.items():
        file = tmp_path / f"{name}.json"
        ended = cli("compare", *models, *FEW, "--dtype", "float32", "-o", file)
        assert ended.code == 0, ended.err
        found[name] = json.loads(file.read_text())
    engine = f"server {tuned.url} (prompts as token ids, prompt_logprobs)"
    for name in ("both", "one"):
        assert found[name]["after"]["engine"] == engine
        task, expected = found[name]["tasks"][0], found["none"]["tasks"][0]
        for side in ("before", "after"):
            for metric in ("accuracy", "confidence", "ece", "brier", "nll"):
                assert task[side][metric]["value"] == pytest.approx(expected[side][metric]["value"], abs=1e-4), metric
        assert task["chat_template"] == expected["chat_template"]
    assert "engine" not in found["one"]["before"]


def test_gate_bless_and_recommend_take_a_served_model(serve: Serve, cli: Cli, tmp_path: Path) -> None:
    server = serve()
    served = (server.name(), "--tokenizer", "demo:base")
    baseline = tmp_path / "baseline.json"
    assert cli("bless", *served, *FEW, "-o", baseline).code == 0
    assert "server http://127.0.0.1" in baseline.read_text()
    gated = cli("gate", baseline, *served, "-t", "words", "--no-progress")
    assert gated.code == 0, gated.err
    advised = cli("recommend", "demo:base", *served, *FEW)
    assert advised.code == 0, advised.err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ("fix", "NAME", "--base", "demo:base", "--data", "demo:sft", "--out", "made"),
            "has no weights here, and a repair tunes and compares",
        ),
        (("recommend", "demo:base", "NAME", "--pilot", "--data", "demo:sft"), "weights here, and --pilot tunes them"),
        (("score", "NAME", *FEW, "--revision", "main"), "--revision main chooses nothing on a server"),
        (("score", "NAME", *FEW, "--tokenizer", "a", "--tokenizer", "b"), "there are 1 models for 2 tokenizers"),
        (("score", "demo:base", *FEW, "--tokenizer", "a"), "only a served model .* takes one"),
        (("score", "NAME", *FEW, "--tokenizer", "demo:none"), "--tokenizer demo:none: "),
        (
            ("score", "NAME", *FEW, "--tokenizer", "demo:base", "--think", 8),
            "no chat template with a place",
        ),
    ],
)
def test_what_a_served_model_cannot_do(command: tuple[Any, ...], said: str, serve: Serve, cli: Cli) -> None:
    name = serve().name()
    ended = cli(*(name if part == "NAME" else part for part in command))
    assert ended.code == 2
    line = ended.err.splitlines()[-1]
    assert line.startswith("calibaudit: ")
    assert re.search(said, line), line
