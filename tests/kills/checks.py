"""What must hold after a kill, and after the command was run to its end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.kills.jobs import content, contents


def cache_lines(cache: Path) -> list[tuple[str, str]]:
    """(file, key) of every whole line of results, in order; headers and torn lines are none."""
    found = []
    for path in sorted([*cache.glob("scores/*.jsonl"), *cache.glob("thoughts/*.jsonl")]):
        for line in path.read_bytes().split(b"\n")[:-1]:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            key = entry.get("key") if isinstance(entry, dict) else None
            if isinstance(key, str):
                found.append((path.name, key))
    return found


def computed_twice(before: list[tuple[str, str]], after: list[tuple[str, str]]) -> int:
    """Results that were on disk when the run was killed and were computed again."""
    there = set(before)
    return sum(line in there for line in after) - len(there)


def after_a_kill(top: Path, reference: Mapping[str, Any]) -> Iterator[str]:
    """Every file that bears its final name is whole: what is there is what an undisturbed run writes there."""
    out = top / "out"
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        if ".partial/" in name or name.endswith(".part") or path.name.startswith("."):
            continue
        if name not in reference:
            yield f"{name} is there, which an undisturbed run does not write"
            continue
        try:
            found = content(path, out)
        except ValueError as error:
            yield f"{name} is half-written: {error}"
            continue
        if found != reference[name]:
            yield f"{name} is not what an undisturbed run writes"


def at_the_end(top: Path, reference: Mapping[str, Any]) -> Iterator[str]:
    """Everything is as after an undisturbed run, and nothing else is left."""
    try:
        found = contents(top / "out")
    except ValueError as error:
        yield f"a file is half-written: {error}"
        return
    for name in sorted(reference.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in reference:
            yield f"{name} is left behind"
        elif found[name] != reference[name]:
            yield f"{name} differs{difference(reference[name], found[name])}"
    for path in sorted((top / "out").rglob("*")):
        if path.is_dir() and path.name.endswith(".partial"):
            yield f"{path.relative_to(top)} is left behind"
    for path in sorted((top / "cache").rglob("*.part")):
        yield f"{path.relative_to(top)} is left behind"


def difference(one: Any, other: Any, where: str = "") -> str:
    """The first place at which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(other.keys() - one.keys())]:
            if one.get(key) != other.get(key):
                return difference(one.get(key), other.get(key), f"{where}.{key}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            if a != b:
                return difference(a, b, f"{where}[{i}]")
    return f" at {where}: {one!r:.60} and {other!r:.60}" if where else ""
