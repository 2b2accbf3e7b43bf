"""Network cards' makers by netaddr's list, hyphens of ISBNs by isbnlib's, Austrian post codes as published."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import isbnlib
import netaddr

LANDS = {
    "1": "Wien", "2": "Niederösterreich Burgenland", "3": "Niederösterreich Oberösterreich",
    "4": "Oberösterreich Niederösterreich", "5": "Salzburg Oberösterreich", "6": "Tirol Vorarlberg",
    "7": "Burgenland Steiermark", "8": "Steiermark Burgenland Kärnten", "9": "Kärnten Tirol Steiermark",
}  # fmt: skip
"""The federal states in which post codes begin with a digit."""


def holder(prefix: str) -> str:
    return str(netaddr.OUI(prefix).registration().org)


def same_organisation(one: str, other: str) -> bool:
    """Whether the names differ in punctuation and case alone."""
    return re.sub(r"\W", "", one.casefold()) == re.sub(r"\W", "", other.casefold())


def hyphenated(number: str) -> str:
    return str(isbnlib.mask(number))


@cache
def post_codes() -> dict[str, str]:
    """Each line read for itself, and the first digit held against the federal state."""
    text = (files("stdnum") / "at" / "postleitzahl.dat").read_text(encoding="utf-8")
    found = re.findall(r'^(\d{4}) location="(.+)" region="(.+)"$', text, re.MULTILINE)
    assert len(found) > 2200
    assert all(land in LANDS[code[0]].split() for code, _, land in found)
    return {code: place for code, place, _ in found}


def post_code(place: str) -> str:
    codes = [code for code, name in post_codes().items() if name == place]
    assert len(codes) == 1, place
    return codes[0]
