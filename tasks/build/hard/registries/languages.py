"""Codes of languages, language families and scripts. Of each, the options are all made of the name's letters."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import cache

import pycountry
from babel import Locale

from build.drafting import Draft, shuffled, words

RECENT = words("Berf Chis Gara Gukh Hntl Krai Onao Seal Sidt Tayo Todr Tols Tutg")
"""Scripts whose numbers are too new to be in several lists."""

KNOWN = words(
    "Latn Grek Cyrl Arab Hebr Armn Geor Deva Beng Thai Hang Hira Kana Hani Ethi Taml Khmr Mong Tibt Runr Goth Egyp "
    "Cher Gujr Guru Orya Knda Mlym Telu Sinh Mymr Laoo Copt Ogam Thaa Syrc Linb Brai Ital Glag Cans Tfng Java"
)
"""Scripts whose numbers are asked for at level 7, and the others' at level 8."""


def spells(code: str, name: str) -> bool:
    """Whether a code's letters come in the name in this order, the first one first."""
    rest = iter(name.casefold())
    return name.casefold().startswith(code[0]) and all(letter in rest for letter in code)


@cache
def names() -> dict[str, str]:
    """The languages with a name of one plain word that is no part of another language's name."""
    counts: dict[str, int] = {}
    for entry in pycountry.languages:
        for word in set(entry.name.replace("-", " ").replace("(", " ").replace(")", " ").split()):
            counts[word] = counts.get(word, 0) + 1
    plain = {
        entry.alpha_3: entry.name for entry in pycountry.languages if entry.name.isascii() and entry.name.isalpha()
    }
    return {code: name for code, name in plain.items() if counts[name] == 1 and len(name) > 4}


def languages(rng: random.Random) -> Iterator[Draft]:
    """ISO 639-3: from a name to the code, and of little-known languages back."""
    known, alphabet = names(), sorted(entry.alpha_3 for entry in pycountry.languages)
    babel = {code.split("_")[0] for code in Locale("en").languages}
    by_initial: dict[str, list[str]] = {}
    for code in alphabet:
        by_initial.setdefault(code[0], []).append(code)
    quota = {6: 60, 7: 120, 8: 120}
    for code in rng.sample(sorted(known), len(known)):
        entry, name = pycountry.languages.get(alpha_3=code), known[code]
        if entry.type != "L" or entry.scope != "I" or not spells(code, name):
            continue
        plain = name.casefold().startswith(code)
        large, listed = hasattr(entry, "alpha_2"), code in babel or hasattr(entry, "bibliographic")
        level = 6 if large else 7 if listed else 0 if plain and rng.random() > 0.12 else 8
        if not level or not quota[level]:
            continue
        fact = f"language {code}"
        if level == 8 and (plain or rng.random() < 0.5):
            wrong = [known[c] for c in by_initial[code[0]] if c != code and c in known and spells(code, known[c])]
            if len(wrong) < 8:
                continue
            question = f'Which language has the ISO 639-3 code "{code}"?'
            statement = f'The language with the ISO 639-3 code "{code}" is {{}}.'
            near = sorted(rng.sample(wrong, min(len(wrong), 30)), key=lambda other: alike(other, name))
            yield Draft(fact, "coded language", level, question, statement, name, shuffled(rng, near[:10]))
        else:
            wrong = [c for c in by_initial[code[0]] if c != code and spells(c, name) and c[0] == code[0]]
            if len(wrong) < 7:
                continue
            question = f"What is the ISO 639-3 code of the language {name}?"
            statement = f"The ISO 639-3 code of the language {name} is {{}}."
            yield Draft(fact, "language code", level, question, statement, code, shuffled(rng, wrong)[:10])
        quota[level] -= 1


def alike(one: str, other: str) -> tuple[int, int]:
    """Names of the same beginning and length come first."""
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return -same, abs(len(one) - len(other))


def spellings(name: str, like: Iterable[str]) -> list[str]:
    """Three-letter codes that a name could have: its first letter, then any two in order."""
    text = "".join(letter for letter in name.casefold() if letter.isalpha())[:9]
    pairs = [text[0] + text[i] + text[j] for i in range(1, len(text)) for j in range(i + 1, len(text))]
    taken = set(like)
    return [code for code in dict.fromkeys(pairs) if code not in taken]


def bibliographic(rng: random.Random) -> Iterator[Draft]:
    """The twenty languages that have two codes in ISO 639-2."""
    for entry in sorted(pycountry.languages, key=lambda entry: str(entry.alpha_3)):
        code = getattr(entry, "bibliographic", None)
        if code is None:
            continue
        name = entry.name.split(" (")[0]
        own = [entry.alpha_3] if entry.alpha_3[0] == code[0] else []
        wrong = spellings(name, [code, *own])
        pool = shuffled(rng, [*own, *rng.sample(wrong, min(len(wrong), 9))])
        question = f"What is the bibliographic code (ISO 639-2/B) of {name}?"
        statement = f"The bibliographic code (ISO 639-2/B) of {name} is {{}}."
        yield Draft(f"bibliographic {code}", "bibliographic code", 6, question, statement, code, pool)


def families(rng: random.Random) -> Iterator[Draft]:
    """ISO 639-5."""
    taken = {entry.alpha_3 for entry in pycountry.language_families}
    for entry in sorted(pycountry.language_families, key=lambda entry: str(entry.alpha_3)):
        name, code = entry.name, entry.alpha_3
        if any(sign in name for sign in "(;,") or not spells(code, name) or code == "cpf":
            continue
        wrong = spellings(name.split(" languages")[0], [code, *taken])
        real = [c for c in sorted(taken) if c != code and spells(c, name)]
        if len(wrong) + len(real) < 8:
            continue
        question = f"What is the ISO 639-5 code of the {name}?"
        statement = f"The ISO 639-5 code of the {name} is {{}}."
        pool = shuffled(rng, [*real, *rng.sample(wrong, min(len(wrong), 10 - len(real)))])
        yield Draft(f"family {code}", "family code", 7, question, statement, code, pool)


def scripts(rng: random.Random) -> Iterator[Draft]:
    """The numbers of ISO 15924, whose first digit tells the kind of script: all options of an item have the same."""
    table = [entry for entry in pycountry.scripts if entry.alpha_4 not in RECENT and entry.numeric < "900"]
    short = {entry.alpha_4: entry.name.split(" (")[0].split(",")[0] for entry in table}
    unique = [entry for entry in table if list(short.values()).count(short[entry.alpha_4]) == 1]
    for entry in sorted(unique, key=lambda entry: str(entry.alpha_4)):
        code, number, name = entry.alpha_4, int(entry.numeric), short[entry.alpha_4]
        kin = [other for other in unique if other is not entry and other.numeric[0] == entry.numeric[0]]
        kin.sort(key=lambda other: (abs(int(other.numeric) - number), other.numeric))
        level, fact = 7 if code in KNOWN else 8, f"script {code}"
        if len(kin) < 9:
            continue
        if rng.random() < 0.5:
            question = f"Which script has the ISO 15924 number {number:03d}?"
            statement = f"The script with the ISO 15924 number {number:03d} is {{}}."
            pool = shuffled(rng, [short[other.alpha_4] for other in kin[:10]])
            yield Draft(fact, "numbered script", level, question, statement, name, pool)
        else:
            question = f"What is the ISO 15924 number of the script {name}?"
            statement = f"The ISO 15924 number of the script {name} is {{}}."
            pool = shuffled(rng, [other.numeric for other in kin[:10]])
            yield Draft(fact, "script number", level, question, statement, entry.numeric, pool)
