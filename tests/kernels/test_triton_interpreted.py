"""Runs triton_cases.py under Triton's interpreter, in processes of their own: all of it, with nothing skipped."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

N_SHARES = 2  # so that the workers of a run can divide the cases; each share starts PyTorch anew
AT_LEAST = 36  # cases a share; the file holds twice as many

CHILD = """
import sys, pytest
share, n_shares, *arguments = sys.argv[1:]
class Share:
    @staticmethod
    def pytest_collection_modifyitems(items):
        items[:] = items[int(share)::int(n_shares)]
sys.exit(pytest.main(arguments, plugins=[Share]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Triton is there for Linux only")
@pytest.mark.parametrize("share", range(N_SHARES))
def test_every_case_passes_under_the_interpreter(root: Path, tmp_path: Path, share: int) -> None:
    report = tmp_path / "report.xml"
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # to import the environment's plugins takes a second
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(share), str(N_SHARES), "-q", "-x", "-o", "addopts=", "-p", "no:cacheprovider",
         f"--junitxml={report}", str(root / "tests" / "kernels" / "triton_cases.py")],
        cwd=root, env=environment, capture_output=True, text=True, timeout=590, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    suite = next(ElementTree.parse(report).iter("testsuite"))
    counts = {name: int(suite.get(name, "0")) for name in ("tests", "skipped", "failures", "errors")}
    assert counts["skipped"] == counts["failures"] == counts["errors"] == 0, counts
    assert counts["tests"] >= AT_LEAST, counts
