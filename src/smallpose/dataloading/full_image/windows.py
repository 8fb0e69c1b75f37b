"""The window of a full image that a training sample shows."""

import numpy as np
from numpy.typing import NDArray

from smallpose.dataloading.affine import compute_warp_matrix
from smallpose.dataloading.full_image.mosaic import (
    FullImageAugmentation,
    LabelledImage,
    draw_truncated_normal,
)

Floats = NDArray[np.float64]

# Maximum distance of the middle of a window from the person it was placed on, as a share of it.
PERSON_SHIFT = 0.3


def draw_window_warp(
    labelled: LabelledImage,
    augmentation: FullImageAugmentation,
    input_wh: tuple[int, int],
    rng: np.random.Generator,
    letterbox_only: bool,
) -> Floats:
    """Draw the (2, 3) matrix from a single image to a sample of a random window.

    Args:
        letterbox_only: show the whole image.
    """
    w, h = input_wh
    size = np.array([labelled.image.shape[1], labelled.image.shape[0]], dtype=np.float64)
    v = draw_truncated_normal(rng, 4)
    low, high = (1.0, 1.0) if letterbox_only else augmentation.scale_range
    window = size * (low + (high - low) * (v[2] + 1) / 2)
    aspect = w / h
    is_wide = window[0] > window[1] * aspect
    # The window has the shape of the sample; made from the short side it cuts the long one.
    from_height = is_wide == (augmentation.fit == "short" and not letterbox_only)
    if from_height:
        scale = np.array([window[1] * aspect, window[1]])
    else:
        scale = np.array([window[0], window[0] / aspect])
    if letterbox_only:
        return compute_warp_matrix(size / 2, scale, input_wh, 0.0)
    center = size / 2 + augmentation.shift * v[:2] * size
    if augmentation.person_windows:
        center = _place_on_person(labelled, augmentation.person_windows, center, scale, rng)
    return compute_warp_matrix(center, scale, input_wh, augmentation.rotate_deg * v[3])


def _place_on_person(
    labelled: LabelledImage, chance: float, center: Floats, scale: Floats, rng: np.random.Generator
) -> Floats:
    """Return the middle of a window that shows a random person, or `center` in other cases."""
    is_placed = rng.random() < chance
    position, offset = rng.random(), rng.uniform(-PERSON_SHIFT, PERSON_SHIFT, 2)
    if not is_placed or not len(labelled.corners):
        return center
    person = int(position * len(labelled.corners))
    placed: Floats = labelled.corners[person].mean(axis=0) + offset * scale
    return placed
