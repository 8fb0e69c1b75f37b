"""The height at which half of the AP is left, and that at which a stated AP is reached."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_BETWEEN = "between"
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
        has_interval: whether there are ends; None is then below the smallest height.
        between: the two heights measured around it where AP falls by more than its half from one to
            the other, so that nothing else is known; else None.
    """

    value: float | None
    low: float | None
    high: float | None
    smallest: int
    is_known: bool = True
    has_interval: bool = False
    between: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the height for JSON, and of each null why it is one."""
        below = float(self.smallest) if self.is_known and self.value is None else None
        ends = {
            f"{name}_beyond": "below" if self.has_interval and height is None else None
            for name, height in (("low", self.low), ("high", self.high))
        }
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "below": below,
            **ends,
            "is_known": self.is_known,
            "between": self.between,
        }

    def describe(self) -> str:
        """Describe the height in words, such as `58 px (51 to 66)`."""
        if not self.is_known:
            return f"no height that could be told, since it is below {100 * MIN_AP:.0f}"
        if self.value is None:
            upper = "" if self.high is None else f" (up to {_format_px(self.high)})"
            return f"less than {self.smallest} px{upper}"
        if self.high is None and self.between is not None:
            return _format_step(self.between)
        if self.high is None:
            return f"{_format_px(self.value)} px"
        low = f"less than {self.smallest}" if self.low is None else _format_px(self.low)
        return f"{_format_px(self.value)} px ({low} to {_format_px(self.high)})"

    def describe_place(self) -> str:
        """Describe the height with its preposition, such as `at 58 px (51 to 66)`."""
        text = self.describe()
        return text if text.startswith(_BETWEEN) else f"at {text}"


def compute_half_height(
    heights: Floats, ap: Floats, resampled: Floats, share: float = 0.5
) -> HalfHeight:
    """Compute the height at which a share of the AP at the largest height is left.

    Between two heights AP is a straight line over the logarithm of px. The interval has the
    percentiles of the resamples' heights, whose AP at the largest height varies with them, and
    reaches from one measured height to the next where AP falls by more than its half in between.

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
    step = _find_step(heights, ap, share * ap[-1], value)
    if len(usable) < 2:
        return HalfHeight(_to_px(value), None, None, smallest, between=step)
    # Below all heights counts as -inf, which is less than any px.
    crossings = np.sort(find_crossing(heights, usable, share))
    index = np.rint(np.array(_PERCENTILES) / 100 * (len(crossings) - 1)).astype(int)
    low, high = _widen_to_step(step, tuple(crossings[index]))
    ends = _to_px(low), _to_px(high)
    return HalfHeight(_to_px(value), *ends, smallest, has_interval=True, between=step)


def _find_step(
    heights: Floats, ap: Floats, target: float, value: float
) -> tuple[float, float] | None:
    """Return the two heights around a value where AP falls steeply between them, else None.

    Where it falls by more than the target itself, as from much to nothing, all that is known is
    that the target lies between: the straight line puts it at the same place in every resample.
    """
    if not np.isfinite(value):
        return None
    left = min(int(np.searchsorted(heights, value, side="right")) - 1, len(heights) - 2)
    if left < 0 or ap[left + 1] - ap[left] <= target:
        return None
    return float(heights[left]), float(heights[left + 1])


def _widen_to_step(
    step: tuple[float, float] | None, ends: tuple[float, float]
) -> tuple[float, float]:
    """Widen an interval to the heights of a step around its value."""
    if step is None:
        return ends
    return min(ends[0], step[0]), max(ends[1], step[1])


