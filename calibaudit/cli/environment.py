"""What a bug report needs: versions, devices with their memory, and the kernel path that each device takes."""

from __future__ import annotations

import os
import platform
import textwrap
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import torch
from rich.console import Console
from rich.text import Text

from calibaudit.errors import CalibauditError
from calibaudit.files.text import one_line
from calibaudit.kernels import kernel_path, linear_logprobs
from calibaudit.report.terminal.printing import print_line

PACKAGES = ("torch", "triton", "transformers", "datasets", "numpy", "scipy")
VARIABLES = (
    "CALIBAUDIT_KERNELS", "CUDA_VISIBLE_DEVICES", "GOMP_SPINCOUNT", "HF_DATASETS_OFFLINE", "HF_HUB_OFFLINE",
    "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "TRITON_INTERPRET",
)  # fmt: skip
"""Those that change what runs; none holds a secret or a path."""


@dataclass(frozen=True)
class DeviceReport:
    """name: as --device takes it. memory and free: bytes, None where the system does not tell.

    kernels: triton, chunked (plain PyTorch), or none when neither runs; reason: why that one.
    """

    name: str
    description: str
    memory: int | None
    free: int | None
    kernels: str
    reason: str


@dataclass(frozen=True)
class EnvironmentReport:
    """versions: package to version, None when it is not installed. variables: those of VARIABLES that are set."""

    platform: str
    versions: dict[str, str | None]
    variables: dict[str, str]
    devices: tuple[DeviceReport, ...]

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "devices": [asdict(device) for device in self.devices]}


def gather_environment() -> EnvironmentReport:
    """Gathered anew; each device runs one small kernel, so that a Triton that cannot compile shows here."""
    versions = {"calibaudit": _version("calibaudit"), "python": platform.python_version()}
    versions |= {name: _version(name) for name in PACKAGES}
    versions["torch"] = torch.__version__  # with the build: +cpu, +cu130, +rocm6.4
    return EnvironmentReport(
        platform=platform.platform(),
        versions=versions,
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
        devices=tuple(_device(name) for name in _device_names()),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _device_names() -> list[str]:
    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        names.append("mps")
    return names


def _device(name: str) -> DeviceReport:
    device = torch.device(name)
    description, memory, free = _described(device)
    try:
        _try_kernel(device)
        kernels, reason = kernel_path(device)
    except (CalibauditError, RuntimeError) as error:
        kernels, reason = "none", " ".join(str(error).split())
    return DeviceReport(name, description, memory, free, kernels, reason)


def _try_kernel(device: torch.device) -> None:
    """A failure of Triton's turns this device's path to chunked, with its cause."""
    if kernel_path(device)[0] == "triton":
        hidden = torch.zeros(16, 16, dtype=torch.bfloat16, device=device)
        linear_logprobs(hidden, hidden, torch.zeros(16, dtype=torch.int64, device=device))


def _described(device: torch.device) -> tuple[str, int | None, int | None]:
    """What it is, its memory and how much of that is free, in bytes."""
    if device.type == "cuda":
        free, memory = torch.cuda.mem_get_info(device)
        return torch.cuda.get_device_name(device), memory, free
    if device.type == "mps":
        return "Apple GPU", torch.mps.recommended_max_memory(), None
    return f"{platform.machine()}, {torch.get_num_threads()} threads", *_main_memory()


def _main_memory() -> tuple[int | None, int | None]:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows; a system without these names
        return None, None


_KERNELS = {
    "triton": "Triton kernels",
    "chunked": "plain PyTorch in chunks",
    "none": "no kernels",
}


def render_environment(report: EnvironmentReport, console: Console | None = None) -> None:
    """Versions, the system, the variables that are set, then each device with its memory and its kernel path."""
    console = console or Console()
    rows = [(name, version or "not installed") for name, version in report.versions.items()]
    rows += [("platform", report.platform), *report.variables.items()]
    rows = [(name, one_line(value, 400)) for name, value in rows]
    names = max(len(name) for name, _ in (*rows, *((device.name, "") for device in report.devices)))
    for name, value in rows:
        print_line(console, Text(f" {name:<{names}}  ", style="dim").append(value, style="not dim"))
    print_line(console, Text())
    for device in report.devices:
        print_line(console, Text(f" {device.name:<{names}}  ", style="dim").append(_hardware(device), style="not dim"))
        text = f"{_KERNELS[device.kernels]}: {device.reason}"
        for line in textwrap.wrap(text, max(20, console.width - names - 3), break_on_hyphens=False):
            print_line(console, Text(f" {'':<{names}}  {line}"))


def _hardware(device: DeviceReport) -> str:
    parts = [device.description]
    if device.memory is not None:
        parts.append(f"{_gib(device.memory)} GiB" + ("" if device.free is None else f", {_gib(device.free)} free"))
    return "; ".join(parts)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f}"
