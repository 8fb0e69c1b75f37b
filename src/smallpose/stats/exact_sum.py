"""Sums of doubles without rounding, so that no order of the terms changes a digit.

A double is a whole number times a power of two. Added up power by power, in whole numbers, any
number of them gives one exact sum, whichever part of a data set is counted first and by whom.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_LOWEST = -1074  # the smallest double is 2 ** -1074
_POWERS = 2100
_HALF = 27  # bits; a significand of 53 is cut in two, so that 2 ** 36 terms fit into an int64


def sum_digits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """(2100, 2) sums of the upper and lower halves of the significands, power by power.

    Args:
        values: any shape, finite.

    Two arrays of digits add up to those of all values together.
    """
    fraction, power = np.frexp(values.ravel())
    whole = np.ldexp(fraction, 53).astype(np.int64)
    # Denormal doubles have fewer digits, and their power would lie below the lowest.
    shift = np.maximum(_LOWEST - (power - 53), 0)
    whole, place = whole >> shift, power - 53 + shift - _LOWEST
    upper, lower = whole >> _HALF, whole & ((1 << _HALF) - 1)
    out = np.zeros((_POWERS, 2), dtype=np.int64)
    np.add.at(out[:, 0], place, upper)
    np.add.at(out[:, 1], place, lower)
    return out


def combine_digits(summed: NDArray[np.int64]) -> Fraction:
    """The sum that the digits stand for."""
    whole = 0
    for place in np.flatnonzero(summed.any(axis=1)).tolist():
        upper, lower = summed[place].tolist()
        whole += ((upper << _HALF) + lower) << place
    return Fraction(whole, 1 << -_LOWEST)
