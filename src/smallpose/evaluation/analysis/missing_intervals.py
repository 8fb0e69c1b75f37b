"""Say why the AP of groups of people has no interval, for the foot of a table."""

from collections.abc import Sequence
from typing import Protocol

from smallpose.core.counts import format_count
from smallpose.core.interval import Interval
from smallpose.evaluation.scoring.bootstrap import MIN_CLUSTERS


class ScoredGroup(Protocol):
    """A group of people with its AP, as a row of a table shows it."""

    @property
    def ap(self) -> float | None:
        """Return its AP; None without people."""

    @property
    def interval(self) -> Interval | None:
        """Return 95 % of it."""

    @property
    def is_scarce(self) -> bool:
        """Return whether its people are in too few images or videos for an interval."""


def describe_missing_intervals(groups: Sequence[ScoredGroup], num_resamples: int) -> list[str]:
    """Say in how many rows there is no interval, and why; nothing where none were asked for.

    Args:
        num_resamples: of the bootstrap; 0 for none.
    """
    if not num_resamples:
        return []
    missing = [one for one in groups if one.interval is None and one.ap is not None]
    others = [one for one in missing if not one.is_scarce]
    constant = [one for one in others if one.ap in (0.0, 1.0)]
    reasons = {
        f"people in fewer than {MIN_CLUSTERS} images or videos": len(missing) - len(others),
        "0, or 1, here and in all resamples": len(constant),
        "too few resamples have people of the row": len(others) - len(constant),
    }
    return [
        f"no interval in {format_count(count, 'row')}: {reason}"
        for reason, count in reasons.items()
        if count
    ]
