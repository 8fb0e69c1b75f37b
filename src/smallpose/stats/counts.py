"""Count images and people by split, source, size and density class (Table 1, Figs. 1a, 8).

As in the paper's Table 1, only people who count (not crowd, `num_keypoints` > 0) and images with
at least one of them are counted; `images_in_file` is the number of all images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.density import DENSITIES
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.sizes import SIZES
from smallpose.core.table import Cell, Column, Table

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Counts:
    """Images and people of one table, or of a part of it.

    Args:
        images: images with at least one person who counts.
        images_in_file: all images, also those without people.
        people: people who count.
        sizes: the small, medium and large ones of them; boxes without area are in none.
        densities: the sparse, moderate and dense ones of the small; people without a keypoint of
            v > 0 are in none.
        ignored: crowd regions and people without keypoints, which are counted nowhere else.
    """

    images: int
    images_in_file: int
    people: int
    sizes: Triple
    densities: Triple
    ignored: int

    @property
    def people_per_image(self) -> float:
        """Return the mean over images with people; NaN without any."""
        return self.people / self.images if self.images else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, classes by name."""
        return {
            "images": self.images,
            "images_in_file": self.images_in_file,
            "people": self.people,
            **dict(zip(SIZES, self.sizes, strict=True)),
            **dict(zip(DENSITIES, self.densities, strict=True)),
            "ignored": self.ignored,
        }

    def __add__(self, other: "Counts") -> "Counts":
        """Add the counts of two tables that have no image in common."""
        return Counts(
            images=self.images + other.images,
            images_in_file=self.images_in_file + other.images_in_file,
            people=self.people + other.people,
            sizes=_add_triples(self.sizes, other.sizes),
            densities=_add_triples(self.densities, other.densities),
            ignored=self.ignored + other.ignored,
        )


def count_people(people: Instances) -> Counts:
    """Count a whole table."""
    all_rows = np.ones(len(people), dtype=bool)
    return _count_selected(people, all_rows, len(people.images))


def count_by_source(people: Instances) -> dict[str, Counts]:
    """Count each source that has an image or a person, in the order of `SOURCES`.

    People and images of a file that does not name their source are under "".
    """
    num_images = np.bincount(people.images.source, minlength=len(SOURCES))
    num_people = np.bincount(people.source, minlength=len(SOURCES))
    return {
        name: _count_selected(people, people.source == code, int(num_images[code]))
        for code, name in enumerate(SOURCES)
        if num_images[code] or num_people[code]
    }


def _count_selected(
    people: Instances, is_selected: NDArray[np.bool_], images_in_file: int
) -> Counts:
    counts = people.is_counted & is_selected
    return Counts(
        images=len(np.unique(people.image_rows[counts])),
        images_in_file=images_in_file,
        people=int(np.count_nonzero(counts)),
        sizes=_count_classes(people.size_class[counts]),
        densities=_count_classes(people.density_class[counts]),
        ignored=int(np.count_nonzero(is_selected & ~people.is_counted)),
    )


def _count_classes(codes: NDArray[np.int8]) -> Triple:
    first, second, third = np.bincount(codes[codes >= 0], minlength=3).tolist()
    return first, second, third


def _add_triples(one: Triple, other: Triple) -> Triple:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


@dataclass(frozen=True)
class Table1:
    """Images and people by split and size, in the layout of the paper's Table 1.

    Args:
        rows: the counts of each split (or file) by name; `total` last, where it makes sense.
    """

    rows: Mapping[str, Counts]

    def to_markdown(self) -> str:
        """Render the table, with shares beside the size classes."""
        columns = (
            Column("split"),
            Column("images", "count"),
            Column("people", "count"),
            *(Column(size, "count") for size in SIZES),
            Column("people per image", "number"),
        )
        table = Table("table1", "", columns, tuple(self._build_cells()))
        return table.to_markdown().removesuffix("\n")

    def to_dict(self) -> dict[str, Any]:
        """Return the counts of each split as plain numbers."""
        return {name: counts.to_dict() for name, counts in self.rows.items()}

    def _build_cells(self) -> list[tuple[Cell, ...]]:
        return [
            (
                name,
                c.images,
                c.people,
                *(f"{n:,} ({format_share(n, c.people)})" for n in c.sizes),
                c.people_per_image,
            )
            for name, c in self.rows.items()
        ]


def build_table1(train: Instances, test: Instances) -> Table1:
    """Count train, test and their sum for Table 1."""
    parts = {"train": count_people(train), "test": count_people(test)}
    return Table1({**parts, "total": parts["train"] + parts["test"]})


def format_share(part: int, total: int) -> str:
    """Format `part` of `total` in per cent, such as `33.3 %`; a dash for a total of 0."""
    return f"{100 * part / total:.1f} %" if total else "–"
