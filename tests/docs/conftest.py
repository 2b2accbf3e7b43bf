from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from markdown_pages import ROOT
from stand_ins import ON_GITHUB, Run, make, run_in


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of all runs here: an item of the bundled pair is scored once."""
    return tmp_path_factory.mktemp("scored")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, scored: Path) -> Path:
    """A folder in which every name that the pages' commands use is there."""
    folder = tmp_path_factory.mktemp("stand-ins")
    make(folder, scored)
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh current folder with all that is in `made`."""
    folder = tmp_path / "work"
    folder.mkdir()
    for path in made.iterdir():
        if path.suffix == ".json":
            (folder / path.name).write_bytes(path.read_bytes())  # commands write over these
        else:
            (folder / path.name).symlink_to(path)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for commands in processes of their own
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ON_GITHUB:
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def run(work: Path, scored: Path) -> Run:
    return lambda line: run_in(work, line, scored)
