"""Text from tasks, models and files as a reader can see it: bounded, without characters that act, hide or reorder.

Every place that text leaves the program by (terminal, log, CSV, JSON, XML, Markdown, HTML, a file's name) uses what is
here. A character that would act and not be seen is shown: a control as its picture (␛), another by its number
(⟨U+202E⟩). Letters of every script stay, with their marks and joiners, and so do emoji.
"""

from __future__ import annotations

import json
import re
import unicodedata
from hashlib import sha256
from typing import Any

MOST_LINE = 4_000
"""Characters of a notice or an error."""
MOST_CELL = 32_000
"""Characters of a spreadsheet's cell; Excel takes 32,767."""

# Controls of ASCII but tab and line feed, and those behind ASCII; soft hyphen; marks that order text; spaces without
# width; separators of lines; fillers; tags; lone surrogates; code points that are no characters (Unicode 23.7).
_NO_CHARACTERS = "\ufdd0-\ufdef" + "".join(f"{chr(end - 1)}{chr(end)}" for end in range(0xFFFF, 0x110000, 0x10000))
_HARD = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_JOINERS = "\u200c\u200d"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"  # of a character's form
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"  # of a land's part: Scotland's
_UNSEEN = re.compile(f"{_FLAG}|[{_HARD}{_NO_CHARACTERS}{_JOINERS}{_SELECTORS}]")
_OLDER_COMMAND = r"#(?=#(?:\[|vso\[|teamcity\[))"
_NOT_IN_JSON = re.compile(f"{_FLAG}|[{_HARD}{_NO_CHARACTERS}]|{_OLDER_COMMAND}")
_SELECTOR = re.compile(f"[{_SELECTORS}]")
_NUMBERED = re.compile(r"⟨U\+[0-9A-F]{4,6}⟩")
_SPACES = str.maketrans({" ": "·", "\t": "→\t", "\n": "⏎\n", "\u00a0": "⍽"})

# What a CI system's log reader takes for a command: GitHub's runner, which trims a line first, and its older form
# anywhere in a line; Azure Pipelines' and TeamCity's.
_COMMAND = re.compile(rf"\A(\s*):(?=:)|{_OLDER_COMMAND}")
# owasp.org, "CSV Injection".
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
# learn.microsoft.com, "Naming Files, Paths, and Namespaces".
_NOT_IN_NAMES = re.compile(r'[\s,/\\:<>"|?*]+')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_MOST_NAME = 120  # bytes; file systems take 255 with endings


def visible(text: object, most: int) -> str:
    """At most `most` characters of the text, every one of them to be seen; line ends and tabs stay."""
    return shortened(_UNSEEN.sub(_shown, str(text)), most)


def one_line(text: object, most: int) -> str:
    """The same with every run of white space as one space."""
    return visible(" ".join(str(text).split()), most)


def log_line(text: object, most: int = MOST_LINE) -> str:
    """The same for a line of a terminal or a log: no CI system takes it for a command."""
    return inert(one_line(text, most))


def inert(line: str) -> str:
    """A line that no CI system's log reader takes for a command: the first colon, or #, of one is a number."""
    return _COMMAND.sub(lambda found: (found[1] or "") + _number(found[0][-1]), line)


def screen_text(text: str) -> str:
    """A text of several lines as a terminal or a log is shown it, however long; line ends and tabs stay."""
    return "\n".join(map(inert, _UNSEEN.sub(_shown, text).split("\n")))


def cell(text: object) -> str:
    """A text of a CSV file: what a spreadsheet would take for a formula has an apostrophe before it."""
    shown = log_line(text, MOST_CELL)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def json_text(
    value: Any, *, indent: int | None = None, separators: tuple[str, str] | None = None, finite: bool = True
) -> str:
    """JSON that every reader takes and a terminal can be shown: what acts is written \\u202e, and comes back.

    Only a lone surrogate, which is no text (RFC 8259, 8.2), is shown by its number. finite: ValueError on NaN and
    infinity, which are no JSON.
    """
    text = json.dumps(value, indent=indent, separators=separators, allow_nan=not finite, ensure_ascii=False)
    return _NOT_IN_JSON.sub(_in_json, text)


