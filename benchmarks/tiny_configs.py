"""A small configuration of any family that transformers knows: its default one, with every size that is a size cut.

What a family calls its sizes is looked up by name; what then still does not fit together is settled in `OWN`, family by
family. Layers of each kind that the default has stay, in its order.
"""

from __future__ import annotations

from typing import Any

VOCAB = 131
WINDOW = 24
MAX_LENGTH = 512

_SIZES: dict[str, Any] = {
    "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": MAX_LENGTH, "sliding_window": WINDOW,
    "attention_chunk_size": WINDOW, "d_model": 32, "n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": MAX_LENGTH,
    "n_ctx": MAX_LENGTH, "num_layers": 4, "n_layers": 4, "n_heads": 4, "num_heads": 4, "max_seq_len": MAX_LENGTH,
    "decoder_layers": 2, "encoder_layers": 2, "decoder_attention_heads": 4, "encoder_attention_heads": 4,
    "decoder_ffn_dim": 48, "encoder_ffn_dim": 48, "ffn_dim": 48, "ffn_hidden_size": 48, "seq_length": MAX_LENGTH,
    "moe_intermediate_size": 16, "num_experts": 4, "n_routed_experts": 4, "num_local_experts": 4,
    "num_experts_per_tok": 2, "num_experts_per_token": 2, "moe_num_experts": 4, "moe_topk": 2, "n_group": 1,
    "topk_group": 1, "shared_expert_intermediate_size": 16, "shared_intermediate_size": 16, "moe_k": 2,
    "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "kv_lora_rank": 16, "q_lora_rank": 16,
    "qk_head_dim": 16, "linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2,
    "linear_num_value_heads": 4, "linear_head_dim": 8, "linear_num_heads": 4, "index_head_dim": 16, "index_topk": 2048,
    "index_n_heads": 2, "mamba_d_state": 8, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_chunk_size": 16,
    "mamba_dt_rank": 4, "mamba_n_groups": 1, "state_size": 8, "chunk_size": 16, "n_groups": 1, "time_step_rank": 4,
    "ssm_state_size": 8, "mamba_num_heads": 8, "mamba_head_dim": 8, "mamba_headdim": 8, "n_mamba_heads": 8,
    "mamba_d_ssm": 64, "rotary_dim": 4, "query_pre_attn_scalar": 8, "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": VOCAB, "laurel_rank": 8, "num_kv_shared_layers": 0, "intermediate_size_mlp": 48,
    "embedding_size": 32, "word_embed_proj_dim": 32, "lru_width": 32, "attention_window_size": WINDOW,
    "window_size": WINDOW, "attention_hidden_size": 32, "kv_channels": 8, "num_kv_heads": 2, "adapter_rank": 8,
    "attention_head_dim": 8, "first_k_dense_replace": 1, "num_dense_layers": 1, "dim_head": 8, "dim_ff": 48, "dff": 48,
    "shared_experts_intermediate_size": 16, "expert_ffn_hidden_size": 16, "attn_layer_period": 2,
    "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1, "layers_block_type": None,
    "original_max_position_embeddings": MAX_LENGTH, "context_length": MAX_LENGTH, "d_inner": 48, "d_head": 8,
    "emb_dim": 32, "attention_heads": 4, "d_ff": 48, "sliding_window_size": WINDOW, "swa_num_attention_heads": 4,
    "swa_num_key_value_heads": 2, "swa_head_dim": 8, "unpadded_vocab_size": VOCAB, "decoder_vocab_size": VOCAB,
    "attention_head_size": 8, "feed_forward_size": 48, "input_embedding_size": 32, "output_embedding_size": 32,
    "local_attention": WINDOW, "global_head_dim": 8, "conv_dim": 32, "block_ff_dim": 48, "router_hidden_size": 16,
    "dense_intermediate_size": 48, "num_encoder_layers": 2, "num_decoder_layers": 2, "num_decoder_attention_heads": 4,
    "num_encoder_attention_heads": 4, "max_target_positions": MAX_LENGTH, "num_mel_bins": 8, "num_blocks": 4,
    "embedding_dim": 32, "moe_shared_expert_intermediate_size": 16, "zero_expert_num": 2, "o_lora_rank": 16,
    "o_groups": 2, "index_block_size": 8, "num_query_groups": 2, "d_rel": 8, "rel_extent": 16,
}  # fmt: skip

_ROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}}
_CONV = {"layer_types": ["conv", "full_attention"] * 2, "full_attn_idxs": None}
_MAMBA = ["linear_attention", "full_attention"] * 2

OWN: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1, 3]},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "rope_parameters": {
            k: _ROPE["rope_parameters"] | {"mrope_section": [2, 1, 1]} for k in ("full_attention", "sliding_attention")
        },
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_shared_experts": 1},
    "falcon_h1": {"mamba_d_ssm": 64},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granitemoehybrid": {"layer_types": _MAMBA},
    "hunyuan_v1_dense": _ROPE | {"head_dim": 8},
    "hunyuan_v1_moe": _ROPE | {"head_dim": 8},
    "lfm2": _CONV,
    "lfm2_moe": _CONV,
    "mamba2": {"num_heads": 4, "head_dim": 16},
    "ministral": {"head_dim": 8},
    "mistral": {"num_hidden_layers": 3},
    "nemotron": {"num_key_value_heads": 2, "head_dim": 8},
    "prophetnet": {"num_hidden_layers": None},
    "reformer": {"axial_pos_shape": [16, 32], "axial_pos_embds_dim": [16, 16]},
    "rwkv": {"attention_hidden_size": 32},
    "zamba": {"attention_hidden_size": 64, "attention_head_dim": 16, "n_mamba_heads": 2},
    "zamba2": {"attention_hidden_size": 64, "attention_head_dim": 16, "hybrid_layer_ids": [1, 3]},
    "zaya": {"num_experts_per_tok": 1},
}
"""Settings that a family needs beside `_SIZES`; None takes a setting of `_SIZES` away."""


_WINDOWS = [name for name, value in _SIZES.items() if value == WINDOW]
_LENGTHS = [name for name, value in _SIZES.items() if value == MAX_LENGTH]


def tiny_config(family: str, window: int = WINDOW, max_length: int = MAX_LENGTH) -> Any:
    """The family's configuration, tiny, its local windows and its context that many tokens wide.

    Raises what its own class raises where the sizes do not fit together.
    """
    from transformers import CONFIG_MAPPING

    kind = CONFIG_MAPPING[family]
    default = kind()
    inner = default.get_text_config()
    if inner is default:
        return kind(**_settings(family, default, window, max_length))
    name = next(name for name in default.sub_configs if getattr(default, name, None) is inner)
    return kind(**{name: type(inner)(**_settings(family, inner, window, max_length)).to_dict()})


def _settings(family: str, default: Any, window: int, max_length: int) -> dict[str, Any]:
    own = OWN.get(family, {})
    wanted = _SIZES | dict.fromkeys(_WINDOWS, window) | dict.fromkeys(_LENGTHS, max_length)
    sizes = {name: value for name, value in wanted.items() if _has(default, name) and value is not None} | own
    if _has(default, "kv_lora_rank"):  # latent attention has as many keys as queries
        sizes["num_key_value_heads"] = sizes["num_attention_heads"]
    sizes |= {
        f"{kind}_token_id": i for i, kind in enumerate(("bos", "eos", "pad")) if _has(default, f"{kind}_token_id")
    }
    if _has(default, "is_decoder"):
        sizes["is_decoder"] = True
    kinds = getattr(default, "layer_types", None)
    if kinds and "layer_types" not in own and _has(default, "layer_types"):
        each = list(dict.fromkeys(kinds))
        kept = [*each, *each][: max(4, len(each))]
        sizes |= {"layer_types": kept, "num_hidden_layers": len(kept)}
    listed = getattr(default, "mlp_layer_types", None)
    if listed and "mlp_layer_types" not in own:
        n = sizes.get("num_hidden_layers", 4)
        sizes["mlp_layer_types"] = [*list(dict.fromkeys(listed)), *[listed[-1]] * n][:n]
    return {name: value for name, value in sizes.items() if value is not None}


def _has(config: Any, name: str) -> bool:
    """Whether the setting can be given: the default config has a value for it, and takes another."""
    own = getattr(type(config), config.attribute_map.get(name, name), None)
    if isinstance(own, property) and own.fset is None:
        return False
    try:
        return getattr(config, name, None) is not None
    except RuntimeError:  # layers differ in it
        return False
