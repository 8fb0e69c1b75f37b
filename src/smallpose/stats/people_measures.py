"""Measure what people of a data set look like: views, proportions, sizes, visibility, crowding.

Two data sets are compared measure by measure. A measure is a share of people or joints, or a
distribution, of which every twentieth quantile is kept; so the measures of a data set are a small
JSON, and two of them are compared without the people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.skeleton import Skeleton
from smallpose.stats.crowding import crowd_index

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SHARES = {
    "facing": "left shoulder to the right of the right one, as seen from in front",
    "hidden": "hidden joints among labelled ones",
    "labelled": "labelled joints among those that the source labels",
    "cut_off": "people whose box touches the border of the image",
}
DISTRIBUTIONS = {
    "shoulder_width": "shoulder width over trunk length; negative from behind",
    "hip_width": "hip width over trunk length",
    "upper_arm": "upper arm over trunk length",
    "forearm": "forearm over trunk length",
    "thigh": "thigh over trunk length",
    "shin": "shin over trunk length",
    "height": "height of the box, px",
    "box_ratio": "width over height of the box",
    "crowd_index": "CrowdIndex of an image",
}
QUANTILES = np.linspace(0.0, 1.0, 21)
MIN_PEOPLE = 20  # fewer do not make a share or a distribution
_MIN_TRUNK = 8.0  # px; whole pixels of labels make ratios of shorter trunks coarse
_BORDER = 1.5  # px
_DIGITS = 4  # behind the point, so that a measure is the same before and after JSON
_LIMBS = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"),
}


@dataclass(frozen=True)
class PeopleMeasures:
    """The measures of a data set, or of one source of it.

    Args:
        people: number of people with keypoints.
        shares: by name in `SHARES`; None where it cannot be measured.
        distributions: by name in `DISTRIBUTIONS`, (21,) quantiles from the least to the greatest;
            None likewise.
    """

    people: int
    shares: Mapping[str, float | None]
    distributions: Mapping[str, tuple[float, ...] | None]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        shares = {name: None if v is None else round(v, _DIGITS) for name, v in self.shares.items()}
        distributions = {
            name: None if values is None else list(values)
            for name, values in self.distributions.items()
        }
        return {"people": self.people, **shares, **distributions}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "PeopleMeasures":
        """Build measures from what `to_dict` returned."""
        return cls(
            people=content["people"],
            shares={name: content.get(name) for name in SHARES},
            distributions={
                name: None if content.get(name) is None else tuple(content[name])
                for name in DISTRIBUTIONS
            },
        )


def measure_people(people: Instances) -> PeopleMeasures:
    """Measure the people who count; images without people are left out."""
    rows = np.flatnonzero(people.is_counted & (people.num_labelled > 0))
    keypoints, boxes = people.keypoints[rows], people.boxes_xywh[rows]
    sizes = np.stack([people.images.width, people.images.height], axis=1)[people.image_rows[rows]]
    v = keypoints[:, :, 2]
    is_labelled = v > 0
    tells_hidden = bool((v == 1).any())
    can_have = people.num_source_joints[rows]
    beyond = [boxes[:, :2] < _BORDER, boxes[:, :2] + boxes[:, 2:] > sizes - _BORDER]
    touches = np.asarray(np.concatenate(beyond, axis=1).any(axis=1))
    has_size = np.asarray((sizes > 0).all(axis=1))
    has_box = np.asarray((boxes[:, 2:] > 0).all(axis=1))
    views, limbs = _measure_views(keypoints, people.skeleton)
    crowding = crowd_index(people)
    shares = {
        "facing": _average(views > 0),
        "hidden": _average(v[is_labelled] == 1) if tells_hidden else None,
        "labelled": _average(is_labelled.sum(axis=1) / np.maximum(can_have, 1)),
        "cut_off": _average(touches[np.flatnonzero(has_size & has_box)]),
    }
    height = boxes[has_box, 3]
    distributions = {
        **limbs,
        "height": _list_quantiles(height),
        "box_ratio": _list_quantiles(boxes[has_box, 2] / height),
        "crowd_index": _list_quantiles(crowding[np.isfinite(crowding)]),
    }
    return PeopleMeasures(len(rows), shares, distributions)


def _measure_views(
    keypoints: Floats, skeleton: Skeleton
) -> tuple[Floats, dict[str, tuple[float, ...] | None]]:
    """Return how far right of the right shoulder the left one is, and ratios to the trunk."""
    nothing = dict.fromkeys(["shoulder_width", "hip_width", *_LIMBS])
    names = [f"{side}_{joint}" for joint in ("shoulder", "hip") for side in ("left", "right")]
    if not set(names) <= set(skeleton.joints):
        return np.zeros(0), nothing
    corners = keypoints[:, skeleton.joint_indices(names)]
    is_known = corners[:, :, 2] > 0
    left, right = corners[:, 0, :2], corners[:, 1, :2]
    views = (left - right)[is_known[:, :2].all(axis=1), 0]
    middle = corners[:, :, :2].reshape(-1, 2, 2, 2).mean(axis=2)
    trunk = _measure_length(middle[:, 0], middle[:, 1])
    is_usable = is_known.all(axis=1) & (trunk >= _MIN_TRUNK)
    base = np.maximum(trunk, _MIN_TRUNK)
    shoulders = _measure_length(left, right) * np.where(left[:, 0] < right[:, 0], -1.0, 1.0)
    hips = _measure_length(corners[:, 2, :2], corners[:, 3, :2])
    out = {
        "shoulder_width": _list_quantiles((shoulders / base)[is_usable]),
        "hip_width": _list_quantiles((hips / base)[is_usable]),
    }
    for name, ends in _LIMBS.items():
        ratios = [
            _measure_limb(keypoints, skeleton, [f"{side}_{end}" for end in ends], base, is_usable)
            for side in ("left", "right")
        ]
        out[name] = _list_quantiles(np.concatenate(ratios))
    return views, out


def _measure_limb(
    keypoints: Floats, skeleton: Skeleton, names: list[str], base: Floats, is_usable: Mask
) -> Floats:
    """Return the length of a limb over the trunk's, of the people who have both."""
    if not set(names) <= set(skeleton.joints):
        return np.zeros(0)
    ends = keypoints[:, skeleton.joint_indices(names)]
    has_both = is_usable & (ends[:, :, 2] > 0).all(axis=1)
    return np.asarray((_measure_length(ends[:, 0, :2], ends[:, 1, :2]) / base)[has_both])