def yaml_text(value: Any, *, width: int = 80) -> str:
    """Block YAML of plain values in their order, which comes back as it was; letters of every script as themselves."""
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=width)
    if screen_text(text) == text:
        return text

    class Dumper(yaml.SafeDumper):
        """Texts that are more than a word in quotes, on one line each, so that no line is a text's own."""

    def quoted(dumper: Any, of: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", of, style=None if of.isidentifier() else '"')

    Dumper.add_representer(str, quoted)
    text = yaml.dump(value, Dumper=Dumper, sort_keys=False, width=float("inf"))
    return re.sub(_OLDER_COMMAND, r"\\x23", text)


def file_name(name: str) -> str:
    """A name as a file may bear it on every system, and a list of names hold it: no folder, no control, not too long.

    A name of more than 120 bytes is cut, and keeps its own by a digest.
    """
    kept = _NOT_IN_NAMES.sub("_", _UNSEEN.sub("_", name)).lstrip("._").rstrip(".")
    if len(kept.encode()) > _MOST_NAME:
        digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        kept = f"{kept.encode()[: _MOST_NAME - 13].decode('utf-8', 'ignore')}_{digest}"
    return f"{kept}_" if _RESERVED.fullmatch(kept) else kept or "task"


def json_kind(value: object) -> str:
    """What a value of a file is, in the words of JSON: `null`, `a number`, `text`, `a list`, `an object`."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    kinds = ((int | float, "a number"), (str, "text"), (list | tuple, "a list"), (dict, "an object"))
    return next((word for kind, word in kinds if isinstance(value, kind)), type(value).__name__)


def json_value(value: object, most: int = 40) -> str:
    """A value of a file as JSON writes it, at most `most` characters; one that JSON does not have, as its text."""
    if not isinstance(value, str | bool | int | float | list | tuple | dict | None):
        return one_line(value, most)
    text = ""
    try:
        for part in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
            text += part
            if len(text) > most and not isinstance(value, str):  # of millions the first are enough
                return _NOT_IN_JSON.sub(_in_json, text[: most - 1]) + "…"
        return shortened(_NOT_IN_JSON.sub(_in_json, text), most)
    except (TypeError, ValueError, RecursionError):  # names that are no text, numbers or trees without end
        return json_kind(value)


def spaces_shown(text: str) -> str:
    """With spaces as ·, tabs as →, line ends as ⏎; tabs and line ends stay behind their signs."""
    return text.translate(_SPACES)


def shortened(text: str, width: int) -> str:
    """At most `width` characters, an ellipsis in the middle where some had to go: names differ at both ends."""
    if len(text) <= width:
        return text
    if width < 3:
        return text[:width]
    head = (width - 1) // 2
    tail = len(text) - (width - 1 - head)
    for found in _NUMBERED.finditer(text):  # a character's number is shown whole or not at all
        head = found.start() if found.start() < head < found.end() else head
        tail = found.end() if found.start() < tail < found.end() else tail
    return f"{text[:head]}…{text[tail:]}"


def _shown(found: re.Match[str]) -> str:
    c, at = found[0], found.start()
    if len(c) > 1:  # a flag
        return c
    if c in _JOINERS or _SELECTOR.match(c):
        return c if _belongs(c, found.string[at - 1 : at], found.string[at + 1 : at + 2]) else _number(c)
    return chr(0x2400 + ord(c)) if ord(c) < 32 else "␡" if c == "\x7f" else _number(c)


def _belongs(c: str, before: str, after: str) -> bool:
    """Whether a joiner or a selector stands where scripts and emoji have one: behind what it can change, once."""
    if not before or before in _JOINERS or unicodedata.category(before)[0] in "CZ":
        return False
    if c not in _JOINERS:
        return not _SELECTOR.match(before)
    if unicodedata.category(before) in ("So", "Sk") or _SELECTOR.match(before):
        return bool(after) and unicodedata.category(after) == "So"
    return ord(before) >= 0x590 and unicodedata.category(before)[0] in "LM" and (not after or after not in _JOINERS)


def _number(c: str) -> str:
    return f"⟨U+{ord(c):04X}⟩"


def _in_json(found: re.Match[str]) -> str:
    c = found[0]
    if len(c) > 1:  # a flag
        return c
    if "\ud800" <= c <= "\udfff":
        return _number(c)
    units = c.encode("utf-16-be")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
