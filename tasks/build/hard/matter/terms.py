"""Ground states of atoms: unpaired electrons and term symbols, where Hund's rules give the measured ones."""

from __future__ import annotations

import random
import re
from fractions import Fraction

LETTERS = "SPDFGHIKLMN"
ROOM = {"s": 2, "p": 6, "d": 10, "f": 14}


def shells(configuration: str) -> list[tuple[str, int]] | None:
    """The subshells outside the core: '4f3.6s2' or '[Xe] 4f3 6s2' as f with 3 and s with 2. None for other texts."""
    made = []
    for part in re.split(r"[ .]", re.sub(r"\[\w+\] ?|\.?\([^)]*\)|<[^>]*>", "", configuration)):
        match = re.fullmatch(r"\d([spdf])(\d*)", part)
        if not match:
            return None
        made.append((match[1], int(match[2] or 1)))
    return made


def unpaired(configuration: str) -> int | None:
    """As many as Hund's first rule leaves single in each subshell."""
    found = shells(configuration)
    return None if found is None else sum(min(count, ROOM[kind] - count) for kind, count in found)


def hund(configuration: str) -> tuple[int, int, Fraction] | None:
    """2S + 1, L and J of the lowest level by Hund's rules; for one open subshell, or one and a single s electron."""
    found = shells(configuration)
    if found is None:
        return None
    opened = [(kind, count) for kind, count in found if count < ROOM[kind]]
    single = [shell for shell in opened if shell == ("s", 1)]
    inner = [shell for shell in opened if shell != ("s", 1)]
    if len(inner) > 1 or len(single) > 1 or not inner:
        return None
    kind, count = inner[0]
    half = ROOM[kind] // 2
    top = half // 2
    orbital = abs(sum(top - place % half for place in range(count)))
    spin = Fraction(min(count, 2 * half - count) + len(single), 2)
    momentum = abs(orbital - spin) if count < half else orbital + spin
    return int(2 * spin + 1), orbital, momentum


def plain(configuration: str) -> bool:
    """Whether one subshell alone is open."""
    return len([1 for kind, count in shells(configuration) or () if count < ROOM[kind]]) == 1


def text(multiplicity: int, orbital: int, momentum: Fraction) -> str:
    bracketed = f"({momentum})" if momentum.denominator > 1 else str(momentum)
    return f"{multiplicity}{LETTERS[orbital]}{bracketed}"


def level_text(configuration: str, term: str) -> str | None:
    """'4I*<9/2>' as '4I(9/2)', if Hund's rules give the same."""
    expected = hund(configuration)
    match = re.fullmatch(r"(\d)([A-Z])\*?(?:<([\d/]+)>|(\d))", term)
    if not match or expected is None:
        return None
    given = int(match[1]), LETTERS.index(match[2]), Fraction(match[3] or match[4])
    return text(*given) if given == expected else None


def wrong_levels(rng: random.Random, right: str) -> tuple[str, ...]:
    """Other terms with a J that they can have: the wrong end of the range, the wrong L or multiplicity."""
    match = re.fullmatch(r"(\d)([A-Z])\(?([\d/]+)\)?", right)
    assert match
    multiplicity, orbital, momentum = int(match[1]), LETTERS.index(match[2]), Fraction(match[3])
    made = []
    for wider in (0, 2, -2):
        for other in (orbital, orbital + 1, orbital - 1, orbital + 2):
            spin = Fraction(multiplicity + wider - 1, 2)
            if multiplicity + wider < 1 or not 0 <= other < len(LETTERS):
                continue
            low, high = abs(other - spin), other + spin
            for j in sorted({momentum, low, high, momentum + 1, momentum - 1}):
                if low <= j <= high:
                    made.append(
                        (abs(wider) + 2 * abs(other - orbital) + 2 * (j != momentum), rng.random(), wider, other, j)
                    )
    made.sort()
    texts = [text(multiplicity + wider, other, j) for _, _, wider, other, j in made]
    pool = [t for t in dict.fromkeys(texts) if t != right]
    return tuple(pool[:10])
