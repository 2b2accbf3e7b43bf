"""How factors found by each method did in the study of repairs: its numbers, and the sentences that quote them.

The numbers stand here alone; tests/test_studies.py holds them against the study's own files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from calibaudit.errors import see


@dataclass(frozen=True)
class Study:
    """n_cells: a base and a recipe, each with its own seed. n_settings: of them with different seeds counted once.

    n_parameters: of the smallest and the largest model. below: with a fixed factor of .7 towards base, in so many of
    n_one_stage cells, those without a stage of preferences, less than .95 of what tuning added was kept. merge_below:
    with merged weights and a temperature, in so many of the n_two_stages others.
    """

    n_cells: int
    n_settings: int
    n_parameters: tuple[int, int]
    below: int
    n_one_stage: int
    merge_below: int
    n_two_stages: int


STUDY = Study(
    n_cells=60, n_settings=20, n_parameters=(291_264, 902_016), below=12, n_one_stage=51, merge_below=5, n_two_stages=9
)
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
    """How a repair found by this method did; None for one that the study does not hold.

    method: `temperature`, or how a factor was found.
    """
    study = (
        f"in {STUDY.n_cells} toy cells with known answers ({STUDY.n_settings} settings, "
        f"{_few(STUDY.n_cells / STUDY.n_settings)} seeds each; models of {_millions(STUDY.n_parameters)} million "
        f"parameters{see('studies', '; ')})"
    )
    if method == "temperature":
        return (
            f"{study} a temperature ended {_of('temperature')} above the least ECE there was, weights merged with "
            f"base's and a temperature {_of('merge, temperature')}, smoothing tried from .5 down {_of('0.5, tried')}, "
            f"no repair {_of('hard labels')}"
        )
    own = _OWN.get(method)
    if own is None:
        return None
    tried = ", halved until .95 of what tuning added was kept," if method == "stack" else ""
    return (
        f"{study} factors found this way{tried} ended {_of(own)} above the least ECE there was, a constant .5 "
        f"{_of('0.5, tried')}, a temperature {_of('temperature')}, uniform 0.1 {_of('uniform 0.1')}, none "
        f"{_of('hard labels')}"
    )


def _of(name: str) -> str:
    """`.012`"""
    return f"{REGRETS[name]:.3f}".removeprefix("0")


def _few(number: float) -> str:
    return {2: "two", 3: "three", 4: "four", 5: "five"}.get(round(number), f"{number:g}")


def _millions(sizes: tuple[int, int]) -> str:
    return " to ".join(f"{size / 1e6:.1f}".removeprefix("0") for size in sizes)
