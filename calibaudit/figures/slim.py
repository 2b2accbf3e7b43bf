"""Matplotlib's SVG in a third of its bytes: the same picture for a page that holds many."""

from __future__ import annotations

import re
from xml.etree import ElementTree

_NAMESPACE = re.compile(r"\{[^}]*\}")
_TOKENS = re.compile(r"[A-Za-z]|-?[\d.]+(?:e-?\d+)?")
_LEVEL = re.compile(r" ?rotate\(-?0 [^)]*\)")
_UNSEEN = "fill: none"
_LONG = re.compile(r"\d+\.\d{2,}")


def slimmed(svg: str) -> ElementTree.Element:
    """The <svg> of a whole file, without what nobody sees.

    Gone are clip paths (nothing that is drawn here leaves its axes), invisible backgrounds, groups for their own sake
    and ids that nothing names. Paths that stand together and look alike are one; coordinates have a tenth of a pixel.
    """
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        element.tag = _NAMESPACE.sub("", element.tag)
        element.attrib = {_NAMESPACE.sub("", name): value for name, value in element.attrib.items()}
    used = set(re.findall(r"#([\w-]+)", svg))
    root.text = None
    root[:] = _children(root, used)
    return root


def _children(parent: ElementTree.Element, used: set[str]) -> list[ElementTree.Element]:
    kept: list[ElementTree.Element] = []
    for child in parent:
        if child.tag in ("metadata", "style"):
            continue
        named = child.get("id") in used
        child.attrib.pop("clip-path", None)
        if not named:
            child.attrib.pop("id", None)
        child.tail = None
        for name in {"x", "y", "transform"} & child.attrib.keys():
            child.set(name, _LONG.sub(lambda digits: _number(float(digits[0]), 1), child.attrib[name]))
        if child.tag == "path":
            child.set("d", _path(child.get("d", ""), exact=named))
        if child.tag in ("text", "tspan", "pattern"):
            _level(child)
            kept.append(child)
            continue
        child.text = None
        child[:] = _children(child, used)
        if child.tag == "g" and not child.attrib:
            kept += child
        elif child.tag == "clipPath" or (child.tag in ("g", "defs") and not len(child)) or _invisible(child):
            continue
        else:
            kept.append(child)
    return _joined(kept)


def _invisible(element: ElementTree.Element) -> bool:
    return element.tag == "path" and element.get("style") == _UNSEEN


def _level(text: ElementTree.Element) -> None:
    """A text that is not turned needs no turning."""
    turned = _LEVEL.sub("", text.get("transform", ""))
    text.attrib.pop("transform", None)
    if turned:
        text.set("transform", turned)


def _joined(elements: list[ElementTree.Element]) -> list[ElementTree.Element]:
    """Neighbours that differ in nothing but their outline as one path."""
    joined: list[ElementTree.Element] = []
    for element in elements:
        last = joined[-1] if joined else None
        look = _look(element)
        if last is not None and look is not None and look == _look(last):
            last.set("d", last.get("d", "") + element.get("d", ""))
        else:
            joined.append(element)
    return joined


def _look(element: ElementTree.Element) -> dict[str, str] | None:
    """Of a path that may be joined to another."""
    if element.tag != "path" or "id" in element.attrib:
        return None
    return {name: value for name, value in element.attrib.items() if name != "d"}


def _path(outline: str, *, exact: bool) -> str:
    """Outlines of straight lines and circles, in absolute coordinates. exact: of a mark, which is a few pixels wide."""
    digits = 2 if exact else 1
    steps: list[tuple[str, list[float]]] = []
    for token in _TOKENS.findall(outline):
        if token.isalpha():
            steps.append((token, []))
        else:
            steps[-1][1].append(float(token))
    if [letter for letter, _ in steps] == ["M", *"CCCCCCCC", "z"]:
        return _circle([numbers[-2:] for _, numbers in steps[:-1]], digits)
    parts: list[str] = []
    at = ["", ""]
    for letter, numbers in steps:
        shown = [_number(value, digits) for value in numbers]
        if letter == "L" and shown == at:
            continue
        if letter == "L" and shown[1] == at[1]:
            parts.append(f"H{shown[0]}")
        elif letter == "L" and shown[0] == at[0]:
            parts.append(f"V{shown[1]}")
        else:
            parts.append(letter + _row(shown))
        at = shown[-2:] if shown else at
    return "".join(parts)


def _circle(points: list[list[float]], digits: int) -> str:
    (left, right), (top, bottom) = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
    radius, width = _number((bottom - top) / 2, 2), _number(right - left, 2)
    half = f"a{radius} {radius} 0 1 0 "
    start = _row([_number(left, digits), _number((top + bottom) / 2, digits)])
    return f"M{start}{half}{_row([width, '0'])}{half}{_row([f'-{width}', '0'])}z"


def _row(numbers: list[str]) -> str:
    return " ".join(numbers).replace(" -", "-")


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else re.sub(r"^(-?)0\.", r"\1.", text)
