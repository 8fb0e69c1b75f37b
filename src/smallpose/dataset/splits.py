"""Train and test: the source's own split, else 8 : 2 by video or image (paper, Sec. 9.1).

Frames of one video look alike, so a video goes to one side as a whole; where a source has no
videos each image is a group of its own. `paper` splits frame by frame, for comparison only.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Images

TEST_SHARE = 0.2
SPLITS = ("train", "test")


def assign_splits(
    images: Images, official: Sequence[str], method: str, rng: np.random.Generator
) -> tuple[str, ...]:
    """(m,) "train" or "test" of each image.

    Args:
        images: of all sources together.
        official: (m,) the source's own split of each image, "" where there is none.
        how: "grouped" (whole videos, and videos that another source has already split stay on
            that side) or "paper" (image by image).
    """
    side = np.array([SPLITS.index(s) if s else -1 for s in official], dtype=np.int8)
    for source in np.unique(images.source[side < 0]):
        open_rows = np.flatnonzero((side < 0) & (images.source == source))
        if method == "grouped":
            units = _group_rows(images, open_rows)
            taken = _find_group_splits(images, side)
        else:
            units, taken = {str(r): [r] for r in open_rows.tolist()}, {}
        for name in [n for n in units if n in taken]:
            side[units.pop(name)] = taken[name]
        forced = int(np.count_nonzero(side[open_rows] == 1))
        wanted = round(TEST_SHARE * len(open_rows)) - forced
        rows = list(units.values())
        for unit in find_closest_subset([len(r) for r in rows], wanted, rng):
            side[rows[unit]] = 1
        rest = open_rows[side[open_rows] < 0]
        side[rest] = 0
    return tuple(SPLITS[s] for s in side)


def _group_rows(images: Images, rows: NDArray[np.intp]) -> dict[str, list[int]]:
    """Rows that must stay together, by group; an image without a group is alone."""
    units: dict[str, list[int]] = defaultdict(list)
    for row in rows.tolist():
        units[images.groups[row] or f"image {row}"].append(row)
    return dict(units)


def _find_group_splits(images: Images, side: NDArray[np.int8]) -> dict[str, int]:
    """The side each group is on already; one that is on both stays with the test side."""
    taken: dict[str, int] = {}
    for group, s in zip(images.groups, side.tolist(), strict=True):
        if group and s >= 0:
            taken[group] = max(s, taken.get(group, 0))
    return taken


def find_closest_subset(sizes: Sequence[int], wanted: int, rng: np.random.Generator) -> list[int]:
    """Numbers of a random subset whose sizes add up as close to `wanted` as any can.

    Subset sums as the bits of one integer: bit b of `reach[i]` says that the first i units (in a
    random order) have a subset of size b.
    """
    if wanted <= 0 or not sizes:
        return []
    order = rng.permutation(len(sizes)).tolist()
    limit = (1 << (2 * wanted + 1)) - 1  # beyond twice the wanted size nothing is closer than 0
    reach = [1]
    for unit in order:
        reach.append((reach[-1] | (reach[-1] << sizes[unit])) & limit)
    total = next(
        t
        for distance in range(wanted + 1)
        for t in (wanted - distance, wanted + distance)
        if reach[-1] >> t & 1
    )
    chosen = []
    for number in range(len(order), 0, -1):
        if not reach[number - 1] >> total & 1:
            chosen.append(order[number - 1])
            total -= sizes[order[number - 1]]
    return chosen
