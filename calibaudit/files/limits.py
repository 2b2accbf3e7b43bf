"""Foreign code (templates, patterns) that computes on and on, or fills the memory, is stopped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

SECONDS = 2.0
"""Of computing; a template or a pattern that serves takes thousandths of one."""
MEGABYTES = 400


class TooMuch(Exception):
    """Foreign code went beyond a limit; the message says which."""


@contextlib.contextmanager
def limited(seconds: float = SECONDS, megabytes: int | None = MEGABYTES) -> Iterator[None]:
    """Raises TooMuch inside after so much computing, or where more memory than that is asked for.

    seconds: in the main thread of this process's computing, waiting not counted, within C code that looks for signals
    too (`re`, long integers); in another thread, and on Windows, of the clock, and only between steps of Python code.
    megabytes: beside what the process has; None sets no limit, nor does a system that has none (macOS, Windows). It
    would hold for every thread, so there is none while another one runs: that may be reading a model.
    """
    said = f"it is not finished after {seconds:g} seconds of computing"
    try:
        with _memory(megabytes), _time(seconds):
            yield
    except _Stopped:
        raise TooMuch(said) from None
    except MemoryError:
        raise TooMuch(f"it asks for more than {megabytes} MB of memory" if megabytes else "out of memory") from None


def substituted(pattern: str, replacement: str, text: str, count: int = 0) -> str:
    """`re.sub`, to be called within `limited`. Raises TooMuch for a pattern that tries its ways on and on."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        return re.sub(pattern, replacement, text, count=count)  # `re` looks for signals
    try:
        # It comes with transformers, takes what `re` takes, and looks at the time.
        import regex  # type: ignore[import-untyped]
    except ImportError:
        return re.sub(pattern, replacement, text, count=count)
    re.compile(pattern)
    try:
        return str(regex.sub(pattern, replacement, text, count=count, timeout=SECONDS))
    except TimeoutError:
        raise TooMuch(f"the pattern {pattern!r:.60} is not finished after {SECONDS:g} seconds") from None


class _Stopped(BaseException):
    """Not an Exception: what foreign code calls may catch those."""


@contextlib.contextmanager
def _time(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        with _time_of_thread(seconds):
            yield
        return

    def stop(*_: Any) -> None:
        raise _Stopped

    before = signal.signal(signal.SIGVTALRM, stop)
    left = signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if left[0]:
            signal.setitimer(signal.ITIMER_VIRTUAL, *left)


class _Watcher:
    """Threads that may compute until a time of the clock; one thread of its own, while there are any, sees to it."""

    TICK, PATIENCE = 0.1, 1.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[int, float] = {}
        self._stopped: set[int] = set()
        self.thread: threading.Thread | None = None

    def begin(self, seconds: float) -> None:
        with self._lock:
            self._until[threading.get_ident()] = time.monotonic() + seconds
            if self.thread is None or not self.thread.is_alive():  # nor is it in a process that was forked
                self.thread = threading.Thread(target=self._watch, name="calibaudit-limits", daemon=True)
                self.thread.start()

    def end(self) -> None:
        own = threading.get_ident()
        with self._lock:
            self._until.pop(own, None)
            if own in self._stopped:
                self._stopped.remove(own)
                self._send(own, None)  # if it has not arrived yet, it must not do so later

    def _watch(self) -> None:
        idle_since = time.monotonic()
        while True:
            time.sleep(self.TICK)
            now = time.monotonic()
            with self._lock:
                for thread, until in self._until.items():
                    if now > until and thread not in self._stopped:
                        self._stopped.add(thread)
                        self._send(thread, ctypes.py_object(_Stopped))
                idle_since = now if self._until else idle_since
                if now - idle_since > self.PATIENCE:
                    self.thread = None
                    return

    @staticmethod
    def _send(thread: int, what: Any) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)


_WATCHER = _Watcher()


@contextlib.contextmanager
def _time_of_thread(seconds: float) -> Iterator[None]:
    _WATCHER.begin(seconds)
    try:
        yield
    finally:
        _WATCHER.end()


@contextlib.contextmanager
def _memory(megabytes: int | None) -> Iterator[None]:
    have = None if megabytes is None or not _is_alone() else _address_space()
    if megabytes is None or have is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = have + (megabytes << 20)
    others = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([most, *others]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


_IDLE = "tqdm_monitor"
"""A thread that lives from the first progress bar on, of `datasets` for one, and asks for no memory to speak of."""


def _is_alone() -> bool:
    """Whether no other thread of Python's runs that may need memory."""
    others = set(threading.enumerate()) - {threading.current_thread(), _WATCHER.thread}
    return all(_IDLE in (thread.name, type(thread).__name__) for thread in others)


def _address_space() -> int | None:
    """Bytes of this process's addresses; None where the system does not say (only Linux does)."""
    try:
        file = os.open("/proc/self/statm", os.O_RDONLY)
        try:
            return int(os.read(file, 32).split()[0]) * os.sysconf("SC_PAGE_SIZE")
        finally:
            os.close(file)
    except (OSError, ValueError, IndexError):
        return None
