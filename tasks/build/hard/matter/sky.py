"""The sky: named stars and the constellations' borders, from the package ephem."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import ephem.stars

from build.drafting import Draft, which
from build.hard.matter.pools import ordered, sets, split
from build.hard.matter.regions import Point, constellation, contacts, distance, far, margin_of, members, separation

BRIGHT = split(
    "Achernar,Acrux,Aldebaran,Algol,Alpheratz,Altair,Antares,Arcturus,Bellatrix,Betelgeuse,Canopus,Capella,Castor,Deneb,"
    "Denebola,Fomalhaut,Hadar,Mizar,Polaris,Pollux,Procyon,Regulus,Rigel,Sirius,Spica,Vega,Alphard,Hamal,Dubhe,Alioth,Gacrux",
    ",",
)
FAINT = split(
    "Acamar,Adhara,Albireo,Alderamin,Alfirk,Algenib,Algieba,Alhena,Alkaid,Almach,Alnair,Alnilam,Alphecca,Alshain,Ankaa,"
    "Arkab Prior,Arneb,Atria,Avior,Caph,Cebalrai,Diphda,Elnath,Eltanin,Enif,Izar,Kaus Australis,Kochab,Markab,Megrez,"
    "Menkalinan,Menkar,Menkent,Merak,Miaplacidus,Mimosa,Minkar,Mintaka,Mirach,Mirfak,Mirzam,Nihal,Nunki,Peacock,Phecda,"
    "Rasalgethi,Rasalhague,Rukbat,Sabik,Sadalmelik,Sadr,Saiph,Scheat,Schedar,Shaula,Sheliak,Sulafat,Tarazed,Thuban,"
    "Unukalhai,Vindemiatrix,Wezen,Zaurak,Zubenelgenubi",
    ",",
)
"""Named stars; left out are second names, and names that two stars have borne."""

VARIABLE = ("Algol", "Betelgeuse", "Antares", "Mira", "Sheliak", "Rasalgethi", "Scheat", "Polaris", "Schedar", "Menkar")
DOUBLE = ("Castor", "Almach", "Albireo", "Mizar", "Acrux", "Rigil Kentaurus", "Algieba", "Izar", "Rasalgethi")
KNOWN = split(
    "Ursa Major,Orion,Cygnus,Lyra,Leo,Virgo,Scorpius,Sagittarius,Taurus,Gemini,Aquarius,Pegasus,Andromeda,Cassiopeia,"
    "Perseus,Auriga,Boötes,Hydra,Centaurus,Eridanus,Cetus,Draco,Hercules,Aquila,Canis Major,Pisces,Ophiuchus,Puppis,"
    "Vela,Carina",
    ",",
)


@lru_cache(maxsize=1)
def stars() -> dict[str, tuple[float, float, float]]:
    """Right ascension and declination in degrees (J2000), and magnitude."""
    made = {}
    for name in (*BRIGHT, *FAINT):
        star = ephem.star(name, "2000/1/1 12:00")
        made[name] = math.degrees(star._ra), math.degrees(star._dec), float(star.mag)
    return made


def borders(rng: random.Random) -> Iterator[Draft]:
    """Borders of four steps or more count; who touches at all is never a wrong answer, nor who comes near a touch."""
    table = contacts()
    for name in sorted(table):
        touching = table[name]
        sure = sorted(other for other, count in touching.items() if count >= 4)
        reached = {other for near in sure for other in table[near]}
        second = sorted(other for other in reached - set(touching) - {name} if far(name, other))
        level = 8 if name in KNOWN else 9
        if len(second) >= 4 and sure:
            right = rng.choice(sure)
            rng.shuffle(second)
            question = f"With which constellation does {name} share a border on the sky?"
            statement = f"On the sky, {name} shares a border with {{}}."
            yield Draft(f"border {name}", "bordering", level, question, statement, right, tuple(second[:10]))
        rng.shuffle(sure)
        if len(sure) >= 5 and second:
            right = rng.choice(second)
            names = [right, *sure[:3]]
            text = f"has no border with {name} on the sky"
            yield which(
                rng,
                f"border {name}",
                "not bordering",
                level,
                names,
                text,
                f"the constellation without a border with {name}",
            )


def points(rng: random.Random) -> Iterator[Draft]:
    for name, own in sorted(members().items()):
        chosen: dict[int, Point] = {}
        for a, d in rng.sample(own, min(9, len(own))):
            point = float(round(a / 3.75) * 3.75 % 360), float(round(d))
            margin = margin_of(point, name) if abs(d) < 75 and constellation(point) == name else 0
            if margin >= 1:
                chosen.setdefault(8 if margin == 5 else 9 if margin == 3 else 10, point)
        if not chosen:
            continue
        level = rng.choice(sorted(chosen))
        point = chosen[level]
        minutes = round(point[0] * 4)
        where = f"right ascension {minutes // 60} h {minutes % 60:02d} min, declination {point[1]:+.0f}°"
        ranked = sorted((round(distance(point, other), 3), other) for other in members())
        pool = [other for _, other in ranked if other != name][: 6 if level == 10 else 8]
        rng.shuffle(pool)
        question = f"In which constellation is the point of the sky at {where} (J2000)?"
        statement = f"The point of the sky at {where} (J2000) is in the constellation {{}}."
        yield Draft(f"point {name}", "point of the sky", level, question, statement, name, tuple(pool))


def named(rng: random.Random) -> Iterator[Draft]:
    table = stars()
    spots = {name: (a, d) for name, (a, d, _) in table.items()}
    everywhere = sorted({constellation(spot) for spot in spots.values()})
    for name, spot in spots.items():
        home = constellation(spot)
        around = sorted(
            (other for other in members() if other != home),
            key=lambda other: (other not in everywhere, round(distance(spot, other), 3), other),
        )
        pool = around[:8]
        rng.shuffle(pool)
        question, statement = (
            f"In which constellation is the star {name}?",
            f"The star {name} is in the constellation {{}}.",
        )
        level = 6
        yield Draft(f"home {name}", "star's constellation", level, question, statement, home, tuple(pool))
    yield from _compared(rng)
    yield from _apart(rng, spots)


def _compared(rng: random.Random) -> Iterator[Draft]:
    table = stars()
    north = {name: d for name, (_, d, _) in table.items()}
    for four in sets(rng, north, 1200, lambda v: v[3] - v[2] > 4 and v[1] - v[0] > 4 and v[3] - v[0] < 70):
        turned = rng.random() < 0.5
        names, text = ((four[3], *four[:3]), "north") if turned else (four, "south")
        fact = f"declination {' '.join(sorted(four))}"
        yield which(
            rng, fact, "furthest north", 7, names, f"lies furthest {text}", f"the star that lies furthest {text}"
        )
    spread = sets(rng, north, 4000, lambda v: all(3 < b - a < 16 for a, b in pairwise(v)))
    for four in spread:
        fact = f"declination {' '.join(sorted(four))}"
        ask, say = (
            "by declination, the southernmost first",
            "by declination, from the southernmost to the northernmost,",
        )
        yield ordered(rng, fact, "stars by declination", 8, four, ask, say)
    east = {name: a for name, (a, d, _) in table.items() if 5 < a < 355 and abs(d) < 75}
    for four in sets(rng, east, 4000, lambda v: all(6 < b - a < 45 for a, b in pairwise(v))):
        fact = f"ascension {' '.join(sorted(four))}"
        ask = "by right ascension, from 0 h to 24 h"
        yield ordered(rng, fact, "stars by right ascension", 8, four, ask, "by right ascension, from 0 h to 24 h,")
    light = {name: m for name, (_, _, m) in table.items() if name not in (*VARIABLE, *DOUBLE)}
    for four in sets(rng, light, 1200, lambda v: v[1] - v[0] > 0.4 and v[0] > 1.6):
        fact = f"magnitude {' '.join(sorted(four))}"
        yield which(
            rng,
            fact,
            "brightest star",
            7,
            four,
            "looks brightest from the Earth",
            "the brightest as seen from the Earth",
        )


def _apart(rng: random.Random, spots: dict[str, Point]) -> Iterator[Draft]:
    names = sorted(spots)
    used: set[str] = set()
    for index in range(300):
        one, other = sorted(rng.sample(names, 2))
        degrees = separation(spots[one], spots[other])
        if not 18 < degrees < 120 or abs(degrees % 1 - 0.5) < 0.1 or {one, other} & used:
            continue
        used |= {one} if index % 2 else {other}
        level = 9 + index % 2
        gaps = (5, 10, 16, 23) if level == 9 else (3, 7, 11, 16)
        pool = [round(degrees) + sign * (gap + rng.choice((0, 1))) for gap in gaps for sign in (1, -1)]
        pool = [n for n in pool if n > 2]
        rng.shuffle(pool)
        question = f"How far apart in the sky are the stars {one} and {other}, to the nearest degree?"
        statement = f"To the nearest degree, the stars {one} and {other} are {{}} apart in the sky."
        texts = tuple(f"{n} degrees" for n in pool)
        yield Draft(
            f"apart {one} {other}", "stars' separation", level, question, statement, f"{round(degrees)} degrees", texts
        )


MAKERS = (named, borders, points)
