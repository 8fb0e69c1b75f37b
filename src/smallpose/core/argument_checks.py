"""Check arguments that callers in Python pass: words, whole numbers and arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from smallpose.core.errors import InputError


def refuse_other_words(flag: str, value: object, words: Sequence[str]) -> None:
    """Raise InputError for a value that is none of the words of an option, listing them.

    Args:
        flag: the option, as commands have it; see `argument_errors`.
    """
    if value not in words:
        listed = f"{', '.join(words[:-1])} or {words[-1]}"
        raise InputError(f"{flag} {value}", "no such choice", f"use {listed}")


def refuse_other_counts(flag: str, value: object, minimum: int = 1) -> None:
    """Raise InputError for a value that is no whole number, or one below the minimum."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        what = f"of type {type(value).__name__}, no whole number"
        raise InputError(f"{flag} {value}", what, f"use {minimum} or more")
    if value < minimum:
        what = f"not above {'zero' if minimum == 1 else minimum - 1}"
        raise InputError(f"{flag} {value}", what, f"use {minimum} or more")


def refuse_other_skeletons(function: str, skeleton: object) -> None:
    """Raise InputError where a skeleton is due, and a table or something else was passed."""
    # Imported here, because skeletons check their own arguments.
    from smallpose.core.skeleton import Skeleton

    if isinstance(skeleton, Skeleton):
        return
    has_one = isinstance(getattr(skeleton, "skeleton", None), Skeleton)
    remedy = "pass its skeleton, as in truth.skeleton" if has_one else "pass a smallpose.Skeleton"
    raise InputError(function, f"skeleton is of type {type(skeleton).__name__}", remedy)


def make_column(
    name: str, values: Any, dtype: DTypeLike, shape: tuple[int, ...], is_detected: bool = False
) -> NDArray[Any]:
    """Return values as an array of a shape, which may be given flat.

    Args:
        name: of the argument.
        is_detected: its third numbers, of keypoints, are scores and not visibilities.

    Raises: InputError for values of other sizes, or that are no numbers.
    """
    expected = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    try:
        array: NDArray[Any] = np.asarray(values, dtype=dtype)
    except (TypeError, ValueError):
        what = "are no numbers, or rows of different lengths"
        raise InputError(name, what, f"pass an array of shape {expected}") from None
    if array.size != np.prod(shape, dtype=np.int64):
        what = f"have the shape {array.shape}, not {expected}"
        remedy = "pass as many values for each row"
        if shape[1:] and shape[-1] == 3 and array.size == np.prod(shape[:-1], dtype=np.int64) * 2:
            third = "a score" if is_detected else "a visibility (0 to 2)"
            remedy = f"pass x, y and {third} for each joint"
        raise InputError(name, what, remedy)
    return array.reshape(shape)
