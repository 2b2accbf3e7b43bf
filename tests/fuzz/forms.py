"""The formats of the inputs: a file's bytes to a tree that can be changed, and back, whatever was put into it."""

from __future__ import annotations

import csv
import io
import json
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tests.fuzz.hostile import Pairs, Raw

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Tree = Any
ZSTD = 93
_INFINITY = float("inf")


@dataclass(frozen=True)
class Form:
    """spelling: which of the Raw texts of `hostile.SPELLED` may stand in a tree."""

    spelling: str
    read: Callable[[bytes], Tree]
    write: Callable[[Tree], bytes]


_text = lru_cache(maxsize=1 << 14)(json.dumps)


def as_json(tree: Tree) -> str:
    """JSON, or what Raw makes of it."""
    kind = type(tree)
    if kind is str:
        return _text(tree) if len(tree) < 300 else json.dumps(tree)
    if kind is float:
        return json.dumps(tree) if tree in (_INFINITY, -_INFINITY) or tree != tree else repr(tree)
    if kind is list:
        return "[" + ", ".join(map(as_json, tree)) + "]"
    if kind is Pairs:
        return "{" + ", ".join([f"{as_json(key)}: {as_json(value)}" for key, value in tree]) + "}"
    return tree.text if kind is Raw else json.dumps(tree)


def _as_yaml(tree: Tree) -> str:
    """One key a line at the top, flow style below: what JSON text means in YAML, and Raw."""
    if isinstance(tree, Pairs):
        return "".join(f"{key if isinstance(key, str) else as_json(key)}: {as_json(value)}\n" for key, value in tree)
    return as_json(tree) + "\n"


def _as_toml(tree: Tree) -> str:
    if not isinstance(tree, Pairs):
        return as_json(tree)
    tables = [(key, value) for key, value in tree if isinstance(value, Pairs)]
    lines = [f"{_bare(key)} = {_toml_value(value)}\n" for key, value in tree if not isinstance(value, Pairs)]
    return "".join(lines) + "".join(f"[{_bare(key)}]\n{_as_toml(value)}" for key, value in tables)


def _bare(key: Any) -> str:
    return ".".join(as_json(part) for part in key.split("\x1f")) if isinstance(key, str) else as_json(key)


def _toml_value(tree: Tree) -> str:
    if isinstance(tree, Pairs):
        return "{" + ", ".join(f"{_bare(key)} = {_toml_value(value)}" for key, value in tree) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(_toml_value, tree)) + "]"
    return "''" if tree is None else as_json(tree)


def _pairs(value: Any) -> Tree:
    """A parsed value with its dictionaries as Pairs; what JSON has no name for as text."""
    if isinstance(value, dict):
        return Pairs([(str(key), _pairs(inner)) for key, inner in value.items()])
    if isinstance(value, (list, tuple)):
        return [_pairs(inner) for inner in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _read_json(content: bytes) -> Tree:
    return json.loads(content, object_pairs_hook=Pairs)


def _read_lines(content: bytes) -> Tree:
    return [_read_json(line) for line in content.splitlines() if line.strip()]


def _write_lines(tree: Tree) -> bytes:
    return _bytes("\n".join(map(as_json, tree)) + "\n" if isinstance(tree, list) else as_json(tree))


def _read_csv(content: bytes) -> Tree:
    return [list(row) for row in csv.reader(io.StringIO(content.decode()))]


def _write_csv(tree: Tree) -> bytes:
    text = io.StringIO()
    rows = tree if isinstance(tree, list) else [tree]
    csv.writer(text).writerows([_cell(cell) for cell in (row if isinstance(row, list) else [row])] for row in rows)
    return _bytes(text.getvalue())


def _cell(value: Tree) -> str:
    return value if isinstance(value, str) else as_json(value)


def _read_parquet(content: bytes) -> Tree:
    from pyarrow import parquet

    return _pairs(parquet.read_table(io.BytesIO(content)).to_pylist())


def _write_parquet(tree: Tree) -> bytes:
    """ValueError where Arrow has no type for what stands in a column."""
    import pyarrow
    from pyarrow import parquet

    target = io.BytesIO()
    plain = [_plain(row) for row in (tree if isinstance(tree, list) else [tree])]
    rows = [row if isinstance(row, dict) else {"x": row} for row in plain]
    try:
        parquet.write_table(pyarrow.Table.from_pylist(rows), target)
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error
    return target.getvalue()


def _plain(tree: Tree) -> Any:
    if isinstance(tree, Raw):
        return float("nan") if tree.text == "NaN" else tree.text
    if isinstance(tree, Pairs):
        return {str(key): _plain(value) for key, value in tree}
    return [_plain(value) for value in tree] if isinstance(tree, list) else tree


def _read_zip(content: bytes) -> Tree:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return Pairs([(name, _read_json(archive.read(name))) for name in archive.namelist()])


def unpacked(path: Path) -> dict[str, bytes]:
    """The members of a zip file, those compressed by zstd too, which zipfile knows from Python 3.14 on."""
    import pyarrow

    found = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for entry in archive.infolist():
            if entry.compress_type != ZSTD:
                found[entry.filename] = archive.read(entry)
                continue
            file.seek(entry.header_offset + 26)
            lengths = file.read(4)
            file.seek(int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"), io.SEEK_CUR)
            packed = pyarrow.BufferReader(file.read(entry.compress_size))
            found[entry.filename] = pyarrow.CompressedInputStream(packed, "zstd").read()
    return found


def _write_zip(tree: Tree) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of a name that occurs twice
        for name, value in tree if isinstance(tree, Pairs) else [("header.json", tree)]:
            archive.writestr(name if isinstance(name, str) and name else "x", _bytes(as_json(value)))
    return target.getvalue()


def _read_safetensors(content: bytes) -> Tree:
    """[header, the tensors' bytes as one Raw text of Latin-1]."""
    length = int.from_bytes(content[:8], "little")
    return [_read_json(content[8 : 8 + length]), Raw(content[8 + length :].decode("latin-1"))]


def _write_safetensors(tree: Tree) -> bytes:
    header, tensors = tree if isinstance(tree, list) and len(tree) == 2 else (tree, Raw(""))
    text = _bytes(as_json(header))
    return len(text).to_bytes(8, "little") + text + as_json(tensors).encode("latin-1", "replace")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


FORMS: dict[str, Form] = {
    "json": Form("json", _read_json, lambda tree: _bytes(as_json(tree))),
    "jsonl": Form("json", _read_lines, _write_lines),
    "yaml": Form("yaml", lambda content: _pairs(yaml.safe_load(content)), lambda tree: _bytes(_as_yaml(tree))),
    "toml": Form("toml", lambda content: _pairs(tomllib.loads(content.decode())), lambda tree: _bytes(_as_toml(tree))),
    "csv": Form("", _read_csv, _write_csv),
    "parquet": Form("", _read_parquet, _write_parquet),
    "zip": Form("json", _read_zip, _write_zip),
    "safetensors": Form("json", _read_safetensors, _write_safetensors),
}
"""By name; `text`, which has no tree, is none of them."""
