"""The wheel, installed into an empty environment, knows its tasks from any folder."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest


@pytest.mark.install
def test_the_wheel_lists_its_tasks_from_another_folder(root: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(root)]
    subprocess.run(build, check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("calibaudit-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    files = {path.relative_to(root / "tasks").as_posix() for path in (root / "tasks").rglob("*.yaml")}
    assert files
    assert {f"calibaudit/_bundled/tasks/{name}" for name in files} <= set(names)

    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    # What listing needs; torch and the rest are not installed here, and so are shown not to be needed for it.
    needed = ["typer>=0.16", "rich>=13.7", "pydantic>=2.7", "pyyaml>=6.0", "jinja2>=3.1"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *needed], check=True, cwd=tmp_path)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)], check=True, cwd=tmp_path)
    command = tmp_path / "env" / "bin" / "calibaudit"
    listed = subprocess.run([command, "tasks"], check=True, cwd=tmp_path, capture_output=True, text=True).stdout
    for name in ("arc_easy", "hellaswag", "mmlu", "medqa", "winogrande"):
        assert any(line.split()[:1] == [name] for line in listed.splitlines()), name
