"""Small turns of English that several tasks share."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_MONTHS = "January February March April May June July August September October November December"
MONTHS = _MONTHS.split()


def listed(items: Sequence[str], last: str = "and") -> str:
    """'a', 'a and b', 'a, b and c'; another word than "and" may come before the last."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def article(noun: str) -> str:
    """The noun after 'a' or 'an', by its first letter."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plain(value: Fraction) -> str:
    """A value that ends in base ten, without trailing zeros. Raises ValueError if it does not end within six places."""
    scaled = value * 10**6
    if scaled.denominator > 1:
        raise ValueError(f"{value} has no end in base ten")
    text = f"{Decimal(int(scaled)).scaleb(-6):f}"
    return text.rstrip("0").rstrip(".")
