"""Select every image with a small person and a random share of the others, or all.

The paper only says that some images with medium and large people were included at random (Sec.
9.1), and reports the resulting mix of sizes. So the others are drawn until the mix is that of the
paper.
"""

from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_share
from smallpose.core.instances import Instances
from smallpose.core.sizes import SIZES

# People by size in the paper's Table 1.
PAPER_MIX = {"train": (351_722, 225_950, 49_453), "test": (75_841, 53_869, 12_609)}
Mix = tuple[int, int, int]  # small, medium and large people

SELECTIONS = ("paper", "all")
MIX_TOLERANCE = 0.005  # deviation of the share of small people that is not worth a note


@dataclass(frozen=True)
class Selection:
    """The selected images of one split.

    Args:
        rows: (c,) rows into the images, ascending.
        num_with_small: how many of them contain a small person; the others were drawn.
        pool: number of images that could be drawn.
        mix: small, medium and large people in the selected images.
        note: why the paper's mix was not reached; "" where it was, and where all were selected.
        num_without_people: number of images that were left out because no person is labelled there.
        select: "paper" or "all".
    """

    rows: NDArray[np.intp]
    num_with_small: int
    pool: int
    mix: tuple[int, int, int]
    note: str
    num_without_people: int = 0
    select: str = "paper"

    def describe_left_out(self, split: str) -> str:
        """Name the groups of images that were left out, with the reason; "" where none were."""
        num_not_drawn = self.pool - (len(self.rows) - self.num_with_small)
        groups = []
        if num_not_drawn > 0:
            groups.append(
                f"{num_not_drawn:,} without a small person (below 128 × 96 px²), not drawn for the "
                "paper's mix of sizes"
            )
        if self.num_without_people:
            groups.append(f"{self.num_without_people:,} without a person with keypoints")
        if not groups:
            return ""
        total = max(num_not_drawn, 0) + self.num_without_people
        return (
            f"{split}: {format_share(total, len(self.rows) + total, 'image is', 'images are')} "
            "left out: " + ("; ".join(groups))
        )


def select_all_images(people: Instances, rows: NDArray[np.intp], split: str) -> Selection:
    """Select all images of a split, also those without people."""
    counts = count_people_by_size(people)[rows]
    pool = len(rows) - int((counts[:, 0] > 0).sum())
    return replace(_summarise_selection(rows, counts, pool, split), note="", select="all")


def select_images(
    people: Instances, rows: NDArray[np.intp], split: str, rng: np.random.Generator
) -> Selection:
    """Select images of a split; each keeps all its people.

    Args:
        people: people of all splits, with clipped boxes.
        rows: the images of the split.
        split: "train" or "test"; its mix of sizes in the paper is the target.
        rng: draws without replacement, from each source in proportion.
    """
    counts = count_people_by_size(people)[rows]
    selection = select_from_counts(counts, people.images.source[rows], split, rng)
    return replace(selection, rows=rows[selection.rows])


def select_from_counts(
    counts: NDArray[np.int64], source: NDArray[np.int8], split: str, rng: np.random.Generator
) -> Selection:
    """Select images from counts alone, for people who do not fit into memory.

    Args:
        counts: (m, 3) small, medium and large people of each image.
        source: (m,) source of each image.
    Returns: `rows` are rows of these arrays.
    """
    has_small = counts[:, 0] > 0
    has_people = counts.sum(axis=1) > 0
    pool = np.flatnonzero(has_people & ~has_small)
    drawn = _draw_images(
        counts, counts[has_small].sum(axis=0), pool, source, _get_target_mix(split), rng
    )
    rows = np.sort(np.concatenate([np.flatnonzero(has_small), drawn]))
    selection = _summarise_selection(rows, counts[rows], len(pool), split)
    return replace(selection, num_without_people=int((~has_people).sum()))


def describe_selection(
    people: Instances, rows: NDArray[np.intp], split: str, *, pool: int = 0, was_moved: bool = False
) -> Selection:
    """Return the selection for the paper's mix that consists of `rows`.

    Args:
        pool: number of images that could be drawn; 0 for those in `rows` alone.
        was_moved: whether images moved between the splits after the selection.
    """
    counts = count_people_by_size(people)[rows]
    num_others = len(rows) - int((counts[:, 0] > 0).sum())
    selection = _summarise_selection(rows, counts, pool or num_others, split)
    if was_moved and selection.note:
        reason = "images were moved between the splits (--leaks move)"
        return replace(selection, note=_explain_mix(split, counts.sum(axis=0), reason))
    return selection


