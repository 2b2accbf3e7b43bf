"""Codes that published rules compute, worked out from the question's text by other ways than the builder's."""

from __future__ import annotations

import base64
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from functools import reduce
from hashlib import sha1

from bundled.hard.answers.digests_worked import DIGESTS, hmac

FOLDED = {"ARC": 0x8005, "MODBUS": 0x8005, "KERMIT": 0x1021, "CCITT-FALSE": 0x1021, "XMODEM": 0x1021}


def mirrored(value: int, width: int) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)


def crc(text: bytes, width: int, polynomial: int, start: int, reflected: bool, final: int) -> int:
    """By division of the whole message as one number, the initial value on its first bits."""
    message = bytes(mirrored(byte, 8) for byte in text) if reflected else text
    number = int.from_bytes(message, "big") << width
    number ^= start << 8 * len(message)
    for place in range(8 * len(message) - 1, -1, -1):
        if number >> place + width & 1:
            number ^= (1 << width | polynomial) << place
    return (mirrored(number, width) if reflected else number) ^ final


def crc16(name: str, polynomial: str, start: str, reflected: str, text: str) -> str:
    assert int(polynomial, 16) == FOLDED[name]
    return f"0x{crc(text.encode(), 16, int(polynomial, 16), int(start, 16), reflected.startswith('input'), 0):04X}"


def crc32(text: str) -> str:
    return f"0x{crc(text.encode(), 32, 0x04C11DB7, 0xFFFFFFFF, True, 0xFFFFFFFF):08X}"


def adler(text: str) -> str:
    upper = sum((len(text) - i) * ord(c) for i, c in enumerate(text)) + len(text)
    return f"0x{upper % 65521:04X}{(1 + sum(map(ord, text))) % 65521:04X}"


DAMM = (
    *("0317598642", "7092154863", "4206871359", "1750983426", "6123045978"),
    *("3674209581", "5869720134", "8945362017", "9438617205", "2581436790"),
)


def damm(number: str) -> str:
    state = 0
    for digit in number:
        state = int(DAMM[state][int(digit)])
    return str(state)


def verhoeff(number: str) -> str:
    """By the group of the pentagon's ten symmetries: turns 0 to 4, reflections 5 to 9."""

    def product(a: int, b: int) -> int:
        turn = (a + b) % 5 if a < 5 else (a - b) % 5
        return turn + 5 * ((a < 5) != (b < 5))

    def moved(digit: int, times: int) -> int:
        for _ in range(times):
            digit = int("1576283094"[digit])
        return digit

    state = 0
    for place, digit in enumerate(reversed(number), 1):
        state = product(state, moved(int(digit), place))
    return next(str(d) for d in range(10) if product(state, d) == 0 or (state >= 5 and state == d))


def hybrid(modulus: str, number: str) -> str:
    """By trying each character."""
    size, signs = int(modulus), "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    state = size
    for sign in number:
        state = (state + signs.index(sign)) % size or size
        state = state * 2 % (size + 1)
    (found,) = [sign for i, sign in enumerate(signs[:size]) if (state + i) % size == 1]
    return found


def fnv(text: str) -> str:
    """The prime is 2^24 + 2^8 + 0x93."""
    value = 2166136261
    for byte in text.encode():
        value ^= byte
        value = (value * 0x93 + (value << 8) + (value << 24)) % 2**32
    return f"0x{value:08X}"


def jenkins(text: str) -> str:
    value = 0
    for byte in text.encode():
        value = (value + byte) * 1025 % 2**32
        value ^= value // 64
    value = value * 9 % 2**32
    value ^= value // 2048
    return f"0x{value * 32769 % 2**32:08X}"


