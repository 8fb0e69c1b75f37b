"""Chance in training: mirror, half body, shift, scale, rotation, as MMPose's top-down recipes.

Every person's changes come from a counter: the same seed, epoch and person give the same draw,
whoever computes it and in whatever order.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from smallpose.core.skeleton import Skeleton

Floats = NDArray[np.float64]

_LOWER_BODY = ("hip", "pelvis", "knee", "ankle")


@dataclass(frozen=True, kw_only=True)
class Augment:
    """How much a training crop may differ from the box's own. The defaults are MMPose's.

    Of its fields `without` change nothing. The last four are for small people and no published
    recipe's; `bench/arms.py` measures what they do. Of them whole pictures know `paste` alone.
    """

    without: ClassVar[tuple[str, ...]] = ()
    flip: float = 0.5  # chance to mirror
    half_body: float = 0.3  # chance to show only the upper or the lower body
    shift: float = 0.16  # of the window, at most, on each axis
    shift_chance: float = 0.3
    scale: float = 0.5  # the window becomes up to this much larger or smaller
    rotate_deg: float = 80.0  # at most, either way
    rotate_chance: float = 0.6
    balance: float = 0.0  # 1 shows small, medium and large people equally often, 0 as they come
    coarse: float = 0.0  # chance to show a person at a lower resolution, as if he were smaller
    coarse_least: float = 0.25  # of the crop's resolution
    # Chance to show a person cut out, shrunk to a small one and pasted elsewhere in his picture; to
    # whole pictures, for each person of another picture to be so pasted into this one.
    paste: float = 0.0


NO_CHANGE = Augment(flip=0, half_body=0, shift=0, shift_chance=0, scale=0, rotate_chance=0)


@dataclass
class View:
    """One person and the window he is seen through; x and y in px of the (mirrored) image.

    Args:
        keypoints: (k, 3) x, y, v.
        center, scale: (2,) of the window; the scale need not have the crop's shape yet.
        rotate_deg: of the picture inside the window.
        flipped: whether all of this is in the frame of the mirrored image.
    """

    keypoints: Floats
    center: Floats
    scale: Floats
    rotate_deg: float = 0.0
    flipped: bool = False


def counter_rng(seed: int, epoch: int, item: int, purpose: int = 0) -> np.random.Generator:
    """A generator of its own for each (seed, epoch, item, purpose)."""
    return np.random.Generator(np.random.Philox(key=[seed, item], counter=[0, 0, epoch, purpose]))


def change(
    view: View, augment: Augment, skeleton: Skeleton, image_width: int, rng: np.random.Generator
) -> View:
    """A view changed by chance, in MMPose's order: mirror, half body, then the window's jitter."""
    draw = rng.random(9)
    if draw[0] < augment.flip:
        view = mirror(view, skeleton, image_width)
    if draw[1] < augment.half_body:
        view = half_body(view, skeleton, draw[2])
    # The standard normal cut to [-1, 1], by its inverse distribution function.
    v = ndtri(ndtr(-1) + draw[3:7] * (ndtr(1) - ndtr(-1)))
    if draw[7] < augment.shift_chance:
        view.center = view.center + augment.shift * v[:2] * view.scale
    view.scale = view.scale * (1 + augment.scale * v[2])
    if draw[8] < augment.rotate_chance:
        view.rotate_deg = augment.rotate_deg * v[3]
    return view


def mirror(view: View, skeleton: Skeleton, image_width: int) -> View:
    """The same person in the mirrored image, left joints exchanged with right ones."""
    keypoints = view.keypoints[skeleton.mirror]
    keypoints[:, 0] = image_width - 1 - keypoints[:, 0]
    center = np.array([image_width - 1 - view.center[0], view.center[1]])
    return View(keypoints, center, view.scale, -view.rotate_deg, not view.flipped)


def half_body(view: View, skeleton: Skeleton, draw: float) -> View:
    """A window of 1.5 times the extent of the upper or the lower body's labelled keypoints.

    Nothing happens with fewer than nine labelled keypoints, or with too few in either half (two
    above, three below). Where both have enough, the upper body is taken with probability 0.7.
    """
    seen = view.keypoints[:, 2] > 0
    if seen.sum() < 9:
        return view
    lower = np.array([joint.endswith(_LOWER_BODY) for joint in skeleton.joints])
    upper_can, lower_can = (seen & ~lower).sum() >= 2, (seen & lower).sum() >= 3
    if not (upper_can or lower_can):
        return view
    take_upper = upper_can and (not lower_can or draw < 0.7)
    chosen = view.keypoints[seen & ~lower if take_upper else seen & lower, :2]
    extent = chosen.max(axis=0) - chosen.min(axis=0)
    # Keypoints on one line give no window; one px keeps the shape rule at work.
    return View(
        view.keypoints,
        chosen.mean(axis=0),
        np.maximum(1.5 * extent, 1.0),
        view.rotate_deg,
        view.flipped,
    )
