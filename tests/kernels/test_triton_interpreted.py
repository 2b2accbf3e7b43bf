"""Runs triton_cases.py under Triton's interpreter, in a process of its own: all of it, with nothing skipped."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

AT_LEAST = 400  # cases; the file holds more


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Triton is there for Linux only")
@pytest.mark.timeout(1800)
def test_every_case_passes_under_the_interpreter(root: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--junitxml={report}",
         str(root / "tests" / "kernels" / "triton_cases.py")],
        cwd=root, env=environment, capture_output=True, text=True, timeout=1700, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    suite = next(ElementTree.parse(report).iter("testsuite"))
    counts = {name: int(suite.get(name, "0")) for name in ("tests", "skipped", "failures", "errors")}
    assert counts["skipped"] == counts["failures"] == counts["errors"] == 0, counts
    assert counts["tests"] >= AT_LEAST, counts
