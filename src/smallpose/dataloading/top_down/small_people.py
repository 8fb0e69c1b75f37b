"""Size-aware training: what is done for small people, beyond the published recipes.

Sizes even out (`shares`), and large people are shown as if they were small (`coarser`): both ask
nothing of a method.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


def shares(classes: NDArray[np.int8], balance: float, rng: np.random.Generator) -> Rows:
    """How often an epoch shows each person so that classes of size even out.

    A class of n people gets a share of the epoch in proportion to n ^ (1 - balance), and each of
    its people the whole number above or below his part of that, by chance. As many are shown as
    there are people.

    Args:
        classes: (n,) of people.
        balance: 0 shows everybody once, 1 each class equally often.
    Returns: (n,) counts; their sum is n.
    """
    _, which, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    share = sizes ** (1.0 - balance)
    each = len(classes) * share / share.sum() / sizes
    order = rng.permutation(len(classes))
    # A grid of step 1, laid at random over everybody's parts end to end.
    ends = np.floor(np.cumsum(each[which[order]]) + rng.random()).astype(np.intp)
    ends[-1:] = len(classes)  # where the parts end but for rounding
    counts = np.empty(len(classes), dtype=np.intp)
    counts[order] = np.diff(np.minimum(ends, len(classes)), prepend=0)
    return counts


def coarser(
    crop: NDArray[np.uint8], window_w: float, least: float, draw: float
) -> NDArray[np.uint8]:
    """The crop as from a camera of lower resolution.

    Args:
        crop: (h, w, 3).
        window_w: picture px across the crop; one that shows fewer than its own is coarse already.
        least: of the crop's resolution; a crop as coarse as that stays as it is.
        draw: in [0, 1), uniform; the resolution is log-uniform between what it is and the least.
    """
    h, w = crop.shape[:2]
    now = min(window_w / w, 1.0)
    if now <= least:
        return crop
    factor = now * (least / now) ** draw
    size = max(round(w * factor), 1), max(round(h * factor), 1)
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR), np.uint8)
