"""Augmentation of full images with their labels: warp, flip, mosaic of four, mixture of two.

These are the operations of MMPose's recipes for DEKR, CID and RTMO.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.affine import warp_points
from smallpose.dataloading.augmentation import Augmentation, map_to_truncated_normal
from smallpose.dataloading.images import ImageArray

Floats = NDArray[np.float64]

_MIRRORED_CORNERS = [2, 3, 0, 1]  # the former top right corner is the top left one now


@dataclass(frozen=True, kw_only=True)
class FullImageAugmentation(Augmentation):
    """How far a training sample may differ from the stored image.

    `flip`, `shift` and `rotate_deg` are those of `Augmentation`; there is no half body. The
    defaults are those of MMPose's DEKR and CID; the fields from `hsv` on are for RTMO.

    Args:
        scale_range: size of the window, as shares of the image.
        person_windows: probability of placing the window on a random person of the image, instead
            of about the middle of the image. No published recipe uses it.
        fit: the side of the image from which the shape of the window is made.
        pad: grey level outside of the image.
        hsv: maximum change of hue (of 180), saturation and value (of 255).
        only_labelled: drop people without a keypoint in the sample, or with a box of one pixel.
        mosaic: whether samples are four images, warped, and mixed with a fifth.
        closing: epochs at the end without mosaic.
        closing_still: whether images of these epochs are only letterboxed, not warped.
    """

    without: ClassVar[tuple[str, ...]] = ("half_body", "scale", "shift_chance", "rotate_chance")
    half_body: float = 0.0
    shift: float = 0.2
    shift_chance: float = 1.0
    rotate_deg: float = 30.0
    rotate_chance: float = 1.0
    scale_range: tuple[float, float] = (0.75, 1.5)
    person_windows: float = 0.0
    fit: Literal["short", "long"] = "short"
    pad: int = 0
    hsv: tuple[int, int, int] = (0, 0, 0)
    only_labelled: bool = False
    mosaic: bool = False
    closing: int = 0
    closing_still: bool = False


LETTERBOX_ONLY = FullImageAugmentation(
    flip=0, shift=0, rotate_deg=0, scale_range=(1, 1), fit="long", shift_chance=0, rotate_chance=0
)


class LabelledImage(NamedTuple):
    """An image and its people on the way to a training sample; x and y in px of the image.

    Args:
        image: (h, w, 3) uint8 RGB.
        keypoints: (n, k, 3) of labelled people.
        corners: (n, 4, 2) of their boxes.
        area: (n,) px².
        unlabelled_corners: (m, 4, 2) of boxes of crowds and of people without keypoints.
    """

    image: ImageArray
    keypoints: Floats
    corners: Floats
    area: Floats
    unlabelled_corners: Floats

    def mirror_people(self, skeleton: Skeleton) -> "LabelledImage":
        """Exchange left and right joints and corners; the coordinates are mirrored elsewhere."""
        keypoints = self.keypoints[:, skeleton.flip_indices]
        return self._replace(keypoints=keypoints, corners=self.corners[:, _MIRRORED_CORNERS])


def compute_box_corners(boxes_xywh: Floats) -> Floats:
    """Return (n, 4, 2) corners of boxes: top left, bottom left, top right, bottom right."""
    low = boxes_xywh[:, :2]
    high = boxes_xywh[:, :2] + boxes_xywh[:, 2:]
    x = np.stack([low[:, 0], low[:, 0], high[:, 0], high[:, 0]], axis=1)
    y = np.stack([low[:, 1], high[:, 1], low[:, 1], high[:, 1]], axis=1)
    return np.stack([x, y], axis=2)


def warp_image(
    labelled: LabelledImage, matrix: Floats, size_wh: tuple[int, int], pad_value: int
) -> LabelledImage:
    """Warp an image and its labels by a (2, 3) matrix to a size."""
    warped = cv2.warpAffine(
        labelled.image,
        matrix,
        size_wh,
        flags=cv2.INTER_LINEAR,
        borderValue=(pad_value, pad_value, pad_value),
    )
    return warp_labels(labelled._replace(image=np.asarray(warped, np.uint8)), matrix)


def warp_labels(labelled: LabelledImage, matrix: Floats) -> LabelledImage:
    """Transform the labels of an image by a (2, 3) matrix and leave the pixels."""
    keypoints = labelled.keypoints.copy()
    keypoints[..., :2] = warp_points(keypoints[..., :2], matrix)
    return LabelledImage(
        labelled.image,
        keypoints,
        warp_points(labelled.corners, matrix),
        labelled.area * abs(np.linalg.det(matrix[:, :2])),
        warp_points(labelled.unlabelled_corners, matrix),
    )


def mirror_image(labelled: LabelledImage, skeleton: Skeleton) -> LabelledImage:
    """Mirror an image and its labels; left and right joints are exchanged."""
    last = labelled.image.shape[1] - 1
    mirrored = labelled.mirror_people(skeleton)
    keypoints = mirrored.keypoints
    keypoints[..., 0] = last - keypoints[..., 0]
    return LabelledImage(
        np.ascontiguousarray(labelled.image[:, ::-1]),
        keypoints,
        mirrored.corners * [-1, 1] + [last, 0],
        labelled.area,
        labelled.unlabelled_corners * [-1, 1] + [last, 0],
    )


def combine_labels(image: ImageArray, parts: list[LabelledImage]) -> LabelledImage:
    """Put the labels of several images on one image, without moving them."""
    columns = [np.concatenate(column) for column in list(zip(*parts, strict=True))[1:]]
    return LabelledImage(image, *columns)


def paste_image(canvas: ImageArray, image: ImageArray, corner: NDArray[np.int_]) -> None:
    """Paste an image into a canvas with its corner at (x, y), clipped to the canvas."""
    end = np.minimum(corner + image.shape[1::-1], canvas.shape[1::-1])
    begin = np.maximum(corner, 0)
    if (end > begin).all():
        x0, y0 = begin - corner
        x1, y1 = end - corner
        canvas[begin[1] : end[1], begin[0] : end[0]] = image[y0:y1, x0:x1]


def draw_mosaic_warp(rng: np.random.Generator, size_wh: tuple[int, int]) -> Floats:
    """Draw RTMO's random (2, 3) warp of the mosaic: shear, rotation, scale and shift, uniform.

    It is centred on half the sample's size and not on half the canvas, so samples show mostly the
    upper left image with parts of the others.
    """
    half = np.array(size_wh) / 2
    scale = rng.uniform(0.75, 1.0)
    angle, shear_x, shear_y = np.deg2rad(rng.uniform(-1, 1, 3) * (10, 2, 2))
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, np.tan(shear_x)], [np.tan(shear_y), 1]])
    linear = scale * rotation @ shear
    shift = half + rng.uniform(-0.1, 0.1, 2) * size_wh - linear @ half
    return np.concatenate([linear, shift[:, None]], axis=1)


def draw_truncated_normal(rng: np.random.Generator, n: int) -> Floats:
    """Draw n numbers from the standard normal truncated to [-1, 1]."""
    return map_to_truncated_normal(rng.random(n))
