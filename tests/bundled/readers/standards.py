"""What the standards say, from other sources than the builder's: the oracle of test_standards.py."""

from __future__ import annotations

import math
import re
import signal
import sys
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any

import scipy.constants
from sympy.physics import units
from sympy.physics.units import convert_to

LINUX = sys.platform == "linux"

STATUS = (
    "100 Continue|101 Switching Protocols|102 Processing|103 Early Hints|200 OK|201 Created|202 Accepted|"
    "203 Non-Authoritative Information|204 No Content|205 Reset Content|206 Partial Content|207 Multi-Status|"
    "208 Already Reported|226 IM Used|300 Multiple Choices|301 Moved Permanently|302 Found|303 See Other|"
    "304 Not Modified|"
    "305 Use Proxy|307 Temporary Redirect|308 Permanent Redirect|400 Bad Request|401 Unauthorized|402 Payment Required|"
    "403 Forbidden|404 Not Found|405 Method Not Allowed|406 Not Acceptable|407 Proxy Authentication Required|"
    "408 Request Timeout|409 Conflict|410 Gone|411 Length Required|412 Precondition Failed|415 Unsupported Media Type|"
    "417 Expectation Failed|421 Misdirected Request|423 Locked|424 Failed Dependency|425 Too Early|"
    "426 Upgrade Required|"
    "428 Precondition Required|429 Too Many Requests|431 Request Header Fields Too Large|"
    "451 Unavailable For Legal Reasons|500 Internal Server Error|501 Not Implemented|502 Bad Gateway|"
    "503 Service Unavailable|504 Gateway Timeout|505 HTTP Version Not Supported|506 Variant Also Negotiates|"
    "507 Insufficient Storage|508 Loop Detected|510 Not Extended|511 Network Authentication Required"
)
"""IANA's registry of HTTP status codes, without those whose phrase has changed."""

SERVICES = {
    "DNS": "domain",
    "IMAP": "imap2",
    "RDP": "ms-wbt-server",
    "Subversion": "svn",
}
"""Names in /etc/services where they are not those of the task."""

TREE = " ETIANMSURWDKGOHVF?L?PJBXCYZQ"
"""Morse code as a binary tree: from node n a dot leads to 2n + 1, a dash to 2n + 2 (the root is 0)."""

ICAO = (
    *(
        "Alfa",
        "Bravo",
        "Charlie",
        "Delta",
        "Echo",
        "Foxtrot",
        "Golf",
        "Hotel",
        "India",
        "Juliett",
        "Kilo",
        "Lima",
        "Mike",
    ),
    *("November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra", "Tango", "Uniform", "Victor", "Whiskey", "X-ray"),
    *("Yankee", "Zulu"),
)

QUANTITY = {
    "length": "meter",
    "mass": "kilogram",
    "time": "second",
    "voltage": "kilogram*meter**2/(ampere*second**3)",
    "power": "kilogram*meter**2/second**3",
    "electric current": "ampere",
    "force": "kilogram*meter/second**2",
    "energy": "kilogram*meter**2/second**2",
    "frequency": "1/second",
    "temperature": "kelvin",
    "pressure": "kilogram/(meter*second**2)",
    "amount of substance": "mole",
    "luminous intensity": "candela",
    "electric charge": "ampere*second",
    "electric resistance": "kilogram*meter**2/(ampere**2*second**3)",
    "radioactivity": "1/second",
    "capacitance": "ampere**2*second**4/(kilogram*meter**2)",
    "magnetic flux density": "kilogram/(ampere*second**2)",
    "inductance": "kilogram*meter**2/(ampere**2*second**2)",
    "illuminance": "candela/meter**2",
    "electric conductance": "ampere**2*second**3/(kilogram*meter**2)",
    "magnetic flux": "kilogram*meter**2/(ampere*second**2)",
    "absorbed dose": "meter**2/second**2",
    "catalytic activity": "mole/second",
    "plane angle": "radian",
    "solid angle": "steradian",
}
"""What each quantity is measured in, as SymPy writes it."""

BY_HAND = {"lumen": ("luminous flux", "lm"), "sievert": ("equivalent dose", "Sv"), "kelvin": ("temperature", "K")}
SYMBOLS = "ronna R|ronto r|quetta Q|quecto q|radian rad|steradian sr|gray Gy"
"""Symbols that SymPy lacks or has otherwise."""

BASE = [units.kilogram, units.meter, units.second, units.ampere, units.kelvin, units.mole, units.candela]
RINGS = ("black", "brown", "red", "orange", "yellow", "green", "blue", "violet", "grey", "white")
MOMENT = datetime(2021, 7, 4, 15, 6, 9, 123456)
"""A Sunday whose parts all differ."""

DIRECTED = {
    "the year with century": "2021",
    "the month as a number": "07",
    "the day of the month": "04",
    "the hour on a 24-hour clock": "15",
    "the hour on a 12-hour clock": "03",
    "the minute": "06",
    "the second": "09",
    "the year without century": "21",
    "the full month name": "July",
    "the abbreviated month name": "Jul",
    "the full weekday name": "Sunday",
    "the abbreviated weekday name": "Sun",
    "the day of the year": "185",
    "AM or PM": "PM",
    "the microsecond": "123456",
    "the weekday as a number, Sunday being 0": "0",
    "the week of the year, weeks beginning on Sunday": "27",
    "the week of the year, weeks beginning on Monday": "26",
}


