"""Thoughts of the tiny model that thinks, against its own `generate`, one prompt at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import save_tiny
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ModelError, ScoresError
from calibaudit.models.model import Model, load_model
from calibaudit.scores.thinking import Thinking, Thought
from calibaudit.scoring import thoughts
from calibaudit.scoring.generation import GivenRow, Sampling, WrittenRow
from calibaudit.scoring.score import score
from calibaudit.scoring.thought_prompt import ThoughtPrompt, reasoned_text
from calibaudit.scoring.thoughts import think
from calibaudit.tasks.items import Item, Task
from tests.command import in_two

CLOSE = "\n</think>\n\n"
ENOUGH = 48
FOLDER = Path(__file__).resolve().parents[1] / "saved" / "thinker"
ROWS = [json.loads(line) for line in (FOLDER / "letter_steps.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(str(FOLDER), dtype="float32")


@pytest.fixture(scope="module")
def prompts(model: Model) -> list[ThoughtPrompt]:
    return [ThoughtPrompt(f"item {i}", chat(model, row["question"]), CLOSE) for i, row in enumerate(ROWS)]


def chat(model: Model, question: str) -> str:
    messages = [{"role": "user", "content": question}]
    text = str(model.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    assert text.endswith("<think>\n")
    return text


def plain_thought(model: Model, prompt: ThoughtPrompt, n_tokens: int = ENOUGH) -> str:
    """All that `generate` writes after this prompt alone."""
    ids = torch.tensor([model.tokenizer(prompt.text, add_special_tokens=False)["input_ids"]])
    out = model.network.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n_tokens, do_sample=False)
    return str(model.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=False))


@pytest.fixture(scope="module")
def plain_thoughts(model: Model, prompts: list[ThoughtPrompt]) -> list[str]:
    return [plain_thought(model, prompt) for prompt in prompts]


class Counted:
    """`write`, remembering how many rows each call had. fails: called with that number before each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: Callable[[int], None] = lambda n: None) -> None:
        self.calls: list[int] = []
        self._write, self._fails = thoughts.write, fails
        monkeypatch.setattr(thoughts, "write", self)

    def __call__(self, model: Model, rows: Sequence[GivenRow], sampling: Sampling | None) -> list[WrittenRow]:
        self._fails(len(rows))
        self.calls.append(len(rows))
        return self._write(model, rows, sampling)


def test_thinking_is_what_makes_this_model_right(model: Model, prompts: list[ThoughtPrompt]) -> None:
    def accuracy_and_confidence(contexts: list[str]) -> tuple[float, float]:
        items = (
            Item(str(i), context, tuple(row["choices"]), row["answer"], delimiter="")
            for i, (context, row) in enumerate(zip(contexts, ROWS, strict=True))
        )
        scores = score(Task("letter_steps", "1", "cloze", tuple(items)), model, chat=ChatSettings("off"))
        probs = np.exp(scores.logprobs - np.logaddexp.reduce(scores.logprobs, axis=1)[:, None])
        return float((probs.argmax(axis=1) == scores.answer).mean()), float(probs.max(axis=1).mean())

    accuracy, confidence = accuracy_and_confidence([prompt.text + CLOSE for prompt in prompts])
    assert accuracy < 0.4
    assert confidence < 0.4
    written = think(model, prompts, Thinking(ENOUGH))
    answered = [reasoned_text(prompt, thought) for prompt, (thought,) in zip(prompts, written, strict=True)]
    accuracy, confidence = accuracy_and_confidence(answered)
    assert accuracy > 0.9
    assert confidence > 0.9


