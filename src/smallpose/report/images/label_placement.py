"""Place short texts above people, so that those of neighbours do not overlap."""

from collections.abc import Sequence
from typing import NamedTuple

# Steps from the wanted place, in widths and heights of the text: up first, then to the sides and
# down, the nearest ones first.
_STEPS = sorted(
    ((dx / 2, float(dy)) for dx in range(-4, 5) for dy in range(-5, 4)),
    key=lambda step: (2 * abs(step[0]) + abs(step[1]) + (step[1] > 0), step),
)


class Rectangle(NamedTuple):
    """A rectangle in px of an image, with its right and lower end."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Rectangle") -> bool:
        """Return whether the two have an area in common."""
        is_beside = self.right <= other.left or other.right <= self.left
        return not (is_beside or self.bottom <= other.top or other.bottom <= self.top)

    def move_into(self, width: float, height: float) -> "Rectangle":
        """Return the rectangle moved by as little as brings it into an image of that size."""
        left = max(min(self.left, width - (self.right - self.left)), 0.0)
        top = max(min(self.top, height - (self.bottom - self.top)), 0.0)
        return Rectangle(left, top, left + self.right - self.left, top + self.bottom - self.top)


def place_labels(wanted: Sequence[Rectangle], width: float, height: float) -> list[Rectangle]:
    """Return a place for each text in an image of that size, as near to the wanted one as is free.

    The left-most is placed first. Where all places around are taken, a text stays where it was
    wanted.
    """
    places: dict[int, Rectangle] = {}
    for index in sorted(range(len(wanted)), key=lambda i: wanted[i]):
        places[index] = _find_free_place(wanted[index], list(places.values()), width, height)
    return [places[index] for index in range(len(wanted))]


def _find_free_place(
    wanted: Rectangle, taken: Sequence[Rectangle], width: float, height: float
) -> Rectangle:
    text_width = wanted.right - wanted.left
    text_height = wanted.bottom - wanted.top
    for step_x, step_y in _STEPS:
        dx = step_x * text_width
        dy = step_y * text_height
        moved = Rectangle(wanted.left + dx, wanted.top + dy, wanted.right + dx, wanted.bottom + dy)
        place = moved.move_into(width, height)
        if not any(place.overlaps(other) for other in taken):
            return place
    return wanted.move_into(width, height)
