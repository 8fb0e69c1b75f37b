"""Numbers with the range they may lie in, and what can be said of them for sure."""

import math
from dataclasses import dataclass

_EQUAL = 1e-9  # binary fractions of printed decimals differ by less


@dataclass(frozen=True)
class Span:
    """A number and the ends of its interval: of rounding for a printed one, else of the bootstrap.

    A number known exactly has both ends equal to itself.
    """

    value: float
    low: float
    high: float

    def __add__(self, other: "Span") -> "Span":
        return Span(self.value + other.value, self.low + other.low, self.high + other.high)

    def __sub__(self, other: "Span") -> "Span":
        return Span(self.value - other.value, self.low - other.high, self.high - other.low)

    def __truediv__(self, other: "Span") -> "Span":
        """Of positive numbers."""
        return Span(self.value / other.value, self.low / other.high, self.high / other.low)

    def __mul__(self, factor: float) -> "Span":
        """By a number above zero."""
        return Span(self.value * factor, self.low * factor, self.high * factor)

    def above(self, limit: float) -> bool | None:
        """Whether it is surely above a limit, surely not, or neither is sure.

        Of two printed numbers the higher is surely so: what they were rounded from differs too.
        """
        if self.value > limit + _EQUAL and self.low >= limit - _EQUAL:
            return True
        return False if self.high <= limit + _EQUAL else None

    def within(self, reach: float) -> bool | None:
        """Whether it is surely no further from 0 than that."""
        if max(abs(self.low), abs(self.high)) <= reach + _EQUAL:
            return True
        return False if self.low > reach + _EQUAL or self.high < -reach - _EQUAL else None

    def meets(self, other: "Span") -> bool:
        """Whether both may be the same number."""
        return self.low <= other.high + _EQUAL and other.low <= self.high + _EQUAL

    def text(self, digits: int | None = None) -> str:
        """Such as `23.8 (23.7 to 23.9)`; an exact number stands alone."""
        digits = _digits(self) if digits is None else digits
        value, low, high = (_plain(x, digits) for x in (self.value, self.low, self.high))
        return value if self.low == self.high else f"{value} ({low} to {high})"


def exact(value: float) -> Span:
    """A count, or anything else that is not rounded."""
    return Span(value, value, value)


def printed(text: str | float) -> Span:
    """A printed decimal: half a unit of its last digit either way.

    >>> printed("16.8")
    Span(value=16.8, low=16.75, high=16.85)
    """
    digits = len(str(text).partition(".")[2])
    half = 0.5 * 10.0**-digits
    value = float(text)
    return Span(value, round(value - half, digits + 1), round(value + half, digits + 1))


def rounds_to(value: float, text: str) -> bool:
    """Whether a number printed with those digits is that text."""
    return f"{value:.{len(text.partition('.')[2])}f}" == text


def _plain(number: float, digits: int) -> str:
    """With commas, and without the minus of a zero."""
    return f"{round(number, digits) + 0.0:,.{digits}f}"


def _digits(span: Span) -> int:
    """As many as its interval deserves; none for whole numbers."""
    width = span.high - span.low
    if width == 0:
        return 0 if span.value == round(span.value) else 2
    return max(1, min(4, math.ceil(-math.log10(width / 4))))
