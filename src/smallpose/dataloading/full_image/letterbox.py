"""A whole picture fitted to what a network takes, its shape kept and the rest padded."""

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.dataloading.affine import warp_matrix
from smallpose.dataloading.images import Picture

Floats = NDArray[np.float64]


class Fitting(NamedTuple):
    """How a picture of some size is fitted to a network.

    Args:
        center, scale: (2,) of the window that the network sees, picture px.
        size_wh: of what it sees, network px.
        matrix: (2, 3) from picture to network px.
    """

    center: Floats
    scale: Floats
    size_wh: tuple[int, int]
    matrix: Floats


def fit_whole(
    picture_wh: tuple[int, int],
    input_wh: tuple[int, int],
    multiple: int,
    how: Literal["inside", "cover"],
) -> Fitting:
    """The window that shows a whole picture in its middle.

    Args:
        input_wh: what the network would like to see.
        multiple: sides of what it sees are multiples of this.
        how: "inside" makes the picture fit into `input_wh`; "cover" makes its short side as long
            as `input_wh`, and what the network sees grows with the long side.
    """
    w, h = picture_wh
    want_w, want_h = (-(-side // multiple) * multiple for side in input_wh)
    least_or_most = min if how == "inside" else max
    shown_w = least_or_most(float(want_w), want_h * w / h)
    shown_h = least_or_most(float(want_h), want_w * h / w)
    if how == "cover":
        want_w, want_h = (int(np.ceil(side / multiple)) * multiple for side in (shown_w, shown_h))
    center = np.array([w / 2, h / 2])
    scale = np.array([w * want_w / shown_w, h * want_h / shown_h])
    size = (want_w, want_h)
    return Fitting(center, scale, size, warp_matrix(center, scale, size))


def show_whole(picture: Picture, fitting: Fitting, pad: int) -> Picture:
    """(h, w, 3) picture as the network sees it, `pad` around it."""
    return np.asarray(
        cv2.warpAffine(
            picture,
            fitting.matrix,
            fitting.size_wh,
            flags=cv2.INTER_LINEAR,
            borderValue=(pad, pad, pad),
        ),
        np.uint8,
    )
