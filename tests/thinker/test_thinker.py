"""The saved tiny model that thinks is the one that its recipe makes, as far as that can be seen without training it."""

from __future__ import annotations

import json
import random
from pathlib import Path

from thinker import train

from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.tokenizer import load_tokenizer

FOLDER = Path(__file__).resolve().parents[1] / "saved" / "thinker"


def test_tokenizer_template_and_items_are_the_recipes(tmp_path: Path) -> None:
    made, saved = train.make_tokenizer(), load_tokenizer(find_checkpoint(str(FOLDER)))
    assert saved.get_vocab() == made.get_vocab()
    assert saved.chat_template == train.CHAT_TEMPLATE
    assert sum(p.numel() for p in train.make_network(made).parameters()) < 300_000
    train.write_task(tmp_path)
    assert (tmp_path / "letter_steps.jsonl").read_bytes() == (FOLDER / "letter_steps.jsonl").read_bytes()
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 700_000


def test_answers_follow_the_ring_and_no_choice_is_beside_the_start() -> None:
    for line in (FOLDER / "letter_steps.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        pairs = dict(row["question"].split("\n")[0].split(": ")[-1].split(" ")[i] for i in range(8))
        steps, start = int(row["question"].split("\n")[1][0]), row["question"][-2]
        place = start
        for _ in range(steps):
            place = pairs[place]
        assert row["choices"][row["answer"]] == place
        assert len(set(row["choices"])) == 4
        known = {start, pairs[start], next(key for key, value in pairs.items() if value == start)}
        assert not known & set(row["choices"])


def test_an_earlier_turns_thought_is_left_out() -> None:
    tokenizer, rng = train.make_tokenizer(), random.Random(0)
    asked, answered = train.example(rng, tokenizer)
    assert (asked + answered).startswith("<s><|im_start|>user\n")
    turns = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a", "reasoning_content": "first"},
        {"role": "user", "content": "r"},
    ]
    assert tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) == (
        "<s><|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"
        "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n<think>\n"
    )
    turns.append({"role": "assistant", "content": "b", "reasoning_content": "second"})
    assert tokenizer.apply_chat_template(turns, tokenize=False).endswith(
        "<|im_start|>assistant\n<think>\nsecond\n</think>\n\nb<|im_end|>\n"
    )
