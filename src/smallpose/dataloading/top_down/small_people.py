"""Size-aware training: sampling and augmentation for small people, beyond published recipes.

Size classes are balanced (`draw_balanced_counts`), and large people are shown at a lower
resolution (`reduce_resolution`). Both work with any method.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.dataloading.camera import degrade_as_camera

Rows = NDArray[np.intp]


def draw_balanced_counts(
    classes: NDArray[np.int8], balance: float, rng: np.random.Generator
) -> Rows:
    """Draw how often an epoch shows each person, so that size classes are balanced.

    A class of n people gets a share of the epoch in proportion to n ^ (1 - balance). Each of its
    people is shown their part of it, rounded up or down at random. The epoch shows as many people
    as there are.

    Args:
        classes: (n,) size class of each person.
        balance: 0 shows everyone once, 1 shows each class equally often.
    Returns: (n,) counts; their sum is n.
    """
    _, class_of, class_sizes = np.unique(classes, return_inverse=True, return_counts=True)
    share = class_sizes ** (1.0 - balance)
    expected = len(classes) * share / share.sum() / class_sizes
    order = rng.permutation(len(classes))
    # Systematic sampling: a grid of step 1 with a random start over the expected counts end to end.
    ends = np.floor(np.cumsum(expected[class_of[order]]) + rng.random()).astype(np.intp)
    ends[-1:] = len(classes)  # the exact sum, which rounding may miss
    counts = np.empty(len(classes), dtype=np.intp)
    counts[order] = np.diff(np.minimum(ends, len(classes)), prepend=0)
    return counts


def reduce_resolution(
    crop: NDArray[np.uint8],
    window_w: float,
    min_resolution: float,
    draw: float,
    camera_rng: np.random.Generator | None = None,
) -> NDArray[np.uint8]:
    """Degrade a crop as if it came from a camera of lower resolution.

    Args:
        crop: (h, w, 3).
        window_w: image px across the crop; fewer than the crop's own mean a low resolution.
        min_resolution: as a share of the crop's; a crop that is no better stays as it is.
        draw: in [0, 1), uniform; the resolution is log-uniform between the present one and the
            minimum.
        camera_rng: draws the camera that degrades the reduced crop (`degrade_as_camera`); None for
            area averages alone.
    """
    h, w = crop.shape[:2]
    resolution = min(window_w / w, 1.0)
    if resolution <= min_resolution:
        return crop
    factor = resolution * (min_resolution / resolution) ** draw
    size = max(round(w * factor), 1), max(round(h * factor), 1)
    small = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    if camera_rng is not None:
        small = degrade_as_camera(small, camera_rng)
    return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR), np.uint8)
