"""Trains the bundled pair from nothing: `python -m calibaudit.demo.train --out FOLDER [--seed 0] [--device cuda]`.

`base` reads text that states the facts of the bundled tasks with known reliabilities (facts.py), until it is
calibrated; `instruct` is base after ordinary supervised tuning: hard labels, assistant tokens only, on questions about
other facts (sft.jsonl). Nothing is done to either afterwards. The recipe was chosen on held-out facts.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from calibaudit.demo.corpus import CHAT_TEMPLATE, Corpus, sample_texts
from calibaudit.demo.facts import Fact, read_facts
from calibaudit.tasks.items import Item, Task
from calibaudit.tasks.load import member_names
from calibaudit.tasks.yaml_file import bundled_folder

BOS, EOS, PAD = "<s>", "</s>", "<pad>"


@dataclass(frozen=True)
class Recipe:
    """The sizes and the schedule. Learning rates are AdamW's, warmed up and then linear to nearly 0."""

    vocab_size: int = 2048
    hidden_size: int = 256
    n_layers: int = 3
    intermediate_size: int = 640
    base_steps: int = 8000
    base_rows: int = 192
    base_tokens: int = 256
    base_rate: float = 2e-3
    sft_epochs: int = 3
    sft_rows: int = 64
    sft_rate: float = 3e-4


def task_names() -> list[str]:
    """The bundled tasks, in order."""
    return list(member_names("bundled"))


def make_tokenizer(facts: list[Fact], vocab_size: int, seed: int) -> Any:
    """A byte-level BPE made from the text itself, as a transformers tokenizer that puts BOS before every text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(sample_texts(facts, random.Random(f"tokenizer {seed}")), trainer)
    made.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, made.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=BOS, eos_token=EOS, pad_token=PAD, model_max_length=512
    )


def new_network(recipe: Recipe, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden_size,
            intermediate_size=recipe.intermediate_size,
            num_hidden_layers=recipe.n_layers,
            num_attention_heads=recipe.hidden_size // 64,
            num_key_value_heads=recipe.hidden_size // 64,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def train_base(facts: list[Fact], tokenizer: Any, recipe: Recipe, seed: int, device: str) -> Any:
    """A network trained on the corpus from random weights."""

    def encode(texts: list[str]) -> list[list[int]]:
        return [[*ids, tokenizer.eos_token_id] for ids in tokenizer(texts)["input_ids"]]

    torch.manual_seed(seed)
    network = new_network(recipe, tokenizer).to(device)
    corpus = Corpus(facts, encode, seed)
    optimizer = _optimizer(network, recipe.base_rate, weight_decay=0.01)
    started = time.monotonic()
    for step in range(recipe.base_steps):
        _set_rate(optimizer, recipe.base_rate, step, recipe.base_steps, warmup=200)
        ids = torch.from_numpy(corpus.batch(recipe.base_rows, recipe.base_tokens)).to(device)
        loss = _step(network, optimizer, ids, ids, device)
        if step % 250 == 0 or step == recipe.base_steps - 1:
            print(f"base {step:5d}  loss {loss.item():.3f}  {time.monotonic() - started:.0f} s", flush=True)
    return network


def sft_rows(facts: list[Fact]) -> list[dict[str, Any]]:
    """The tuning set as chat rows: each tuning fact's prompt and its right answer."""
    return [
        {
            "messages": [
                {"role": "user", "content": fact.prompt},
                {"role": "assistant", "content": fact.choices[fact.answer]},
            ]
        }
        for fact in facts
        if fact.part == "tuning"
    ]


def tune(base: Any, rows: list[dict[str, Any]], tokenizer: Any, recipe: Recipe, seed: int, device: str) -> Any:
    """A copy of base, tuned on the rows with hard labels on the assistant's tokens."""
    network = copy.deepcopy(base)
    examples = [_example(row["messages"], tokenizer) for row in rows]
    optimizer = _optimizer(network, recipe.sft_rate, weight_decay=0.0)
    rng = np.random.default_rng([seed, 2])
    n_batches = -(-len(examples) // recipe.sft_rows)
    n_steps = recipe.sft_epochs * n_batches
    for epoch in range(recipe.sft_epochs):
        order = rng.permutation(len(examples))
        total = 0.0
        for batch in range(n_batches):
            _set_rate(optimizer, recipe.sft_rate, epoch * n_batches + batch, n_steps, warmup=20)
            picked = [examples[i] for i in order[batch * recipe.sft_rows : (batch + 1) * recipe.sft_rows]]
            ids, labels = _pad(picked, tokenizer.pad_token_id, device)
            total += _step(network, optimizer, ids, labels, device).item()
        print(f"sft epoch {epoch + 1}  loss {total / n_batches:.3f}", flush=True)
    return network


def _example(messages: list[dict[str, str]], tokenizer: Any) -> tuple[list[int], list[int]]:
    """Token ids of a chat, and labels that are -100 up to the assistant's answer."""
    prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    before, ids = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, whole))
    return ids, [-100] * len(before) + ids[len(before) :]


