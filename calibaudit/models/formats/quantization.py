"""Quantized weights: how they were quantized, what reading them needs, and looking at them as numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from transformers.quantizers import auto as quantizers

from calibaudit.errors import ModelError
from calibaudit.files.text import one_line

_METHODS = {
    "bitsandbytes": "bitsandbytes", "gptq": "GPTQ", "awq": "AWQ", "compressed-tensors": "compressed-tensors",
    "torchao": "torchao", "fbgemm_fp8": "FBGEMM", "hqq": "HQQ", "quanto": "quanto", "aqlm": "AQLM", "vptq": "VPTQ",
    "eetq": "EETQ", "higgs": "HIGGS", "spqr": "SpQR", "auto-round": "AutoRound", "quark": "Quark",
}  # fmt: skip
_PACKAGES = {
    "bitsandbytes": {"bitsandbytes": "bitsandbytes"},
    "gptq": {"optimum": "optimum", "gptqmodel": "gptqmodel"},
    "awq": {"gptqmodel": "gptqmodel"},
    "compressed-tensors": {"compressed_tensors": "compressed-tensors"},
    "torchao": {"torchao": "torchao"},
    "hqq": {"hqq": "hqq"},
    "quanto": {"optimum.quanto": "optimum-quanto"},
    "aqlm": {"aqlm": "aqlm"},
    "vptq": {"vptq": "vptq"},
    "eetq": {"eetq": "eetq"},
    "spqr": {"spqr_quant": "spqr_quant[gpu]"},
    "auto-round": {"auto_round": "auto-round"},
    "quark": {"quark": "amd-quark"},
}
"""Module -> what pip calls it, where reading the weights is the work of another package."""


def quantization_settings(raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The entry of a config.json that says how weights were quantized, a wrapper's text model's too; None for none."""
    for config in (raw, raw.get("text_config")):
        for key in ("quantization_config", "compression_config"):
            if isinstance(config, Mapping) and isinstance(config.get(key), Mapping):
                return dict(config[key])
    return None


def described(settings: Mapping[str, Any]) -> str:
    """`int8 (bitsandbytes)`, `int4 (GPTQ)`, `fp8`, `mxfp4`: how weights are stored, and by what."""
    method = str(settings.get("quant_method") or ("bitsandbytes" if _bits_of_bitsandbytes(settings) else "unknown"))
    if method == "compressed-tensors":
        stored = _compressed(settings)
    elif method == "torchao":
        stored = _torchao(settings)
    else:
        bits = settings.get("bits", settings.get("w_bit", settings.get("nbits")))
        stored = _bits_of_bitsandbytes(settings) or (f"int{bits}" if isinstance(bits, int) else "")
        if not stored and (found := re.search(r"(mxfp|nvfp|fp|int)\d+", method)):
            stored = found.group()
    named = _METHODS.get(method, method)
    return one_line(f"{stored} ({named})" if stored and stored != named else named, 80)


def check_can_load(name: str, settings: Mapping[str, Any]) -> None:
    """Raises ModelError where transformers does not know the method, or a package that it needs is not installed."""
    method = str(settings.get("quant_method") or "bitsandbytes")
    known = {*getattr(quantizers, "AUTO_QUANTIZER_MAPPING", ()), "bitsandbytes"}
    if method not in known:
        raise ModelError(
            f"{name}: its weights are quantized by {method!r}, which this transformers does not read; give the "
            "checkpoint that was quantized"
        )
    missing = [pip for module, pip in _PACKAGES.get(method, {}).items() if not _is_installed(module)]
    if missing:
        raise ModelError(
            f"{name}: its weights are quantized: {described(settings)}; to read them: pip install {' '.join(missing)}"
        )


def as_run(network: Any, settings: Mapping[str, Any]) -> str:
    """`described`, and that the weights were made plain on loading, where transformers did that for want of a GPU."""
    own = getattr(network.config, "quantization_config", None)  # taken away where they were
    plain = own.get("dequantize") if isinstance(own, dict) else getattr(own, "dequantize", own is None)
    return f"{described(settings)}, dequantized" if plain else described(settings)


def plain_values(weight: Tensor) -> Tensor:
    """The numbers that a weight stands for. Quantized ones (torchao's are tensors of a class of their own, and cannot
    be summed or compared) as numbers again, all others as they are."""
    if type(weight) in (Tensor, torch.nn.Parameter):
        return weight
    dequantize = getattr(weight, "dequantize", None)
    return dequantize() if dequantize is not None and weight.is_floating_point() else weight


def is_plain(weight: Any) -> bool:
    """Whether it is a matrix of numbers that can be multiplied with as it stands."""
    return type(weight) in (Tensor, torch.nn.Parameter) and weight.is_floating_point() and weight.itemsize > 1


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of its parent
        return False


def _bits_of_bitsandbytes(settings: Mapping[str, Any]) -> str:
    if settings.get("load_in_4bit") or settings.get("_load_in_4bit"):
        return str(settings.get("bnb_4bit_quant_type") or "fp4")
    return "int8" if settings.get("load_in_8bit") or settings.get("_load_in_8bit") else ""


def _compressed(settings: Mapping[str, Any]) -> str:
    """compressed-tensors: each group's type and bits, such as `int4` or `float8 with float8 activations`."""
    groups = settings.get("config_groups")
    found: dict[str, set[str]] = {"weights": set(), "input_activations": set()}
    for group in groups.values() if isinstance(groups, dict) else ():
        for part, names in found.items():
            entry = group.get(part) if isinstance(group, dict) else None
            if isinstance(entry, dict) and entry.get("num_bits"):
                names.add(f"{entry.get('type', 'int')}{entry['num_bits']}")
    weights, activations = (" + ".join(sorted(names)) for names in found.values())
    return _with_activations(weights, activations) if weights else str(settings.get("format") or "")


def _torchao(settings: Mapping[str, Any]) -> str:
    """The name of torchao's config, which says it all: Int8WeightOnlyConfig, int4_weight_only in older files."""
    kind = settings.get("quant_type")
    kind = kind.get("default", kind) if isinstance(kind, dict) else kind
    name = str(kind.get("_type", "")) if isinstance(kind, dict) else str(kind or "")
    weights, activations = (
        re.search(rf"(u?int|float|fp)x?(\d+)_?{part}", name, re.IGNORECASE)
        for part in ("weight", "dynamic_?activation")
    )
    if weights is None:
        return name.removesuffix("Config")
    return _with_activations(*("".join(found.groups()).lower() if found else "" for found in (weights, activations)))


def _with_activations(weights: str, activations: str) -> str:
    return f"{weights} with {activations} activations" if activations else weights