@dataclass(frozen=True)
class LevelHeight:
    """The height in px from which on a model reaches a stated AP.

    Args:
        level: the AP, 0 to 1.
        value: the height; -inf below the smallest height that was measured, inf where the AP is
            not reached at the largest.
        low, high: ends of the 95 % interval, likewise; NaN where there is none.
        smallest, largest: heights measured, px.
        between: as in `HalfHeight`.
    """

    level: float
    value: float
    low: float
    high: float
    smallest: int
    largest: int
    between: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the height for JSON: null where it is beyond what was measured, with a word."""
        values = {"value": self.value, "low": self.low, "high": self.high}
        heights = {name: px if np.isfinite(px) else None for name, px in values.items()}
        return {
            "AP": self.level,
            **heights,
            "beyond": _name_beyond(self.value),
            "low_beyond": _name_beyond(self.low),
            "high_beyond": _name_beyond(self.high),
            "between": self.between,
        }

    def describe(self) -> str:
        """Describe the height in words, such as `41 px (36 to 47)`."""
        if self.value == np.inf:
            return f"not reached at {self.largest} px"
        ends = "" if np.isnan(self.low) else f" ({self._name(self.low)} to {self._name(self.high)})"
        if self.value == -np.inf:
            return f"reached at all heights from {self.smallest} px on"
        if np.isnan(self.low) and self.between is not None:
            return f"reached {_format_step(self.between)}"
        return f"reached at {_format_px(self.value)} px{ends}"

    def _name(self, height: float) -> str:
        if height == -np.inf:
            return f"less than {self.smallest}"
        return f"more than {self.largest}" if height == np.inf else _format_px(height)


def compute_level_height(
    heights: Floats, ap: Floats, resampled: Floats, level: float
) -> LevelHeight:
    """Compute the height from which on a stated AP is reached.

    The height of half the AP misleads alone: a weak model can lose half of little where a strong
    one loses half of much.

    Args:
        heights, ap, resampled: as in `compute_half_height`.
        level: the AP, 0 to 1.
    """
    value = _find_level(heights, ap[None], level)[0]
    low, high = np.nan, np.nan
    step = _find_step(heights, ap, level, value)
    if len(resampled) >= 2:
        crossings = np.sort(_find_level(heights, resampled, level))
        index = np.rint(np.array(_PERCENTILES) / 100 * (len(crossings) - 1)).astype(int)
        low, high = _widen_to_step(step, tuple(crossings[index]))
    ends = int(heights[0]), int(heights[-1])
    return LevelHeight(level, float(value), float(low), float(high), *ends, between=step)


def _find_level(heights: Floats, ap: Floats, level: float) -> Floats:
    """Return the (b,) height as `_find_target` does; inf where the AP is not reached."""
    target = np.minimum(level, ap[:, -1])  # rows that do not reach the level have no crossing
    return np.where(ap[:, -1] < level, np.inf, _find_target(heights, ap, target))


def find_crossing(heights: Floats, ap: Floats, share: float = 0.5) -> Floats:
    """Return the (b,) height at which AP first falls below a share of its value at the largest.

    Args:
        ap: (b, h) at each of the (h,) rising heights.
    Returns: px; -inf where it never falls so far.
    """
    return _find_target(heights, ap, share * ap[:, -1])


def _find_target(heights: Floats, ap: Floats, target: Floats) -> Floats:
    """Return the (b,) largest height at which AP crosses its (b,) target; -inf where it does not.

    At the largest height AP is not below the target, or the row's value means nothing.
    """
    log_px = np.log(heights)
    is_below = ap < target[:, None]
    is_below[:, -1] = False
    out = np.full(len(ap), -np.inf)
    rows = np.flatnonzero(is_below.any(axis=1))
    # The last height from the left that is below; the one to its right is not.
    left = ap.shape[1] - 1 - np.argmax(is_below[rows, ::-1], axis=1)
    low, high = ap[rows, left], ap[rows, left + 1]
    position = (target[rows] - low) / (high - low)
    out[rows] = np.exp(log_px[left] + position * (log_px[left + 1] - log_px[left]))
    return out


def _name_beyond(height: float) -> str | None:
    """Return on which side of all heights measured a height is; None for one between them.

    >>> _name_beyond(-np.inf), _name_beyond(np.inf), _name_beyond(40.0), _name_beyond(np.nan)
    ('below', 'above', None, None)
    """
    return {-np.inf: "below", np.inf: "above"}.get(height)


def _to_px(height: float) -> float | None:
    return float(height) if np.isfinite(height) else None


def _format_step(step: tuple[float, float]) -> str:
    """Name the heights that another one lies between."""
    return f"{_BETWEEN} {_format_px(step[0])} and {_format_px(step[1])} px"


def _format_px(px: float) -> str:
    return f"{px:.0f}"
