"""Every item of the hard task `computation`, worked out again from the text of its question, by other ways.

The builder multiplies, counts permutations and uses closed forms; here the same comes from SymPy's exact matrices,
factoring and polynomials, from step by step remainders, from the division in the base itself, or from trying an option.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from math import gcd
from pathlib import Path
from typing import Any

import pytest
import sympy
from bundled.hard.answers.computed_far import FORMS as FAR
from sympy.ntheory.continued_fraction import continued_fraction_iterator
from sympy.ntheory.modular import crt

PARTS = ("computation.jsonl", "computation.train.jsonl")
TOPICS = {
    "bases",
    "congruences",
    "decimal places",
    "determinants",
    "factors",
    "fractions",
    "powers",
    "products",
    "remainders",
    "roots",
    "sequences",
    "sums",
}
Right = Callable[[str], bool]
"""Whether a choice is right."""


def rows(root: Path, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "tasks" / "hard" / part).read_text(encoding="utf-8").splitlines()]


def whole(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def same(value: Any) -> Right:
    return lambda choice: choice == str(value)


def expression(text: str) -> Any:
    return sympy.sympify(text.replace("^", "**"), rational=True)


def by_expression(m: re.Match[str]) -> Right:
    return same(expression(m[1]))


def by_digit_sum(m: re.Match[str]) -> Right:
    number, total = expression(m[1]), 0
    while number:
        number, digit = divmod(number, 10)
        total += digit
    return same(total)


def by_polynomial(terms: str, x: str) -> Right:
    return same(sympy.Poly(expression(terms), sympy.Symbol("x")).eval(int(x)))


def by_determinant(m: re.Match[str]) -> Right:
    return same(sympy.Matrix([list(map(int, row.split())) for row in m[1].split(";")]).det())


def by_root(m: re.Match[str], degree: int) -> Right:
    return lambda choice: int(choice) ** degree <= int(m[1]) < (int(choice) + 1) ** degree


def by_power_left(m: re.Match[str]) -> Right:
    base, exponent, modulus = map(int, m.groups())
    left = 1
    for _ in range(exponent):
        left = left * base % modulus
    return same(left)


def by_last_digits(m: re.Match[str]) -> Right:
    n_places = {"three": 3, "four": 4, "five": 5}[m[1]]
    digits = int(m[2]) ** int(m[3]) % 10**n_places
    return lambda choice: len(choice) == n_places and int(choice) == digits


def by_factorial_left(m: re.Match[str]) -> Right:
    assert m[1] == m[2]
    return same(sympy.factorial(int(m[1])) % int(m[3]))


def by_binomial_left(m: re.Match[str]) -> Right:
    """By how often the prime is in the three factorials, and what is left of them without it."""
    top, bottom, named, also, prime = map(int, m.groups())
    assert (top, bottom) == (also, named)

    def apart(n: int) -> tuple[int, int]:
        """The exponent of the prime in n!, and the rest modulo the prime."""
        exponent, rest = 0, 1
        for k in range(1, n + 1):
            while k % prime == 0:
                k, exponent = k // prime, exponent + 1
            rest = rest * k % prime
        return exponent, rest

    (above, a), (below, b), (beside, c) = apart(top), apart(bottom), apart(top - bottom)
    return same(0 if above > below + beside else a * sympy.mod_inverse(b * c, prime) % prime)


def by_congruence(m: re.Match[str]) -> Right:
    factor, left, modulus = int(m["factor"]), int(m["left"]), int(m["modulus"])
    assert gcd(factor, modulus) == 1  # one solution alone
    assert m["below"] is None or int(m["below"]) == modulus - 1
    return lambda choice: 0 < int(choice) < modulus and factor * int(choice) % modulus == left


def by_remainders(m: re.Match[str]) -> Right:
    pairs = re.findall(r"(\d+) when divided by (\d+)", m[1])
    lefts, moduli = [int(left) for left, _ in pairs], [int(modulus) for _, modulus in pairs]
    assert all(map(sympy.isprime, moduli))
    return same(crt(moduli, lefts)[0])


def by_prime(m: re.Match[str]) -> Right:
    return same(sympy.nextprime(int(m[1])))


def by_fraction(m: re.Match[str]) -> Right:
    total = Fraction(0)
    for sign, part in re.findall(r"([+-]?) ?(\d+/\d+)", m[1]):
        total += -Fraction(part) if sign == "-" else Fraction(part)
    return same(total)


def by_continued(m: re.Match[str]) -> Right:
    terms = whole(m[1])

    def right(choice: str) -> bool:
        value = sympy.Rational(choice)
        return str(value) == choice and list(continued_fraction_iterator(value)) == terms

    return right


def by_long_division(m: re.Match[str]) -> Right:
    name, first, last, top, bottom = m["name"], *map(int, (m["first"], m["last"], m["top"], m["bottom"]))
    assert last - first + 1 == {"four": 4, "five": 5}[name]
    digits, rest = "", top
    assert top < bottom
    for _ in range(last):
        digit, rest = divmod(rest * 10, bottom)
        digits += str(digit)
    return same(digits[first - 1 :])


def by_base(m: re.Match[str]) -> Right:
    names = {"hexadecimal": 16, "decimal": 10}
    source, target = (names.get(name) or int(name[5:]) for name in (m["source"], m["target"]))
    return lambda choice: int(choice, target) == int(m["digits"], source) and choice == choice.upper()


def by_recurrence(m: re.Match[str]) -> Right:
    """By a power of the companion matrix."""
    starts = [int(term) for term in re.findall(r"u\(\d\) = (\d+)", m[1])]
    weights = [int(weight) for weight, _ in re.findall(r"(\d+) \* u\(n-(\d)\)", m[2])]
    modulus, wanted, order = int(m[3]), int(m[4]), len(starts)
    assert len(weights) == order
    step = sympy.Matrix([weights, *([int(i == j) for j in range(order)] for i in range(order - 1))])
    return same((step ** (wanted - order) * sympy.Matrix(starts[::-1]))[0] % modulus)


def by_squares(start: str, added: str, modulus: str, times: str) -> Right:
    value = int(start)
    for _ in range(int(times)):
        value = (value**2 + int(added)) % int(modulus)
    return same(value)


def by_halving(start: str, n_steps: str) -> Right:
    value = int(start)
    for _ in range(int(n_steps)):
        half, odd = divmod(value, 2)
        value = value + 2 * value + 1 if odd else half
    return same(value)


LEFT = r"(?:What is the remainder when|Which remainder is left when) "
HALVING = r"an even number is halved, and an odd number is multiplied by 3 and then increased by 1"
SQUARING = r"replaced by the remainder of its square plus (\d+) when divided by (\d+)"
RULE = r"each later u\(n\) is the remainder of (.+) when divided by (\d+)"
FORMS: tuple[tuple[str, Callable[[re.Match[str]], Right]], ...] = (
    (r"What is the value of (.+) for x = (\d+)\?", lambda m: by_polynomial(m[1], m[2])),
    (r"If x = (\d+), what is (.+)\?", lambda m: by_polynomial(m[2], m[1])),
    (r"(?:What is the sum of|What do) the digits of (\d+\^\d+)(?: add up to)?\?", by_digit_sum),
    (
        r"(?:What is|Calculate) the determinant of (?:the matrix )?\[(.+)\](?:, whose rows .+ by semicolons)?[.?]",
        by_determinant,
    ),
    (r"What is the largest whole number whose square is not more than (\d+)\?", lambda m: by_root(m, 2)),
    (r"What is the largest whole number whose cube is not more than (\d+)\?", lambda m: by_root(m, 3)),
    (r"What is the square root of (\d+), rounded down to a whole number\?", lambda m: by_root(m, 2)),
    (r"What is the cube root of (\d+), rounded down to a whole number\?", lambda m: by_root(m, 3)),
    (LEFT + r"(\d+)\^(\d+) is divided by (\d+)\?", by_power_left),
    (r"What are the last (three|four|five) digits of (\d+)\^(\d+)\?", by_last_digits),
    (LEFT + r"(\d+)! \(the product .+ from 1 to (\d+)\) is divided by (\d+)\?", by_factorial_left),
    (LEFT + r"C\((\d+), (\d+)\), .+ to choose (\d+) of (\d+) things, is divided by (\d+)\?", by_binomial_left),
    (
        r"(?:For which whole number x from 1 to (?P<below>\d+) is it true|"
        r"What is the smallest positive whole number x such) that (?P<factor>\d+) \* x leaves the remainder "
        r"(?P<left>\d+) when it is divided by (?P<modulus>\d+)\?",
        by_congruence,
    ),
    (r"What is the smallest positive whole number that leaves the remainders (.+)\?", by_remainders),
    (r"What is the greatest common divisor of (.+)\?", lambda m: same(sympy.igcd(*whole(m[1])))),
    (r"What is the largest whole number that divides both (.+)\?", lambda m: same(sympy.igcd(*whole(m[1])))),
    (r"What is the least common multiple of (.+)\?", lambda m: same(sympy.ilcm(*whole(m[1])))),
    (r"How many of the whole numbers from 1 to (\d+) .+\?", lambda m: same(sympy.totient(int(m[1])))),
    (r"What is the value of Euler's totient function phi\((\d+)\)\?", lambda m: same(sympy.totient(int(m[1])))),
    (r"What is the sum of all positive divisors of (\d+), .+\?", lambda m: same(sum(sympy.divisors(int(m[1]))))),
    (r"What is the smallest prime number greater than (\d+)\?", by_prime),
    (r"Which prime number comes first after (\d+)\?", by_prime),
    (r"What is (.+) in lowest terms\?", by_fraction),
    (r"Calculate (.+) as a fraction in lowest terms\.", by_fraction),
    (r"(?:Which|In lowest terms, which) fraction .+ continued fraction (\[.+\])\?", by_continued),
    (
        r"(?:Counting .+ as place 1, which|Which) (?P<name>\w+) digits stand at decimal places (?P<first>\d+) to "
        r"(?P<last>\d+) of (?P<top>\d+)/(?P<bottom>\d+)(?:, if .+ is place 1)?\?",
        by_long_division,
    ),
    (
        r"(?:How|What) is the (?P<source>base-\d+|decimal|hexadecimal) number (?P<digits>\w+) (?:written )?in "
        r"(?P<target>[\w ]+)\?(?: \(.+\))?",
        by_base,
    ),
    (r"If (u\(1\).+), and " + RULE + r", what is u\((\d+)\)\?", by_recurrence),
    (r"A sequence has (u\(1\).+); " + RULE + r"\. What is u\((\d+)\)\?", by_recurrence),
    (
        r"Start from (\d+)\. In each step the number is " + SQUARING + r"\. Which number is there after (\d+) steps\?",
        lambda m: by_squares(m[1], m[2], m[3], m[4]),
    ),
    (
        r"A number is " + SQUARING + r", and this is done (\d+) times, starting from (\d+)\. What is the result\?",
        lambda m: by_squares(m[4], m[1], m[2], m[3]),
    ),
    (r"In each step, " + HALVING + r"\. .+ after (\d+) steps from (\d+)\?", lambda m: by_halving(m[2], m[1])),
    (r"Start from (\d+)\. In each step, " + HALVING + r"\. .+ after (\d+) steps\?", lambda m: by_halving(m[1], m[2])),
    (r"(?:What is|Calculate|What is the exact value of) ([\d^*+ -]+)[.?]", by_expression),
)


def right(question: str) -> Right:
    for form, judge in (*FAR, *FORMS):
        if match := re.fullmatch(form, question):
            return judge(match)
    raise AssertionError(f"no form of question: {question}")


@pytest.mark.parametrize("part", PARTS)
def test_the_answer_and_no_other_choice_is_right(root: Path, part: str) -> None:
    for row in rows(root, part):
        is_right = right(row["question"])
        assert [index for index, choice in enumerate(row["choices"]) if is_right(choice)] == [row["answer"]], row


@pytest.mark.parametrize("part", PARTS)
def test_statements_name_the_numbers_of_their_questions(root: Path, part: str) -> None:
    for row in rows(root, part):
        asked, stated = (re.findall(r"\b[\dA-F]*\d[\dA-F]*\b", row[key]) for key in ("question", "statement"))
        if row["topic"] == "bases":
            asked = [number for number in asked if number in row["question"].split("(")[0]]
        missing = set(asked) - set(stated)
        assert missing <= {"1", str(max(map(int, stated)) - 1) if row["topic"] == "congruences" else "1"}, row
        assert row["statement"].endswith("."), row
        assert re.search(r"\s\s| [,.?]", row["question"] + row["statement"]) is None, row


@pytest.mark.parametrize("part", PARTS)
def test_choices_are_written_alike(root: Path, part: str) -> None:
    for row in rows(root, part):
        for choice in row["choices"]:
            if row["topic"] == "fractions":
                assert choice == str(Fraction(choice)), row
                assert "/" in choice, row
            elif row["topic"] == "bases":
                assert re.fullmatch(r"[1-9A-F][\dA-F]*", choice), row
            elif row["topic"] == "decimal places" or re.search("(last|which) .{4,5} digits", row["question"]):
                assert re.fullmatch(r"\d{3,5}", choice), row
            else:
                assert re.fullmatch(r"-?[1-9]\d*", choice), row
        if row["topic"] in ("bases", "products", "decimal places"):
            assert len(set(map(len, row["choices"]))) == 1, row


@pytest.mark.parametrize("part", PARTS)
def test_quick_checks_do_not_rule_out_a_choice(root: Path, part: str) -> None:
    """The last digit and casting out nines and elevens, where the question's numbers show what they should give."""
    n_checked = 0
    for row in rows(root, part):
        digits = "digits" in row["question"]
        exact = row["topic"] in ("products", "determinants", "expansions") or (
            row["topic"] in ("powers", "sums") and row["level"] < 9 and not digits
        )
        if exact:
            values = list(map(int, row["choices"]))
            small = row["level"] == 6 and max(map(abs, values)) < 30_000
            moduli = (10,) if small else (9, 10, 11) if row["level"] < 9 else (7, 9, 10, 11, 13, 17, 19, 23, 29)
            assert all(len({value % modulus for value in values}) == 1 for modulus in moduli), row
            n_checked += 1
        if row["topic"] in ("powers", "sums") and digits and "which" not in row["question"]:
            assert len({int(choice) % 9 for choice in row["choices"]}) == 1, row
    assert n_checked >= 40


def test_every_level_has_many_topics(root: Path) -> None:
    counts = Counter((row["level"], row["topic"]) for part in PARTS for row in rows(root, part))
    assert {level for level, _ in counts} == {6, 7, 8, 9, 10}
    for level in (6, 7, 8, 9, 10):
        topics = {topic: n for (own, topic), n in counts.items() if own == level}
        assert (set(topics) == TOPICS) if level < 9 else (len(topics) >= 11), topics
        assert min(topics.values()) >= 7, topics
        assert max(topics.values()) <= sum(topics.values()) / 5, topics
