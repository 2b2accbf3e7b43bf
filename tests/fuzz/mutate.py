"""One mutated input a seed: bytes turned over, nodes replaced, keys doubled, two inputs spliced."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from tests.fuzz.forms import FORMS, Tree
from tests.fuzz.hostile import TOKENS, Pairs, Raw, hostile_value

Path = tuple[int, ...]
MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class Sample:
    """A real input. file: what it is called. form: of `forms.FORMS`, or `text`. beside: files that it needs."""

    file: str
    content: bytes
    form: str
    beside: tuple[tuple[str, bytes], ...] = ()


def mutated(samples: Sequence[Sample], rng: Random) -> tuple[Sample, bytes]:
    """One of the samples, and what has become of its content."""
    sample = rng.choice(samples)
    content, draw = sample.content, rng.random()
    if draw < 0.5 and sample.form in FORMS:
        content = _by_tree(sample, samples, rng)
    elif draw < 0.6:
        content = _spliced(content, rng.choice(samples).content, rng)
    if draw >= 0.45:
        content = _by_bytes(content, rng)
    if sample.file.endswith(".gz") and draw < 0.7:
        content = gzip.compress(content, 1)
    return sample, content[:MOST_BYTES]


def _spliced(one: bytes, other: bytes, rng: Random) -> bytes:
    return one[: rng.randrange(len(one) + 1)] + other[rng.randrange(len(other) + 1) :]


def _by_bytes(content: bytes, rng: Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at, change = rng.randrange(len(data) + 1), rng.randrange(9)
        end = min(len(data), at + rng.choice((1, 1, 2, 4, 16, 200)))
        if change == 0:
            data[at:at] = rng.choice(TOKENS)
        elif change == 1:
            data[at:end] = b""
        elif change == 2:
            data[at:end] = rng.choice(TOKENS)
        elif change == 3:
            data[at:at] = data[at:end] * rng.choice((1, 2, 50))
        elif change == 4:
            del data[at:]
        elif change == 5 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif change == 6 and at < len(data):
            data[at] = rng.randrange(256)
        elif change == 7:
            data[at:at] = rng.randbytes(rng.choice((1, 4, 30)))
        else:
            source = rng.randrange(len(data) + 1)
            data[at:end] = data[source : source + end - at]
    return bytes(data)


@lru_cache(maxsize=256)
def _tree_of(form: str, content: bytes) -> Tree:
    return FORMS[form].read(content)


def _by_tree(sample: Sample, samples: Sequence[Sample], rng: Random) -> bytes:
    form = FORMS[sample.form]
    others = [other for other in samples if other.form == sample.form]
    try:
        tree = _copied(_tree_of(sample.form, sample.content))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            tree = _CHANGES[rng.randrange(len(_CHANGES))](tree, form.spelling, others, rng)
        return form.write(tree)
    except Exception:  # nested too deeply, or a format's writer has no word for it: the sample's bytes change instead
        return _by_bytes(sample.content, rng)


def _copied(tree: Tree) -> Tree:
    kind = type(tree)
    if kind is Pairs:
        return Pairs([(key, _copied(value) if type(value) in _BRANCHES else value) for key, value in tree])
    return [_copied(value) if type(value) in _BRANCHES else value for value in tree] if kind is list else tree


_BRANCHES = (Pairs, list)


def _children(tree: Tree) -> list[Tree]:
    if isinstance(tree, Pairs):
        return [value for _, value in tree]
    return tree if isinstance(tree, list) else []


def _somewhere(tree: Tree, rng: Random) -> Path:
    """A way down from the root; every depth has its chance, so that few are in the longest list."""
    path: list[int] = []
    node = tree
    while (below := _children(node)) and (not path or rng.random() < 0.8):
        path.append(rng.randrange(len(below)))
        node = below[path[-1]]
    return tuple(path)


def _at(tree: Tree, path: Path) -> Tree:
    for index in path:
        tree = _children(tree)[index]
    return tree


def _put(tree: Tree, path: Path, value: Tree) -> Tree:
    """The tree with another value at a place; at the root, the value."""
    if not path:
        return value
    above = _at(tree, path[:-1])
    above[path[-1]] = (above[path[-1]][0], value) if isinstance(above, Pairs) else value
    return tree


def _replace(tree: Tree, spelling: str, _others: Sequence[Sample], rng: Random) -> Tree:
    return _put(tree, _somewhere(tree, rng), hostile_value(rng, spelling))


def _from_elsewhere(tree: Tree, _spelling: str, others: Sequence[Sample], rng: Random) -> Tree:
    """A node of this or of another input in the place of one."""
    other = rng.choice(others)
    source = tree if rng.random() < 0.5 else _tree_of(other.form, other.content)
    return _put(tree, _somewhere(tree, rng), _copied(_at(source, _somewhere(source, rng))))


def _remove(tree: Tree, _spelling: str, _others: Sequence[Sample], rng: Random) -> Tree:
    if path := _somewhere(tree, rng):
        del _at(tree, path[:-1])[path[-1]]
    return tree


def _double(tree: Tree, _spelling: str, _others: Sequence[Sample], rng: Random) -> Tree:
    """An entry or a key a second time, or a hundred times."""
    if path := _somewhere(tree, rng):
        above = _at(tree, path[:-1])
        at = rng.randrange(len(above) + 1)
        above[at:at] = [above[path[-1]]] * rng.choice((1, 1, 100))
    return tree


def _rename(tree: Tree, spelling: str, _others: Sequence[Sample], rng: Random) -> Tree:
    """A key as another of its object, or as something that is hardly a key."""
    path = _somewhere(tree, rng)
    above = _at(tree, path[:-1])
    if path and isinstance(above, Pairs):
        key = rng.choice(above)[0] if rng.random() < 0.5 else hostile_value(rng, spelling)
        if not isinstance(key, str):
            key = Raw(f'"{key}"') if isinstance(key, (int, float)) else "x"
        above[path[-1]] = (key, above[path[-1]][1])
    return tree


def _add(tree: Tree, spelling: str, _others: Sequence[Sample], rng: Random) -> Tree:
    """One more entry in an object or a list."""
    path = _somewhere(tree, rng)
    node = _at(tree, path[:-1]) if path else tree
    value = hostile_value(rng, spelling)
    if isinstance(node, Pairs):
        node.insert(rng.randrange(len(node) + 1), (rng.choice(("x", "", "id", "answer", "include", "tool")), value))
    elif isinstance(node, list):
        node.insert(rng.randrange(len(node) + 1), value)
    return tree


def _wrap(tree: Tree, _spelling: str, _others: Sequence[Sample], rng: Random) -> Tree:
    path = _somewhere(tree, rng)
    value = _at(tree, path)
    return _put(tree, path, [value] if rng.random() < 0.5 else Pairs([("a", value)]))


def _count(tree: Tree, spelling: str, _others: Sequence[Sample], rng: Random) -> Tree:
    """A number a little or very much off."""
    path = _somewhere(tree, rng)
    value = _at(tree, path)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _replace(tree, spelling, (), rng)
    return _put(tree, path, rng.choice((-value, value + 1, value - 1, value * 1e6, value / 3, int(value), str(value))))


_CHANGES: tuple[Callable[[Any, str, Sequence[Sample], Random], Any], ...] = (
    *(_replace, _replace, _replace, _from_elsewhere, _remove, _double, _rename, _add, _wrap, _count),
)
