"""Every image with a small person, and a random share of the rest (paper, Sec. 9.1).

The paper says of the rest only that some images with medium and large people were included at
random; known is the mix of sizes that came out. So the rest is drawn until the mix is that one.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.sizes import SIZES

# People by size in the paper's Table 1.
PAPER_MIX = {"train": (351_722, 225_950, 49_453), "test": (75_841, 53_869, 12_609)}
MIX_TOLERANCE = 0.005  # of the share of small people, before a note is made of it


@dataclass(frozen=True)
class Selection:
    """Chosen images of one split.

    Args:
        rows: (c,) rows into the images, ascending.
        with_small: how many of them hold a small person; the others were drawn.
        pool: how many images were there to draw from.
        mix: people by size class that the chosen images hold.
        note: why the paper's mix was not reached; "" where it was.
    """

    rows: NDArray[np.intp]
    with_small: int
    pool: int
    mix: tuple[int, int, int]
    note: str


def select_images(
    people: Instances, rows: NDArray[np.intp], split: str, rng: np.random.Generator
) -> Selection:
    """The images of a split that the data set holds; each keeps all its people.

    Args:
        people: everybody, boxes clipped already.
        rows: the split's images.
        split: "train" or "test", whose mix of the paper is the target.
        rng: draws the rest, without replacement, each source in proportion.
    """
    found = select_from_counts(
        count_people_by_size(people)[rows], people.images.source[rows], split, rng
    )
    return replace(found, rows=rows[found.rows])


def select_from_counts(
    counts: NDArray[np.int64], source: NDArray[np.int8], split: str, rng: np.random.Generator
) -> Selection:
    """The same from counts alone, for people who do not fit into memory.

    Args:
        counts: (m, 3) small, medium and large people of each image.
        source: (m,) each image's.
    Returns: `rows` into these.
    """
    small = counts[:, 0] > 0
    somebody = counts.sum(axis=1) > 0
    pool = np.flatnonzero(somebody & ~small)
    target = np.array(PAPER_MIX[split]) / sum(PAPER_MIX[split])
    drawn = _draw_images(counts, counts[small].sum(axis=0), pool, source, target, rng)
    chosen = np.sort(np.concatenate([np.flatnonzero(small), drawn]))
    mix = counts[chosen].sum(axis=0)
    three = (int(mix[0]), int(mix[1]), int(mix[2]))
    return Selection(
        chosen, int(small.sum()), len(pool), three, _explain_missed_mix(split, mix, target)
    )


def describe_selection(people: Instances, rows: NDArray[np.intp], split: str) -> Selection:
    """The selection that these rows are, after some came from or went to another split."""
    counts = count_people_by_size(people)[rows]
    mix = counts.sum(axis=0)
    target = np.array(PAPER_MIX[split]) / sum(PAPER_MIX[split])
    small = int((counts[:, 0] > 0).sum())
    three = (int(mix[0]), int(mix[1]), int(mix[2]))
    return Selection(rows, small, len(rows) - small, three, _explain_missed_mix(split, mix, target))


def count_people_by_size(people: Instances) -> NDArray[np.int64]:
    """(m, 3) people of each size class in each image."""
    classed = people.is_counted & (people.size_class >= 0)
    flat = people.image_rows[classed] * 3 + people.size_class[classed]
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
    """Rows of the pool, drawn until the share of small people is the target's.

    Two random streams, images with more medium and images with more large people; each draw
    takes the head of the stream that brings the mix closer, so that medium and large fit too.
    """
    order = pool[np.argsort(_draw_stratified_positions(source[pool], rng), kind="stable")]
    large = counts[order, 2] > counts[order, 1]
    streams = [order[~large].tolist()[::-1], order[large].tolist()[::-1]]
    drawn: list[int] = []
    share = _compute_small_share(mix)
    while share > target[0] and any(streams):
        heads = [s for s in streams if s]
        best = min(heads, key=lambda s: _measure_mix_distance(mix + counts[s[-1]], target))
        after = mix + counts[best[-1]]
        if abs(_compute_small_share(after) - target[0]) > abs(share - target[0]):
            break
        drawn.append(best.pop())
        mix, share = after, _compute_small_share(after)
    return np.array(drawn, dtype=np.intp)


def _draw_stratified_positions(
    source: NDArray[np.int8], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(p,) random positions in [0, 1) such that any first part holds each source in proportion."""
    position = np.zeros(len(source))
    for one in np.unique(source):
        of_source = np.flatnonzero(source == one)
        ranks = rng.permutation(len(of_source))
        position[of_source] = (ranks + rng.random(len(of_source))) / len(of_source)
    return position


def _compute_small_share(mix: NDArray[np.int64]) -> float:
    return float(mix[0] / max(mix.sum(), 1))


def _measure_mix_distance(mix: NDArray[np.int64], target: NDArray[np.float64]) -> float:
    return float(np.abs(mix / max(mix.sum(), 1) - target).sum())


def _explain_missed_mix(split: str, mix: NDArray[np.int64], target: NDArray[np.float64]) -> str:
    share = _compute_small_share(mix)
    if not mix.sum() or abs(share - target[0]) <= MIX_TOLERANCE:
        return ""
    why = (
        "there are no more images without small people to draw"
        if share > target[0]
        else "images with small people bring more medium and large ones along"
    )
    reached = ":".join(f"{100 * m / mix.sum():.0f}" for m in mix)
    wanted = ":".join(f"{100 * t:.0f}" for t in target)
    sizes = ":".join(s[0].upper() for s in SIZES)
    return f"{split}: {sizes} is {reached} and not the paper's {wanted}: {why}"
