"""The names of what is resampled: images, or groups of them, which labels call `group`."""

from collections.abc import Sequence

from smallpose.core.counts import format_count

IMAGE = "image"
GROUP = "group or video"  # labels do not say if a group is one video or photos of one place
_PLURALS = {IMAGE: "images", GROUP: "groups or videos"}


def name_unit(groups: Sequence[str]) -> str:
    """Name what is resampled, by the group of each image."""
    return GROUP if any(groups) else IMAGE


def name_units(unit: str) -> str:
    """Return the plural of a unit.

    >>> name_units(GROUP)
    'groups or videos'
    """
    return _PLURALS[unit]


def format_units(count: int, unit: str) -> str:
    """Write how many units there are.

    >>> format_units(1, GROUP), format_units(2, IMAGE)
    ('1 group or video', '2 images')
    """
    return format_count(count, unit, name_units(unit))
