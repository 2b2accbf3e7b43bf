"""p-values of many tests at once: Holm's adjustment, plain and with shares of alpha."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.metrics.validation import FloatArray


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Holm's adjusted p-values (M,): reject those below alpha, and no false rejection has a chance above alpha.

    p_values: (M,) in [0, 1]; NaN entries stay NaN and do not count. Holm 1979 (Scandinavian Journal of Statistics 6).
    """
    values = np.array(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    scaled = values[order] * np.arange(len(order), 0, -1)
    values[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return values


def weighted_holm(p_values: npt.ArrayLike, weights: npt.ArrayLike) -> FloatArray:
    """Holm's adjusted p-values (M,) when hypotheses have unequal shares of alpha: reject those below alpha.

    p_values: as for `holm`. weights: (M,) positive; their scale does not matter. Holm 1979, section 4.
    """
    p, w = np.asarray(p_values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if p.shape != w.shape or p.ndim != 1 or not (w > 0).all() or np.isnan(p).any():
        raise ScoresError(f"{p.size} p-values need as many positive weights, and none may be NaN")
    order = np.argsort(p / w, kind="stable")
    left = w[order][::-1].cumsum()[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate((p / w)[order] * left))
    return adjusted
