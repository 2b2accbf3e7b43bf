"""Documents made for a task of lm-evaluation-harness whose data set is not at hand: the columns that it asks for.

The task's own templates and functions are run on a few rows; what they complain about (a column that is not there, a
value of the wrong kind) says what the next rows must look like. Nothing is known here of any task by name.
"""

from __future__ import annotations

import ast
import functools
import heapq
import inspect
import json
import linecache
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

N_ROWS = 6
N_TRIES = 90
LETTERS = "ABCDEFGHIJ"
TEMPLATES = ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix")
_ANSWER = re.compile(r"label|answer|gold|target|correct|solution|^y$|idx|index|key$", re.IGNORECASE)
_LIST = re.compile(r"choices|options|endings|candidates|answers|distractors|alternatives|list$", re.IGNORECASE)

Kind = tuple[Any, ...]
Schema = Mapping[str, Kind]


def cell(kind: Kind, name: str, row: int, n_choices: int = 4) -> Any:
    """A value. Right is always choice `row % 2`; texts differ from row to row."""
    right = row % 2
    options = [f"option {k} of row {row}" for k in range(n_choices)]
    simple: dict[str, Any] = {
        "text": f"the {name} of row {row} is a quiet harbour",
        "index": right,
        "number": right + 1,
        "letter": LETTERS[right],
        "small letter": LETTERS[right].lower(),
        "digit": str(right),
        "digit from one": str(right + 1),
        "truth": bool(right),
        "texts": options,
        "two texts": options[:2],
        "chosen": options[right],
        "one of texts": [options[right]],
        "one index": [right],
        "flags": [int(k == right) for k in range(n_choices)],
        "written list": json.dumps(options),
        "text and label": {"text": options, "label": list(LETTERS[:n_choices])},
        "records": [{"text": text, "label": LETTERS[k], "id": LETTERS[k]} for k, text in enumerate(options)],
        "lines": "\n".join(f"{LETTERS[k]}. {text}" for k, text in enumerate(options)),
        "targets": {"choices": options, "labels": [int(k == right) for k in range(n_choices)]},
    }
    if kind[0] == "constant":
        return kind[1][row % len(kind[1])]
    if kind[0] == "record":
        return {key: cell(("text",), f"{name} {key}", row) for key in kind[1]}
    return simple[kind[0]]


PLAIN_KINDS = (
    *("text", "index", "letter", "texts", "text and label", "number", "digit", "chosen", "digit from one"),
    *("records", "two texts", "written list", "small letter", "one of texts", "one index", "truth", "flags", "lines"),
    "targets",
)


def rows(schema: Schema, split: int, n: int = N_ROWS) -> list[dict[str, Any]]:
    """The rows of one split; those of another are others."""
    n = max([n, *(2 * len(kind[1]) for kind in schema.values() if kind[0] == "constant")])
    return [{name: cell(kind, name, 100 * split + row) for name, kind in schema.items()} for row in range(n)]


def split_names(config: Mapping[str, Any]) -> list[str]:
    keys = ("training_split", "validation_split", "test_split", "fewshot_split")
    shot = (config.get("fewshot_config") or {}).get("split")
    return list(dict.fromkeys(str(name) for name in (*(config.get(key) for key in keys), shot) if name))


def functions_of(config: Mapping[str, Any]) -> list[Callable[..., Any]]:
    shot = config.get("fewshot_config") or {}
    found = []
    for key in ("process_docs", *TEMPLATES):
        found.extend(part for part in (config.get(key), shot.get(key)) if callable(part))
    return found


def sources(config: Mapping[str, Any]) -> str:
    """The files of a task's functions."""
    found = []
    for function in functions_of(config):
        while isinstance(function, functools.partial):
            function = function.func
        try:
            found.append(Path(inspect.getfile(function)).read_text("utf-8"))
        except (TypeError, OSError):
            continue
    return "\n".join(dict.fromkeys(found))


def templates(config: Mapping[str, Any]) -> list[str]:
    shot = config.get("fewshot_config") or {}
    values = [part for key in TEMPLATES for part in (config.get(key), shot.get(key))]
    return [value for value in values if isinstance(value, str)]


