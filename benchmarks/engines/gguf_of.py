"""Writes a small Llama checkpoint as a float32 GGUF file, for engines that read nothing else (see server.py beside it).

    python benchmarks/engines/gguf_of.py FOLDER OUT.gguf

Needs the package `gguf`. Takes Llamas with a byte-level BPE tokenizer of GPT-2's pattern, as the bundled pair is; any
other is refused. What stands where in such a file: the specification in the repository of ggml (docs/gguf.md) and the
constants of the package itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gguf
import numpy as np
from safetensors.torch import load_file

NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def halves_interleaved(weight: np.ndarray, n_heads: int) -> np.ndarray:
    """Rows of a query or key projection in the order in which ggml's rotary embedding pairs them: neighbours, where
    transformers pairs the first half of a head with the second. weight: (heads * size, width).
    """
    rows, width = weight.shape
    return weight.reshape(n_heads, 2, rows // n_heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def main(folder: Path, out: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    pre = tokenizer.get("pre_tokenizer") or {}
    if config["model_type"] != "llama" or pre.get("type") != "ByteLevel" or not pre.get("use_regex", True):
        raise SystemExit(f"{folder}: not a Llama with a byte-level BPE tokenizer of GPT-2's pattern")
    writer = gguf.GGUFWriter(str(out), "llama")
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_vocab_size(config["vocab_size"])
    add_tokenizer(writer, config, tokenizer)
    for name, tensor in load_file(folder / "model.safetensors").items():
        weight = tensor.float().numpy()
        path = name.removeprefix("model.").removesuffix(".weight")
        if path == "embed_tokens":
            target = "token_embd"
        elif path == "norm":
            target = "output_norm"
        elif path == "lm_head":
            target = "output"
        else:
            _, layer, part = path.split(".", 2)
            if part in ("self_attn.q_proj", "self_attn.k_proj"):
                weight = halves_interleaved(weight, heads if part.endswith("q_proj") else kv_heads)
            target = f"blk.{layer}.{NAMES[part]}"
        writer.add_tensor(f"{target}.weight", np.ascontiguousarray(weight))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_tokenizer(writer: gguf.GGUFWriter, config: dict, tokenizer: dict) -> None:
    """Tokens, their kinds and the merges; a BOS goes before each text, as the checkpoint's own tokenizer puts one."""
    special = {entry["id"]: entry["content"] for entry in tokenizer["added_tokens"]}
    by_id = {number: token for token, number in tokenizer["model"]["vocab"].items()} | special
    n = config["vocab_size"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([by_id.get(i, f"<unused{i}>") for i in range(n)])
    kinds = [gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL for i in range(n)]
    writer.add_token_types([kind if i in by_id else gguf.TokenType.UNUSED for i, kind in enumerate(kinds)])
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
