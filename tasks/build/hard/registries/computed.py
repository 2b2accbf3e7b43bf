"""Code points that follow a rule: who knows the rule and the first code point of the block can work them out."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from build.drafting import Draft, shuffled, words
from build.hard.registries.characters import shown

STYLES = "BOLD, BOLD ITALIC, BOLD SCRIPT, BOLD FRAKTUR, SANS-SERIF, SANS-SERIF BOLD, SANS-SERIF ITALIC, MONOSPACE"
RANKS = words("ACE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN JACK KNIGHT QUEEN KING")
HANGUL = 0xAC00, 588, 28, 11172
"""Of Hangul syllables: the first, those of one initial, those of one initial and vowel, all."""


def braille(rng: random.Random) -> list[int]:
    """Five or more dots of eight: the usual letters of six dots are known by heart."""
    return rng.sample([point for point in range(0x2800, 0x2900) if 4 <= (point & 255).bit_count() <= 6], 17)


def selectors(rng: random.Random) -> list[int]:
    return rng.sample(range(0xE0110, 0xE01E0), 13)


def mathematical(rng: random.Random) -> list[int]:
    letters = "DEFGHJKLNOPQRSTUVWXY"
    names = [f"MATHEMATICAL {style} {case}" for style in STYLES.split(", ") for case in ("CAPITAL", "SMALL")]
    return [ord(unicodedata.lookup(f"{name} {letter}")) for name in names for letter in [rng.choice(letters)]]


def dominoes(rng: random.Random) -> list[int]:
    tiles = [f"DOMINO TILE {way}-0{a}-0{b}" for way in ("HORIZONTAL", "VERTICAL") for a in range(7) for b in range(7)]
    return [ord(unicodedata.lookup(tile)) for tile in rng.sample(tiles, 13)]


def cards(rng: random.Random) -> list[int]:
    names = [f"PLAYING CARD {rank} OF {suit}" for rank in RANKS for suit in ("SPADES", "HEARTS", "DIAMONDS", "CLUBS")]
    return [ord(unicodedata.lookup(name)) for name in rng.sample(names, 13)]


def hexagrams(rng: random.Random) -> list[int]:
    return rng.sample(range(0x4DC2, 0x4E00), 14)


def radicals(rng: random.Random) -> list[int]:
    return rng.sample(range(0x2F08, 0x2FD6), 14)


def syllables(rng: random.Random) -> list[int]:
    return [HANGUL[0] + index for index in rng.sample(range(600, HANGUL[3] - 600), 18)]


KINDS: tuple[tuple[str, int, Callable[[random.Random], list[int]], tuple[int, ...]], ...] = (
    ("Braille pattern", 6, braille, (1, 2, 4, 8, 16, 32, 64, 128)),
    ("variation selector", 6, selectors, (1, 2, 16, 15, 17, 10, 32)),
    ("mathematical letter", 6, mathematical, (1, 2, 26, 6, 25, 27, 52)),
    ("domino tile", 6, dominoes, (1, 2, 7, 6, 8, 14)),
    ("playing card", 7, cards, (1, 2, 16, 15, 17, 32)),
    ("hexagram", 7, hexagrams, (1, 2, 3, 4, 6, 10)),
    ("radical", 7, radicals, (1, 2, 3, 4, 5, 7, 10)),
    ("Hangul syllable", 7, syllables, (1, 28, 27, 29, 588, 560, 616, 56)),
)
"""Topic, level, characters, and how far off the slips are that one makes in counting to them."""


def slips(point: int, steps: Iterable[int], prefix: str) -> list[int]:
    found = [other for step in steps for other in (point - step, point + step)]
    return [other for other in found if unicodedata.name(chr(other), "").startswith(prefix)]


def computed(rng: random.Random) -> Iterator[Draft]:
    for topic, level, chosen, steps in KINDS:
        for point in chosen(rng):
            name = unicodedata.name(chr(point))
            prefix = name.split()[0]
            question = f"What is the Unicode code point of {name}?"
            statement = f"The Unicode code point of {name} is {{}}."
            wrong = [point ^ step for step in steps] if topic == "Braille pattern" else slips(point, steps, prefix)
            first, more = wrong[:6], wrong[6:]
            pool = shuffled(rng, [shown(other) for other in first], [shown(other) for other in more])
            yield Draft(f"character {point:X}", topic, level, question, statement, shown(point), pool)