def _summarise_selection(
    rows: NDArray[np.intp], counts: NDArray[np.int64], pool: int, split: str
) -> Selection:
    mix = counts.sum(axis=0)
    small, medium, large = mix.tolist()
    return Selection(
        rows=rows,
        num_with_small=int((counts[:, 0] > 0).sum()),
        pool=pool,
        mix=(small, medium, large),
        note=_explain_missed_mix(split, counts, pool),
    )


def _get_target_mix(split: str) -> NDArray[np.float64]:
    """Return the shares of small, medium and large people in the paper."""
    return np.asarray(np.array(PAPER_MIX[split]) / sum(PAPER_MIX[split]))


def count_people_by_size(people: Instances) -> NDArray[np.int64]:
    """Count the (m, 3) small, medium and large people of each image."""
    has_class = people.is_counted & (people.size_class >= 0)
    flat = people.image_rows[has_class] * 3 + people.size_class[has_class]
    table = np.bincount(flat, minlength=3 * len(people.images))
    return table.reshape(-1, 3).astype(np.int64)


def _draw_images(
    counts: NDArray[np.int64],
    mix: NDArray[np.int64],
    pool: NDArray[np.intp],
    source: NDArray[np.int8],
    target: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Draw rows of the pool until the share of small people is that of the target.

    There are two random queues: images with more medium and images with more large people. Each
    draw takes the head of the queue that brings the mix closer to the target, so that the shares
    of medium and large people match as well.
    """
    order = pool[np.argsort(_draw_stratified_positions(source[pool], rng), kind="stable")]
    is_large = counts[order, 2] > counts[order, 1]
    queues = [order[~is_large].tolist()[::-1], order[is_large].tolist()[::-1]]
    # Plain numbers, because NumPy is slow on the three of one image.
    counts_of = dict(zip(order.tolist(), map(tuple, counts[order].tolist()), strict=True))
    small_share, medium_share, large_share = target.tolist()
    targets = (small_share, medium_share, large_share)
    small, medium, large = mix.tolist()
    drawn: list[int] = []
    share = small / max(small + medium + large, 1)
    while share > small_share and any(queues):
        candidates = []
        for queue in filter(None, queues):
            more_small, more_medium, more_large = counts_of[queue[-1]]
            next_mix = (small + more_small, medium + more_medium, large + more_large)
            candidates.append((_measure_mix_distance(next_mix, targets), next_mix, queue))
        _, next_mix, best = min(candidates, key=itemgetter(0))
        next_share = next_mix[0] / max(sum(next_mix), 1)
        if abs(next_share - small_share) > abs(share - small_share):
            break
        drawn.append(best.pop())
        small, medium, large = next_mix
        share = next_share
    return np.array(drawn, dtype=np.intp)


def _draw_stratified_positions(
    source: NDArray[np.int8], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw (p,) positions in [0, 1) such that any first part has each source in proportion."""
    position = np.zeros(len(source))
    for one_source in np.unique(source):
        rows = np.flatnonzero(source == one_source)
        ranks = rng.permutation(len(rows))
        position[rows] = (ranks + rng.random(len(rows))) / len(rows)
    return position


def _compute_small_share(mix: NDArray[np.int64]) -> float:
    return float(mix[0] / max(mix.sum(), 1))


def _measure_mix_distance(mix: Mix, target: tuple[float, float, float]) -> float:
    total = max(sum(mix), 1)
    small, medium, large = mix
    return (
        abs(small / total - target[0])
        + abs(medium / total - target[1])
        + abs(large / total - target[2])
    )


def _explain_missed_mix(split: str, counts: NDArray[np.int64], pool: int) -> str:
    """Explain why the mix of sizes is not that of the paper; "" where it is.

    Args:
        counts: (m, 3) people by size of each selected image.
        pool: number of images that could be drawn.
    """
    mix = counts.sum(axis=0)
    target = _get_target_mix(split)[0]
    share = _compute_small_share(mix)
    if not mix.sum() or abs(share - target) <= MIX_TOLERANCE:
        return ""
    has_small = counts[:, 0] > 0
    num_drawn = int((~has_small).sum())
    if num_drawn == 0 and share < target:
        reason = "images with small people also contain more medium and large ones"
    elif num_drawn == pool and share > target:
        reason = "there are no more images without small people to draw"
    elif share > target:
        reason = "one more image would lead farther from it"
    else:
        reason = "the last image that was drawn led beyond it, and without it the mix is farther"
    return _explain_mix(split, mix, reason)


def _explain_mix(split: str, mix: NDArray[np.int64], reason: str) -> str:
    actual = ":".join(f"{100 * m / mix.sum():.0f}" for m in mix)
    wanted = ":".join(f"{100 * t:.0f}" for t in _get_target_mix(split))
    sizes = ":".join(size[0].upper() for size in SIZES)
    return f"{split}: {sizes} is {actual} instead of the paper's {wanted}, because {reason}"
