"""`calibaudit env`: what it gathers, and the page and JSON it prints."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from importlib import metadata

import pytest
import torch
from rich.console import Console

from calibaudit.cli import environment as environment_module
from calibaudit.cli.environment import PACKAGES, DeviceReport, EnvironmentReport, gather_environment, render_environment
from calibaudit.kernels import dispatch, kernel_path

MADE = EnvironmentReport(
    platform="Linux-6.1-x86_64",
    versions={"calibaudit": "0.1.0", "python": "3.11.7", "torch": "2.13.0+cu130", "triton": None},
    variables={"CALIBAUDIT_KERNELS": "auto"},
    devices=(
        DeviceReport("cpu", "x86_64, 8 threads", 64 << 30, 32 << 30, "chunked", "Triton does not serve the CPU"),
        DeviceReport("cuda:0", "NVIDIA H200", 141 << 30, 140 << 30, "triton", "Triton, compute capability 9.0"),
        DeviceReport("mps", "Apple GPU", None, None, "none", "no reason " * 12),
    ),
)


def page(report: EnvironmentReport, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    render_environment(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_gathers_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIBAUDIT_KERNELS", "chunked")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found = gather_environment()
    assert list(found.versions) == ["calibaudit", "python", *PACKAGES]
    assert found.versions["calibaudit"] == metadata.version("calibaudit")
    assert found.versions["torch"] == torch.__version__
    assert found.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found.variables["CALIBAUDIT_KERNELS"] == "chunked"
    assert "hf_secret" not in str(found)
    cpu = found.devices[0]
    assert (cpu.name, cpu.kernels, cpu.reason) == ("cpu", "chunked", "asked for by CALIBAUDIT_KERNELS")
    assert cpu.memory == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert cpu.free is not None
    assert 0 < cpu.free < cpu.memory
    assert len(found.devices) == 1 + torch.cuda.device_count() + torch.backends.mps.is_available()


def test_a_package_that_is_missing_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_module, "PACKAGES", ("torch", "no-such-package"))
    assert gather_environment().versions["no-such-package"] is None


def test_a_choice_that_cannot_be_met_is_shown_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIBAUDIT_KERNELS", "fast")
    cpu = gather_environment().devices[0]
    assert cpu.kernels == "none"
    assert cpu.reason == "CALIBAUDIT_KERNELS must be one of auto, triton, chunked, not fast"


def test_the_page_is_aligned_and_fits() -> None:
    lines = page(MADE).splitlines()
    assert lines[0] == " calibaudit          0.1.0"
    assert " triton              not installed" in lines
    assert " cpu                 x86_64, 8 threads; 64.0 GiB, 32.0 free" in lines
    assert "                     Triton kernels: Triton, compute capability 9.0" in lines
    assert " mps                 Apple GPU" in lines
    assert max(map(len, lines)) <= 80
    assert len(page(MADE, 60).splitlines()) > len(lines)


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["page", "json"])
def test_the_command(flags: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "calibaudit", "env", *flags], capture_output=True, text=True, check=True, timeout=120
    )
    if flags:
        found = json.loads(done.stdout)
        assert found["versions"]["torch"] == torch.__version__
        assert found["devices"][0]["name"] == "cpu"
        assert set(found) == {"platform", "versions", "variables", "devices"}
    else:
        assert done.stdout.startswith(" calibaudit ")
        assert f"plain PyTorch in chunks: {kernel_path('cpu')[1]}" in done.stdout


@pytest.mark.parametrize(
    ("kernels", "interpret", "path", "reason"),
    [
        ("", None, "chunked", "Triton does not serve the CPU"),
        ("auto", "1", "chunked", "Triton does not serve the CPU"),
        ("CHUNKED", "1", "chunked", "asked for by CALIBAUDIT_KERNELS"),
        ("triton", "1", "triton", "asked for by CALIBAUDIT_KERNELS"),
    ],
)
def test_path_of_the_cpu(
    monkeypatch: pytest.MonkeyPatch, kernels: str, interpret: str | None, path: str, reason: str
) -> None:
    monkeypatch.setenv("CALIBAUDIT_KERNELS", kernels)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    if interpret:
        monkeypatch.setenv("TRITON_INTERPRET", interpret)
    assert kernel_path("cpu") == (path, reason)


def test_path_of_other_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert kernel_path("cuda:0") == ("chunked", "compute capability 7.5 is below 8.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    assert kernel_path("cuda:0") == ("triton", "Triton, compute capability 9.0")
    assert kernel_path("mps") == ("chunked", "Triton does not serve mps")
    monkeypatch.setitem(sys.modules, "triton", None)
    path, reason = kernel_path("cuda:0")
    assert path == "chunked"
    assert reason.startswith("Triton cannot be imported")
    monkeypatch.setitem(dispatch._failed, "cuda", "RuntimeError: no compiler")
    assert kernel_path("cuda:0") == ("chunked", "Triton failed before: RuntimeError: no compiler")
