"""The action in a checkout that is full of traps: none of it runs, and the baseline is the base branch's.

Its steps are run by their own shell, as GitHub's runner does, in a job whose environment is careless too.
"""

from __future__ import annotations

import json
import re
import site
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml
from ci_readers import Action, job_environment
from made_scores import TUNED, made_scores, save

from calibaudit.gating.limits import DEFAULTS
from calibaudit.scores.baseline import bless

PROGRAMS = Path(sys.executable).parent
MODULES = (
    *("pip", "calibaudit", "torch", "numpy", "typer", "click", "rich", "json", "os", "re", "venv", "ensurepip"),
    *("sitecustomize", "usercustomize", "runpy", "encodings", "tomli", "scipy", "matplotlib"),
)
COMMANDS = ("python", "python3", "git", "calibaudit", "mkdir", "pip", "cat")
REAL_COPIES = ("pip", "torch")  # as packages besides: a folder is found before a file


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


class Checkout:
    """The checkout of a change, whose every trap leaves a mark; origin is the repository that it was cloned from."""

    def __init__(self, folder: Path) -> None:
        self.marks = folder / "marks"
        self.marks.mkdir()
        origin, self.folder, self.scratch = folder / "origin", folder / "work", folder / "scratch"
        for made in (origin, self.scratch, self.scratch / "temp"):
            made.mkdir()
        git(origin, "init")
        (origin / "models").mkdir()
        (origin / "models" / "baseline.json").write_text(bless([made_scores(900)], DEFAULTS), encoding="utf-8")
        git(origin, "add", ".")
        git(origin, "commit", "-m", "base")
        git(folder, "clone", "-q", str(origin), "work")
        self.hostile()
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-m", "change")

    def hostile(self) -> None:
        work = self.folder
        worse = [made_scores(900, heat=2.5, model=TUNED)]
        save(work / "models" / "candidate.json", worse)
        # its own baseline: the worse model's scores, and no limit worth the name
        held = {**DEFAULTS, "margin": 0.9, "min_items": 10**6}
        (work / "models" / "baseline.json").write_text(bless(worse, held), encoding="utf-8")
        for folder in (work, work / "models"):
            for name in MODULES:
                (folder / f"{name}.py").write_text(self.trap(name))
            for name in REAL_COPIES:
                (folder / name).mkdir()
                (folder / name / "__init__.py").write_text(self.trap(f"{name}-package"))
                (folder / name / "__main__.py").write_text(self.trap(f"{name}-main"))
            for name in COMMANDS:
                (folder / name).mkdir(exist_ok=True) if (folder / name).is_dir() else self.script(folder / name)
            (folder / "evil.pth").write_text(f"import sys; open({str(self.marks / 'pth')!r}, 'w').close()\n")
            (folder / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/evil\nfind-links = evil\n")
            (folder / "setup.cfg").write_text("[install]\nprefix = evil\n")
            (folder / "evil.sh").write_text(f"touch {self.marks}/bash-env\n")
            (folder / ".bashrc").write_text(f"touch {self.marks}/bashrc\n")
            (folder / "pyproject.toml").write_text(
                "[tool.pip]\nindex-url = 'http://127.0.0.1:9'\n[build-system]\nrequires = ['evil']\n"
            )
        # a repository of its own inside: git run from there would obey its settings
        bare = work / "models"
        (bare / "HEAD").write_text("ref: refs/heads/main\n")
        for name in ("objects", "refs"):
            (bare / name).mkdir()
            (bare / name / "keep").write_text("")
        (bare / "config").write_text(
            f"[core]\n\tbare = true\n\tfsmonitor = touch {self.marks}/fsmonitor\n"
            f'[remote "origin"]\n\turl = ext::touch {self.marks}/ext\n'
        )

    def trap(self, name: str) -> str:
        """Runs before there is `open`, too."""
        mark = str(self.marks / name)
        return f"import posix\nposix.close(posix.open({mark!r}, posix.O_CREAT | posix.O_WRONLY))\nraise SystemExit(0)\n"

    def script(self, path: Path) -> None:
        path.write_text(f"#!/bin/sh\ntouch {self.marks}/{path.name}-program\nexit 0\n")
        path.chmod(0o755)

    def action(self, root: Path, **inputs: str) -> Action:
        whole = {"baseline": "baseline.json", "candidate": "candidate.json", "working-directory": "models", **inputs}
        return Action(root, whole, self.folder, self.scratch)

    def environment(self) -> dict[str, str]:
        """A careless job's: the checkout on Python's path and the shell's, functions, a start-up file."""
        functions = {
            f"BASH_FUNC_{name}%%": f"() {{ touch {self.marks}/{name}-function; }}" for name in (*COMMANDS, "cd")
        }
        careless = {"PYTHONPATH": ".", "BASH_ENV": "./evil.sh", "ENV": "./evil.sh", "PYTHONSTARTUP": "./pip.py"}
        job = job_environment(PROGRAMS)
        return {**job, **functions, **careless, "PATH": f".:{job['PATH']}:"}

    def check_unharmed(self) -> None:
        assert sorted(mark.name for mark in self.marks.iterdir()) == []


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("hostile"))


def tiny_wheel(folder: Path) -> Path:
    """What pip can install without an index."""
    path = folder / "marker_pkg-1.0-py3-none-any.whl"
    about = "marker_pkg-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("marker_pkg.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: marker-pkg\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return path


