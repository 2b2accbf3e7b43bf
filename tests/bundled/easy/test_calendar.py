"""Every item of the bundled task `calendar`, worked out again with Julian day numbers from the text of its question.

Day numbers by the integer formulas of Fliegel and Van Flandern (Communications of the ACM 11, 657, 1968); the builder
uses `datetime`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

PARTS = ("calendar.jsonl", "calendar.train.jsonl")
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
SIZES = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
ORDINARY, LEAP = 2021, 2028
DAY = rf"({'|'.join(DAYS)})"
MONTH = rf"({'|'.join(MONTHS)})"
DATE = rf"(\d+ {MONTH}(?: \d+)?)"


def rows(root: Path, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "tasks" / part).read_text(encoding="utf-8").splitlines()]


def leap(year: int) -> bool:
    return year % 400 == 0 or (year % 4 == 0 and year % 100 != 0)


def julian(year: int, month: int, day: int) -> int:
    """Julian day number of a Gregorian date."""
    shift = -((14 - month) // 12)
    return (
        (1461 * (year + 4800 + shift)) // 4
        + (367 * (month - 2 - 12 * shift)) // 12
        - (3 * ((year + 4900 + shift) // 100)) // 4
        + day
        - 32075
    )


def parse(text: str, year: int = ORDINARY) -> int:
    """Day number of '3 March' or '3 March 2021'."""
    day, month, *rest = text.split()
    return julian(int(rest[0]) if rest else year, MONTHS.index(month) + 1, int(day))


def weekday(number: int) -> str:
    return DAYS[number % 7]


def months_together(names: str, year: int) -> str:
    return str(sum(SIZES[MONTHS.index(n)] + (n == "February" and leap(year)) for n in re.findall(MONTH, names)))


def shifted(text: str, count: int, year: int = ORDINARY) -> str:
    """The date so many days later, found by trying dates."""
    target = parse(text, year) + count
    named = len(text.split()) == 3
    years = range(int(text.split()[2]) - 4, int(text.split()[2]) + 5) if named else (year,)
    for y in years:
        for m, month in enumerate(MONTHS, start=1):
            for d in range(1, SIZES[m - 1] + (m == 2 and leap(y)) + 1):
                if julian(y, m, d) == target:
                    return f"{d} {month} {y}" if named else f"{d} {month}"
    raise AssertionError(text)


def iso_week(number: int, year: int) -> str:
    """The week of the Thursday beside a day; week 1 is the one with the year's first Thursday."""
    thursday = number - number % 7 + 3
    for y in (year - 1, year, year + 1):
        if julian(y, 1, 1) <= thursday < julian(y + 1, 1, 1):
            return str((thursday - julian(y, 1, 1)) // 7 + 1)
    raise AssertionError(number)


def nth(which: str, day: str, month: str, year: int) -> str:
    size = SIZES[MONTHS.index(month)] + (month == "February" and leap(year))
    days = [d for d in range(1, size + 1) if weekday(julian(year, MONTHS.index(month) + 1, d)) == day]
    return f"{days[ORDINALS[which]]} {month}"


def right_answer(question: str) -> str:
    q = question.replace(" in the Gregorian calendar", "").replace(" in the proleptic Gregorian calendar", "")
    signs = {"after": 1, "before": -1}
    if m := re.search(rf"(\d+) days? (after|before) a {DAY}\?", q):
        return DAYS[(DAYS.index(m[3]) + signs[m[2]] * int(m[1])) % 7]
    if m := re.search(rf"(\d+) months? (after|before) {MONTH}\?", q):
        return MONTHS[(MONTHS.index(m[3]) + signs[m[2]] * int(m[1])) % 12]
    if m := re.fullmatch(r"How many days (?:does|do) (.+) have(?: together)?(?: in an? (ordinary|leap) year)?\?", q):
        assert ("February" in m[1]) == (m[2] is not None), "only February needs the kind of year, and always does"
        return months_together(m[1], LEAP if m[2] == "leap" else ORDINARY)
    if m := re.fullmatch(rf"(?:What date is|Which date comes) (\d+) days (after|before) {DATE}\?", q):
        return shifted(m[3], signs[m[2]] * int(m[1]))
    if m := re.fullmatch(rf"How many days after {DATE} is {DATE}\?", q):
        return str(parse(m[3]) - parse(m[1]))
    if m := re.fullmatch(rf"What is the difference in days between {DATE} and {DATE}\?", q):
        return str(parse(m[3]) - parse(m[1]))
    if m := re.fullmatch(r"Which is the (\w+) leap year (after|before) (\d+)\?", q):
        years = [y for k in range(1, 60) if leap(y := int(m[3]) + signs[m[2]] * k)]
        return str(years[0 if m[1] == "last" else ORDINALS[m[1]]])
    if m := re.fullmatch(r"How many leap years are there from (\d+) to (\d+), both included\?", q):
        return str(sum(leap(y) for y in range(int(m[1]), int(m[2]) + 1)))
    if m := re.fullmatch(rf"In a year in which {DATE} is a {DAY}, what day of the week is {DATE}\?", q):
        return DAYS[(DAYS.index(m[3]) + parse(m[4]) - parse(m[1])) % 7]
    if m := re.fullmatch(rf"(?:What day of the week is|On which weekday does) {DATE}(?: fall)?\?", q):
        return weekday(parse(m[1]))
    if m := re.fullmatch(rf"Which day of the year is {DATE}, when 1 January is day 1\?", q):
        return str(parse(m[1]) - julian(int(m[1].split()[2]), 1, 1) + 1)
    if m := re.fullmatch(r"Which date is day (\d+) of the year (\d+), when 1 January is day 1\?", q):
        return " ".join(shifted(f"1 January {m[2]}", int(m[1]) - 1).split()[:2])
    if m := re.fullmatch(rf"Which ISO 8601 week number does {DATE} have\?", q):
        return iso_week(parse(m[1]), int(m[1].split()[2]))
    if m := re.fullmatch(rf"What is the date of the (\w+) {DAY} of {MONTH} (\d+)\?", q):
        return nth(m[1], m[2], m[3], int(m[4]))
    m = re.fullmatch(rf"In a year in which 1 {MONTH} is a {DAY}, what is the date of the (\w+) {DAY} of {MONTH}\?", q)
    assert m is not None, f"no form of question: {question}"
    assert m[1] == m[5]
    found = {nth(m[3], m[4], m[1], y) for y in range(1990, 2050) if weekday(parse(f"1 {m[1]} {y}")) == m[2]}
    assert len(found) == 1, f"depends on the year: {question}"
    return found.pop()


def test_day_numbers_are_those_of_the_almanac() -> None:
    assert julian(2000, 1, 1) == 2451545  # J2000.0 is noon of this day
    assert julian(1858, 11, 17) == 2400001  # day 0 of the modified Julian date
    assert weekday(julian(1969, 7, 20)) == "Sunday"
    assert iso_week(julian(2016, 1, 3), 2016) == "53"
    assert iso_week(julian(2018, 12, 31), 2018) == "1"


@pytest.mark.parametrize("part", PARTS)
def test_the_answer_and_no_other_choice_is_right(root: Path, part: str) -> None:
    for row in rows(root, part):
        right = right_answer(row["question"])
        assert [index for index, choice in enumerate(row["choices"]) if choice == right] == [row["answer"]], row


@pytest.mark.parametrize("part", PARTS)
def test_a_question_without_a_year_does_not_depend_on_it(root: Path, part: str) -> None:
    for row in rows(root, part):
        if row["topic"] in ("date shift", "days between", "weekday from another") and not re.search(
            r"\d{3}", row["question"].replace(" days", "")
        ):
            months = [MONTHS.index(name) for name in re.findall(MONTH, row["question"] + row["choices"][row["answer"]])]
            assert min(months) > 1 or max(months) < 2, row
            assert "29 February" not in row["question"] + row["choices"][row["answer"]], row


@pytest.mark.parametrize("part", PARTS)
def test_every_choice_is_a_day_that_exists(root: Path, part: str) -> None:
    for row in rows(root, part):
        for choice in row["choices"]:
            if re.fullmatch(DATE, choice):
                day, month, *year = choice.split()
                assert 1 <= int(day) <= SIZES[MONTHS.index(month)] + (month == "February"), row
                assert not year or 1800 < int(year[0]) < 2200


@pytest.mark.parametrize("part", PARTS)
def test_old_dates_name_the_calendar(root: Path, part: str) -> None:
    for row in rows(root, part):
        if row["topic"] == "weekday":
            year = int(re.findall(r"\d+", row["question"])[1])
            assert ("proleptic" in row["question"]) == (year < 1583), row
            assert ("Gregorian" in row["question"]) == (year < 1924), row


@pytest.mark.parametrize("part", PARTS)
def test_questions_of_years_when_calendars_differed_name_theirs(root: Path, part: str) -> None:
    for row in rows(root, part):
        years = [int(year) for year in re.findall(r"\b\d{4}\b(?! days)", row["question"])]
        if years and row["topic"] != "ISO week":
            assert ("Gregorian" in row["question"]) == (min(years) < 1924), row


def possible(row: dict[str, Any], choice: str) -> bool:
    """Whether the wording leaves a choice open: the side, month, days or kind of year that the question names."""
    q, topic = row["question"], row["topic"]
    sign = 1 if " after " in q else -1
    if topic == "leap years":
        start = int(re.findall(r"\d{4}", q)[0])
        return int(choice) % 2 == 0 and (int(choice) > start) == (sign > 0)
    if topic == "leap year count":
        first, last = (int(year) for year in re.findall(r"\d{4}", q))
        n_years = last - first + 1
        return abs(int(choice) - n_years / 4) <= 4 + n_years / 80
    if topic == "nth weekday":
        which, day = re.search(r"date of the (\w+)", q)[1], int(choice.split()[0])  # type: ignore[index]
        month = MONTHS.index(choice.split()[1])
        size = SIZES[month] + (month == 1 and any(leap(int(year)) for year in re.findall(r"\d{4}", q)))
        low = size - 7 if which == "last" else 7 * ORDINALS[which]
        return low < day <= low + 7
    if topic == "ISO week":
        month = MONTHS.index(re.search(MONTH, q)[1]) + 1  # type: ignore[index]
        days = [(year, day) for year in range(1970, 2061) for day in (1, 8, 15, 22, SIZES[month - 1])]
        weeks = {iso_week(julian(year, month, day), year) for year, day in days}
        return choice in weeks | {iso_week(julian(year, month, SIZES[month - 1] - 2), year) for year, _ in days}
    if topic == "day of the year":
        month = MONTHS.index(re.search(MONTH, q)[1])  # type: ignore[index]
        return sum(SIZES[:month]) < int(choice) <= sum(SIZES[: month + 1]) + 1 + (month == 1)
    if topic == "days between":
        (_, month, *year), (_, following, *later) = (m[0].split() for m in re.finditer(DATE, q))
        n_months = MONTHS.index(following) - MONTHS.index(month) + 12 * sum(int(y) for y in later)
        n_months -= 12 * sum(int(y) for y in year)
        return 28 * (n_months - 1) < int(choice) < 31 * (n_months + 1) and int(choice) > 0
    if topic == "date shift":
        start = re.search(DATE, q)[0]  # type: ignore[index]
        if len(start.split()) == 3:
            return sign * (parse(choice) - parse(start)) > 0
        return any(0 < sign * (parse(choice, year) - parse(start)) < 60 for year in (2020, 2021, 2022))
    if topic == "month shift" or (topic == "weekday shift" and row["level"] == 1):
        return not re.search(rf"\b{choice}\?", q)
    if topic == "month length" and row["level"] > 1:
        n_months = len(re.findall(MONTH, q))
        return 30 * n_months - 2 <= int(choice) <= 31 * n_months
    return True


@pytest.mark.parametrize("part", PARTS)
def test_the_wording_excludes_no_choice(root: Path, part: str) -> None:
    for row in rows(root, part):
        assert all(possible(row, choice) for choice in row["choices"]), row


@pytest.mark.parametrize("part", PARTS)
def test_no_hasty_way_leads_to_the_answer(root: Path, part: str) -> None:
    """The wrong direction, months of 30 days where some are not, weeks counted as sevenths of the year's days."""
    for row in rows(root, part):
        q, answer = row["question"], row["choices"][row["answer"]]
        if row["topic"] == "month shift":
            assert int(re.search(r"(\d+) month", q)[1]) % 6, row  # type: ignore[index]
        if row["topic"] == "ISO week":
            date = re.search(DATE, q)[0]  # type: ignore[index]
            n_days = parse(date) - julian(int(date.split()[2]), 1, 1) + 1
            assert answer != str(-(-n_days // 7)), row
        if row["topic"] in ("date shift", "days between", "weekday from another", "day of the year"):
            dates = [m[0] for m in re.finditer(DATE, q)]
            if row["topic"] == "date shift":
                dates.append(answer)
            if row["topic"] == "day of the year":
                dates = [dates[0], f"1 January {dates[0].split()[2]}"]
            counts = [
                30 * MONTHS.index(month) + int(day) + 360 * sum(map(int, years))
                for day, month, *years in (text.split() for text in dates)
            ]
            if abs(counts[0] - counts[1]) == abs(parse(dates[0]) - parse(dates[1])):
                low, high = sorted(parse(text) for text in dates)
                first_days = [n for n in range(low, high + 1) if shifted_day(n) == 1 and n > low]
                assert all(shifted_day(n - 1) == 30 for n in first_days), row


def shifted_day(number: int) -> int:
    """The day of the month of a day number."""
    for year in range((number - 1721060) // 366 - 1, (number - 1721060) // 365 + 2):
        for month in range(1, 13):
            day = number - julian(year, month, 1) + 1
            if 1 <= day <= SIZES[month - 1] + (month == 2 and leap(year)):
                return day
    raise AssertionError(number)