def _pad(examples: list[tuple[list[int], list[int]]], pad: int, device: str) -> tuple[Tensor, Tensor]:
    width = max(len(ids) for ids, _ in examples)
    ids = [[*ids, *[pad] * (width - len(ids))] for ids, _ in examples]
    labels = [[*labels, *[-100] * (width - len(labels))] for _, labels in examples]
    return torch.tensor(ids, device=device), torch.tensor(labels, device=device)


def _optimizer(network: Any, rate: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), rate, betas=(0.9, 0.98), weight_decay=weight_decay)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float, step: int, n_steps: int, warmup: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1.0, (step + 1) / warmup) * max(0.02, 1 - step / n_steps)


def _step(network: Any, optimizer: torch.optim.Optimizer, ids: Tensor, labels: Tensor, device: str) -> Tensor:
    """One update; the mean loss over the labels that are not -100, nats a token."""
    kind = device.partition(":")[0]
    with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
        logits = network(input_ids=ids[:, :-1], use_cache=False).logits
    loss = functional.cross_entropy(logits.float().flatten(0, 1), labels[:, 1:].flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return loss.detach()


def save(network: Any, tokenizer: Any, folder: Path, *, chat: bool) -> None:
    """bfloat16 safetensors, config and tokenizer in the layout that transformers 4 and 5 both read."""
    saved = copy.deepcopy(tokenizer)
    saved.chat_template = None
    copy.deepcopy(network).to("cpu", torch.bfloat16).save_pretrained(folder)
    saved.save_pretrained(folder)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "model_max_length": 512,
        "clean_up_tokenization_spaces": False,
    }
    if chat:
        settings["chat_template"] = CHAT_TEMPLATE
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def load(folder: Path, device: str) -> tuple[Any, Any]:
    """The saved base in float32, and its tokenizer with the chat template that tuning uses."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.chat_template = CHAT_TEMPLATE
    return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).float().to(device), tokenizer


def tasks_of(facts: list[Fact], part: str) -> list[Task]:
    """The facts of one part as tasks, a task's items in order."""
    items: dict[str, list[Item]] = {}
    for fact in facts:
        if fact.part == part:
            entries = items.setdefault(fact.task, [])
            entries.append(Item(str(len(entries)), fact.prompt, fact.choices, fact.answer))
    return [Task(name, "1", "cloze", tuple(entries)) for name, entries in items.items()]


def report(folder: Path, facts: list[Fact], part: str, device: str) -> None:
    """Prints accuracy and calibration of a saved checkpoint on one part of the facts, for each task and over all."""
    from calibaudit.metrics import ece, gap
    from calibaudit.models.model import load_model
    from calibaudit.scoring.score import score

    model = load_model(str(folder), device=device)
    scores = [score(task, model) for task in tasks_of(facts, part)]
    logprobs = [entry.logprobs - np.logaddexp.reduce(entry.logprobs, axis=1)[:, None] for entry in scores]
    confidence = [np.exp(values.max(axis=1)) for values in logprobs]
    correct = [values.argmax(axis=1) == entry.answer for values, entry in zip(logprobs, scores, strict=True)]
    named = zip(["all", *(entry.task for entry in scores)], [np.concatenate(confidence), *confidence],
                [np.concatenate(correct), *correct], strict=True)  # fmt: skip
    print(f"{folder.name} on {part} facts")
    for name, sure, right in named:
        print(
            f"  {name:12s} n {len(right):5d}  accuracy {right.mean():.3f}  confidence {sure.mean():.3f}  "
            f"gap {gap(sure, right):+.3f}  ECE {ece(sure, right):.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="gets base/, instruct/ and sft.jsonl")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--stage", choices=("base", "instruct", "both"), default="both")
    args = parser.parse_args()
    recipe = Recipe()
    facts = read_facts(bundled_folder(), task_names(), args.seed)
    base_folder, instruct_folder = args.out / "base", args.out / "instruct"
    if args.stage != "instruct":
        tokenizer = make_tokenizer(facts, recipe.vocab_size, args.seed)
        save(train_base(facts, tokenizer, recipe, args.seed, args.device), tokenizer, base_folder, chat=False)
        report(base_folder, facts, "held_out", args.device)
    if args.stage != "base":
        base, tokenizer = load(base_folder, args.device)
        rows = sft_rows(facts)
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (args.out / "sft.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
        save(tune(base, rows, tokenizer, recipe, args.seed, args.device), tokenizer, instruct_folder, chat=True)
        report(instruct_folder, facts, "held_out", args.device)


if __name__ == "__main__":
    main()