def _measure_length(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.hypot(*(one - other).T))


def _average(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) >= MIN_PEOPLE else None


def _list_quantiles(values: Floats) -> tuple[float, ...] | None:
    if len(values) < MIN_PEOPLE:
        return None
    return tuple(np.quantile(values, QUANTILES).round(_DIGITS).tolist())


def measure_distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return the greatest difference of two distributions' shares (Kolmogorov-Smirnov).

    Between two quantiles a distribution is taken as uniform.

    Args:
        one, other: quantiles as in `PeopleMeasures`.
    """
    points = np.union1d(one, other)
    below = [_compute_shares(np.asarray(q), points) for q in (one, other)]
    above = [_compute_shares(-np.asarray(q)[::-1], -points) for q in (one, other)]
    return float(max(np.abs(below[0] - below[1]).max(), np.abs(above[0] - above[1]).max()))


def _compute_shares(quantiles: Floats, points: Floats) -> Floats:
    """Return the share of a distribution up to each point, with its jumps."""
    last = np.searchsorted(quantiles, points, side="right") - 1
    low = np.clip(last, 0, len(quantiles) - 1)
    high = np.minimum(low + 1, len(quantiles) - 1)
    width = quantiles[high] - quantiles[low]
    part = np.where(width > 0, (points - quantiles[low]) / np.where(width > 0, width, 1.0), 0.0)
    shares = QUANTILES[low] + np.clip(part, 0.0, 1.0) * (QUANTILES[high] - QUANTILES[low])
    return np.where(last < 0, 0.0, shares)
