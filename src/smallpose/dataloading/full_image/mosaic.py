"""A picture with its people on the way to a training sample, and what chance may do to it.

Warps, mirrors, mosaics of four and mixtures of two, as MMPose's recipes for DEKR, CID and RTMO
have them.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.affine import warp_points
from smallpose.dataloading.augmentation import Augment
from smallpose.dataloading.images import Picture

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class WholeAugment(Augment):
    """How much a training picture may differ from the stored one.

    `flip`, `shift` and `rotate_deg` are `Augment`'s; half bodies there are none. The defaults are
    those of MMPose's DEKR and CID, and the last lines are for RTMO.

    Args:
        scale_range: the window is that much of the picture.
        fit: which side of the picture the window's shape is made from.
        pad: grey level where the picture ends.
        hsv: at most, up or down, of hue (of 180), saturation and value (of 255).
        only_labelled: drop people without a keypoint in the picture, or with a box of a pixel.
        mosaic: whether samples are four pictures, warped, and mixed with a fifth.
        closing: epochs at the end without mosaic.
        closing_still: whether those pictures are only fitted, not warped.
    """

    without: ClassVar[tuple[str, ...]] = ("half_body", "scale", "shift_chance", "rotate_chance")
    half_body: float = 0.0
    shift: float = 0.2
    shift_chance: float = 1.0
    rotate_deg: float = 30.0
    rotate_chance: float = 1.0
    scale_range: tuple[float, float] = (0.75, 1.5)
    fit: Literal["short", "long"] = "short"
    pad: int = 0
    hsv: tuple[int, int, int] = (0, 0, 0)
    only_labelled: bool = False
    mosaic: bool = False
    closing: int = 0
    closing_still: bool = False


STILL = WholeAugment(
    flip=0, shift=0, rotate_deg=0, scale_range=(1, 1), fit="long", shift_chance=0, rotate_chance=0
)


class Scene(NamedTuple):
    """A picture and its people on their way to a sample; the last rows are nobody's labels."""

    picture: Picture
    keypoints: Floats  # (n, k, 3)
    corners: Floats  # (n, 4, 2)
    area: Floats  # (n,)
    unlabelled: Floats  # (m, 4, 2) boxes of crowds and of people without keypoints


def box_corners(boxes_xywh: Floats) -> Floats:
    """(n, 4) boxes to (n, 4, 2): top left, bottom left, top right, bottom right."""
    low, high = boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]
    x = np.stack([low[:, 0], low[:, 0], high[:, 0], high[:, 0]], axis=1)
    y = np.stack([low[:, 1], high[:, 1], low[:, 1], high[:, 1]], axis=1)
    return np.stack([x, y], axis=2)


def moved(scene: Scene, matrix: Floats, size_wh: tuple[int, int], pad: int) -> Scene:
    """The scene through a (2, 3) matrix, cut to a size."""
    picture = cv2.warpAffine(
        scene.picture, matrix, size_wh, flags=cv2.INTER_LINEAR, borderValue=(pad, pad, pad)
    )
    return people_moved(scene._replace(picture=np.asarray(picture, np.uint8)), matrix)


def people_moved(scene: Scene, matrix: Floats) -> Scene:
    keypoints = scene.keypoints.copy()
    keypoints[..., :2] = warp_points(keypoints[..., :2], matrix)
    return Scene(
        scene.picture,
        keypoints,
        warp_points(scene.corners, matrix),
        scene.area * abs(np.linalg.det(matrix[:, :2])),
        warp_points(scene.unlabelled, matrix),
    )


def turned(scene: Scene, skeleton: Skeleton) -> Scene:
    """The scene in a mirror, left joints exchanged with right ones."""
    last = scene.picture.shape[1] - 1
    keypoints = scene.keypoints[:, skeleton.mirror]
    keypoints[..., 0] = last - keypoints[..., 0]
    flipped = [c * [-1, 1] + [last, 0] for c in (scene.corners, scene.unlabelled)]
    # What was top right is top left now.
    corners = flipped[0][:, [2, 3, 0, 1]]
    picture = np.ascontiguousarray(scene.picture[:, ::-1])
    return Scene(picture, keypoints, corners, scene.area, flipped[1])


def joined(picture: Picture, parts: list[Scene]) -> Scene:
    columns = [np.concatenate(column) for column in list(zip(*parts, strict=True))[1:]]
    return Scene(picture, *columns)


def paste(canvas: Picture, small: Picture, at: NDArray[np.int_]) -> None:
    """Lay a picture on a canvas with its corner at (x, y), cut where the canvas ends."""
    end = np.minimum(at + small.shape[1::-1], canvas.shape[1::-1])
    begin = np.maximum(at, 0)
    if (end > begin).all():
        (x0, y0), (x1, y1) = begin - at, end - at
        canvas[begin[1] : end[1], begin[0] : end[0]] = small[y0:y1, x0:x1]


def perspective(rng: np.random.Generator, size_wh: tuple[int, int]) -> Floats:
    """RTMO's warp of the mosaic: shear, turn, shrink and shift, all uniform.

    It is centred on half the sample's size and not on half the canvas: mostly the upper left
    picture is seen, with parts of the others.
    """
    half = np.array(size_wh) / 2
    shrink = rng.uniform(0.75, 1.0)
    turn, shear_x, shear_y = np.deg2rad(rng.uniform(-1, 1, 3) * (10, 2, 2))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    shear = np.array([[1, np.tan(shear_x)], [np.tan(shear_y), 1]])
    linear = shrink * rotation @ shear
    shift = half + rng.uniform(-0.1, 0.1, 2) * size_wh - linear @ half
    return np.concatenate([linear, shift[:, None]], axis=1)


def shift_hsv(picture: Picture, most: tuple[int, int, int], rng: np.random.Generator) -> Picture:
    """Hue, saturation and value each moved with probability 1/2."""
    step = rng.uniform(-1, 1, 3) * most * (rng.random(3) < 0.5)
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(np.int16) + step.astype(np.int16)
    hsv[..., 0] %= 180
    np.clip(hsv[..., 1:], 0, 255, out=hsv[..., 1:])
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def cut_normal(rng: np.random.Generator, n: int) -> Floats:
    """The standard normal cut to [-1, 1], by its inverse distribution function."""
    return np.asarray(ndtri(ndtr(-1) + rng.random(n) * (ndtr(1) - ndtr(-1))))
