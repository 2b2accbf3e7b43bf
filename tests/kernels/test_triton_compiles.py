"""The Triton kernels compile for real devices, at the block shapes they are launched with, with no device at hand.

The interpreter runs what the compiler would refuse (a variable that changes its type in a branch, too much shared
memory), so each kernel is compiled to machine code: with tensor descriptors for Hopper, with plain pointers for Ampere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Triton is there for Linux only")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_compile(root: Path, tmp_path: Path, capability: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root)}
    script = root / "tests" / "kernels" / "compiled_kernels.py"
    run = subprocess.run(
        [sys.executable, str(script), str(capability)], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    lines = run.stdout.split("\n")
    assert sum(": compiled, " in line for line in lines) == 15, run.stdout
