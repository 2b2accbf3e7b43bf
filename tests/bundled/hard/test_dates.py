"""Every item of the bundled task `dates`, worked out again from the text of its question by `dates_solved`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from bundled.hard.answers.dates.clocks_shown import DATE
from bundled.hard.answers.dates.dates_long import calendar_days, hebrew_new_year, month_days, phase
from bundled.hard.answers.dates.dates_solved import solved
from bundled.hard.answers.dates.day_numbers import gregorian, julian, number, orthodox, western
from bundled.hard.answers.dates.old_dates import haab, long_count, roman, tzolkin

PARTS = ("dates.jsonl", "dates.train.jsonl")


def rows(root: Path, part: str) -> list[dict[str, Any]]:
    text = (root / "tasks" / "hard" / part).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_ways_of_counting_are_those_of_the_almanac() -> None:
    assert gregorian(2000, 1, 1) == 2451545
    assert gregorian(1582, 10, 15) == julian(1582, 10, 4) + 1 == 2299161
    assert number("1 Tishri 5785") == gregorian(2024, 10, 3)
    assert number("1 Muharram 1") == julian(622, 7, 16)
    assert number("1 Meskerem 2000") == gregorian(2007, 9, 12)
    assert number("1 Thout 1716") == gregorian(1999, 9, 12)
    assert number("18 Brumaire Year VIII") == gregorian(1799, 11, 9)
    assert number("9 Thermidor Year II") == gregorian(1794, 7, 27)
    assert number("1 Chaitra 1879") == gregorian(1957, 3, 22)
    assert (western(1954), western(2008)) == (gregorian(1954, 4, 18), gregorian(2008, 3, 23))
    assert orthodox(2024) == gregorian(2024, 5, 5)
    assert long_count("13.0.0.0.0") + 584283 == gregorian(2012, 12, 21)
    assert (tzolkin(1872000), haab(1872000)) == ("4 Ahau", "3 Kankin")
    assert all(hebrew_new_year(year) == number(f"1 Tishri {year}") for year in range(5350, 9700, 7))
    assert abs(phase("new", -283) - 2443192.65118) < 0.01, "18 February 1977, 3:37 (Meeus, example 49.a)"
    assert abs(phase("last", 544.75) - 2467636.49186) < 0.01, "21 January 2044, 23:48 (Meeus, example 49.b)"
    at = gregorian(2024, 10, 3) - gregorian(1700, 1, 1)
    assert [column[at] for column in calendar_days()] == [2024, 10, 3]
    assert [month_days(name)[at] for name in ("Gregorian", "Julian", "Hebrew", "Islamic")] == [3, 20, 1, 29]
    assert roman("Idibus Martiis") == (3, 15)
    assert roman("ante diem XIX Kalendas Ianuarias") == (12, 14)


@pytest.mark.parametrize("part", PARTS)
def test_the_answer_and_no_other_choice_is_right(root: Path, part: str) -> None:
    for row in rows(root, part):
        right, read = solved(row["question"])
        values = [read(choice) for choice in row["choices"]]
        assert [value == right for value in values] == [index == row["answer"] for index in range(4)], row
        assert len(set(values)) == 4, row


@pytest.mark.parametrize("part", PARTS)
def test_wording(root: Path, part: str) -> None:
    for row in rows(root, part):
        q, statement = row["question"], row["statement"]
        assert len(q) + sum(map(len, row["choices"])) < 1600, row
        assert q[0].isupper() or q.startswith("1 Tishri"), row
        assert q.endswith("?"), row
        assert statement[0].isupper() or statement[0].isdigit(), row
        assert statement.endswith("."), row
        assert set(re.findall(r"\d+", statement)) <= set(re.findall(r"\d+", q)), row
        assert ("Islamic" in q) == ("of each 30-year cycle" in q), row
        if "proleptic" in q:
            dates = [*re.findall(DATE, q), *(c for c in row["choices"] if re.fullmatch(DATE, c))]
            assert min(int(date.split()[-1]) for date in dates) < 1583, row


@pytest.mark.parametrize("part", PARTS)
def test_the_kind_of_day_excludes_no_choice(root: Path, part: str) -> None:
    """Choices are days of the kind that is asked for: Sundays of the season, working days, days of a holiday's."""
    for row in rows(root, part):
        q, numbers = row["question"], []
        if re.search(r"(?:in the Western churches\?|of Orthodox Easter|Which date is \d+ working)", q):
            numbers = [number(choice) for choice in row["choices"]]
        if "working days after" in q:
            assert all(n % 7 < 5 for n in numbers), row
        elif numbers:
            assert len({n % 7 for n in numbers}) == 1, row
            assert max(numbers) - min(numbers) < 35, row
        if "year after" in q:
            start = int(re.search(r"after (\d+)", q)[1])  # type: ignore[index]
            assert all(int(choice) > start for choice in row["choices"]), row
