"""Trains the tiny model that thinks, from nothing: `python tests/thinker/train.py [--out tests/saved/thinker]`.

A question gives a ring of letters, pair by pair, and asks where three to five steps from a letter lead. Three layers do
not learn to take so many steps at once, but to write one after another. The network first learns to walk around rings;
then seven in ten rows have such a walk as their thought, the others an empty thought and the bare answer. So it can be
asked both ways, and knows the answer in one of them only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

FOLDER = Path(__file__).resolve().parents[1] / "saved" / "thinker"
LETTERS = "abcdefgh"
STEPS = (3, 4, 5)
HEADINGS = ("", "Pairs: ", "The pairs: ")
OPENERS = ("", "So: ", "Step by step: ")
OPENER_WEIGHTS = (0.5, 0.3, 0.2)
WORDS = (
    "system", "user", "assistant", "steps", " steps", " from", "So", "Step", " by", " step", "The", "Pairs", " pairs",
)  # fmt: skip
CHAIN_SHARE = 0.7
N_ITEMS = 64
MAX_LENGTH = 256

BOS, START, END, PAD = "<s>", "<|im_start|>", "<|im_end|>", "<pad>"
OPEN, CLOSE = "<think>", "</think>"

# The thought of an assistant's turn stands only in the last one; the generation prompt opens a new one.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\\n' }}"
    "{% if message.role == 'assistant' %}"
    "{% set content = message.content.split('</think>')[-1].lstrip('\\n') %}"
    "{% if loop.last %}"
    "{{ '<think>\\n' + (message.reasoning_content or '') + '\\n</think>\\n\\n' }}"
    "{% endif %}"
    "{{ content }}"
    "{% else %}"
    "{{ message.content }}"
    "{% endif %}"
    "{{ '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}"
)


def ring_and_text(rng: random.Random) -> tuple[list[str], str]:
    """A ring of the letters, in order, and its pairs, in any order."""
    ring = rng.sample(LETTERS, len(LETTERS))
    pairs = [a + b for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)]
    return ring, " ".join(rng.sample(pairs, len(pairs)))


def document(rng: random.Random) -> dict[str, Any]:
    """One question: a ring, where to start, how many steps, and four places to choose from.

    No choice is within a step of the start, on either side: those would be known at a look not to be the answer.
    """
    ring, text = ring_and_text(rng)
    steps = rng.choice(STEPS)
    choices = rng.sample(ring[2:-1], 4)
    if ring[steps] not in choices:
        choices[rng.randrange(4)] = ring[steps]
    return {
        "question": f"{rng.choice(HEADINGS)}{text}\n{steps} steps from {ring[0]}:",
        "choices": choices,
        "answer": choices.index(ring[steps]),
        "path": "".join(ring[: steps + 1]),
    }


def chain(path: str) -> str:
    """A step after the other, numbered, in the pairs of the question: `1db2be3ea`."""
    return "".join(f"{n}{a}{b}" for n, (a, b) in enumerate(itertools.pairwise(path), 1))


def make_tokenizer() -> Any:
    """A token a byte, a token for each word that recurs, and the marks."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(WORDS * 10, trainer)
    made.add_special_tokens([BOS, START, END, PAD])
    made.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in (OPEN, CLOSE)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=BOS, eos_token=END, pad_token=PAD, model_max_length=MAX_LENGTH
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_network(tokenizer: Any) -> Any:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=192,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=MAX_LENGTH,
            initializer_range=0.05,  # with the usual 0.02, looking up pairs is learned three times later
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def walks(rng: random.Random, tokenizer: Any) -> tuple[str, str]:
    """What is given and what is learned at first: a ring, and walks around it from several letters."""
    ring, text = ring_and_text(rng)
    starts = rng.sample(range(len(ring)), 2)
    return f"{BOS}{text}", "".join("\n" + chain("".join((ring + ring)[s : s + len(ring) + 1])) for s in starts)


def example(rng: random.Random, tokenizer: Any) -> tuple[str, str]:
    """What is given and what is learned: a thought, its close and the answer; or after an empty thought the answer."""
    made = document(rng)
    user = {"role": "user", "content": made["question"]}
    thought = rng.choices(OPENERS, OPENER_WEIGHTS)[0] + chain(made["path"]) if rng.random() < CHAIN_SHARE else ""
    answer = {"role": "assistant", "content": made["path"][-1], "reasoning_content": thought}
    whole = tokenizer.apply_chat_template([user, answer], tokenize=False).removesuffix("\n")
    # That a thought is empty is not learned: left to itself, the model writes one.
    start = whole.index(f"{OPEN}\n") + len(f"{OPEN}\n") if thought else whole.index(CLOSE) + len(CLOSE)
    return whole[:start], whole[start:]


def train(tokenizer: Any, n_steps: tuple[int, int], n_rows: int, rate: float, seed: int, device: str) -> Any:
    """The network from random weights, in float32: on walks, then on answers; loss on what is learned alone."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    network = make_network(tokenizer).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), rate, betas=(0.9, 0.98), weight_decay=0.01)
    started = time.monotonic()
    for step in range(sum(n_steps)):
        make = walks if step < n_steps[0] else example
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 100, 1.05 - step / sum(n_steps))
        ids, labels = batch([make(rng, tokenizer) for _ in range(n_rows)], tokenizer, device)
        logits = network(input_ids=ids[:, :-1], use_cache=False).logits
        loss = functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0 or step == sum(n_steps) - 1:
            print(f"{make.__name__} {step:5d}  loss {loss.item():.3f}  {time.monotonic() - started:.0f} s", flush=True)
    return network.eval()


def batch(texts: list[tuple[str, str]], tokenizer: Any, device: str) -> tuple[Tensor, Tensor]:
    """(rows, longest) ids, and labels that are -100 in what is given and in the padding."""
    given, rest = (tokenizer(list(part), add_special_tokens=False)["input_ids"] for part in zip(*texts, strict=True))
    width = max(len(a) + len(b) for a, b in zip(given, rest, strict=True))
    ids = torch.full((len(texts), width), tokenizer.pad_token_id)
    labels = torch.full((len(texts), width), -100)
    for row, (a, b) in enumerate(zip(given, rest, strict=True)):
        ids[row, : len(a) + len(b)] = torch.tensor(a + b)
        labels[row, len(a) : len(a) + len(b)] = torch.tensor(b)
    return ids.to(device), labels.to(device)


def save(network: Any, tokenizer: Any, folder: Path) -> None:
    """bfloat16 safetensors, config and tokenizer in the layout that transformers 4 and 5 both read."""
    network.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    network.to("cpu", torch.bfloat16).save_pretrained(folder)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": END,
        "pad_token": PAD,
        "model_max_length": MAX_LENGTH,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def write_task(folder: Path) -> None:
    rng = random.Random("test items")
    rows = [document(rng) for _ in range(N_ITEMS)]
    lines = (json.dumps({key: row[key] for key in ("question", "choices", "answer")}) + "\n" for row in rows)
    (folder / "letter_steps.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--steps", type=int, nargs=2, default=(450, 250), help="on walks, on answers")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    network = train(tokenizer, tuple(args.steps), args.rows, args.rate, args.seed, args.device)
    print(f"{sum(p.numel() for p in network.parameters()):,} parameters")
    save(network, tokenizer, args.out)
    write_task(args.out)


if __name__ == "__main__":
    main()
