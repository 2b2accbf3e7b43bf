"""The series of numbers that a model is driven by: r becomes ar + c modulo a prime."""

from __future__ import annotations

import random
from dataclasses import dataclass

LONGEST = 10000
"""No series comes round within as many steps, and no model takes more."""


@dataclass(frozen=True)
class Series:
    factor: int
    step: int
    modulus: int
    start: int

    @classmethod
    def drawn(cls, rng: random.Random) -> Series:
        while True:
            modulus = rng.choice((20011, 30011, 40009, 65537, 99991))
            factor, step, start = rng.randint(300, 4000), rng.randint(100, 4000), rng.randint(10, 5000)
            power, period = factor, 1
            while power != 1 and period <= LONGEST:
                power, period = power * factor % modulus, period + 1
            if period > LONGEST and (start * (factor - 1) + step) % modulus:
                return cls(factor, step, modulus, start)

    def numbers(self, count: int) -> list[int]:
        r, found = self.start, []
        for _ in range(count):
            r = (self.factor * r + self.step) % self.modulus
            found.append(r)
        return found

    @property
    def start_text(self) -> str:
        return f"A number r starts at {self.start}"

    @property
    def text(self) -> str:
        return f"r becomes {self.factor}r + {self.step} modulo {self.modulus}"
