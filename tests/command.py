"""What a test of the command line calls, and what it gets; and processes that need not import all again."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


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


def processes() -> BaseContext:
    """Makes processes that are forks of this one, where no GPU forbids it: to import torch again takes seconds."""
    import torch

    return multiprocessing.get_context("spawn" if torch.cuda.is_available() else "fork")


def in_a_process(function: Callable[..., T], *arguments: Any) -> T:
    """What the function gives, or raises, in a process of its own, whose memory in use is no more than it needs."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # a fork would fill what is free here
        trim(0)
    with ProcessPoolExecutor(1, mp_context=processes()) as pool:  # type: ignore[arg-type]
        return pool.submit(function, *arguments).result()


def forked(*arguments: object, cwd: Path, **environment: str) -> Ended:
    """The command in a process of its own, which is a fork of this one."""
    with tempfile.TemporaryDirectory() as streams:
        code = in_a_process(command_to, Path(streams), cwd, environment, *arguments)
        out, err = (Path(streams, name).read_text(encoding="utf-8") for name in ("out", "err"))
    return Ended(code, out, err)


def command_to(streams: Path, cwd: Path, environment: Mapping[str, str], *arguments: object) -> int:
    """Turns this process into the command, with its streams in the files out and err of a folder; its exit code."""
    from calibaudit.cli.app import main

    os.environ |= environment
    time.tzset()
    os.chdir(cwd)
    sys.argv = ["calibaudit", *map(str, arguments)]
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(streams / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def in_two(function: Callable[..., T], *arguments: Any) -> list[T]:
    """What the function gives in each of the two processes of `torchrun --standalone --nproc-per-node 2`."""
    return in_a_process(_torchrun, processes().get_start_method(), function, arguments)


def _torchrun(start_method: str, function: Callable[..., T], arguments: tuple[Any, ...]) -> list[T]:
    """torchrun's own agent, in a process of its own, as it sets handlers of signals."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        1, 1, nproc_per_node=2, run_id=str(uuid.uuid4()), rdzv_backend="c10d", rdzv_endpoint="localhost:0",
        start_method=start_method, max_restarts=0,
    )  # fmt: skip
    try:
        found = elastic_launch(config, function)(*arguments)
    except ChildFailedError as error:
        raise RuntimeError(str(error)) from None  # its own kind does not survive the way back
    return [found[rank] for rank in range(2)]
