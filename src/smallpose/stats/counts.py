"""How many: images and people by split, source, size and density class (Table 1, Figs. 1a, 8).

Only counted people count (not crowd, `num_keypoints` > 0), and only images with at least one of
them, as the paper's Table 1 has it; `images_in_file` keeps the number of all the others too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.density import DENSITIES
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.sizes import SIZES

Three = tuple[int, int, int]


@dataclass(frozen=True)
class Counts:
    """Images and people of one table, or of a part of it.

    Args:
        images: images with at least one counted person.
        images_in_file: all images, those without anybody too.
        people: counted people.
        sizes: of them small, medium, large; boxes without area are in none.
        densities: of the small ones sparse, moderate, dense; those without a point of v > 0 are
            in none.
        ignored: crowd regions and people without keypoints, counted nowhere else.
    """

    images: int
    images_in_file: int
    people: int
    sizes: Three
    densities: Three
    ignored: int

    @property
    def people_per_image(self) -> float:
        """Mean over images with people; NaN without any."""
        return self.people / self.images if self.images else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, classes by name."""
        return {
            "images": self.images,
            "images_in_file": self.images_in_file,
            "people": self.people,
            **dict(zip(SIZES, self.sizes, strict=True)),
            **dict(zip(DENSITIES, self.densities, strict=True)),
            "ignored": self.ignored,
        }

    def __add__(self, other: "Counts") -> "Counts":
        """Both together; their images must differ."""
        return Counts(
            self.images + other.images,
            self.images_in_file + other.images_in_file,
            self.people + other.people,
            _sum(self.sizes, other.sizes),
            _sum(self.densities, other.densities),
            self.ignored + other.ignored,
        )


def count(people: Instances) -> Counts:
    """The counts of a whole table."""
    everyone = np.ones(len(people), dtype=bool)
    return _count(people, everyone, len(people.images))


def count_by_source(people: Instances) -> dict[str, Counts]:
    """The counts of each source that has an image or a person, in the order of `SOURCES`.

    People and images whose file does not say where they come from stand under "".
    """
    images = np.bincount(people.images.source, minlength=len(SOURCES))
    persons = np.bincount(people.source, minlength=len(SOURCES))
    return {
        name: _count(people, people.source == code, int(images[code]))
        for code, name in enumerate(SOURCES)
        if images[code] or persons[code]
    }


def _count(people: Instances, which: NDArray[np.bool_], images: int) -> Counts:
    counted = people.counted & which
    return Counts(
        len(np.unique(people.image_rows[counted])),
        images,
        int(np.count_nonzero(counted)),
        _classes(people.size_class[counted]),
        _classes(people.density_class[counted]),
        int(np.count_nonzero(which & ~people.counted)),
    )


def _classes(codes: NDArray[np.int8]) -> Three:
    first, second, third = np.bincount(codes[codes >= 0], minlength=3).tolist()
    return first, second, third


def _sum(one: Three, other: Three) -> Three:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


@dataclass(frozen=True)
class Table1:
    """Images and people by split and size, in the shape of the paper's Table 1.

    Args:
        rows: name of a split (or of a file) to its counts; `total` last, where one makes sense.
    """

    rows: Mapping[str, Counts]

    head = ("split", "images", "people", "small", "medium", "large", "people per image")

    def to_markdown(self) -> str:
        """The table with shares beside the size classes."""
        lines = [self.head, ("---",) + ("---:",) * (len(self.head) - 1), *self._cells()]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def to_dict(self) -> dict[str, Any]:
        """Split to counts, plain numbers."""
        return {name: counts.to_dict() for name, counts in self.rows.items()}

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (
                name,
                f"{c.images:,}",
                f"{c.people:,}",
                *(f"{n:,} ({share(n, c.people)})" for n in c.sizes),
                f"{c.people_per_image:.2f}" if c.images else "–",
            )
            for name, c in self.rows.items()
        ]


def table1(train: Instances, test: Instances) -> Table1:
    """Table 1 of a built set: train, test and their sum."""
    parts = {"train": count(train), "test": count(test)}
    return Table1({**parts, "total": parts["train"] + parts["test"]})


def share(part: int, whole: int) -> str:
    """`part` of `whole` in per cent with one decimal, such as `33.3 %`; a dash of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"
