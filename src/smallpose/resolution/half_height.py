"""The height at which half of the AP at the largest height is left, with its interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_PERCENTILES = (2.5, 97.5)
MIN_AP = 0.01  # at the largest height; half of less is mostly chance


@dataclass(frozen=True)
class HalfHeight:
    """A height in px; None where it is below the smallest height that was measured.

    Args:
        value: the height.
        low, high: ends of the 95 % interval.
        smallest: the smallest height measured, px.
        is_known: False where the AP at the largest height is below `MIN_AP`.
    """

    value: float | None
    low: float | None
    high: float | None
    smallest: int
    is_known: bool = True

    def to_dict(self) -> dict[str, float | None]:
        """Return the height for JSON; `below` where the curve did not fall to its half."""
        below = float(self.smallest) if self.is_known and self.value is None else None
        return {"value": self.value, "low": self.low, "high": self.high, "below": below}

    def describe(self) -> str:
        """Describe the height in words, such as `58 px (51 to 66)`."""
        if not self.is_known:
            return f"no height that could be told, since it is below {100 * MIN_AP:.0f}"
        if self.value is None:
            upper = "" if self.high is None else f" (up to {_format_px(self.high)})"
            return f"less than {self.smallest} px{upper}"
        if self.high is None:
            return f"{_format_px(self.value)} px"
        low = f"less than {self.smallest}" if self.low is None else _format_px(self.low)
        return f"{_format_px(self.value)} px ({low} to {_format_px(self.high)})"


def compute_half_height(
    heights: Floats, ap: Floats, resampled: Floats, share: float = 0.5
) -> HalfHeight:
    """Compute the height at which a share of the AP at the largest height is left.

    Between two heights AP is a straight line over the logarithm of px. The interval has the
    percentiles of the resamples' heights, whose AP at the largest height varies with them.

    Args:
        heights: (h,) px, rising.
        ap: (h,) at each.
        resampled: (b, h) under resamples of images; without any there is no interval.
    """
    smallest = int(heights[0])
    if not ap[-1] >= MIN_AP:
        return HalfHeight(None, None, None, smallest, is_known=False)
    value = find_crossing(heights, ap[None], share)[0]
    usable = resampled[resampled[:, -1] > 0]
    if len(usable) < 2:
        return HalfHeight(_to_px(value), None, None, smallest)
    # Below all heights counts as -inf, which is less than any px.
    crossings = np.sort(find_crossing(heights, usable, share))
    index = np.rint(np.array(_PERCENTILES) / 100 * (len(crossings) - 1)).astype(int)
    low, high = crossings[index]
    return HalfHeight(_to_px(value), _to_px(low), _to_px(high), smallest)


def find_crossing(heights: Floats, ap: Floats, share: float = 0.5) -> Floats:
    """Return the (b,) height at which AP first falls below a share of its value at the largest.

    Args:
        ap: (b, h) at each of the (h,) rising heights.
    Returns: px; -inf where it never falls so far.
    """
    log_px = np.log(heights)
    target = share * ap[:, -1]
    is_below = ap < target[:, None]
    out = np.full(len(ap), -np.inf)
    rows = np.flatnonzero(is_below.any(axis=1))
    # The last height from the left that is below; the one to its right is not.
    left = ap.shape[1] - 1 - np.argmax(is_below[rows, ::-1], axis=1)
    low, high = ap[rows, left], ap[rows, left + 1]
    position = (target[rows] - low) / (high - low)
    out[rows] = np.exp(log_px[left] + position * (log_px[left + 1] - log_px[left]))
    return out


def _to_px(height: float) -> float | None:
    return float(height) if np.isfinite(height) else None


def _format_px(px: float) -> str:
    return f"{px:.0f}"
