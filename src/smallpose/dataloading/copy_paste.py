"""Copy-paste augmentation: cut people out of an image, shrink them, paste them into free places.

Few sources have masks, so a person is cut out by a silhouette drawn from the skeleton: limbs as
thick as limbs are, a filled torso, a head, and a soft edge. Whatever their size was, the pasted
person is small by the paper's bound, and their keypoints are transformed exactly as the pixels.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.sizes import SMALL_BELOW
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.affine import warp_points
from smallpose.dataloading.images import ImageArray

Floats = NDArray[np.float64]

MIN_AREA = 32 * 24  # px², of the shrunk box
MIN_SHRINK = 1.5  # factor by which a side becomes shorter
# shares of the joints of a person that is cut out
MIN_LABELLED = 0.7
MIN_VISIBLE = 0.6
MAX_COVERED = 0.3  # share of the pasted box that one other box may cover
NUM_TRIES = 8  # places that are tried
# thickness, radius, softness; by the root of the box area
_LIMB = 0.09
_HEAD = 0.12
_RIM = 0.025

_TORSO = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
_FACE = ("nose", "head_top", "left_eye", "right_eye", "left_ear", "right_ear")


class PersonCutout(NamedTuple):
    """A person cut out of an image and shrunk.

    Args:
        pixels: (h, w, 3) float32 RGB, multiplied by `alpha`.
        alpha: (h, w, 1) float32 in [0, 1].
        matrix: (2, 3) from the original image to px of `pixels`.
        size_wh: of the shrunk box.
        corner: (2,) top left corner of that box in `pixels`, px.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32]
    matrix: Floats
    size_wh: Floats
    corner: Floats


def select_cuttable(keypoints: Floats, boxes_xywh: Floats) -> NDArray[np.bool_]:
    """Return (n,) whether people are complete, visible and large enough to be cut out."""
    k = keypoints.shape[1]
    is_complete = (keypoints[..., 2] > 0).sum(axis=1) >= MIN_LABELLED * k
    is_visible = (keypoints[..., 2] == 2).sum(axis=1) >= MIN_VISIBLE * k
    is_large = boxes_xywh[:, 2:].prod(axis=1) >= MIN_AREA * MIN_SHRINK**2
    return np.asarray(is_complete & is_visible & is_large)


def cut_and_shrink_person(
    image: ImageArray, keypoints: Floats, box_xywh: Floats, skeleton: Skeleton, draw: float
) -> PersonCutout:
    """Cut a person out of an image and shrink them.

    Args:
        keypoints: (k, 3).
        draw: in [0, 1), uniform; makes the area of the shrunk box log-uniform between `MIN_AREA`
            and the bound of small people, or the largest area that `MIN_SHRINK` allows.
    """
    area = float(box_xywh[2:].prod())
    max_area = min(SMALL_BELOW, area / MIN_SHRINK**2)
    factor = np.sqrt(MIN_AREA * (max_area / MIN_AREA) ** draw / area)
    margin = 0.15 * np.sqrt(area)
    size = np.array([image.shape[1], image.shape[0]])
    low = np.clip(np.floor(box_xywh[:2] - margin), 0, size - 1).astype(int)
    high = np.clip(np.ceil(box_xywh[:2] + box_xywh[2:] + margin) + 1, low + 1, size).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    alpha = draw_silhouette(keypoints - [*low, 0], (part.shape[1], part.shape[0]), skeleton, area)
    small_wh = np.maximum(np.round((high - low) * factor), 1).astype(int)
    layers = np.dstack([part * alpha[..., None], alpha])
    resized = cv2.resize(layers, small_wh.tolist(), interpolation=cv2.INTER_AREA)
    small: NDArray[np.float32] = np.asarray(resized, np.float32)
    # Resizing keeps the outer edges fixed, which are half a pixel beyond the outer pixel centres.
    scale = small_wh / (high - low)
    matrix = np.column_stack([np.diag(scale), (scale - 1) / 2 - scale * low])
    corner = scale * (box_xywh[:2] - low) + (scale - 1) / 2
    return PersonCutout(small[..., :3], small[..., 3:], matrix, scale * box_xywh[2:], corner)


