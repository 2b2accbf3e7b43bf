"""The pairs of models by name: equal calibration error in every way that was thought of, and changes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from benchmarks.inference.pairs import Pairing
from benchmarks.inference.populations import Population, solved

WIDE, RIGHT = (1.2, 1.2), (2.0, 0.9)
CALIBRATED = {
    ".62": Population(WIDE),
    ".85": Population((4.0, 1.0)),
    ".95": Population((14.0, 1.0)),
    ".93 near 1": Population((6.0, 0.6)),
    ".98 near 1": Population((20.0, 0.5)),
    ".99": Population((75.0, 1.0)),
}
"""By accuracy, with 4 choices."""
Shape = Literal["over", "under", "sharp", "waves", "even", "top"]


ALONE = Pairing()


@dataclass(frozen=True)
class Case:
    name: str
    before: Population
    after: Population
    pairing: Pairing = ALONE


@cache
def shaped(shape: Shape, ece: float) -> Population:
    """even, top: of equal accuracy, gap and ECE, the one by a shift of all, the other by that of the surest."""
    if shape == "even":
        return solved(RIGHT, "over", ece)
    if shape == "top":
        return solved(RIGHT, "top", ece, above=0.7 if ece < 0.08 else 0.65)
    return solved(WIDE, shape, ece)


def text(ece: float) -> str:
    return f"{ece:.3f}".strip("0").ljust(3, "0") if ece else "0"


def equal_calibrated() -> list[Case]:
    pairs = ((".62", ".62"), (".85", ".62"), (".62", ".85"), (".95", ".62"), (".99", ".93 near 1"))
    return [Case(f"calibrated, accuracy {a} → {b}", CALIBRATED[a], CALIBRATED[b]) for a, b in pairs]


def equal_error(ece: float) -> list[Case]:
    pairs: tuple[tuple[Shape, Shape], ...] = (
        ("over", "over"),
        ("over", "under"),
        ("under", "over"),
        ("even", "top"),
        ("top", "even"),
        ("sharp", "over"),
        ("over", "sharp"),
        ("over", "waves"),
        ("waves", "over"),
    )
    return [Case(f"both {text(ece)}, {a} → {b}", shaped(a, ece), shaped(b, ece)) for a, b in pairs]


def equal_corners() -> list[Case]:
    """Few choices and many, ties, near models, confidences near 1, items that are not independent."""
    over, under, one = shaped("over", 0.05), shaped("under", 0.05), CALIBRATED[".62"]
    near_1 = Population((6.0, 0.6), "certain", 0.5)
    cases = [
        Case(
            f"{k} choices: both .05, under → over",
            solved(WIDE, "under", 0.05, n_choices=k),
            solved(WIDE, "over", 0.05, n_choices=k),
        )
        for k in (2, 10)
    ]
    cases += [
        Case("1 decimal: calibrated before rounding", *2 * (replace(one, rounding="1 decimal"),)),
        Case("2 decimals: both .05 over", *2 * (replace(over, rounding="2 decimals"),)),
        Case("bfloat16: both .05 over", *2 * (replace(over, rounding="bfloat16"),)),
        Case("bfloat16: near 1", *2 * (replace(CALIBRATED[".98 near 1"], rounding="bfloat16"),)),
        Case("near models (.98): calibrated", one, one, Pairing(rho=0.98)),
        Case("near models (.98): both .05 over", over, over, Pairing(rho=0.98)),
        Case("near 1: calibrated .98 → .93", CALIBRATED[".98 near 1"], CALIBRATED[".93 near 1"]),
        Case("near 1: both .03, over", near_1, near_1),
        Case(
            "near 1: both .01, one bin → spread",
            solved((20.0, 0.5), "certain", 0.01),
            solved((6.0, 0.6), "certain", 0.01),
        ),
    ]
    tens, twenties, copies = Pairing(group=10), Pairing(group=20), Pairing(group=2, icc=0.9, own=True, split=True)
    cases += [
        Case("groups of 10: calibrated .85 → .62", CALIBRATED[".85"], one, tens),
        Case("groups of 10: both .05, under → over", under, over, tens),
        Case("groups of 10: both .10, over → over", *2 * (shaped("over", 0.10),), tens),
        Case("groups of 10: both .10, even → top", shaped("even", 0.10), shaped("top", 0.10), tens),
        Case("groups of 10, own part too: calibrated", one, one, Pairing(group=10, own=True)),
        Case("groups of 10, own part too: both .05, under → over", under, over, Pairing(group=10, own=True)),
        Case("groups of 20: calibrated .85 → .62", CALIBRATED[".85"], one, twenties),
        Case("groups of 20: both .05, under → over", under, over, twenties),
        Case("each item twice: calibrated .85 → .62", CALIBRATED[".85"], one, copies),
        Case("each item twice: both .05, under → over", under, over, copies),
    ]
    return cases


def changes() -> list[Case]:
    one = CALIBRATED[".62"]
    shapes: tuple[Shape, ...] = ("over", "sharp", "waves")
    found = [
        Case(f"calibrated → {text(ece)} {shape}", one, shaped(shape, ece))
        for ece in (0.03, 0.05, 0.10)
        for shape in shapes
    ]
    return [
        *found,
        Case(".126 → .03 over", shaped("over", 0.126), shaped("over", 0.03)),
        Case("near 1: calibrated → .03", CALIBRATED[".93 near 1"], solved((6.0, 0.6), "certain", 0.03)),
        Case("groups of 10: calibrated → .10 over", one, shaped("over", 0.10), Pairing(group=10)),
    ]
