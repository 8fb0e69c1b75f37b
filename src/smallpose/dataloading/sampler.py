"""The order in which an epoch shows people, such that an image is rarely decoded twice.

In a full shuffle the ten people of an image are far apart: the image is decoded ten times, or its
crops wait for half an epoch. Here the images are shuffled and dealt to lanes, and each person is
moved back by a random distance up to a window. The people of an image stay within a few thousand
positions of each other, while a batch takes turns among the lanes and so shows many images.

The order depends on the random generator alone, not on batches or processes. The person at
position i belongs to lane i mod lanes. A process that takes every world_size-th position has whole
lanes to itself if world_size divides the number of lanes; then no two processes decode the same
image.
"""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]

LANES = (48, 24, 12, 4, 2, 1)  # 48 is divisible by 1, 2, 3, 4, 6, 8, 12, 16, 24 and 48 processes
IMAGES_PER_LANE = 32  # minimum: at the beginning of a lane one image is decoded twice


def choose_num_lanes(num_images: int) -> int:
    """Return the number of lanes for so many images."""
    return next(n for n in LANES if n == 1 or num_images >= n * IMAGES_PER_LANE)


def shuffle_by_image(sizes: NDArray[np.intp], window: int, rng: np.random.Generator) -> Rows:
    """Return a random permutation of people in which those of an image stay close together.

    Args:
        sizes: (m,) people per image; people are numbered image by image.
        window: number of people within which a person is moved. From the number of all people
            on, the order is a full shuffle.
    Returns: (n,) numbers of people.
    """
    n = int(sizes.sum())
    if window >= n:
        return rng.permutation(n)
    num_lanes = choose_num_lanes(len(sizes))
    images = rng.permutation(len(sizes))
    first = np.cumsum(sizes) - sizes
    shifts = np.repeat(first[images] - (np.cumsum(sizes[images]) - sizes[images]), sizes[images])
    by_image = shifts + np.arange(n)  # people of the shuffled images, end to end
    lane_lengths = (n - np.arange(num_lanes) + num_lanes - 1) // num_lanes
    lane = np.repeat(np.arange(num_lanes), lane_lengths)
    position = np.arange(n) - np.repeat(np.cumsum(lane_lengths) - lane_lengths, lane_lengths)
    moved = position + rng.random(n) * (window / num_lanes)
    order = np.empty(n, dtype=np.intp)
    order[position * num_lanes + lane] = by_image[np.lexsort((moved, lane))]
    return order
