"""What a test of the command line calls, and what it gets."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Ended(NamedTuple):
    """A finished run of the command."""

    code: int
    out: str
    err: str


Cli = Callable[..., Ended]


def check_refused(ended: Ended, *said: str) -> None:
    """Exit code 2 and one line on stderr that holds everything said."""
    assert (ended.code, ended.out) == (2, ""), ended
    (line,) = ended.err.splitlines()
    assert line.startswith("calibaudit: ")
    for part in (*said,):
        assert part in line


def signalled(
    command: Sequence[str], number: int, cwd: Path, env: Mapping[str, str], *, several: bool = False
) -> Ended:
    """The command, sent a signal once it (or both processes that it has started) has begun to load PyTorch."""
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        # A shell's background job hands an ignored SIGINT down to what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while not _loads_torch(process.pid, several=several):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, "PyTorch is not loaded within a minute"
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return Ended(process.returncode, out, err)


def _loads_torch(process: int, *, several: bool) -> bool:
    at_work = [process]
    if several:
        at_work = [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return len(at_work) == 1 + several and all("libtorch" in Path(f"/proc/{one}/maps").read_text() for one in at_work)
