"""The versions that kept results hang on."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

from calibaudit.scores.scores import ModelInfo

SCORER = 1
"""Of our own code between a prompt and its log-probabilities. To be raised when it computes something else."""

_ALWAYS = ("torch", "transformers", "tokenizers")
_QUANTIZED = (
    "accelerate", "autoawq", "bitsandbytes", "compressed-tensors", "gptqmodel", "kernels", "optimum", "torchao"
)  # fmt: skip


def installed(names: Sequence[str]) -> dict[str, str]:
    """Name -> version, of those that are there."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def versions_of(info: ModelInfo) -> dict[str, str]:
    """Of what has a part in a model's numbers here: other libraries may compute others."""
    adapter, quantized = ("peft",) if info.adapter else (), _QUANTIZED if info.quantization else ()
    return {"scorer": str(SCORER), **installed((*_ALWAYS, *adapter, *quantized))}
