"""HTTP status codes, media types, HTML entities, default ports."""

from __future__ import annotations

import random
from collections.abc import Iterator
from html.entities import name2codepoint
from http import HTTPStatus
from mimetypes import MimeTypes

from build.drafting import Draft, shuffled, words
from build.standards.tables import ENTITY_LEVELS, HTTP_LEVELS, MEDIA_LEVELS, PORTS, WRONG_MEDIA


def status_codes(rng: random.Random) -> Iterator[Draft]:
    every = [code for codes in HTTP_LEVELS.values() for code in codes]
    for level, codes in HTTP_LEVELS.items():
        for code in codes:
            phrase = HTTPStatus(code).phrase
            kin = sorted((c for c in every if c != code), key=lambda c: (c // 100 != code // 100, abs(c - code)))[:10]
            question = f"What is the reason phrase of the HTTP status code {code}?"
            statement = f"The reason phrase of the HTTP status code {code} is {{}}."
            pool = shuffled(rng, [HTTPStatus(c).phrase for c in kin])
            yield Draft(f"http {code}", "status phrase", level, question, statement, phrase, pool)
            question = f'Which HTTP status code has the reason phrase "{phrase}"?'
            statement = f'The HTTP status code with the reason phrase "{phrase}" is {{}}.'
            yield Draft(
                f"http {code}", "status code", level, question, statement, str(code), shuffled(rng, map(str, kin))
            )


def media_types(rng: random.Random) -> Iterator[Draft]:
    known = MimeTypes(filenames=()).types_map[True]
    for level, extensions in MEDIA_LEVELS.items():
        for extension in words(extensions):
            question = f"What is the registered media type of {extension} files?"
            statement = f"The registered media type of {extension} files is {{}}."
            pool = shuffled(rng, words(WRONG_MEDIA[extension]))
            yield Draft(f"media {extension}", "media type", level, question, statement, known[extension], pool)


def entities(rng: random.Random) -> Iterator[Draft]:
    levels = {name: level for level, names in ENTITY_LEVELS.items() for name in words(names)}
    for name, level in levels.items():
        point = name2codepoint[name]
        near = sorted(
            (other for other in levels if other != name), key=lambda other: abs(name2codepoint[other] - point)
        )
        fact, shown = f"char {point}", chr(point)
        quoted = "the double quotation mark" if shown == '"' else f'the character "{shown}"'
        question = f"Which character does the HTML entity &{name}; stand for?"
        statement = f"The character that the HTML entity &{name}; stands for is {{}}"
        pool = shuffled(rng, [chr(name2codepoint[other]) for other in near[:10]])
        yield Draft(fact, "entity", level, question, statement, shown, pool)
        question = f"Which HTML entity stands for {quoted}?"
        statement = f"The HTML entity that stands for {quoted} is {{}}"
        pool = shuffled(rng, [f"&{other};" for other in near[:10]])
        yield Draft(fact, "entity name", level, question, statement, f"&{name};", pool)


def ports(rng: random.Random) -> Iterator[Draft]:
    table = [(level, *entry.split()) for level, text in PORTS.items() for entry in text.split(", ")]
    for level, name, port in table:
        kin = sorted((row for row in table if row[1] != name), key=lambda row: abs(int(row[2]) - int(port)))[:12]
        question, statement = f"What is the default port of {name}?", f"The default port of {name} is {{}}."
        slips = [str(int(port) + step) for step in (-2, -1, 1, 2, 10)]
        taken = {row[2] for row in table}
        pool = shuffled(rng, [row[2] for row in kin[:8]] + [text for text in slips if text not in taken])
        yield Draft(f"port {port}", "port", level, question, statement, port, pool)
        question = f"Which protocol or service has the default port {port}?"
        statement = f"The protocol or service with the default port {port} is {{}}."
        yield Draft(f"port {port}", "ported", level, question, statement, name, shuffled(rng, [row[1] for row in kin]))
