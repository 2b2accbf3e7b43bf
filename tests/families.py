"""Tiny random models of the families that are scored, and a tokenizer trained on the spot. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

VERSION = tuple(int(part) for part in transformers.__version__.split(".")[:2])
OLD_MASKS = VERSION < (4, 53)
"""Masks of two axes are taken by fewer networks: not by Gemma 2 and 3, nor by GPT-2."""
COPIES_STATES = VERSION >= (5,)
"""Whether a recurrent layer's state can be copied for each choice."""
AS_STORED = {"dtype" if VERSION >= (4, 56) else "torch_dtype": "auto"}
"""What from_pretrained is told for the dtype of the files."""

VOCAB = 131  # odd, and larger than the tokenizer's: real checkpoints pad theirs
WINDOW = 12  # wide enough for the tokens on which loading proves its claims
MAX_LENGTH = 96

_BASE = {"vocab_size": VOCAB, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
_LLAMA = _BASE | {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": MAX_LENGTH,
}  # fmt: skip
_GPT2 = _BASE | {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": MAX_LENGTH}
_GEMMA = _LLAMA | {"sliding_window": WINDOW, "query_pre_attn_scalar": 8, "num_hidden_layers": 3}
_FALCON = _BASE | {
    "model_type": "falcon", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": MAX_LENGTH,
}  # fmt: skip

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": _LLAMA | {"model_type": "llama", "tie_word_embeddings": False},
    "llama-tied": _LLAMA | {"model_type": "llama", "tie_word_embeddings": True},
    "gemma2": _GEMMA | {"model_type": "gemma2", "final_logit_softcapping": 3.0, "attn_logit_softcapping": 5.0},
    "gemma3": _GEMMA | {"model_type": "gemma3_text", "final_logit_softcapping": 3.0, "sliding_window_pattern": 2},
    "qwen2": _LLAMA | {"model_type": "qwen2"},
    "qwen2-window": _LLAMA
    | {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
    "qwen3": _LLAMA | {"model_type": "qwen3", "tie_word_embeddings": True},
    "mistral": _LLAMA | {"model_type": "mistral", "sliding_window": WINDOW},
    "gpt2": _GPT2 | {"model_type": "gpt2"},
    "gpt-neox": _LLAMA | {"model_type": "gpt_neox"},
    "phi3": _LLAMA | {"model_type": "phi3", "sliding_window": WINDOW},
    "phi": _LLAMA | {"model_type": "phi"},
    "gptj": _GPT2 | {"model_type": "gptj", "rotary_dim": 4, "tie_word_embeddings": False},
    "cohere": _LLAMA | {"model_type": "cohere", "logit_scale": 0.25},
    "granite": _LLAMA | {"model_type": "granite", "logits_scaling": 3.0, "residual_multiplier": 0.5},
    "opt": _LLAMA | {"model_type": "opt", "ffn_dim": 48, "word_embed_proj_dim": 32, "pad_token_id": 2},
    "bloom": _BASE | {"model_type": "bloom", "hidden_size": 32, "n_layer": 2, "n_head": 4, "seq_length": MAX_LENGTH},
    "falcon": _FALCON,
    "falcon-alibi": _FALCON | {"alibi": True},
    "mpt": _BASE | {"model_type": "mpt", "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": MAX_LENGTH},
}

_MAMBA2 = {"mamba_d_state": 8, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_chunk_size": 16, "mamba_n_groups": 1}
_EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}

LAYERED: dict[str, dict[str, Any]] = {
    "gpt-oss": _LLAMA
    | _EXPERTS
    | {"model_type": "gpt_oss", "sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]},
    "llama4": _LLAMA
    | _EXPERTS
    | {"model_type": "llama4_text", "attention_chunk_size": WINDOW, "intermediate_size_mlp": 48}
    | {
        "layer_types": ["chunked_attention", "full_attention"],
        "no_rope_layers": [1, 0],
        "interleave_moe_layer_step": 2,
    },
    "qwen3-next": _LLAMA
    | _EXPERTS
    | {"model_type": "qwen3_next", "shared_expert_intermediate_size": 16, "linear_num_key_heads": 2}
    | {"linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
    | {"layer_types": ["linear_attention", "full_attention"]},
    "granite-hybrid": _LLAMA
    | _EXPERTS
    | _MAMBA2
    | {"model_type": "granitemoehybrid", "layer_types": ["linear_attention", "full_attention"]}
    | {"shared_intermediate_size": 16},
    "falcon-h1": _LLAMA | _MAMBA2 | {"model_type": "falcon_h1", "mamba_d_ssm": 64},
    "bamba": _LLAMA | _MAMBA2 | {"model_type": "bamba", "attn_layer_indices": [1]},
    "jamba": _LLAMA
    | {"model_type": "jamba", "mamba_d_state": 8, "mamba_dt_rank": 4, "num_experts": 2, "num_experts_per_tok": 1}
    | {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1}
    | {"use_mamba_kernels": False},
    "lfm2": _LLAMA | {"model_type": "lfm2", "layer_types": ["conv", "full_attention"]},
}
"""Families whose layers are of two kinds: full attention and local, or full attention and a recurrent state."""

WINDOWED = ("gemma2", "gemma3", "qwen2-window", "mistral", "phi3")
UNSHARED = ("bloom", "falcon-alibi", "mpt")  # their positions are columns: nothing may stand between a row's tokens
HYBRID = ("qwen3-next", "granite-hybrid", "falcon-h1", "bamba", "jamba", "lfm2")
BIASED = ("phi", "gptj")


def config_of(kind: str, **settings: Any) -> Any:
    """A config of a model type. Skips the test where an older transformers does not know it; 5 knows all of ours."""
    try:
        return AutoConfig.for_model(kind, **settings)
    except ValueError:
        if VERSION >= (5,):
            raise
        pytest.skip(f"transformers {transformers.__version__} does not know {kind}")


def skip_old_llama4(kind: str) -> None:
    if kind == "llama4" and OLD_MASKS:
        pytest.skip(f"Llama 4 fails on rows beyond its window and batches in transformers {transformers.__version__}")


def tiny_network(family: str, seed: int = 0, **changes: Any) -> Any:
    """A random network in float32, eval mode, with weights large enough that positions and windows matter."""
    settings = (FAMILIES | LAYERED)[family] | changes
    config = config_of(settings.pop("model_type"), **settings)
    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("A_log"):  # states that last: those that die at once would show nothing
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5 - 1.5)
            elif parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 2.5 / parameter.shape[-1] ** 0.5)
            elif name.endswith("bias"):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return network.eval()


def tiny_tokenizer(n_tokens: int = 120, *, special: bool = True) -> Any:
    """A byte-level BPE of `n_tokens` over a few sentences; ids 0 and 1 are BOS and EOS unless special is false."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=n_tokens, special_tokens=["<s>", "</s>"] if special else [], show_progress=False
    )
    tokenizer.train_from_iterator(
        ["the cat sat on the mat", "a dog ran to the red house", "Answer: A B C D"] * 20, trainer
    )
    names = {"bos_token": "<s>", "eos_token": "</s>"} if special else {}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def save_tiny(
    folder: Path, family: str = "llama", *, seed: int = 0, network: Any = None, vocab_size: int = VOCAB, **options: Any
) -> Path:
    """A loadable checkpoint folder. options go to save_pretrained."""
    (network or tiny_network(family, seed, vocab_size=vocab_size)).save_pretrained(folder, **options)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def byte_tokenizer(
    texts: Sequence[str],
    vocab_size: int,
    special_tokens: Sequence[str] = ("<s>", "</s>"),
    *,
    bos: bool = False,
    eos_after: bool = False,
    merge_spaces: bool = False,
) -> PreTrainedTokenizerFast:
    """A byte-level BPE trained on texts; special_tokens begin with <s> and </s>.

    bos, eos_after: tokens that it puts around a text. merge_spaces: tokens cross words.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not merge_spaces)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if bos or eos_after:
        single = ("<s> " if bos else "") + "$A" + (" </s>" if eos_after else "")
        tokenizer.post_processor = processors.TemplateProcessing(
            single=single, special_tokens=[("<s>", 0), ("</s>", 1)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
