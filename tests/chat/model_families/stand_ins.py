"""Small tokenizers that stand in for the families' own, trained on a few lines: nothing is downloaded.

They cut text as the real ones do (a byte-level BPE; a SentencePiece-style BPE with `▁` for a space), and have the
family's marks, BOS and EOS as added tokens. Their other tokens are their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

TEXTS = [
    "red sky green tea blue ink red green blue",
    *("red", "green", "blue"),
    "sky red, sky tea green, tea ink blue.",
    "One? Two? Three? Be brief.",
    "One Two Three Be brief user assistant system model a helpful",
]
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Llama 3's and Qwen's tokenizers cut text: line breaks stay together, a space goes with the word behind it."""

KINDS = ("bytes", "pieces", "pieces-bare", "pieces-legacy")
"""bytes: byte-level BPE. pieces: SentencePiece-style, `▁` before the text's first word (Llama 2, Mistral). pieces-bare:
without that (Gemma). pieces-legacy: `▁` also before what follows an added token, as tokenizers made with `legacy=True`
have it (Zephyr, Vicuna)."""


def stand_in(
    kind: str,
    special: Sequence[str],
    added: Sequence[str] = (),
    *,
    bos: str | None = None,
    eos: str,
    adds_bos: bool = False,
    rstrip: Sequence[str] = (),
) -> PreTrainedTokenizerFast:
    """A tokenizer of that kind with these marks. special, added: added tokens that are special, and that are not.

    adds_bos: whether it puts BOS before a plain text. rstrip: marks that swallow the whitespace behind them.
    """
    backend = Tokenizer.from_str(_trained(kind))
    marks = list(dict.fromkeys([*([bos] if bos else []), eos, *special]))
    backend.add_special_tokens([AddedToken(mark, normalized=False, rstrip=mark in rstrip) for mark in marks])
    backend.add_tokens([AddedToken(mark, normalized=False) for mark in added])
    if adds_bos and bos:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, backend.token_to_id(bos))]
        )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=bos, eos_token=eos)


@cache
def _trained(kind: str) -> str:
    """The tokenizer without marks, as JSON."""
    if kind == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_WORDS), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        texts, alphabet, unknown = [*TEXTS, "\n\n"], pre_tokenizers.ByteLevel.alphabet(), []
    else:
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="never")
        # Line breaks stand in no text, so that no token crosses one, as in SentencePiece models.
        texts, alphabet, unknown = TEXTS, [*map(chr, range(33, 127)), "\n", "▁"], ["<unk>"]
    trainer = trainers.BpeTrainer(
        vocab_size=450, special_tokens=unknown, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts * 8, trainer)
    if kind == "pieces":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    elif kind == "pieces-legacy":
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(?!)"), "isolated")
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return str(tokenizer.to_str())
