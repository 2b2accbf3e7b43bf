"""The Moon, Jupiter's moons, the planets and stars at a given time, from the package ephem."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import pairwise

import ephem

from build.drafting import Draft, which
from build.hard.matter.pools import ordered, sets, split
from build.hard.matter.regions import Point, constellation, distance
from build.hard.matter.sky import stars
from build.wording import MONTHS

KILOMETRES = 149597870.7
EPOCH = ephem.Date("1750/1/1")
MOONS = ("Io", "Europa", "Ganymede", "Callisto")
ZODIAC = split(
    "Aries,Taurus,Gemini,Cancer,Leo,Virgo,Libra,Scorpius,Ophiuchus,Sagittarius,Capricornus,Aquarius,Pisces", ","
)


def _day(rng: random.Random) -> ephem.Date:
    """0 h on a day of 1750 to 2149."""
    return ephem.Date(EPOCH + rng.randrange(400 * 365))


def _said(date: ephem.Date) -> str:
    year, month, day = date.triple()
    return f"{int(day)} {MONTHS[month - 1]} {year}"


def _moon(date: ephem.Date) -> ephem.Moon:
    moon = ephem.Moon()
    moon.compute(date, epoch=ephem.J2000)
    return moon


def near(rng: random.Random) -> Iterator[Draft]:
    """Days on which the Moon was about as near, or as far: the largest term of its distance does not tell."""
    days = {}
    while len(days) < 700:
        date = _day(rng)
        days[_said(date)] = _moon(date).earth_distance * KILOMETRES
    for low, high, word in ((357500, 362500, "nearest to"), (403500, 406500, "furthest from")):
        among = {name: km for name, km in days.items() if low < km < high}
        for four in sets(rng, among, 6000, lambda v: v[1] - v[0] > 450 and v[3] - v[2] > 450 and v[3] - v[0] < 4000):
            names = four if word.startswith("near") else (four[3], *four[:3])
            text = f"was the Moon {word} the centre of the Earth"
            draft = which(rng, f"moon {' '.join(sorted(four))}", "moon's distance", 8, names, text, "")
            listing = draft.question.removeprefix("Which of ").removesuffix(f" {text}?")
            question = f"At 0 h UT on which of the days {listing} {text}?"
            statement = f"Of the days {listing}, at 0 h UT the Moon was {word} the centre of the Earth on {{}}."
            yield Draft(draft.fact, draft.topic, 8, question, statement, draft.answer, draft.distractors)


def jovian(rng: random.Random) -> Iterator[Draft]:
    bodies = {name: getattr(ephem, name)() for name in MOONS}
    made = 0
    while made < 40:
        date = _day(rng)
        for body in bodies.values():
            body.compute(date)
        east = {name: float(body.x) for name, body in bodies.items()}
        names = sorted(MOONS, key=lambda name: -east[name])
        if any(east[a] - east[b] < 1.6 for a, b in pairwise(names)):
            continue
        made += 1
        when = f"at 0 h UT on {_said(date)}"
        ask = f"from east to west, as seen from the Earth {when}"
        yield ordered(rng, f"moons {_said(date)}", "moons of Jupiter", 8, names, ask, f"{ask},")


def wandering(rng: random.Random) -> Iterator[Draft]:
    """The constellation of the Moon on a day: two degrees or more from its border, the next ones the wrong answers."""
    for _ in range(60):
        date = _day(rng)
        moon = _moon(date)
        point: Point = math.degrees(moon.a_ra), math.degrees(moon.a_dec)
        home = constellation(point)
        others = sorted((name for name in ZODIAC if name != home), key=lambda name: distance(point, name))
        if home not in ZODIAC or distance(point, others[0]) < 2.5:
            continue
        pool = others[:6]
        rng.shuffle(pool)
        when = f"at 0 h UT on {_said(date)}"
        question = f"In which constellation was the Moon {when}, seen from the centre of the Earth?"
        statement = f"Seen from the centre of the Earth {when}, the Moon was in the constellation {{}}."
        yield Draft(f"lunar {_said(date)}", "moon's constellation", 8, question, statement, home, tuple(pool))


def heights(rng: random.Random) -> Iterator[Draft]:
    spots = {name: (a, d) for name, (a, d, _) in stars().items()}
    for _ in range(50):
        latitude, hours = rng.choice([n for n in range(-50, 61) if abs(n) > 8]), rng.randrange(96) / 4
        up = {}
        for name, (a, d) in spots.items():
            angle, b, c = math.radians(15 * hours - a), math.radians(d), math.radians(latitude)
            sine = math.sin(b) * math.sin(c) + math.cos(b) * math.cos(c) * math.cos(angle)
            up[name] = math.degrees(math.asin(sine))
        up = {name: degrees for name, degrees in up.items() if degrees > 8}
        for four in sets(rng, up, 200, lambda v: all(2.5 < b - a < 9 for a, b in pairwise(v))):
            where = (
                f"at latitude {abs(latitude)}° {'north' if latitude > 0 else 'south'}, when the local sidereal time is "
            )
            where += f"{int(hours)} h {round(hours % 1 * 60):02d} min"
            ask = f"by height above the horizon, the lowest first, {where}"
            say = f"by height above the horizon, from the lowest to the highest, {where},"
            yield ordered(rng, f"heights {where}", "height of stars", 8, four, ask, say)
            break


MAKERS = (near, jovian, wandering, heights)
