"""Compute the distributions of box areas and of people per image (Figs. 2, 7, 8b)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.sizes import MEDIUM_BELOW, SMALL_BELOW

# Fig. 2 prints 32 × 32 and the two class limits; the edges between them are our choice.
AREA_EDGES = (0, 32 * 32, 64 * 48, 96 * 64, SMALL_BELOW, 192 * 128, MEDIUM_BELOW, np.inf)
AREA_NAMES = ("0", "32×32", "64×48", "96×64", "128×96", "192×128", "256×192", "∞")


@dataclass(frozen=True)
class Histogram:
    """Counts between edges; a bin contains its lower edge and not its upper one.

    Args:
        edges: (b + 1,) ascending.
        counts: (b,) whole numbers.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        """Return the sum of the counts."""
        return int(self.counts.sum())

    @property
    def shares(self) -> NDArray[np.float64]:
        """Return (b,) shares of the total; zeros for an empty histogram."""
        return self.counts / max(self.total, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists; an open end is None."""
        edges = [float(e) if np.isfinite(e) else None for e in self.edges]
        return {"edges": edges, "counts": self.counts.tolist()}


def build_area_histogram(people: Instances, edges: tuple[float, ...] = AREA_EDGES) -> Histogram:
    """Count people by box area, px² (Fig. 2).

    With `AREA_EDGES` every person who counts is in a bin: boxes without area, as in files of
    others, are in the first one.
    """
    area = np.maximum(people.area[people.is_counted], 0.0)
    bins = np.searchsorted(np.asarray(edges), area, side="right") - 1
    bins = bins[(bins >= 0) & (bins < len(edges) - 1)]
    counts = np.bincount(bins, minlength=len(edges) - 1)
    return Histogram(np.asarray(edges, dtype=np.float64), counts.astype(np.int64))


def count_people_per_image(
    people: Instances, *, include_ignored: bool = False
) -> NDArray[np.int64]:
    """Return (max + 1,) the number of images with 0, 1, 2 … people (Fig. 7).

    Args:
        include_ignored: also count crowd regions and people without keypoints.
    """
    rows = people.image_rows if include_ignored else people.image_rows[people.is_counted]
    in_image = np.bincount(rows, minlength=len(people.images))
    return np.bincount(in_image, minlength=1).astype(np.int64)
