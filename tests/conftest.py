from __future__ import annotations

import fcntl
import functools
import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.command import Cli, Ended

# datasets, huggingface_hub and transformers read these when they are imported, so they are set before any test module
# is. Each worker of a parallel run imports this file, and so has a folder of its own.
HF_HOME = tempfile.TemporaryDirectory(prefix="calibaudit-tests-", ignore_cleanup_errors=True)
for _name in list(os.environ):
    if _name.startswith(("HF_", "HUGGINGFACE_", "TRANSFORMERS_")) and _name.endswith(("_CACHE", "_PATH")):
        del os.environ[_name]
os.environ["HF_HOME"] = HF_HOME.name

# One thread a process, and a child's too: the networks here are tiny, and the threads of workers beside each other wait
# for each other. tests/gpu, which has no workers, is left its threads for what it compares with.
if not any("tests/gpu" in argument for argument in sys.argv):
    for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[_name] = "1"

MOST_WORKERS = 8  # beyond these the longest test decides, and each worker has its own torch: 1 GB
ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Workers under `-n auto`: none for tests/gpu, whose tests share one device, nor for tests named one by one."""
    if any("tests/gpu" in argument or "::" in argument for argument in config.args):
        return 0
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") or min(usable, MOST_WORKERS))


def pytest_collection_finish() -> None:
    """What is imported by now stays to the end: collecting garbage need not look through its million objects."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    HF_HOME.cleanup()


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference inputs: real checkpoints, public task data, another harness's logs."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the reference inputs in {folder}")
    return folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def demo_audit(run_folder: Path) -> Path:
    """`calibaudit compare`, as typed, on the bundled pair: a folder with page.txt, result.json and the cache.

    The first worker that asks for it makes it; another waits. Most ask long after.
    """
    folder = run_folder / "demo-audit"
    page = folder / "page.txt"
    files = ["-o", str(folder / "result.json"), "--cache-dir", str(folder / "cache")]
    command = [sys.executable, "-m", "calibaudit", "compare", *files]
    environment = os.environ | {"COLUMNS": "80", "PYTHONUTF8": "1"}
    run = functools.partial(subprocess.run, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
    with (run_folder / "demo-audit.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not page.exists():  # written last
            folder.mkdir(exist_ok=True)
            page.write_text(run(command, check=True).stdout, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def few_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """256 rows of demo:sft, for where their number does not matter: a run scores all of them under each model."""
    rows = (ROOT / "calibaudit" / "demo" / "sft.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path_factory.mktemp("few") / "rows.jsonl"
    path.write_text("".join(rows[::9]), encoding="utf-8")
    return path


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """The command in this process, its streams caught at the file descriptors, as under a pipe."""
    import datasets  # noqa: F401  # it reads the variables once, when it is imported: for all tests to come

    from calibaudit.cli.app import main

    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")  # --offline sets them for good; they go when the test ends
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["calibaudit", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        return Ended(int(caught.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("CALIBAUDIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the kernels' passes that run, in their order."""
    from calibaudit.kernels import dispatch

    names: list[str] = []
    own = dispatch.run

    def watched(function: str, *arguments: Any, **options: Any) -> Any:
        names.append(function)
        return own(function, *arguments, **options)

    monkeypatch.setattr(dispatch, "run", watched)
    return names
