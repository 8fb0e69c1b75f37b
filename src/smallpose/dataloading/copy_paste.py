"""Shrink and paste: people cut out of a picture stand, smaller, where hardly anybody stands.

Who is cut out is covered by a silhouette of his skeleton, since few sources have masks: limbs as
thick as limbs are, the torso filled, a head, and a soft rim. He becomes a small person by the
paper's bound, whatever he was, and his labels go with the pixels exactly.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.sizes import SMALL_BELOW
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.affine import warp_points
from smallpose.dataloading.images import Picture

Floats = NDArray[np.float64]

LEAST_AREA = 32 * 24  # px², of who was shrunk
LEAST_SHRUNK = 1.5  # a side becomes so many times shorter at least
LABELLED, SEEN = 0.7, 0.6  # shares of the joints that who is cut out must have
MOST_COVERED = 0.3  # of the place's box, by another's
TRIES = 8  # places
_LIMB, _HEAD, _RIM = 0.09, 0.12, 0.025  # of the box's side: thickness, radius, softness

_TORSO = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
_FACE = ("nose", "head_top", "left_eye", "right_eye", "left_ear", "right_ear")


class Cutting(NamedTuple):
    """A person cut out and shrunk.

    Args:
        pixels: (h, w, 3) float32 RGB, already times the cover.
        cover: (h, w, 1) float32 in [0, 1].
        matrix: (2, 3) from the picture he was in to px of `pixels`.
        size_wh: of his own box, shrunk.
        corner: (2,) of that box in `pixels`, px.
    """

    pixels: NDArray[np.float32]
    cover: NDArray[np.float32]
    matrix: Floats
    size_wh: Floats
    corner: Floats


def may_be_cut(keypoints: Floats, boxes_xywh: Floats) -> NDArray[np.bool_]:
    """(n,) who shows enough of himself and is large enough to become smaller."""
    k = keypoints.shape[1]
    whole = (keypoints[..., 2] > 0).sum(axis=1) >= LABELLED * k
    seen = (keypoints[..., 2] == 2).sum(axis=1) >= SEEN * k
    large = boxes_xywh[:, 2:].prod(axis=1) >= LEAST_AREA * LEAST_SHRUNK**2
    return np.asarray(whole & seen & large)


def shrunk_person(
    picture: Picture, keypoints: Floats, box_xywh: Floats, skeleton: Skeleton, draw: float
) -> Cutting:
    """A person of a picture, cut out and made small.

    Args:
        keypoints: (k, 3).
        draw: in [0, 1), uniform; his box's area becomes log-uniform between `LEAST_AREA` and the
            bound of small people, or what `LEAST_SHRUNK` leaves him.
    """
    area = float(box_xywh[2:].prod())
    most = min(SMALL_BELOW, area / LEAST_SHRUNK**2)
    factor = np.sqrt(LEAST_AREA * (most / LEAST_AREA) ** draw / area)
    margin = 0.15 * np.sqrt(area)
    size = np.array([picture.shape[1], picture.shape[0]])
    low = np.clip(np.floor(box_xywh[:2] - margin), 0, size - 1).astype(int)
    high = np.clip(np.ceil(box_xywh[:2] + box_xywh[2:] + margin) + 1, low + 1, size).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    cover = silhouette(keypoints - [*low, 0], (part.shape[1], part.shape[0]), skeleton, area)
    shown = np.maximum(np.round((high - low) * factor), 1).astype(int)
    both = np.dstack([part * cover[..., None], cover])
    resized = cv2.resize(both, shown.tolist(), interpolation=cv2.INTER_AREA)
    small: NDArray[np.float32] = np.asarray(resized, np.float32)
    # Resizing keeps the outer edges in place, half a pixel beyond the outer centres.
    grown = shown / (high - low)
    matrix = np.column_stack([np.diag(grown), (grown - 1) / 2 - grown * low])
    corner = grown * (box_xywh[:2] - low) + (grown - 1) / 2
    return Cutting(small[..., :3], small[..., 3:], matrix, grown * box_xywh[2:], corner)


def silhouette(
    keypoints: Floats, size_wh: tuple[int, int], skeleton: Skeleton, area: float
) -> NDArray[np.float32]:
    """(h, w) in [0, 1]: where a person of so many px² of box is, as his skeleton says."""
    cover = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    side = np.sqrt(area)
    there = keypoints[:, 2] > 0
    points = np.round(keypoints[:, :2]).astype(int)
    thick = max(round(_LIMB * side), 1)
    for a, b in skeleton.edges:
        if there[a] and there[b]:
            cv2.line(cover, points[a].tolist(), points[b].tolist(), 255, thick)
    torso = skeleton.index([j for j in _TORSO if j in skeleton.joints])
    torso = torso[there[torso]]
    if len(torso) > 2:
        cv2.fillConvexPoly(cover, cv2.convexHull(points[torso].astype(np.int32)), 255)
    face = skeleton.index([j for j in _FACE if j in skeleton.joints])
    face = face[there[face]]
    if len(face):
        middle = np.round(keypoints[face, :2].mean(axis=0)).astype(int)
        cv2.circle(cover, middle.tolist(), max(round(_HEAD * side), 1), 255, -1)
    soft = cv2.GaussianBlur(cover, (0, 0), max(_RIM * side, 0.5))
    return np.asarray(soft, np.float32) / np.float32(255)


def find_place(
    picture_wh: tuple[int, int], size_wh: Floats, others_xyxy: Floats, rng: np.random.Generator
) -> Floats | None:
    """(2,) corner of a box of that size, inside the picture and hardly on anybody; None if none.

    Args:
        others_xyxy: (n, 4) boxes of everybody there.
    """
    room = np.array(picture_wh) - 1 - size_wh
    draws = rng.random((TRIES, 2))  # all of them, so that what follows does not depend on luck
    if (room < 0).any():
        return None
    for low in draws * room:
        shared = np.minimum(others_xyxy[:, 2:], low + size_wh) - np.maximum(others_xyxy[:, :2], low)
        covered = np.maximum(shared, 0).prod(axis=1)
        if (covered <= MOST_COVERED * size_wh.prod()).all():
            return np.asarray(low)
    return None


class Pasted(NamedTuple):
    """What pasting a person did to a picture.

    Args:
        matrix: (2, 3) from the picture he was in to this one.
        place: what was painted over, rows and columns.
        covered: (h, w) of that: where he hides what was there.
        before: (h, w, 3) of that, as it was.
    """

    matrix: Floats
    place: tuple[slice, slice]
    covered: NDArray[np.bool_]
    before: Picture

    def moved(self, keypoints: Floats) -> Floats:
        """(…, 3) keypoints of the person who was pasted, where he is now."""
        out = keypoints.copy()
        out[..., :2] = warp_points(keypoints[..., :2], self.matrix)
        out[keypoints[..., 2] == 0] = 0
        return out

    def moved_box(self, box_xywh: Floats) -> Floats:
        """(4,) box, likewise."""
        factors = self.matrix[[0, 1], [0, 1]]
        return np.concatenate([warp_points(box_xywh[:2], self.matrix), box_xywh[2:] * factors])

    def hides(self, keypoints: Floats) -> Floats:
        """(n, k, 3) keypoints of the people who were there; those he hides have v = 1 at most."""
        out = keypoints.copy()
        rows, columns = self.place
        x, y = (np.round(keypoints[..., i]).astype(int) for i in (0, 1))
        x, y = x - columns.start, y - rows.start
        h, w = self.covered.shape
        inside = np.nonzero((x >= 0) & (x < w) & (y >= 0) & (y < h) & (keypoints[..., 2] == 2))
        over = self.covered[y[inside], x[inside]]
        out[(*(place[over] for place in inside), 2)] = 1
        return out

    def undo(self, picture: Picture) -> None:
        """Put the picture back as it was."""
        picture[self.place] = self.before


def paste_person(picture: Picture, cutting: Cutting, at: Floats) -> Pasted:
    """Lay a person on a picture, in place, with his box's corner at `at` to the nearest pixel."""
    start = np.round(at - cutting.corner).astype(int)
    h, w = cutting.cover.shape[:2]
    low = np.maximum(start, 0)
    high = np.minimum(start + np.array([w, h]), [picture.shape[1], picture.shape[0]])
    place = slice(low[1], high[1]), slice(low[0], high[0])
    (x0, y0), (x1, y1) = low - start, high - start
    inside = slice(y0, y1), slice(x0, x1)
    cover = cutting.cover[inside]
    before = picture[place].copy()
    mixed = before * (1 - cover) + cutting.pixels[inside]
    picture[place] = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
    matrix = cutting.matrix.copy()
    matrix[:, 2] += start
    return Pasted(matrix, place, cover[..., 0] > 0.5, before)
