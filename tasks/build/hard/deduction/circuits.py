"""Circuits of gates: what they give for one input, and for how many inputs the last gate gives 1."""

from __future__ import annotations

import random
from collections.abc import Callable

from build.hard.deduction.parts.slips import spread
from build.hard.deduction.parts.telling import COUNTS, asked
from build.making import Question
from build.wording import listed

Gate = tuple[str, int, int]

GATES: dict[str, Callable[[int, int, int], int]] = {
    "AND": lambda a, b, every: a & b,
    "OR": lambda a, b, every: a | b,
    "XOR": lambda a, b, every: a ^ b,
    "NAND": lambda a, b, every: every ^ (a & b),
    "NOR": lambda a, b, every: every ^ (a | b),
}
"""On bits in parallel: bit i is what the gate gives in case i."""

CONFUSED = {"AND": "OR", "OR": "XOR", "XOR": "OR", "NAND": "NOR", "NOR": "NAND"}


def run(inputs: list[int], gates: list[Gate], every: int, mistaken: dict[int, str] | None = None) -> list[int]:
    """What all wires carry, the inputs first. mistaken: gates taken for others, by number."""
    wires = list(inputs)
    for number, (name, a, b) in enumerate(gates):
        taken = (mistaken or {}).get(number, name)
        value = GATES[taken.removeprefix("!")](wires[a], wires[b], every)
        wires.append(every ^ value if taken.startswith("!") else value)
    return wires


def _drawn(rng: random.Random, n_inputs: int, n_gates: int) -> list[Gate]:
    """Gates that take what was used least, so that all that comes before counts."""
    used = [0] * (n_inputs + n_gates)
    gates: list[Gate] = []
    for number in range(n_gates):
        wires = sorted(range(n_inputs + number), key=lambda w: (used[w], rng.random()))[: 4 + n_gates // 8]
        a, b = rng.sample(wires, 2)
        used[a] += 1
        used[b] += 1
        gates.append((rng.choice(sorted(GATES)), a, b))
    return gates


FIXED = {5: 8, 6: 14, 7: 20, 8: 32, 9: 44, 10: 56}
OPEN = {5: (3, 3), 6: (3, 4), 7: (4, 5), 8: (4, 7), 9: (5, 8), 10: (6, 10)}
"""By size: how many gates run on one input; how many inputs and gates are tried in all cases."""

NOTE = (
    "A gate gives 1 or 0: AND gives 1 exactly when both its inputs are 1, OR when at least one is 1, XOR when they "
    "differ, NAND when not both are 1, and NOR when both are 0"
)


def circuits(rng: random.Random, level: int) -> Question | None:
    """One input or all."""
    return _counted(rng, level) if rng.random() < 0.5 else _traced(rng, level)


def _listing(gates: list[Gate], names: list[str]) -> str:
    return ", ".join(f"{names[-len(gates) + i]} = {names[a]} {op} {names[b]}" for i, (op, a, b) in enumerate(gates))


def _traced(rng: random.Random, level: int) -> Question | None:
    n_inputs, n_gates = 5, FIXED[level]
    inputs = [rng.randrange(2) for _ in range(n_inputs)]
    gates = _drawn(rng, n_inputs, n_gates)
    names = [*"abcde", *(f"g{i + 1}" for i in range(n_gates))]
    right = run(inputs, gates, 1)[n_inputs:]
    n_right = sum(right)
    if not 0.3 < n_right / n_gates < 0.7 or not 0 < sum(inputs) < n_inputs:
        return None
    if abs(2 * n_right - n_gates) <= n_gates // 8 and rng.random() < 0.7:
        return None  # most circuits give about as many 1 as 0, and so would most answers
    spots = rng.sample(range(n_gates), min(n_gates, 10))
    slips = [sum(run(inputs, gates, 1, {s: "!" + gates[s][0]})[n_inputs:]) for s in spots]
    slips += [
        sum(run(inputs, gates, 1, {i: CONFUSED[op] for i, (op, *_) in enumerate(gates) if op == name})[n_inputs:])
        for name in sorted(GATES)
    ]
    slips += [n_gates - n_right]
    set_to = listed([f"{name} = {value}" for name, value in zip("abcde", inputs, strict=True)])
    told = [f"A circuit has the inputs {set_to}", NOTE, f"Its gates are {_listing(gates, names)}"]
    return asked(
        "circuits",
        level,
        told,
        f"How many of the {n_gates} gates give 1?",
        f"the number of the {n_gates} gates that give 1 is {{}}",
        n_right,
        spread(rng, n_right, slips, high=n_gates),
    )


def _counted(rng: random.Random, level: int) -> Question | None:
    n_inputs, n_gates = OPEN[level]
    n_cases = 1 << n_inputs
    every = (1 << n_cases) - 1
    inputs = [sum(1 << case for case in range(n_cases) if case >> k & 1) for k in range(n_inputs)]
    gates = _drawn(rng, n_inputs, n_gates)
    names = [*"abcdef"[:n_inputs], *(f"g{i + 1}" for i in range(n_gates))]
    ends = run(inputs, gates, every)
    used = {wire for _, a, b in gates for wire in (a, b)}
    if used != set(range(n_inputs + n_gates - 1)):
        return None
    n_right = ends[-1].bit_count()
    if not 0.2 < n_right / n_cases < 0.8 or len(set(ends)) < len(ends) or n_right == n_cases // 2:
        return None
    slips = [run(inputs, gates, every, {i: CONFUSED[op]})[-1].bit_count() for i, (op, *_) in enumerate(gates)]
    slips += [run(inputs, gates, every, {i: "!" + op})[-1].bit_count() for i, (op, *_) in enumerate(gates)]
    slips += [n_right + d for d in (1, -1, 2, -2)]
    told = [
        f"A circuit has {COUNTS[n_inputs]} inputs, {listed(names[:n_inputs])}, each of which can be 0 or 1",
        NOTE,
        f"Its gates are {_listing(gates, names)}",
    ]
    ask = f"For how many of the {n_cases} combinations of inputs does {names[-1]} give 1?"
    said = f"the number of the {n_cases} combinations of inputs for which {names[-1]} gives 1 is {{}}"
    return asked("circuits", level, told, ask, said, n_right, spread(rng, n_right, slips, high=n_cases - 1))
