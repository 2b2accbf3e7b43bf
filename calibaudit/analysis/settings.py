"""How findings are made of scores: bins, level, seed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from calibaudit.errors import CalibauditError


@dataclass(frozen=True)
class Settings:
    """How the numbers are made. level: of every interval; 1 - level is the threshold of every test. seed: of the
    draws behind `ece_floor`, the one number that is simulated.

    Raises CalibauditError on a value outside its range.
    """

    n_bins: int = 15
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("n_bins", 1), ("seed", 0)):
            value = getattr(self, name)
            if value < least:
                raise CalibauditError(f"{name} is {value}; it must be at least {least}")
        if not 0 < self.level < 1:
            raise CalibauditError(f"level is {self.level}; it must lie between 0 and 1, such as 0.95")

    @property
    def alpha(self) -> float:
        return round(1 - self.level, 12)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)
