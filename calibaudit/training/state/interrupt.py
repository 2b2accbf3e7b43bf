"""Ctrl-C in a run that is to end after a whole step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupt:
    """Whether Ctrl-C was pressed."""

    pressed = False


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """The first Ctrl-C is only noted; the second one interrupts as ever."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    own = signal.getsignal(signal.SIGINT)

    def note(*_: Any) -> None:
        interrupt.pressed = True
        signal.signal(signal.SIGINT, own)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, own)
