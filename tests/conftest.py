from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# datasets, huggingface_hub and transformers read these when they are imported, so they are set before any test module
# is. Each worker of a parallel run imports this file, and so has a folder of its own.
HF_HOME = tempfile.TemporaryDirectory(prefix="calibaudit-tests-", ignore_cleanup_errors=True)
for _name in list(os.environ):
    if _name.startswith(("HF_", "HUGGINGFACE_", "TRANSFORMERS_")) and _name.endswith(("_CACHE", "_PATH")):
        del os.environ[_name]
os.environ["HF_HOME"] = HF_HOME.name

ROOT = Path(__file__).resolve().parents[1]


def pytest_unconfigure() -> None:
    HF_HOME.cleanup()


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference inputs: real checkpoints, public task data, another harness's logs."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the reference inputs in {folder}")
    return folder


@pytest.fixture(scope="session")
def demo_audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`calibaudit compare`, as typed, on the bundled pair: a folder with page.txt, result.json and the cache."""
    folder = tmp_path_factory.mktemp("demo-audit")
    files = ["-o", str(folder / "result.json"), "--cache-dir", str(folder / "cache")]
    command = [sys.executable, "-m", "calibaudit", "compare", *files]
    environment = os.environ | {"COLUMNS": "80", "PYTHONUTF8": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=True)
    (folder / "page.txt").write_text(ended.stdout, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("CALIBAUDIT_CACHE", str(tmp_path / "cache"))
