"""A section put into a model card that is there: nothing else in it changes, and doing it again changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from calibaudit.errors import OutputError
from calibaudit.files.text import one_line, yaml_text
from calibaudit.files.yaml_text import NotYaml, parse_yaml
from calibaudit.report.cards.metadata import TAGS, merged_metadata
from calibaudit.report.cards.section import END, Section

_FRONT = re.compile(r"\ufeff?\s*---[ \t]*\r?\n(?P<yaml>(?:.*\r?\n)*?)---[ \t]*(?:\r?\n|\Z)")
_BEGIN = re.compile(r"<!-- calibaudit: begin\b[^\n]*?-->")
_KEY = re.compile(r"""(?:"(?P<double>[^"\\]*)"|'(?P<single>[^']*)'|(?P<plain>[^\s#'"\[{-][^:#]*?))[ \t]*:(?=\s|$)""")


def new_card(section: Section) -> str:
    """A card of its own: metadata and the section."""
    return f"---\n{yaml_text(merged_metadata({}, TAGS, section.index))}---\n\n{section.text}\n"


def with_section(card: str, section: Section, source: str) -> str:
    """The card with the section in place of an earlier one, or at its end, and with the numbers in its metadata.

    Lines of the metadata that need not change stay as they are written, comments too. Raises OutputError naming
    `source` where the card's metadata or marks cannot be understood.
    """
    newline = "\r\n" if "\r\n" in card else "\n"
    found = _FRONT.match(card)
    if found is None:
        mark = "\ufeff" if card.startswith("\ufeff") else ""
        front = f"---\n{yaml_text(merged_metadata({}, TAGS, section.index))}---\n".replace("\n", newline)
        body = card.removeprefix("\ufeff")
        return mark + front + (newline if body.strip() else "") + _body(body, section, newline, source)
    front = _front(found["yaml"].replace("\r\n", "\n"), section, source).replace("\n", newline)
    head, rest = card[: found.start("yaml")], card[found.end("yaml") :]
    fence, body = rest[: found.end() - found.end("yaml")], rest[found.end() - found.end("yaml") :]
    fence = fence if fence.endswith("\n") else fence + newline
    return head + front + fence + _body(body, section, newline, source)


def _body(body: str, section: Section, newline: str, source: str) -> str:
    begins, ends = [*_BEGIN.finditer(body)], [*re.finditer(re.escape(END), body)]
    if len(begins) != len(ends) or len(begins) > 1 or (begins and begins[0].end() > ends[0].start()):
        raise OutputError(
            f"{source}: {len(begins)} marks `calibaudit: begin` and {len(ends)} `calibaudit: end`, where one pair, or "
            "none, can be followed; mend or remove them"
        )
    text = section.text.replace("\n", newline)
    if begins:
        return body[: begins[0].start()] + text + body[ends[0].end() :]
    kept = body.rstrip()
    return (kept + newline if kept else "") + newline + text + newline


def _front(text: str, section: Section, source: str) -> str:
    """The metadata's lines, those of changed keys written anew."""
    try:
        old = parse_yaml(text)
        if not isinstance(old or {}, dict):
            raise ValueError("it is no list of keys")
        new = merged_metadata(old or {}, TAGS, section.index)
    except (NotYaml, ValueError) as error:
        place = f"{source}, line {error.line + 1}" if isinstance(error, NotYaml) and error.line else source
        reason = error.reason if isinstance(error, NotYaml) else error
        raise OutputError(f"{place}: the metadata in front of the card: {one_line(reason, 200)}; mend it") from None
    changed = {key: value for key, value in new.items() if not old or old.get(key) != value}
    written = _written(text, changed)
    try:
        if parse_yaml(written) == new:
            return written
    except NotYaml:
        pass
    return yaml_text(new)  # flow style, anchors, several lines a key: the values stay, the writing does not


def _written(text: str, changed: Mapping[str, Any]) -> str:
    left, lines = dict(changed), []
    for key, block in _blocks(text):
        lines.append(yaml_text({key: left.pop(key)}) if key in left else block)
    joined = "".join(lines)
    if joined and not joined.endswith("\n"):
        joined += "\n"
    return joined + (yaml_text(left) if left else "")


def _blocks(text: str) -> list[tuple[str, str]]:
    """(key, its lines) at the outermost level, in order; comments and blank lines apart, with an empty key."""
    blocks: list[tuple[str, str]] = []
    waiting = ""
    for line in text.splitlines(keepends=True):
        found = _KEY.match(line)
        if found:
            name = next(part for part in found.groups() if part is not None)
            blocks += [("", waiting)] if waiting else []
            blocks.append((name, line))
            waiting = ""
        elif not line.strip() or line.startswith("#"):
            waiting += line
        else:
            key, block = blocks.pop() if blocks else ("", "")
            blocks.append((key, block + waiting + line))
            waiting = ""
    return [*blocks, ("", waiting)] if waiting else blocks