def punycode(label: str) -> str:
    """RFC 3492, section 6.3."""
    points = [ord(c) for c in label]
    out = "".join(c for c in label if c < "\x80")
    done = first = len(out)
    out += "-" if out else ""
    n, delta, bias = 128, 0, 72
    while done < len(points):
        lowest = min(p for p in points if p >= n)
        delta, n = delta + (lowest - n) * (done + 1), lowest
        for point in points:
            delta += point < n
            if point == n:
                rest, k = delta, 36
                while rest >= (threshold := max(1, min(26, k - bias))):
                    rest, digit = divmod(rest - threshold, 36 - threshold)
                    out += "abcdefghijklmnopqrstuvwxyz0123456789"[threshold + digit]
                    k += 36
                out += "abcdefghijklmnopqrstuvwxyz0123456789"[rest]
                delta = delta // (700 if done == first else 2)
                delta += delta // (done + 1)
                bias = 0
                while delta > 455:
                    delta, bias = delta // 35, bias + 36
                bias += 36 * delta // (delta + 38)
                delta, done = 0, done + 1
        delta, n = delta + 1, n + 1
    return "xn--" + out


def base58(text: str) -> str:
    """By bytes, without long numbers."""
    digits = [0]
    for carry in text.encode():
        for place, digit in enumerate(digits):
            carry += digit * 256
            carry, digits[place] = divmod(carry, 58)
        while carry:
            carry, digit = divmod(carry, 58)
            digits.append(digit)
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    return "".join(alphabet[digit] for digit in reversed(digits))


def lzw(text: str) -> str:
    """By the longest known string at each place."""
    known, codes, place = ["A", "B", "C"], [], 0
    while place < len(text):
        longest = max((s for s in known if text.startswith(s, place)), key=len)
        codes.append(known.index(longest) + 1)
        known.append(text[place : place + len(longest) + 1])
        place += len(longest)
    return " ".join(map(str, codes[-4:]))


def huffman(text: str) -> str:
    """By the length of each letter's code in the tree."""
    trees: list[tuple[int, dict[str, int]]] = [(n, {c: 0}) for c, n in Counter(text).items()]
    while len(trees) > 1:
        trees.sort(key=lambda tree: tree[0])
        (a, one), (b, other), *rest = trees
        trees = [*rest, (a + b, {c: depth + 1 for c, depth in {**one, **other}.items()})]
    return str(sum(trees[0][1][c] for c in text))


def multiplied(a: int, b: int) -> int:
    product = 0
    for bit in range(8):
        product ^= (a << bit) * (b >> bit & 1)
    for bit in range(14, 7, -1):
        product ^= (0x11D << bit - 8) * (product >> bit & 1)
    return product


def solomon(n: str, text: str, last: str) -> Callable[[str], bool]:
    """A word is a code word when it is 0 at all the generator's roots."""
    assert int(last) == int(n) - 1

    def holds(option: str) -> bool:
        word = [*text.encode(), *bytes.fromhex(option)]
        root = 1
        for _ in range(int(n)):
            if reduce(lambda value, byte, root=root: multiplied(value, root) ^ byte, word, 0):  # type: ignore[misc]
                return False
            root = multiplied(root, 2)
        return True

    return holds


def register(width: str, bits: str, taps: str, clocks: str) -> str:
    """By the sequence of bits: the register holds the last ones."""
    assert len(bits) == int(width)
    places = [int(word) for word in taps.replace("bit", "").replace("xor", "").split()]
    sequence = [int(bit) for bit in bits]
    for _ in range(int(clocks)):
        sequence.append(sum(sequence[-place] for place in places) % 2)
    return "".join(map(str, sequence[-int(width) :]))


def nonlinear(start: str, clocks: str) -> str:
    s = [int(bit) for bit in f"{int(start, 16):024b}"]
    for _ in range(int(clocks)):
        s.append((s[-24] + s[-17] + s[-9] + s[-20] * s[-5] + s[-13] * s[-2] * s[-7]) % 2)
    return "0x" + f"{int(''.join(map(str, s[-24:])), 2):06X}"


