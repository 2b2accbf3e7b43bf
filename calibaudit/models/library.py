"""transformers: its version, its noise off, its errors in a line."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoConfig, PretrainedConfig
from transformers.utils import logging as transformers_logging

stages = logging.getLogger("calibaudit.stages")

VERSION = tuple(int(part) for part in transformers.__version__.split(".")[:2])


@contextmanager
def quiet() -> Iterator[None]:
    """transformers' own warnings and bars off: what matters in them is checked here and said in one line."""
    level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def reading(name: str, files: Sequence[Path]) -> Iterator[None]:
    """Says, to whoever listens to `calibaudit.stages`, that weights are being read, and that they are."""
    n_bytes = sum(file.stat().st_size for file in files)
    stages.info("reading the weights of %s, %s MB", name, f"{n_bytes / 1e6:,.0f}")
    try:
        yield
    finally:
        stages.info("", extra={"done": 1, "total": 1})


def config_in(folder: Path) -> Any:
    """The config of a checkpoint's folder; no code of the checkpoint's, or that it names, is run.

    Raises ValueError where it names an implementation of the hub (`attn_implementation: org/kernels`), which is code;
    and whatever the config's class raises.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    _check_implementations(config)
    return config


def _check_implementations(config: Any) -> None:
    for kind in ("attn_implementation", "experts_implementation"):
        value = getattr(config, f"_{kind}", None)
        if isinstance(value, str) and "/" in value:
            raise ValueError(f"{kind} {value!r} is code of the hub, which is never run")
    for part in vars(config).values():
        if isinstance(part, PretrainedConfig):
            _check_implementations(part)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, with the next where it ends in a colon, 300 characters at most; the error's
    type where it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    first = f"{lines[0]} {lines[1]}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    return first[:300]
