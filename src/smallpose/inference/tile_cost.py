"""Say what tiles cost: the views of each image beforehand, the time after the first image."""

import time

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.instances import Images
from smallpose.inference.options import InferenceOptions
from smallpose.inference.tile_plan import choose_tile_levels, describe_tile_levels
from smallpose.inference.tiles import list_tile_views, use_test_side
from smallpose.methods.full_image import FullImageMethod
from smallpose.system.progress import format_duration, print_status

MAX_SIZES_PRINTED = 3

Ints = NDArray[np.int64]


def print_tiles(method: FullImageMethod, images: Images, options: InferenceOptions) -> None:
    """Print which tiles are searched in the images, size by size, and how many views that is."""
    if not (options.tile or options.smallest):
        return
    sizes_wh = _get_sizes(images)
    sizes, counts = np.unique(sizes_wh[sizes_wh.all(axis=1)], axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MAX_SIZES_PRINTED]
    with use_test_side(method, options.input_side):
        for w, h in sizes[order].tolist():
            levels = choose_tile_levels(method, (w, h), options)
            print_status(describe_tile_levels(method, (w, h), levels, options))
    num_others = len(sizes) - len(order)
    if num_others:
        print_status(f"{format_count(num_others, 'other image size')}: tiles are chosen likewise")


def count_views(method: FullImageMethod, images: Images, options: InferenceOptions) -> Ints:
    """Count the views of each image, the full image included: (m,).

    An image whose size is not known has as many as the others on average.
    """
    sizes_wh = _get_sizes(images)
    num_views = np.zeros(len(sizes_wh), dtype=np.int64)
    for w, h in np.unique(sizes_wh, axis=0).tolist():
        if w and h:
            is_of_size = (sizes_wh == (w, h)).all(axis=1)
            num_views[is_of_size] = _count_views_of_size(method, (w, h), options)
    is_known = num_views > 0
    num_views[~is_known] = round(num_views[is_known].mean()) if is_known.any() else 1
    return num_views


def _count_views_of_size(
    method: FullImageMethod, image_wh: tuple[int, int], options: InferenceOptions
) -> int:
    levels = choose_tile_levels(method, image_wh, options)
    with use_test_side(method, options.tile_to):
        return 1 + sum(len(list_tile_views(method, image_wh, level)) for level in levels)


def _get_sizes(images: Images) -> Ints:
    return np.stack([images.width, images.height], axis=1).astype(np.int64)


class TileTimer:
    """Prints after the first image with tiles how long the others will take.

    Args:
        method: with the options applied.
        images: all of them, in their order.
    """

    def __init__(self, method: FullImageMethod, images: Images, options: InferenceOptions) -> None:
        self._num_views = count_views(method, images, options)
        self._started_at = time.monotonic()
        self._is_first = True

    def finish_image(self, row: int) -> None:
        """Print the time after the first image; nothing after others.

        Args:
            row: of the image that is done.
        """
        if not self._is_first:
            return
        self._is_first = False
        seconds = time.monotonic() - self._started_at
        line = describe_time_left(seconds, row, self._num_views)
        if line:
            print_status(line)


def describe_time_left(seconds: float, row: int, num_views: Ints) -> str:
    """Describe how long the images after one will take, in proportion to their views.

    Args:
        seconds: that the image took.
        row: of the image; those before it could not be read.
        num_views: (m,) of each image.
    Returns: "" where no image is left.

    >>> describe_time_left(2.0, 0, np.array([5, 10, 15]))
    'the first image took 2 s for 5 views; about 10 s for the other 2'
    """
    num_others = len(num_views) - row - 1
    if num_others < 1:
        return ""
    seconds_left = seconds * num_views[row + 1 :].sum() / num_views[row]
    return (
        f"the first image took {format_duration(seconds)} for "
        f"{format_count(int(num_views[row]), 'view')}; about {format_duration(seconds_left)} for "
        f"the other {num_others:,}"
    )