def draw_silhouette(
    keypoints: Floats, size_wh: tuple[int, int], skeleton: Skeleton, area: float
) -> NDArray[np.float32]:
    """Draw (h, w) opacities in [0, 1] of a person from their skeleton.

    Args:
        area: of the person's box, px²; scales the thickness of the limbs.
    """
    mask = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    side = np.sqrt(area)
    is_labelled = keypoints[:, 2] > 0
    points = np.round(keypoints[:, :2]).astype(int)
    thickness = max(round(_LIMB * side), 1)
    for a, b in skeleton.edges:
        if is_labelled[a] and is_labelled[b]:
            cv2.line(mask, points[a].tolist(), points[b].tolist(), 255, thickness)
    torso = skeleton.joint_indices([j for j in _TORSO if j in skeleton.joints])
    torso = torso[is_labelled[torso]]
    if len(torso) > 2:
        cv2.fillConvexPoly(mask, cv2.convexHull(points[torso].astype(np.int32)), 255)
    face = skeleton.joint_indices([j for j in _FACE if j in skeleton.joints])
    face = face[is_labelled[face]]
    if len(face):
        center = np.round(keypoints[face, :2].mean(axis=0)).astype(int)
        cv2.circle(mask, center.tolist(), max(round(_HEAD * side), 1), 255, -1)
    blurred = cv2.GaussianBlur(mask, (0, 0), max(_RIM * side, 0.5))
    return np.asarray(blurred, np.float32) / np.float32(255)


def choose_place(
    image_wh: tuple[int, int], size_wh: Floats, others_xyxy: Floats, rng: np.random.Generator
) -> Floats | None:
    """Choose the (2,) corner of a box inside the image that hardly covers others; None if none.

    Args:
        others_xyxy: (n, 4) boxes of all other people.
    """
    slack = np.array(image_wh) - 1 - size_wh
    draws = rng.random((NUM_TRIES, 2))  # always all, so that later draws do not depend on success
    if (slack < 0).any():
        return None
    for low in draws * slack:
        overlap = np.minimum(others_xyxy[:, 2:], low + size_wh) - np.maximum(
            others_xyxy[:, :2], low
        )
        covered = np.maximum(overlap, 0).prod(axis=1)
        if (covered <= MAX_COVERED * size_wh.prod()).all():
            return np.asarray(low)
    return None


class PastedPerson(NamedTuple):
    """The effect of pasting a person into an image.

    Args:
        matrix: (2, 3) from the person's original image to this one.
        region: rows and columns that were painted over.
        is_covered: (h, w) pixels of the region in which the pasted person hides the image.
        before: (h, w, 3) pixels of the region before pasting.
    """

    matrix: Floats
    region: tuple[slice, slice]
    is_covered: NDArray[np.bool_]
    before: ImageArray

    def move_keypoints(self, keypoints: Floats) -> Floats:
        """Map (…, 3) keypoints of the pasted person to their new place."""
        out = keypoints.copy()
        out[..., :2] = warp_points(keypoints[..., :2], self.matrix)
        out[keypoints[..., 2] == 0] = 0
        return out

    def move_box(self, box_xywh: Floats) -> Floats:
        """Map the (4,) box of the pasted person to its new place."""
        factors = self.matrix[[0, 1], [0, 1]]
        return np.concatenate([warp_points(box_xywh[:2], self.matrix), box_xywh[2:] * factors])

    def occlude_keypoints(self, keypoints: Floats) -> Floats:
        """Lower v to 1 for those (n, k, 3) keypoints of other people that are now hidden."""
        out = keypoints.copy()
        rows, columns = self.region
        x = np.round(keypoints[..., 0]).astype(int) - columns.start
        y = np.round(keypoints[..., 1]).astype(int) - rows.start
        h, w = self.is_covered.shape
        in_region = np.nonzero((x >= 0) & (x < w) & (y >= 0) & (y < h) & (keypoints[..., 2] == 2))
        is_hidden = self.is_covered[y[in_region], x[in_region]]
        out[(*(index[is_hidden] for index in in_region), 2)] = 1
        return out

    def undo(self, image: ImageArray) -> None:
        """Restore the image as it was before."""
        image[self.region] = self.before


def paste_person(image: ImageArray, cutout: PersonCutout, corner: Floats) -> PastedPerson:
    """Paste a person into an image in place, the corner of their box at the nearest pixel."""
    start = np.round(corner - cutout.corner).astype(int)
    h, w = cutout.alpha.shape[:2]
    low = np.maximum(start, 0)
    high = np.minimum(start + np.array([w, h]), [image.shape[1], image.shape[0]])
    region = slice(low[1], high[1]), slice(low[0], high[0])
    x0, y0 = low - start
    x1, y1 = high - start
    visible = slice(y0, y1), slice(x0, x1)
    alpha = cutout.alpha[visible]
    before = image[region].copy()
    mixed = before * (1 - alpha) + cutout.pixels[visible]
    image[region] = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
    matrix = cutout.matrix.copy()
    matrix[:, 2] += start
    return PastedPerson(matrix, region, alpha[..., 0] > 0.5, before)
