"""Simulate each source's annotators: noise, swaps, gaps and their kind of box.

Noise is COCO's model: the distance between click and joint, divided by s, has the joint's declared
sigma as its root mean square; s² is the person's seen area.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_around_keypoints, enclose_boxes, scale_boxes
from smallpose.core.skeleton import (
    AIC14,
    COCO17,
    HIEVE14,
    MPII16,
    POSETRACK17,
    SMALLPOSE,
    Skeleton,
)
from smallpose.synthetic.labels.records import Person
from smallpose.synthetic.people.body import JOINT
from smallpose.synthetic.scenes.render import RenderedImage

Floats = NDArray[np.float64]

SWAP_SHARE = 0.002  # of the pairs that exist
COCO_MIN_AREA = 32 * 32  # px² of the mask; smaller people have no keypoints
_MIN_VISIBLE_AREA = 14  # px² below which a person is not annotated
_AIC_NECK = 0.045  # AI Challenger's neck lies this share of the way up from head bottom to head top
_AIC_HIPS = 0.09  # its hips lie lower than COCO's, by this share of the trunk
_FACE = [JOINT[j] for j in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
_PAIRS = [(a, b) for a, b in enumerate(SMALLPOSE.flip_indices.tolist()) if a < b]


@dataclass(frozen=True)
class Annotator:
    """How a source labels people.

    Args:
        skeleton: its joints.
        seen, hidden, turned_away: shares of seen, hidden and turned-away (face) joints labelled.
        says_hidden: whether its files tell hidden from seen.
        fewest: labelled joints below which a person is left without any.
        box_rule: see `core.boxes`.
        box_jitter: deviation of rendered box edges, share of the box's side.
        never: joints that have a place in the format but no label.
    """

    skeleton: Skeleton
    seen: float
    hidden: float
    turned_away: float
    says_hidden: bool
    fewest: int
    box_rule: str
    box_jitter: float = 0.0
    never: tuple[str, ...] = ()

    @cached_property
    def exists(self) -> NDArray[np.bool_]:
        """Return (21,) whether the source labels this joint at all."""
        own = set(self.skeleton.joints) - set(self.never)
        return np.array([joint in own for joint in SMALLPOSE.joints])


ANNOTATORS = {
    "coco": Annotator(COCO17, 0.95, 0.5, 0.06, True, 1, "mask"),
    "mpii": Annotator(MPII16, 0.99, 0.95, 0.95, True, 3, "extent_head130"),
    "aic": Annotator(
        skeleton=AIC14,
        seen=0.97,
        hidden=0.76,
        turned_away=0.76,
        says_hidden=True,
        fewest=1,
        box_rule="drawn",
        box_jitter=0.008,
    ),
    "hieve": Annotator(
        skeleton=HIEVE14,
        seen=0.97,
        hidden=0.75,
        turned_away=0.5,
        says_hidden=True,
        fewest=1,
        box_rule="drawn",
        box_jitter=0.025,
    ),
    "posetrack": Annotator(
        POSETRACK17, 0.965, 0.7, 0.3, False, 3, "extent130", never=("left_ear", "right_ear")
    ),
}


def annotate_people(
    rendered: RenderedImage, source: str, rng: np.random.Generator, says_hidden: bool | None = None
) -> tuple[Person, ...]:
    """Return all people that the annotators of a source would have labelled.

    Args:
        says_hidden: overrides the annotator's, as HiEve has two forms of files.
    """
    how = ANNOTATORS[source]
    tells = how.says_hidden if says_hidden is None else says_hidden
    keypoints = _label_keypoints(rendered, how, tells, rng)
    if source == "aic":
        bottom, top = keypoints[:, JOINT["head_bottom"]], rendered.keypoints[:, JOINT["head_top"]]
        bottom[:, :2] += (bottom[:, 2:] > 0) * _AIC_NECK * (top[:, :2] - bottom[:, :2])
        keypoints = _lower_hips(keypoints, rendered.keypoints)
    if source == "mpii":
        # Head top and upper neck carry no flag in the file, so whoever is labelled reads as seen.
        bare = keypoints[:, [JOINT["head_top"], JOINT["head_bottom"]]]
        keypoints[:, [JOINT["head_top"], JOINT["head_bottom"]], 2] = 2.0 * (bare[:, :, 2] > 0)
    few = (keypoints[:, :, 2] > 0).sum(axis=1) < how.fewest
    keypoints[few] = 0.0
    boxes, exact_boxes, heads = _derive_boxes(rendered, keypoints, how, rng)
    noticed = np.flatnonzero(rendered.mask_area >= _MIN_VISIBLE_AREA).tolist()
    crowd = _choose_crowd(rendered, noticed, source, rng)
    people = []
    for row in noticed:
        if row in crowd:
            continue
        own = keypoints[row]
        labelled = bool((own[:, 2] > 0).any())
        area = None
        extra: dict[str, Any] = {"row": row}
        if source == "coco":
            area = float(rendered.mask_area[row])
            extra["polygons"] = trace_polygons(rendered, row)
            if area < COCO_MIN_AREA:
                own = np.zeros_like(own)
        elif not labelled and source != "mpii":
            continue
        if source == "mpii":
            extra |= _derive_mpii_fields(rendered, row, heads[row])
            if rng.random() < 0.08:
                own = np.zeros_like(own)
        people.append(
            Person(own, rendered.keypoints[row], boxes[row], exact_boxes[row], False, area, extra)
        )
    if crowd:
        people.append(_make_region(rendered, sorted(crowd), source))
    return tuple(people)


def _label_keypoints(
    rendered: RenderedImage, how: Annotator, tells: bool, rng: np.random.Generator
) -> Floats:
    exact = rendered.keypoints
    n = len(exact)
    v = exact[:, :, 2]
    share = np.select([v == 2, v == 1], [how.seen, how.hidden], 0.0)
    share[:, _FACE] = np.where(v[:, _FACE] == 1, how.turned_away, share[:, _FACE])
    labelled = (rng.random(v.shape) < share) & how.exists
    sigma = SMALLPOSE.sigmas[None, :] * np.sqrt(rendered.mask_area)[:, None] / np.sqrt(2)
    noise = np.clip(rng.standard_normal((n, len(SMALLPOSE), 2)), -3, 3) * sigma[:, :, None]
    height, width = rendered.image.shape[:2]
    xy = np.clip(exact[:, :, :2] + noise, 0.0, [width - 1.0, height - 1.0])
    keypoints = np.concatenate([xy, (v if tells else 2.0 * (v > 0))[:, :, None]], axis=2)
    keypoints[~labelled] = 0.0
    for row, pair in np.argwhere(rng.random((n, len(_PAIRS))) < SWAP_SHARE).tolist():
        a, b = _PAIRS[pair]
        keypoints[row, [a, b]] = keypoints[row, [b, a]]
    return keypoints


def _lower_hips(keypoints: Floats, exact: Floats) -> Floats:
    """Move labelled hips away from the chest and towards each other, as AI Challenger's lie.

    Upper arms and thighs of its people are 0.49 and 0.66 of the trunk's length, those of COCO's and
    CrowdPose's 0.53 to 0.56 and 0.72 to 0.75.
    """
    moved = keypoints.copy()
    hips = [JOINT["left_hip"], JOINT["right_hip"]]
    pelvis = exact[:, [JOINT["pelvis"]], :2]
    shift = _AIC_HIPS * (pelvis - exact[:, [JOINT["chest"]], :2])
    shift = shift + _AIC_HIPS * (pelvis - exact[:, hips, :2])
    moved[:, hips, :2] += (keypoints[:, hips, 2:] > 0) * shift
    return moved


def _derive_boxes(
    rendered: RenderedImage, keypoints: Floats, how: Annotator, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return (n, 4) boxes from labels and from the rendering, and (n, 4) head corners."""
    n = len(keypoints)
    heads = rendered.heads_xyxy + rng.normal(0, 0.5, (n, 4))
    if how.box_rule == "mask":
        return rendered.boxes_xywh, rendered.boxes_xywh, heads
    if how.box_rule == "drawn":
        corners = np.concatenate(
            [rendered.boxes_xywh[:, :2], rendered.boxes_xywh[:, :2] + rendered.boxes_xywh[:, 2:]],
            axis=1,
        )
        side = np.tile(rendered.boxes_xywh[:, 2:], 2)
        corners = corners + rng.normal(0, how.box_jitter, (n, 4)) * side + [-0.5, -0.5, 0.5, 0.5]
        height, width = rendered.image.shape[:2]
        corners = np.clip(corners, 0, [width - 1, height - 1, width - 1, height - 1])
        size = np.maximum(corners[:, 2:] - corners[:, :2], 1.0)
        return np.concatenate([corners[:, :2], size], axis=1), rendered.boxes_xywh, heads
    exact = rendered.keypoints
    if how.box_rule == "extent130":
        return (
            scale_boxes(box_around_keypoints(keypoints), 1.3),
            scale_boxes(box_around_keypoints(exact), 1.3),
            heads,
        )
    ours, theirs = (_to_xywh(h) for h in (heads, rendered.heads_xyxy))
    return (
        scale_boxes(enclose_boxes(box_around_keypoints(keypoints), ours), 1.3),
        scale_boxes(enclose_boxes(box_around_keypoints(exact), theirs), 1.3),
        heads,
    )


