"""Assign images to train or test: the source's own split, else 8 : 2 (paper, Sec. 9.1).

Frames of one video look alike, so all frames of a video are assigned to the same split; an image
that belongs to no video is a group by itself. The method "paper" splits frame by frame, for
comparison only.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Images

TEST_SHARE = 0.2
SPLITS = ("train", "test")
_TEST = SPLITS.index("test")
_UNASSIGNED = -1


def assign_splits(
    images: Images, official: Sequence[str], method: str, rng: np.random.Generator
) -> tuple[str, ...]:
    """Assign each of m images to "train" or "test".

    Args:
        images: images of all sources.
        official: (m,) the source's own split of each image, "" where there is none.
        method: "grouped" (entire videos; a video that another source has already split keeps that
            split) or "paper" (image by image).
    """
    code_of = {"": _UNASSIGNED, **{name: code for code, name in enumerate(SPLITS)}}
    split = np.array([code_of[name] for name in official], dtype=np.int8)
    for source in np.unique(images.source[split < 0]):
        open_rows = np.flatnonzero((split < 0) & (images.source == source))
        if method == "grouped":
            groups = _group_rows(images, open_rows)
            known = _find_group_splits(images, split)
        else:
            groups = {str(row): [row] for row in open_rows.tolist()}
            known = {}
        for name in [n for n in groups if n in known]:
            split[groups.pop(name)] = known[name]
        num_assigned = int(np.count_nonzero(split[open_rows] == _TEST))
        num_wanted = round(TEST_SHARE * len(open_rows)) - num_assigned
        rows_by_group = list(groups.values())
        for index in find_closest_subset([len(r) for r in rows_by_group], num_wanted, rng):
            split[rows_by_group[index]] = _TEST
        rest = open_rows[split[open_rows] < 0]
        split[rest] = SPLITS.index("train")
    return tuple(map(SPLITS.__getitem__, split.tolist()))


def _group_rows(images: Images, rows: NDArray[np.intp]) -> dict[str, list[int]]:
    """Group the rows that must stay together; an image without a group is one by itself."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row in rows.tolist():
        groups[images.groups[row] or f"image {row}"].append(row)
    return dict(groups)


def _find_group_splits(images: Images, split: NDArray[np.int8]) -> dict[str, int]:
    """Return the split that each group already has; test where it has images in both."""
    known: dict[str, int] = {}
    for group, index in zip(images.groups, split.tolist(), strict=True):
        if group and index >= 0:
            known[group] = max(index, known.get(group, 0))
    return known


def find_closest_subset(sizes: Sequence[int], wanted: int, rng: np.random.Generator) -> list[int]:
    """Find a random subset of `sizes` whose sum is as close to `wanted` as possible.

    The reachable sums are the bits of one integer: bit b of `reachable[i]` is set if the first i
    sizes (in random order) have a subset with sum b.

    Returns: indices into `sizes`.
    """
    if wanted <= 0 or not sizes:
        return []
    order = rng.permutation(len(sizes)).tolist()
    limit = (1 << (2 * wanted + 1)) - 1  # sums above twice `wanted` are farther away than 0
    reachable = [1]
    for index in order:
        reachable.append((reachable[-1] | (reachable[-1] << sizes[index])) & limit)
    total = next(
        total
        for distance in range(wanted + 1)
        for total in (wanted - distance, wanted + distance)
        if reachable[-1] >> total & 1
    )
    chosen = []
    for position in range(len(order), 0, -1):
        if not reachable[position - 1] >> total & 1:
            chosen.append(order[position - 1])
            total -= sizes[order[position - 1]]
    return chosen
