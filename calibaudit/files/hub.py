"""Whether the Hugging Face hub answers: asked once, for its client tries for half a minute and logs each try."""

from __future__ import annotations

import os
import threading
from functools import cache

_PATIENCE = 2.5
"""Seconds for the hub's first answer. HF_HUB_ETAG_TIMEOUT, the client's own variable, waits longer."""


def out_of_reach() -> str | None:
    """Why the hub cannot be asked, in a few words: `Connection refused`; None where it answers.

    The first answer holds for this process.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    seconds = constants.HF_HUB_ETAG_TIMEOUT if os.environ.get("HF_HUB_ETAG_TIMEOUT") else _PATIENCE
    return _asked(constants.ENDPOINT, seconds)


@cache
def _asked(endpoint: str, seconds: float) -> str | None:
    found: list[str] = [f"{endpoint} has not answered within {seconds:g} s; HF_HUB_ETAG_TIMEOUT=30 would wait longer"]

    def ask() -> None:
        """Through the client's own session, which knows of proxies and certificates. Any answer is one."""
        from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # there since 0.17

        try:
            get_session().head(endpoint, timeout=seconds)
            found.clear()
        except Exception as error:  # of the HTTP library, which differs between versions of the client
            if "timeout" not in type(error).__name__.lower():
                found[:] = [f"{endpoint}: {_cause(error)}"]

    asking = threading.Thread(target=ask, daemon=True)  # a name server's silence heeds no timeout
    asking.start()
    asking.join(seconds + 0.25)
    return found[0] if found else None


def _cause(error: BaseException) -> str:
    """What the system said, below the layers of an HTTP library."""
    step: BaseException | None = error
    while step is not None:
        if isinstance(step, OSError) and step.strerror:
            return step.strerror
        step = step.__cause__ or step.__context__
    return " ".join(str(error).split())[:200] or type(error).__name__
