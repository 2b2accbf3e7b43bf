"""How findings are made of scores: bins, level, seed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from calibaudit.errors import CalibauditError, told


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
        as_plain(self, "n_bins", "seed", "level")
        for name, least in (("n_bins", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise CalibauditError(f"{name} is {value!r:.60}; it must be a whole number of at least {least}")
            if value < least:
                raise CalibauditError(f"{name} is {value}; it must be at least {least}")
        if isinstance(self.level, bool) or not isinstance(self.level, int | float) or not 0 < self.level < 1:
            raise CalibauditError(f"level is {self.level!r:.60}; it must lie between 0 and 1, such as 0.95")

    @property
    def alpha(self) -> float:
        """The threshold of every test: 1 - level."""
        return round(1 - self.level, 12)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)


def as_plain(owner: object, *names: str) -> None:
    """Put Python's numbers in the place of NumPy's in these fields of a frozen dataclass."""
    for name in names:
        object.__setattr__(owner, name, plain_number(getattr(owner, name)))


def plain_number(value: Any) -> Any:
    """A NumPy number as Python's; anything else as it is.

    A float32 becomes the number that it is written as: 0.03, not 0.029999999329447746.
    """
    if isinstance(value, bool | int) or not hasattr(value, "dtype"):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(str(value)) if isinstance(value, Real) else value


def checked_settings(settings: object, what: str = "settings") -> Settings:
    """The settings; the defaults for None. what: the argument's name. Raises CalibauditError for anything else."""
    if settings is None:
        return Settings()
    if not isinstance(settings, Settings):
        n_bins = settings if isinstance(settings, int) and settings > 1 else 15
        raise CalibauditError(f"{what} is {told(settings)}; give calibaudit.Settings(n_bins={n_bins})")
    return settings
