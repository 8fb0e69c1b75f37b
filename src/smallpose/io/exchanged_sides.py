"""Find results whose left and right joints are exchanged against the labels.

People who label by hand often call left what is on the left of the image. A model that confuses the
sides is no such case: it does so in some people only, or puts both joints in one place.
"""

from dataclasses import dataclass

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.joint_names import parse_joint_name
from smallpose.io.pose_pairs import (
    MIN_FIT,
    TOLERANCE,
    Indices,
    Mask,
    PairedPoses,
    average_rows,
    choose_best_pairs,
    measure_fit,
    read_labels,
    sample_people,
)

MIN_APART = 2 * TOLERANCE  # of a left and a right joint that tell the sides; as the tolerance
MIN_GAIN = 0.25  # of the fit of a person who tells the sides
MIN_SIDES_SHARE = 0.75  # of those who tell the sides, exchanged
MIN_IMAGE_SIDES_SHARE = 0.25  # of them, where all labels have the sides of the image
MIN_IMAGE_LEFT = 0.95  # of them, with their left joints on the left of the image
MIN_IMAGE_PEOPLE = 20
MIN_SIDES_ERRORS = 3.0  # standard errors of a coin that decides the side of each person
LEFT_OF_IMAGE = "the left of a person who faces the camera is on the right of the image"
FROM_BEHIND = (
    f"{LEFT_OF_IMAGE}; or most are seen from behind, and the model takes them for facing the camera"
)
FACE = ("nose", "left_eye", "right_eye")


def describe_exchanged_sides(truth: Instances, poses: PairedPoses) -> str | None:
    """Say that left and right joints are exchanged in most people who tell the sides.

    A person tells them by joints whose other side is labelled at a distance: there one reading
    fits and the other does not.
    """
    pairs, labels, own_fit = poses.pairs, poses.labels, poses.own_fit
    flip = poses.skeleton.flip_indices
    other_fit = measure_fit(poses.detected_xy, labels[:, flip], poses.area)
    is_labelled = labels[:, :, 2] > 0
    apart = np.hypot(*np.moveaxis(labels[:, :, :2] - labels[:, flip, :2], 2, 0))
    is_apart = apart >= MIN_APART * np.sqrt(poses.area)[:, None]
    is_telling = is_labelled & is_labelled[:, flip] & is_apart
    own = average_rows(np.where(is_telling, own_fit, np.nan))
    other = average_rows(np.where(is_telling, other_fit, np.nan))
    whole = average_rows(other_fit)
    best = choose_best_pairs(pairs, np.maximum(average_rows(own_fit), whole))
    own, other = own[best], other[best]
    # In another order of joints some of them fit, but not the person.
    is_exchanged = (other > MIN_FIT) & (other > own + MIN_GAIN) & (whole[best] > MIN_FIT)
    is_telling_person = is_exchanged | ((own > MIN_FIT) & (own > other + MIN_GAIN))
    sides = _Sides(
        is_exchanged=is_exchanged[is_telling_person],
        has_face=_find_faces(truth, pairs.people[best])[is_telling_person],
        is_image_left=_find_image_left(poses, is_telling)[best][is_telling_person],
        has_faces=bool(_find_faces(truth, sample_people(truth)).any()),
    )
    return sides.describe()


@dataclass(frozen=True)
class _Sides:
    """The people who tell the sides.

    Args:
        is_exchanged: (n,) whether they fit with left and right exchanged, and else as they are.
        has_face: (n,) whether a joint of the face is labelled.
        is_image_left: (n,) whether the joints labelled as left are on the left of the image.
        has_faces: whether anybody, telling or not, has a label in the face.
    """

    is_exchanged: Mask
    has_face: Mask
    is_image_left: Mask
    has_faces: bool

    def describe(self) -> str | None:
        """Say that left and right are exchanged, in all people or in those facing the camera."""
        total, num_exchanged = len(self.is_exchanged), int(self.is_exchanged.sum())
        num_right = total - num_exchanged
        if (
            self.has_faces
            and 2 * np.count_nonzero(self.has_face & self.is_exchanged) < num_exchanged
        ):
            return None  # seen from behind, and taken for facing the camera: labels are right
        told = format_count(total, "person who tells the sides", "people who tell the sides")
        fit = (
            f"of {told}, {num_exchanged:,} fit with left and right joints exchanged and "
            f"{num_right:,} as they are"
        )
        is_beyond_chance = num_exchanged - num_right >= MIN_SIDES_ERRORS * np.sqrt(max(total, 1))
        if is_beyond_chance and num_exchanged >= MIN_SIDES_SHARE * total:
            return (
                f"left and right seem to be exchanged in the labels or in the results: {fit}; "
                f"{LEFT_OF_IMAGE if self.has_faces else FROM_BEHIND}"
            )
        num_image_left = int(self.is_image_left.sum())
        if total < MIN_IMAGE_PEOPLE or num_image_left < MIN_IMAGE_LEFT * total:
            return None
        if num_exchanged < MIN_IMAGE_SIDES_SHARE * total or not self.has_faces:
            return None
        return (
            f"left and right seem to be those of the image in the labels: {num_image_left:,} of "
            f"{told} have their left joints on the left of the image; {fit}; {LEFT_OF_IMAGE}"
        )


def _find_image_left(poses: PairedPoses, is_telling: Mask) -> Mask:
    """Find (p,) people whose labels of left joints are to the left of those of right joints."""
    x = poses.labels[:, :, 0]
    sides = [parse_joint_name(joint).side for joint in poses.skeleton.joints]
    is_left = np.array([side == "left" for side in sides])
    offset = np.where(is_telling & is_left, x[:, poses.skeleton.flip_indices] - x, 0).sum(axis=1)
    return np.asarray(offset > 0)


def _find_faces(truth: Instances, people: Indices) -> Mask:
    """Find (p,) people with a label in the face; nobody where the truth has no such joint."""
    return np.asarray((read_labels(truth, people, FACE)[:, :, 2] > 0).any(axis=1))
