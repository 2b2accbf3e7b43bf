"""Numbers as every page, file for people and `repr` shows them."""

from __future__ import annotations

MINUS = "−"
NOTHING = "–"


def number(value: float | None, digits: int = 3) -> str:
    """`.138`, `1.720`, `−.050`: no zero before the point. None is an en dash."""
    if value is None:
        return NOTHING
    text = f"{abs(value):.{digits}f}"
    if text.startswith("0."):
        text = text[1:]
    return MINUS + text if value < 0 and text.strip(".0") else text


def signed(value: float | None, digits: int = 3) -> str:
    """As `number`, with a plus before what is above zero after rounding."""
    text = number(value, digits)
    return text if value is None or value <= 0 or not text.strip(".0") else f"+{text}"


def bounds(low: float | None, high: float | None, digits: int = 3) -> str:
    """`[.098, .131]`; empty where there is no interval."""
    return "" if low is None or high is None else f"[{number(low, digits)}, {number(high, digits)}]"


def p_text(p_value: float | None) -> str:
    """`p < .001`, `p = .032`; never p = 0."""
    if p_value is None:
        return "no test"
    return "p < .001" if p_value < 0.001 else f"p = {number(p_value, 3)}"
