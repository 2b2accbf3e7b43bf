"""A card's metadata with calibaudit's tags and numbers put in as text: every other byte stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from calibaudit.files.text import one_line, yaml_text
from calibaudit.files.yaml_text import compose, parse_yaml
from calibaudit.report.cards.metadata import is_ours

Edit = tuple[int, int, str]
"""From where to where of the text, and what comes there."""

_DOCUMENT_END = re.compile(r"^\.\.\.(?=\s|\Z)", re.MULTILINE)
_INDEX = "model-index"
_BY_HAND = "or put in by hand what `calibaudit card` without -o prints"
_MOST_NAME = 100


def front_with(text: str, tags: Sequence[str], index: Sequence[Mapping[str, Any]], newline: str) -> str:
    """The YAML with the tags it lacks, and with the results of `index` in place of calibaudit's earlier ones.

    Raises ValueError (NotYaml is one), in words, where that cannot be done without changing what others wrote.
    """
    if _DOCUMENT_END.search(text):
        raise ValueError("it has a line `...`, where `---` has to end it")
    value = parse_yaml(text)
    if not isinstance(value or {}, dict):
        raise ValueError("it is no list of keys")
    old: dict[str, Any] = value or {}
    new = dict(old)
    places = _places(text)
    edits: list[Edit] = []
    added: dict[str, Any] = {}
    ours: dict[str, list[Any]] = {"tags": list(tags), _INDEX: list(index)}
    for key, wanted in ours.items():
        if key in old and key not in places:
            raise ValueError(f"its `{key}` come from `<<`; write them out, {_BY_HAND}")
        if key not in old:
            new[key] = added[key] = wanted
            continue
        node, has_anchors = places[key]
        change: Callable[[str, yaml.Node, Any, Sequence[Any]], tuple[Any, list[Edit]]]
        change = _tagged if key == "tags" else _indexed
        new[key], found = change(text, node, old[key], wanted)
        if found and has_anchors:
            raise ValueError(f"its `{key}` have anchors or aliases (`&`, `*`); write them out, {_BY_HAND}")
        edits += found
    for start, end, put in sorted(edits, reverse=True):
        text = text[:start] + put.replace("\n", newline) + text[end:]
    text += yaml_text(added).replace("\n", newline) if added else ""
    if parse_yaml(text) != new:
        raise ValueError(f"its `tags` and `{_INDEX}` are written in an unusual way; write them as lists, {_BY_HAND}")
    return text


def _places(text: str) -> dict[str, tuple[yaml.Node, bool]]:
    """Of `tags` and `model-index`: the value, and whether anchors or aliases are in it."""
    loader = yaml.SafeLoader(text)  # its marks count characters of the text
    try:
        root = compose(text, loader)
    finally:
        loader.dispose()
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ValueError(f"it is in flow style (`{{…}}`); write a line for each key, {_BY_HAND}")
    marks = [
        token.start_mark.index
        for token in yaml.scan(text, Loader=yaml.SafeLoader)
        if isinstance(token, (yaml.AnchorToken, yaml.AliasToken))
    ]
    ends = [key.start_mark.index for key, _ in root.value[1:]] + [len(text)]
    found: dict[str, tuple[yaml.Node, bool]] = {}
    for (key, node), end in zip(root.value, ends, strict=True):
        if key.value in ("tags", _INDEX):
            if key.value in found:
                raise ValueError(f"it has `{key.value}` twice; leave one")
            found[key.value] = node, any(key.start_mark.index <= mark < end for mark in marks)
    return found


def _tagged(text: str, node: yaml.Node, old: Any, tags: Sequence[str]) -> tuple[Any, list[Edit]]:
    if old is not None and not isinstance(old, list):
        raise ValueError(f"its `tags` are no list; write them as one, {_BY_HAND}")
    missing = [tag for tag in tags if tag not in (old or [])]
    new = [*(old or []), *missing]
    if not missing:
        return old, []
    if isinstance(node, yaml.SequenceNode) and node.flow_style:
        at = node.value[-1].end_mark.index if node.value else node.start_mark.index + 1
        return new, [(at, at, (", " if node.value else "") + ", ".join(missing))]
    return new, [_put(text, node, missing, "tags")]


def _indexed(text: str, node: yaml.Node, old: Any, index: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[Edit]]:
    """The last entry has them: huggingface_hub reads every entry's numbers as those of the last one's model."""
    if old is None:
        return list(index), [_put(text, node, index, _INDEX)]
    if not isinstance(old, list) or not old or not all(isinstance(one, dict) for one in old):
        raise ValueError(f"its `{_INDEX}` is no list of models with their `results`; mend or remove it")
    if not all(isinstance(one.get("name"), str) and one["name"].strip() for one in old):
        raise ValueError(f"its `{_INDEX}` has an entry without `name`; add the model's")
    if not all(isinstance(one.get("results"), list) and _dicts(one["results"]) for one in old):
        raise ValueError(f"its `{_INDEX}` has an entry whose `results` are no list of results; mend it")
    last, own = old[-1]["name"], index[0]["name"]
    if len(old) > 1 and last.rpartition("/")[2] != own.rpartition("/")[2]:
        raise ValueError(
            f"its `{_INDEX}` names {len(old)} models, and huggingface_hub takes all numbers for those of the last, "
            f"{one_line(last, _MOST_NAME)}; put the entry of {one_line(own, _MOST_NAME)} last"
        )
    edits: list[Edit] = []
    new = []
    for n, (entry, part) in enumerate(zip(old, node.value, strict=True)):
        put = list(index[0]["results"]) if n == len(old) - 1 else []
        ours = [i for i, one in enumerate(entry["results"]) if is_ours(one)]
        if [entry["results"][i] for i in ours] == put:
            new.append(entry)
            continue
        results = _results(part)
        if not ours:
            edits.append(_put(text, results, put, "results"))
            new.append({**entry, "results": [*entry["results"], *put]})
            continue
        for i in ours:
            lines = _as_lines(put, results.start_mark.column) if put and i == ours[0] else ""
            edits.append((_start(text, results, i), _end(text, results.value[i]), lines))
        kept = [one for one in entry["results"] if not is_ours(one)]
        new.append({**entry, "results": [*kept[: ours[0]], *put, *kept[ours[0] :]]})
    if edits and (not isinstance(node, yaml.SequenceNode) or node.flow_style):
        raise ValueError(_flow(_INDEX))
    return new, edits


def _results(entry: yaml.Node) -> yaml.SequenceNode:
    """The block list of an entry."""
    assert isinstance(entry, yaml.MappingNode)
    found = [value for key, value in entry.value if key.value == "results"]
    if len(found) != 1:
        raise ValueError(f"an entry of its `{_INDEX}` has `results` twice; leave one")
    if entry.flow_style or not isinstance(found[0], yaml.SequenceNode) or found[0].flow_style:
        raise ValueError(_flow(_INDEX))
    return found[0]


def _put(text: str, node: yaml.Node, values: Sequence[Any], key: str) -> Edit:
    """Behind the last item of a block list; under its key where nothing is there yet."""
    is_empty = isinstance(node, yaml.ScalarNode) and node.start_mark.index == node.end_mark.index
    if not is_empty and (not isinstance(node, yaml.SequenceNode) or node.flow_style):
        raise ValueError(_flow(key))
    at = _end(text, node)
    return at, at, _as_lines(values, 0 if is_empty else node.start_mark.column)


def _flow(key: str) -> str:
    return f"its `{key}` are not a list with a line for each item (`- …`); write them so, {_BY_HAND}"


def _as_lines(values: Sequence[Any], column: int) -> str:
    lines = yaml_text(list(values)).splitlines(keepends=True)
    return "".join(" " * column + line for line in lines)


def _start(text: str, items: yaml.SequenceNode, i: int) -> int:
    """Of the line with an item's dash."""
    dash = "\n" + " " * items.start_mark.column + "-"
    return text.rindex(dash, 0, items.value[i].start_mark.index) + 1


def _end(text: str, node: yaml.Node) -> int:
    """Behind the last line of a value; comments that follow on lines of their own are not the value's."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    at = node.end_mark.index
    if text[at - 1 : at] == "\n":  # a block scalar
        return at
    line_end = text.find("\n", at)
    return len(text) if line_end < 0 else line_end + 1


def _dicts(values: list[Any]) -> bool:
    return all(isinstance(one, dict) for one in values)
