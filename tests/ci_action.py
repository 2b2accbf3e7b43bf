"""The composite action, run as GitHub's runner does: expressions filled in, each step's script given to its shell."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


class Action:
    """inputs: by name. workspace: the checkout. scratch: the runner's own folder, with its files and its temp."""

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
