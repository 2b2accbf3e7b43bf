"""The arrays that every metric takes, checked once and in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ROUNDING = 1e-6
"""How far a float32 softmax may leave [0, 1] by rounding; such values are clipped, never refused."""


HALF_STEP = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
"""How far a row of half-precision probabilities may be from 1: twice the most that rounding each of them can add."""


def as_array(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """The values, or a tensor's without its gradient and device; bfloat16, which NumPy lacks, as float32."""
    tensor: Any = values
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        tensor = tensor.float() if dtype_name(tensor) == "bfloat16" else tensor
    return np.asarray(tensor)


def dtype_name(values: npt.ArrayLike) -> str:
    """`float16`, of an array or a tensor; of a list that of its numbers."""
    given = getattr(values, "dtype", None)
    return str(np.asarray(values).dtype if given is None else given).removeprefix("torch.")


def floats(name: str, values: npt.ArrayLike, ndim: int) -> FloatArray:
    """The values as float64. Raises ScoresError where they are no numbers, of another ndim, empty, or NaN."""
    try:
        array = as_array(values).astype(np.float64, copy=False)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ScoresError(f"{name} must be numbers in a {ndim}-d array: {error}") from error
    if array.ndim != ndim:
        raise ScoresError(f"{name} has shape {array.shape}; it must be {ndim}-d")
    if array.size == 0:
        raise ScoresError(f"{name} is empty (shape {array.shape}); at least one item is needed")
    nan = np.isnan(array)
    if nan.any():
        raise ScoresError(f"{name} is NaN at item {int(np.argwhere(nan)[0][0])} ({int(nan.sum())} in all)")
    return array


def checked_confidence(confidence: npt.ArrayLike) -> FloatArray:
    """(N,) confidences as float64 in [0, 1]. Raises ScoresError when empty, NaN or outside."""
    array = floats("confidence", confidence, 1)
    outside = (array < -ROUNDING) | (array > 1 + ROUNDING)
    if outside.any():
        item = int(np.argmax(outside))
        raise ScoresError(f"confidence of item {item} is {array[item]:.6g}; a confidence lies in [0, 1]")
    return np.clip(array, 0.0, 1.0)


def checked_correct(correct: npt.ArrayLike, n_items: int) -> FloatArray:
    """(N,) hits as float64 0 or 1. Raises ScoresError on any other value or length."""
    array = floats("correct", correct, 1)
    if len(array) != n_items:
        raise ScoresError(f"confidence has {n_items} items but correct has {len(array)}; they must be the same items")
    other = (array != 0) & (array != 1)
    if other.any():
        item = int(np.argmax(other))
        raise ScoresError(f"correct of item {item} is {array[item]:.6g}; it must be True/False or 0/1")
    return array


def checked_answer(answer: npt.ArrayLike, n_items: int, n_choices: int) -> IntArray:
    """(N,) choice indices as int64 in [0, K). Raises ScoresError on any other value, type or length."""
    array = as_array(answer)
    if array.shape != (n_items,):
        turned = "; is the other array transposed? it must be (items, choices)" if array.shape == (n_choices,) else ""
        raise ScoresError(f"answer has shape {array.shape}; {n_items} items need shape ({n_items},){turned}")
    if array.dtype.kind not in "iu":
        raise ScoresError(f"answer has dtype {array.dtype}; it must be whole choice indices")
    outside = (array < 0) | (array >= n_choices)
    if outside.any():
        item = int(np.argmax(outside))
        raise ScoresError(f"answer of item {item} is {array[item]}; it must lie in 0..{n_choices - 1}")
    return array.astype(np.int64)


def checked_scores(scores: npt.ArrayLike, answer: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    """(N, K) log-probabilities or logits, padded with -inf, and (N,) answers that do not point at padding."""
    array = floats("scores", scores, 2)
    if np.isposinf(array).any():
        raise ScoresError(f"scores of item {int(np.argwhere(np.isposinf(array))[0][0])} hold +inf; they must be finite")
    indices = checked_answer(answer, *array.shape)
    padding = np.isneginf(array[np.arange(len(array)), indices])
    if padding.any():
        item = int(np.argmax(padding))
        raise ScoresError(f"answer of item {item} is choice {indices[item]}, which is padding (-inf score)")
    return array, indices


def checked_n_bins(n_bins: int) -> int:
    if isinstance(n_bins, bool) or not isinstance(n_bins, int | np.integer) or n_bins < 1:
        raise ScoresError(f"n_bins is {n_bins!r}; it must be a whole number of at least 1")
    return int(n_bins)


def locked(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same array, made read-only (a frozen dataclass alone leaves its arrays writable)."""
    array.setflags(write=False)
    return array


class Locked:
    """What holds locked arrays, and goes on holding them in copies and out of a pickle: NumPy unlocks them there."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for value in state.values():
            if isinstance(value, np.ndarray):
                locked(value)
