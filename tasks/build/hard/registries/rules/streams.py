"""Generators by the step: shift registers, RC4 and its small likeness, Mersenne Twister, XTEA."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from build.drafting import Draft
from build.hard.registries.rules.coined import misspelt, pool, word

PER_KIND = 10
TAPS = ((16, 14, 13, 11), (16, 15, 13, 4), (15, 14), (16, 12, 3, 1), (17, 14), (18, 11), (20, 17))
"""Of shift registers of greatest period; the first is the width."""


def register(taps: Sequence[int], state: int, clocks: int, slip: int = -1) -> int:
    """The state after so many clocks. slip: a clock whose new bit is wrong."""
    width = taps[0]
    for clock in range(clocks):
        bit = sum(state >> tap - 1 for tap in taps) & 1 ^ (clock == slip)
        state = (state << 1 | bit) & (1 << width) - 1
    return state


def registers(rng: random.Random) -> Iterator[Draft]:
    for index in range(PER_KIND):
        taps, clocks = TAPS[index % len(TAPS)], rng.randrange(120, 200)
        width = taps[0]
        start = rng.getrandbits(width) | 1
        listed = " xor ".join(f"bit {tap}" for tap in taps)
        rule = f"is shifted left by one at each clock, {listed} (from before the shift; bit 1 is the lowest)"
        rule += " becoming the new bit 1"
        bits = f"{start:0{width}b}"
        question = f"A register of {width} bits holds {bits}. It {rule}. What does it hold after {clocks} clocks?"
        statement = f"A register of {width} bits that holds {bits}, and {rule}, holds {{}} after {clocks} clocks."
        answer = f"{register(taps, start, clocks):0{width}b}"
        wrong = pool(
            answer,
            lambda t=taps, s=start, c=clocks: f"{register(t, s, c, rng.randrange(c - 20)):0{t[0]}b}",  # type: ignore[misc]
        )
        yield Draft(f"register {bits} {clocks}", "shift register", 9, question, statement, answer, wrong)


def twisted(state: int, clocks: int) -> int:
    for _ in range(clocks):
        bits = [0, *((state >> place) & 1 for place in range(24))]
        bit = bits[24] ^ bits[17] ^ bits[9] ^ bits[20] & bits[5] ^ bits[13] & bits[2] & bits[7]
        state = (state << 1 | bit) & 0xFFFFFF
    return state


def nonlinear(rng: random.Random) -> Iterator[Draft]:
    rule = (
        "is shifted left by one at each clock, b24 xor b17 xor b9 xor (b20 and b5) xor (b13 and b2 and b7) (from "
        "before the shift; b1 is the lowest bit) becoming the new b1"
    )
    for _ in range(PER_KIND):
        clocks, start = rng.randrange(1500, 3500), rng.getrandbits(24) | 1
        question = f"A register of 24 bits holds 0x{start:06X}. It {rule}. What does it hold after {clocks} clocks?"
        statement = f"A register of 24 bits that holds 0x{start:06X}, and {rule}, holds {{}} after {clocks} clocks."
        answer = f"0x{twisted(start, clocks):06X}"
        wrong = pool(answer, lambda s=start, c=clocks: f"0x{twisted(s ^ 1 << rng.randrange(24), c):06X}")  # type: ignore[misc]
        yield Draft(f"nonlinear {start:X}", "non-linear register", 10, question, statement, answer, wrong)


def keystream(key: Sequence[int], size: int, last: int, slip: int = -1) -> list[int]:
    """RC4's output with a table of another size; slip: an output before which j goes one too far."""
    table, j = list(range(size)), 0
    for i in range(size):
        j = (j + table[i] + key[i % len(key)]) % size
        table[i], table[j] = table[j], table[i]
    found, j = [], 0
    for turn in range(1, last + 1):
        i = turn % size
        j = (j + table[i] + (turn == slip)) % size
        table[i], table[j] = table[j], table[i]
        found.append(table[(table[i] + table[j]) % size])
    return found


