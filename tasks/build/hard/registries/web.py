"""Registries of the web: the named colours of CSS and the named characters of HTML."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from html.entities import html5, name2codepoint
from itertools import product

from matplotlib.colors import CSS4_COLORS

from build.drafting import Draft, shuffled
from build.hard.registries.characters import shown


def channels(value: str) -> tuple[int, int, int]:
    return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)


def colours(rng: random.Random) -> Iterator[Draft]:
    """Colours of CSS; beside a value stand those with one, two or three channels exchanged for other colours' ones."""
    table = {name: str(value).upper() for name, value in CSS4_COLORS.items()}
    once = {
        name: value for name, value in table.items() if list(table.values()).count(value) == 1 and "gr" not in name[-5:]
    }
    used = sorted({channel for value in once.values() for channel in channels(value)})
    for name, value in sorted(once.items()):
        own = channels(value)
        if sum(channel in (0, 128, 255) for channel in own) > 1:
            continue
        distances = {
            other: sum(abs(a - b) for a, b in zip(own, channels(other_value), strict=True))
            for other, other_value in once.items()
            if other != name
        }
        near = sorted(distances, key=lambda other: (distances[other], other))[:10]
        if rng.random() < 0.5:
            steps = []
            for channel in own:
                close = [c for c in used if 4 < abs(c - channel) < 40]
                steps.append((channel, rng.choice(close)))
            corners = [corner for corner in product(*steps) if corner != own]
            question = f'Which value does CSS give to the named colour "{name}"?'
            statement = f'The value that CSS gives to the named colour "{name}" is {{}}.'
            pool = shuffled(rng, ["#" + "".join(f"{c:02X}" for c in corner) for corner in corners])
            yield Draft(f"colour {name}", "colour value", 6, question, statement, value, pool)
        else:
            question = f"Which named colour of CSS has the value {value}?"
            statement = f"The named colour of CSS with the value {value} is {{}}."
            yield Draft(f"colour {name}", "colour name", 6, question, statement, name, shuffled(rng, near))


def entities(rng: random.Random) -> Iterator[Draft]:
    """Names that HTML 5 added, each the only one of its character."""
    points: dict[int, list[str]] = {}
    for entity, text in html5.items():
        if entity.endswith(";") and len(text) == 1:
            points.setdefault(ord(text), []).append(entity[:-1])
    sole = {
        point: names[0]
        for point, names in points.items()
        if len(names) == 1 and point > 0x2000 and point not in name2codepoint.values() and len(names[0]) > 3
    }
    sole = {point: name for point, name in sole.items() if unicodedata.category(chr(point)) in ("Sm", "So")}
    for point, entity in sorted(sole.items()):
        near = sorted((other for other in sole if other != point), key=lambda other: (abs(other - point), other))[:10]
        near = [other for other in near if abs(other - point) < 40]
        if len(near) < 8:
            continue
        fact, kind = f"character {point:X}", rng.randrange(3)
        if kind == 0:
            question = f"Which character does the HTML entity &{entity}; stand for?"
            statement = f"The HTML entity &{entity}; stands for the character {{}}."
            pool = shuffled(rng, [unicodedata.name(chr(other)) for other in near[:8]])
            yield Draft(fact, "entity", 6, question, statement, unicodedata.name(chr(point)), pool)
        elif kind == 1:
            question = f"What is the code point of the character that the HTML entity &{entity}; stands for?"
            statement = f"The code point of the character that the HTML entity &{entity}; stands for is {{}}."
            pool = shuffled(rng, [shown(other) for other in near])
            yield Draft(fact, "entity's code point", 7, question, statement, shown(point), pool)
        else:
            question = f"Which HTML entity stands for the character with the code point {shown(point)}?"
            statement = f"The HTML entity for the character with the code point {shown(point)} is {{}}"
            pool = shuffled(rng, [f"&{sole[other]};" for other in near])
            yield Draft(fact, "entity of a code point", 7, question, statement, f"&{entity};", pool)
