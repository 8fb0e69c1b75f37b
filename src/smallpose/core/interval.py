"""A number with the interval that it may lie in."""

import math
from dataclasses import dataclass

_TOLERANCE = 1e-9  # decimals as binary fractions differ by less than this


@dataclass(frozen=True)
class Interval:
    """A number and the ends of its interval, such as 95 % confidence or the range of rounding.

    Args:
        value: the number.
        low, high: the ends; NaN where they are unknown, both equal to `value` where it is exact.
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    @staticmethod
    def exact(value: float) -> "Interval":
        """Return a count, or any other number that was not rounded."""
        return Interval(value, value, value)

    @staticmethod
    def printed(text: str) -> "Interval":
        """Parse a printed decimal: the ends are half a unit of its last digit away.

        >>> Interval.printed("16.8")
        Interval(value=16.8, low=16.75, high=16.85)
        """
        digits = len(text.partition(".")[2])
        half = 0.5 * 10.0**-digits
        value = float(text)
        return Interval(value, round(value - half, digits + 1), round(value + half, digits + 1))

    @property
    def has_ends(self) -> bool:
        """Return whether both ends are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.value + other.value, self.low + other.low, self.high + other.high)

    def __sub__(self, other: "Interval") -> "Interval":
        return Interval(self.value - other.value, self.low - other.high, self.high - other.low)

    def __truediv__(self, other: "Interval") -> "Interval":
        """Divide two positive numbers."""
        return Interval(self.value / other.value, self.low / other.high, self.high / other.low)

    def __mul__(self, factor: float) -> "Interval":
        """Multiply by a factor above zero."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def is_above(self, limit: float) -> bool | None:
        """Return whether the number is above a limit; None where the interval leaves it open.

        An interval that only touches the limit counts as above it: of two printed numbers that
        differ, the unrounded ones differ in the same direction.
        """
        if self.value > limit + _TOLERANCE and self.low >= limit - _TOLERANCE:
            return True
        return False if self.high <= limit + _TOLERANCE else None

    def is_within(self, distance: float) -> bool | None:
        """Return whether the number is at most so far from 0; None where this is left open."""
        if max(abs(self.low), abs(self.high)) <= distance + _TOLERANCE:
            return True
        is_outside = self.low > distance + _TOLERANCE or self.high < -distance - _TOLERANCE
        return False if is_outside else None

    def overlaps(self, other: "Interval") -> bool:
        """Return whether both may be the same number."""
        return self.low <= other.high + _TOLERANCE and other.low <= self.high + _TOLERANCE

    def format(self, digits: int | None = None) -> str:
        """Format as `23.8 (23.7 to 23.9)`; an exact number has no brackets.

        Args:
            digits: decimals; by default as many as the width of the interval supports.
        """
        digits = self._choose_digits() if digits is None else digits
        value, low, high = (
            _format_number(end, digits) for end in (self.value, self.low, self.high)
        )
        return value if self.low == self.high else f"{value} ({low} to {high})"

    def _choose_digits(self) -> int:
        width = self.high - self.low
        if width == 0:
            return 0 if self.value == round(self.value) else 2
        return max(1, min(4, math.ceil(-math.log10(width / 4))))


def _format_number(number: float, digits: int) -> str:
    # Adding 0.0 removes the minus sign of a rounded zero.
    return f"{round(number, digits) + 0.0:,.{digits}f}"
