"""The library `datasets` as it is used here: quiet, without code of data sets, and offline without the network."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from calibaudit.errors import TaskError

_INTERNET = (socket.AF_INET, socket.AF_INET6)


class FetchRefusedError(ConnectionError):
    """Something asked for another machine while the network was closed."""


@contextmanager
def closed_network(closed: bool = True) -> Iterator[list[str]]:
    """While it lasts, no name is looked up and nothing is connected to, in any thread; with closed=False, as always.

    Gives the hosts that were asked for all the same: libraries hide the error behind others of their own. What does not
    go by Python's sockets is not seen; sockets of this machine's files (AF_UNIX) stay open.
    """
    asked: list[str] = []
    if not closed:
        yield asked
        return

    def refuse(host: object) -> None:
        name = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
        asked.append(name)
        raise FetchRefusedError(f"{name}: nothing is fetched offline")

    def look_up(host: object, *_: Any, **__: Any) -> Any:
        refuse(host)

    def only_files(connect: Any) -> Any:
        def checked(self: socket.socket, address: Any) -> Any:
            if self.family in _INTERNET:
                refuse(address[0])
            return connect(self, address)

        return checked

    names = ("connect", "connect_ex")
    own = {name: vars(socket.socket)[name] for name in names if name in vars(socket.socket)}
    found = socket.getaddrinfo
    # On the class itself: it has long been imported by name elsewhere.
    for name in names:
        setattr(socket.socket, name, only_files(getattr(socket.socket, name)))
    socket.getaddrinfo = look_up
    try:
        yield asked
    finally:
        socket.getaddrinfo = found
        for name in names:
            if name in own:
                setattr(socket.socket, name, own[name])
            else:
                delattr(socket.socket, name)


def check_runs_no_code(version: str) -> None:
    """Raises TaskError for a `datasets` before 4.

    Those run the script of a data set once any program of this user was told to trust it, whatever they are told here.
    """
    if int(version.partition(".")[0]) < 4:
        raise TaskError(f"datasets {version} runs code of data sets: pip install --upgrade 'datasets>=4.0'")


@contextmanager
def quiet_datasets(*, offline: bool) -> Iterator[Any]:
    """The module `datasets`, without progress bars and log lines; with offline, without the network.

    The switches are the library's own variables, which it reads from the environment only when it is imported;
    all are put back at the end.
    Raises TaskError for a version that runs code of data sets.
    """
    import datasets
    from huggingface_hub import constants

    check_runs_no_code(datasets.__version__)

    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    bars_shown = datasets.is_progress_bar_enabled()
    switches = [
        (datasets.config, "HF_HUB_OFFLINE"),
        (datasets.config, "HF_DATASETS_OFFLINE"),
        (constants, "HF_HUB_OFFLINE"),
    ]
    before = [(module, name, getattr(module, name)) for module, name in switches if hasattr(module, name)]
    try:
        datasets.disable_progress_bars()
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        for module, name, value in before:
            setattr(module, name, value or offline)
        yield datasets
    finally:
        for module, name, value in before:
            setattr(module, name, value)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars_shown:
            datasets.enable_progress_bars()