@pytest.mark.parametrize("batch_size", [1, 7, None])
def test_greedy_thoughts_are_those_of_generate(
    model: Model, prompts: list[ThoughtPrompt], plain_thoughts: list[str], batch_size: int | None
) -> None:
    written = think(model, prompts, Thinking(ENOUGH), batch_size)
    for prompt, (thought,), plain in zip(prompts, written, plain_thoughts, strict=True):
        expected, mark, _ = plain.partition("</think>")
        assert mark
        n_tokens = len(model.tokenizer(expected, add_special_tokens=False)["input_ids"]) + 1
        assert thought == Thought(expected, n_tokens)
        assert reasoned_text(prompt, thought) == f"{prompt.text}{expected}</think>\n\n"


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_written_does_not_depend_on_the_batch(prompts: list[ThoughtPrompt], dtype: str, samples: int) -> None:
    model, few = load_model(str(FOLDER), dtype=dtype), prompts[: 24 // samples]
    whole, *others = (think(model, few, Thinking(ENOUGH, samples), size) for size in (None, 1, 5))
    assert all(other == whole for other in others)
    backwards = think(model, few[::-1], Thinking(ENOUGH, samples), 5)
    assert backwards[::-1] == whole


def test_a_thought_that_is_cut_off_is_counted_and_closed(model: Model, prompts: list[ThoughtPrompt]) -> None:
    whole = think(model, prompts[:8], Thinking(ENOUGH))
    for prompt, (long,), (short,) in zip(prompts, whole, think(model, prompts[:8], Thinking(6)), strict=False):
        assert short.truncated
        assert not short.unclosed
        assert short.n_tokens == 6
        assert long.text.startswith(short.text)
        assert short.text
        assert reasoned_text(prompt, short) == prompt.text + short.text.rstrip() + CLOSE
    lengths = sorted(long.n_tokens for (long,) in whole)
    middle = Thinking(lengths[len(lengths) // 2])
    n_truncated = sum(thought.truncated for (thought,) in think(model, prompts[:8], middle))
    assert n_truncated == sum(n > middle.n_tokens for n in lengths)


def test_a_thought_that_the_model_does_not_close_is_counted(
    model: Model, prompts: list[ThoughtPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    (three,) = model.tokenizer("3", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(model.network.generation_config, "eos_token_id", [three, model.tokenizer.eos_token_id])
    (thought,) = think(model, prompts[:1], Thinking(ENOUGH))[0]
    before, found, _ = plain_thought(model, prompts[0], 8).partition("3")
    assert found
    assert (thought.text, thought.truncated, thought.unclosed) == (before, False, True)
    assert reasoned_text(prompts[0], thought) == prompts[0].text + before + CLOSE


def test_a_special_token_ends_a_thought(model: Model, prompts: list[ThoughtPrompt]) -> None:
    answered = plain_thought(model, prompts[0]).partition("<|im_end|>")[0]
    answered = ThoughtPrompt("x", prompts[0].text + answered, "\n</thought>\n")
    assert think(model, [answered], Thinking(ENOUGH)) == [(Thought("", 1, unclosed=True),)]
    of_the_mark = ThoughtPrompt("x", answered.text, "<|im_end|>\n<|im_start|>assistant\n")
    (thought,) = think(model, [of_the_mark], Thinking(4))[0]
    assert not thought.unclosed


def test_a_closing_mark_may_be_several_tokens(model: Model, prompts: list[ThoughtPrompt]) -> None:
    text = plain_thought(model, prompts[0])
    prompt = ThoughtPrompt("x", prompts[0].text, f" {text[3:7]} ")
    assert len(model.tokenizer(prompt.mark, add_special_tokens=False)["input_ids"]) == 4
    assert think(model, [prompt], Thinking(ENOUGH)) == [(Thought(text[:3], 7),)]
    assert think(model, [prompt], Thinking(6)) == [(Thought(text[:6], 6, truncated=True),)]


def test_whitespace_before_the_mark_stands_once() -> None:
    prompt = ThoughtPrompt("x", "U<think>\n", CLOSE)
    assert reasoned_text(prompt, Thought("a\n", 3)) == "U<think>\na\n</think>\n\n"
    assert reasoned_text(prompt, Thought("a", 2)) == "U<think>\na</think>\n\n"
    assert reasoned_text(prompt, Thought("a\n", 3, truncated=True)) == "U<think>\na\n</think>\n\n"
    assert reasoned_text(prompt, Thought("a", 3, unclosed=True)) == "U<think>\na\n</think>\n\n"
    assert reasoned_text(prompt, Thought("", 0, truncated=True)) == "U<think>\n\n</think>\n\n"


def test_samples_follow_seed_and_number_alone(model: Model, prompts: list[ThoughtPrompt]) -> None:
    five = think(model, prompts[:6], Thinking(ENOUGH, 5))
    assert any(len(set(group)) > 1 for group in five)
    assert [group[:3] for group in five] == think(model, prompts[:6], Thinking(ENOUGH, 3), 2)
    assert five[4:] == think(model, prompts[4:6], Thinking(ENOUGH, 5))
    assert five != think(model, prompts[:6], Thinking(ENOUGH, 5, seed=1))
    short = think(model, prompts[:6], Thinking(4, 5))
    for group, starts in zip(five, short, strict=True):
        assert all(thought.text.startswith(start.text) for thought, start in zip(group, starts, strict=True))


def test_samples_are_drawn_from_the_models_own_distribution(model: Model, prompts: list[ThoughtPrompt]) -> None:
    n = 600
    (drawn,) = think(model, prompts[:1], Thinking(1, n))
    ids = torch.tensor([model.tokenizer(prompts[0].text, add_special_tokens=False)["input_ids"]])
    probs = model.network(ids).logits[0, -1].double().softmax(-1)
    assert ((probs > 0.1) & (probs < 0.9)).sum() > 1, "without several likely tokens this test means nothing"
    for token in probs.topk(4).indices.tolist():
        p, text = float(probs[token]), model.tokenizer.decode([token])
        assert sum(thought.text == text for thought in drawn) / n == pytest.approx(p, abs=4 * (p * (1 - p) / n) ** 0.5)


def test_several_samples_are_drawn_as_the_generation_config_says(
    model: Model, prompts: list[ThoughtPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = model.network.generation_config
    plain = think(model, prompts[:4], Thinking(ENOUGH, 6))
    for name, value in {"do_sample": True, "temperature": 0.5, "top_k": 1, "repetition_penalty": 3.0}.items():
        monkeypatch.setattr(config, name, value)
    greedy = think(model, prompts[:4], Thinking(ENOUGH))
    assert think(model, prompts[:4], Thinking(ENOUGH, 6)) == [group * 6 for group in greedy] != plain
    assert model.network.generation_config is config
    assert config.repetition_penalty == 3.0


def test_the_cache_leaves_only_what_is_missing(
    model: Model, prompts: list[ThoughtPrompt], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)

    def n_written(n_prompts: int, thinking: Thinking) -> int:
        counted.calls.clear()
        kept = think(model, prompts[:n_prompts], thinking, cache_dir=tmp_path)
        n = sum(counted.calls)
        assert kept == think(model, prompts[:n_prompts], thinking)
        return n

    assert n_written(5, Thinking(ENOUGH)) == 5
    assert n_written(8, Thinking(ENOUGH)) == 3
    assert n_written(8, Thinking(ENOUGH)) == 0
    assert n_written(8, Thinking(ENOUGH + 1)) == 0, "what ended sooner serves a longer limit"
    assert n_written(8, Thinking(4)) == 8
    assert n_written(8, Thinking(4)) == 0
    assert n_written(8, Thinking(5)) == 8, "what was cut off serves its own limit only"
    assert n_written(8, Thinking(ENOUGH)) == 0
    assert n_written(4, Thinking(ENOUGH, 2)) == 8
    assert n_written(4, Thinking(ENOUGH, 3)) == 4
    assert n_written(4, Thinking(ENOUGH, 3, seed=1)) == 12
    assert len(list((tmp_path / "thoughts").iterdir())) == 3


def test_prompts_that_stand_twice_are_thought_about_once(
    model: Model, prompts: list[ThoughtPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    first, second, third = think(model, [prompts[0], prompts[1], prompts[0]], Thinking(ENOUGH))
    assert counted.calls == [2]
    assert first == third != second


def test_a_run_cut_off_goes_on_where_it_stopped(
    model: Model, prompts: list[ThoughtPrompt], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(n_rows: int) -> None:
        if len(counted.calls) == 2:
            raise KeyboardInterrupt

    counted = Counted(monkeypatch, stop)
    with pytest.raises(KeyboardInterrupt):
        think(model, prompts[:20], Thinking(ENOUGH), 4, cache_dir=tmp_path)
    monkeypatch.undo()
    counted = Counted(monkeypatch)
    seen: list[tuple[int, int]] = []
    kept = think(
        model, prompts[:20], Thinking(ENOUGH), 4, cache_dir=tmp_path, progress=lambda n, total: seen.append((n, total))
    )
    assert counted.calls == [4, 4, 4]
    assert seen == [(8, 20), (12, 20), (16, 20), (20, 20)]
    assert kept == think(model, prompts[:20], Thinking(ENOUGH))


def test_out_of_memory_halves_the_batch_and_goes_on(
    model: Model, prompts: list[ThoughtPrompt], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(n_rows: int) -> None:
        if n_rows > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    expected = think(model, prompts[:16], Thinking(ENOUGH))
    limit = 3
    counted = Counted(monkeypatch, full)
    assert think(model, prompts[:16], Thinking(ENOUGH), 16) == expected
    assert counted.calls[0] == 2
    assert "out of memory with" in caplog.text
    limit = 0
    with pytest.raises(ModelError, match=r"item \d+: \d+ tokens do not fit in memory even alone on cpu"):
        think(model, prompts[:16], Thinking(ENOUGH))


def test_an_error_of_another_kind_is_not_taken_for_a_lack_of_memory(
    model: Model, prompts: list[ThoughtPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(n_rows: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    Counted(monkeypatch, wrong)
    with pytest.raises(RuntimeError, match="mat1"):
        think(model, prompts[:2], Thinking(ENOUGH))


def test_a_network_that_padding_changes_writes_one_at_a_time(
    model: Model, prompts: list[ThoughtPrompt], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = think(model, prompts[:4], Thinking(ENOUGH))
    forward = type(model.network).forward

    def unmasked(self: Any, *args: Any, attention_mask: Any = None, logits_to_keep: Any = 0, **rest: Any) -> Any:
        return forward(self, *args, logits_to_keep=logits_to_keep, **rest)

    monkeypatch.setattr(type(model.network), "forward", unmasked)
    counted = Counted(monkeypatch)
    assert think(model, prompts[:4], Thinking(ENOUGH)) == expected
    assert counted.calls == [1] * 4
    assert "written one at a time" in caplog.text


def test_rows_above_a_rotary_switch_are_written_one_at_a_time(
    model: Model, prompts: list[ThoughtPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    monkeypatch.setattr(model, "rope_switch", 64)
    think(model, prompts[:3], Thinking(8))
    think(model, prompts[:3], Thinking(ENOUGH))
    assert counted.calls == [3, 1, 1, 1]


def test_a_thought_leaves_room_for_its_close_and_the_answer(
    model: Model, prompts: list[ThoughtPrompt], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lengths = [len(model.tokenizer(p.text, add_special_tokens=False)["input_ids"]) for p in prompts]
    short, long = lengths.index(min(lengths)), lengths.index(max(lengths))
    room = 4 + thoughts.ROOM_AFTER  # the close: three newlines and a mark of one token
    monkeypatch.setattr(model, "max_length", min(lengths) + room + 2)
    assert lengths[long] >= lengths[short] + 2
    ((cut,), (none,)) = think(model, [prompts[short], prompts[long]], Thinking(ENOUGH))
    assert cut == Thought(cut.text, 2, truncated=True)
    assert cut.text
    assert none == Thought("", 0, truncated=True)
    assert f"item {long}: the prompt leaves no room for a thought" in caplog.text


def test_spaces_at_the_start_of_a_thought_are_kept() -> None:
    """Sentencepiece decoders drop one from the first token of a text."""
    vocab = {token: i for i, token in enumerate(["<unk>", "\u2581so", "\u2581it", "<think>", "\n"])}
    made = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")
    assert tokenizer.decode([1, 2]) == "so it"
    assert thoughts._decoded((1, 3), (1, 2), tokenizer) == " so it"


@pytest.mark.parametrize(("n_tokens", "samples", "flag"), [(0, 1, "--think 0"), (8, 0, "--think-samples 0")])
def test_numbers_that_cannot_be_are_refused(n_tokens: int, samples: int, flag: str) -> None:
    with pytest.raises(ScoresError, match=f"{flag}: give a number of at least 1"):
        Thinking(n_tokens, samples)


def counted_thoughts(prompts: list[ThoughtPrompt]) -> tuple[list[Any], int]:
    """What is written, and how many rows this process wrote of it."""
    with pytest.MonkeyPatch.context() as patched:
        counted = Counted(patched)
        model = load_model(str(FOLDER))
        return [think(model, prompts, Thinking(48, samples), 4) for samples in (1, 3)], sum(counted.calls)


def test_torchrun_gives_what_one_process_gives(prompts: list[ThoughtPrompt]) -> None:
    parts = in_two(counted_thoughts, prompts[:11])
    model = load_model(str(FOLDER))
    expected = [think(model, prompts[:11], Thinking(48, samples)) for samples in (1, 3)]
    assert [found for found, _ in parts] == [expected] * 2
    assert [n for _, n in parts] == [6 + 17, 5 + 16]


def test_a_checkpoint_without_a_chat_template_can_be_given_a_thought_all_the_same(tmp_path: Path) -> None:
    model = load_model(str(save_tiny(tmp_path)))
    prompt = ThoughtPrompt("x", "the cat sat <think>", "</think> ")
    (thought,) = think(model, [prompt], Thinking(12))[0]
    assert thought.truncated or thought.unclosed
