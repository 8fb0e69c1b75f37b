"""Sum doubles without rounding, so that the order of the terms changes no digit.

A double is an integer times a power of two. Summed power by power, in integers, any number of them
gives one exact sum, in whatever order the parts of a data set are counted.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_MIN_POWER = -1074  # the smallest double is 2 ** -1074
_NUM_POWERS = 2100
_HALF_BITS = 27  # a significand of 53 bits is cut in two, so that 2 ** 36 terms fit into an int64


def sum_digits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sum the upper and lower halves of the significands for each power of two.

    Args:
        values: any shape, finite.
    Returns: (2100, 2); the digits of all values are the sum of the digits of their parts.
    """
    fraction, exponent = np.frexp(values.ravel())
    significand = np.ldexp(fraction, 53).astype(np.int64)
    # Denormal doubles have fewer digits; their power would be below the lowest.
    shift = np.maximum(_MIN_POWER - (exponent - 53), 0)
    significand = significand >> shift
    power = exponent - 53 + shift - _MIN_POWER
    digits = np.zeros((_NUM_POWERS, 2), dtype=np.int64)
    np.add.at(digits[:, 0], power, significand >> _HALF_BITS)
    np.add.at(digits[:, 1], power, significand & ((1 << _HALF_BITS) - 1))
    return digits


def combine_digits(digits: NDArray[np.int64]) -> Fraction:
    """Return the sum that the digits represent."""
    total = 0
    for power in np.flatnonzero(digits.any(axis=1)).tolist():
        upper, lower = digits[power].tolist()
        total += ((upper << _HALF_BITS) + lower) << power
    return Fraction(total, 1 << -_MIN_POWER)
