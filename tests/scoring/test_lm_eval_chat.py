"""Five-shot prompts in chat templates and their log-likelihoods, against lm-evaluation-harness 0.4.13's own logs.

tests/saved/lm_eval_chat/make.py made them: its templates, tasks, and what the harness sent and got, at two batch sizes.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibaudit.chat.settings import ChatSettings
from calibaudit.models.model import Model, load_model
from calibaudit.scores.scores import Scores
from calibaudit.scoring.prompts import prompts_for
from calibaudit.scoring.score import score
from calibaudit.tasks.items import Task
from calibaudit.tasks.load import load_task
from tests.saved.lm_eval_chat import make

FOLDER = Path(__file__).parents[1] / "saved" / "lm_eval_chat"
TASKS = ("chat_letter", "chat_cloze", "chat_inputs")
AT_PROMPT: dict[str, Any] = {"answer_at": "generation-prompt"}
RUNS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    # the harness's run: the template, how calibaudit is asked for the same, and for what items
    "chatml": ("chatml", {}, {}),
    "chatml_singleturn": ("chatml", {"multiturn": False}, {}),
    "chatml_prefix": ("chatml", {}, {"answer_prefix": "The answer is"}),
    "chatml_singleturn_prefix": ("chatml", {"multiturn": False}, {"answer_prefix": "The answer is"}),
    "chatml_system": ("chatml", {}, {"system": "You are a careful reader."}),
    "chatml_nobos": ("chatml_nobos", AT_PROMPT, {}),
    "mistral_v3": ("mistral_v3", AT_PROMPT, {}),
    "mistral_v3_prefix": ("mistral_v3", AT_PROMPT, {"answer_prefix": "The answer is"}),
    "mistral_v3_singleturn": ("mistral_v3", {**AT_PROMPT, "multiturn": False}, {}),
    "qwen3": ("qwen3", AT_PROMPT, {}),
    "qwen3_prefix": ("qwen3", AT_PROMPT, {"answer_prefix": "The answer is"}),
    "qwen3_thoughtless": ("qwen3", {**AT_PROMPT, "kwargs": '{"enable_thinking": false}'}, {}),
    "llama32_dated": ("llama32_dated", {**AT_PROMPT, "date": "2026-11-28"}, {}),
    "plain": ("chatml", {"template": "off"}, {}),
    "plain_prefix": ("chatml", {"template": "off"}, {"answer_prefix": "The answer is"}),
    "plain_system": ("chatml", {"template": "off"}, {"system": "You are a careful reader."}),
}


@pytest.fixture(scope="module")
def checkpoints(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(template) -> the checkpoint that make.py made for the harness, loaded."""

    @cache
    def checkpoint(template: str) -> Model:
        folder = tmp_path_factory.mktemp("checkpoints") / template
        make.write_checkpoint(shared / "models" / "stories260k", template, folder)
        return load_model(str(folder), dtype="float32")

    return checkpoint


def logged(run: str, task: str) -> list[dict[str, Any]]:
    lines = (FOLDER / "logs" / f"{run}.{task}.jsonl").read_text(encoding="utf-8").splitlines()
    return sorted(map(json.loads, lines), key=lambda line: line["doc_id"])


@cache
def asked(task: str, **items: Any) -> Task:
    return load_task(str(FOLDER / "tasks" / f"{task}.yaml"), num_fewshot=5, **items)


@pytest.mark.parametrize("task_name", TASKS)
@pytest.mark.parametrize("run", RUNS)
def test_prompts_and_log_likelihoods_are_the_harnesss(run: str, task_name: str, checkpoints: Any) -> None:
    template, settings, items = RUNS[run]
    model, chat, task = checkpoints(template), ChatSettings(**settings), asked(task_name, **items)
    lines = logged(run, task_name)
    prompts = prompts_for(model.tokenizer, chat)
    for item, line in zip(task.items, lines, strict=True):
        pairs = prompts.prompt(item, "t").pairs
        wanted = line["prompts"] * (len(pairs) if len(line["prompts"]) == 1 else 1)
        assert [context for context, _ in pairs] == wanted
        assert [continuation for _, continuation in pairs] == line["continuations"]
    check_values(score(task, model, chat=chat), lines)


def check_values(scores: Scores, lines: list[dict[str, Any]]) -> None:
    for row, line in zip(scores.logprobs, lines, strict=True):
        harness = np.array(line["loglikelihoods"])
        noise = np.abs(harness - np.array(line["loglikelihoods_batch4"])).max()
        np.testing.assert_allclose(row[: len(harness)], harness, rtol=0, atol=max(1e-4, noise))


@pytest.mark.parametrize("template", ["mistral_v3", "qwen3"])
def test_the_answers_own_place_is_another_one(template: str, checkpoints: Any) -> None:
    model, task = checkpoints(template), asked("chat_letter")
    own = score(task, model)
    assert own.prompt is not None
    assert own.prompt.between == {"mistral_v3": " ", "qwen3": "<think>\n\n</think>\n\n"}[template]
    at_prompt = score(task, model, chat=ChatSettings(**AT_PROMPT))
    assert np.abs(own.logprobs - at_prompt.logprobs).max() > 0.01
