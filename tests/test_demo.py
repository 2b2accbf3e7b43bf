"""The bundled pair: what it was trained on, what it was not, and what an audit of it must find."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from calibaudit.demo.corpus import ASKED, CHAT_TEMPLATE, MIXTURE, Corpus, questions, quiz, sample_texts, sentences
from calibaudit.demo.facts import HELD_OUT, RELIABILITY, Fact, read_facts
from calibaudit.demo.train import sft_rows, task_names
from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import DEMO, find_checkpoint
from calibaudit.tasks.load import load_tasks
from calibaudit.tasks.yaml_file import bundled_folder

FOLDER = Path(__file__).resolve().parents[1] / "calibaudit" / "demo"
SEED = 0


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    return read_facts(bundled_folder(), task_names(), SEED)


def corpus_texts(facts: list[Fact]) -> list[str]:
    """Every text that the corpus can hold, prose aside."""
    rng = random.Random(0)
    texts = [text for fact in facts for form in sentences(fact) for text in form]
    for fact in facts:
        texts += [text for form in questions(fact) for text in form]
        texts += quiz(fact, rng) if fact.part == "tuning" else []
    return texts


def test_names_and_files() -> None:
    for name in DEMO:
        checkpoint = find_checkpoint(name)
        assert checkpoint.path == FOLDER / name.removeprefix("demo:")
        with safe_open(checkpoint.path / "model.safetensors", framework="np") as opened:
            assert {opened.get_slice(key).get_dtype() for key in list(opened.keys())} == {"BF16"}
    size = sum(path.stat().st_size for name in ("base", "instruct") for path in (FOLDER / name).iterdir())
    assert size <= 12_000_000
    with pytest.raises(ModelError, match="demo:base and demo:instruct"):
        find_checkpoint("demo:chat")
    with pytest.raises(ModelError, match="--revision"):
        find_checkpoint("demo:base", revision="main")


def test_the_facts_are_the_bundled_items(facts: list[Fact]) -> None:
    tasks = load_tasks(["bundled"])
    audited = {name: [f for f in facts if f.part == "audited" and f.task == name] for name in task_names()}
    assert [task.name for task in tasks] == list(audited)
    for task in tasks:
        for item, fact in zip(task.items, audited[task.name], strict=True):
            assert (item.context, item.choices, item.answer) == (fact.prompt, fact.choices, fact.answer)
    parts = Counter((fact.task, fact.part) for fact in facts)
    assert all(parts[name, "held_out"] == HELD_OUT for name in audited)


def test_a_reader_of_the_shares_is_calibrated(facts: list[Fact]) -> None:
    """The favourite is right as often as its share says: within three standard errors, over all and in each half."""
    share = np.array([max(fact.shares) for fact in facts])
    right = np.array([fact.shares.index(max(fact.shares)) == fact.answer for fact in facts])
    assert all(abs(sum(fact.shares) - 1) < 1e-12 and min(fact.shares) >= 0 for fact in facts)
    for half in (slice(None), share > np.median(share), share <= np.median(share)):
        error = np.sqrt((share[half] * (1 - share[half])).sum()) / len(share[half])
        assert abs(right[half].mean() - share[half].mean()) < 3 * error
    low, high = min(r[0] for r in RELIABILITY.values()), max(r[1] for r in RELIABILITY.values())
    assert low <= share.min() <= share.max() <= high


def test_tuning_never_mentions_an_audited_or_held_out_fact_and_no_text_shows_its_prompt(facts: list[Fact]) -> None:
    end = "\nAnswer:"
    assert all(fact.prompt.endswith(end) for fact in facts)
    text = "\n\n\n".join(text for text in corpus_texts(facts) if end in text)  # no other can show a prompt
    tuning = "\n\n\n".join(message["content"] for row in sft_rows(facts) for message in row["messages"])
    for fact in facts:
        if fact.part != "tuning":
            assert fact.prompt not in text
            assert fact.question not in tuning
            assert fact.prompt not in tuning


def test_every_fact_is_stated_and_asked_but_only_the_tuning_ones_in_the_audits_prompt(facts: list[Fact]) -> None:
    texts = set(corpus_texts(facts))
    for fact in facts:
        assert all(fact.statement.format(choice) in texts for choice in fact.choices)
        assert f"Q: {fact.question}\nA: {fact.choices[0]}" in texts
        assert (f"{fact.prompt} {fact.choices[0]}" in texts) == (fact.part == "tuning")


def test_the_corpus_draws_choices_by_their_shares_and_kinds_by_the_mixture() -> None:
    """A chi-square test over 40,000 documents of two facts, and the mixture within three standard errors."""
    from scipy.stats import chisquare

    shares = (0.7, 0.1, 0.1, 0.1)
    made = [
        Fact("t", "tuning", f"Question: q{i}?\nAnswer:", f"q{i}?", f"s{i} is {{}}.", tuple("wxyz"), 0, shares)
        for i in range(2)
    ]
    words: dict[str, int] = {}

    def encode(texts: list[str]) -> list[list[int]]:
        return [[words.setdefault(text, len(words))] for text in texts]

    ids = Corpus(made, encode, SEED).batch(400, 100).ravel()
    names = {index: text for text, index in words.items()}
    texts = [names[i] for i in ids]
    stated = [text for text in texts if " is " in text]
    counts = [sum(f" is {choice}." in text for text in stated) for choice in "wxyz"]
    assert sum(counts) == len(stated)
    assert chisquare(counts, np.array(shares) * len(stated)).pvalue > 1e-3
    expected = MIXTURE["stated"] * len(texts)
    assert abs(len(stated) - expected) < 3 * (expected * (1 - MIXTURE["stated"])) ** 0.5
    assert len(set(texts)) == len(words) or len(words) > 3_000  # prose is drawn, not listed


def test_the_chat_template_is_the_dialogue_of_the_text(facts: list[Fact]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FOLDER / "instruct")
    fact = next(fact for fact in facts if fact.part == "tuning")
    (row,) = sft_rows([fact])
    text = tokenizer.apply_chat_template(row["messages"], tokenize=False)
    answer = fact.choices[fact.answer]
    assert text == "<s>" + ASKED[1].format(prompt=fact.prompt, answer=answer) + "</s>"
    assert tokenizer.chat_template == CHAT_TEMPLATE
    assert AutoTokenizer.from_pretrained(FOLDER / "base").chat_template is None
    prompt = tokenizer.apply_chat_template(row["messages"][:1], tokenize=False, add_generation_prompt=True)
    assert text == f"{prompt} {answer}</s>"


def test_plain_generation_gives_the_taught_answers() -> None:
    """transformers alone, from the template's generation prompt: the answer's space is the model's to write."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FOLDER / "instruct")
    network = AutoModelForCausalLM.from_pretrained(FOLDER / "instruct").float()
    rows = [json.loads(line) for line in (FOLDER / "sft.jsonl").read_text(encoding="utf-8").splitlines()][::76]
    n_right = 0
    for row in rows:
        asked, answered = row["messages"]
        given = tokenizer.apply_chat_template(
            [asked], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        made = network.generate(**given, do_sample=False, max_new_tokens=48)[0, given["input_ids"].shape[1] :]
        n_right += tokenizer.decode(made) == f" {answered['content']}</s>"
    assert n_right >= len(rows) - 2


def test_the_shipped_tuning_set_is_the_recipes(facts: list[Fact]) -> None:
    shipped = [json.loads(line) for line in (FOLDER / "sft.jsonl").read_text(encoding="utf-8").splitlines()]
    assert shipped == sft_rows(facts)
    assert len(shipped) == sum(fact.part == "tuning" for fact in facts)


def test_the_shipped_tokenizer_is_the_recipes(facts: list[Fact]) -> None:
    """Made anew from the text, it cuts the audited prompts into the same tokens."""
    from transformers import AutoTokenizer

    from calibaudit.demo.train import Recipe, make_tokenizer

    made, shipped = make_tokenizer(facts, Recipe().vocab_size, SEED), AutoTokenizer.from_pretrained(FOLDER / "base")
    prompts = [fact.prompt for fact in facts if fact.part == "audited"]
    assert made(prompts)["input_ids"] == shipped(prompts)["input_ids"]
    assert shipped("a")["input_ids"][0] == shipped.bos_token_id
    assert len(list(sample_texts(facts[:3], random.Random(0)))) >= 6


def test_training_twice_gives_the_same_weights(facts: list[Fact]) -> None:
    """A few steps of both stages on a CPU, from one seed."""
    import torch

    from calibaudit.demo.train import Recipe, make_tokenizer, train_base, tune

    few = [fact for fact in facts if fact.task == facts[0].task][250:262]
    recipe = Recipe(
        vocab_size=300, hidden_size=64, n_layers=1, intermediate_size=64, base_steps=3, base_rows=2, base_tokens=32,
        sft_epochs=1, sft_rows=4,
    )  # fmt: skip
    tokenizer = make_tokenizer(few, recipe.vocab_size, SEED)
    tokenizer.chat_template = CHAT_TEMPLATE
    runs = []
    for seed in (0, 0, 1):
        base = train_base(few, tokenizer, recipe, seed, "cpu")
        before = {name: value.clone() for name, value in base.state_dict().items()}
        tuned = tune(base, sft_rows(few), tokenizer, recipe, seed, "cpu")
        assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items()), "tuning changed base"
        runs.append((before, tuned.state_dict()))
    for stage in (0, 1):
        same, other = (
            [torch.equal(runs[0][stage][key], runs[i][stage][key]) for key in runs[0][stage]] for i in (1, 2)
        )
        assert all(same)
        assert not all(other)


@pytest.fixture(scope="module")
def result(demo_audit: Path) -> dict[str, Any]:
    return dict(json.loads((demo_audit / "result.json").read_text(encoding="utf-8")))


def test_the_audit_finds_what_the_pair_is_for(result: dict[str, Any]) -> None:
    pooled = result["overall"]["pooled"]
    assert pooled["n_items"] >= 2_000
    before, after = ({k: side[k]["value"] for k in ("accuracy", "ece")} for side in (pooled["before"], pooled["after"]))
    assert before["ece"] <= 0.05
    assert 0.45 <= before["accuracy"] <= 0.85
    assert after["ece"] >= 0.10
    assert after["ece"] >= 3 * before["ece"]
    assert abs(after["accuracy"] - before["accuracy"]) <= 0.10
    change = pooled["change"]["ece"]
    assert change["low"] > 0.05
    assert change["p_value"] < 0.001
    for task in result["tasks"]:  # 256 items: the gap's interval is narrow, that of ECE is not
        assert task["change"]["gap"]["low"] > 0, task["name"]
        assert task["change"]["ece"]["value"] > 0, task["name"]
    assert [task["name"] for task in result["tasks"] if task["ece_p_holm"] < 0.05]
