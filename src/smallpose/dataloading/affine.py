"""Image, crop and back: the only file that converts between these frames.

A person's window is a centre and a scale: the point of the image that lands in the middle of the
crop, and the width and height in image px that the crop shows. Rotation turns the picture inside
the window and enters neither. Pixel centres sit at integers in every frame.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PADDING = 1.25  # the window is this much larger than the box (MMPose's constant)


def clip_to_pixels(boxes_xywh: Floats, width: int, height: int) -> Floats:
    """(n, 4) boxes with both corners cut to the pixel centres [0, w - 1] × [0, h - 1]."""
    last = np.array([width - 1, height - 1], dtype=np.float64)
    low = np.clip(boxes_xywh[:, :2], 0, last)
    high = np.clip(boxes_xywh[:, :2] + boxes_xywh[:, 2:], 0, last)
    return np.concatenate([low, high - low], axis=1)


def box_window(
    boxes_xywh: Floats, input_wh: tuple[int, int], padding: float = PADDING
) -> tuple[Floats, Floats]:
    """(n, 4) boxes to the (n, 2) centres and (n, 2) scales of their windows."""
    center = boxes_xywh[:, :2] + boxes_xywh[:, 2:] / 2
    return center, fit_aspect(boxes_xywh[:, 2:] * padding, input_wh)


def fit_aspect(scale: Floats, input_wh: tuple[int, int]) -> Floats:
    """(n, 2) scales with the side that is too short for the crop's shape made longer."""
    aspect = input_wh[0] / input_wh[1]
    w, h = scale[:, 0], scale[:, 1]
    return np.stack([np.where(w > h * aspect, w, h * aspect)] * 2, axis=1) / [1, aspect]


def warp_matrix(
    center: Floats,
    scale: Floats,
    input_wh: tuple[int, int],
    rotate_deg: float = 0.0,
    udp: bool = False,
) -> Floats:
    """The (2, 3) matrix from image to crop px of one window.

    Plain, the factor is the same on both axes and the centre lands on (w / 2, h / 2), half a pixel
    off the middle of the grid: MMPose's warp, which published weights were trained with.

    Args:
        center, scale: (2,) of the window, its shape already that of the crop.
        rotate_deg: turns the picture counter-clockwise on screen (y points down) when positive,
            about the centre; with `udp` the other way round, as MMPose's.
        udp: the window's sides are the distances between the crop's outer pixel centres, so the
            centre lands in the middle of the grid and the factors differ a little.
    """
    if udp:
        return _udp_matrix(center, scale, input_wh, rotate_deg)
    factor = input_wh[0] / scale[0]
    angle = np.deg2rad(rotate_deg)
    cos, sin = factor * np.cos(angle), factor * np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    shift = np.array(input_wh) / 2 - turn @ center
    return np.concatenate([turn, shift[:, None]], axis=1)


def _udp_matrix(
    center: Floats, scale: Floats, input_wh: tuple[int, int], rotate_deg: float
) -> Floats:
    factors = (np.array(input_wh) - 1) / scale
    angle = np.deg2rad(rotate_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = factors[:, None] * np.array([[cos, -sin], [sin, cos]])
    shift = factors * scale / 2 - turn @ center
    return np.concatenate([turn, shift[:, None]], axis=1)


def mirrored(matrix: Floats, image_width: int) -> Floats:
    """The matrix that does the same to the mirrored image, as one from the unmirrored image."""
    flipped = matrix.copy()
    flipped[:, 0] = -matrix[:, 0]
    flipped[:, 2] += matrix[:, 0] * (image_width - 1)
    return flipped


def warp_points(points: Floats, matrix: Floats) -> Floats:
    """(…, 2) points through a (2, 3) matrix."""
    moved: Floats = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def cut(
    picture: NDArray[np.uint8],
    matrix: Floats,
    input_wh: tuple[int, int],
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """(h, w, 3) crop of a picture, into `out` if given: bilinear, black where the picture ends."""
    crop = cv2.warpAffine(picture, matrix, input_wh, dst=out, flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8)


def to_image(
    points_crop: Floats, center: Floats, scale: Floats, input_wh: tuple[int, int]
) -> Floats:
    """(n, k, 2) points of unrotated crops to the image.

    Args:
        center, scale: (n, 2) of each crop's window.
    """
    window = scale[:, None]
    back: Floats = points_crop / np.array(input_wh) * window + center[:, None] - window / 2
    return back
