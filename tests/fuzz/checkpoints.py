"""The files of a checkpoint, ours to read and transformers': one of them mutated, the others whole."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.inputs import ROOT, SAVED
from tests.fuzz.mutate import Sample
from tests.fuzz.readers import Case, Reader

TINY = SAVED / "thinker"
FAMILIES = ROOT / "tests" / "chat" / "model_families" / "templates"
_KEPT = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")


def _beside(*changed: str) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, (TINY / name).read_bytes()) for name in _KEPT if name not in changed)


def _sample(name: str, form: str = "json") -> Sample:
    return Sample(name, (TINY / name).read_bytes(), form, _beside(name))


def _weights() -> list[Sample]:
    """Header, index and adapter: what calibaudit itself reads of weights."""
    name = "model.safetensors"
    names = [f"model.layers.{i}.mlp.up_proj.weight" for i in range(8)]
    header = {
        key: {"dtype": "BF16", "shape": [4, 4], "data_offsets": [32 * i, 32 * i + 32]} for i, key in enumerate(names)
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    content = len(text).to_bytes(8, "little") + text + bytes(32 * len(names))
    index = {"metadata": {"total_size": len(content)}, "weight_map": dict.fromkeys(names, "part-1.safetensors")}
    split = (*_beside(name), ("part-1.safetensors", content))
    small = (*_beside(name, "generation_config.json"), (name, content))
    adapter = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(TINY),
        "r": 8,
        "target_modules": ["q_proj"],
        "bias": "none",
    }
    tensors = len(json.dumps({})).to_bytes(8, "little") + b"{}"
    return [
        Sample(name, content, "safetensors", _beside(name)),
        Sample("model.safetensors.index.json", json.dumps(index).encode(), "json", split),
        Sample("adapter_config.json", json.dumps(adapter).encode(), "json", (("adapter_model.safetensors", tensors),)),
        Sample("generation_config.json", (TINY / "generation_config.json").read_bytes(), "json", small),
    ]


def _read_weights(case: Case) -> object:
    from calibaudit.models.checkpoints import find_checkpoint, stop_ids, weight_files

    checkpoint = find_checkpoint(str(case.file.parent), offline=True)
    return checkpoint.revision, weight_files(checkpoint), stop_ids(checkpoint)


def _config_samples() -> list[Sample]:
    """The config of several families, each over the same tiny numbers."""
    own = json.loads((TINY / "config.json").read_bytes())
    others = [
        {**own, "model_type": kind, "architectures": [name]}
        for kind, name in (
            ("qwen2", "Qwen2ForCausalLM"), ("mistral", "MistralForCausalLM"), ("gpt2", "GPT2LMHeadModel"),
            ("gemma2", "Gemma2ForCausalLM"), ("phi3", "Phi3ForCausalLM"),
        )
    ]  # fmt: skip
    wrapped = {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "text_config": own}
    quantized = {**own, "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}
    made = [json.dumps(config, indent=1).encode() for config in (own, own, own, *others, wrapped, quantized)]
    return [Sample("config.json", content, "json", _beside("config.json")) for content in made]


def _read_config(case: Case) -> object:
    """Up to the network on no device; every tenth one with its weights, and a pass."""
    from calibaudit.models.checkpoints import context_window, find_checkpoint, stop_ids
    from calibaudit.models.load import _load_config, load_network

    checkpoint = find_checkpoint(str(case.file.parent), offline=True)
    context_window(checkpoint), stop_ids(checkpoint)
    if case.rng.random() < 0.9:
        _load_config(checkpoint)
        return None
    load_network(checkpoint, "auto", "cpu")
    return None


def _tokenizer_samples() -> list[Sample]:
    whole = json.loads((TINY / "tokenizer_config.json").read_bytes())
    special = {"bos_token": "<s>", "eos_token": {"content": "<|im_end|>", "lstrip": False, "special": True}}
    return [
        _sample("tokenizer.json"),
        _sample("tokenizer_config.json"),
        Sample("special_tokens_map.json", json.dumps(special).encode(), "json", _beside()),
        Sample("chat_template.json", json.dumps({"chat_template": whole["chat_template"]}).encode(), "json", _beside()),
    ]


def _read_tokenizer(case: Case) -> object:
    from calibaudit.models.checkpoints import find_checkpoint
    from calibaudit.models.tokenizer import check_tokenizer_files, kind_of, load_tokenizer, prefix_token_id

    checkpoint = find_checkpoint(str(case.file.parent), offline=True)
    check_tokenizer_files(checkpoint)
    tokenizer = load_tokenizer(checkpoint)
    kind_of(tokenizer)
    prefix_token_id(tokenizer)
    if case.rng.random() < 0.3:
        _asked(tokenizer, "auto")
    return None


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from calibaudit.models.checkpoints import find_checkpoint
    from calibaudit.models.tokenizer import load_tokenizer

    return load_tokenizer(find_checkpoint(str(TINY), offline=True))


def _asked(tokenizer: Any, template: str) -> object:
    """An item through the template and the tokenizer, as `score` puts it to a model."""
    from calibaudit.chat.settings import ChatSettings
    from calibaudit.scoring.prompts import ChatPrompts
    from calibaudit.tasks.items import Item

    if template == "auto" and not tokenizer.chat_template:
        return None
    item = Item("q1", "What is a female swan called?", ("pen", "sow"), 0, None, "Be brief.", " ", ())
    prompts = ChatPrompts(tokenizer, ChatSettings(template=template))
    return prompts.prompt(item, "item 'q1'").pairs


def _templates() -> list[Sample]:
    return [Sample("template.jinja", file.read_bytes(), "text") for file in sorted(FAMILIES.glob("*.jinja"))]


def _read_template(case: Case) -> object:
    return _asked(_tokenizer(), str(case.file))


def warmed() -> None:
    """What all children need is imported once."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch

    torch.set_num_threads(1)
    from calibaudit.models import load
    from calibaudit.models.formats import digests
    from calibaudit.report import saved_repair

    assert load.load_network
    assert saved_repair
    digests._BLOCK = 1 << 16  # a buffer for files of gigabytes would be most of the time that these take
    case = Case(TINY / "config.json", Path(), Random(1))
    _read_config(case)
    _read_tokenizer(case)


CHECKPOINT_READERS: tuple[Reader, ...] = (
    Reader("weights", _weights, _read_weights),
    Reader("config", _config_samples, _read_config, own=False),
    Reader("tokenizer", _tokenizer_samples, _read_tokenizer, own=False),
    Reader("template", _templates, _read_template, own=False),
)
