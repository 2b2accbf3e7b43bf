"""Terms far down a sequence that each term must be worked out for."""

from __future__ import annotations

import random
from collections.abc import Sequence

from build.hard.computation.exercise import Exercise, residues, worded
from build.hard.computation.factors import primes_between


def _terms(first: Sequence[int], weights: Sequence[int], modulus: int, wanted: int, slip_at: int = 0) -> int:
    """A term of a linear recurrence; slip_at: the term that comes out one too large."""
    terms = list(first)
    while len(terms) < wanted:
        recent = terms[: -len(weights) - 1 : -1]
        value = sum(weight * term for weight, term in zip(weights, recent, strict=True)) % modulus
        terms.append(value + (len(terms) + 1 == slip_at))
    return terms[wanted - 1]


def linear(rng: random.Random, level: int) -> Exercise:
    order, low, high, least, most = {
        6: (2, 31, 97, 9, 11),
        7: (2, 53, 97, 13, 17),
        8: (2, 211, 997, 15, 19),
        9: (2, 1009, 4999, 20, 25),
        10: (3, 10_007, 99_991, 34, 48),
    }[level]
    modulus, wanted = rng.choice(primes_between(low, high)), rng.randrange(least, most)
    weights = [rng.randrange(2, 10 if level < 9 else 40) for _ in range(order)]
    first = [rng.randrange(1, min(modulus, 60)) for _ in range(order)]
    answer = _terms(first, weights, modulus, wanted)
    if not 12 < answer < modulus - 12:
        return linear(rng, level)
    slips = [_terms(first, weights, modulus, wanted + move) for move in (1, -1)]
    slips.append(_terms(first, weights[::-1], modulus, wanted))
    slips += [_terms(first, weights, modulus, wanted, at) for at in rng.sample(range(order + 2, wanted - 1), 3)]
    pool = residues(rng, answer, slips, lambda n: 1 < n < modulus)
    rule = " + ".join(f"{weight} * u(n-{back})" for back, weight in enumerate(weights, 1))
    starts = [f"u({index}) = {term}" for index, term in enumerate(first, 1)]
    start = f"{', '.join(starts[:-1])} and {starts[-1]}"
    rule = f"each later u(n) is the remainder of {rule} when divided by {modulus}"
    question = worded(
        rng,
        (f"If {start}, and {rule}, what is u({wanted})?", f"A sequence has {start}; {rule}. What is u({wanted})?"),
        "",
    )
    statement = f"If {start}, and {rule}, then u({wanted}) is {{}}."
    return Exercise(f"{start}, {rule}: {wanted}", question, statement, str(answer), tuple(map(str, pool)))


def squared(rng: random.Random, level: int) -> Exercise:
    """x becomes x^2 + c modulo a number."""
    low, high, n_steps = {
        6: (53, 97, 6),
        7: (101, 499, 7),
        8: (503, 997, 9),
        9: (1009, 9973, 10),
        10: (10007, 99991, 18),
    }[level]
    modulus, added = rng.choice(primes_between(low, high)), rng.randrange(3, 30)
    start = rng.randrange(11, 49)

    def after(steps: int, slip_at: int = 0) -> int:
        value = start
        for step in range(1, steps + 1):
            value = (value * value + added) % modulus + (step == slip_at)
        return value

    answer = after(n_steps)
    slips = [after(n_steps + 1), after(n_steps - 1), *(after(n_steps, at) for at in range(2, n_steps)), answer - added]
    if not 12 < answer < modulus - 12 or len({after(step) for step in range(n_steps + 1)}) <= n_steps:
        return squared(rng, level)
    pool = residues(rng, answer, slips, lambda n: 1 < n < modulus)
    rule = f"replaced by the remainder of its square plus {added} when divided by {modulus}"
    question = worded(
        rng,
        (
            f"Start from {start}. In each step the number is {rule}. Which number is there after {n_steps} steps?",
            f"A number is {rule}, and this is done {n_steps} times, starting from {start}. What is the result?",
        ),
        "",
    )
    statement = f"If a number is {rule}, and this is done {n_steps} times, starting from {start}, the result is {{}}."
    return Exercise(f"{start}, {rule}, {n_steps}", question, statement, str(answer), tuple(map(str, pool)))


def halved_or_tripled(rng: random.Random, level: int) -> Exercise:
    """Collatz: no term after the first odd one is divisible by three, so no option is."""
    low, high, n_steps = {
        6: (120, 990, 13),
        7: (1200, 9900, 18),
        8: (12_000, 99_000, 24),
        9: (120_000, 990_000, 32),
        10: (10**9, 10**10, 75),
    }[level]
    start = rng.randrange(low, high)

    def after(steps: int, slip_at: int = 0) -> int:
        value = start
        for step in range(1, steps + 1):
            value = value // 2 if value % 2 == 0 else 3 * value + 1
            if step == slip_at:
                value += 2
        return value

    answer = after(n_steps)
    n_odd = sum(after(step) % 2 for step in range(n_steps))
    slips = [after(n_steps, at) for at in range(2, n_steps, 2)] + [after(n_steps + 1), after(n_steps - 1)]
    if answer < low // 40 or answer < 60 or n_odd < n_steps // 4 or answer % 3 == 0:
        return halved_or_tripled(rng, level)
    pool = residues(rng, answer, slips, lambda n: n % 3 > 0 and answer / 5 < n < 5 * answer, 6 if level < 9 else 12)
    if len(pool) < 7:
        return halved_or_tripled(rng, level)
    rule = "an even number is halved, and an odd number is multiplied by 3 and then increased by 1"
    question = worded(
        rng,
        (
            f"In each step, {rule}. Which number is there after {n_steps} steps from {start}?",
            f"Start from {start}. In each step, {rule}. Which number is there after {n_steps} steps?",
        ),
        "",
    )
    statement = f"If in each step {rule}, then {n_steps} steps from {start} the number is {{}}."
    return Exercise(f"{start}, {n_steps} steps of halving", question, statement, str(answer), tuple(map(str, pool)))
