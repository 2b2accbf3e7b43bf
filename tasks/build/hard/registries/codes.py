"""Numbers of countries, currencies and publishers, and the codes of countries that are no more."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pycountry
from stdnum import numdb

from build.drafting import Draft, shuffled, words

SHORT = {
    "BO": "Bolivia", "BN": "Brunei", "CD": "the Democratic Republic of the Congo", "FK": "the Falkland Islands",
    "FM": "Micronesia", "IR": "Iran", "KP": "North Korea", "KR": "South Korea", "LA": "Laos", "MD": "Moldova",
    "RU": "Russia", "SY": "Syria", "TW": "Taiwan", "TZ": "Tanzania", "VA": "Vatican City", "VE": "Venezuela",
    "VG": "the British Virgin Islands", "VI": "the United States Virgin Islands", "VN": "Vietnam", "CV": "Cape Verde",
    "GB": "the United Kingdom", "US": "the United States", "NL": "the Netherlands", "PH": "the Philippines",
    "AE": "the United Arab Emirates", "BS": "the Bahamas", "GM": "the Gambia", "DO": "the Dominican Republic",
    "CF": "the Central African Republic", "MH": "the Marshall Islands", "SB": "the Solomon Islands",
    "KY": "the Cayman Islands", "FO": "the Faroe Islands", "KM": "the Comoros", "MV": "the Maldives",
    "SC": "the Seychelles", "CK": "the Cook Islands", "TC": "the Turks and Caicos Islands",
    "CG": "the Republic of the Congo",
}  # fmt: skip
"""Names for the running text, where ISO's are inverted or want an article."""

LEFT_OUT = words("AQ AX BL BQ BV CC CX EH GG GS HM IM IO JE MF NF PM PN PS SH SJ SX TF TW UM WF YT XK")
"""Uninhabited, shared or disputed, or without a number of their own in some of the registries."""

GONE = {
    "AIDJ": "the French Afars and Issas", "BUMM": "Burma", "BYAA": "the Byelorussian SSR", "CSHH": "Czechoslovakia",
    "CTKI": "Canton and Enderbury Islands", "DDDE": "the German Democratic Republic", "DYBJ": "Dahomey",
    "GEHH": "the Gilbert and Ellice Islands", "HVBF": "Upper Volta", "NHVU": "the New Hebrides",
    "RHZW": "Southern Rhodesia", "SKIN": "Sikkim", "SUHH": "the USSR", "TPTL": "East Timor",
    "VDVN": "the Democratic Republic of Viet-Nam",
    "YDYE": "Democratic Yemen", "YUCS": "Yugoslavia", "ZRCD": "Zaire", "PCHH": "the Pacific Islands (Trust Territory)",
    "PZPA": "the Panama Canal Zone", "NTHH": "the Neutral Zone", "MIUM": "the Midway Islands",
    "JTUM": "Johnston Island",
    "WKUM": "Wake Island", "NQAQ": "Dronning Maud Land", "FQHH": "the French Southern and Antarctic Territories",
    "BQAQ": "the British Antarctic Territory", "ANHH": "the Netherlands Antilles", "CSXX": "Serbia and Montenegro",
}  # fmt: skip
"""ISO 3166-3: the former countries' names for the running text."""

PUBLISHERS = {2: 6, 3: 7, 4: 7, 5: 8}
"""Level by the digits of an ISBN's group: countries with short ones publish more."""


NEWEST = words("632 633 634 9906 9907 9908 9909 9910 99991 99993 99994 99995 99996 99997 99998")
"""Groups of ISBNs given since 2023: not in every list yet, and so left out."""


def country(code: str) -> str:
    entry = pycountry.countries.get(alpha_2=code)
    return SHORT.get(code) or getattr(entry, "common_name", entry.name)


def nearest(number: int, others: Sequence[int], n: int = 10) -> list[int]:
    """The n nearest other numbers, half of them below where there are so many."""
    below = sorted((other for other in others if other < number), reverse=True)
    above = sorted(other for other in others if other > number)
    half = n // 2
    return [*below[: max(half, n - len(above))], *above[: max(half, n - len(below))]][:n]


def countries(rng: random.Random) -> Iterator[Draft]:
    """Numeric codes of ISO 3166-1, which follow the alphabet in steps of four, more or less."""
    numbers = {int(entry.numeric): entry.alpha_2 for entry in pycountry.countries}
    for number, code in sorted(numbers.items()):
        if code in LEFT_OUT:
            continue
        name, near = country(code), nearest(number, [n for n in numbers if numbers[n] not in LEFT_OUT])
        if rng.random() < 0.5:
            question = f"What is the ISO 3166-1 numeric code of {name}?"
            statement = f"The ISO 3166-1 numeric code of {name} is {{}}."
            pool = shuffled(rng, [f"{other:03d}" for other in near])
            yield Draft(f"country {code}", "country number", 6, question, statement, f"{number:03d}", pool)
        else:
            question = f"Which country or territory has the ISO 3166-1 numeric code {number:03d}?"
            statement = f"The country or territory with the ISO 3166-1 numeric code {number:03d} is {{}}."
            pool = shuffled(rng, [country(numbers[other]) for other in near])
            yield Draft(f"country {code}", "numbered country", 6, question, statement, name, pool)


