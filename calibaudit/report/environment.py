"""What `calibaudit env` prints: two columns to paste into a bug report."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

from calibaudit.environment import DeviceReport, EnvironmentReport

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
    names = max(len(name) for name, _ in (*rows, *((device.name, "") for device in report.devices)))
    for name, value in rows:
        _print(console, Text(f" {name:<{names}}  ", style="dim").append(value, style="not dim"))
    _print(console, Text())
    for device in report.devices:
        _print(console, Text(f" {device.name:<{names}}  ", style="dim").append(_hardware(device), style="not dim"))
        text = f"{_KERNELS[device.kernels]}: {device.reason}"
        for line in textwrap.wrap(text, max(20, console.width - names - 3), break_on_hyphens=False):
            _print(console, Text(f" {'':<{names}}  {line}"))


def _hardware(device: DeviceReport) -> str:
    parts = [device.description]
    if device.memory is not None:
        parts.append(f"{_gib(device.memory)} GiB" + ("" if device.free is None else f", {_gib(device.free)} free"))
    return "; ".join(parts)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f}"


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
