"""What a diagram is drawn from, whatever type holds it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt


class Reliability(Protocol):
    """edges (bins + 1,); count, confidence, accuracy (bins,), NaN in empty bins."""

    @property
    def edges(self) -> npt.NDArray[np.float64]: ...
    @property
    def count(self) -> npt.NDArray[np.int64]: ...
    @property
    def confidence(self) -> npt.NDArray[np.float64]: ...
    @property
    def accuracy(self) -> npt.NDArray[np.float64]: ...


class Change(Protocol):
    """A value with its interval; None where there is none."""

    @property
    def value(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
