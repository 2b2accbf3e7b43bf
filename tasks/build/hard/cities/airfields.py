"""ICAO codes of small airfields that have no IATA code: the options look alike and are of the same country."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from build.drafting import shuffled
from build.hard.cities.airfields_checked import CHECKED
from build.hard.cities.gazetteer import AIRPORTS, country_name
from build.making import Question

LAND = ("BR", "CA", "CD", "ZA")
"""The codes of these countries follow names or regions a little, or not at all."""

N_DRAFTS = 3
"""Of a country."""


def _hint(code: str, name: str) -> tuple[int, int, bool]:
    """How much a code's last letters look like the name."""
    tail, bare = code[2:], name.upper()
    return int(tail[0] == bare[0]), sum(letter in bare for letter in tail if letter.isalpha()), tail[1].isdigit()


def airfields(rng: random.Random) -> Iterator[Question]:
    made: Counter[str] = Counter()
    fields = {
        code: field
        for code, field in AIRPORTS.items()
        if field["country"] in LAND and not field["iata"] and field["name"] and len(code) == 4
    }
    asked = sorted(CHECKED)
    rng.shuffle(asked)
    for code in asked:
        country, name, city = (fields[code][key] for key in ("country", "name", "city"))
        like = [
            other
            for other, field in fields.items()
            if field["country"] == country and other[:2] == code[:2] and other != code
        ]
        pool = [other for other in like if _hint(other, name) == _hint(code, name)]
        if made[country] == N_DRAFTS or len(pool) < 6:
            continue
        made[country] += 1
        where = country_name(country) if city.casefold() in name.casefold() else f"{city}, {country_name(country)}"
        ask, said = f"What is the ICAO code of {name} ({where})?", f"The ICAO code of {name} ({where}) is {{}}."
        yield Question(f"airfield {code}", "airfield", 8, ask, said, code, shuffled(rng, pool)[:8])
