"""SI prefixes, binary prefixes, units, their symbols and quantities."""

from __future__ import annotations

import random
from collections.abc import Iterator

from build.drafting import Draft, capped, shuffled
from build.standards.tables import BASE_UNITS, BINARY, OTHER_COMBINATIONS, PREFIXES, TOO_CLOSE, UNITS


def prefixes(rng: random.Random) -> Iterator[Draft]:
    table = [(level, *entry.split()) for level, text in PREFIXES.items() for entry in text.split(", ")]
    exponents = [int(power) for *_, power in table]
    for level, name, symbol, power in table:
        fact = f"prefix {name}"
        near = sorted((e for e in exponents if e != int(power)), key=lambda e: abs(e - int(power)))[:6]
        question = f"Which power of ten does the SI prefix {name} stand for?"
        statement = f"The power of ten that the SI prefix {name} stands for is {{}}."
        pool = tuple(f"10^{e}" for e in dict.fromkeys((-int(power), *near)))
        yield Draft(fact, "prefix power", level, question, statement, f"10^{power}", pool)
        question, statement = (
            f"Which SI prefix stands for 10^{power}?",
            f"The SI prefix that stands for 10^{power} is {{}}.",
        )
        pool = tuple(other for *_, other, _, e in table if int(e) in (-int(power), *near))
        yield Draft(fact, "prefix", level, question, statement, name, shuffled(rng, pool))
        if symbol != "u":
            made = [name[:2], name[0], name[0].upper() + name[1], name[0].upper()]
            question = f"What is the symbol of the SI prefix {name}?"
            statement = f"The symbol of the SI prefix {name} is {{}}."
            others = [other for _, _, other, _ in table if other != "u" and other not in (name[0].upper(), name[0])]
            pool = tuple(text for text in shuffled(rng, made, others) if text != symbol)
            yield Draft(f"symbol {name}", "prefix symbol", level, question, statement, symbol, pool)
    for level, text in BINARY.items():
        for entry in text.split(", "):
            name, power = entry.split()
            question = f"Which power of two does the binary prefix {name} stand for?"
            statement = f"The power of two that the binary prefix {name} stands for is {{}}."
            steps = [step for step in (-30, -20, -10, -6, -4, 4, 6, 10, 20, 30) if int(power) + step > 0]
            pool = shuffled(rng, [f"2^{int(power) + step}" for step in steps])
            yield Draft(f"prefix {name}", "binary prefix", level, question, statement, f"2^{power}", pool)


def apart(name: str, other: str) -> bool:
    return not any(name in pair and other in pair for pair in TOO_CLOSE)


def units(rng: random.Random) -> Iterator[Draft]:
    table = [(level, *entry.split(" ", 2)) for level, text in UNITS.items() for entry in text.split(", ")]
    for level, name, symbol, quantity in table:
        kin = [row for row in table if row[1] != name and apart(name, row[1]) and abs(row[0] - level) < 3]
        fact = f"unit {name}"
        question = f"Which quantity is measured in the SI unit {name}?"
        statement = f"The quantity measured in the SI unit {name} is {{}}."
        yield Draft(fact, "quantity", level, question, statement, quantity, shuffled(rng, [row[3] for row in kin]))
        question, statement = f"What is the SI unit of {quantity}?", f"The SI unit of {quantity} is the {{}}."
        yield Draft(fact, "unit", level, question, statement, name, shuffled(rng, [row[1] for row in kin]))
        if symbol != "Ohm":
            made = [name[0].upper(), name[:2].capitalize(), name[0] + name[-1], name[0] + name[2]]
            others = [row[2] for row in table if row[2] not in (symbol, "Ohm")]
            question = f"What is the symbol of the SI unit {name}?"
            statement = f"The symbol of the SI unit {name} is {{}}."
            pool = tuple(text for text in shuffled(rng, made, others) if text != symbol)
            yield Draft(f"symbol of {name}", "unit symbol", capped(level), question, statement, symbol, pool)


def base_units(rng: random.Random) -> Iterator[Draft]:
    for name, product in BASE_UNITS.items():
        level = 3 if name in ("hertz", "coulomb") else 4 if name in ("newton", "joule", "watt", "pascal") else 5
        near = [text for text in BASE_UNITS.values() if text != product]
        current = "A" in product
        first = [text for text in near if ("A" in text) == current]
        question = f"What is the SI unit {name} in base units?"
        statement = f"In SI base units, one {name} is {{}}."
        pool = shuffled(rng, first[:7], OTHER_COMBINATIONS)
        yield Draft(f"base {name}", "base units", level, question, statement, product, pool)