def _to_xywh(corners: Floats) -> Floats:
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def _derive_mpii_fields(rendered: RenderedImage, row: int, head: Floats) -> dict[str, Any]:
    x1, y1, x2, y2 = rendered.whole_xyxy[row].tolist()
    return {
        "head": head.tolist(),
        "scale": float(rendered.height[row] / 200),
        "objpos": ((x1 + x2) / 2, (y1 + y2) / 2),
    }


def _choose_crowd(
    rendered: RenderedImage, noticed: list[int], source: str, rng: np.random.Generator
) -> set[int]:
    """Return the rows of people that become one region: COCO crowds, PoseTrack ignore regions."""
    if source not in ("coco", "posetrack") or len(noticed) < 10:
        return set()
    if source == "coco" and len(noticed) < 16:
        return set()
    by_size = sorted(noticed, key=lambda row: rendered.mask_area[row])
    if source == "posetrack":
        # Tracks must not come and go with the areas: decide by row.
        return {row for row in noticed if row % 7 == 6 and rendered.mask_area[row] < 900}
    return set(by_size[: len(noticed) - 13]) if rng.random() < 0.6 else set()


def _make_region(rendered: RenderedImage, rows: list[int], source: str) -> Person:
    # Search only their boxes, because full images are slow to search.
    low, wide = rendered.boxes_xywh[rows, :2], rendered.boxes_xywh[rows, 2:]
    x1, y1 = low.min(axis=0).astype(int).tolist()
    x2, y2 = (low + wide).max(axis=0).astype(int).tolist()
    mask = np.isin(rendered.owner[y1:y2, x1:x2], np.array(rows) + 1)
    ys, xs = np.nonzero(mask)
    ys, xs = ys + y1, xs + x1
    extra: dict[str, Any] = {}
    if source == "coco":
        box = np.array([xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1], dtype=float)
        whole = np.zeros(rendered.owner.shape, dtype=bool)
        whole[y1:y2, x1:x2] = mask
        extra["counts"] = encode_run_lengths(whole)
    else:
        points = np.stack([xs, ys], axis=1).astype(np.int32)
        hull = cv2.convexHull(points)[:, 0].astype(float)
        low, high = hull.min(axis=0), hull.max(axis=0)
        box = np.concatenate([low, high - low])
        extra["region"] = hull.tolist()
    no_keypoints = np.zeros((len(SMALLPOSE), 3))
    area = float(mask.sum()) if source == "coco" else None
    return Person(no_keypoints, no_keypoints, box, box, True, area, extra)


def trace_polygons(rendered: RenderedImage, row: int) -> list[list[float]]:
    """Return the outlines of the visible part of a person as COCO lists them: x, y, x, y, …"""
    x, y, w, h = rendered.boxes_xywh[row].astype(int).tolist()
    mask = (rendered.owner[y : y + h, x : x + w] == row + 1).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_L1, offset=(x, y))
    outlines = [c.ravel().astype(float).tolist() for c in contours if len(c) >= 3]
    box = [float(c) for c in (x, y, x + w, y, x + w, y + h, x, y + h)]
    return outlines or [box]


def encode_run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Return COCO's uncompressed run lengths: column by column, beginning with the background."""
    height, columns = len(mask), np.flatnonzero(mask.any(axis=0))
    if not len(columns):
        return [mask.size]
    first, last = int(columns[0]), int(columns[-1])
    inside = mask[:, first : last + 1].ravel(order="F").view(np.int8)
    edges = np.flatnonzero(np.diff(inside, prepend=0, append=0)) + first * height
    counts: list[int] = np.diff(edges, prepend=0, append=mask.size).tolist()
    return counts if counts[-1] else counts[:-1]
