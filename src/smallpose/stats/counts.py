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

Triple = tuple[int, int, int]


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
    sizes: Triple
    densities: Triple
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
            _add_triples(self.sizes, other.sizes),
            _add_triples(self.densities, other.densities),
            self.ignored + other.ignored,
        )


def count_people(people: Instances) -> Counts:
    """The counts of a whole table."""
    everyone = np.ones(len(people), dtype=bool)
    return _count_selected(people, everyone, len(people.images))


def count_by_source(people: Instances) -> dict[str, Counts]:
    """The counts of each source that has an image or a person, in the order of `SOURCES`.

    People and images whose file does not say where they come from stand under "".
    """
    images = np.bincount(people.images.source, minlength=len(SOURCES))
    persons = np.bincount(people.source, minlength=len(SOURCES))
    return {
        name: _count_selected(people, people.source == code, int(images[code]))
        for code, name in enumerate(SOURCES)
        if images[code] or persons[code]
    }


def _count_selected(people: Instances, which: NDArray[np.bool_], images: int) -> Counts:
    counted = people.is_counted & which
    return Counts(
        len(np.unique(people.image_rows[counted])),
        images,
        int(np.count_nonzero(counted)),
        _count_classes(people.size_class[counted]),
        _count_classes(people.density_class[counted]),
        int(np.count_nonzero(which & ~people.is_counted)),
    )


def _count_classes(codes: NDArray[np.int8]) -> Triple:
    first, second, third = np.bincount(codes[codes >= 0], minlength=3).tolist()
    return first, second, third


def _add_triples(one: Triple, other: Triple) -> Triple:
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
                *(f"{n:,} ({format_share(n, c.people)})" for n in c.sizes),
                f"{c.people_per_image:.2f}" if c.images else "–",
            )
            for name, c in self.rows.items()
        ]


def build_table1(train: Instances, test: Instances) -> Table1:
    """Table 1 of a built set: train, test and their sum."""
    parts = {"train": count_people(train), "test": count_people(test)}
    return Table1({**parts, "total": parts["train"] + parts["test"]})


def format_share(part: int, whole: int) -> str:
    """`part` of `whole` in per cent with one decimal, such as `33.3 %`; a dash of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"