def rc4(key: Iterable[int], size: int, first: str, last: str) -> list[int]:
    whole = [*key]
    box, j, i = [*range(size)], 0, 0
    for a in box.copy():
        j = (j + box[a] + whole[a % len(whole)]) % size
        box[a], box[j] = box[j], box[a]
    out, j = [], 0
    while len(out) < int(last):
        i = (i + 1) % size
        x = box[i]
        j = (j + x) % size
        y = box[j]
        box[i], box[j] = y, x
        out.append(box[(x + y) % size])
    return out[int(first) - 1 :]


def small(key: str, first: str, last: str) -> str:
    return ", ".join(map(str, rc4(map(int, key.split(", ")), 16, first, last)))


def stream(first: str, last: str, key: str) -> str:
    return " ".join(f"{byte:02X}" for byte in rc4(key.encode(), 256, first, last))


def twister(place: str, seed: str) -> str:
    """MT19937, begun with init_by_array([seed])."""
    mt = [19650218]
    for i in range(1, 624):
        mt.append((1812433253 * (mt[-1] ^ mt[-1] >> 30) + i) % 2**32)
    i = 1
    for _ in range(624):
        mt[i] = ((mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) * 1664525) + int(seed)) % 2**32
        i += 1
        if i == 624:
            mt[0], i = mt[623], 1
    for _ in range(623):
        mt[i] = ((mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) * 1566083941) - i) % 2**32
        i += 1
        if i == 624:
            mt[0], i = mt[623], 1
    mt[0] = 2**31
    k = ["first", "second", "third", "fourth", "fifth", "sixth"].index(place)
    y = mt[k] & 2**31 | mt[k + 1] & 2**31 - 1
    y = mt[k + 397] ^ y >> 1 ^ (0x9908B0DF if y & 1 else 0)
    y ^= y >> 11
    y ^= y << 7 & 0x9D2C5680
    y ^= y << 15 & 0xEFC60000
    return str(y ^ y >> 18)


def deciphered(block: str, key: str) -> Callable[[str], bool]:
    """XTEA backwards gives the block again."""
    words, total = [int(word, 16) for word in key.split()], 0x9E3779B9 * 32 % 2**32

    def holds(option: str) -> bool:
        a, b = (int(word, 16) for word in option.split())
        s = total
        for _ in range(32):
            b = (b - (((a << 4 ^ a >> 5) + a) ^ (s + words[s >> 11 & 3]))) % 2**32
            s = (s - 0x9E3779B9) % 2**32
            a = (a - (((b << 4 ^ b >> 5) + b) ^ (s + words[s & 3]))) % 2**32
        return f"{a:08X} {b:08X}" == block

    return holds


def digest(name: str, text: str) -> str:
    return DIGESTS[name](text.encode()).hex()[:8]


def identifier(version: str, name: str) -> str:
    space = bytes.fromhex("6ba7b8109dad11d180b400c04fd430c8")
    value = bytearray(DIGESTS["MD5" if version == "3" else "SHA-1"](space + name.encode())[:16])
    value[6], value[8] = value[6] & 15 | int(version) << 4, value[8] & 63 | 128
    text = value.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def keyed(name: str, text: str, key: str) -> str:
    return hmac(DIGESTS[name], key.encode(), text.encode()).hex()[:8]


def wpa(passphrase: str, ssid: str) -> str:
    """PBKDF2's first block by its definition; of its 8192 digests the two ends of the key are made once."""
    key = passphrase.encode().ljust(64, b"\0")
    inner, outer = (sha1(bytes(byte ^ pad for byte in key)) for pad in (0x36, 0x5C))

    def keyed_digest(message: bytes) -> bytes:
        one, two = inner.copy(), outer.copy()
        one.update(message)
        two.update(one.digest())
        return two.digest()

    value = keyed_digest(ssid.encode() + b"\0\0\0\1")
    total = int.from_bytes(value, "big")
    for _ in range(4095):
        value = keyed_digest(value)
        total ^= int.from_bytes(value, "big")
    return f"{total:040x}"[:8]


