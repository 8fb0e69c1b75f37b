"""Detect people in overlapping tiles of a large image, so that small people are seen larger.

A network sees an image at its own input size: of 3840 px reduced to 640, a person 48 px tall has 8
left. So the image is cut into overlapping tiles, and processed in full as well. People up to the
size of the overlap are complete in some tile; people cut by a tile's border are left to the views
that show them complete, and detections of one person in several views are merged.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.large_images import LargeImage
from smallpose.inference.large_images import detect_in_reduced_image, detect_in_windows
from smallpose.inference.view_merging import (
    View,
    compute_edge,
    compute_network_px,
    drop_cut_people,
    merge_views,
    shift_to_image,
)
from smallpose.methods.full_image import Detections, FullImageMethod

Ints = NDArray[np.int64]


class TileLevel(NamedTuple):
    """Tiles of one size.

    Args:
        side: of a tile, px of the image.
        overlap: people up to this size are complete in some tile, px of the image.
    """

    side: int
    overlap: int


def compute_tile_windows(image_wh: tuple[int, int], side: int, overlap: int) -> Ints:
    """Return (m, 4) x, y, width, height of tiles that cover the image, px.

    The tiles of an image have the same size, do not leave the image, and are spaced evenly:
    neighbours share at least `overlap` px. An image that is a single tile has none.
    """
    tile_wh = [min(side, length) for length in image_wh]
    starts = []
    for length, tile in zip(image_wh, tile_wh, strict=True):
        step = max(tile - overlap, 1)
        count = 1 + max(-(-(length - tile) // step), 0)
        starts.append(np.round(np.linspace(0, length - tile, count)).astype(np.int64))
    x, y = np.meshgrid(*starts)
    if x.size == 1:
        return np.zeros((0, 4), dtype=np.int64)
    size = np.broadcast_to(np.array(tile_wh), (x.size, 2))
    return np.concatenate([np.stack([x.ravel(), y.ravel()], axis=1), size], axis=1)


def list_tile_views(
    method: FullImageMethod, image_wh: tuple[int, int], level: TileLevel
) -> list[View]:
    """List the tiles of an image, in which people up to the size of the overlap are complete.

    Neighbours share more than the overlap: people near a border count as cut, and a box may be
    larger than the person by a pixel of the network at both ends.
    """
    tile_wh = (min(level.side, image_wh[0]), min(level.side, image_wh[1]))
    network_px = compute_network_px(method, tile_wh)
    shared = level.overlap
    if level.overlap:
        shared += int(np.ceil(2 * compute_edge(level.side, network_px) + 2 * network_px))
    windows = compute_tile_windows(image_wh, level.side, shared)
    return [View(window, network_px, level.overlap) for window in windows]


@contextmanager
def use_test_side(method: FullImageMethod, side: int) -> Iterator[None]:
    """Fit images into an input of that side, px, in the context; 0 changes nothing."""
    before = method.test_side
    method.test_side = side or before
    try:
        yield
    finally:
        method.test_side = before


def detect_in_tiles(
    method: FullImageMethod,
    image: ImageArray | LargeImage,
    flip_test: bool,
    batch_size: int,
    levels: Sequence[TileLevel],
    tile_to: int = 0,
) -> Detections:
    """Detect the people of one image, px of the image, in its tiles and in the full image.

    Args:
        image: (h, w, 3) uint8 RGB, or an image that is read in parts.
        levels: sizes of tiles; the image is searched in all of them.
        tile_to: side of the network's input for tiles, px; 0 for that of the full image.
    """
    image_wh = (image.shape[1], image.shape[0])
    with use_test_side(method, tile_to):
        views = [view for level in levels for view in list_tile_views(method, image_wh, level)]
    windows = np.array([view.window for view in views], dtype=np.int64).reshape(-1, 4)
    num_limited = method.num_limited
    if isinstance(image, LargeImage):
        with use_test_side(method, tile_to):
            in_tiles = detect_in_windows(method, image, windows, flip_test, batch_size)
        in_full_image = detect_in_reduced_image(method, image, flip_test, batch_size)
    else:
        tiles = [image[y : y + h, x : x + w] for x, y, w, h in windows.tolist()]
        together = [image] if tile_to else [*tiles, image]  # what has one size of input
        with use_test_side(method, tile_to):
            in_tiles = method.detect_in_images(tiles, flip_test, batch_size) if tile_to else []
        *others, in_full_image = method.detect_in_images(together, flip_test, batch_size)
        in_tiles += others
    if not views:
        return in_full_image
    parts = [
        drop_cut_people(shift_to_image(detections, view), view, image_wh)
        for detections, view in zip(in_tiles, views, strict=True)
    ]
    full_view = View(np.array([0, 0, *image_wh]), compute_network_px(method, image_wh))
    sigmas = method.skeleton.sigmas
    merged = merge_views([*parts, in_full_image], [*views, full_view], sigmas)
    max_people = method.max_merged_people
    is_limited = max_people is not None and len(merged.scores) > max_people
    # However many of its views have reached the limit, this is one image.
    method.num_limited = num_limited + (is_limited or method.num_limited > num_limited)
    return Detections(*(column[:max_people] for column in merged))
