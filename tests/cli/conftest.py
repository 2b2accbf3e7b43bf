from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.command import Cli, Ended


@pytest.fixture
def here(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command in this process, in the folder `cwd`: a process for each call would mostly import."""
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        monkeypatch.delenv(name)

    def run(*arguments: object, cwd: Path) -> Ended:
        monkeypatch.chdir(cwd)
        return cli(*arguments)

    return run
