"""Products of float32 matrices in full float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """No autocast and no TF32 or bfloat16 shortcut in float32 products, whatever the caller has set."""
    modules: tuple[Any, ...] = (torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None))
    settings = [module for module in modules if hasattr(module, "fp32_precision")]
    with torch.autocast(device.type, enabled=False):
        if settings:
            before = [module.fp32_precision for module in settings]
            for module, value in zip(settings, before, strict=True):
                if value not in ("ieee", "none"):
                    module.fp32_precision = "ieee"
            try:
                yield
            finally:
                for module, value in zip(settings, before, strict=True):
                    if value not in ("ieee", "none"):
                        module.fp32_precision = value
        else:  # torch before 2.9
            legacy = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("highest")
            try:
                yield
            finally:
                torch.set_float32_matmul_precision(legacy)
