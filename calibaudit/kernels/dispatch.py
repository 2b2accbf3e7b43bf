"""Which implementation a device takes: the Triton kernels or plain PyTorch in chunks, and why."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from calibaudit.kernels.chunked import anchored, at_once, backward, forward
from calibaudit.kernels.chunked.blocks import CPU_SCRATCH_BYTES, GPU_SCRATCH_BYTES
from calibaudit.kernels.heads import Head, Needs
from calibaudit.kernels.validation import IGNORE_INDEX, KernelArgumentError, LinearLogprobs

logger = logging.getLogger(__name__)

VARIABLE = "CALIBAUDIT_KERNELS"
_CHOICES = ("auto", "triton", "chunked")
_TRITON = {
    "head_forward": "forward",
    "head_backward": "backward",
    "anchored_forward": "anchored",
    "anchored_backward": "anchored",
    "head_loss_gradients": "retained",
    "anchored_loss_gradients": "anchored_retained",
    "keeps": "keeping",
    "scale_by": "scale",
}
_CHUNKED: dict[str, ModuleType] = {
    "head_forward": forward,
    "head_backward": backward,
    "anchored_forward": anchored,
    "anchored_backward": anchored,
    "head_loss_gradients": at_once,
    "anchored_loss_gradients": at_once,
    "scale_by": at_once,
}
_failed: dict[str, str] = {}
"""Device type to the failure that ended its use of Triton in this process."""


def kernel_path(device: torch.device | str) -> tuple[str, str]:
    """("triton" or "chunked", the reason) for tensors on `device`.

    The environment variable CALIBAUDIT_KERNELS (auto, triton, chunked) overrules the choice; triton on a device that
    Triton cannot serve is refused, on the CPU it needs TRITON_INTERPRET=1.
    Raises KernelArgumentError for another value.
    """
    device = torch.device(device)
    asked = os.environ.get(VARIABLE, "").strip().lower() or "auto"
    if asked not in _CHOICES:
        raise KernelArgumentError(f"{VARIABLE} must be one of {', '.join(_CHOICES)}, not {asked}")
    if asked == "chunked":
        return "chunked", f"asked for by {VARIABLE}"
    if device.type in _failed:
        return "chunked", f"Triton failed before: {_failed[device.type]}"
    unfit = _why_not_triton(device, asked)
    if unfit is None:
        return "triton", f"asked for by {VARIABLE}" if asked == "triton" else _describe(device)
    if asked == "triton":
        raise KernelArgumentError(f"{VARIABLE}=triton cannot be met on {device}: {unfit}; unset it")
    return "chunked", unfit


def default_scratch(device: torch.device) -> int:
    """Bytes of scratch of a backward pass that names none."""
    return CPU_SCRATCH_BYTES if device.type == "cpu" else GPU_SCRATCH_BYTES


def kept_scratch(device: torch.device) -> int:
    """Bytes of scratch of a pass that makes loss and gradients at once and names none."""
    return at_once.MOST_KEPT if device.type == "cpu" else GPU_SCRATCH_BYTES


def keeps(hidden: Tensor, heads: tuple[Head, ...], needs: Needs, scratch_bytes: int | None, *, rounded: bool) -> bool:
    """Whether `head_loss_gradients` (one head) or `anchored_loss_gradients` (two) saves products on this device."""
    found: Callable[..., bool] = at_once.keeps
    if kernel_path(hidden.device)[0] == "triton":
        try:
            found = _triton_function("keeps")
        except Exception:  # an import that fails: `run` meets it again, and says so
            return False
    return found(hidden, heads, needs, scratch_bytes or kept_scratch(hidden.device), rounded=rounded)


def run(function: str, *arguments: Any, **options: Any) -> Any:
    """`function` of the interface in kernels/heads.py, on the path that the first argument's device takes.

    A Triton failure other than a refusal or a lack of memory is warned of, with its cause, and sends this device's
    work to the chunked path from then on.
    """
    hidden: Tensor = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
    fallback: Callable[..., Any] = getattr(_CHUNKED[function], function)
    if kernel_path(hidden.device)[0] == "triton" and not _in_float64(arguments):
        try:
            with _current(hidden.device):
                return _triton_function(function)(*arguments, **options)
        except (KernelArgumentError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            text = " ".join(str(error).split())
            _failed[hidden.device.type] = cause = f"{type(error).__name__}: {text[:200]}"
            logger.warning(
                "the Triton kernels failed on %s (%s); going on in plain PyTorch, slower, with the same results",
                hidden.device, cause,
            )  # fmt: skip
    return fallback(*arguments, **options)


@torch.no_grad()
def linear_logprobs(hidden: Tensor, head: Head, targets: Tensor) -> LinearLogprobs:
    """`calibaudit.kernels.linear_logprobs` out of `head_forward`; the arguments are checked already."""
    wanted = targets if targets.ndim == 2 else targets[:, None]
    found = run("head_forward", hidden, head, wanted, top=True, mean=False)
    dead = ~found.lse.isfinite()  # NaN or +inf among the row's logits, or all of them -inf
    logprob = (found.target_logit - found.lse[:, None]).clamp(max=0.0)  # rounding could lift it by a digit
    logprob = logprob.masked_fill(dead[:, None], torch.nan).masked_fill(wanted == IGNORE_INDEX, 0.0)
    top_logprob = (found.top_logit - found.lse).clamp(max=0.0).masked_fill(dead, torch.nan)
    return LinearLogprobs(logprob.view(targets.shape), found.lse, top_logprob, found.top_token)


def _current(device: torch.device) -> AbstractContextManager[Any]:
    """Triton launches on the current GPU, in its queue, wherever the tensors are: of several, theirs must be it."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _triton_function(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(
        importlib.import_module(f"calibaudit.kernels.triton_kernels.{_TRITON[name]}"), name
    )
    return found


def _in_float64(arguments: tuple[Any, ...]) -> bool:
    """The Triton kernels take no float64, neither in a tensor nor in a head or another tuple."""
    values = chain.from_iterable(value if isinstance(value, tuple) else (value,) for value in arguments)
    return any(isinstance(value, Tensor) and value.dtype == torch.float64 for value in values)


def _why_not_triton(device: torch.device, asked: str) -> str | None:
    if device.type == "cpu":
        if asked != "triton":
            return "Triton does not serve the CPU"
        if os.environ.get("TRITON_INTERPRET") != "1":
            return "on the CPU Triton only runs interpreted, with TRITON_INTERPRET=1"
    elif device.type != "cuda":
        return f"Triton does not serve {device.type}"
    elif torch.version.hip is None and torch.cuda.get_device_capability(device) < (8, 0):
        major, minor = torch.cuda.get_device_capability(device)
        return f"compute capability {major}.{minor} is below 8.0"
    try:
        importlib.import_module("triton")
    except ImportError as error:
        return f"Triton cannot be imported: {error}"
    return None


def _describe(device: torch.device) -> str:
    if torch.version.hip is not None:
        return f"Triton on {torch.cuda.get_device_properties(device).gcnArchName}"
    major, minor = torch.cuda.get_device_capability(device)
    return f"Triton, compute capability {major}.{minor}"