def constants(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Texts that a task compares a value with, or looks it up by."""
    found: list[str] = []
    for template in templates(config):
        found += re.findall(r"['\"]([^'\"{}]{1,60})['\"]\s*:", template)
        found += re.findall(r"==\s*['\"]([^'\"]{1,60})['\"]", template)
        for inside in re.findall(r"\[([^\[\]]*)\]\.index", template):
            found += re.findall(r"['\"]([^'\"]+)['\"]", inside)
    found += handed(config)
    try:
        tree: ast.AST = ast.parse(sources(config))
    except SyntaxError:
        tree = ast.Module([], [])
    for node in ast.walk(tree):
        parts: list[Any] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            parts = list(node.keys)
        for part in parts:
            for value in part.elts if isinstance(part, (ast.List, ast.Tuple, ast.Set)) else [part]:
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
                    found.append(value.value)
    return tuple(dict.fromkeys(found))[:60]


def handed(config: Mapping[str, Any]) -> list[str]:
    """Texts that a task's functions were made with: a subject, a language."""
    found: list[str] = []
    for function in functions_of(config):
        if isinstance(function, functools.partial):
            found += [value for value in (*function.args, *function.keywords.values()) if isinstance(value, str)]
        code = getattr(function, "__closure__", None) or ()
        found += [part.cell_contents for part in code if isinstance(part.cell_contents, str)]
    return found


def first_schema(config: Mapping[str, Any]) -> dict[str, Kind]:
    from jinja2 import Environment, TemplateSyntaxError, meta

    names: list[str] = []
    for template in templates(config):
        if template.isidentifier():
            names.append(template)
        elif "{" in template:
            try:
                names += sorted(meta.find_undeclared_variables(Environment().parse(template)))
            except TemplateSyntaxError:
                continue
    return {name: guess(name, config) for name in dict.fromkeys(names)}


def guess(name: str, config: Mapping[str, Any]) -> Kind:
    """The likeliest kind of a column, by how it is used, else by its name."""
    told = "\n".join([*templates(config), sources(config)])
    column = re.escape(name)
    if re.search(rf"\b{column}(\[['\"]|\.)(text|label)\b", told):
        return ("text and label",)
    if re.search(rf"\b{column}['\"]?\]?\[\d\]", told) or re.search(rf"\b{column}\[(label|answer|gold)", told):
        return ("texts",)
    value = rf"(?:\w+\[['\"])?{column}\b"
    if re.search(rf"(?:literal_eval|eval|loads)\(\s*{value}", told):
        return ("written list",)
    if found := re.search(rf"\[([^\[\]]+)\]\.index\(\s*{value}", told):
        words = tuple(re.findall(r"['\"]([^'\"]+)['\"]", found[1]))
        if words:
            return ("constant", words)
    if found := re.search(rf"\{{([^{{}}]+)\}}\[\s*{value}", told):
        words = tuple(re.findall(r"['\"]([^'\"]+)['\"]\s*:", found[1]))
        if words:
            return ("constant", words)
    if re.search(rf"(?:index|find|ord|LETTER\w*\[)\(?\s*{value}", told):
        return ("letter",)
    if re.search(rf"\bint\(\s*{value}|{column}\s*\|\s*int", told):
        return ("digit",)
    if _LIST.search(name):
        return ("texts",)
    return ("index",) if _ANSWER.search(name) else ("text",)


def repairs(schema: Schema, error: BaseException, config: Mapping[str, Any]) -> Iterator[dict[str, Kind]]:
    """Further schemas, the likeliest first, from what was wrong with this one."""
    message, place = str(error), failing_code(error, config)
    missing = _missing(error, message, schema)
    if missing is not None:
        kinds = dict.fromkeys([guess(missing, config), ("text",), ("index",), ("texts",)])
        yield from ({**schema, missing: kind} for kind in kinds)
        if not isinstance(error, KeyError):
            return
    attribute = re.search(r"has no (?:attribute|element) '?(\w+)'?", message) or (
        re.match(r"'(\w+)'$", message) if isinstance(error, KeyError) else None
    )
    if attribute:
        key = attribute[1]
        for name in schema:
            if re.search(rf"\b{re.escape(name)}(?:['\"]\])?(?:\.|\[['\"]){re.escape(key)}\b", place):
                before = schema[name][1] if schema[name][0] == "record" else ()
                record = ("record", tuple(dict.fromkeys((*before, key))))
                kinds = [("text and label",), record] if key in ("text", "label") else [record, ("targets",)]
                yield from ({**schema, name: kind} for kind in kinds if kind != schema[name])
    if missing is not None:
        return
    suspects = [name for name in schema if re.search(rf"\b{re.escape(name)}\b", place)] or list(schema)
    if "size 0" in str(error):
        suspects = list(reversed(schema))  # all rows were filtered away: by a column that no template shows
    else:
        suspects.sort(key=lambda name: not _ANSWER.search(name))
    words = constants(config)
    told = isinstance(error, (KeyError, IndexError)) and bool(words)
    kinds: list[Kind] = [(kind,) for kind in PLAIN_KINDS]
    if words:
        own = tuple(word for word in words if word in handed(config))
        kinds = [*([("constant", own)] if own else []), *kinds[: 0 if told else 4], ("constant", words), *kinds]
    for kind in dict.fromkeys(kinds):
        yield from ({**schema, name: kind} for name in suspects if schema[name] != kind)


def _missing(error: BaseException, message: str, schema: Schema) -> str | None:
    """A column that was asked for and is not there."""
    patterns = (
        r"'([^']+)' is undefined",
        r"Column name \['?([^'\]]+)'?\] not in",
        r"Column '?([^']+?)'? (?:not|doesn)",
    )
    found = next((hit[1] for pattern in patterns if (hit := re.search(pattern, message))), None)
    if found is None and isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        quoted = re.search(r"Column ([\w ]+) not in the dataset", message)
        found = quoted[1] if quoted else error.args[0]
    return None if found in schema else found


def failing_code(error: BaseException, config: Mapping[str, Any]) -> str:
    """The lines of the task's own functions in a traceback; the templates where there is none."""
    lines = []
    inner: BaseException | None = error
    while inner is not None:
        for frame in traceback.extract_tb(inner.__traceback__):
            if "/lm_eval/tasks/" in frame.filename and not Path(frame.filename).name.startswith("_"):
                lines += [linecache.getline(frame.filename, (frame.lineno or 1) + k) for k in range(3)]
        inner = inner.__cause__
    return "".join(lines) or "\n".join(templates(config))


def search(
    config: Mapping[str, Any], attempt: Callable[[Schema], Any], known: list[Schema]
) -> tuple[Any, BaseException | None]:
    """(what `attempt` gave, None) for the first schema that it takes; else (None, its last error).

    known: schemas that other tasks took; what is found is put in front of them.
    """
    first = first_schema(config) or {"id": ("digit",)}
    queue: list[tuple[int, int, Schema, str]] = [(0, 1, first, "")]
    queue += [(-1, -place, schema, "") for place, schema in enumerate(known[:2]) if set(first) - {"id"} <= set(schema)]
    heapq.heapify(queue)
    seen: set[str] = set()
    error: BaseException | None = None
    n = len(queue)
    for _ in range(N_TRIES):
        if not queue:
            break
        cost, _, schema, before = heapq.heappop(queue)
        mark = repr(sorted(schema.items()))
        if mark in seen:
            continue
        seen.add(mark)
        try:
            found = attempt(schema)
        except Exception as raised:
            error, root = raised, root_of(raised)
            complaint = f"{type(root).__name__} {root}"
            # Another complaint than before is a step forward, and so is a column more: neither costs.
            cost = max(0, cost if complaint == before else cost - 1)
            for place, further in enumerate(repairs(schema, root, config)):
                n += 1
                free = place == 0 and len(further) > len(schema)
                heapq.heappush(queue, (cost + (0 if free else 1), n, further, complaint))
            continue
        if schema in known:
            known.remove(schema)
        known.insert(0, schema)
        return found, None
    return None, error


def root_of(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
