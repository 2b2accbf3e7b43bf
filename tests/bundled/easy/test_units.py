"""Every item of the bundled task `units`, worked out again with the constants of SciPy; the builder's are pint's."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import scipy.constants as si

PARTS = ("units.jsonl", "units.train.jsonl")

SIZES: dict[str, float] = {
    "millimetre": si.milli,
    "centimetre": si.centi,
    "metre": 1,
    "kilometre": si.kilo,
    "inch": si.inch,
    "foot": si.foot,
    "yard": si.yard,
    "mile": si.mile,
    "nautical mile": si.nautical_mile,
    "milligram": 1e-6,
    "gram": si.gram,
    "kilogram": 1,
    "metric ton (tonne)": si.metric_ton,
    "ounce": si.oz,
    "avoirdupois ounce": si.oz,
    "pound": si.pound,
    "stone": si.stone,
    "troy ounce": si.troy_ounce,
    "millilitre": si.liter / 1000,
    "centilitre": si.liter / 100,
    "litre": si.liter,
    "cubic metre": 1,
    "cubic foot": si.foot**3,
    "US gallon": si.gallon_US,
    "US quart": si.gallon_US / 4,
    "US pint": si.gallon_US / 8,
    "US fluid ounce": si.fluid_ounce_US,
    "imperial gallon": si.gallon_imp,
    "imperial pint": si.gallon_imp / 8,
    "square millimetre": si.milli**2,
    "square centimetre": si.centi**2,
    "square metre": 1,
    "hectare": si.hectare,
    "square kilometre": si.kilo**2,
    "square inch": si.inch**2,
    "square foot": si.foot**2,
    "square yard": si.yard**2,
    "square mile": si.mile**2,
    "millisecond": si.milli,
    "second": 1,
    "minute": si.minute,
    "hour": si.hour,
    "day": si.day,
    "week": si.week,
    "month": 1 / 12,
    "year": 1,
    "metre per second": 1,
    "metre per minute": 1 / si.minute,
    "kilometre per hour": si.kmh,
    "mile per hour": si.mph,
    "foot per second": si.foot,
    "knot": si.knot,
    "bit": 1,
    "byte": 8,
    "SI kilobyte (kB)": 8 * si.kilo,
    "SI megabyte (MB)": 8 * si.mega,
    "SI gigabyte (GB)": 8 * si.giga,
    "SI terabyte (TB)": 8 * si.tera,
    "SI megabit (Mbit)": si.mega,
    "SI gigabit (Gbit)": si.giga,
    "kibibyte (KiB)": 8 * si.kibi,
    "mebibyte (MiB)": 8 * si.mebi,
    "gibibyte (GiB)": 8 * si.gibi,
    "full turn": 2 * math.pi,
    "degree": si.degree,
    "arcminute": si.arcmin,
    "arcsecond": si.arcsec,
}
TEMPERATURES = {"degree Celsius": "Celsius", "degree Fahrenheit": "Fahrenheit", "kelvin": "Kelvin"}
PLACES = {None: None, "the nearest whole number": 0, "one decimal place": 1}


def rows(root: Path, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "tasks" / part).read_text(encoding="utf-8").splitlines()]


def singular(name: str) -> str:
    """feet -> foot, metres per second -> metre per second, metric tons (tonnes) -> metric ton (tonne)."""
    if name in SIZES or name in TEMPERATURES:
        return name
    name = name.replace("feet", "foot").replace("inches", "inch")
    return re.sub(r"s(?= per |\)| \(| Celsius| Fahrenheit|(?<!Celsius)$)", "", name)


def parts(text: str) -> list[tuple[float, str]]:
    """'5 feet and 7 inches' -> [(5, 'foot'), (7, 'inch')]."""
    found = [re.fullmatch(r"(-?[\d.]+) (.+)", part) for part in re.split(r", | and ", text)]
    return [(float(match[1]), singular(match[2])) for match in found if match is not None]


def right_value(question: str) -> tuple[float, int | None]:
    """The value asked for, and the decimals to round to."""
    rounding = r"(?: to (the nearest whole number|one decimal place))?\?"
    if m := re.fullmatch(rf"How many (.+?) (?:are|is)(?: there in)? (-?\d.*?){rounding}", question):
        target, text, places = m.groups()
    else:
        m = re.fullmatch(rf"What is (.+) in (.+?){rounding}", question)
        assert m is not None, f"no form of question: {question}"
        text, target, places = m.groups()
    target = singular(target)
    if target in TEMPERATURES:
        ((value, source),) = parts(text)
        return float(si.convert_temperature(value, TEMPERATURES[source], TEMPERATURES[target])), PLACES[places]
    return sum(value * SIZES[source] for value, source in parts(text)) / SIZES[target], PLACES[places]


@pytest.mark.parametrize("part", PARTS)
def test_the_answer_and_no_other_choice_is_right(root: Path, part: str) -> None:
    for row in rows(root, part):
        right, places = right_value(row["question"])
        if places is None:
            fits = [math.isclose(float(choice), right, rel_tol=1e-9) for choice in row["choices"]]
        else:
            distance = abs(right * 10**places % 1 - 0.5)
            assert distance > 0.01, f"a tie, or nearly: {row}"
            fits = [float(choice) == round(right, places) for choice in row["choices"]]
        assert [index for index, fit in enumerate(fits) if fit] == [row["answer"]], (right, row)


@pytest.mark.parametrize("part", PARTS)
def test_rounded_choices_have_the_decimals_asked_for_and_exact_ones_no_zeros(root: Path, part: str) -> None:
    for row in rows(root, part):
        _, places = right_value(row["question"])
        form = {None: r"-?\d+(\.\d*[1-9])?", 0: r"-?\d+", 1: r"-?\d+\.\d"}[places]
        assert all(re.fullmatch(form, choice) for choice in row["choices"]), row


@pytest.mark.parametrize("part", PARTS)
def test_a_name_with_several_meanings_says_which(root: Path, part: str) -> None:
    """Gallons and pints by country, ounces by kind, byte prefixes by standard."""
    for row in rows(root, part):
        text = row["question"]
        for word in ("gallon", "pint", "quart"):
            assert not re.search(rf"(?<!US )(?<!imperial )\b{word}", text), row
        plain_ounce = re.search(r"(?<!troy )(?<!fluid )(?<!avoirdupois )\bounce", text)
        assert not plain_ounce or "pound" in text, row  # sixteen ounces are a pound only where both are avoirdupois
        assert not re.search(r"(?<!SI )\b(kilo|mega|giga|tera)(byte|bit)", text), row


@pytest.mark.parametrize("part", PARTS)
def test_no_hasty_way_leads_to_the_answer(root: Path, part: str) -> None:
    """The other direction, and for degrees the rules of thumb: doubled and 30, 32 added alone, or nothing moved."""
    for row in rows(root, part):
        m = re.fullmatch(
            r"(?:How many (.+?) (?:are|is)(?: there in)? (-?\S+) (.+?)|What is (-?\S+) (.+?) in (.+?))",
            PLAIN.sub("", row["question"]),
        )
        if m is None or "mixed" in row["topic"]:
            continue
        value = float(m[2] or m[4])
        source, target = singular(m[3] or m[5]), singular(m[1] or m[6])
        answer, (_, places) = float(row["choices"][row["answer"]]), right_value(row["question"])
        if source in TEMPERATURES:
            wrong = {
                ("degree Celsius", "degree Fahrenheit"): [2 * value + 30, value + 32, 1.8 * value, 1.8 * (value + 32)],
                ("degree Fahrenheit", "degree Celsius"): [(value - 30) / 2, value - 32, value / 1.8],
            }.get((source, target), [])
        else:
            wrong = [value * SIZES[target] / SIZES[source], value]
        assert not [end for end in wrong if math.isclose(end if places is None else round(end, places), answer)], row


PLAIN = re.compile(r"(?: to (?:the nearest whole number|one decimal place))?\?")
