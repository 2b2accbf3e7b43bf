"""What a model is called on a page: the last part of its name, or as much as tells it from the other."""

from __future__ import annotations

from pathlib import PurePath


def short_name(name: str) -> str:
    """The last part of a model's name."""
    return PurePath(name.rstrip("/\\")).name or name


def short_names(before: str, after: str) -> tuple[str, str]:
    """The shortest endings of two model names that tell them apart; `tuned (before)`, `tuned (after)` of one name."""
    if before == after:
        name = short_name(before)
        return f"{name} (before)", f"{name} (after)"
    parts = [PurePath(name.rstrip("/\\")).parts or (name,) for name in (before, after)]
    for n in range(1, max(map(len, parts)) + 1):
        left, right = ("/".join(part[-n:]) for part in parts)
        if left != right:
            return left, right
    return before, after
