"""East Asian character sets: which bytes stand for a character, and which character bytes stand for.

Characters that such tables set apart by frequency come at level 9, with options some way off in the table; the others
come at level 10, with options from the places next to the answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from build.drafting import Draft, shuffled
from build.hard.registries.characters import shown

IDEOGRAPHS, EXTENSION, SYLLABLES = (0x4E00, 0x9FA5), (0x3400, 0x4DB5), (0xAC00, 0xD7A3)
WIDE, CLOSE = (6, 7, 9, 11, 14, 17), (1, 2, 3, 4, 5, 6)
"""How far off in the table the wrong options stand, on either side."""

PER_SET = 16


def code(value: bytes) -> str:
    return f"0x{value.hex().upper()}"


def cells(value: bytes) -> str:
    """Row and cell of a table of 94 by 94, from the bytes of EUC."""
    return f"{value[-2] - 0xA0:02d}-{value[-1] - 0xA0:02d}"


@dataclass(frozen=True)
class Table:
    """A part of a character set. written: how a place in it is told. belongs: which codes are of this part."""

    topic: str
    level: int
    encoding: str
    title: str
    blocks: tuple[tuple[int, int], ...]
    belongs: Callable[[bytes], bool]
    written: Callable[[bytes], str] = code

    def places(self) -> list[tuple[bytes, str]]:
        """Its codes with their characters, in the order of the codes."""
        found = []
        for first, last in self.blocks:
            for point in range(first, last + 1):
                try:
                    value = chr(point).encode(self.encoding)
                except UnicodeEncodeError:
                    continue
                if self.belongs(value):
                    found.append((value, chr(point)))
        return sorted(found)


def between(low: int, high: int) -> Callable[[bytes], bool]:
    """Codes of two bytes from low to high."""
    return lambda value: len(value) == 2 and low <= int.from_bytes(value, "big") <= high


def supplement(value: bytes) -> bool:
    """Codes of Hong Kong's supplement, which lie outside Big5."""
    return len(value) == 2 and not 0xA140 <= int.from_bytes(value, "big") <= 0xF9FE


def unlisted(value: bytes) -> bool:
    """Codes whose second byte, or first, lies outside the table of 94 by 94 of the older set."""
    return len(value) == 2 and (value[0] < 0xA1 or value[1] < 0xA1)


TABLES = (
    Table("GB 2312, level 1", 9, "gb2312", "GB 2312", (IDEOGRAPHS,), between(0xB0A1, 0xD7F9), cells),
    Table("JIS X 0208, level 1", 9, "shift_jis", "Shift JIS", (IDEOGRAPHS,), between(0x889F, 0x9872)),
    Table("Big5, frequent", 9, "big5", "Big5", (IDEOGRAPHS,), between(0xA440, 0xC67E)),
    Table("KS X 1001, Hangul", 9, "euc_kr", "EUC-KR", (SYLLABLES,), between(0xB0A1, 0xC8FE)),
    Table("GB 2312, level 2", 10, "gb2312", "GB 2312", (IDEOGRAPHS,), between(0xD8A1, 0xF7FE), cells),
    Table("JIS X 0208, level 2", 10, "shift_jis", "Shift JIS", (IDEOGRAPHS,), between(0x989F, 0xEAFC)),
    Table("JIS X 0212", 10, "euc_jp", "JIS X 0212", (IDEOGRAPHS,), lambda value: value[0] == 0x8F, cells),
    Table("Big5, rare", 10, "big5", "Big5", (IDEOGRAPHS,), between(0xC940, 0xF9FE)),
    Table("KS X 1001, Hanja", 10, "euc_kr", "EUC-KR", (IDEOGRAPHS,), between(0xCAA1, 0xFDFE)),
    Table("HKSCS", 10, "big5hkscs", "Big5-HKSCS", (IDEOGRAPHS, EXTENSION), supplement),
    Table("GBK", 10, "gbk", "GBK", (IDEOGRAPHS,), unlisted),
    Table("GB 18030, four bytes", 10, "gb18030", "GB 18030", (EXTENSION,), lambda value: len(value) == 4),
    Table("Unified Hangul Code", 10, "cp949", "Windows-949", (SYLLABLES,), unlisted),
)


def window(rng: random.Random, place: int, steps: tuple[int, ...], size: int) -> list[int]:
    """Places around one, more of them above or below by chance, so that the answer is not the middle one."""
    below, above = [place - step for step in steps], [place + step for step in steps]
    lower = rng.choices((0, 3, 6, 9), (1, 2, 2, 1))[0]
    taken = [*below[:lower], *above[: 9 - lower]]
    rest = [*below[lower:], *above[9 - lower :]] if lower in (3, 6) else []
    return [other for other in [*taken, *rest[: 9 - len(taken)]] if 0 <= other < size]


def multibyte(rng: random.Random) -> Iterator[Draft]:
    for table in TABLES:
        places = table.places()
        steps = WIDE if table.level == 9 else CLOSE
        for index in range(PER_SET):
            # One of each of so many equal stretches: no item gives away another's place.
            stretch = (len(places) - 40) // PER_SET
            place = 20 + index * stretch + rng.randrange(stretch - 14)
            value, character = places[place]
            near = window(rng, place, (*steps, *(steps[-1] + step for step in (1, 2, 3))), len(places))
            where, title, point = table.written(value), table.title, shown(ord(character))
            told = "row and cell" if table.written is cells else "bytes (hexadecimal)"
            fact, verb = f"bytes {table.encoding} {value.hex()}", "have" if table.written is cells else "stand for"
            if index % 2:
                if table.written is cells:
                    question = f"Which character has row and cell {where} in {title}?"
                    statement = f"In {title}, the character in row and cell {where} is {{}}."
                else:
                    question = f"Which character do the bytes {where} (hexadecimal) stand for in {title}?"
                    statement = f"In {title}, the bytes {where} (hexadecimal) stand for {{}}."
                wrong = [places[other][1] for other in near]
                yield Draft(fact, table.topic, table.level, question, statement, character, shuffled(rng, wrong))
            else:
                question = f"Which {told} {verb} {character} ({point}) in {title}?"
                if table.written is cells:
                    question = f"In which row and cell is {character} ({point}) in {title}?"
                statement = f"In {title}, {character} ({point}) has the {told} {{}}."
                wrong = [table.written(places[other][0]) for other in near]
                yield Draft(fact, table.topic, table.level, question, statement, where, shuffled(rng, wrong))


def johab(rng: random.Random) -> Iterator[Draft]:
    """Korean syllables whose two bytes hold five bits for each part: who knows the parts' values can work them out."""
    for point in rng.sample(range(SYLLABLES[0] + 600, SYLLABLES[1] - 600), 16):
        value = int.from_bytes(chr(point).encode("johab"), "big")
        steps = (1, 28, 588, 29, 27, 2, 56, 587, 589, 616)
        slips = [chr(point + sign * step).encode("johab") for step in steps for sign in (1, -1)]
        question = f"Which bytes (hexadecimal) stand for {chr(point)} ({shown(point)}) in Johab (KS X 1001, annex 3)?"
        statement = f"In Johab (KS X 1001, annex 3), {chr(point)} ({shown(point)}) has the bytes {{}} (hexadecimal)."
        wrong = shuffled(rng, [code(other) for other in slips][:12])
        yield Draft(f"johab {value:04X}", "Johab", 8, question, statement, f"0x{value:04X}", wrong)
