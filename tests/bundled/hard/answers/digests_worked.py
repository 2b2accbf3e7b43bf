"""Cryptographic digests in plain Python, as their standards define them, with constants made from primes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

Digest = Callable[[bytes], bytes]
M32, M64 = 2**32 - 1, 2**64 - 1


def turned(value: int, n: int, width: int = 32) -> int:
    """To the left."""
    return (value << n | value >> width - n) & (1 << width) - 1


def padded(message: bytes, block: int, order: str) -> list[bytes]:
    length = block // 8
    zeros = -(len(message) + 1 + length) % block
    whole = message + b"\x80" + bytes(zeros) + (8 * len(message)).to_bytes(length, order)  # type: ignore[arg-type]
    return [whole[i : i + block] for i in range(0, len(whole), block)]


def md5(message: bytes) -> bytes:
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    sines = [int(abs(math.sin(i + 1)) * 2**32) for i in range(64)]
    turns = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))
    for block in padded(message, 64, "little"):
        words = [int.from_bytes(block[i : i + 4], "little") for i in range(0, 64, 4)]
        a, b, c, d = state
        for i in range(64):
            if i < 16:
                f, g = b & c | ~b & d, i
            elif i < 32:
                f, g = d & b | ~d & c, 5 * i + 1
            elif i < 48:
                f, g = b ^ c ^ d, 3 * i + 5
            else:
                f, g = c ^ (b | ~d & M32), 7 * i
            f = f + a + sines[i] + words[g % 16] & M32
            a, d, c, b = d, c, b, b + turned(f, turns[i // 16][i % 4]) & M32
        state = [x + y & M32 for x, y in zip(state, (a, b, c, d), strict=True)]
    return b"".join(x.to_bytes(4, "little") for x in state)


def sha1(message: bytes) -> bytes:
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0]
    for block in padded(message, 64, "big"):
        w = [int.from_bytes(block[i : i + 4], "big") for i in range(0, 64, 4)]
        for i in range(16, 80):
            w.append(turned(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1))
        a, b, c, d, e = state
        for i in range(80):
            if i < 20:
                f, k = d ^ b & (c ^ d), 0x5A827999
            elif 40 <= i < 60:
                f, k = b & c | d & (b | c), 0x8F1BBCDC
            else:
                f, k = b ^ c ^ d, 0x6ED9EBA1 if i < 40 else 0xCA62C1D6
            a, b, c, d, e = turned(a, 5) + f + e + k + w[i] & M32, a, turned(b, 30), c, d
        state = [x + y & M32 for x, y in zip(state, (a, b, c, d, e), strict=True)]
    return b"".join(x.to_bytes(4, "big") for x in state)


@cache
def roots(n: int, width: int, cube: bool) -> list[int]:
    """The first bits behind the point of the square or cube roots of the first primes."""
    primes = [p for p in range(2, 410) if all(p % q for q in range(2, math.isqrt(p) + 1))][:n]
    found = []
    for prime in primes:
        if cube:
            target, low, high = prime << 3 * width, 0, 8 << width
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if middle**3 <= target else (low, middle)
        else:
            low = math.isqrt(prime << 2 * width)
        found.append(low & (1 << width) - 1)
    return found


def sha2(message: bytes, width: int, rounds: int, turns: tuple[int, ...]) -> bytes:
    mask, size = (1 << width) - 1, width // 8
    s = [width - turn for turn in turns]
    state, constants = roots(8, width, False), roots(rounds, width, True)
    shifts = (3, 10) if width == 32 else (7, 6)
    for block in padded(message, 2 * width, "big"):
        w = [int.from_bytes(block[i : i + size], "big") for i in range(0, 16 * size, size)]
        for i in range(16, rounds):
            x, y = w[i - 15], w[i - 2]
            x = turned(x, s[0], width) ^ turned(x, s[1], width) ^ x >> shifts[0]
            y = turned(y, s[2], width) ^ turned(y, s[3], width) ^ y >> shifts[1]
            w.append(w[i - 16] + x + w[i - 7] + y & mask)
        a, b, c, d, e, f, g, h = state
        for i in range(rounds):
            t = h + (turned(e, s[4], width) ^ turned(e, s[5], width) ^ turned(e, s[6], width))
            t += (g ^ e & (f ^ g)) + constants[i] + w[i]
            u = (turned(a, s[7], width) ^ turned(a, s[8], width) ^ turned(a, s[9], width)) + (a & b | c & (a | b))
            a, b, c, d, e, f, g, h = t + u & mask, a, b, c, d + t & mask, e, f, g
        state = [x + y & mask for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]
    return b"".join(x.to_bytes(size, "big") for x in state)


def sha256(message: bytes) -> bytes:
    return sha2(message, 32, 64, (7, 18, 17, 19, 6, 11, 25, 2, 13, 22))


def sha512(message: bytes) -> bytes:
    return sha2(message, 64, 80, (1, 8, 19, 61, 14, 18, 41, 28, 34, 39))


def sha3(message: bytes) -> bytes:
    """SHA3-256 of a message of one block."""
    assert len(message) < 135
    block = bytearray(message + b"\x06" + bytes(199 - len(message)))
    block[135] ^= 0x80
    lanes = [[int.from_bytes(block[8 * (x + 5 * y) :][:8], "little") for y in range(5)] for x in range(5)]
    bits = 1
    for _ in range(24):
        columns = [lane[0] ^ lane[1] ^ lane[2] ^ lane[3] ^ lane[4] for lane in lanes]
        effects = [columns[x - 1] ^ turned(columns[(x + 1) % 5], 1, 64) for x in range(5)]
        lanes = [[lane ^ effects[x] for lane in lanes[x]] for x in range(5)]
        x, y, held = 1, 0, lanes[1][0]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            held, lanes[x][y] = lanes[x][y], turned(held, (t + 1) * (t + 2) // 2 % 64, 64)
        for y in range(5):
            row = [lanes[x][y] for x in range(5)]
            for x in range(5):
                lanes[x][y] = row[x] ^ ~row[(x + 1) % 5] & row[(x + 2) % 5] & M64
        for j in range(7):
            bits = (bits << 1 ^ (bits >> 7) * 0x71) % 256
            if bits & 2:
                lanes[0][0] ^= 1 << (1 << j) - 1
    return b"".join(lanes[x][0].to_bytes(8, "little") for x in range(4))


ORDERS = (
    *("0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d"),
    *("2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0"),
)


def blake(message: bytes) -> bytes:
    """BLAKE2b of a message of one block (RFC 7693)."""
    assert len(message) <= 128
    start = roots(8, 64, False)
    block = message.ljust(128, b"\0")
    m = [int.from_bytes(block[i : i + 8], "little") for i in range(0, 128, 8)]
    h = [start[0] ^ 0x01010040, *start[1:]]
    v = [*h, *start]
    v[12] ^= len(message)
    v[14] ^= M64
    quarters = [(i, 4 + i, 8 + i, 12 + i) for i in range(4)]
    quarters += [(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4) for i in range(4)]
    for turn in range(12):
        order = [int(digit, 16) for digit in ORDERS[turn % 10]]
        for k, (a, b, c, d) in enumerate(quarters):
            for word, first, second in ((order[2 * k], 32, 40), (order[2 * k + 1], 48, 1)):
                v[a] = v[a] + v[b] + m[word] & M64
                v[d] = turned(v[d] ^ v[a], first, 64)
                v[c] = v[c] + v[d] & M64
                v[b] = turned(v[b] ^ v[c], second, 64)
    return b"".join((h[i] ^ v[i] ^ v[i + 8]).to_bytes(8, "little") for i in range(8))


DIGESTS: dict[str, Digest] = {
    "MD5": md5, "SHA-1": sha1, "SHA-256": sha256, "SHA-512": sha512, "SHA3-256": sha3, "BLAKE2b": blake,
}  # fmt: skip


def hmac(digest: Digest, key: bytes, message: bytes) -> bytes:
    assert len(key) <= 64
    inner, outer = (bytes(byte ^ pad for byte in key.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    return digest(outer + digest(inner + message))