def test_the_traps_would_snap(checkout: Checkout) -> None:
    """Called as one would without thinking, each kind leaves its mark: else the tests below show nothing."""

    def marks(command: list[str], env: dict[str, str]) -> set[str]:
        subprocess.run(command, cwd=checkout.folder, env=env, capture_output=True, timeout=60, check=False)
        found = {mark.name for mark in checkout.marks.iterdir()}
        for mark in checkout.marks.iterdir():
            mark.unlink()
        return found

    careless, plain = checkout.environment(), job_environment(PROGRAMS)
    assert marks(["bash", "-c", "python; git; mkdir"], careless) >= {
        *("bash-env", "python-function", "git-function", "mkdir-function"),
    }
    assert marks(["sh", "-c", "git status"], careless) == {"git-program"}
    python = str(PROGRAMS / "python")
    assert marks([python, "-m", "pip", "--version"], plain) & {"pip-package", "pip-main", "runpy", "re", "os"}
    assert marks([python, "-c", "import torch"], plain) == {"torch-package"}
    assert marks([python, "-c", "1"], {**plain, "PYTHONPATH": "."}) & {"encodings", "os", "sitecustomize"}
    assert marks(["git", "status"], plain) == set()
    inside = ["git", "-C", "models", "-c", "safe.bareRepository=all", "fetch", "origin"]
    assert "ext" in marks(inside, {**plain, "GIT_ALLOW_PROTOCOL": "ext"})


def test_nothing_of_a_hostile_checkout_runs(checkout: Checkout, root: Path, tmp_path: Path) -> None:
    action = checkout.action(root, **{"baseline-ref": "main", "package": str(tiny_wheel(tmp_path))})
    done = action.step("install", checkout.environment())
    assert done.returncode == 0, done
    checkout.check_unharmed()
    (library,) = (checkout.scratch / "temp" / "calibaudit-action" / "venv" / "lib").glob("python*/site-packages")
    assert (library / "marker_pkg.py").is_file()
    # the calibaudit of this checkout, and what it needs, in the place of an hour of downloads
    needed = [str(root), sysconfig.get_path("purelib"), *site.getsitepackages()]
    (library / "here.pth").write_text("\n".join(needed) + "\n")
    done = action.step("gate", checkout.environment())
    checkout.check_unharmed()
    assert done.returncode == 1, done
    assert "Regressed: tuned is worse calibrated" in done.stdout
    assert "margin .020, alpha .050, tasks from 100 items, strict off, 15 bins (baseline)" in " ".join(
        done.stdout.split()
    )
    assert (checkout.scratch / "OUTPUT").read_text().splitlines() == ["exit-code=1"]
    assert (checkout.folder / "models" / "calibaudit.xml").is_file()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"baseline-ref": "nowhere"}, "baseline-ref nowhere: it cannot be fetched"),
        ({"baseline-ref": "--upload-pack=touch x"}, "no branch, tag or commit"),
        ({"baseline-ref": "a b"}, "no branch, tag or commit"),
        ({"baseline-ref": "main:refs/heads/x"}, "no branch, tag or commit"),
        ({"baseline-ref": "main", "baseline": "new.json"}, "new.json: there is no such file in main"),
        ({"baseline-ref": "main", "baseline": "../../etc.json"}, "there is no such file in main"),
    ],
)
def test_a_ref_that_holds_no_baseline_is_exit_2(
    checkout: Checkout, root: Path, inputs: dict[str, str], said: str
) -> None:
    (checkout.scratch / "OUTPUT").write_text("")
    done = checkout.action(root, package="none", **inputs).step("gate", checkout.environment())
    checkout.check_unharmed()
    assert done.returncode == 2, done
    assert said in done.stderr.splitlines()[-1]
    assert (checkout.scratch / "OUTPUT").read_text() == "exit-code=2\n"


def test_without_a_ref_the_checkouts_own_baseline_counts(checkout: Checkout, root: Path) -> None:
    """What baseline-ref is for: the change's own baseline lets the change through."""
    env = {**job_environment(PROGRAMS), "PYTHONPATH": "", "PYTHONSAFEPATH": "1"}
    done = checkout.action(root, package="none").step("gate", env)
    assert done.returncode == 0, done
    commit = git(checkout.folder, "rev-parse", "origin/main").strip()
    done = checkout.action(root, package="none", **{"baseline-ref": commit}).step("gate", env)
    assert done.returncode == 1, done


def test_what_is_not_ours_is_pinned_to_a_commit_and_may_little(root: Path) -> None:
    files = [*(root / ".github").rglob("*.yml")]
    assert len(files) == 3
    texts = [file.read_text(encoding="utf-8") for file in files]
    texts.append((root / "docs" / "ci.md").read_text(encoding="utf-8"))
    used = [name for text in texts for name in re.findall(r"uses: (\S+)", text)]
    foreign = [name for name in used if not name.startswith("OWNER/calibaudit/")]
    assert len(foreign) >= 5
    for name in foreign:
        assert re.fullmatch(r"(actions|pypa)/[\w-]+@[0-9a-f]{40}", name), name
    (workflow,) = (yaml.safe_load(text) for file, text in zip(files, texts, strict=False) if file.name == "ci.yml")
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())
    assert json.dumps(workflow).count("persist-credentials") == json.dumps(workflow).count("actions/checkout@")
