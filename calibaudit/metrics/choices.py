"""What a question's choices are given as, checked once: probabilities, log-probabilities, or logits.

Which of them an array holds is plain from its numbers: probabilities lie in [0, 1] and a row sums to 1,
log-probabilities are at most 0. The two never coincide. Anything else is logits, taken only where softmax is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.metrics.validation import (
    HALF_STEP,
    ROUNDING,
    FloatArray,
    IntArray,
    checked_answer,
    checked_scores,
    dtype_name,
    floats,
)

_ROW_SUM = 1e-4
_PERCENT_SUM = 0.5
"""How far a row of percentages, rounded to a tenth, may be from 100."""
_WAY_OUT = "of logits take scipy.special.log_softmax(logits, axis=1)"


def log_softmax(scores: FloatArray) -> FloatArray:
    """(N, K) scores, -inf pads -> (N, K) log-probabilities; padding stays -inf."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def checked_probs(probs: npt.ArrayLike, answer: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    """(N, K) probabilities, 0 in the padding, and (N,) answers.

    probs: probabilities whose rows sum to 1 within 1e-4, or within `HALF_STEP` in half precision, and are then divided
    by their sum; or log-probabilities, -inf pads, which are normalised over the choices. Raises ScoresError for what is
    neither.
    """
    array, indices, are_logs = _checked(probs, answer)
    return np.exp(log_softmax(array)) if are_logs else array, indices


def checked_logprobs(probs: npt.ArrayLike, answer: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    """The same as log-probabilities, -inf in the padding and for a probability of 0."""
    array, indices, are_logs = _checked(probs, answer)
    with np.errstate(divide="ignore"):
        return log_softmax(array) if are_logs else np.log(array), indices


def checked_choices(values: npt.ArrayLike, answer: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    """(N, K) what softmax is taken of, -inf in the padding, and (N,) answers that do not point there.

    values: log-probabilities or logits as they are, or probabilities, of which the logarithm is taken. Raises
    ScoresError for numbers in [0, 1] whose rows do not sum to 1, which may be either, and for percentages.
    """
    array = floats("values", values, 2)
    if not _in_unit(array):
        _refuse_percentages(array, "values")
        return checked_scores(array, answer)
    probs = _summing(array, "values", dtype_name(values))
    with np.errstate(divide="ignore"):
        return checked_scores(np.log(probs), answer)


def _checked(probs: npt.ArrayLike, answer: npt.ArrayLike) -> tuple[FloatArray, IntArray, bool]:
    """The array, clipped, and whether it holds log-probabilities."""
    array = floats("probs", probs, 2)
    indices = checked_answer(answer, *array.shape)
    if _in_unit(array):
        return _summing(array, "probs", dtype_name(probs)), indices, False
    if (array <= ROUNDING).all():
        empty = np.isneginf(array).all(axis=1)
        if empty.any():
            raise ScoresError(f"probs of item {int(np.argmax(empty))} are all -inf; a choice needs a log-probability")
        return np.minimum(array, 0.0), indices, True
    _refuse_percentages(array, "probs")
    odd = array > 1 + ROUNDING if (array > 1 + ROUNDING).any() else array < -ROUNDING
    item, choice = (int(i) for i in np.argwhere(odd)[0])
    raise ScoresError(
        f"probs of item {item}, choice {choice} is {array[item, choice]:.6g}, and not all are probabilities in [0, 1], "
        f"or all log-probabilities of at most 0; {_WAY_OUT}"
    )


def _in_unit(array: FloatArray) -> bool:
    return bool(((array >= -ROUNDING) & (array <= 1 + ROUNDING)).all())


def _refuse_percentages(array: FloatArray, name: str) -> None:
    if (array >= 0).all() and (np.abs(array.sum(axis=1) - 100) <= _PERCENT_SUM).all():
        raise ScoresError(f"{name} lie in [0, 100] and every row sums to 100: percentages; divide by 100")


def _summing(array: FloatArray, name: str, dtype: str) -> FloatArray:
    """dtype: of what was given."""
    total = array.sum(axis=1)
    wrong = np.abs(total - 1) > HALF_STEP.get(dtype, _ROW_SUM)
    if wrong.any():
        item = int(np.argmax(wrong))
        if (np.abs(array.sum(axis=0) - 1) <= HALF_STEP.get(dtype, _ROW_SUM)).all():
            raise ScoresError(f"{name} of item {item} sum to {total[item]:.6g}, and every column to 1: transpose them")
        rule = "every row of probabilities must sum to 1 (pad with 0)"
        raise ScoresError(f"{name} of item {item} sum to {total[item]:.6g}; {rule}; {_WAY_OUT}")
    return np.clip(array / total[:, None] if dtype in HALF_STEP else array, 0.0, 1.0)
