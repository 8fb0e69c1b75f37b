"""Find the corners of an image and describe them.

Corners are those of FAST (Rosten and Drummond, 2006) at three scales of the smoothed image. Each
descriptor has 256 bits as in BRIEF (Calonder et al., 2010): comparisons of two pixels near the
corner. Every comparison has a mirrored one beside it, so that the descriptor of the mirror image
is the same bits in another order.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Descriptors = NDArray[np.uint32]

MAX_CORNERS = 64  # per image; a crop to 70 % of the area keeps about 45 of them
# A crop to 70 % of the area, resized to as many pixels, is enlarged by 1.2.
_PYRAMID_LEVELS = 3
_PYRAMID_SCALE = 1.2
_SMOOTHING_SIDE = 5  # px; the artefacts of strong compression have the size of fewer
_REACH = 14  # px from a corner to the pixels that are compared
_SPREAD = 8.0  # px; standard deviation of their offsets
_MIN_PAIR_DISTANCE = 8  # px between two pixels that are compared
_MARGIN = _REACH + _SMOOTHING_SIDE // 2  # px at the border without corners
_BITS = 256
_EVEN_BITS = np.uint32(0x55555555)
_ONE = np.uint32(1)
# Grey levels; where few corners have a high contrast, those with a low one are taken, too.
_CONTRASTS = (20, 6)
_MIN_CANDIDATES = 256


def describe_corners(grey: Grey) -> tuple[Descriptors, NDArray[np.float32]]:
    """Describe the strongest corners of an image, spread over it.

    `mirror_descriptors` describes them in the mirror image.

    Args:
        grey: (h, w) image at the size at which corners are compared.
    Returns: (f, 8) descriptors and (f, 2) positions in the image, 0 to 1, of at most `MAX_CORNERS`.
    """
    levels, tops, sizes_wh = _build_pyramid(grey)
    pixels, level, strength = _detect_corners(levels, tops, sizes_wh)
    positions = (pixels - _start_of_levels(tops)[level] + 0.5) / sizes_wh[level]
    selected = select_spread_corners(positions, strength)
    descriptors = _compare_pixels(levels, pixels[selected])
    return descriptors, positions[selected].astype(np.float32)


def _build_pyramid(grey: Grey) -> tuple[Grey, NDArray[np.intp], NDArray[np.intp]]:
    """Smooth an image at each scale; all are below each other in one array, treated at once.

    Returns: the array, (levels,) first row of each scale in it, and (levels, 2) widths and heights.
    """
    height, width = grey.shape
    scales = _PYRAMID_SCALE ** np.arange(_PYRAMID_LEVELS)
    sizes_wh = np.rint(np.array([width, height]) / scales[:, None]).astype(np.intp)
    tops = np.cumsum(sizes_wh[:, 1]) - sizes_wh[:, 1]
    levels = np.zeros((int(sizes_wh[:, 1].sum()), width), np.uint8)
    levels[:height] = grey
    larger = grey
    for top, (w, h) in zip(tops.tolist()[1:], sizes_wh.tolist()[1:], strict=True):
        larger = np.asarray(cv2.resize(larger, (w, h)), np.uint8)
        levels[top : top + h, :w] = larger
    smooth = cv2.blur(levels, (_SMOOTHING_SIDE, _SMOOTHING_SIDE))
    return np.asarray(smooth, np.uint8), tops, sizes_wh


def _start_of_levels(tops: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the (levels, 2) x and y of the first pixel of each scale."""
    return np.stack([np.zeros_like(tops), tops], axis=1)


def _detect_corners(
    levels: Grey, tops: NDArray[np.intp], sizes_wh: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Detect corners away from the borders of their scale.

    Returns: (c, 2) x and y in `levels`, (c,) scale and (c,) strength of each.
    """
    starts = _start_of_levels(tops)
    for contrast in _CONTRASTS:
        corners = cv2.FastFeatureDetector.create(contrast).detect(levels, None)
        pixels = np.array(cv2.KeyPoint.convert(corners), dtype=np.intp).reshape(-1, 2)
        level = np.searchsorted(tops, pixels[:, 1], side="right") - 1
        inside = pixels - starts[level]
        is_inside = (inside >= _MARGIN) & (inside < sizes_wh[level] - _MARGIN)
        is_kept = is_inside[:, 0] & is_inside[:, 1]
        if np.count_nonzero(is_kept) >= _MIN_CANDIDATES:
            break
    strength = np.array([corner.response for corner in corners], dtype=np.float64)
    return pixels[is_kept], level[is_kept], strength[is_kept]


def select_spread_corners(
    positions: NDArray[np.float64], strength: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Select the strongest corners, at most an eighth of them from each of 4 × 4 cells.

    If all corners were on one banner, they would not determine how two images align.

    Args:
        positions: (c, 2) in the image, 0 to 1.
        strength: (c,) of each.
    Returns: indices, the strongest corner first.
    """
    order = np.lexsort((positions[:, 1], positions[:, 0], -strength))
    columns, rows = (4 * positions[order]).astype(np.intp).T
    cells = 4 * rows + columns
    by_cell = np.argsort(cells, kind="stable")
    counts = np.bincount(cells, minlength=16)
    rank = np.empty(len(order), np.intp)
    rank[by_cell] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[rank < MAX_CORNERS // 8][:MAX_CORNERS]


def _compare_pixels(levels: Grey, pixels: NDArray[np.intp]) -> Descriptors:
    """Return the (f, 8) descriptors of the corners at (f, 2) x and y."""
    width = levels.shape[1]
    first, second = _offset_pixels(width)
    centers = (pixels[:, 1] * width + pixels[:, 0])[:, None]
    flat = levels.ravel()
    is_darker = flat.take(centers + first) < flat.take(centers + second)
    return np.packbits(is_darker, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def mirror_descriptors(descriptors: Descriptors) -> Descriptors:
    """Return the descriptors that the same corners have in the mirror image.

    Of each two bits, one is the mirrored comparison of the other.
    """
    swapped_up = (descriptors & _EVEN_BITS) << _ONE
    return swapped_up | ((descriptors >> _ONE) & _EVEN_BITS)


@lru_cache(maxsize=1)
def draw_pixel_pairs() -> NDArray[np.intp]:
    """Draw which pixels are compared: (256, 4), x and y of both from the corner.

    Pairs that are their own mirror images are left out, and pairs of near pixels, whose order
    changes with little noise.
    """
    rng = np.random.default_rng(0)
    pairs: list[tuple[int, int, int, int]] = []
    while len(pairs) < _BITS:
        offsets = np.rint(rng.normal(0, _SPREAD, 4)).astype(np.intp)
        x1, y1, x2, y2 = offsets.clip(-_REACH, _REACH).tolist()
        is_far = (x1 - x2) ** 2 + (y1 - y2) ** 2 >= _MIN_PAIR_DISTANCE**2
        if is_far and len({(x1, y1), (x2, y2), (-x1, y1), (-x2, y2)}) > 2:
            pairs += [(x1, y1, x2, y2), (-x1, y1, -x2, y2)]
    return np.array(pairs, dtype=np.intp)


@lru_cache(maxsize=64)
def _offset_pixels(width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return how far the (256,) first and second pixels are from a corner in rows of `width`."""
    x1, y1, x2, y2 = draw_pixel_pairs().T
    return y1 * width + x1, y2 * width + x2
