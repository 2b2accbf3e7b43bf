"""Check digits and checksums by published rules, of long numbers and texts: level 9's exact work."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from string import ascii_uppercase, digits

from stdnum import damm, verhoeff
from stdnum.iso7064 import mod_11_10, mod_37_36

from build.drafting import Draft, shuffled
from build.hard.registries.rules.coined import misspelt, phrase, pool, word

PER_KIND = 10

CRC16 = {
    "CRC-16/ARC": (0xA001, 0, True, "polynomial 0x8005, initial value 0, input and output reflected, no final XOR"),
    "CRC-16/MODBUS": (
        *(0xA001, 0xFFFF, True),
        "polynomial 0x8005, initial value 0xFFFF, input and output reflected, no final XOR",
    ),
    "CRC-16/KERMIT": (0x8408, 0, True, "polynomial 0x1021, initial value 0, input and output reflected, no final XOR"),
    "CRC-16/CCITT-FALSE": (0x1021, 0xFFFF, False, "polynomial 0x1021, initial value 0xFFFF, no reflection"),
    "CRC-16/XMODEM": (0x1021, 0, False, "polynomial 0x1021, initial value 0, no reflection"),
}
"""The polynomial as it is used, the initial value, whether the lowest bit comes first, and what the text says."""


def crc16(name: str, text: str) -> str:
    polynomial, value, reflected, _ = CRC16[name]
    for byte in text.encode():
        value ^= byte if reflected else byte << 8
        for _ in range(8):
            if reflected:
                value = value >> 1 ^ (polynomial if value & 1 else 0)
            else:
                value = (value << 1 & 0xFFFF) ^ (polynomial if value & 0x8000 else 0)
    return f"0x{value:04X}"


def crc16s(rng: random.Random) -> Iterator[Draft]:
    for index in range(PER_KIND):
        name, text = sorted(CRC16)[index % len(CRC16)], word(rng, 7, 10)
        said = f'the {name} checksum ({CRC16[name][3]}) of the ASCII text "{text}"'
        answer = crc16(name, text)

        def slip(name: str = name, text: str = text, answer: str = answer) -> str:
            """Of the same parity: both polynomials keep the message's."""
            other, spelt = (rng.choice(sorted(CRC16)), text) if rng.random() < 0.3 else (name, misspelt(rng, text))
            found = crc16(other, spelt)
            return found if (int(found, 16) ^ int(answer, 16)).bit_count() % 2 == 0 else answer

        wrong = pool(answer, slip)
        yield Draft(
            f"crc {text}", "CRC-16", 9, f"What is {said}?", f"{said[0].upper()}{said[1:]} is {{}}.", answer, wrong
        )


def crc32(text: str) -> str:
    return f"0x{zlib.crc32(text.encode()):08X}"


def crc32s(rng: random.Random) -> Iterator[Draft]:
    """Of three or four letters at level 9, of a phrase at level 10."""
    for index in range(2 * PER_KIND):
        level, text = (9, word(rng, 3, 4)) if index % 2 else (10, phrase(rng, 22, 34))
        said = f'the CRC-32 (as in ZIP and PNG files) of the ASCII text "{text}"'
        wrong = pool(crc32(text), lambda t=text: crc32(misspelt(rng, t)))  # type: ignore[misc]
        topic = "CRC-32, short" if level == 9 else "CRC-32"
        yield Draft(f"crc {text}", topic, level, f"What is {said}?", f"The {said[4:]} is {{}}.", crc32(text), wrong)


def adlers(rng: random.Random) -> Iterator[Draft]:
    """The plain sum in the lower half is soon had, and so are remainders of the other: all options have the same."""
    for _ in range(PER_KIND):
        text = phrase(rng, 44, 54)
        value = zlib.adler32(text.encode())
        upper, lower = value >> 16, value & 0xFFFF
        others = [upper + 990 * sign * k for k in (1, 2, 3, 4) for sign in (1, -1)]
        wrong = shuffled(rng, [f"0x{other << 16 | lower:08X}" for other in others if 0 <= other < 65521])
        said = f'the Adler-32 checksum of the ASCII text "{text}" (spaces included)'
        yield Draft(
            f"adler {text}", "Adler-32", 9, f"What is {said}?", f"The {said[4:]} is {{}}.", f"0x{value:08X}", wrong
        )


def check_digits(rng: random.Random) -> Iterator[Draft]:
    """Rules whose state passes from digit to digit."""
    kinds = (
        ("Damm", "Damm's algorithm (his quasigroup of order 10)", damm.calc_check_digit, 90),
        ("Verhoeff", "Verhoeff's algorithm", verhoeff.calc_check_digit, 80),
        ("ISO 7064", "ISO 7064, MOD 11,10", mod_11_10.calc_check_digit, 80),
        ("ISO 7064", "ISO 7064, MOD 37,36", mod_37_36.calc_check_digit, 56),
    )
    for topic, name, rule, length in kinds:
        signs = digits if "37" not in name else digits + ascii_uppercase
        for _ in range(PER_KIND if topic != "ISO 7064" else PER_KIND // 2):
            number = "".join(rng.choices(signs, k=length + rng.randrange(12)))
            answer = str(rule(number))
            others = [sign for sign in signs if sign != answer]
            if topic == "Verhoeff":  # The number of reflections among the digits tells a turn from a reflection.
                others = [sign for sign in others if (sign < "5") == (answer < "5")]
            wrong = shuffled(rng, others)
            what, check = ("number", "check digit") if signs == digits else ("string", "check character")
            question = f"By {name}, which {check} has to be appended to the {what} {number}?"
            statement = f"By {name}, the {check} to be appended to the {what} {number} is {{}}."
            yield Draft(f"check {number}", topic, 9, question, statement, answer, wrong)


def fnv(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def jenkins(text: str) -> int:
    value = 0
    for byte in text.encode():
        value = value + byte & 0xFFFFFFFF
        value = value + (value << 10) & 0xFFFFFFFF
        value ^= value >> 6
    value = value + (value << 3) & 0xFFFFFFFF
    value ^= value >> 11
    return value + (value << 15) & 0xFFFFFFFF


def table_hashes(rng: random.Random) -> Iterator[Draft]:
    """Hashes of tables. The lowest digits of FNV's are soon had, without the others: all options have the same."""
    for index in range(2 * PER_KIND):
        if index % 2:
            text = word(rng, 5, 7)
            value = fnv(text)
            said, topic = f'the 32-bit FNV-1a hash of the ASCII text "{text}"', "FNV-1a"
            wrong = pool(f"0x{value:08X}", lambda v=value: f"0x{rng.getrandbits(20) << 12 | v & 0xFFF:08X}")  # type: ignore[misc]
        else:
            text = word(rng, 4, 5)
            value = jenkins(text)
            said, topic = f'Jenkins\'s one-at-a-time hash (32 bits) of the ASCII text "{text}"', "one-at-a-time"
            wrong = pool(f"0x{value:08X}", lambda t=text: f"0x{jenkins(misspelt(rng, t)):08X}")  # type: ignore[misc]
        statement = f"{said[0].upper()}{said[1:]} is {{}}."
        yield Draft(f"hash {text}", topic, 9, f"What is {said}?", statement, f"0x{value:08X}", wrong)
