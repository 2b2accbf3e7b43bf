"""East Asian character sets as glibc's iconv has them; without it, as Python's codecs do."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

SETS = {
    "GB 2312": ("EUC-CN", "gb2312"), "Shift JIS": ("SJIS", "shift_jis"), "Big5": ("BIG5", "big5"),
    "EUC-KR": ("EUC-KR", "euc_kr"), "JIS X 0212": ("EUC-JP", "euc_jp"), "Big5-HKSCS": ("BIG5-HKSCS", "big5hkscs"),
    "GBK": ("GBK", "gbk"), "GB 18030": ("GB18030", "gb18030"), "Windows-949": ("UHC", "cp949"),
    "Johab (KS X 1001, annex 3)": ("JOHAB", "johab"),
}  # fmt: skip
"""What glibc and Python call the sets."""


def character_of(value: bytes, title: str) -> str:
    glibc, python = SETS[title]
    if not shutil.which("iconv"):
        return value.decode(python)
    return converted(value, glibc, "UTF-8").decode()


def bytes_of(character: str, title: str) -> bytes:
    glibc, python = SETS[title]
    if not shutil.which("iconv"):
        return character.encode(python)
    return converted(character.encode(), "UTF-8", glibc)


@cache
def converted(value: bytes, source: str, target: str) -> bytes:
    command = ["iconv", "-f", source, "-t", target]
    return subprocess.run(command, input=value, capture_output=True, check=True).stdout


def in_table(row_and_cell: str, title: str) -> str:
    """The character of a table of 94 by 94; JIS X 0212 comes after a shift in EUC-JP."""
    row, cell = row_and_cell.split("-")
    shift = b"\x8f" if title == "JIS X 0212" else b""
    return character_of(shift + bytes([160 + int(row), 160 + int(cell)]), title)


def from_bytes(shown: str, title: str) -> str:
    return character_of(bytes.fromhex(shown.removeprefix("0x")), title)


def to_bytes(character: str, point: str, title: str) -> str:
    assert f"U+{ord(character):04X}" == point
    return f"0x{bytes_of(character, title).hex().upper()}"


def to_table(character: str, point: str, title: str) -> str:
    assert f"U+{ord(character):04X}" == point
    value = bytes_of(character, title)
    assert (value[0] == 0x8F) == (title == "JIS X 0212")
    return "-".join(f"{byte - 160:02d}" for byte in value[-2:])
