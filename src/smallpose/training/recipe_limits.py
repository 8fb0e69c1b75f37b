"""The range of each field of a recipe with which a run can train."""

import math
from dataclasses import dataclass
from typing import Any

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError

_MANY = 10**9  # of steps, epochs, samples: beyond any run, and safe in 32 bits


@dataclass(frozen=True)
class _Limits:
    """A range; `above` and `below` exclude its ends."""

    low: float = 0.0
    high: float = math.inf
    above: bool = False
    below: bool = False

    def contains(self, value: float) -> bool:
        """Return whether a number is finite and inside."""
        is_above = value > self.low if self.above else value >= self.low
        is_below = value < self.high if self.below else value <= self.high
        is_finite = isinstance(value, int) or math.isfinite(value)
        return is_finite and is_above and is_below

    def describe(self) -> str:
        """Describe the range in words."""
        low = f"above {self.low:g}" if self.above else f"{self.low:g} or more"
        if math.isinf(self.high):
            return low
        return f"{low} and {'below' if self.below else 'at most'} {self.high:g}"


_NOT_NEGATIVE = _Limits()
_COUNT = _Limits(high=_MANY)
_POSITIVE_COUNT = _Limits(1, _MANY)
_SHARE = _Limits(high=1)
_SHARE_BELOW_1 = _Limits(high=1, below=True)
_SHARE_ABOVE_0 = _Limits(high=1, above=True)
_LEVEL = _Limits(high=255)

LIMITS = {
    "learning_rate": _NOT_NEGATIVE,
    "batch_size": _POSITIVE_COUNT,
    "epochs": _COUNT,
    "weight_decay": _NOT_NEGATIVE,
    "betas": _SHARE_BELOW_1,
    "clip_norm": _NOT_NEGATIVE,
    "layer_decay": _SHARE_ABOVE_0,
    "backbone_rate": _SHARE,
    "decay_at": _COUNT,
    "warm_up": _COUNT,
    "validate_every": _POSITIVE_COUNT,
    "ema": _COUNT,
    "steps": _COUNT,
    "warm_epochs": _COUNT,
    "second_stage": _COUNT,
    "test_side": _Limits(high=4096),
    "dense_weight": _NOT_NEGATIVE,
    "sizes": _Limits(32, 4096),
    "augment.flip": _SHARE,
    "augment.half_body": _SHARE,
    "augment.shift": _SHARE,
    "augment.shift_chance": _SHARE,
    "augment.scale": _SHARE_BELOW_1,
    "augment.rotate_deg": _Limits(high=180),
    "augment.rotate_chance": _SHARE,
    "augment.balance": _SHARE,
    "augment.coarse": _SHARE,
    "augment.coarse_least": _SHARE_ABOVE_0,
    "augment.coarse_camera": _SHARE,
    "augment.paste": _SHARE,
    "augment.scale_range": _Limits(high=100, above=True),
    "augment.person_windows": _SHARE,
    "augment.pad": _LEVEL,
    "augment.hsv": _LEVEL,
    "augment.closing": _COUNT,
    "augment.blur": _SHARE,
    "augment.erase": _SHARE,
    "augment.closing_shift": _SHARE,
    "augment.closing_scale": _SHARE_BELOW_1,
    "augment.closing_rotate_deg": _Limits(high=180),
    "augment.closing_erase": _SHARE,
}
# Tuples with another number of values than their default are refused, but for these.
_ANY_LENGTH = ("decay_at",)
_RANGES = ("sizes", "augment.scale_range")  # from a minimum to a maximum


def check_value(key: str, text: str, value: Any, present: Any) -> None:
    """Raise InputError for a value with which no run can train.

    Args:
        key: the field; those of the augmentation begin with `augment.`.
        text: the value as the user wrote it.
        value: the same, parsed.
        present: the value that it replaces.
    """
    values = value if isinstance(value, tuple) else (value,)
    if isinstance(value, tuple) and key not in _ANY_LENGTH:
        length = len(present) if isinstance(present, tuple) else 2  # sizes may be None
        if len(values) != length:
            raise _create_error(key, text, f"needs {format_count(length, 'value')}", present)
    limits = LIMITS.get(key)
    if limits is not None and not all(v is None or limits.contains(v) for v in values):
        raise _create_error(key, text, f"must be {limits.describe()}", present)
    if key == "ema" and values[0] >= 1:
        raise _create_error(key, text, "must have a momentum below 1", present)
    if key in _RANGES and value is not None and values[0] > values[1]:
        raise _create_error(key, text, "begins with the larger value", present)


def _create_error(key: str, text: str, what: str, present: Any) -> InputError:
    shown = ",".join(map(str, present)) if isinstance(present, tuple) else present
    return InputError(f"{key}={text}", what, f"it was {key}={shown}")
