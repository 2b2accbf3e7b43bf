"""What the entries of a checkpoint's settings may be, looked at before transformers reads them.

transformers takes most entries as they come: a list where a number belongs ends somewhere inside it, a million layers
are a million objects. Only entries that are known are looked at, and null is no value; families have their own besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calibaudit.errors import ModelError
from calibaudit.files.text import json_value, one_line

_TEXT = "text"
_WHOLE = "a whole number from 0"
_WHOLES = "a whole number from 0, or a list of them"
_NUMBER = "a number"
_IDS = "a token id, or a list of them"
_SWITCH = "true or false"
_OBJECT = "an object"
_TEXTS = "a list of strings"
_TOKEN = "text, or an object with content"
_TOKENS = "a list or an object of tokens"
_NAMES = "text, or a list of strings"

MOST_LAYERS = 10_000
MOST_ROWS = 100_000_000
_MOST = {
    **dict.fromkeys(("num_hidden_layers", "n_layer", "num_layers", "n_layers"), MOST_LAYERS),
    **dict.fromkeys(("vocab_size", "hidden_size", "n_embd", "d_model", "intermediate_size", "n_inner"), MOST_ROWS),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads", "n_head", "head_dim"), 1_000_000),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 1_000_000),
}
_LARGEST = 2**40
"""Of what has no limit of its own; positions and the like."""

_TOKEN_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
_SPECIAL = {
    **dict.fromkeys(_TOKEN_NAMES, _TOKEN),
    "additional_special_tokens": _TOKENS,
    "extra_special_tokens": _TOKENS,
}

KINDS: Mapping[str, Mapping[str, str]] = {
    "config.json": {
        **dict.fromkeys(("model_type", "hidden_act", "torch_dtype", "dtype", "transformers_version"), _TEXT),
        "architectures": _TEXTS,
        **dict.fromkeys(("vocab_size", "num_hidden_layers", "n_layer", "hidden_size", "n_embd", "d_model"), _WHOLE),
        **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "num_layers"), _WHOLE),
        **dict.fromkeys(("num_attention_heads", "num_key_value_heads", "n_head", "head_dim", "n_layers"), _WHOLES),
        **dict.fromkeys(("intermediate_size", "n_inner", "num_experts"), _WHOLES),
        **dict.fromkeys(("num_local_experts", "n_routed_experts"), _WHOLES),
        **dict.fromkeys(_TOKEN_IDS, _IDS),
        **dict.fromkeys(("tie_word_embeddings", "is_encoder_decoder", "use_cache"), _SWITCH),
        **dict.fromkeys(("text_config", "llm_config", "vision_config", "audio_config"), _OBJECT),
        **dict.fromkeys(("quantization_config", "compression_config", "rope_scaling", "rope_parameters"), _OBJECT),
        **dict.fromkeys(("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "initializer_range"), _NUMBER),
        **dict.fromkeys(("rope_theta", "attention_dropout", "final_logit_softcapping", "logit_scale"), _NUMBER),
        "layer_types": _TEXTS,
        "auto_map": _OBJECT,
    },
    "tokenizer_config.json": {
        **_SPECIAL,
        "tokenizer_class": _TEXT,
        "model_max_length": _NUMBER,
        "added_tokens_decoder": _OBJECT,
        **dict.fromkeys(("add_bos_token", "add_eos_token", "add_prefix_space"), _SWITCH),
        **dict.fromkeys(("clean_up_tokenization_spaces", "legacy"), _SWITCH),
        **dict.fromkeys(("padding_side", "truncation_side"), _TEXT),
        "chat_template": "text, or a list or an object of named templates",
    },
    "special_tokens_map.json": _SPECIAL,
    "generation_config.json": {
        **dict.fromkeys(_TOKEN_IDS, _IDS),
        **dict.fromkeys(("max_length", "max_new_tokens", "min_length", "top_k", "num_beams"), _WHOLE),
        **dict.fromkeys(("temperature", "top_p", "repetition_penalty"), _NUMBER),
        **dict.fromkeys(("do_sample", "use_cache"), _SWITCH),
        "transformers_version": _TEXT,
    },
    "adapter_config.json": {
        **dict.fromkeys(("peft_type", "task_type", "base_model_name_or_path", "revision"), _TEXT),
        "r": _WHOLE,
        **dict.fromkeys(("lora_alpha", "lora_dropout"), _NUMBER),
        **dict.fromkeys(("target_modules", "exclude_modules"), _NAMES),
        "modules_to_save": _TEXTS,
        **dict.fromkeys(("rank_pattern", "alpha_pattern"), _OBJECT),
        "layers_to_transform": _WHOLES,
        **dict.fromkeys(("use_dora", "use_rslora", "fan_in_fan_out", "inference_mode"), _SWITCH),
    },
    "chat_template.json": {"chat_template": _TEXT},
}


def check_settings(name: str, file: str, settings: Mapping[str, Any]) -> None:
    """Raises ModelError naming the checkpoint, the file, the entry and its value for one of another kind, or too large.

    settings: of the file, those of a wrapper's inner models too.
    """
    kinds = KINDS.get(file, {})
    inner: Sequence[tuple[str, Any]] = [("", settings)]
    if file == "config.json":
        inner = [*inner, *((f"{key}.", settings.get(key)) for key in ("text_config", "llm_config"))]
    for prefix, entries in inner:
        for key, value in entries.items() if isinstance(entries, Mapping) else ():
            wanted = kinds.get(key)
            if wanted is not None and value is not None and not _is(wanted, value):
                raise ModelError(f"{name}: {file}: {prefix}{key}: expected {wanted}, found {json_value(value)}")
            most = _MOST.get(key, _LARGEST) if wanted in (_WHOLE, _WHOLES) else None
            for number in [] if most is None or value is None else value if isinstance(value, list) else [value]:
                if number > most:
                    raise ModelError(
                        f"{name}: {file}: {prefix}{key} is {_shown(number)}; {most:,} is the most that any model has"
                    )


def check_fits(name: str, settings: Mapping[str, Any], n_tensors: int, n_bytes: int) -> None:
    """Raises ModelError where config.json describes more than the weight files can hold: nothing is made for it then.

    settings: config.json's, with its text model's over them. n_tensors, n_bytes: of the weight files. A weight may be
    packed into half a byte, and no layer is without a tensor.
    """
    layers = next((settings[key] for key in ("num_hidden_layers", "n_layer") if settings.get(key)), 0)
    if layers > n_tensors:
        raise ModelError(
            f"{name}: config.json has {layers:,} layers, and the weight files hold {n_tensors:,} tensors; they do not "
            "belong together"
        )
    width = next((settings[key] for key in ("hidden_size", "n_embd", "d_model") if settings.get(key)), 0)
    for key in ("vocab_size", "n_positions"):
        rows = settings.get(key) or 0
        if rows > 1_000_000 and rows * width > 8 * n_bytes:
            raise ModelError(
                f"{name}: config.json says {key} {rows:,} and a width of {width:,}, which is more than the "
                f"{n_bytes:,} bytes of the weight files hold; they do not belong together"
            )


def _is(wanted: str, value: Any) -> bool:
    if wanted == _TEXT:
        return isinstance(value, str)
    if wanted == _WHOLE:
        return _is_whole(value)
    if wanted == _WHOLES:
        return _is_whole(value) or (isinstance(value, list) and all(map(_is_whole, value)))
    if wanted == _NUMBER:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted == _IDS:
        return all(
            isinstance(i, int) and not isinstance(i, bool) for i in (value if isinstance(value, list) else [value])
        )
    if wanted == _SWITCH:
        return isinstance(value, bool)
    if wanted == _OBJECT:
        return isinstance(value, dict)
    if wanted == _TEXTS:
        return isinstance(value, list) and all(isinstance(part, str) for part in value)
    if wanted == _NAMES:
        return isinstance(value, str) or _is(_TEXTS, value)
    if wanted == _TOKEN:
        return isinstance(value, str) or (isinstance(value, dict) and isinstance(value.get("content"), str))
    if wanted == _TOKENS:
        values = list(value.values()) if isinstance(value, dict) else value
        return isinstance(values, list) and all(isinstance(part, (str, dict, list)) for part in values)
    return isinstance(value, (str, list, dict))


def _is_whole(value: Any) -> bool:
    """1200.0 too, which one family has."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and value >= 0 and (isinstance(value, int) or value.is_integer())


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else one_line(repr(value)[:200], 40)
