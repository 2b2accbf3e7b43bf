"""Modules out of files that no package holds: scripts of .ci and of docs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def loaded_from(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
