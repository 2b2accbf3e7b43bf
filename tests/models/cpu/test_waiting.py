"""How threads wait beside other work: what the queue is, when they are to sleep, and that they do."""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest

from calibaudit.models.cpu import waiting
from calibaudit.models.cpu.waiting import IdleTeam, Turns, Watch, libgomps, queue_time, queued, watched
from calibaudit.models.model import load_model
from tests.families import save_tiny

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what threads wait for, and has libgomp")


@pytest.mark.parametrize(
    ("environment", "n_threads", "expected"),
    [
        ({}, 2, True),
        ({"OMP_NUM_THREADS": "4"}, 4, True),  # how many is theirs to say, and stays
        ({}, 1, False),
        ({"OMP_WAIT_POLICY": "active"}, 2, False),
        ({"GOMP_SPINCOUNT": "1000"}, 2, False),
    ],
)
def test_what_the_user_chose_stays(environment: dict[str, str], n_threads: int, expected: bool) -> None:
    assert watched(environment, n_threads) is expected


@pytest.mark.parametrize(
    ("queues", "asleep"),
    [
        ([0.0, 0.1, 0.19], [False, False, False]),
        ([0.3, 0.1, 0.1, 0.1, 0.1], [True] * 5),  # not crowded, and not calm either
        ([0.3, 0.0, 0.0, 0.0], [True, True, True, False]),
        ([0.3, 0.0, 0.0, 0.1, 0.0, 0.0, 0.0], [True] * 6 + [False]),
        ([0.0, 0.3, 0.0, 0.0, 0.0, 0.3], [False, True, True, True, False, True]),
    ],
)
def test_asleep_at_once_and_awake_when_it_is_calm(
    queues: list[float], asleep: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "CALM", 3)
    turns = Turns()
    assert [turns.look(queue) for queue in queues] == asleep


def test_the_queue_of_threads_that_come_and_go() -> None:
    assert queue_time({"1": 2.0, "2": 5.0}, {"1": 2.25, "3": 0.5}) == pytest.approx(0.75)
    assert queue_time({"1": 2.0}, {"1": 0.0}) == 0  # another thread of that number


@linux
def test_two_threads_on_one_core_queue_for_half_of_the_time() -> None:
    """Beside other work they queue for more."""
    (core, *_), text = sorted(os.sched_getaffinity(0)), bytes(1 << 20)
    found: list[float] = []
    gate = threading.Barrier(3)

    def work() -> None:
        os.sched_setaffinity(0, {core})  # of this thread alone
        gate.wait()
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            hashlib.sha256(text)  # without the interpreter's lock
        gate.wait()
        gate.wait()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        gate.wait()
        found.append(sum((queued() or {}).values()))
    gate.wait()
    for thread in threads:
        thread.join()
    assert found[1] - found[0] > 0.25


def test_libgomp_is_found_among_what_is_loaded(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    one = "7f00-7f01 r-xp 00000000 fe:00 12 "
    names = ("/a b/libgomp-a34b.so.1.0.0", "/opt/torch/lib/libgomp.so.1", "/opt/torch/lib/libtorch_cpu.so")
    maps.write_text("".join(f"{one}{name}\n{one}{name}\n" for name in names) + "7f02-7f03 rw-p 0 00:00 0\n", "utf-8")
    assert libgomps(maps) == ["/a b/libgomp-a34b.so.1.0.0", "/opt/torch/lib/libgomp.so.1"]
    assert libgomps(tmp_path / "none") == []


@pytest.fixture
def openmp() -> str:
    found = libgomps()
    if not found:
        pytest.skip("PyTorch here has another OpenMP than libgomp")
    return found[0]


def n_threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def awaited(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not holds() and time.monotonic() < end:
        time.sleep(0.002)
    return holds()


@linux
def test_an_idle_team_has_more_threads_than_there_are_cores(openmp: str) -> None:
    before = n_threads()
    team = IdleTeam(openmp)
    n_cores = len(os.sched_getaffinity(0))
    assert awaited(lambda: n_threads() >= before + n_cores + 1)
    team.dismiss()
    assert awaited(lambda: n_threads() == before)


@linux
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="on one core libgomp's threads never spin")
def test_beside_an_idle_team_threads_sleep(openmp: str) -> None:
    """By the processor's time: the second thread of a team waits 3 ms, thirty times, for the next thing to do."""
    library = ctypes.CDLL(openmp)
    nothing = ctypes.cast(library.omp_get_level, ctypes.c_void_p)
    used: list[float] = []

    def wait() -> None:
        for _ in range(30):
            library.GOMP_parallel(nothing, None, ctypes.c_uint(2), ctypes.c_uint(0))
            time.sleep(0.003)

    def both() -> None:
        for team in (lambda: None, lambda: IdleTeam(openmp)):
            before = n_threads()
            made = team()
            assert made is None or awaited(lambda before=before: n_threads() >= before + 3)  # type: ignore[misc]
            start = time.process_time()
            wait()
            used.append(time.process_time() - start)
            if made is not None:
                made.dismiss()

    thread = threading.Thread(target=both)
    thread.start()
    thread.join()
    spinning, sleeping = used
    assert sleeping < spinning / 3


class Network:
    """Something that can be let go."""


@pytest.fixture
def teams(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What becomes of idle teams that are not made."""
    told: list[str] = []

    class Team:
        def __init__(self, library: str) -> None:
            told.append(f"made of {library}")

        def dismiss(self) -> None:
            told.append("dismissed")

    monkeypatch.setattr(waiting, "IdleTeam", Team)
    monkeypatch.setattr(waiting, "PATIENCE", 3)
    return told


def test_a_watch_ends_some_looks_after_the_network(teams: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock, crowd = [0.0], [0.5]
    queue = [0.0]

    def sleep(_: float) -> None:
        clock[0] += 1
        queue[0] += crowd[0]
        if clock[0] == 3:
            crowd[0] = 0.0
        if clock[0] == 20:
            networks.clear()

    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    monkeypatch.setattr(waiting, "queued", lambda: {"1": queue[0]})
    networks = [Network()]
    monkeypatch.setattr(waiting, "_networks", WeakSet(networks))
    Watch(["libgomp.so"]).run()
    assert teams == ["made of libgomp.so", "dismissed"]
    assert clock[0] == 22


def test_teams_go_when_the_network_does(teams: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    queue, networks = [0.0], [Network()]

    def sleep(_: float) -> None:
        queue[0] += 1000.0
        if teams:
            networks.clear()

    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    monkeypatch.setattr(waiting, "queued", lambda: {"1": queue[0]})
    monkeypatch.setattr(waiting, "_networks", WeakSet(networks))
    Watch(["one", "two"]).run()
    assert teams == ["made of one", "made of two", "dismissed", "dismissed"]


def test_a_network_on_the_processor_is_watched_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("calibaudit.models.load.wait_well", told.append)
    model = load_model(str(save_tiny(tmp_path / "tiny")), device="cpu")
    assert told == [model.network]
