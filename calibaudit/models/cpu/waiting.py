"""How PyTorch's threads wait for each other on a processor that others use too.

The threads of a product meet at its end. libgomp, the OpenMP of PyTorch's wheels for Linux, lets them spin for that,
300,000 rounds: right on an idle machine, where the next product follows at once, and ruinous on a busy one, where they
spin on the very core that the thread they wait for is queueing for. With more OpenMP threads in the process than cores
they spin 100 rounds and sleep (GCC manual, libgomp, GOMP_SPINCOUNT; it counts anew at every wait). So while this
process's threads queue for a core, a team of threads that do nothing is kept beside them, and is dismissed when they
no longer do. How work is split among the threads stays as it is, and so does every number.

Nothing is done where OMP_WAIT_POLICY or GOMP_SPINCOUNT is set, where there is one thread, and without libgomp or Linux.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

SECONDS = 0.5
"""Between two looks."""
CROWDED, ROOMY = 0.2, 0.05
"""Seconds that this process's threads queued for a core, of all together, in a second: above the one they are made to
sleep, and when it was below the other for CALM looks they may spin again."""
CALM = 6
PATIENCE = 60
"""Looks without a network until the watch ends: a command that drops one often loads another."""

_PROC = Path("/proc/self")
_lock = threading.Lock()
_networks: weakref.WeakSet[Any] = weakref.WeakSet()
_watch: Watch | None = None


def wait_well(network: Any) -> None:
    """Watch over the threads from now on, until the network has been gone for a while. It runs on the processor."""
    global _watch
    import torch

    if not watched(os.environ, torch.get_num_threads()):
        return
    libraries = libgomps()
    if not libraries or queued() is None:
        return
    with _lock:
        _networks.add(network)
        if _watch is None:
            _watch = Watch(libraries)
            _watch.start()


def _is_over(n_looks: int) -> bool:
    """Whether the watch ends, which saw no network for so many looks; the next network then gets another."""
    global _watch
    with _lock:
        over = n_looks >= PATIENCE and not _networks
        if over:
            _watch = None
        return over


def watched(environment: Mapping[str, str], n_threads: int) -> bool:
    """Whether there is anything to choose, and the user left the choice."""
    return n_threads > 1 and not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(environment)


def libgomps(maps: Path = _PROC / "maps") -> list[str]:
    """The files of every libgomp in this process."""
    try:
        text = maps.read_text("utf-8", errors="replace")
    except OSError:  # no Linux
        return []
    return sorted(set(re.findall(r"(/.*libgomp[^/\s]*\.so[^/\s]*)$", text, re.MULTILINE)))


def queued(tasks: Path = _PROC / "task") -> dict[str, float] | None:
    """Of each thread of this process the seconds it was ready to run and had no core; None: the system does not tell.

    The second number of Linux's schedstat.
    """
    found = {}
    try:
        for task in tasks.iterdir():
            try:
                found[task.name] = int((task / "schedstat").read_text("ascii").split()[1]) / 1e9
            except (FileNotFoundError, ProcessLookupError):  # the thread has ended
                continue
    except (OSError, ValueError, IndexError):
        return None
    return found or None


def queue_time(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Seconds between two answers of `queued`, of all threads together; one that began between them counts from 0."""
    return sum(max(0.0, seconds - before.get(thread, 0.0)) for thread, seconds in after.items())


class Turns:
    """Whether threads should sleep, look by look."""

    def __init__(self) -> None:
        self.asleep = False
        self._calm = 0

    def look(self, queue: float) -> bool:
        """queue: seconds in the queue in a second of time. Asleep at the first crowd, awake after CALM calm looks."""
        self._calm = self._calm + 1 if queue < ROOMY else 0
        if queue > CROWDED:
            self.asleep = True
        elif self._calm >= CALM:
            self.asleep = False
        return self.asleep


class Watch(threading.Thread):
    """Looks at the queue, and keeps or dismisses the idle teams, until there was no network for a while."""

    def __init__(self, libraries: list[str]) -> None:
        super().__init__(name="calibaudit-waiting", daemon=True)
        self._libraries = libraries

    def run(self) -> None:
        turns, teams = Turns(), list[IdleTeam]()
        before, at, n_alone = queued(), time.monotonic(), 0
        while before is not None and not _is_over(n_alone):
            time.sleep(SECONDS)
            n_alone = 0 if _networks else n_alone + 1
            after, now = queued(), time.monotonic()
            if after is None:
                break
            asleep = turns.look(queue_time(before, after) / (now - at))
            before, at = after, now
            if asleep and not teams:
                teams = [IdleTeam(library) for library in self._libraries]
                logger.debug("threads sleep while they wait: other programs use the processor too")
            elif teams and not asleep:
                _dismiss(teams)
                logger.debug("threads spin while they wait: the processor is theirs again")
        _dismiss(teams)


def _dismiss(teams: list[IdleTeam]) -> None:
    while teams:
        teams.pop().dismiss()


class IdleTeam:
    """More threads of one libgomp than there are cores, asleep until they are dismissed."""

    def __init__(self, library: str) -> None:
        self._go = threading.Event()
        self._thread = threading.Thread(target=self._stand, args=[library], name="calibaudit-idle", daemon=True)
        self._thread.start()

    def dismiss(self) -> None:
        """Returns when they have ended."""
        self._go.set()
        self._thread.join()

    def _stand(self, library: str) -> None:
        """A team belongs to the thread that made it and ends with it."""
        openmp = ctypes.CDLL(library)
        nothing = ctypes.cast(openmp.omp_get_level, ctypes.c_void_p)  # what each of the team is to do
        openmp.GOMP_parallel(nothing, None, ctypes.c_uint(openmp.omp_get_num_procs() + 1), ctypes.c_uint(0))
        self._go.wait()


def _forget() -> None:
    """A forked child has none of these threads, and perhaps a lock that nobody will open."""
    global _lock, _watch
    _lock, _watch = threading.Lock(), None
    _networks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
