"""In which order an epoch shows people, so that each picture need be decoded only once.

Fully shuffled, the ten people of a picture stand far apart, and the picture is decoded ten times
or its crops wait for half an epoch. Here the pictures are shuffled, dealt to lanes, and each
person moves back by chance as far as a window: people of one picture come within a few thousand
of each other, yet a batch takes turns among the lanes and so shows many pictures.

The order depends on the generator alone, neither on batches nor on processes. The person at place
i is of lane i mod lanes; a process that takes every world-th place has whole lanes to itself
wherever the lanes can be divided so, and then no picture is decoded by two of them.
"""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]

LANES = (48, 24, 12, 4, 2, 1)  # 48 can be dealt to 1, 2, 3, 4, 6, 8, 12, 16, 24 and 48 processes
PICTURES_PER_LANE = 32  # at least: where a lane begins, one picture is decoded twice


def lanes_for(pictures: int) -> int:
    """How many lanes so many pictures are dealt to."""
    return next(n for n in LANES if n == 1 or pictures >= n * PICTURES_PER_LANE)


def epoch_order(sizes: NDArray[np.intp], window: int, rng: np.random.Generator) -> Rows:
    """A permutation of people that keeps those of a picture near each other.

    Args:
        sizes: (m,) people of each picture; people are numbered picture by picture.
        window: people among whom a person is moved. From as many on as there are, the order is a
            full shuffle.
    Returns: (n,) numbers of people.
    """
    n = int(sizes.sum())
    if window >= n:
        return rng.permutation(n)
    lanes = lanes_for(len(sizes))
    pictures = rng.permutation(len(sizes))
    first = np.cumsum(sizes) - sizes
    starts = np.repeat(
        first[pictures] - (np.cumsum(sizes[pictures]) - sizes[pictures]), sizes[pictures]
    )
    dealt = starts + np.arange(n)  # people laid end to end, picture by picture
    lengths = (n - np.arange(lanes) + lanes - 1) // lanes
    lane = np.repeat(np.arange(lanes), lengths)
    at = np.arange(n) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    moved = at + rng.random(n) * (window / lanes)
    order = np.empty(n, dtype=np.intp)
    order[at * lanes + lane] = dealt[np.lexsort((moved, lane))]
    return order
