"""Every item of the bundled task `standards`, answered again by the standard library, SymPy, SciPy or a rule."""

from __future__ import annotations

import errno
import html
import json
import os
import re
import stat
import unicodedata
from collections.abc import Callable
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any

import pytest
import scipy.constants
from bundled.readers.standards import (
    BASE,
    ICAO,
    LINUX,
    RINGS,
    STATUS,
    afternoon,
    duration,
    exponent,
    gives,
    is_control,
    is_size,
    morse,
    named_signal,
    port,
    product,
    quantity,
    same_moment,
    si,
    symbol,
)
from sympy.physics.units import convert_to

PARTS = ("standards.jsonl", "standards.train.jsonl")

FORMS: tuple[tuple[str, Callable[..., bool]], ...] = (
    (r"What is the reason phrase of the HTTP status code (\d+)\?", lambda x, code: f"{code} {x}" in STATUS.split("|")),
    (r'Which HTTP status code has the reason phrase "(.+)"\?', lambda x, phrase: f"{x} {phrase}" in STATUS.split("|")),
    (
        r"What is the registered media type of (\.\w+) files\?",
        lambda x, ext: x == MimeTypes(()).guess_type(f"a{ext}")[0],
    ),
    (r"Which character does the HTML entity (&\w+;) stand for\?", lambda x, entity: html.unescape(entity) == x),
    (r'Which HTML entity stands for the character "(.)"\?', lambda x, shown: html.unescape(x) == shown),
    (r"Which HTML entity stands for the double quotation mark\?", lambda x: html.unescape(x) == '"'),
    (r"What is the default port of (.+)\?", lambda x, service: port(service) == x),
    (r"Which protocol or service has the default port (\d+)\?", lambda x, number: port(x) == number),
    (r'What is the Unicode name of the character "(.)"\?', lambda x, shown: unicodedata.lookup(x) == shown),
    (
        r"What is the Unicode code point of . \((.+)\)\?",
        lambda x, name: ord(unicodedata.lookup(name)) == int(x[2:], 16),
    ),
    (r"What is the decimal ASCII code of the .+ (\w)\?", lambda x, shown: shown.encode("ascii") == bytes([int(x)])),
    (r"What is the hexadecimal ASCII code of the .+ (\w)\?", lambda x, shown: shown.encode().hex() == x[2:].lower()),
    (r"What is the decimal ASCII code of the control character (\w+)\?", lambda x, name: is_control(int(x), name)),
    (r"What is the Morse code of the (?:letter|digit) (\w)\?", lambda x, shown: morse(x) == shown),
    (r"Which letter or digit is (\S+) in Morse code\?", lambda x, code: morse(code) == x),
    (r"Which word stands for the letter (\w) in .+\?", lambda x, letter: x in ICAO and x[0] == letter),
    (r"Which power of ten does the SI prefix (\w+) stand for\?", lambda x, name: x == f"10^{exponent(name)}"),
    (r"Which SI prefix stands for 10\^(\S+)\?", lambda x, power: exponent(x) == int(power)),
    (r"What is the symbol of the SI prefix (\w+)\?", lambda x, name: symbol(name) == x),
    (r"Which power of two .+ prefix (\w+) .+\?", lambda x, name: 2 ** int(x[2:]) == getattr(scipy.constants, name)),
    (r"Which quantity is measured in the SI unit (\w+)\?", lambda x, unit: x in quantity(unit)),
    (r"What is the SI unit of (.+)\?", lambda x, name: name in quantity(x)),
    (r"What is the symbol of the SI unit (\w+)\?", lambda x, unit: symbol(unit) == x),
    (r"What is the SI unit (\w+) in base units\?", lambda x, unit: product(x) == convert_to(si(unit), BASE)),
    (r".+ number of the signal (\w+)\?", lambda x, name: named_signal(x) == name),
    (r".+ which signal has the number (\d+)\?", lambda x, number: named_signal(number) == x),
    (r"Which message belongs to the Linux error (\w+)\?", lambda x, name: os.strerror(getattr(errno, name)) == x),
    (r"What is the number of the Linux error (\w+)\?", lambda x, name: getattr(errno, name) == int(x)),
    (r"Which octal file mode is (\S+)\?", lambda x, shown: stat.filemode(int(x, 8))[1:] == shown),
    (r"Which permissions does the octal file mode (\d+) give\?", lambda x, mode: stat.filemode(int(mode, 8))[1:] == x),
    (r"Which strftime directive gives (.+)\?", lambda x, meaning: gives(x, meaning)),
    (r"What does the strftime directive (%\w) give\?", lambda x, directive: gives(directive, x)),
    (r"How is (.+) written in ISO 8601\?", lambda x, shown: same_moment(shown, x)),
    (r"What is (\S+) p\.m\. in ISO 8601 \(24-hour\) time\?", lambda x, shown: x == afternoon(shown)),
    (r"Which ISO 8601 duration is (.+)\?", lambda x, shown: duration(x) == shown),
    (r"What is the size of (\w\d) .+\?", lambda x, paper: is_size(x, paper)),
    (r"Which ISO paper format measures (.+)\?", lambda x, text: is_size(text, x)),
    (r"Which digit does an? (\w+) ring on a resistor stand for\?", lambda x, colour: RINGS[int(x)] == colour),
    (r"Which colour of ring stands for the digit (\d) on a resistor\?", lambda x, digit: RINGS[int(digit)] == x),
)
ONLY_LINUX = ("signal", "signal number", "error message", "error number")


def rows(root: Path, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "tasks" / part).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("part", PARTS)
def test_the_answer_is_right_and_no_distractor_is(root: Path, part: str) -> None:
    wrong = []
    for item in rows(root, part):
        if item["topic"] in ONLY_LINUX and not LINUX:
            continue
        found = [(match, holds) for form, holds in FORMS if (match := re.fullmatch(form, item["question"]))]
        assert len(found) == 1, (item["question"], len(found))
        ((match, holds),) = found
        right = [index for index, choice in enumerate(item["choices"]) if holds(choice, *match.groups())]
        if right != [item["answer"]]:
            wrong.append((item["question"], item["choices"], item["answer"], right))
    assert not wrong


@pytest.mark.parametrize("part", PARTS)
def test_no_wrong_media_type_is_one_that_some_version_knows(root: Path, part: str) -> None:
    known = {kind for table in MimeTypes(()).types_map for kind in table.values()}
    for item in rows(root, part):
        if item["topic"] == "media type":
            assert [choice in known for choice in item["choices"]].count(True) == 1, item["choices"]


@pytest.mark.parametrize("part", PARTS)
def test_status_codes_whose_phrase_changed_are_not_asked(root: Path, part: str) -> None:
    for item in rows(root, part):
        if item["topic"].startswith("status"):
            assert not {"413", "414", "416", "418", "422"} & {*item["choices"], *re.findall(r"\d+", item["question"])}
