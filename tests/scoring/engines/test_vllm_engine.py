"""vLLM as an engine, on a stand-in that has the shapes of vLLM 0.33 (`LLM`, `SamplingParams`, `RequestOutput`,
`Logprob`) over the demo's real network: the real one needs a GPU. What is held here is what is asked of it and how its
answers are read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from whole_rows import assert_equal, make_task, whole_rows

from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ModelError
from calibaudit.models.model import Model
from calibaudit.scoring.engines.vllm_engine import open_vllm
from calibaudit.scoring.score import score
from tests.command import Cli

PLAIN = ChatSettings("off")


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class SamplingParams:
    max_tokens: int = 16
    temperature: float = 1.0
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True


class StandIn:
    """The module; `calls` are the arguments of `LLM`, `asked` the prompts, `late` shifts prompt_logprobs by a token."""

    def __init__(self, model: Model, max_model_len: int = 512) -> None:
        self.model, self.max_model_len, self.late = model, max_model_len, False
        self.calls: list[dict[str, Any]] = []
        self.asked: list[list[int]] = []
        self.fails: str | None = None

    def llm(self, **arguments: Any) -> SimpleNamespace:
        self.calls.append(arguments)
        if self.fails is not None:
            raise RuntimeError(self.fails)
        config = SimpleNamespace(dtype=torch.float32, max_model_len=self.max_model_len)
        return SimpleNamespace(llm_engine=SimpleNamespace(model_config=config), generate=self.generate)

    def generate(self, prompts: list[dict[str, list[int]]], wanted: SamplingParams, *, use_tqdm: bool) -> list[Any]:
        assert wanted.max_tokens == 1
        assert wanted.temperature == 0.0
        return [self.output(prompt["prompt_token_ids"], wanted) for prompt in prompts]

    def output(self, ids: list[int], wanted: SamplingParams) -> SimpleNamespace:
        assert len(ids) < self.max_model_len, "vLLM refuses a prompt that leaves no room for a token"
        self.asked.append(ids)
        with torch.no_grad():
            logprobs = self.model.network(torch.tensor([ids])).logits[0].float().log_softmax(-1)
        before: list[Any] = [None]
        for place, id_ in enumerate(ids[1:], 1):
            row = logprobs[place if self.late else place - 1]
            before.append({id_: Logprob(float(row[id_]), int((row > row[id_]).sum()) + 1)})
        best = int(logprobs[-1].argmax())
        following = [{best: Logprob(float(logprobs[-1, best]), 1)}] if wanted.logprobs is not None else None
        return SimpleNamespace(
            prompt_logprobs=before if wanted.prompt_logprobs is not None else None,
            outputs=[SimpleNamespace(token_ids=[best], logprobs=following)],
        )


@pytest.fixture
def vllm(demo: Model, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandIn]:
    def install(**options: Any) -> StandIn:
        stand_in = StandIn(demo, **options)
        module = ModuleType("vllm")
        module.LLM, module.SamplingParams = stand_in.llm, SamplingParams  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "vllm", module)
        return stand_in

    return install


@pytest.mark.parametrize("scoring", ["letter", "cloze", "pmi"])
def test_it_gives_what_the_network_gives(scoring: str, vllm: Callable[..., StandIn], demo: Model) -> None:
    vllm()
    said: list[str] = []
    model = open_vllm("demo:base", notice=said.append)
    task = make_task(5, scoring, longest=12)
    scores = score(task, model, chat=PLAIN)
    assert_equal(scores, whole_rows(task, demo))
    if scoring == "pmi":
        expected = score(task, demo, chat=PLAIN).unconditional
        assert expected is not None
        assert scores.unconditional is not None
        np.testing.assert_allclose(scores.unconditional, expected, rtol=0, atol=1e-4)
    assert scores.model.engine.startswith("vLLM ")
    assert scores.model.revision == demo.info.revision
    assert said == [f"demo:base: run by {scores.model.engine} in float32 on cuda"]


def test_it_is_asked_within_its_window(vllm: Callable[..., StandIn]) -> None:
    stand_in = vllm(max_model_len=24)
    model = open_vllm("demo:base")
    scores = score(make_task(6), model, chat=PLAIN)
    assert scores.n_truncated > 0
    assert max(map(len, stand_in.asked)) == 23


def test_how_it_is_started(vllm: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = vllm()
    for visible, expected in ((0, 1), (1, 1), (2, 2), (3, 2), (8, 4)):  # the demo has 4 heads
        monkeypatch.setattr(torch.cuda, "device_count", lambda n=visible: n)
        open_vllm("demo:base", dtype="bfloat16")
        assert stand_in.calls[-1]["tensor_parallel_size"] == expected
        assert stand_in.calls[-1]["dtype"] == "bfloat16"
    stand_in.fails = "no GPU\nat all"
    with pytest.raises(ModelError, match=r"^demo:base: vLLM cannot run it \(no GPU\); try --engine transformers$"):
        open_vllm("demo:base")
    with pytest.raises(ModelError, match=r"--device cuda:1: --engine vllm takes every visible GPU"):
        open_vllm("demo:base", device="cuda:1")


def test_an_adapter_is_not_run_as_if_it_were_its_base(vllm: Callable[..., StandIn], tmp_path: Path) -> None:
    stand_in = vllm()
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4}')
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="is an adapter, which --engine vllm does not take"):
        open_vllm(f"demo:base+{tmp_path}")
    assert stand_in.calls == []


def test_log_probabilities_one_token_too_late_are_refused(vllm: Callable[..., StandIn]) -> None:
    vllm().late = True
    with pytest.raises(
        ModelError, match=r"as the next and -\d+\.\d+ as the last of the prompt, so its prompt_logprobs"
    ):
        open_vllm("demo:base")


def test_without_vllm_one_line_says_what_to_install(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    ended = cli("score", "demo:base", "-t", "words", "--limit", 4, "--engine", "vllm", "--no-progress")
    assert ended.code == 2
    assert "--engine vllm: vLLM cannot be imported" in ended.err
    assert "pip install 'calibaudit[vllm]'" in ended.err
