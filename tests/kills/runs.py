"""The command in a process that can be killed, forked from one that has imported all: it is at work at once."""

from __future__ import annotations

import atexit
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST = 240.0
"""Seconds after which a run counts as one that hangs."""


@dataclass(frozen=True)
class Ended:
    """code: the exit code, or minus the signal that ended it."""

    code: int
    seconds: float
    errors: str


def imported() -> None:
    """What the commands import when they run, once, so that kills come upon their work and not upon imports."""
    os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", COLUMNS="80")
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(RuntimeError):  # another test of this process has computed already
        torch.set_num_interop_threads(1)
    import calibaudit.cli.app
    import calibaudit.models.load
    import calibaudit.repair.fix
    import calibaudit.report.document.html
    import calibaudit.scoring.evaluate
    import calibaudit.training.train  # noqa: F401


@dataclass
class Running:
    """A run that goes on. pid: of its process, which leads a group of its own."""

    pid: int
    began: float
    errors: Path

    def signaled(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def ended(self) -> Ended | None:
        """None as long as it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return None if pid == 0 else self._ended(status)

    def waited(self) -> Ended:
        while (ended := self.ended()) is None:
            if time.monotonic() - self.began > LONGEST:
                self.signaled(signal.SIGKILL)
            time.sleep(0.01)
        return ended

    def _ended(self, status: int) -> Ended:
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        with contextlib.suppress(OSError):
            return Ended(code, time.monotonic() - self.began, self.errors.read_text("utf-8", "replace")[-2000:])
        return Ended(code, time.monotonic() - self.began, "")


def started(arguments: Sequence[str], top: Path, *, told: Path | None = None, most_bytes: int | None = None) -> Running:
    """The command in a forked process.

    top: its folder for temporary files. told: where its stderr goes. most_bytes: of any file that it writes.
    """
    errors = (told or top) / f"errors-{time.monotonic_ns()}.txt"
    sys.stdout.flush()
    sys.stderr.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the child's, until the command has begun
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            atexit._clear()  # what the parent is to tidy up at its end is not this run's
            vars(weakref.finalize)["_registry"].clear()
            nothing = os.open(os.devnull, os.O_RDWR)
            stderr = os.open(errors, os.O_WRONLY | os.O_CREAT)
            for descriptor, target in ((0, nothing), (1, nothing), (2, stderr)):
                os.dup2(target, descriptor)
            sys.stdout, sys.stderr = os.fdopen(1, "w", encoding="utf-8"), os.fdopen(2, "w", 1, encoding="utf-8")
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
            if most_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
            code = _run(arguments, top)
        finally:
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Running(pid, time.monotonic(), errors)


def _run(arguments: Sequence[str], top: Path) -> int:
    import tempfile

    from calibaudit.cli.app import main

    tempfile.tempdir = str(top / "tmp")
    os.environ["TMPDIR"] = tempfile.tempdir
    sys.argv = ["calibaudit", *arguments]
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    except KeyboardInterrupt:  # before there was a command
        return 130
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    return code


def started_under_torchrun(arguments: Sequence[str], top: Path, n: int = 2) -> Running:
    """The same by torchrun, in n processes that import everything themselves."""
    errors = top / f"errors-{time.monotonic_ns()}.txt"
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={n}",
        "-m",
        "calibaudit",
    ]
    with errors.open("wb") as told:
        process = subprocess.Popen(
            [*command, *arguments],
            env=os.environ | {"TMPDIR": str(top / "tmp"), "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=told,
            start_new_session=True,
        )
    process.returncode = 0  # waited for by its number, here
    return Running(process.pid, time.monotonic(), errors)
