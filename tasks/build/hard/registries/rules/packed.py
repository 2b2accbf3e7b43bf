"""Texts in other forms: Punycode, base 58, LZW and Huffman codes, Reed-Solomon check bytes. All of level 9."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterator, Sequence

from build.drafting import Draft, shuffled
from build.hard.registries.rules.coined import phrase, pool, word

PER_KIND = 10
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

FOREIGN = {
    "a": "áâäåāăą", "c": "çćčĉ", "d": "ďđ", "e": "éêëēęě", "g": "ğģĝ", "i": "íîïīį", "k": "ķ", "l": "łļľ", "n": "ñńňņ",
    "o": "óôöøōő", "r": "řŕŗ", "s": "śšşŝ", "t": "ťţŧ", "u": "úûüūůű", "w": "ŵ", "z": "źżž",
}  # fmt: skip
"""Letters with marks, by the plain ones."""


def marked(rng: random.Random, text: str) -> str:
    return "".join(rng.choice(FOREIGN[c]) if c in FOREIGN and rng.random() < 0.8 else c for c in text)


def puny(text: str) -> str:
    return "xn--" + text.encode("punycode").decode("ascii")


def punycodes(rng: random.Random) -> Iterator[Draft]:
    made = 0
    while made < PER_KIND:
        plain = word(rng, 9, 12)
        text = marked(rng, plain)
        if sum(c > "\x7f" for c in text) < 6:
            continue
        made += 1
        kept = [c for c in text if c < "\x80"]

        def slip(text: str = text, plain: str = plain, kept: Sequence[str] = kept) -> str:
            other = [
                rng.choice(FOREIGN[p]) if c > "\x7f" and rng.random() < 0.3 else c
                for c, p in zip(text, plain, strict=True)
            ]
            assert [c for c in other if c < "\x80"] == kept
            return puny("".join(other))

        said = f'the label "{text}" in ASCII-compatible encoding (Punycode)'
        wrong = pool(puny(text), slip)
        yield Draft(f"puny {text}", "Punycode", 9, f"What is {said}?", f"The {said[4:]} is {{}}.", puny(text), wrong)


def base58(number: int) -> str:
    found = ""
    while number:
        number, digit = divmod(number, 58)
        found = BASE58[digit] + found
    return found


def bases(rng: random.Random) -> Iterator[Draft]:
    """The first and last digits are soon had, and the digits' sum mod 57: all options have the same."""
    for _ in range(PER_KIND):
        text = word(rng, 11, 13)
        answer = base58(int.from_bytes(text.encode(), "big"))

        def slip(answer: str = answer) -> str:
            middle = rng.choices(BASE58, k=len(answer) - 8)
            missing = sum(map(BASE58.index, answer[4:-3])) - sum(map(BASE58.index, middle))
            return answer[:4] + "".join(middle) + BASE58[missing % 57] + answer[-3:]

        said = f'the ASCII text "{text}" in Base58 (Bitcoin\'s alphabet, without a checksum)'
        yield Draft(
            f"base {text}", "Base58", 9, f"What is {said}?", f"The {said[4:]} is {{}}.", answer, pool(answer, slip)
        )


def lzw(text: str) -> list[int]:
    table = {letter: code for code, letter in enumerate(sorted(set(text)), 1)}
    found, held = [], ""
    for letter in text:
        if held + letter in table:
            held += letter
        else:
            found.append(table[held])
            table[held + letter] = len(table) + 1
            held = letter
    return [*found, table[held]]


def lempel_ziv(rng: random.Random) -> Iterator[Draft]:
    for _ in range(PER_KIND):
        text = "ABC" + "".join(rng.choices("ABC", k=77 + rng.randrange(9)))

        def slip(text: str = text) -> str:
            place = rng.randrange(8, len(text) - 20)
            other = text[:place] + rng.choice("ABC") + text[place + 1 :]
            return " ".join(map(str, lzw(other)[-4:]))

        answer = " ".join(map(str, lzw(text)[-4:]))
        said = (
            f"the last four codes that LZW puts out for the text {text}, when its table begins with "
            "A = 1, B = 2, C = 3, takes each new string under the next number (AB is 4) and is never cleared"
        )
        question = f"What are {said}?"
        statement = f"The {said[4:]}, are {{}}."
        yield Draft(f"lzw {text}", "LZW", 9, question, statement, answer, pool(answer, slip, same_length=False))


def n_bits(text: str) -> int:
    heap = sorted(Counter(text).values())
    total = 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


def huffman(rng: random.Random) -> Iterator[Draft]:
    for _ in range(PER_KIND):
        text = phrase(rng, 105, 125)
        bits = n_bits(text)
        named = f'an optimal Huffman code made for the text "{text}" (spaces are characters too)'
        statement = f"A{named[1:]} uses {{}} bits for it."
        wrong = shuffled(rng, [str(bits + n) for n in (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)])
        yield Draft(
            f"huffman {text}",
            "Huffman",
            9,
            f"How many bits does {named} use for that text?",
            statement,
            str(bits),
            wrong,
        )


def logarithms() -> tuple[list[int], list[int]]:
    """Powers of 2 in the field of 256 with the polynomial 0x11D, and their exponents."""
    powers, logs, value = [], [0] * 256, 1
    for exponent in range(255):
        powers.append(value)
        logs[value] = exponent
        value = value << 1 ^ (0x11D if value & 0x80 else 0)
    return powers, logs


def check_bytes(data: Sequence[int], n: int) -> str:
    powers, logs = logarithms()

    def times(a: int, b: int) -> int:
        return powers[(logs[a] + logs[b]) % 255] if a and b else 0

    generator = [1]
    for root in range(n):
        generator = [a ^ times(powers[root], b) for a, b in zip([*generator, 0], [0, *generator], strict=True)]
    rest = [*data, *[0] * n]
    for place in range(len(data)):
        for offset, coefficient in enumerate(generator):
            rest[place + offset] ^= times(generator[0], times(coefficient, rest[place])) if offset else 0
    return " ".join(f"{value:02X}" for value in rest[len(data) :])


def reed_solomon(rng: random.Random) -> Iterator[Draft]:
    for index in range(PER_KIND):
        n = 7 if index % 2 else 10
        text = word(rng, 8, 11)
        data = text.encode()
        answer = check_bytes(data, n)
        said = f"the {n} Reed-Solomon check bytes (hexadecimal) that a QR code's rules give to "
        said += f'the bytes of the ASCII text "{text}"'
        field = "field polynomial 0x11D, generator with the roots 2^0 to 2^" + str(n - 1)
        question = f"What are {said} ({field}), without any header?"
        statement = f"Without any header, {said} ({field}) are {{}}."

        def slip(text: str = text, n: int = n) -> str:
            """All bytes together come to 0 by xor, which is soon seen: the same letters in another order."""
            return check_bytes("".join(rng.sample(text, len(text))).encode(), n)

        yield Draft(f"solomon {text}", "Reed-Solomon", 9, question, statement, answer, pool(answer, slip))