def former(rng: random.Random) -> Iterator[Draft]:
    """Codes of ISO 3166-3, and the numbers that former countries had."""
    tails = sorted({entry.alpha_4[2:] for entry in pycountry.historic_countries})
    for entry in sorted(pycountry.historic_countries, key=lambda entry: str(entry.alpha_4)):
        name = GONE.get(entry.alpha_4)
        if not name:
            continue
        tail = entry.alpha_4[2:]
        kin = [other for other in tails if other != tail]
        kin.sort(key=lambda other: (other != "HH", sum(letter in name.upper() for letter in other) < 2, other))
        heads = {name.removeprefix("the ").upper()[0] + letter for letter in name.upper() if letter.isalpha()}
        wrong = [entry.alpha_4[:2] + other for other in kin[:5]]
        wrong += [head + tail for head in rng.sample(sorted(heads - {entry.alpha_4[:2]}), 3)]
        wrong += [head + kin[0] for head in rng.sample(sorted(heads - {entry.alpha_4[:2]}), 2)]
        text = f"of {name}, withdrawn in {entry.withdrawal_date[:4]}"
        question = f"What is the four-letter ISO 3166-3 code {text}?"
        statement = f"The four-letter ISO 3166-3 code {text}, is {{}}."
        yield Draft(
            f"former {entry.alpha_4}", "former country", 7, question, statement, entry.alpha_4, shuffled(rng, wrong)
        )


def currencies(rng: random.Random) -> Iterator[Draft]:
    """Numeric codes of ISO 4217: some are the country's, those of later reforms are not."""
    table = {
        int(entry.numeric): entry for entry in pycountry.currencies if entry.alpha_3[0] != "X" and len(entry.name) < 25
    }
    own = {int(entry.numeric) for entry in pycountry.countries}
    for number, entry in sorted(table.items()):
        level = 7
        code = entry.alpha_3
        if number in own or rng.random() < 0.5:
            question = f"What is the ISO 4217 numeric code of {code} ({entry.name})?"
            statement = f"The ISO 4217 numeric code of {code} ({entry.name}) is {{}}."
            pool = shuffled(rng, [f"{other:03d}" for other in nearest(number, list(table))])
            yield Draft(f"currency {code}", "currency number", level, question, statement, f"{number:03d}", pool)
        else:
            question = f"Which currency has the ISO 4217 numeric code {number:03d}?"
            statement = f"The currency with the ISO 4217 numeric code {number:03d} is {{}}."
            near = nearest(number, list(table))
            pool = shuffled(rng, [f"{table[other].name} ({table[other].alpha_3})" for other in near])
            answer = f"{entry.name} ({code})"
            yield Draft(f"currency {code}", "numbered currency", level, question, statement, answer, pool)


def publishers(rng: random.Random) -> Iterator[Draft]:
    """The groups of ISBNs: the digits after 978 that tell the country."""
    groups: dict[str, str] = {}
    with_prefix = numdb.get("isbn").prefixes
    for _, low, _, _, children in with_prefix:
        if low == "978":
            groups = {first: info["agency"] for _, first, _, info, _ in children if "agency" in info}
    named = {entry.name: country(entry.alpha_2) for entry in pycountry.countries}
    named |= {getattr(entry, "common_name", entry.name): country(entry.alpha_2) for entry in pycountry.countries}
    named |= {country(entry.alpha_2): country(entry.alpha_2) for entry in pycountry.countries}
    groups = {group: named[agency] for group, agency in groups.items() if agency in named and group not in NEWEST}
    eligible: dict[str, list[str]] = {}
    for group, name in sorted(groups.items()):
        eligible.setdefault(name, []).append(group)
    for name, own in eligible.items():
        group = rng.choice(own)
        level = PUBLISHERS.get(len(group))
        kin = [other for other in groups if len(other) == len(group) and groups[other] != name]
        kin = [f"{n}" for n in nearest(int(group), [int(other) for other in kin], 14)]
        if level is None or len(kin) < 10:
            continue
        if rng.random() < 0.6:
            question = f"Publishers of which country or territory have ISBNs that begin with 978-{group}?"
            statement = f"The country or territory whose publishers have ISBNs that begin with 978-{group} is {{}}."
            pool = shuffled(rng, list(dict.fromkeys(groups[other] for other in kin))[:10])
            answer, topic = name, "publishing country"
        else:
            question = f"Which of these is a registration group of ISBNs of {name}?"
            statement = f"A registration group of ISBNs of {name} is {{}}."
            pool, answer, topic = (
                shuffled(rng, [f"978-{other}" for other in kin[:10]]),
                f"978-{group}",
                "publishers' group",
            )
        yield Draft(f"publishers {name}", topic, level, question, statement, answer, pool)
