"""One command in several processes of this machine that share its work, as torchrun starts them, with its exit code.

torchrun itself ends with 1 whatever its processes end with, and with a report of its own; a gate that regressed (1) and
one that could not be had (2) would look alike.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack

from calibaudit.cli.outputs import show_text
from calibaudit.errors import CalibauditError

_CHILD = "import sys; sys.path[:] = sys.argv.pop(1).split('\\n'); from calibaudit.__main__ import main; main()"
"""The modules are looked for where this process looks, and nowhere else."""

_GRACE = 5.0
"""Seconds for the others to end by themselves when one has failed: each may meet the same fault."""
_PATIENCE = 30.0
"""Seconds from asking a process to end until it is ended."""
_TAIL = 4000


def run_in(n: int, arguments: Sequence[str]) -> int:
    """The exit code of `calibaudit arguments` run in n processes; 128 and its number where a signal ended it.

    It is the first process's where that failed by itself, else that of the first that did. What the others say on
    stderr is shown only where the fault was theirs. Raises CalibauditError under torchrun.
    """
    if "WORLD_SIZE" in os.environ or "RANK" in os.environ:
        raise CalibauditError(
            f"--processes {n}: torchrun (WORLD_SIZE, RANK) has started processes already; drop one of the two"
        )
    isolated = ["-I"] if sys.flags.isolated else []
    command = [sys.executable, *isolated, "-c", _CHILD, "\n".join(sys.path), *arguments]
    sys.stdout.flush()
    with ExitStack() as opened:
        said = [opened.enter_context(tempfile.TemporaryFile()) for _ in range(1, n)]
        running = [
            subprocess.Popen(
                command,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stderr=None if i == 0 else said[i - 1],
                start_new_session=True,  # Ctrl-C reaches this process, which hands it on once
            )
            for i, variables in enumerate(_variables(n))
        ]
        try:
            first = _waited(running)
        finally:
            _end(running)
        if first is None:
            return 0
        told = 0 if running[0].returncode > 0 else first
        if told > 0:
            said[told - 1].seek(0)
            show_text(said[told - 1].read().decode("utf-8", "replace")[-_TAIL:], sys.stderr)
    code = running[told].returncode
    return 128 - code if code < 0 else code


def _variables(n: int) -> list[dict[str, str]]:
    """Of each process what torchrun would set."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // n)))
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": threads}
    shared |= {"WORLD_SIZE": str(n), "LOCAL_WORLD_SIZE": str(n), "GROUP_RANK": "0"}
    return [{**shared, "RANK": str(i), "LOCAL_RANK": str(i)} for i in range(n)]


def _waited(running: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Which process failed first; None where all ended well. A signal to this process is handed on to all of them."""

    def hand_on(number: int, _: object) -> None:
        for process in running:
            if process.poll() is None:
                process.send_signal(number)

    numbers = [signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ())]
    before = {number: signal.signal(number, hand_on) for number in numbers}
    try:
        while True:
            codes = [process.poll() for process in running]
            failed = [i for i, code in enumerate(codes) if code]
            if failed:
                _wait_all(running, _GRACE)
                return failed[0]
            if all(code == 0 for code in codes):
                return None
            time.sleep(0.05)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(running: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in running:
        if process.poll() is None:
            process.terminate()
    _wait_all(running, _PATIENCE)
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()


def _wait_all(running: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(process.poll() is None for process in running):
        time.sleep(0.05)
