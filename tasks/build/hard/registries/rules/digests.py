"""Cryptographic digests, and codes that standards make of them: level 10, thousands of exact steps each."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import uuid
from collections.abc import Callable, Iterator

from build.drafting import Draft
from build.hard.registries.rules.coined import misspelt, phrase, pool, word

PER_KIND = 9
FIRST = 8
"""Hexadecimal digits that are asked for."""

DIGESTS = {
    "MD5": "md5",
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-512": "sha512",
    "SHA3-256": "sha3_256",
    "BLAKE2b (64 bytes long)": "blake2b",
}
"""What the digests are called in the text, and by Python."""

ACCEPTING = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What RFC 6455 appends to a key."""


def digest(name: str, text: str) -> str:
    return hashlib.new(DIGESTS[name], text.encode()).hexdigest()[:FIRST]


def drafted(
    rng: random.Random, topic: str, text: str, question: str, statement: str, made: Callable[[str], str]
) -> Draft:
    """The wrong answers are those of other texts."""
    answer = made(text)
    wrong = pool(answer, lambda: made(misspelt(rng, text)))
    return Draft(f"{topic} {text}", topic, 10, question, statement, answer, wrong)


def plain(rng: random.Random) -> Iterator[Draft]:
    for name in DIGESTS:
        for index in range(PER_KIND):
            text = phrase(rng, 12, 24) if index % 2 else word(rng, 6, 11)
            said = f'the first eight hexadecimal digits of the {name} digest of the ASCII text "{text}"'
            yield drafted(
                *(rng, name.split(" (")[0], text, f"What are {said}?", f"T{said[1:]} are {{}}."),
                lambda other, name=name: digest(name, other),  # type: ignore[misc]
            )


def identifiers(rng: random.Random) -> Iterator[Draft]:
    for index in range(2 * PER_KIND):
        version, made = ((3, uuid.uuid3), (5, uuid.uuid5))[index % 2]
        text = f"{word(rng, 7, 12)}.{rng.choice(('example', 'test', 'invalid'))}"
        said = f'the version {version} UUID of the name "{text}" in the DNS name space (RFC 9562)'
        yield drafted(
            *(rng, f"UUID, version {version}", text, f"What is {said}?", f"T{said[1:]} is {{}}."),
            lambda other, made=made: str(made(uuid.NAMESPACE_DNS, other)),  # type: ignore[misc]
        )


def keyed(rng: random.Random) -> Iterator[Draft]:
    for index in range(PER_KIND):
        name = ("MD5", "SHA-1", "SHA-256")[index % 3]
        key, text = word(rng, 6, 10), phrase(rng, 10, 20)
        said = f'the HMAC-{name} of the ASCII text "{text}" with the ASCII key "{key}"'
        question = f"What are the first eight hexadecimal digits of {said}?"
        statement = f"The first eight hexadecimal digits of {said} are {{}}."
        yield drafted(
            *(rng, "HMAC", text, question, statement),
            lambda other, key=key, name=name: hmac.new(  # type: ignore[misc]
                key.encode(), other.encode(), DIGESTS[name]
            ).hexdigest()[:FIRST],
        )


def derived(rng: random.Random) -> Iterator[Draft]:
    """WPA2 takes 4096 rounds with SHA-1, the network's name being the salt."""
    for _ in range(PER_KIND):
        text, salt = phrase(rng, 12, 20), word(rng, 5, 9)
        said = f'the pre-shared key that WPA2 derives from the passphrase "{text}" for the network name (SSID) "{salt}"'
        question = f"What are the first eight hexadecimal digits of {said}?"
        statement = f"The first eight hexadecimal digits of {said} are {{}}."
        yield drafted(
            *(rng, "WPA2 key", text, question, statement),
            lambda other, salt=salt: hashlib.pbkdf2_hmac(  # type: ignore[misc]
                "sha1", other.encode(), salt.encode(), 4096, 32
            ).hex()[:FIRST],
        )


def one_time(secret: str, counter: int) -> str:
    value = hmac.new(secret.encode(), counter.to_bytes(8, "big"), "sha1").digest()
    offset = value[-1] & 15
    return f"{(int.from_bytes(value[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06d}"


def passwords(rng: random.Random) -> Iterator[Draft]:
    """RFC 4226 by a counter, RFC 6238 by the time."""
    for index in range(PER_KIND):
        secret = word(rng, 14, 18)
        if index % 2:
            counter = rng.randrange(100, 100_000)
            said = f'the six-digit HOTP code (RFC 4226) for the ASCII secret "{secret}" and the counter {counter}'
        else:
            time = rng.randrange(1_400_000_000, 1_900_000_000)
            counter = time // 30
            said = f'the six-digit TOTP code (RFC 6238, SHA-1, steps of 30 seconds) for the ASCII secret "{secret}"'
            said += f" at the Unix time {time}"
        yield drafted(
            *(rng, "one-time code", secret, f"What is {said}?", f"T{said[1:]} is {{}}."),
            lambda other, counter=counter: one_time(other, counter),  # type: ignore[misc]
        )


def accepting(rng: random.Random) -> Iterator[Draft]:
    for _ in range(PER_KIND):
        text = word(rng, 16, 16)
        key = base64.b64encode(text.encode()).decode()

        def answer(other: str) -> str:
            value = base64.b64encode(other.encode()).decode() + ACCEPTING
            return base64.b64encode(hashlib.sha1(value.encode()).digest()).decode()

        said = f'value of Sec-WebSocket-Accept answers the Sec-WebSocket-Key "{key}" (RFC 6455)'
        question = f"Which {said}?"
        statement = f'The value of Sec-WebSocket-Accept that answers the Sec-WebSocket-Key "{key}" (RFC 6455) is {{}}.'
        yield drafted(rng, "WebSocket", text, question, statement, answer)


def blobs(rng: random.Random) -> Iterator[Draft]:
    for _ in range(PER_KIND):
        text = phrase(rng, 8, 20)

        def name(other: str) -> str:
            held = other.encode() + b"\n"
            return hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()[:FIRST]

        said = f'the object name that Git (with SHA-1) gives to a file that holds "{text}" and a line feed'
        question = f"What are the first eight hexadecimal digits of {said}?"
        statement = f"The first eight hexadecimal digits of {said} are {{}}."
        yield drafted(rng, "Git object", text, question, statement, name)
