"""How CI systems read JUnit XML (by its schemas) and a log (GitHub's runner), and how they run an action."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import yaml

# The rules that both Ant's schema (windyroad/JUnit-Schema) and Jenkins' junit-10.xsd set, the narrower one where they
# differ: attributes (required, then optional), and the order of the children.
TOKEN = r"\S+( \S+)*"
COUNT, TIME = r"\d+", r"\d{1,3}(\.\d+)?"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
RULES: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "testsuites": ({}, {}, r"(testsuite )*"),
    "testsuite": (
        {
            "name": TOKEN,
            "id": COUNT,
            "package": TOKEN,
            "timestamp": MOMENT,
            "hostname": TOKEN,
            "tests": COUNT,
            "failures": COUNT,
            "errors": COUNT,
            "time": TIME,
        },
        {"skipped": COUNT},
        r"properties (testcase )*system-out system-err ",
    ),
    "properties": ({}, {}, r"(property )*"),
    "property": ({"name": TOKEN, "value": r".*"}, {}, ""),
    "testcase": ({"name": TOKEN, "classname": TOKEN, "time": TIME}, {}, r"((failure|error|skipped) )?"),
    "failure": ({"type": r".+"}, {"message": r".*"}, ""),
    "skipped": ({}, {"message": r".*"}, ""),
    "system-out": ({}, {}, ""),
    "system-err": ({}, {}, ""),
}


def check_rules(root: ElementTree.Element) -> None:
    assert root.tag == "testsuites"
    for element in root.iter():
        required, optional, children = RULES[element.tag]
        assert required.keys() <= element.attrib.keys() <= required.keys() | optional.keys(), element.tag
        for name, value in element.attrib.items():
            assert re.fullmatch((required | optional)[name], value), (element.tag, name, value)
        assert re.fullmatch(children, "".join(f"{child.tag} " for child in element)), element.tag
        if children:  # no text between elements
            assert not (element.text or "").strip()
        assert not (element.tail or "").strip()


def suite_of(xml: str) -> ElementTree.Element:
    root = ElementTree.fromstring(xml.encode())
    check_rules(root)
    (suite,) = root
    return suite


class Command(NamedTuple):
    """A workflow command as the runner reads it."""

    name: str
    properties: dict[str, str]
    data: str


def runner(log: str) -> list[Command]:
    """The commands that GitHub's runner takes out of a log: it trims a line, then looks for ::name key=value::data."""
    found: list[Command] = []
    stopped: str | None = None
    for line in re.split("\r\n|\r|\n", log):
        match = re.match(r"::([^\s:]+)(?: ([^:]*(?::(?!:)[^:]*)*))?::(.*)", line.lstrip(), flags=re.DOTALL)
        if match is None:
            continue
        name, properties, data = match[1], match[2] or "", match[3]
        if stopped is not None:
            stopped = None if name == stopped else stopped
            continue
        if name == "stop-commands":
            stopped = data
            continue
        pairs = dict(pair.split("=", 1) for pair in properties.split(",") if pair)
        found.append(Command(name, {key: unescaped(value) for key, value in pairs.items()}, unescaped(data)))
    assert stopped is None, "the log ends with commands stopped"
    return found


def unescaped(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


class Action:
    """The composite action: expressions filled in, each step's script given to its shell.

    inputs: by name. workspace: the checkout. scratch: the runner's own folder, with its files and its temp.
    """

    def __init__(self, root: Path, inputs: Mapping[str, str], workspace: Path, scratch: Path) -> None:
        self.folder = root / ".github" / "actions" / "calibaudit"
        self.action = yaml.safe_load((self.folder / "action.yml").read_text(encoding="utf-8"))
        known = self.action["inputs"]
        assert inputs.keys() <= known.keys()
        assert all(name in inputs for name, entry in known.items() if entry.get("required"))
        self.inputs = {name: inputs.get(name, entry.get("default", "")) for name, entry in known.items()}
        self.workspace, self.scratch = workspace, scratch

    def filled(self, value: str) -> str:
        return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: self.inputs[match[1]], value)

    def wanted(self, step: dict[str, Any]) -> bool:
        if "if" not in step:
            return True
        match = re.fullmatch(r"inputs\.([\w-]+) != '(.*)'", step["if"])
        assert match is not None
        return self.inputs[match[1]] != match[2]

    def step(self, name: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """env: what the job has, PATH included."""
        (step,) = (step for step in self.action["runs"]["steps"] if step.get("id") == name)
        assert self.wanted(step)
        script = self.scratch / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        own = {key: self.filled(value) for key, value in step["env"].items()}
        own |= {"GITHUB_ACTIONS": "true", "GITHUB_ACTION_PATH": str(self.folder)}
        own |= {"GITHUB_WORKSPACE": str(self.workspace), "RUNNER_TEMP": str(self.scratch / "temp")}
        own |= {f"GITHUB_{kind}": str(self.scratch / kind) for kind in ("OUTPUT", "STEP_SUMMARY")}
        return subprocess.run(
            [part.replace("{0}", str(script)) for part in shlex.split(step["shell"])],
            cwd=self.workspace / self.filled(step.get("working-directory", ".")),
            env={**env, **own},
            capture_output=True,
            encoding="utf-8",
            timeout=180,
        )


def job_environment(programs: Path) -> dict[str, str]:
    """What a job has, with the programs of the folder first, and without what the machine's own CI may have set."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return outside | {"COLUMNS": "80", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1", "PATH": path}
