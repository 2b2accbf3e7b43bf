"""A random Llama of Llama 3.2 1B's shape, a tokenizer for it, and items as long as those of ARC, HellaSwag and MMLU.

The words are those of the bundled tasks' files, in their frequencies; how many stand in a context and in a choice is
drawn from a gamma distribution with the mean and deviation of the real ones: ARC-Challenge's test (1,172 items: 24.6
and 14.3 words, choices 5.0 and 3.3) and 1,000 items of HellaSwag (37.6 and 14.8, endings 24.0 and 12.0). Letters are
ARC's questions with their choices listed, behind five examples.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from calibaudit.tasks.items import Item, Task

ROOT = Path(__file__).resolve().parents[1]
VOCABULARY = 128_256
TOKENS = 3_000
"""Of the tokenizer: so few that a word is 1.3 of them, as English text is for Llama 3's."""


def texts() -> list[str]:
    """The bundled tasks' lines, without what marks them as JSON."""
    lines = [line for path in sorted((ROOT / "tasks").glob("*.jsonl")) for line in path.read_text().splitlines()]
    return [" ".join(re.findall(r"[A-Za-z]+", line)) for line in lines]


class Words:
    """Draws words, so many as a gamma distribution says, at least one."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._words = np.array(" ".join(texts()).split())

    def some(self, mean: float, deviation: float) -> str:
        n = max(1, round(self._rng.gamma((mean / deviation) ** 2, deviation**2 / mean)))
        return " ".join(self._rng.choice(self._words, n))

    def one_of(self, n: int) -> int:
        return int(self._rng.integers(n))


def made_tasks(limit: int) -> list[Task]:
    """cloze as ARC, cloze as HellaSwag, letters behind five examples; `limit` items each, four choices."""
    words = Words(0)

    def choices(mean: float, deviation: float) -> tuple[str, ...]:
        found: dict[str, None] = {}
        while len(found) < 4:
            found[words.some(mean, deviation)] = None
        return tuple(found)

    def question() -> str:
        return f"Question: {words.some(24.6, 14.3)}"

    def listed() -> str:
        return "\n".join(
            [question(), *(f"{x}. {c}" for x, c in zip("ABCD", choices(5.0, 3.3), strict=True)), "Answer:"]
        )

    arc = [Item(f"arc{i}", f"{question()}\nAnswer:", choices(5.0, 3.3), words.one_of(4)) for i in range(limit)]
    swag = [Item(f"swag{i}", words.some(37.6, 14.8), choices(24.0, 12.0), words.one_of(4)) for i in range(limit)]
    shots = "".join(f"{listed()} {'ABCD'[words.one_of(4)]}\n\n" for _ in range(5))
    letters = [Item(f"letters{i}", shots + listed(), tuple("ABCD"), words.one_of(4)) for i in range(limit)]
    return [
        Task("ARC cloze", "1", "cloze", tuple(arc)),
        Task("HellaSwag", "1", "cloze", tuple(swag)),
        Task("letters, 5 shots", "1", "letter", tuple(letters)),
    ]


def save_tokenizer(folder: Path) -> Any:
    """Byte-level BPE, trained on the words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(texts(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)
    return fast


def save_llama(folder: Path, *, small: bool = False) -> str:
    """1.24 B parameters in bfloat16, tied, and the tokenizer; small: 30 M, to try the script on."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        network = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=VOCABULARY,
                hidden_size=128 if small else 2_048,
                intermediate_size=512 if small else 8_192,
                num_hidden_layers=2 if small else 16,
                num_attention_heads=2 if small else 32,
                num_key_value_heads=1 if small else 8,
                head_dim=64,
                max_position_embeddings=8_192,
                rope_theta=500_000.0,
                tie_word_embeddings=True,
                bos_token_id=0,
                eos_token_id=1,
            )
        )
    network.to(torch.bfloat16).save_pretrained(folder)
    save_tokenizer(folder)
    return str(folder)
