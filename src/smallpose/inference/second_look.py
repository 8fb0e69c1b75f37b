"""Look again at small people of an image, in enlarged windows around them.

Tiles search a whole image at a larger size. A second look costs less: it enlarges only the places
where the first look has detected small people, and so shows their joints with more pixels, and
neighbours that the first look has missed. It does not find people far from all others.

The rule: who is at most `SMALL_PX` tall or wide, whichever is more, in the network's input is
looked at again, if an enlargement of at least `MIN_ENLARGEMENT` is possible. The window is a square
in which they are `LOOK_PX` large, or enlarged `MAX_ENLARGEMENT` times where that is less. People
who are in the window of another, at about that size, need none of their own.
"""

import numpy as np
from numpy.typing import NDArray

from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.large_images import LargeImage
from smallpose.inference.large_images import detect_in_reduced_image, detect_in_windows
from smallpose.inference.tile_plan import MAX_ENLARGEMENT, compute_network_side
from smallpose.inference.view_merging import (
    View,
    compute_edge,
    compute_network_px,
    drop_cut_people,
    merge_views,
    shift_to_image,
)
from smallpose.methods.full_image import Detections, FullImageMethod

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SMALL_PX = 64.0  # longer side of a person's box in the network's input
LOOK_PX = 96.0  # the same in the second look
MIN_ENLARGEMENT = 1.5  # from the first look to the second
MIN_MARGIN = 1.0  # of a window around a person, in longer sides of the box, both ends together
MIN_SCORE_SHARE = 0.2  # of the image's best score; people with less are not looked at again
MAX_WINDOWS = 40  # of an image; the best scores have theirs


def choose_windows(
    corners: Floats, scores: Floats, image_wh: tuple[int, int], network_px: float, side: float
) -> Ints:
    """Choose the (m, 4) windows in which small people are looked at again, x, y, width, height.

    Args:
        corners: (d, 4) x, y, x, y of the boxes of the first look, px of the image.
        scores: (d,).
        network_px: px of the image that one px of the network's input showed.
        side: in which the network sees a square image, px of its input.
    """
    sizes = (corners[:, 2:] - corners[:, :2]).max(axis=1, initial=0)
    best = scores.max(initial=0)
    # Of the image px per px of the network's input that the second look has.
    wanted_px = np.maximum(sizes / LOOK_PX, 1 / MAX_ENLARGEMENT)
    window_sides = np.maximum(side * wanted_px, (1 + MIN_MARGIN) * sizes)
    is_small = (sizes > 0) & (sizes <= SMALL_PX * network_px)
    is_small &= window_sides * MIN_ENLARGEMENT <= side * network_px
    rows = np.flatnonzero(is_small & (scores >= MIN_SCORE_SHARE * best))
    windows: list[Ints] = []
    for row in rows[np.argsort(-scores[rows], kind="stable")].tolist():
        if len(windows) == MAX_WINDOWS:
            break
        if not _is_shown(corners[row], window_sides[row], windows, image_wh):
            windows.append(_place_window(corners[row], window_sides[row], image_wh))
    return np.array(windows, dtype=np.int64).reshape(-1, 4)


def _place_window(box: Floats, side: float, image_wh: tuple[int, int]) -> Ints:
    """Place a square about the middle of a box, inside the image as far as that allows."""
    wh = np.minimum(np.ceil(side), image_wh).astype(np.int64)
    corner = np.round((box[:2] + box[2:] - wh) / 2).astype(np.int64)
    return np.concatenate([np.clip(corner, 0, np.array(image_wh) - wh), wh])


def _is_shown(
    box: Floats, window_side: float, windows: list[Ints], image_wh: tuple[int, int]
) -> bool:
    """Return whether some window shows a box completely, at two thirds of its size or more."""
    margin = 0.25 * (box[2:] - box[:2]).max()
    for x, y, w, h in windows:
        low, high = np.array([x, y]), np.array([x + w, y + h])
        # At a border of the image there is nothing to cut.
        has_low = (box[:2] - margin >= low) | (low == 0)
        has_high = (box[2:] + margin <= high) | (high == np.array(image_wh))
        if has_low.all() and has_high.all() and max(w, h) <= 1.5 * window_side:
            return True
    return False


def detect_twice(
    method: FullImageMethod, image: ImageArray | LargeImage, flip_test: bool, batch_size: int
) -> Detections:
    """Detect the people of one image, and look again at the small ones; px of the image.

    Args:
        image: (h, w, 3) uint8 RGB, or an image that is read in parts.
    Returns: the people of both looks, each once, the best score first.
    """
    image_wh = (image.shape[1], image.shape[0])
    num_limited = method.num_limited
    if isinstance(image, LargeImage):
        first = detect_in_reduced_image(method, image, flip_test, batch_size)
    else:
        first = method.detect_in_images([image], flip_test, batch_size)[0]
    network_px = compute_network_px(method, image_wh)
    windows = choose_windows(
        first.boxes_xyxy.double().numpy(),
        first.scores.double().numpy(),
        image_wh,
        network_px,
        compute_network_side(method),
    )
    if not len(windows):
        return first
    if isinstance(image, LargeImage):
        parts = detect_in_windows(method, image, windows, flip_test, batch_size)
    else:
        cutouts = [image[y : y + h, x : x + w] for x, y, w, h in windows.tolist()]
        parts = method.detect_in_images(cutouts, flip_test, batch_size)
    views = [_describe_view(method, window) for window in windows]
    shifted = [
        drop_cut_people(shift_to_image(detections, view), view, image_wh)
        for detections, view in zip(parts, views, strict=True)
    ]
    full_view = View(np.array([0, 0, *image_wh]), network_px)
    merged = merge_views([*shifted, first], [*views, full_view], method.skeleton.sigmas)
    max_people = method.max_merged_people
    is_limited = max_people is not None and len(merged.scores) > max_people
    # However many of its views have reached the limit, this is one image.
    method.num_limited = num_limited + (is_limited or method.num_limited > num_limited)
    return Detections(*(column[:max_people] for column in merged))


def _describe_view(method: FullImageMethod, window: Ints) -> View:
    """Return what a window shows; who is at most half as large as it is best seen there."""
    wh = (int(window[2]), int(window[3]))
    network_px = compute_network_px(method, wh)
    complete = min(wh) - 2 * compute_edge(max(wh), network_px)
    return View(window, network_px, max(int(complete / 2), 1))
