"""JSON objects a line, each with a checksum, so that what a program reads back is what a program wrote."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from calibaudit.files.read import NotJson, decode_json

_DIGITS = 16
_FIELD = b', "check": "'
_TAIL = len(_FIELD) + _DIGITS + len(b'"}')


def sealed(fields: Mapping[str, Any], place: bytes) -> bytes:
    """The object as one line, its end with it. place: at most 64 bytes that say where the line belongs.

    Raises TypeError or ValueError for what JSON does not hold.
    """
    assert fields
    body = json.dumps(fields, allow_nan=False).encode()[:-1]
    return body + _FIELD + _checksum(body, place) + b'"}\n'


def unsealed(line: bytes, place: bytes) -> dict[str, Any]:
    """The object of a line, without its end. Raises NotJson where it is not, byte for byte, one that `sealed` wrote
    for the same place."""
    body, tail = line[:-_TAIL], line[-_TAIL:]
    if tail != _FIELD + _checksum(body, place) + b'"}':
        raise NotJson("its checksum is not that of its text")
    found = decode_json(body + b"}", finite=True)
    if not isinstance(found, dict):
        raise NotJson("not an object")
    return found


def _checksum(body: bytes, place: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGITS // 2, key=place).hexdigest().encode()


def number_of(value: Any) -> float:
    """Raises TypeError for what is no finite number; so do the others for what is not as they say."""
    if not isinstance(value, float | int) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError("not a finite number")
    return float(value)


def count_of(value: Any) -> int:
    """A whole number from 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("not a whole number from 0")
    return value


def text_in(fields: Mapping[str, Any], name: str) -> str:
    """Raises KeyError where there is nothing under the name; so do those below."""
    if not isinstance(value := fields[name], str):
        raise TypeError(f"{name} is not text")
    return value


def flag_in(fields: Mapping[str, Any], name: str) -> bool:
    if not isinstance(value := fields[name], bool):
        raise TypeError(f"{name} is neither true nor false")
    return value
