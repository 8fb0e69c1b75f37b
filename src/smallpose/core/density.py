"""Compute the keypoint density and its three classes (paper, Eq. 3 and 4)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.errors import InputError
from smallpose.core.sizes import SMALL_BELOW, classify_sizes

SPARSE_BELOW = 0.35
DENSE_FROM = 0.95  # Eq. 4 prints 0.95 in two classes; it is dense
DENSITIES = ("sparse", "moderate", "dense")
NO_CLASS = -1


def keypoint_density(
    area: ArrayLike, labelled: ArrayLike, joints: ArrayLike
) -> NDArray[np.float64]:
    """Compute how densely labelled keypoints fill a person's box (paper, Eq. 3).

    KD = 2 (1 - 1 / (1 + exp(-(S / 12288) (K / n)))).

    Args:
        area: (n,) box areas S, px², above zero.
        labelled: (n,) number of keypoints with v > 0, the n of Eq. 3.
        joints: (n,) or one number: K, the joints of the skeleton each person was labelled with.
    Returns: (n,) in (0, 1), higher is denser; NaN where no keypoint is labelled.
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
    return _compute_density(area, np.asarray(labelled), np.asarray(joints))


def _compute_density(
    area: NDArray[np.float64], labelled: ArrayLike, joints: ArrayLike
) -> NDArray[np.float64]:
    labelled, joints = np.asarray(labelled), np.asarray(joints)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = (area / SMALL_BELOW) * (joints / labelled)
        density = 2.0 * (1.0 - 1.0 / (1.0 + np.exp(-x)))
    return np.asarray(np.where(labelled > 0, density, np.nan))


def classify_densities(area: ArrayLike, labelled: ArrayLike, joints: ArrayLike) -> NDArray[np.int8]:
    """Return (n,) indices into `DENSITIES`; -1 for people not small or without labelled keypoints.

    The arguments are those of `keypoint_density`, but areas that are not above zero are accepted
    (these people have no class).
    """
    area = np.asarray(area, dtype=np.float64)
    density = _compute_density(area, labelled, joints)
    classes = np.searchsorted([SPARSE_BELOW, DENSE_FROM], density, side="right").astype(np.int8)
    has_class = (classify_sizes(area) == 0) & np.isfinite(density)
    return np.where(has_class, classes, np.int8(NO_CLASS))
