"""The tolerance of `--within`, the errors of a joint, and the lens that gives metres."""

import re
from dataclasses import dataclass

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton, find_joint_indices, resolve_skeleton
from smallpose.evaluation.analysis.person_matches import PersonMatches
from smallpose.evaluation.budget.error_model import Floats, People
from smallpose.evaluation.scoring.bootstrap import index_clusters

# Pairs of joints between whose middles a length is measured.
_LENGTHS = {
    "torso": (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")),
    "head": (("head_top",), ("head_bottom",)),
}
MIN_OKS = 0.1  # below it the person was not detected
_FORM = re.compile(r"\s*([\d.]+(?:[eE][-+]?\d+)?)\s*(%\s*[a-z]+|px|)\s*")


@dataclass(frozen=True)
class Tolerance:
    """How far a joint may be off.

    Args:
        text: as the user wrote it.
        amount: px, or a share of the length.
        length: "torso", "head" or "height" of the person; "" for px.
    """

    text: str
    amount: float
    length: str

    def measure(self, people: Instances) -> Floats:
        """Return (n,) px, or shares of the box height; NaN where the length is not labelled.

        Raises: InputError where the skeleton lacks the joints of the length.
        """
        if not self.length:
            return np.full(len(people), self.amount)
        if self.length == "height":
            return np.full(len(people), self.amount)
        ends = []
        for names in _LENGTHS[self.length]:
            missing = [name for name in names if name not in people.skeleton.joints]
            if missing:
                raise InputError(
                    f"--within {self.text}",
                    f"{people.skeleton.name} has no {missing[0]}",
                    "use a share of the box height, such as 5%height, or pixels",
                )
            points = people.keypoints[:, people.skeleton.joint_indices(names)]
            is_labelled = np.asarray((points[:, :, 2] > 0).all(axis=1))
            middle = points[:, :, :2].mean(axis=1)
            ends.append(np.where(is_labelled[:, None], middle, np.nan))
        length = np.hypot(*(ends[0] - ends[1]).T)
        height = people.boxes_xywh[:, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = self.amount * length / height
        return np.where((length > 0) & (height > 0), share, np.nan)


def parse_tolerance(text: str) -> Tolerance:
    """Parse `10%torso`, `5%height`, `50%head`, `4px` or `4`.

    >>> parse_tolerance("10%torso")
    Tolerance(text='10%torso', amount=0.1, length='torso')

    Raises: InputError for anything else.
    """
    match = _FORM.fullmatch(text)
    length = match[2].strip("% ") if match else ""
    is_known = length in ("", "px", "height", *_LENGTHS)
    try:
        amount = float(match[1]) if match and is_known else 0.0
    except ValueError:
        amount = 0.0
    if not amount > 0:
        raise InputError(
            f"--within {text}",
            "is not a tolerance",
            "write 10%torso, 50%head, 5%height or pixels such as 4px",
        )
    if length in ("", "px"):
        return Tolerance(text, amount, "")
    return Tolerance(text, amount / 100, length)


def find_joint(skeleton: Skeleton, name: str) -> int:
    """Return the index of a joint, spelled as in the file or as in the 21.

    Raises: InputError for a joint that the file does not have.
    """
    for names in (skeleton.spelled_joints, skeleton.joints):
        if name in names:
            return names.index(name)
    (index,) = find_joint_indices(skeleton, resolve_skeleton((name,)))
    if index is None:
        raise InputError(
            f"--joint {name}", "no such joint", f"use one of {', '.join(skeleton.spelled_joints)}"
        )
    return index


def measure_people(
    truth: Instances,
    predictions: Predictions,
    matches: PersonMatches,
    joint: int,
    tolerance: Tolerance,
) -> tuple[People, dict[str, int]]:
    """Measure the error of a joint of every person, and count who is left out.

    Args:
        joint: index in the truth's skeleton.
    Raises: InputError where the predictions lack the joint.
    """
    name = truth.skeleton.joints[joint]
    if name not in predictions.skeleton.joints:
        raise InputError(
            f"--joint {truth.skeleton.spelled_joints[joint]}",
            "the predictions do not have it",
            f"use one of {', '.join(predictions.skeleton.spelled_joints)}",
        )
    limit = tolerance.measure(truth)
    is_labelled = truth.keypoints[:, joint, 2] > 0
    height = truth.boxes_xywh[:, 3]
    is_counted = matches.is_scored
    is_used = is_counted & is_labelled & np.isfinite(limit) & (height > 0)
    left_out = {
        "people who do not count (crowd, or no scored joint)": int((~is_counted).sum()),
        "people without a label of the joint": int((is_counted & ~is_labelled).sum()),
        "people without the labels or box that the tolerance needs": int(
            (is_counted & is_labelled & ~is_used).sum()
        ),
    }
    rows = np.flatnonzero(is_used)
    is_detected = (matches.rows[rows] >= 0) & (matches.oks[rows] >= MIN_OKS)
    column = predictions.skeleton.joints.index(name)
    error = np.full(len(rows), np.nan)
    points = predictions.keypoints[matches.rows[rows[is_detected]], column, :2]
    step = points - truth.keypoints[rows[is_detected], joint, :2]
    error[is_detected] = np.hypot(*step.T)
    cluster = index_clusters(truth.images.groups)[truth.image_rows[rows]]
    people = People(
        height=height[rows],
        error=error,
        tolerance=limit[rows],
        is_relative=bool(tolerance.length),
        cluster=np.unique(cluster, return_inverse=True)[1],
    )
    return people, left_out


@dataclass(frozen=True)
class Lens:
    """A pinhole camera.

    Args:
        text: as the user wrote it.
        focal_px: focal length in pixels of the image.
        stature_m: height of a person that fills the box, m.
    """

    text: str
    focal_px: float
    stature_m: float

    def get_distance(self, height_px: float) -> float:
        """Return how far away, in metres, a person of that many pixels stands."""
        return self.focal_px * self.stature_m / height_px


def parse_lens(text: str, stature_m: float) -> Lens:
    """Parse `70deg/1920px` (horizontal field of view and image width) or `4.2mm/6.4mm/4000px`.

    The second form is focal length, sensor width and image width.

    >>> round(parse_lens("90deg/2000px", 1.7).focal_px)
    1000
    >>> parse_lens("4mm/8mm/4000px", 1.7).focal_px
    2000.0

    Raises: InputError for anything else.
    """
    parts = [part.strip() for part in text.split("/")]
    try:
        if len(parts) == 2:
            angle, width = _strip(parts[0], "deg"), _strip(parts[1], "px")
            focal = width / 2 / float(np.tan(np.deg2rad(angle) / 2)) if 0 < angle < 180 else 0.0
        else:
            length, sensor, width = (
                _strip(part, unit) for part, unit in zip(parts, ("mm", "mm", "px"), strict=True)
            )
            focal = length / sensor * width if sensor > 0 else 0.0
    except ValueError:
        focal = 0.0
    if not (0 < focal < np.inf):
        raise InputError(
            f"--lens {text}",
            "is not a lens",
            "write the field of view and image width as 70deg/1920px, or focal length, sensor "
            "width and image width as 4.2mm/6.4mm/4000px",
        )
    if not 0 < stature_m < np.inf:
        raise InputError(f"--stature {stature_m:g}", "is not above zero", "use metres such as 1.7")
    return Lens(text, focal, stature_m)


def _strip(text: str, unit: str) -> float:
    """Parse a number that ends with its unit."""
    if not text.endswith(unit):
        raise ValueError
    return float(text.removesuffix(unit))
