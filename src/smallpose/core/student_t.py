"""Compute Student's t distribution without SciPy, which takes longer to load than a small file."""

import math
from functools import lru_cache

_TINY = 1e-300  # replaces a zero denominator of the continued fraction
_PRECISION = 1e-15
_MAX_TERMS = 100_000


def compute_two_sided_p(t: float, degrees: float) -> float:
    """Return the probability of |T| ≥ |t| for Student's t with the given degrees of freedom.

    Args:
        degrees: above zero.

    >>> round(compute_two_sided_p(2.0, 10), 6)
    0.073388
    """
    if math.isnan(t):
        return math.nan
    total = degrees + t * t
    return _regularised_beta(degrees / total, t * t / total, degrees / 2, 0.5)


@lru_cache(maxsize=256)
def compute_t_quantile(level: float, degrees: float) -> float:
    """Return the t that |T| does not exceed with probability `level`.

    Args:
        level: between 0 and 1, such as 0.95.
        degrees: of freedom, above zero.

    >>> round(compute_t_quantile(0.95, 4), 6)
    2.776445
    """
    low = 0.0
    high = 1.0
    while compute_two_sided_p(high, degrees) > 1 - level:
        low, high = high, 2 * high
    # Halving the bracket until it is one double wide takes about 60 steps.
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if compute_two_sided_p(middle, degrees) > 1 - level:
            low = middle
        else:
            high = middle


def _regularised_beta(x: float, y: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    Args:
        y: 1 − x, which cannot be computed from an x near 1 without losing its digits.
    """
    if x == 0 or y == 0:
        return float(y == 0)
    # The continued fraction converges fast on one side of the mean only.
    if x > (a + 1) / (a + b + 2):
        return 1 - _regularised_beta(y, x, b, a)
    log_factor = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    log_factor += a * (math.log(x) if x < 0.5 else math.log1p(-y)) + b * math.log(y)
    return math.exp(log_factor) / (a * _continued_fraction(x, a, b))


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Evaluate 1 + d1/(1 + d2/(1 + …)) of the incomplete beta function (Lentz's algorithm)."""
    value = 1.0
    c = 1.0
    d = 0.0
    for term in range(1, _MAX_TERMS):
        m = term // 2
        if term % 2:
            step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + step * d or _TINY)
        c = 1 + step / c or _TINY
        value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value
