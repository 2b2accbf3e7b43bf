"""Questions to a server and its answers, JSON each: asked again where that may help, the key kept out of all texts."""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibaudit.errors import ModelError
from calibaudit.files.read import MOST_OF_SETTINGS, NotJson, decode_json
from calibaudit.files.text import one_line
from calibaudit.scoring.engines.address import Address

KEYS = ("CALIBAUDIT_API_KEY", "OPENAI_API_KEY")
TIMEOUT = 600.0
FIRST_TRIES = 3
MOST_TEXT = 300


class Refused(ModelError):
    """The server answered with a 4xx that asking again does not change. status: its code."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Stopped(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Retries:
    """tries: in all. first, most: seconds before the second try, which double up to the most, Retry-After included."""

    tries: int = 8
    first: float = 0.5
    most: float = 60.0

    def wait(self, n: int, asked: float | None) -> float:
        """Seconds after the n-th failure, n from 0. asked: what the server asked for."""
        own = self.first * 2.0**n
        return min(self.most, own if asked is None else max(own, asked))


def api_key() -> str | None:
    """The first of KEYS that the environment holds, stripped; None for none. Raises ModelError, without its text, for
    one that cannot stand in a header.
    """
    for name in KEYS:
        key = os.environ.get(name, "").strip()
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ModelError(f"{name}: holds spaces or characters that no key has; set it again")
        if key:
            return key
    return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would lose its body, and take the key to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Connection:
    """One server. Used by many threads at once. TLS certificates are verified; proxies are those of the environment,
    none for this machine itself.
    """

    def __init__(
        self, address: Address, key: str | None, retries: Retries | None = None, timeout: float = TIMEOUT
    ) -> None:
        self._address = address
        self._key = key
        self._retries = retries or Retries()
        self._timeout = timeout
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if address.is_local:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str) -> Any:
        """As `post`, with few tries: whether there is a server is to be known soon."""
        return self._asked(path, None, None, min(self._retries.tries, FIRST_TRIES))

    def post(
        self, path: str, body: Mapping[str, Any], stop: threading.Event | None = None, *, probing: bool = False
    ) -> Any:
        """The JSON answer to `body`. stop: set when nobody waits for it any more. probing: a second 500 is Refused,
        for that is how some servers say no.

        429, 5xx and broken connections are asked again, as Retries say, then raise ModelError with what the server
        said; 4xx raise Refused at once, an answer that is no JSON ModelError. Raises Stopped after `stop`.
        """
        return self._asked(path, json.dumps(body).encode(), stop, self._retries.tries, probing=probing)

    def _asked(
        self, path: str, body: bytes | None, stop: threading.Event | None, tries: int, *, probing: bool = False
    ) -> Any:
        stop = stop or threading.Event()
        url = f"{self._address.url}/{path}"
        said = ""
        for n in range(tries):
            if stop.is_set():
                raise Stopped
            wanted: float | None = None
            try:
                with self._opener.open(self._request(url, body), timeout=self._timeout) as answer:
                    content = answer.read(MOST_OF_SETTINGS)
                return self._parsed(url, content)
            except urllib.error.HTTPError as error:
                said = f"HTTP {error.code}" + self._reason(error)
                if (error.code != 429 and error.code < 500) or (probing and error.code == 500 and n):
                    raise Refused(f"{url}: {said}{self._advice(error.code)}", error.code) from None
                wanted = _seconds(error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
                reason = getattr(error, "reason", error)
                said = self._clean(str(reason) or type(reason).__name__)
                if isinstance(reason, ssl.SSLCertVerificationError):
                    raise ModelError(f"{url}: its certificate is not trusted: {said}") from None
            if n + 1 < tries and stop.wait(self._retries.wait(n, wanted)):
                raise Stopped
        raise ModelError(f"{url}: no answer after {tries} tries: {said}")

    def _request(self, url: str, body: bytes | None) -> urllib.request.Request:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "calibaudit"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        return urllib.request.Request(url, data=body, headers=headers)

    def _parsed(self, url: str, content: bytes) -> Any:
        try:
            return decode_json(content, finite=False)
        except NotJson:
            text = self._clean(content.decode("utf-8", "replace"))
            raise ModelError(
                f"{url}: its answer is not JSON ({text or 'nothing'}); check the URL (usually ends in /v1)"
            ) from None

    def _reason(self, error: urllib.error.HTTPError) -> str:
        """`: ` and what the server said, where it said something."""
        try:
            content = error.read(65_536)
        except (OSError, http.client.HTTPException):
            return ""
        text = content.decode("utf-8", "replace")
        try:
            told: Any = decode_json(text)
        except NotJson:
            told = text
        while isinstance(told, dict):
            told = next((told[name] for name in ("error", "message", "detail") if told.get(name)), json.dumps(told))
        text = self._clean(told if isinstance(told, str) else json.dumps(told))
        return f": {text}" if text else ""

    def _clean(self, text: str) -> str:
        """One line without the key."""
        if self._key is not None:
            text = text.replace(self._key, "[key]")
        return one_line(text, MOST_TEXT)

    def _advice(self, status: int) -> str:
        if status not in (401, 403):
            return ""
        has = "is not accepted" if self._key is not None else "is missing"
        return f" (the key {has}: it is read from {' or '.join(KEYS)})"


def _seconds(header: str | None) -> float | None:
    """Retry-After, a number of seconds or a date, as seconds from now; None where it says nothing."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        date = email.utils.parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    return max(0.0, date.timestamp() - time.time())
