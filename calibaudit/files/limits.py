"""Foreign code (templates, patterns) that computes on and on, or fills the memory, is stopped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
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
    megabytes: beside what the process has; None sets no limit, nor does a system that has none (macOS, Windows). While
    it holds, other threads cannot have more either, so nothing long may run inside.
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


@contextlib.contextmanager
def _time_of_thread(seconds: float) -> Iterator[None]:
    own, lock, state = threading.get_ident(), threading.Lock(), {"done": False, "sent": False}

    def send(what: Any) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(own), what)

    def stop() -> None:
        with lock:
            if not state["done"]:
                state["sent"] = True
                send(ctypes.py_object(_Stopped))

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            state["done"] = True
        timer.cancel()
        if state["sent"]:
            send(None)  # if it has not arrived yet, it must not do so later


@contextlib.contextmanager
def _memory(megabytes: int | None) -> Iterator[None]:
    have = None if megabytes is None else _address_space()
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


_STATM = Path("/proc/self/statm")


def _address_space() -> int | None:
    """Bytes of this process's addresses; None where the system does not say (only Linux does)."""
    try:
        return int(_STATM.read_bytes().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
