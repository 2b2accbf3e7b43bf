from __future__ import annotations

import os
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


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("CALIBAUDIT_CACHE", str(tmp_path / "cache"))