def small_tables(rng: random.Random) -> Iterator[Draft]:
    for _ in range(PER_KIND):
        key, last = [rng.randrange(16) for _ in range(5)], rng.randrange(30, 46)
        shown = ", ".join(map(str, key))
        said = f"RC4 reduced to a table of 16 entries (all sums mod 16) and the key ({shown})"
        question = f"With {said}, what are output values number {last - 3} to {last} (the first is number 1)?"
        statement = f"With {said}, output values number {last - 3} to {last} (the first is number 1) are {{}}."
        answer = ", ".join(map(str, keystream(key, 16, last)[-4:]))

        def slip(key: Sequence[int] = key, last: int = last) -> str:
            return ", ".join(map(str, keystream(key, 16, last, rng.randrange(1, last - 8))[-4:]))

        yield Draft(
            f"small {shown}", "RC4 of 16", 9, question, statement, answer, pool(answer, slip, same_length=False)
        )


def ciphers(rng: random.Random) -> Iterator[Draft]:
    for _ in range(PER_KIND):
        text, last = word(rng, 7, 12), rng.randrange(500, 3000)

        def stream(key: str, last: int = last) -> str:
            return " ".join(f"{value:02X}" for value in keystream(key.encode(), 256, last)[-4:])

        said = f'keystream bytes number {last - 3} to {last} (the first is number 1) of RC4 with the ASCII key "{text}"'
        question = f"What are, in hexadecimal, {said}?"
        statement = f"In hexadecimal, {said} are {{}}."
        wrong = pool(stream(text), lambda t=text, s=stream: s(misspelt(rng, t)))  # type: ignore[misc]
        yield Draft(f"rc4 {text}", "RC4", 10, question, statement, stream(text), wrong)


def twisters(rng: random.Random) -> Iterator[Draft]:
    ordinals = ("first", "second", "third", "fourth", "fifth", "sixth")
    for _ in range(PER_KIND):
        place, answer = rng.randrange(6), ""
        while len(answer) != 10:
            seed = rng.randrange(10_000, 1_000_000)
            outputs = random.Random(seed)
            answer = [str(outputs.getrandbits(32)) for _ in range(place + 1)][-1]
        call = f"call of r.getrandbits(32) in Python 3 after r = random.Random({seed})"
        question = f"What does the {ordinals[place]} {call} return?"
        statement = f"The {ordinals[place]} {call} returns {{}}."
        wrong = pool(answer, lambda s=seed: str(random.Random(s + rng.randrange(-50, 51)).getrandbits(32)))  # type: ignore[misc]
        yield Draft(f"twister {seed}", "Mersenne Twister", 10, question, statement, answer, wrong)


def xtea(key: Sequence[int], block: Sequence[int], cycles: int = 32) -> str:
    (a, b), total = block, 0
    for _ in range(cycles):
        a = a + ((b << 4 ^ b >> 5) + b ^ total + key[total & 3]) & 0xFFFFFFFF
        total = total + 0x9E3779B9 & 0xFFFFFFFF
        b = b + ((a << 4 ^ a >> 5) + a ^ total + key[total >> 11 & 3]) & 0xFFFFFFFF
    return f"{a:08X} {b:08X}"


def blocks(rng: random.Random) -> Iterator[Draft]:
    for _ in range(PER_KIND):
        key, block = [rng.getrandbits(32) for _ in range(4)], [rng.getrandbits(32) for _ in range(2)]
        shown, text = " ".join(f"{part:08X}" for part in key), " ".join(f"{part:08X}" for part in block)
        said = f"the block {text} with the key {shown} (32-bit words, hexadecimal)"
        question = f"Into which two words does XTEA (32 cycles) encrypt {said}?"
        statement = f"XTEA (32 cycles) encrypts {said} into the two words {{}}."

        def slip(key: Sequence[int] = key, block: Sequence[int] = block) -> str:
            return xtea([part ^ rng.getrandbits(2) for part in key], block)

        answer = xtea(key, block)
        yield Draft(f"xtea {shown}", "XTEA", 10, question, statement, answer, pool(answer, slip))
