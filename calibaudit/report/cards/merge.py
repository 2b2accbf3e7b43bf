"""A section put into a model card that is there: nothing else in it changes, and doing it again changes nothing."""

from __future__ import annotations

import re

from calibaudit.errors import OutputError
from calibaudit.files.text import one_line, yaml_text
from calibaudit.files.yaml_text import NotYaml
from calibaudit.report.cards.front import front_with
from calibaudit.report.cards.metadata import OURS, TAGS, metadata
from calibaudit.report.cards.section import END, Section

_FRONT = re.compile(r"\ufeff?\s*---[ \t]*\r?\n(?P<yaml>(?:.*\r?\n)*?)---[ \t]*(?:\r?\n|\Z)")
_OPENED = re.compile(r"\ufeff?\s*---(?=\s|\Z)")
_BEGIN = re.compile(r"<!-- calibaudit: begin\b[^\n]*?-->")
_FENCE = re.compile(r"^ {0,3}(`{3,}(?=[^`\r\n]*\r?$)|~{3,})", re.MULTILINE)


def new_card(section: Section) -> str:
    """A card of its own: metadata and the section."""
    return f"---\n{yaml_text(metadata({}, TAGS, section.index))}---\n\n{section.text}\n"


def with_section(card: str, section: Section, source: str) -> str:
    """The card with the section in place of an earlier one, or at its end, and with the numbers in its metadata.

    Every byte that is not calibaudit's own stays. Raises OutputError naming `source` where that cannot be, where
    metadata or marks cannot be understood, or where huggingface_hub does not read the numbers back.
    """
    newline = "\r\n" if "\r\n" in card else "\n"
    found = _FRONT.match(card)
    if found is None and _OPENED.match(card):
        raise OutputError(f"{source}: no line `---` ends the metadata in front of the card; add it")
    if found is None:
        mark = "\ufeff" if card.startswith("\ufeff") else ""
        front = f"---\n{yaml_text(metadata({}, TAGS, section.index))}---\n".replace("\n", newline)
        body = card.removeprefix("\ufeff")
        new = mark + front + (newline if body.strip() else "") + _body(body, section, newline, source)
    else:
        front = _front(found["yaml"], section, newline, source)
        head, body = card[: found.start("yaml")], card[found.end() :]
        fence = card[found.end("yaml") : found.end()]
        fence = fence if fence.endswith("\n") else fence + newline
        new = head + front + fence + _body(body, section, newline, source)
    _read_back(new.removeprefix("\ufeff"), section, source)
    return new


def _front(text: str, section: Section, newline: str, source: str) -> str:
    try:
        return front_with(text, TAGS, section.index, newline)
    except ValueError as error:
        place = f"{source}, line {error.line + 1}" if isinstance(error, NotYaml) and error.line else source
        reason = error.reason + "; mend it" if isinstance(error, NotYaml) else error
        raise OutputError(f"{place}: the metadata in front of the card: {one_line(reason, 400)}") from None


def _read_back(card: str, section: Section, source: str) -> None:
    """Raises OutputError unless the hub's own library finds the numbers in a card."""
    from huggingface_hub import ModelCard

    try:
        found = getattr(ModelCard(card).data, "eval_results", None) or []
    except Exception as error:  # ValueError, and what its readers of odd values raise: AttributeError, KeyError
        raise OutputError(f"{source}: huggingface_hub cannot read its metadata: {one_line(error, 300)}") from None
    read = [(one.dataset_name, one.metric_type, one.metric_value) for one in found if OURS in (one.dataset_args or {})]
    written = [
        (result["dataset"]["name"], metric["type"], metric["value"])
        for result in section.index[0]["results"]
        for metric in result["metrics"]
    ]
    if read != written:
        raise OutputError(
            f"{source}: huggingface_hub would not find the numbers in its metadata; let it begin with a line `---` "
            "with nothing behind it"
        )


def _body(body: str, section: Section, newline: str, source: str) -> str:
    blocks, is_open = _fenced(body)
    begins = [found for found in _BEGIN.finditer(body) if _counts(found, body, blocks)]
    ends = [found for found in re.finditer(re.escape(END), body) if _counts(found, body, blocks)]
    if len(begins) != len(ends) or len(begins) > 1 or (begins and begins[0].end() > ends[0].start()):
        raise OutputError(
            f"{source}: {len(begins)} marks `calibaudit: begin` and {len(ends)} `calibaudit: end`, where one pair, or "
            "none, can be followed; mend or remove them"
        )
    text = section.text.replace("\n", newline)
    if begins:
        return body[: begins[0].start()] + text + body[ends[0].end() :]
    if is_open:
        raise OutputError(f"{source}: a code block in it is opened and never closed; close it")
    lines = body if not body or body.endswith("\n") else body + newline
    return lines + ("" if lines.endswith(newline * 2) else newline) + text + newline


def _counts(mark: re.Match[str], body: str, blocks: list[tuple[int, int]]) -> bool:
    """Whether a mark is at the start of a line, as they are written, and not quoted in fenced code."""
    at = mark.start()
    return body[at - 1 : at] in ("", "\n") and not any(start <= at < end for start, end in blocks)


def _fenced(body: str) -> tuple[list[tuple[int, int]], bool]:
    """Where fenced code stands, and whether the last block of it is never closed (CommonMark 0.31, 4.5)."""
    blocks: list[tuple[int, int]] = []
    at = 0
    while (opened := _FENCE.search(body, at)) is not None:
        sign = opened[1]
        closing = re.compile(rf"^ {{0,3}}{sign[0]}{{{len(sign)},}}[ \t]*\r?$", re.MULTILINE)
        closed = closing.search(body, opened.end())
        if closed is None:
            return [*blocks, (opened.start(), len(body))], True
        blocks.append((opened.start(), at := closed.end()))
    return blocks, False
