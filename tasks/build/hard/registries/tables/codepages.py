"""Older eight-bit character sets: which byte stands for a character, and which character a byte stands for."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator

from build.drafting import Draft, shuffled
from build.hard.registries.codes import nearest
from build.making import distinct

PAGES: dict[int, dict[str, str]] = {
    6: {
        "koi8_r": "KOI8-R",
        "cp437": "code page 437",
        "cp1251": "Windows-1251",
        "cp866": "code page 866",
        "cp850": "code page 850",
    },
    7: {
        "mac_roman": "Mac OS Roman",
        "iso8859_2": "ISO 8859-2",
        "cp1250": "Windows-1250",
        "cp852": "code page 852",
        "cp855": "code page 855",
        "cp1257": "Windows-1257",
        "iso8859_4": "ISO 8859-4",
        "mac_cyrillic": "Mac OS Cyrillic",
        "cp1256": "Windows-1256",
    },
    8: {
        "cp037": "EBCDIC code page 037",
        "cp775": "code page 775",
        "cp737": "code page 737",
        "iso8859_10": "ISO 8859-10",
        "iso8859_14": "ISO 8859-14",
        "mac_latin2": "Mac OS Central European",
        "cp500": "EBCDIC code page 500",
        "cp273": "EBCDIC code page 273",
        "cp869": "code page 869",
        "cp861": "code page 861",
        "hp_roman8": "HP Roman-8",
        "cp865": "code page 865",
        "cp875": "EBCDIC code page 875",
    },
    9: {
        "cp864": "code page 864",
        "koi8_t": "KOI8-T",
        "kz1048": "KZ-1048",
        "ptcp154": "PTCP154",
        "cp1125": "code page 1125",
        "cp862": "code page 862",
        "cp863": "code page 863",
        "cp860": "code page 860",
        "iso8859_16": "ISO 8859-16",
        "iso8859_3": "ISO 8859-3",
    },
}
"""Level: Python's names of the encodings and what they are called in the text."""

PER_PAGE = 7
RARE = 9
"""From this level on a page is asked only for what better known ones have elsewhere."""


def letters(encoding: str) -> dict[int, str]:
    """The letters beyond ASCII of a page, by their bytes; of EBCDIC the signs too.

    Without those that stand where Latin-1 has them: who knows Unicode would know the byte.
    """
    found: dict[int, str] = {}
    ebcdic = b"A".decode(encoding) != "A"
    for byte in range(0x40 if ebcdic else 0x80, 0x100):
        try:
            character = bytes([byte]).decode(encoding)
        except UnicodeDecodeError:
            continue
        if character.isprintable() and not character.isspace() and unicodedata.name(character, ""):
            beyond = character > "\x7f" or (ebcdic and not character.isalnum())
            if (
                beyond
                and ord(character) != byte
                and not unicodedata.combining(character)
                and (ebcdic or character.isalpha())
            ):
                found[byte] = character
    return found


def slips(character: str, encoding: str, own: dict[int, str]) -> list[int]:
    """The character's byte in other sets, and the bytes of its other case and of letters with the same base."""
    found = []
    for pages in PAGES.values():
        for other in pages:
            try:
                found += [*character.encode(other)]
            except UnicodeEncodeError:
                continue
    base = unicodedata.normalize("NFD", character)[0].casefold()
    found += [byte for byte, other in own.items() if unicodedata.normalize("NFD", other)[0].casefold() == base]
    right = character.encode(encoding)[0]
    return [byte for byte in dict.fromkeys(found) if byte != right and byte >= min(own)]


def shared(byte: int, character: str) -> bool:
    """Whether a better known page has the character at the same byte."""
    others = [encoding for level, pages in PAGES.items() if level < RARE for encoding in pages]
    return any(bytes([byte]).decode(encoding, "replace") == character for encoding in others)


def codepages(rng: random.Random) -> Iterator[Draft]:
    for level, pages in PAGES.items():
        for encoding, title in pages.items():
            own = letters(encoding)
            asked = [byte for byte in sorted(own) if level < RARE or not shared(byte, own[byte])]
            for index, byte in enumerate(rng.sample(asked, PER_PAGE)):
                character = own[byte]
                name, near = unicodedata.name(character), nearest(byte, sorted(own))
                if index % 2:
                    question = f"Which character does the byte {byte:02X} (hexadecimal) stand for in {title}?"
                    statement = f"In {title}, the byte {byte:02X} (hexadecimal) stands for {{}}."
                    pool = shuffled(rng, distinct(character, [own[other] for other in nearest(byte, sorted(own), 18)]))
                    yield Draft(f"byte {encoding} {byte:02X}", "byte", level, question, statement, character, pool)
                else:
                    question = f"Which byte (hexadecimal) stands for {character} ({name}) in {title}?"
                    statement = f"In {title}, {character} ({name}) is the byte {{}} (hexadecimal)."
                    first = rng.sample(pool, min(4, len(pool))) if (pool := slips(character, encoding, own)) else []
                    wrong = shuffled(rng, [f"{other:02X}" for other in [*first, *near[:6]]])
                    yield Draft(
                        f"byte {encoding} {byte:02X}", "byte value", level, question, statement, f"{byte:02X}", wrong
                    )
