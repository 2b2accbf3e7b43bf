"""`server:http://HOST:PORT/v1#MODEL`, the name of a served model."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from calibaudit.errors import CalibauditError, ModelError

SERVER = "server:"


@dataclass(frozen=True)
class Address:
    """url: of the API, without a slash at its end. model: as the server calls it; "" where the name says nothing."""

    url: str
    model: str

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def is_server(name: str) -> bool:
    return name.startswith(SERVER)


def address_of(name: str) -> Address:
    """Raises ModelError for what is no such name, or one that holds a password; the text never repeats that."""
    url, _, model = name.removeprefix(SERVER).partition("#")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ModelError(f"{SERVER}...: its URL cannot be read; write {SERVER}http://HOST:PORT/v1#MODEL") from None
    if "@" in parts.netloc or parts.query:
        held = "a user name" if "@" in parts.netloc else "a query"
        raise ModelError(
            f"{SERVER}{parts.scheme}://{parts.hostname}{'' if port is None else f':{port}'}...: the URL holds {held}, "
            "which would be written into results; a key goes into the variable CALIBAUDIT_API_KEY or OPENAI_API_KEY"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelError(f"{name}: no URL of a server; write {SERVER}http://HOST:PORT/v1#MODEL")
    path = parts.path.rstrip("/").removesuffix("/completions")
    return Address(f"{parts.scheme}://{parts.netloc}{path}", model.strip())


def refuse_served(names: Sequence[str], what: str) -> None:
    """Raises CalibauditError for a served model. what: what needs its weights."""
    for name in filter(is_server, names):
        raise CalibauditError(f"{shown(name)}: a served model has no weights here, and {what}; name its checkpoint")


def shown(name: str) -> str:
    """A served model's name without what may be secret in it; any other as it is."""
    if not is_server(name):
        return name
    address = address_of(name)
    return f"{SERVER}{address.url}" + (f"#{address.model}" if address.model else "")
