"""The wheel, installed into an empty environment, knows its tasks from any folder; the bounds are what CI runs."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HELD = {"datasets", "huggingface-hub", "jinja2", "transformers", "typer"}
"""The dependencies that .ci/bounds runs at both ends; with click, which only older Typers need."""


def dependencies(root: Path) -> dict[str, Requirement]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {found.name: found for found in map(Requirement, project["dependencies"])}


def lower_bound(requirement: Requirement) -> Version:
    (bound,) = (entry.version for entry in requirement.specifier if entry.operator == ">=")
    return Version(bound)


def pins(root: Path, name: str) -> dict[str, Version]:
    """The versions of .ci/constraints/NAME.txt; each line is `package==version`."""
    lines = (root / ".ci" / "constraints" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {package: Version(pinned) for package, pinned in pairs}


def test_the_lower_bounds_are_the_versions_that_ci_runs(root: Path) -> None:
    oldest = pins(root, "oldest")
    assert set(oldest) == HELD | {"click"}
    assert {name: lower_bound(dependencies(root)[name]) for name in HELD} == {name: oldest[name] for name in HELD}


def test_the_newest_versions_are_within_the_bounds(root: Path) -> None:
    oldest, newest = pins(root, "oldest"), pins(root, "newest")
    assert set(newest) == set(oldest)
    for name in HELD:
        assert newest[name] in dependencies(root)[name].specifier, name
    assert all(newest[name] >= oldest[name] for name in oldest)


def test_click_is_pinned_at_what_the_oldest_typer_asks(root: Path) -> None:
    oldest = pins(root, "oldest")
    if Version(version("typer")) != oldest["typer"]:
        pytest.skip("needs the oldest Typer: .ci/bounds oldest runs it")
    (click,) = (found for found in map(Requirement, requires("typer") or ()) if found.name == "click")
    assert lower_bound(click) == oldest["click"]


@pytest.mark.install
def test_the_wheel_lists_its_tasks_from_another_folder(root: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(root)]
    subprocess.run(build, check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("calibaudit-*.whl")
    assert wheel.stat().st_size <= 12_000_000
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        about = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    ours = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nVersion: {ours}\n" in about
    assert "\nProject-URL:" not in about  # nobody has published a site
    assert not [name for name in names if name.startswith(("docs/", "tests/"))]
    files = {path.relative_to(root / "tasks").as_posix() for path in (root / "tasks").rglob("*.yaml")}
    assert files
    assert {f"calibaudit/_bundled/tasks/{name}" for name in files} <= set(names)

    venv.create(tmp_path / "env", with_pip=False)
    install = [sys.executable, "-m", "pip", "--python", str(tmp_path / "env" / "bin" / "python"), "install"]
    install += ["--quiet", "--no-compile"]
    # What listing needs; torch and the rest are not installed here, and so are shown not to be needed for it.
    needed = [str(dependencies(root)[name]) for name in ("typer", "rich", "pydantic", "pyyaml", "jinja2")]
    subprocess.run([*install, *needed], check=True, cwd=tmp_path)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True, cwd=tmp_path)
    command = tmp_path / "env" / "bin" / "calibaudit"
    listed = subprocess.run([command, "tasks"], check=True, cwd=tmp_path, capture_output=True, text=True).stdout
    for name in ("arc_easy", "hellaswag", "mmlu", "medqa", "winogrande"):
        assert any(line.split()[:1] == [name] for line in listed.splitlines()), name
