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

    n_parameters: of the smallest and the largest model.
    """

    n_cells: int
    n_settings: int
    n_parameters: tuple[int, int]


@dataclass(frozen=True)
class Regrets:
    """One table of the study. n_cells: that it is over. regret: method -> how far its ECE ended above the least there
    was, the mean over the cells; methods by their names in the table.
    """

    n_cells: int
    regret: Mapping[str, float]


STUDY = Study(n_cells=60, n_settings=20, n_parameters=(368_960, 4_301_120))
REGRETS: Mapping[str, Regrets] = MappingProxyType(
    {
        "stack": Regrets(43, {"stack": 0.011, "literature: uniform .1": 0.051, "hard labels": 0.068}),
        "pilot": Regrets(60, {"pilot": 0.016, "literature: uniform .1": 0.041, "hard labels": 0.055}),
    }
)
"""By the method that finds the factor: the cells in which it advised smoothing."""


def evidence_for(method: str) -> str | None:
    """How factors found by this method did; None for a method that the study does not hold."""
    table = REGRETS.get(method)
    if table is None:
        return None
    own, uniform, none = (table.regret[name] for name in (method, "literature: uniform .1", "hard labels"))
    study = (
        f"{STUDY.n_cells} toy cells with known answers ({STUDY.n_settings} settings, "
        f"{_few(STUDY.n_cells / STUDY.n_settings)} seeds each; models of {_millions(STUDY.n_parameters)} million "
        "parameters; docs/studies.md)"
    )
    found = (
        f"in {study} factors found this way"
        if table.n_cells == STUDY.n_cells
        else f"in the {table.n_cells} of {study} where this method advised smoothing, its factors"
    )
    return (
        f"{found} ended {_digits(own)} above the least ECE there was, uniform 0.1 {_digits(uniform)}, "
        f"none {_digits(none)}"
    )


def _few(number: float) -> str:
    return {2: "two", 3: "three", 4: "four", 5: "five"}.get(round(number), f"{number:g}")


def _millions(sizes: tuple[int, int]) -> str:
    return " to ".join(f"{size / 1e6:.1f}".removeprefix("0") for size in sizes)


def _digits(regret: float) -> str:
    return f"{regret:.3f}".removeprefix("0")
