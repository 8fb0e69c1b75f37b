"""Transforms between image and crop coordinates; no other file converts between these frames.

A person's window is a centre and a scale: the image point that is mapped to the middle of the
crop, and the width and height in image px that the crop shows. A rotation turns the image inside
the window and changes neither. Pixel centres are at integers in every frame.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FLAGS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}

PADDING = 1.25  # factor from the box to the window (MMPose's constant)


def clip_to_pixels(boxes_xywh: Floats, width: int, height: int) -> Floats:
    """Clip both corners of (n, 4) boxes to the pixel centres [0, w - 1] × [0, h - 1]."""
    last = np.array([width - 1, height - 1], dtype=np.float64)
    # Faster than `np.clip`, which counts where each person is clipped alone.
    low = np.minimum(np.maximum(boxes_xywh[:, :2], 0), last)
    high = np.minimum(np.maximum(boxes_xywh[:, :2] + boxes_xywh[:, 2:], 0), last)
    return np.concatenate([low, high - low], axis=1)


def compute_box_window(
    boxes_xywh: Floats, input_wh: tuple[int, int], padding: float = PADDING
) -> tuple[Floats, Floats]:
    """Return the (n, 2) centres and (n, 2) scales of the windows of (n, 4) boxes."""
    center = boxes_xywh[:, :2] + boxes_xywh[:, 2:] / 2
    return center, fit_aspect(boxes_xywh[:, 2:] * padding, input_wh)


def fit_aspect(scale: Floats, input_wh: tuple[int, int]) -> Floats:
    """Lengthen the shorter side of (n, 2) scales to the aspect ratio of the crop."""
    aspect = input_wh[0] / input_wh[1]
    fitted = np.empty((len(scale), 2))
    w, h = scale[:, 0], scale[:, 1]
    fitted[:, 0] = np.where(w > h * aspect, w, h * aspect)
    np.divide(fitted[:, 0], aspect, out=fitted[:, 1])
    return fitted


def compute_warp_matrix(
    center: Floats,
    scale: Floats,
    input_wh: tuple[int, int],
    rotate_deg: float = 0.0,
    udp: bool = False,
) -> Floats:
    """Return the (2, 3) matrix from image to crop px of one window.

    Without `udp` the factor is the same on both axes and the centre is mapped to (w / 2, h / 2),
    half a pixel from the middle of the grid. This is MMPose's warp, with which published weights
    were trained.

    Args:
        center, scale: (2,) of the window; the scale has the aspect ratio of the crop.
        rotate_deg: rotates the image about the centre, counter-clockwise on screen (y points
            down) when positive; with `udp` clockwise, as in MMPose.
        udp: unbiased data processing (UDP): the sides of the window are the distances between the
            outer pixel centres of the crop, so the centre is mapped to the middle of the grid and
            the factors of the axes differ slightly.
    """
    if udp:
        return _compute_udp_matrix(center, scale, input_wh, rotate_deg)
    factor = input_wh[0] / scale[0]
    angle = np.deg2rad(rotate_deg)
    cos = factor * np.cos(angle)
    sin = factor * np.sin(angle)
    rotation = np.array([[cos, sin], [-sin, cos]])
    shift = np.array(input_wh) / 2 - rotation @ center
    return np.concatenate([rotation, shift[:, None]], axis=1)


def _compute_udp_matrix(
    center: Floats, scale: Floats, input_wh: tuple[int, int], rotate_deg: float
) -> Floats:
    factors = (np.array(input_wh) - 1) / scale
    angle = np.deg2rad(rotate_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = factors[:, None] * np.array([[cos, -sin], [sin, cos]])
    shift = factors * scale / 2 - rotation @ center
    return np.concatenate([rotation, shift[:, None]], axis=1)


def mirror_matrix(matrix: Floats, image_width: int) -> Floats:
    """Prepend a mirroring of the image to a matrix for the mirrored image."""
    flipped = matrix.copy()
    flipped[:, 0] = -matrix[:, 0]
    flipped[:, 2] += matrix[:, 0] * (image_width - 1)
    return flipped


def warp_points(points: Floats, matrix: Floats) -> Floats:
    """Transform (…, 2) points by a (2, 3) matrix."""
    warped: Floats = points @ matrix[:, :2].T + matrix[:, 2]
    return warped


def cut_crop(
    image: NDArray[np.uint8],
    matrix: Floats,
    input_wh: tuple[int, int],
    out: NDArray[np.uint8] | None = None,
    interpolation: str = "linear",
) -> NDArray[np.uint8]:
    """Cut an (h, w, 3) crop out of an image, into `out` if given; black outside.

    Args:
        interpolation: "linear" or "cubic".
    """
    crop = cv2.warpAffine(image, matrix, input_wh, dst=out, flags=_FLAGS[interpolation])
    return np.asarray(crop, np.uint8)


def map_to_image(
    points_crop: Floats, center: Floats, scale: Floats, input_wh: tuple[int, int]
) -> Floats:
    """Map (n, k, 2) points of unrotated crops to image px.

    Args:
        center, scale: (n, 2) of the window of each crop.
    """
    window = scale[:, None]
    points: Floats = points_crop / np.array(input_wh) * window + center[:, None] - window / 2
    return points
