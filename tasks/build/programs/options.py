"""Which lines stand beside what a program prints: what misread programs print, alone or two of them together."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations

from build.programs.running import misread, run

N_ALONE = 7
"""Lines of one misreading that stand before those of two."""


def shape(text: str) -> str:
    """What a printed line looks like: numbers as 0, words as a. Options of one question look alike where possible."""
    parts = []
    for part in text.split(" "):
        try:
            parts.append(type(ast.literal_eval(part.strip("[](),"))).__name__)
        except (ValueError, SyntaxError):
            parts.append("text")
    return f"{text[0] if text[0] in '[(' else ''}{' '.join(sorted(set(parts)))}"


@lru_cache(maxsize=4096)
def fields(line: str) -> list[str]:
    """What one print wrote, value by value: '4 [7, 0] 7' -> 4, [7, 0] and 7. The list is shared: not to be changed."""
    found = [""]
    depth = 0
    for character in line:
        depth += (character in "[(") - (character in "])")
        if character == " " and not depth:
            found.append("")
        else:
            found[-1] += character
    return found


def shared(options: Sequence[str]) -> bool:
    """Whether the options have a printed value in common, or half of the only one: nobody needs to work that out."""
    split = [fields(option) for option in options]
    if min(map(len, split)) > 1:
        return any(len(set(column)) == 1 for column in zip(*split, strict=False))
    if all(option.startswith("[") for option in options):
        return _half_shared([option[1:-1].split(", ") for option in options])
    return all(re.fullmatch(r"[^\d\s]{4,}", option) for option in options) and _half_shared(options)


def _half_shared(options: Sequence[Sequence[str]]) -> bool:
    """Whether at least half of the places, counted from the start and then from the end, are the same in all."""
    least = min(map(len, options))
    ahead = next((k for k in range(least) if len({one[k] for one in options}) > 1), least)
    behind = next((k for k in range(least - ahead) if len({one[-1 - k] for one in options}) > 1), least - ahead)
    return 2 * (ahead + behind) >= max(map(len, options))


def merged(answer: str, one: str, other: str) -> str | None:
    """What two misreadings give together that change different values, or items of a list; else None."""
    split = [fields(line) for line in (answer, one, other)]
    gap = " "
    if len(split[0]) == 1:
        split, gap = [line.split(", ") for line in (answer, one, other)], ", "
    if len({len(parts) for parts in split}) > 1 or len(split[0]) == 1:
        return None
    columns = list(zip(*split, strict=True))
    if any(right not in (first, second) for right, first, second in columns):
        return None
    return gap.join(second if first == right else first for right, first, second in columns)


def variants(answer: str, rng: random.Random) -> Iterator[str]:
    """Where too few misreadings print something else: a number off by one, two neighbours swapped."""
    parts = answer.split(" ")
    if len(parts) == 1 and answer.isalpha():
        for i in range(len(answer) - 1):
            yield answer[:i] + answer[i + 1] + answer[i] + answer[i + 2 :]
        return
    for i, part in enumerate(parts):
        digits = part.strip("[](),-")
        if digits.isdigit():
            for step in rng.sample((1, -1, 2), 3):
                if int(digits) + step > (0 if part.startswith("-") else -1):
                    yield " ".join([*parts[:i], part.replace(digits, str(int(digits) + step)), *parts[i + 1 :]])


def repeats(text: str) -> bool:
    """Whether a line of words says one twice: what a wrong index prints, and easily ruled out."""
    parts = text.split(" ")
    return all(part.isalpha() for part in parts) and len(set(parts)) < len(parts)


def distractors(code: str, wrong: list[str], answer: str, rng: random.Random) -> list[str]:
    """What other programs print, in the answer's shape first; no two alike but for case and spaces."""
    seen = {answer.casefold()}
    alike: list[str] = []
    unlike: list[str] = []
    for other in (*wrong, *misread(code)):
        printed = run(other)
        if printed is None or printed.casefold() in seen or repeats(printed) > repeats(answer):
            continue
        seen.add(printed.casefold())
        (alike if shape(printed) == shape(answer) else unlike).append(printed)
    if len(alike) < 3:
        alike += [text for text in variants(answer, rng) if text.casefold() not in seen]
    together = []
    for one, other in combinations(alike, 2):
        both = merged(answer, one, other)
        if both is not None and both.casefold() not in seen and repeats(both) <= repeats(answer):
            seen.add(both.casefold())
            together.append(both)
    alike = [*alike[:N_ALONE], *together[:5], *alike[N_ALONE:]]
    return alike if len(alike) >= 3 else alike + unlike
