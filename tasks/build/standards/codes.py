"""Characters: Unicode names and code points, ASCII codes, Morse code, the spelling alphabet."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator

from build.drafting import Draft, near, shuffled, words
from build.standards.tables import CONTROLS, MORSE, SPELLING

NAMED = {
    1: "?!+=%$,:;([",
    2: "&@#/_\\.^~|{<*-)",
    3: "§°£©®¥éèñüçåß±÷×½¿¡",
    4: "¶¢¬¤¹²ÞðøæαβγδθλπσωΩ€™…†•",
    5: "∀∃∅∇∈∏∑√∞∧∨∩∪∫≈≠≤⊂⊕⇒↔↑ЖЯЩфыאבש♠♥♪☃",
}
"""Characters whose names are asked for. Names never change once given, so every version of Unicode has the same."""

POINTED = {3: "éüñçÄÖß£©§°", 4: "αβγδεθλμπσωΓΔΣΩ€ÆØþ", 5: "АБДЖЗЯбджляאבגש∀∃∈∑√∞≈≠≤≥←→⇒"}
"""Characters whose code points are asked for."""


def _family(character: str) -> list[str]:
    """Characters of the same kind nearby: letters of the script, or other signs."""
    point, letter = ord(character), character.isalpha()
    reach = 40 if letter else 80
    around = [chr(p) for p in range(max(33, point - reach), point + reach) if p != point and not 127 <= p < 161]
    named = [c for c in around if unicodedata.name(c, "") and c.isalpha() == letter and not c.isdigit()]
    if letter:
        script = unicodedata.name(character).split()[0]
        named = [c for c in named if unicodedata.name(c).split()[0] == script]
    return sorted(named, key=lambda c: (abs(ord(c) - point), c))[:10]


def names(rng: random.Random) -> Iterator[Draft]:
    for level, characters in NAMED.items():
        for character in characters:
            question = f'What is the Unicode name of the character "{character}"?'
            statement = f'The Unicode name of the character "{character}" is {{}}.'
            pool = shuffled(rng, [unicodedata.name(c) for c in _family(character)])
            fact = f"char {ord(character)}"
            yield Draft(fact, "character name", level, question, statement, unicodedata.name(character), pool)


def code_points(rng: random.Random) -> Iterator[Draft]:
    for level, characters in POINTED.items():
        for character in characters:
            point = ord(character)
            name = unicodedata.name(character)
            question = f"What is the Unicode code point of {character} ({name})?"
            statement = f"The Unicode code point of {character} ({name}) is {{}}."
            wrong = [point + step for step in rng.sample((-32, -16, -9, -4, -3, -2, -1, 1, 2, 3, 4, 9, 16, 32), 10)]
            pool = tuple(f"U+{p:04X}" for p in wrong)
            yield Draft(f"char {point}", "code point", level, question, statement, f"U+{point:04X}", pool)


def ascii_codes(rng: random.Random) -> Iterator[Draft]:
    for point in range(48, 123):
        character = chr(point)
        if not character.isalnum():
            continue
        level = 2 if character in "Aa0Zz" else 3 if character.isdigit() or character in "BCbcXx" else 4
        kind = "digit" if character.isdigit() else "capital letter" if character.isupper() else "small letter"
        slips = [point ^ 32] if character.isalpha() else [point - 48]
        question = f"What is the decimal ASCII code of the {kind} {character}?"
        statement = f"The decimal ASCII code of the {kind} {character} is {{}}."
        pool = near(rng, point, 0, 127, [*slips, point + rng.choice((-10, 10))], 4)
        yield Draft(f"char {point}", "ASCII code", level, question, statement, str(point), pool)
        if character.isalpha():
            question = f"What is the hexadecimal ASCII code of the {kind} {character}?"
            statement = f"The hexadecimal ASCII code of the {kind} {character} is {{}}."
            pool = tuple(f"0x{int(text):02X}" for text in near(rng, point, 0, 127, [point ^ 32, point ^ 16], 4))
            yield Draft(f"char {point}", "ASCII hex", 5, question, statement, f"0x{point:02X}", pool)
    for entry in CONTROLS.split(", "):
        name, code = entry.split()
        level = 4 if name in ("NUL", "LF", "CR", "ESC", "HT") else 5
        question = f"What is the decimal ASCII code of the control character {name}?"
        statement = f"The decimal ASCII code of the control character {name} is {{}}."
        yield Draft(f"char {code}", "ASCII code", level, question, statement, code, near(rng, int(code), 0, 127, (), 5))


def morse(rng: random.Random) -> Iterator[Draft]:
    table = dict(zip(words(MORSE)[::2], words(MORSE)[1::2], strict=True))
    for character, code in table.items():
        level = 2 if character in "SOET" else 5 if character.isdigit() or character in "QXYZJ" else 4
        if character in "AIMN":
            level = 3
        kin = [c for c in table if c != character and abs(len(table[c]) - len(code)) < 2]
        kin.sort(key=lambda c: (table[c] not in (code[::-1], code.translate({45: 46, 46: 45})), c))
        swaps, others = kin[:2], kin[2:]
        kind = "digit" if character.isdigit() else "letter"
        question = f"What is the Morse code of the {kind} {character}?"
        statement = f"The Morse code of the {kind} {character} is {{}}"
        pool = shuffled(rng, [table[c] for c in swaps], [table[c] for c in others])
        yield Draft(f"morse {character}", "Morse code", level, question, statement, code, pool)
        question = f"Which letter or digit is {code} in Morse code?"
        statement = f"The letter or digit that is {code} in Morse code is {{}}."
        yield Draft(
            f"morse {character}", "Morse letter", level, question, statement, character, shuffled(rng, swaps, others)
        )


def spelling(rng: random.Random) -> Iterator[Draft]:
    for entry in SPELLING.split("|"):
        word, *wrong = entry.split()
        question = f"Which word stands for the letter {word[0]} in the NATO spelling alphabet?"
        statement = f"In the NATO spelling alphabet, the word for the letter {word[0]} is {{}}."
        level = 1 if word[0] not in "JLPQSU" else 2
        yield Draft(f"spelling {word[0]}", "spelling", level, question, statement, word, shuffled(rng, wrong))
