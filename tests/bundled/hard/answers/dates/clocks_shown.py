"""What clocks showed, from tzdata by the name of the place in a question of `dates`."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from bundled.hard.answers.dates.day_numbers import MONTHS

DATE = rf"(\d+ (?:{'|'.join(MONTHS)}) \d+)"
ZONES = {
    "Mumbai": "Asia/Kolkata",
    "St John's": "America/St_Johns",
    "Kingston": "Pacific/Norfolk",
    "Yaren": "Pacific/Nauru",
    "Adamstown": "Pacific/Pitcairn",
    "Georgetown": "America/Guyana",
    "Praia": "Atlantic/Cape_Verde",
    "Port Louis": "Indian/Mauritius",
    "Puerto Baquerizo Moreno": "Pacific/Galapagos",
    "Arawa": "Pacific/Bougainville",
    "Aktau": "Asia/Aqtau",
    "Aktobe": "Asia/Aqtobe",
    "Khovd": "Asia/Hovd",
    "Ittoqqortoormiit": "America/Scoresbysund",
    "Saint-Pierre": "America/Miquelon",
    "Hanga Roa": "Pacific/Easter",
    "Lord Howe Island": "Australia/Lord_Howe",
    "Petropavlovsk-Kamchatsky": "Asia/Kamchatka",
    "Yuzhno-Sakhalinsk": "Asia/Sakhalin",
}
"""Where the zone is not called after the place."""


@cache
def zone(place: str) -> ZoneInfo:
    city = re.sub(r" \(.*", "", place)
    plain = unicodedata.normalize("NFD", city).encode("ascii", "ignore").decode().replace(" ", "_")
    folder = files("tzdata") / "zoneinfo"
    table = [line.split("\t")[2] for line in (folder / "zone.tab").read_text().splitlines() if line[0] != "#"]
    (name,) = [ZONES[city]] if city in ZONES else [name for name in table if name.split("/")[-1] == plain]
    with (Path(str(folder)) / name).open("rb") as stream:
        return ZoneInfo.from_file(stream)


def at(text: str, clock: str) -> datetime:
    return datetime.strptime(f"{text} {clock}", "%d %B %Y %H:%M")


def offset(place: str, day: str) -> timedelta:
    """Of a whole day and those beside it: none is within three days of a change."""
    around = [at(day, "12:00") + timedelta(days=step) for step in (-3, -1, 0, 1, 3)]
    (ahead,) = {moment.replace(tzinfo=zone(place)).utcoffset() for moment in around}
    assert ahead is not None
    return ahead


def clocks(q: str) -> str:
    if m := re.fullmatch(rf"On {DATE}, when clocks in (.+) showed (\S+), what time did clocks in (.+) show\?", q):
        return f"{at(m[1], m[3]) - offset(m[2], m[1]) + offset(m[4], m[1]):%H:%M}"
    if m := re.fullmatch(
        rf"A parcel is sent from (.+) at (\S+) local time on {DATE} and arrives in (.+) "
        r"after (\d+) hours(?: (\d+) minutes)?\. What is the local time there\?",
        q,
    ):
        leaves = at(m[3], m[2]).replace(tzinfo=zone(m[1])).astimezone(timezone.utc)
        arrives = leaves + timedelta(hours=int(m[5]), minutes=int(m[6] or 0))
        return f"{arrives.astimezone(zone(m[4])):%H:%M}"
    m = re.fullmatch(rf"(?:Which offset from UTC did|How were) clocks in (.+?) (?:have|set against UTC) on {DATE}\?", q)
    assert m, f"no form of question: {q}"
    minutes = offset(m[1], m[2]) // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
