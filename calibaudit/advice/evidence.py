"""How factors found by each method did in the study (docs/studies.md): its numbers, and the sentences that quote them.

The numbers stand here alone; tests/test_studies.py holds them against the study's own files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Study:
    """n_cells: a base and a recipe, each with its own seed. n_settings: of them with different seeds counted once.

    n_parameters: of the smallest and the largest model. below: with a fixed factor of .7 towards base, in so many of
    n_one_stage cells, those without a stage of preferences, less than .95 of what tuning added was kept.
    """

    n_cells: int
    n_settings: int
    n_parameters: tuple[int, int]
    below: int
    n_one_stage: int


STUDY = Study(n_cells=60, n_settings=20, n_parameters=(291_264, 902_016), below=12, n_one_stage=51)
REGRETS: Mapping[str, float] = MappingProxyType(
    {
        "stack, tried": 0.020,
        "pilot": 0.019,
        "0.5, tried": 0.016,
        "temperature": 0.012,
        "merge, temperature": 0.007,
        "uniform 0.1": 0.052,
        "hard labels": 0.073,
    }
)
"""By a method's name in the study: how far its ECE ended above the least there was, the mean over the cells."""

_OWN = {"stack": "stack, tried", "pilot": "pilot"}


def evidence_for(method: str) -> str | None:
    """How factors found by this method did; None for a method that the study does not hold."""
    own = _OWN.get(method)
    if own is None:
        return None
    tried = ", halved until .95 of what tuning added was kept," if method == "stack" else ""
    return (
        f"in {STUDY.n_cells} toy cells with known answers ({STUDY.n_settings} settings, "
        f"{_few(STUDY.n_cells / STUDY.n_settings)} seeds each; models of {_millions(STUDY.n_parameters)} million "
        f"parameters; docs/studies.md) factors found this way{tried} ended {_digits(REGRETS[own])} above the least ECE "
        f"there was, a constant .5 {_digits(REGRETS['0.5, tried'])}, a temperature {_digits(REGRETS['temperature'])}, "
        f"uniform 0.1 {_digits(REGRETS['uniform 0.1'])}, none {_digits(REGRETS['hard labels'])}"
    )


def _few(number: float) -> str:
    return {2: "two", 3: "three", 4: "four", 5: "five"}.get(round(number), f"{number:g}")


def _millions(sizes: tuple[int, int]) -> str:
    return " to ".join(f"{size / 1e6:.1f}".removeprefix("0") for size in sizes)


def _digits(regret: float) -> str:
    return f"{regret:.3f}".removeprefix("0")
