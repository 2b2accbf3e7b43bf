"""Wrong answers that people and models really give: a lost carry, the wrong order, a digit off by one."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from fractions import Fraction

OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a ** int(b),
}


def value(expression: str) -> Fraction:
    """The exact value of an expression of whole numbers, + - * / ** and parentheses."""

    def walk(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return OPERATIONS[type(node.op)](walk(node.left), walk(node.right))
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return Fraction(node.value)
        raise ValueError(f"{expression!r}: {ast.dump(node)} is not arithmetic")

    return walk(ast.parse(expression, mode="eval").body)


def digits_off(number: int) -> Iterator[int]:
    """One digit off by one, two neighbours swapped, two digits off: the usual near misses, ever farther away."""
    size = abs(number)
    sign = -1 if number < 0 else 1
    places = [10**k for k in range(len(str(size)))]
    inner = places[1:-1] or places[:1]
    for place in inner:
        yield from (number - place, number + place)
    digits = str(size)
    for i in range(len(digits) - 1):
        swapped = digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :]
        if swapped[0] != "0":
            yield sign * int(swapped)
    for place in (*places[:1], *places[-1:]):
        yield from (number - place, number + place)
    for place in inner:
        yield from (
            number + place - 2 * places[0],
            number - place + 2 * places[0],
            number - 2 * place,
            number + 2 * place,
        )
    yield from (number - 3, number + 3, number - 4, number + 4)


def lost_carries(terms: list[int]) -> Iterator[int]:
    """Sums in which the carry out of one column was forgotten, or counted once too often."""
    total, carry = sum(terms), 0
    for k in range(len(str(max(terms)))):
        column = sum(term // 10**k % 10 for term in terms) + carry
        carry = column // 10
        if carry:
            yield total - carry * 10 ** (k + 1)
            yield total + 10 ** (k + 1)


def lost_borrows(first: int, second: int) -> Iterator[int]:
    """Differences in which a borrow was forgotten, or the smaller digit was taken from the larger in a column."""
    total, borrow, flipped = first - second, 0, 0
    for k in range(len(str(first))):
        column = first // 10**k % 10 - second // 10**k % 10
        flipped += abs(column) * 10**k
        borrow = int(column - borrow < 0)
        if borrow:
            yield total + 10 ** (k + 1)
            yield total - 10 ** (k + 1)
    yield flipped


def wrong_products(a: int, b: int) -> Iterator[int]:
    """A row of the times table too far, a partial product not shifted, a carry lost."""
    product = a * b
    if b > 9:
        yield a * (b // 10) * 10 + a // 10 * 10 * (b % 10)
        yield product - 100 * (a % 10 * (b % 10) // 10) if a > 9 else product - 10
        yield product + 10 * a - a
    yield from (product - 10, product + 10) if a > 9 or b > 9 else (product - 1, product + 2)
    yield from (a * (b - 1), a * (b + 1), (a - 1) * b, (a + 1) * b)
    yield from digits_off(product)


def misread_orders(expression: str) -> Iterator[Fraction]:
    """What comes out strictly from left to right, without the parentheses, with a square as a double or left out.

    A reading is left out where it changes nothing that is written: there are no parentheses, or no square.
    """
    flat = expression.replace("(", "").replace(")", "")
    left, *rest = flat.split()
    for operator, operand in zip(rest[::2], rest[1::2], strict=True):
        left = f"({left}) {operator} {operand}"
    readings = [left]
    readings += [flat] if flat != expression else []
    readings += [expression.replace(" ** 2", wrong) for wrong in (" * 2", "") if " ** 2" in expression]
    for reading in readings:
        try:
            yield value(reading)
        except ZeroDivisionError:
            continue


def wrong_orders(expression: str) -> Iterator[Fraction]:
    """What comes out from left to right, from right to left, without the parentheses, and with a sign turned."""
    flat = expression.replace("(", "").replace(")", "")
    tokens = flat.split()
    rest = tokens[1:]
    left = tokens[0]
    right = tokens[-1]
    for operator, operand in zip(rest[::2], rest[1::2], strict=True):
        left = f"({left}) {operator} {operand}"
    for operand, operator in zip(tokens[-3::-2], tokens[-2::-2], strict=True):
        right = f"{operand} {operator} ({right})"
    sum_first = flat
    for sign in (" + ", " - "):
        parts = sum_first.split(" * ")
        sum_first = " * ".join(f"({part})" if sign in part and "(" not in part else part for part in parts)
    turned = [
        expression.replace(" + ", " - ", 1),
        expression.replace(" - ", " + ", 1),
        expression.replace(" ** 2", " * 2"),
    ]
    for wrong in (left, flat, sum_first, right, *turned):
        try:
            yield value(wrong)
        except ZeroDivisionError:
            continue
