"""Jobs beside each other in threads that neither an error nor Ctrl-C has to wait for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

Job = Callable[[threading.Event], T]
"""Given the event that is set when nobody waits for it any more."""


def in_parallel(jobs: Sequence[Job[T]], n_threads: int) -> Iterator[tuple[int, T]]:
    """(number, result) of each job, as they are done; begun in order, at most n_threads at once.

    A job's exception is raised here, and no further job is begun; jobs that run are told to stop and not waited for
    (their threads are daemons), as when the caller stops asking.
    """
    todo = iter(range(len(jobs)))
    lock, stop = threading.Lock(), threading.Event()
    done: queue.SimpleQueue[tuple[int, T] | BaseException] = queue.SimpleQueue()

    def work() -> None:
        while not stop.is_set():
            with lock:
                number = next(todo, None)
            if number is None:
                return
            try:
                done.put((number, jobs[number](stop)))
            except BaseException as error:
                done.put(error)
                return

    for _ in range(min(n_threads, len(jobs))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in range(len(jobs)):
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
