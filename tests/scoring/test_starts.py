"""Texts that start alike are tokenized once up to there: the same tokens as of whole texts, or no cut at all."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from families import OLD_MASKS
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from calibaudit.scoring import encode
from calibaudit.scoring.encode import Encoder

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""What cuts text into words for Llama 3 and, but for how many digits, Qwen: read in their tokenizer.json."""

PARTS = [
    "Question",
    " a",
    "it's",
    "\n",
    "\n\n",
    " \n",
    "\r\n",
    "\t",
    " ",
    "  ",
    "é",
    "e\u0301",
    "12345",
    "?!",
    ":",
    "A.",
]


def words_of(name: str) -> Any:
    if name == "gpt2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    if name == "prefix space":
        return pre_tokenizers.ByteLevel(add_prefix_space=True)
    pattern = r"\s?\p{L}+|\s+|[^\s\p{L}]+" if name == "glued" else LLAMA_3
    cut = pre_tokenizers.Split(Regex(pattern), "isolated")
    return pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def tokenizer_of(name: str, *, bos: bool = True) -> PreTrainedTokenizerFast:
    """Byte-level BPE, trained on the parts side by side, so that words merge across everything that may touch."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = words_of(name)
    tokenizer.decoder = decoders.ByteLevel()
    if name == "nfc":
        tokenizer.normalizer = normalizers.NFC()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["".join(pair) for pair in product(PARTS, repeat=3)], trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def made_texts(seed: int) -> list[str]:
    """Prompts behind two sets of examples, each alone and with three answers; the parts meet in every way."""
    rng = np.random.default_rng(seed)

    def some(n: int) -> str:
        return "".join(rng.choice(PARTS, n))

    shots = [some(25) + end for end in ("\n\n", "\n")]
    prompts = [shot + "Question: " + some(12) for shot in shots for _ in range(8)]
    return [prompt + answer for prompt in prompts for answer in ("", " A", "\nAnswer", "\n")]


@pytest.mark.parametrize("name", ["gpt2", "llama 3", "nfc", "glued", "prefix space"])
def test_tokens_are_those_of_whole_texts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "LEAST_START", 10)
    backend = tokenizer_of(name).backend_tokenizer
    n_cut = 0
    for seed in range(20):
        texts = made_texts(seed)
        whole = [found.ids for found in backend.encode_batch(texts)]
        if name != "prefix space":
            assert encode._fast_ids(backend, texts, True, 3) == whole
        n_cut += len(encode._starts(backend, texts))
    assert n_cut > 800 or name == "glued"


def test_a_word_that_takes_the_line_before_it_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "LEAST_START", 10)
    texts = [f"What is it?\nIt is a cat.\nQuestion {i}" for i in range(3)]
    cuts = {
        name: set(encode._starts(tokenizer_of(name).backend_tokenizer, texts).values()) for name in ("gpt2", "glued")
    }
    assert cuts == {"gpt2": {len("What is it?\nIt is a cat.\n")}, "glued": set()}


@pytest.mark.skipif(OLD_MASKS, reason="this version of tokenizers does not put a space before a rest")
def test_a_tokenizer_that_is_not_what_it_seems_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """One puts a space before every text: its rests would begin otherwise than in the text."""
    monkeypatch.setattr(encode, "LEAST_START", 10)
    tokenizer = tokenizer_of("prefix space")
    texts = made_texts(0)
    assert (
        encode._fast_ids(tokenizer.backend_tokenizer, texts, False, 3)
        != tokenizer(texts, add_special_tokens=False)["input_ids"]
    )
    encoder = Encoder(tokenizer, 0, 4096)
    found = encoder.contexts([(text, True) for text in texts])
    assert [list(tokens) for tokens in found] == tokenizer(texts)["input_ids"]


@pytest.mark.parametrize("fault", ["unigram", "no words", "a token over lines", "lower case"])
def test_only_tokenizers_that_merge_within_words_are_cut(fault: str) -> None:
    tokenizer = tokenizer_of("gpt2", bos=False)
    encoder = Encoder(tokenizer, 0, 4096)
    backend = tokenizer.backend_tokenizer
    assert encoder._cuts_at_lines(backend)
    if fault == "unigram":
        backend.model = models.Unigram([("<unk>", 0.0), ("a", -1.0)], 0, False)
    elif fault == "no words":
        backend.pre_tokenizer = None
    elif fault == "lower case":
        backend.normalizer = normalizers.Lowercase()
    else:
        tokenizer.add_tokens(["\nQ"])
    assert not encoder._cuts_at_lines(backend)