def si(unit: str) -> Any:
    return getattr(units, {"metre": "meter"}.get(unit, unit))


def based(unit: str) -> str:
    return str(convert_to(si(unit), BASE))


def quantity(unit: str) -> list[str]:
    """The quantities that the unit can measure."""
    if unit in BY_HAND:
        return [BY_HAND[unit][0]]
    if unit in ("radian", "steradian"):
        return [{"radian": "plane angle", "steradian": "solid angle"}[unit]]
    if unit == "becquerel":
        return ["radioactivity"]
    return [name for name, text in QUANTITY.items() if text == based(unit) and name != "radioactivity"]


def product(text: str) -> Any:
    """'kg m^2/(A s^3)' as a SymPy expression."""
    names = {"kg": units.kilogram, "m": units.meter, "s": units.second, "A": units.ampere, "mol": units.mole}
    over, _, under = text.partition("/")

    def multiplied(part: str) -> Any:
        value: Any = 1
        for factor in part.strip("()").split():
            name, _, power = factor.partition("^")
            value *= 1 if name == "1" else names[name] ** int(power or 1)
        return value

    return multiplied(over) / (multiplied(under) if under else 1)


def symbol(name: str) -> str:
    by_hand = dict(entry.split() for entry in SYMBOLS.split("|"))
    if name in by_hand:
        return by_hand[name]
    if name in BY_HAND:
        return BY_HAND[name][1]
    if hasattr(units.prefixes, name):
        return str(getattr(units.prefixes, name).abbrev)
    return str(si(name).abbrev)


def exponent(prefix: str) -> int:
    known = {"deca": 1, "quetta": 30, "ronna": 27, "ronto": -27, "quecto": -30}
    return known[prefix] if prefix in known else round(math.log10(getattr(scipy.constants, prefix)))


def morse(code: str) -> str:
    if len(code) == 5:
        ones = code.index("-") if "-" in code else 5
        return str(ones if code[0] == "." else (5 + (code.index(".") if "." in code else 5)) % 10)
    node = 0
    for sign in code:
        node = 2 * node + (1 if sign == "." else 2)
    return TREE[node]


def port(service: str) -> str:
    name = SERVICES.get(service, service).lower()
    path = Path("/etc/services")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = set(re.findall(rf"^{re.escape(name)}\s+(\d+)/", text, flags=re.MULTILINE))
    return found.pop() if len(found) == 1 else dict(entry.rsplit(" ", 1) for entry in KNOWN_PORTS.split("|"))[service]


KNOWN_PORTS = (
    "FTP 21|SSH 22|Telnet 23|SMTP 25|DNS 53|TFTP 69|Gopher 70|Finger 79|HTTP 80|Kerberos 88|POP3 110|NNTP 119|NTP 123|"
    "IMAP 143|SNMP 161|BGP 179|LDAP 389|HTTPS 443|RTSP 554|IPP 631|LDAPS 636|rsync 873|IMAPS 993|POP3S 995|SOCKS 1080|"
    "OpenVPN 1194|MQTT 1883|NFS 2049|MySQL 3306|RDP 3389|Subversion 3690|SIP 5060|PostgreSQL 5432|AMQP 5672|Redis 6379|"
    "Git 9418|Echo 7|Discard 9|Daytime 13|Whois 43"
)
"""Where the machine has no list of services, or none for it."""


def size(paper: str) -> tuple[float, float]:
    """Width and height in mm before rounding: sides as 1 to the root of 2; A, C and B are an eighth power apart."""
    steps = {"A": -1 / 4, "B": 0.0, "C": -1 / 8}[paper[0]] - int(paper[1]) / 2
    return 1000 * 2**steps, 1000 * 2 ** (steps + 1 / 2)


def is_size(text: str, paper: str) -> bool:
    return all(abs(int(side) - ideal) <= 1 for side, ideal in zip(re.findall(r"\d+", text), size(paper), strict=True))


def duration(text: str) -> str | None:
    """'PT2H30M' -> '2 hours and 30 minutes'; None when it is not ISO 8601."""
    match = re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", text)
    if not match or text.endswith("T"):
        return None
    names = ("year", "month", "day", "hour", "minute", "second")
    parts = [f"{n} {name}{'s' if n != '1' else ''}" for n, name in zip(match.groups(), names, strict=True) if n]
    return " and ".join(parts)


def same_moment(shown: str, iso: str) -> bool:
    return (
        bool(re.fullmatch(r"\d{4}-\d\d-\d\d", iso)) and datetime.strptime(shown, "%d %B %Y").date().isoformat() == iso
    )


def afternoon(shown: str) -> str:
    return datetime.strptime(f"{shown} PM", "%I:%M %p").strftime("%H:%M")


def gives(directive: str, meaning: str) -> bool:
    """Whether strftime writes it; the two about time zones, which this moment lacks, by their letters."""
    zones = {"the offset from UTC": "%z", "the name of the time zone": "%Z"}
    if meaning in zones or directive in zones.values():
        return zones.get(meaning) == directive
    return MOMENT.strftime(directive) == DIRECTED[meaning]


def named_signal(number: str) -> str:
    return signal.Signals(int(number)).name if LINUX else ""


def is_control(code: int, name: str) -> bool:
    """By the aliases that Unicode gives control characters."""
    return ord(unicodedata.lookup(name)) == code if name != "HT" else code == ord("\t")
