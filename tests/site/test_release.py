"""A release: one version everywhere, dated; metadata that promise nothing untrue; a workflow that can do one thing."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RELEASED = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", re.MULTILINE)


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    found = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def workflow(root: Path) -> dict[Any, Any]:
    found = yaml.safe_load((root / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_one_version_stands_everywhere(root: Path, project: dict[str, Any]) -> None:
    released = RELEASED.findall((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    versions, days = zip(*released, strict=True)
    assert versions[0] == project["version"]
    assert [*versions] == sorted(versions, key=lambda text: [*map(int, text.split("."))], reverse=True)
    assert [*map(date.fromisoformat, days)] == sorted(map(date.fromisoformat, days), reverse=True)
    citation = yaml.safe_load((root / "docs" / "CITATION.cff").read_text(encoding="utf-8"))
    assert (str(citation["version"]), str(citation["date-released"])) == (versions[0], days[0])
    named = re.findall(r"calibaudit-(\d[\d.]*\d)-py3", (root / "docs" / "ci.md").read_text(encoding="utf-8"))
    assert set(named) == {versions[0]}


def test_the_citation_has_what_its_format_asks(root: Path, project: dict[str, Any]) -> None:
    """Citation File Format 1.2.0: these four keys, and nothing that pyproject.toml says otherwise."""
    citation = yaml.safe_load((root / "docs" / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == project["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in project["authors"]]
    assert "repository-code" not in citation
    assert "url" not in citation


def test_no_address_is_promised_that_nobody_has_published(project: dict[str, Any]) -> None:
    assert "urls" not in project, "if these are real, say so here, and set the site's too"


def test_the_classifiers_are_those_that_ci_runs(root: Path, project: dict[str, Any]) -> None:
    run = set(re.findall(r'"(3\.\d+)"', (root / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")))
    said = {text.rpartition(" ")[2] for text in project["classifiers"] if re.search(r":: 3\.\d+$", text)}
    assert run <= said
    assert project["requires-python"] == f">={min(said, key=lambda text: int(text[2:]))}"
    assert not any(text.startswith("License ::") for text in project["classifiers"])  # the expression says it


def test_the_workflow_may_publish_and_nothing_else(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {}
    assert workflow[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}  # YAML 1.1 reads `on` so
    jobs = workflow["jobs"]
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "build": {"contents": "read"},
        "try": {},
        "publish": {"id-token": "write"},
    }
    publish = jobs["publish"]
    assert publish["environment"] == "pypi"
    assert all("run" not in step for step in publish["steps"])  # what holds the token runs none of our code
    assert "secrets" not in str(workflow)
    assert (jobs["try"]["needs"], publish["needs"]) == ("build", "try")
    assert {"3.10", "3.13"} <= set(jobs["try"]["strategy"]["matrix"]["python"])


@pytest.mark.parametrize(
    ("tag", "change", "said"),
    [
        ("v9.9.9", ("", ""), "the tag is v9.9.9, and pyproject.toml has "),
        ("v{}", ("## [{}] - ", "## [{}], "), "CHANGELOG.md has no dated {}"),
        ("v{}", ("## [Unreleased]\n", "## [Unreleased]\n\n- A change.\n"), "[Unreleased] is not empty"),
    ],
)
def test_what_is_not_ready_is_not_built(
    root: Path, tmp_path: Path, project: dict[str, Any], tag: str, change: tuple[str, str], said: str
) -> None:
    version = project["version"]
    (tmp_path / ".ci").mkdir()
    for name in (".ci/release", "pyproject.toml"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    before, after = (text.format(version) for text in change)
    log = re.sub(
        r"(## \[Unreleased\]\n).*?(?=## \[\d)", r"\1\n", (root / "CHANGELOG.md").read_text("utf-8"), flags=re.DOTALL
    )
    assert before in log
    (tmp_path / "CHANGELOG.md").write_text(log.replace(before, after, 1) if before else log, encoding="utf-8")
    command = ["bash", str(tmp_path / ".ci" / "release"), tag.format(version), str(tmp_path / "dist")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert said.format(version) in ended.stderr
    assert not (tmp_path / "dist").exists()
