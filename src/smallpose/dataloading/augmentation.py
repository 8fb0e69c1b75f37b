"""Random augmentation of crops: flip, half body, shift, scale, rotation, as MMPose's recipes.

Random numbers come from a counter-based generator: the same seed, epoch and person give the same
augmentation, whichever process computes it and in whatever order.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from smallpose.core.skeleton import Skeleton
from smallpose.system.packages import require_packages

Floats = NDArray[np.float64]

_LOWER_BODY = ("hip", "pelvis", "knee", "ankle")


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far a training crop may differ from the window of the box. The defaults are MMPose's.

    The fields named in `without` have no effect. The last five are for small people and belong to
    no published recipe; `bench/ablations.py` measures their effect. Of these, augmentation of full
    images uses `paste` alone.
    """

    without: ClassVar[tuple[str, ...]] = ()
    flip: float = 0.5  # probability of mirroring
    half_body: float = 0.3  # probability of showing only the upper or the lower body
    shift: float = 0.16  # maximum on each axis, as a share of the window
    shift_chance: float = 0.3
    scale: float = 0.5  # maximum relative change of the window's size
    rotate_deg: float = 80.0  # maximum in either direction
    rotate_chance: float = 0.6
    balance: float = 0.0  # 1: small, medium and large people equally often; 0: as in the data
    coarse: float = 0.0  # probability of reducing the resolution, as if the person were smaller
    coarse_least: float = 0.25  # minimum, as a share of the crop's resolution
    coarse_camera: float = 0.0  # probability that such a crop has a camera's blur, noise and JPEG
    # Probability of cutting a person out, shrinking them to a small one and pasting them elsewhere
    # in their image. In full images, the probability for each person of another image to be pasted
    # into this one in this way.
    paste: float = 0.0


NO_AUGMENTATION = Augmentation(
    flip=0, half_body=0, shift=0, shift_chance=0, scale=0, rotate_chance=0
)


@dataclass
class PersonView:
    """One person and the window that shows them; x and y in px of the (mirrored) image.

    Args:
        keypoints: (k, 3) x, y, v.
        center, scale: (2,) of the window; the scale need not have the aspect ratio of the crop.
        rotate_deg: rotation of the image inside the window.
        is_flipped: whether all coordinates refer to the mirrored image.
    """

    keypoints: Floats
    center: Floats
    scale: Floats
    rotate_deg: float = 0.0
    is_flipped: bool = False


def make_counter_rng(seed: int, epoch: int, item: int, purpose: int = 0) -> np.random.Generator:
    """Return an independent generator for each (seed, epoch, item, purpose)."""
    return np.random.Generator(np.random.Philox(key=[seed, item], counter=[0, 0, epoch, purpose]))


def map_to_truncated_normal(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map draws from [0, 1) to the standard normal truncated to [-1, 1], by its inverse CDF."""
    low, share = _get_normal_share()
    from scipy.special import ndtri

    return np.asarray(ndtri(low + uniform * share))


@cache
def _get_normal_share() -> tuple[float, float]:
    """Return the standard normal's distribution function at -1, and its rise from there to 1."""
    # Prediction uses this module too and does without SciPy.
    require_packages("augmentation", "scipy")
    from scipy.special import ndtr

    return float(ndtr(-1)), float(ndtr(1) - ndtr(-1))


def augment_view(
    view: PersonView,
    augmentation: Augmentation,
    skeleton: Skeleton,
    image_width: int,
    rng: np.random.Generator,
) -> PersonView:
    """Augment a view in MMPose's order: flip, half body, then shift, scale and rotation."""
    draw = rng.random(9)
    if draw[0] < augmentation.flip:
        view = mirror_view(view, skeleton, image_width)
    if draw[1] < augmentation.half_body:
        view = select_half_body(view, skeleton, draw[2])
    v = map_to_truncated_normal(draw[3:7])
    if draw[7] < augmentation.shift_chance:
        view.center = view.center + augmentation.shift * v[:2] * view.scale
    view.scale = view.scale * (1 + augmentation.scale * v[2])
    if draw[8] < augmentation.rotate_chance:
        view.rotate_deg = augmentation.rotate_deg * v[3]
    return view


def mirror_view(view: PersonView, skeleton: Skeleton, image_width: int) -> PersonView:
    """Mirror the image of a view and exchange left and right joints."""
    keypoints = view.keypoints[skeleton.flip_indices]
    keypoints[:, 0] = image_width - 1 - keypoints[:, 0]
    center = np.array([image_width - 1 - view.center[0], view.center[1]])
    return PersonView(keypoints, center, view.scale, -view.rotate_deg, not view.is_flipped)


def select_half_body(view: PersonView, skeleton: Skeleton, draw: float) -> PersonView:
    """Move the window to 1.5 times the extent of the upper or the lower body's keypoints.

    Only labelled keypoints count. The view is returned unchanged if fewer than nine keypoints are
    labelled, or too few in either half (two above, three below). Where both halves have enough,
    the upper body is chosen with probability 0.7.
    """
    is_labelled = view.keypoints[:, 2] > 0
    if is_labelled.sum() < 9:
        return view
    is_lower = np.array([joint.endswith(_LOWER_BODY) for joint in skeleton.joints])
    upper = is_labelled & ~is_lower
    lower = is_labelled & is_lower
    enough_upper = upper.sum() >= 2
    enough_lower = lower.sum() >= 3
    if not (enough_upper or enough_lower):
        return view
    take_upper = enough_upper and (not enough_lower or draw < 0.7)
    chosen = view.keypoints[upper if take_upper else lower, :2]
    extent = chosen.max(axis=0) - chosen.min(axis=0)
    # Collinear keypoints have no area; one px keeps `fit_aspect` from dividing by zero.
    scale = np.maximum(1.5 * extent, 1.0)
    return replace(view, center=chosen.mean(axis=0), scale=scale)
