"""How box areas and people per image are distributed (Figs. 2, 7, 8b)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.sizes import MEDIUM_BELOW, SMALL_BELOW

# Fig. 2 names 32 × 32 and the two class limits; the edges between them are our reading.
AREA_EDGES = (0, 32 * 32, 64 * 48, 96 * 64, SMALL_BELOW, 192 * 128, MEDIUM_BELOW, np.inf)
AREA_NAMES = ("0", "32×32", "64×48", "96×64", "128×96", "192×128", "256×192", "∞")


@dataclass(frozen=True)
class Histogram:
    """Counts between edges; each bin holds its lower edge and not its upper one.

    Args:
        edges: (b + 1,) ascending.
        counts: (b,) whole numbers.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        """Everything counted."""
        return int(self.counts.sum())

    @property
    def shares(self) -> NDArray[np.float64]:
        """(b,) of the total; zeros when there is nothing."""
        return self.counts / max(self.total, 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists; an open end is null."""
        edges = [float(e) if np.isfinite(e) else None for e in self.edges]
        return {"edges": edges, "counts": self.counts.tolist()}


def build_area_histogram(people: Instances, edges: tuple[float, ...] = AREA_EDGES) -> Histogram:
    """Counted people by box area, px² (Fig. 2).

    Over `AREA_EDGES` the counts sum to the people counted: boxes without area, which other people's
    files have, stand in the first bin.
    """
    area = np.maximum(people.area[people.is_counted], 0.0)
    bins = np.searchsorted(np.asarray(edges), area, side="right") - 1
    inside = bins[(bins >= 0) & (bins < len(edges) - 1)]
    counts = np.bincount(inside, minlength=len(edges) - 1)
    return Histogram(np.asarray(edges, dtype=np.float64), counts.astype(np.int64))


def count_people_per_image(
    people: Instances, *, include_ignored: bool = False
) -> NDArray[np.int64]:
    """(most + 1,) how many images show 0, 1, 2 … people (Fig. 7).

    Args:
        everybody: also those who count nowhere (crowd regions, people without keypoints).
    """
    rows = people.image_rows if include_ignored else people.image_rows[people.is_counted]
    in_image = np.bincount(rows, minlength=len(people.images))
    return np.bincount(in_image, minlength=1).astype(np.int64)
