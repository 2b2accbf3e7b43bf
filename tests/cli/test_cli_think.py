"""`--think` as a user calls it, on a tiny model that was trained to think (tests/saved/thinker)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibaudit.models.model import Model, load_model
from calibaudit.report.saved import audit_of
from calibaudit.report.words.thinking import thinking_sentences
from calibaudit.scores.scores import Scores
from calibaudit.scores.thinking import Thinking
from calibaudit.scoring.score import score
from calibaudit.tasks.items import Item, Task
from calibaudit.tasks.load import load_task
from tests.command import Cli

FOLDER = Path(__file__).parents[1] / "saved" / "thinker"
CALL = (str(FOLDER), "-t", str(FOLDER / "letter_steps.yaml"), "--no-progress")


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(str(FOLDER), dtype="float32")


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task(str(FOLDER / "letter_steps.yaml"), limit=24)


def accuracy(logprobs: Any, scores: Scores) -> float:
    return float((logprobs.argmax(axis=1) == scores.answer).mean())


def test_a_thought_changes_the_answers(model: Model, task: Task) -> None:
    direct, thoughtful = score(task, model), score(task, model, thinking=Thinking(32), save_thoughts=True)
    assert thoughtful.thinking is not None
    np.testing.assert_allclose(thoughtful.thinking.direct, direct.logprobs, atol=1e-5)
    assert accuracy(direct.logprobs, direct) < 0.6
    assert accuracy(thoughtful.logprobs, thoughtful) > 0.9
    assert direct.prompt is not None
    assert direct.prompt.is_closed
    assert thoughtful.prompt is not None
    assert (thoughtful.prompt.is_closed, thoughtful.prompt.thinking) == (False, "up to 32 tokens, greedy")


def test_answers_stand_behind_the_thought_that_is_kept(model: Model, task: Task) -> None:
    """By hand: the prompt's own text, the thought, its end, scored as plain running text."""
    scores = score(task, model, thinking=Thinking(32), save_thoughts=True)
    assert scores.thinking is not None
    assert scores.thinking.texts is not None
    by_hand = []
    for item, (thought,) in zip(task.items, scores.thinking.texts, strict=True):
        turn = [{"role": "user", "content": item.context}]
        prompt = model.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        by_hand.append(Item(item.id, f"{prompt}{thought}</think>\n\n", item.choices, item.answer, delimiter=""))
    from calibaudit.chat.settings import ChatSettings

    expected = score(Task("by hand", "1", "cloze", tuple(by_hand)), model, chat=ChatSettings("off"))
    np.testing.assert_allclose(scores.logprobs, expected.logprobs, atol=1e-4)


def test_several_thoughts_are_averaged_as_probabilities(model: Model, task: Task) -> None:
    few = task.limited(6)
    one_by_one = [score(few, model, thinking=Thinking(32, 3, seed)) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(one_by_one[0].logprobs, one_by_one[1].logprobs)
    assert np.abs(one_by_one[0].logprobs - one_by_one[2].logprobs).max() > 0
    found = one_by_one[0]
    assert found.thinking is not None
    assert found.thinking.n_thoughts == 18


def test_thoughts_that_are_cut_off_are_counted(model: Model, task: Task) -> None:
    scores = score(task.limited(6), model, thinking=Thinking(2))
    assert scores.thinking is not None
    assert scores.thinking.n_truncated == scores.thinking.n_thoughts == 6


def test_the_page_and_every_file_say_it(cli: Cli, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("r.json", "r.html", "r.md")]
    outputs = [argument for file in files for argument in ("-o", str(file))]
    ended = cli("score", *CALL, "--think", "32", "--save-thoughts", "--limit", "16", *outputs)
    assert ended.code == 0, ended.err
    result = json.loads(files[0].read_text(encoding="utf-8"))
    (sentence,) = thinking_sentences(audit_of(result))
    assert sentence.startswith("thinker answered 16 items after one greedy thought of up to 32 tokens")
    effect = result["thinking"]
    assert f"after thinking {effect['thoughtful']['accuracy'] * 100:.0f} % right" in sentence
    words = " ".join(ended.out.split())
    assert sentence in words
    assert "without thinking" not in words
    for file in files[1:]:
        text = file.read_text(encoding="utf-8").replace("\\", "")
        assert "answered 16 items after one greedy thought of up to 32 tokens" in text
    assert len(result["scores"][0]["thinking"]["texts"]) == 16
    again = cli("report", str(files[0]))
    assert sentence in " ".join(again.out.split())


def test_without_it_the_page_says_that_nothing_was_thought(cli: Cli) -> None:
    ended = cli("score", *CALL, "--limit", "16")
    assert "audit of answers without thinking (--think N lets the model think first)" in " ".join(ended.out.split())


def test_saved_scores_and_a_gate_know_of_the_thoughts(cli: Cli, tmp_path: Path) -> None:
    direct, thoughtful = tmp_path / "direct.json", tmp_path / "thoughtful.json"
    assert cli("score", *CALL, "-o", str(direct), "-q").code == 0
    assert cli("score", *CALL, "--think", "32", "-o", str(thoughtful), "-q").code == 0
    refused = cli("gate", str(direct), str(thoughtful))
    assert refused.code == 2
    assert "--think none before, up to 32 tokens, greedy after" in refused.err
    page = " ".join(cli("compare", str(direct), str(thoughtful)).out.split())
    assert "answered 64 items after one greedy thought of up to 32 tokens" in page
    assert "the prompts were written differently (--think none before, up to 32 tokens, greedy after)" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("demo:instruct", "-t", "arithmetic", "--limit", "4", "--think", "8"), "no chat template with a place for a"),
        (("demo:instruct", "--think-samples", "3"), "--think-samples: needs --think N"),
        (("demo:instruct", "--save-thoughts"), "--save-thoughts: needs --think N"),
    ],
)
def test_where_nothing_can_be_thought(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    ended = cli("score", *arguments, "--no-progress")
    assert ended.code == 2
    assert said in ended.err.strip().splitlines()[-1]
