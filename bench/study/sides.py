"""Refuse a model whose left and right are exchanged, on drawn people and on labelled ones.

A wrong order of channels or joints costs 20 AP, and no error says so.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataloading.images import ImageArray
from smallpose.inference import predict_people
from smallpose.methods.base import PoseMethod
from smallpose.resolution.scores import score_people
from smallpose.synthetic import draw_scene

NUM_SCENES = 16
MIN_PX = 128  # height of the drawn people who are used
MIN_FOUND = 5  # people with an OKS of at least .5, as they are or exchanged; fewer tell nothing


@dataclass(frozen=True)
class SideCheck:
    """How well the results of a model fit as they are, and with left and right exchanged.

    Args:
        people: who were used.
        oks, exchanged: mean OKS of the nearest detection.
        found: people with an OKS of at least .5 in the better of the two.
    """

    people: int
    oks: float
    exchanged: float
    found: int

    @property
    def is_refused(self) -> bool:
        """Return whether left and right are exchanged; too few people found tell nothing."""
        return self.found >= MIN_FOUND and self.exchanged >= self.oks

    @property
    def is_told(self) -> bool:
        """Return whether enough people were found."""
        return self.found >= MIN_FOUND

    def to_dict(self) -> dict[str, Any]:
        """Return the check for JSON."""
        return {
            "people": self.people,
            "oks": round(self.oks, 3),
            "exchanged": round(self.exchanged, 3),
            "found": self.found,
        }


def check_sides(truth: Instances, predictions: Predictions) -> SideCheck:
    """Compare OKS as it is with OKS of exchanged sides, for people of one image each."""
    oks, _ = score_people(truth, predictions)
    exchanged, _ = score_people(truth, exchange_sides(predictions))
    best = np.maximum(oks, exchanged)
    return SideCheck(
        len(truth), float(oks.mean()), float(exchanged.mean()), int((best >= 0.5).sum())
    )


def exchange_sides(predictions: Predictions) -> Predictions:
    """Give each joint the place of that of the other side."""
    joints = predictions.skeleton.joints
    order = [joints.index(_name_other_side(joint)) for joint in joints]
    return replace(predictions, keypoints=predictions.keypoints[:, order])


def _name_other_side(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    return "left_" + joint.removeprefix("right_") if joint.startswith("right_") else joint


def draw_people() -> tuple[Instances, dict[str, ImageArray]]:
    """Draw scenes and cut a window around each person who is large enough, one an image."""
    windows: list[ImageArray] = []
    poses, boxes = [], []
    for seed in range(NUM_SCENES):
        image, keypoints, boxes_xywh = draw_scene(seed)
        for pose, box in zip(keypoints, boxes_xywh, strict=True):
            if box[3] < MIN_PX or (pose[:, 2] == 2).sum() < 12:
                continue
            window, offset = _cut_window(image, box)
            windows.append(window)
            moved = pose.copy()
            moved[:, :2] -= offset * (pose[:, 2:] > 0)
            poses.append(moved)
            boxes.append(box - np.array([*offset, 0, 0]))
    names = [f"{row}.png" for row in range(len(windows))]
    sizes = np.array([[w.shape[1], w.shape[0]] for w in windows])
    images = make_images(np.arange(len(windows)) + 1, names, sizes[:, 0], sizes[:, 1])
    truth = make_instances(
        SMALLPOSE, images, np.arange(len(windows)), np.array(boxes), np.array(poses)
    )
    return truth, dict(zip(names, windows, strict=True))


def _cut_window(image: ImageArray, box: np.ndarray) -> tuple[ImageArray, np.ndarray]:
    """Return the part of an image around a box, a quarter of its height larger at every side."""
    reach = 0.25 * box[3]
    low = np.maximum(np.floor(box[:2] - reach), 0).astype(int)
    high = np.ceil(box[:2] + box[2:] + reach).astype(int)
    return np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]]), low


def check_drawn_people(method: PoseMethod) -> SideCheck:
    """Check a model on drawn people; raises InputError when left and right are exchanged."""
    truth, images = draw_people()
    predictions = predict_people(method, truth, None, images.__getitem__)
    check = check_sides(truth, predictions)
    refuse_exchanged_sides(method.name, check, "drawn people")
    return check


def refuse_exchanged_sides(name: str, check: SideCheck, people: str) -> None:
    """Raise InputError when left and right of a model are exchanged."""
    if check.is_refused:
        raise InputError(
            name,
            f"its left and right are exchanged: OKS is {check.oks:.2f} on {check.people} {people}, "
            f"and {check.exchanged:.2f} with the sides exchanged",
            "correct the order of its joints; it was not measured",
        )
