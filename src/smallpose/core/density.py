"""Keypoint density and its three classes (paper, Eq. 3)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.errors import InputError
from smallpose.core.sizes import SMALL_BELOW, size_classes

SPARSE_BELOW = 0.35
DENSE_FROM = 0.95  # Eq. 4 prints 0.95 in two classes; it is dense
DENSITIES = ("sparse", "moderate", "dense")
NO_CLASS = -1


def keypoint_density(
    area: ArrayLike, labelled: ArrayLike, joints: ArrayLike
) -> NDArray[np.float64]:
    """How densely labelled keypoints fill a person's box (paper, Eq. 3).

    KD = 2 (1 - 1 / (1 + exp(-(S / 12288) (K / n)))).

    Args:
        area: (n,) box areas S, px², above zero.
        labelled: (n,) keypoints with v > 0, the n of Eq. 3.
        joints: (n,) or one number: K of the skeleton each person was labelled with.
    Returns: (n,) in (0, 1), higher is denser; NaN where nothing is labelled.
    Raises: InputError, naming the first row whose area is not positive.

    >>> keypoint_density([600, 1200], [3, 17], 17).round(5).tolist()
    [0.86253, 0.95121]
    """
    area = np.asarray(area, dtype=np.float64)
    wrong = np.flatnonzero(~(np.atleast_1d(area) > 0))
    if len(wrong):
        raise InputError(
            f"row {wrong[0]}",
            f"area {np.atleast_1d(area)[wrong[0]]} is not above zero",
            "leave out people without a box",
        )
    return _density(area, np.asarray(labelled), np.asarray(joints))


def _density(
    area: NDArray[np.float64], labelled: ArrayLike, joints: ArrayLike
) -> NDArray[np.float64]:
    labelled, joints = np.asarray(labelled), np.asarray(joints)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = (area / SMALL_BELOW) * (joints / labelled)
        density = 2.0 * (1.0 - 1.0 / (1.0 + np.exp(-x)))
    return np.asarray(np.where(labelled > 0, density, np.nan))


def density_classes(area: ArrayLike, labelled: ArrayLike, joints: ArrayLike) -> NDArray[np.int8]:
    """(n,) numbers into `DENSITIES`; -1 for people who are not small or have nothing labelled.

    Takes what `keypoint_density` takes, but areas that are not above zero too (they have no class).
    """
    area = np.asarray(area, dtype=np.float64)
    density = _density(area, labelled, joints)
    classes = np.searchsorted([SPARSE_BELOW, DENSE_FROM], density, side="right").astype(np.int8)
    small = (size_classes(area) == 0) & np.isfinite(density)
    return np.where(small, classes, np.int8(NO_CLASS))
