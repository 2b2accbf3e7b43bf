"""Operating systems (signals, errors, file permissions), date formats, paper sizes, resistor colours."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta

from build.drafting import Draft, near, shuffled, words
from build.standards.tables import COLOURS, DIRECTIVES, ERRORS, SIGNALS
from build.wording import MONTHS


def signals(rng: random.Random) -> Iterator[Draft]:
    names = words(SIGNALS)
    for number, name in enumerate(names, 1):
        level = 3 if name in words("KILL INT HUP TERM") else 4 if name in words("SEGV ABRT QUIT FPE PIPE") else 5
        question = f"On Linux (x86), what is the number of the signal SIG{name}?"
        statement = f"On Linux (x86), the number of the signal SIG{name} is {{}}."
        yield Draft(
            f"signal {name}", "signal number", level, question, statement, str(number), near(rng, number, 1, 31, (), 5)
        )
        question = f"On Linux (x86), which signal has the number {number}?"
        statement = f"On Linux (x86), the signal with the number {number} is {{}}."
        pool = shuffled(rng, [f"SIG{other}" for other in names[max(0, number - 7) : number + 6] if other != name])
        yield Draft(f"signal {name}", "signal", level, question, statement, f"SIG{name}", pool)


def errors(rng: random.Random) -> Iterator[Draft]:
    table = [tuple(entry.split(" ", 2)) for entry in ERRORS.split("|")]
    for name, number, message in table:
        known = name in (
            "ENOENT",
            "EACCES",
            "EEXIST",
            "EPERM",
            "EINVAL",
            "ENOMEM",
            "EPIPE",
            "ENOTDIR",
            "EISDIR",
            "ENOSPC",
        )
        kin = [row for row in table if row[0] != name]
        kin.sort(key=lambda row: abs(int(row[1]) - int(number)))
        question = f"Which message belongs to the Linux error {name}?"
        statement = f"The message of the Linux error {name} is {{}}."
        pool = shuffled(rng, [row[2] for row in kin])
        yield Draft(f"error {name}", "error message", 2 if known else 3, question, statement, message, pool)
        question, statement = (
            f"What is the number of the Linux error {name}?",
            f"The number of the Linux error {name} is {{}}.",
        )
        pool = near(rng, int(number), 1, 40, (), 5)
        yield Draft(f"error number {name}", "error number", 4 if known else 5, question, statement, number, pool)


def permissions(mode: int) -> str:
    """'rwxr-x---' for 0o750; with s and t for the three bits above."""
    text = [letter if mode >> (8 - place) & 1 else "-" for place, letter in enumerate("rwxrwxrwx")]
    for place, bit, letter in ((2, 2048, "s"), (5, 1024, "s"), (8, 512, "t")):
        if mode & bit:
            text[place] = letter if text[place] == "x" else letter.upper()
    return "".join(text)


def modes(rng: random.Random) -> Iterator[Draft]:
    usual = (0o644, 0o755, 0o600, 0o700, 0o777, 0o640, 0o750, 0o444, 0o664, 0o775)
    plain = [mode for mode in range(0o100, 0o777) if mode not in usual and len(set(f"{mode:o}")) > 1]
    special = [bits | mode for bits in (0o1000, 0o2000, 0o4000) for mode in (0o755, 0o750, 0o711, 0o775, 0o751, 0o771)]
    for level, chosen in ((2, usual), (3, rng.sample(plain, 24)), (4, special)):
        for mode in chosen:
            wrong = [mode ^ bit for bit in (1, 2, 4, 8, 16, 32, 64, 128, 256)]
            wrong += [mode ^ 0o3000, mode ^ 0o5000, mode ^ 0o6000] if mode > 0o777 else []
            octal, shown = f"{mode:o}", permissions(mode)
            pool = shuffled(rng, [f"{other:o}" for other in wrong if len(f"{other:o}") == len(octal)])
            question = f"Which octal file mode is {shown}?"
            yield Draft(
                f"mode {octal}", "octal mode", level, question, f"The octal file mode of {shown} is {{}}.", octal, pool
            )
            pool = shuffled(rng, [permissions(other) for other in wrong])
            question = f"Which permissions does the octal file mode {octal} give?"
            statement = f"The permissions that the octal file mode {octal} gives are {{}}."
            yield Draft(f"mode {octal}", "permissions", level, question, statement, shown, pool)


def directives(rng: random.Random) -> Iterator[Draft]:
    table = [entry.split(" ", 1) for entry in DIRECTIVES.split("|")]
    for letter, meaning in table:
        level = 2 if letter in "YmdHMS" else 4 if letter in "jfwUWzZI" else 3
        fact = f"directive {letter}"
        question, statement = (
            f"Which strftime directive gives {meaning}?",
            f"The strftime directive for {meaning} is {{}}",
        )
        others = [f"%{other}" for other, _ in table if other != letter]
        yield Draft(fact, "directive", level, question, statement, f"%{letter}", shuffled(rng, others))
        question, statement = (
            f"What does the strftime directive %{letter} give?",
            f"The strftime directive %{letter} gives {{}}.",
        )
        yield Draft(
            fact, "directed", level, question, statement, meaning, shuffled(rng, [m for o, m in table if o != letter])
        )


def dates(rng: random.Random) -> Iterator[Draft]:
    for _ in range(26):
        day = date(1990, 1, 1) + timedelta(days=rng.randrange(13000))
        day = day.replace(day=rng.randrange(1, 13))
        if day.month == day.day:
            day = day.replace(day=day.day % 12 + 1)
        long = f"{day.day} {MONTHS[day.month - 1]} {day.year}"
        y, m, d = day.isoformat().split("-")
        pool = shuffled(
            rng, [f"{y}-{d}-{m}", f"{d}-{m}-{y}", f"{m}-{d}-{y}", f"{m}-{y}-{d}", f"{d}-{y}-{m}", f"{y}:{m}:{d}"]
        )
        question, statement = f"How is {long} written in ISO 8601?", f"In ISO 8601, {long} is written {{}}."
        yield Draft(f"date {day}", "date", 1, question, statement, day.isoformat(), pool)
    times = [(hour, minute) for hour in range(1, 12) for minute in (5, 10, 15, 20, 30, 40, 45, 50)]
    for hour, minute in rng.sample(times, 20):
        shown = f"{hour}:{minute:02d} p.m."
        question, statement = (
            f"What is {shown} in ISO 8601 (24-hour) time?",
            f"In ISO 8601 (24-hour) time, {shown} is {{}}.",
        )
        wrong = [(hour + step) % 24 for step in (0, 10, 11, 13, 14, 22)]
        pool = tuple(f"{h:02d}:{minute:02d}" for h in wrong)
        yield Draft(f"time {shown}", "time", 1, question, statement, f"{hour + 12:02d}:{minute:02d}", pool)
    amounts = [(a, b) for a in range(1, 13) for b in range(1, 60) if a != b]
    for level, (first, second), (one, two), mark in (
        (2, ("hour", "minute"), "HM", "T"),
        (3, ("year", "month"), "YM", ""),
        (3, ("month", "day"), "MD", ""),
        (3, ("minute", "second"), "MS", "T"),
    ):
        for a, b in rng.sample([pair for pair in amounts if pair[1] < (12 if two == "M" and not mark else 30)], 8):
            shown = f"{a} {first}{'s' * (a > 1)} and {b} {second}{'s' * (b > 1)}"
            other = "" if mark else "T"
            pool = shuffled(
                rng,
                [
                    f"P{other}{a}{one}{b}{two}",
                    f"P{mark}{b}{one}{a}{two}",
                    f"P{a}{one}T{b}{two}",
                    f"{mark}{a}{one}P{b}{two}",
                ],
                [f"P{other}{b}{one}{a}{two}", f"P{a}{one}{b}{two}T", f"D{mark}{a}{one}{b}{two}"],
            )
            question = f"Which ISO 8601 duration is {shown}?"
            statement = f"The ISO 8601 duration of {shown} is {{}}."
            yield Draft(f"duration {shown}", "duration", level, question, statement, f"P{mark}{a}{one}{b}{two}", pool)


def paper(rng: random.Random) -> Iterator[Draft]:
    sizes: dict[str, str] = {}
    for series, (width, height) in (("A", (841, 1189)), ("B", (1000, 1414)), ("C", (917, 1297))):
        for number in range(9 if series != "C" else 7):
            sizes[f"{series}{number}"] = f"{width} x {height} mm"
            width, height = height // 2, width
    for name, size in sizes.items():
        level = 2 if name in ("A4",) else 3 if name in ("A3", "A5", "A0") else 4 if name[0] == "A" else 5
        kin = sorted(
            (n for n in sizes if n != name), key=lambda n: (abs(int(n[1]) - int(name[1])), n[0] != name[0], n)
        )[:9]
        sheet = "envelopes (ISO 269)" if name[0] == "C" else "paper (ISO 216)"
        question, statement = f"What is the size of {name} {sheet}?", f"The size of {name} {sheet} is {{}}."
        yield Draft(
            f"paper {name}", "paper size", level, question, statement, size, shuffled(rng, [sizes[n] for n in kin])
        )
        question, statement = (
            f"Which ISO paper format measures {size}?",
            f"The ISO paper format that measures {size} is {{}}.",
        )
        yield Draft(f"paper {name}", "paper format", level, question, statement, name, shuffled(rng, kin))


def resistors(rng: random.Random) -> Iterator[Draft]:
    colours = words(COLOURS)
    for digit, colour in enumerate(colours):
        level = 3 if colour in ("black", "brown", "white") else 4
        question = f"Which digit does a {colour} ring on a resistor stand for?"
        question = question.replace("a orange", "an orange")
        statement = f"The digit that {colour} stands for on a resistor is {{}}."
        yield Draft(
            f"colour {colour}", "resistor digit", level, question, statement, str(digit), near(rng, digit, 0, 9, (), 5)
        )
        question = f"Which colour of ring stands for the digit {digit} on a resistor?"
        statement = f"The colour that stands for the digit {digit} on a resistor is {{}}."
        pool = shuffled(rng, [other for other in colours if other != colour])
        yield Draft(f"colour {colour}", "resistor colour", level, question, statement, colour, pool)