def one_time(secret: str, counter: str) -> str:
    value = hmac(DIGESTS["SHA-1"], secret.encode(), struct.pack(">Q", int(counter)))
    return f"{struct.unpack_from('>I', value, value[19] % 16)[0] % 2**31:010d}"[-6:]


def timed(secret: str, time: str) -> str:
    return one_time(secret, str(int(time) // 30))


def accepted(key: str) -> str:
    assert len(base64.b64decode(key)) == 16
    value = DIGESTS["SHA-1"](f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode())
    return base64.b64encode(value).decode()


def blob(text: str) -> str:
    return DIGESTS["SHA-1"](f"blob {len(text) + 1}\0{text}\n".encode()).hex()[:8]


WORKED: tuple[tuple[str, Callable[..., str]], ...] = (
    (
        r"What is the CRC-16/(\S+) checksum \(polynomial (\w+), initial value (\w+), (input|no reflection).*\) "
        r'of the ASCII text "(.+)"\?',
        crc16,
    ),
    (r'What is the CRC-32 .+ of the ASCII text "(.+)"\?', crc32),
    (r'What is the Adler-32 checksum of the ASCII text "(.+)" .+\?', adler),
    (r"By Damm's .+ appended to the number (\d+)\?", damm),
    (r"By Verhoeff's .+ appended to the number (\d+)\?", verhoeff),
    (r"By ISO 7064, MOD \d\d,(\d\d), .+ (\w+)\?", hybrid),
    (r'What is the 32-bit FNV-1a hash of the ASCII text "(.+)"\?', fnv),
    (r'What is Jenkins\'s one-at-a-time hash .+ text "(.+)"\?', jenkins),
    (r'What is the label "(.+)" in .+ \(Punycode\)\?', punycode),
    (r'What is the ASCII text "(.+)" in Base58 .+\?', base58),
    (r"What are the last four codes that LZW puts out for the text (\w+), when .+\?", lzw),
    (r'How many bits does an optimal Huffman code made for the text "(.+)" \(.+\?', huffman),
    (r"A register of (\d+) bits holds ([01]+)\. .+ clock, (.+) \(from .+ after (\d+) clocks\?", register),
    (r"A register of 24 bits holds (0x\w+)\. .+ after (\d+) clocks\?", nonlinear),
    (r"With RC4 reduced .+ key \((.+)\), what are output values number (\d+) to (\d+) .+\?", small),
    (r'What are, in hexadecimal, keystream bytes number (\d+) to (\d+) .+ key "(.+)"\?', stream),
    (r"What does the (\w+) call of r.getrandbits\(32\) .+\((\d+)\) return\?", twister),
    (r'What are the .+ eight hexadecimal digits of the (\S+)(?: .+)? digest of the ASCII text "(.+)"\?', digest),
    (r'What is the version (.) UUID of the name "(.+)" in .+\?', identifier),
    (r'What are .+ of the HMAC-(\S+) of the ASCII text "(.+)" with the ASCII key "(.+)"\?', keyed),
    (r'What are .+ WPA2 derives from the passphrase "(.+)" for the network name \(SSID\) "(.+)"\?', wpa),
    (r'What is the six-digit HOTP code .+ secret "(.+)" and the counter (\d+)\?', one_time),
    (r'What is the six-digit TOTP code .+ secret "(.+)" at the Unix time (\d+)\?', timed),
    (r'Which value of Sec-WebSocket-Accept answers the Sec-WebSocket-Key "(.+)" .+\?', accepted),
    (r'What are .+ that Git .+ holds "(.+)" and a line feed\?', blob),
)
"""Questions whose answers are worked out."""

HELD: tuple[tuple[str, Callable[..., Callable[[str], bool]]], ...] = (
    (r'What are the (\d+) Reed-Solomon .+ text "(.+)" \(.+ 2\^0 to 2\^(\d)\), .+\?', solomon),
    (r"Into which two words does XTEA \(32 cycles\) encrypt the block (.+) with the key (.+) \(.+\?", deciphered),
)
"""Questions of which each option is tried."""
