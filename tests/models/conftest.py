from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from families import save_tiny


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint, to be left as it is."""
    return save_tiny(tmp_path_factory.mktemp("saved") / "tiny-llama")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(saved, tmp_path / "tiny-llama"))
